//! Messages that are to be sent later, perhaps again and again.

use std::sync::Arc;

use crate::{
    Broker, BrokerError, Identity, Message, Time,
    dialect::send::Schedule,
    routing::Sender,
    schedule::{Due, Job},
};

impl Broker {
    /// Sends a message later.
    pub(crate) fn schedule(
        &mut self,
        sender: Sender,
        message: Arc<Message>,
        schedule: Schedule,
    ) -> Result<(), BrokerError> {
        if self.agenda.len() >= self.config.max_scheduled {
            let limit = self.config.max_scheduled;
            return Err(BrokerError::TooMany {
                what: "scheduled messages",
                limit,
            });
        }
        if let Some((at, job)) = self.plan(sender, message, schedule) {
            self.add_job(at, job);
        }
        Ok(())
    }

    /// Has a message stored that is to be sent later. Gives when, unless that is never.
    pub(crate) fn plan(
        &mut self,
        sender: Sender,
        message: Arc<Message>,
        schedule: Schedule,
    ) -> Option<(Time, Job)> {
        let at = schedule.first(self.now)?;
        let identity = sender
            .connection
            .and_then(|id| self.connections.get(id))
            .map(|connection| connection.identity.clone())
            .unwrap_or_default();
        let mut job = Job {
            message,
            schedule,
            login: identity.login,
            reply_token: identity.reply_token,
            stored: 0,
        };
        self.store_job(sender.receipt, &mut job, at);
        Some((at, job))
    }

    /// Sends a message when it is time.
    pub(crate) fn add_job(&mut self, at: Time, job: Job) {
        self.memory += job.message.size();
        self.agenda.add(at, Due::Send(job));
    }

    /// Sends a message whose time has come, and perhaps schedules it again.
    pub(crate) fn send_job(&mut self, mut job: Job, at: Time) {
        let extras = job.message.extras.as_ref();
        let whole = extras.and_then(|extras| extras.schedule.as_ref());
        let again = job
            .schedule
            .again(at.max(self.now), whole.unwrap_or(&job.schedule));
        let identity = Identity {
            login: job.login.clone(),
            reply_token: job.reply_token.clone(),
            ..Identity::default()
        };
        // The schedule's headers stay for those who look; the job's id says that they are done.
        let id = format!("{}-{}", self.run, self.next_sequence);
        let message = Arc::new(job.message.scheduled(&id));
        // There is nobody left to tell of an error; the message may go nowhere, as any other to a
        // topic without subscribers.
        self.journal.begin_move();
        let _ = self.route(Sender::default(), &identity, &message);
        match again {
            Some((at, schedule)) => {
                job.schedule = schedule;
                self.store_job(None, &mut job, at);
                self.agenda.add(at, Due::Send(job));
            }
            None => {
                self.memory = self.memory.saturating_sub(job.message.size());
                self.forget_job(&job);
            }
        }
        self.journal.end_move();
    }
}
