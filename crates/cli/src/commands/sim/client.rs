//! One client of a scenario.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use futures_util::StreamExt as _;
use stompbox::{AckMode, Client, Send, Subscription};
use tokio::{sync::watch, task::JoinHandle};

use super::{
    Play,
    ledger::Listener,
    meters::Span,
    scenario::{Action, Group, OneOf, Step, Think},
};
use crate::{
    commands::bench::body::{self, Mark},
    exit::{Exit, Failure},
    target::leave,
    template::fill,
};

/// How long a request waits for its reply.
const PATIENCE: Duration = Duration::from_secs(10);

/// The header that tells a run's messages from others.
const RUN: &str = "sim-run";

/// A client, and what it has subscribed.
pub(super) struct Simulated {
    play: Arc<Play>,
    group: usize,
    /// Its number in its group.
    number: usize,
    /// Its number among all.
    id: usize,
    random: fastrand::Rng,
    client: Client,
    /// What it has subscribed since it connected, by destination.
    listening: HashMap<String, Listening>,
    round: u64,
    sent: u64,
    /// How late the round began.
    late: Duration,
    has_failed: bool,
}

/// A task that reads a subscription until it is told to end.
struct Listening {
    end: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Plays a client's part, and counts what goes wrong. Gives the client, whose subscriptions are
/// there until the last message has come.
pub(super) async fn play(
    play: Arc<Play>,
    group: usize,
    number: usize,
    id: usize,
) -> Option<Simulated> {
    let mut seed = fastrand::Rng::with_seed(play.scenario.seed);
    let seed = seed.u64(..) ^ (id as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let client = match connect(&play).await {
        Ok(client) => client,
        Err(error) => {
            play.meters.error(group, Exit::text_of(&*error));
            return None;
        }
    };
    let mut one = Simulated {
        group,
        number,
        id,
        random: fastrand::Rng::with_seed(seed),
        client,
        listening: HashMap::new(),
        round: 0,
        sent: 0,
        late: Duration::ZERO,
        has_failed: false,
        play,
    };
    let result = one.act().await;
    one.note(result);
    Some(one)
}

async fn connect(play: &Play) -> Result<Client, Failure> {
    let begun = Instant::now();
    let client = play.target.options(&play.connect)?.connect().await?;
    play.meters.record(Span::Connect, begun.elapsed());
    Ok(client)
}

impl Simulated {
    fn of(&self) -> Option<&Group> {
        self.play.scenario.groups.get(self.group)
    }

    async fn act(&mut self) -> Result<(), Failure> {
        let play = Arc::clone(&self.play);
        let Some(group) = play.scenario.groups.get(self.group) else {
            return Ok(());
        };
        for step in &group.setup {
            self.step(step).await?;
        }
        if group.steps.is_empty() {
            return Ok(());
        }
        // Clients of a group that has a rate take turns.
        let begun = Instant::now();
        let pace = group.rate.map(|rate| {
            let period = Duration::from_secs_f64(group.clients as f64 / rate);
            let offset = period.mul_f64(self.number as f64 / group.clients as f64);
            (period, offset)
        });
        while !play.is_over() && group.rounds.is_none_or(|most| self.round < most) {
            if let Some((period, offset)) = pace {
                let due = begun + offset + period.mul_f64(self.round as f64);
                tokio::select! {
                    () = tokio::time::sleep_until(due.into()) => {}
                    () = play.over() => break,
                }
                // One that is late counts from when it was due.
                self.late = due.elapsed();
            }
            for step in &group.steps {
                self.step(step).await?;
            }
            self.round += 1;
            self.counts(|counts| &counts.rounds);
            // A round need not wait for anything.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    fn counts(&self, of: impl Fn(&super::meters::Counts) -> &std::sync::atomic::AtomicU64) {
        if let Some(counts) = self.play.meters.groups.get(self.group) {
            of(counts).fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn step(&mut self, step: &Step) -> Result<(), Failure> {
        match step.action() {
            Some(Action::Subscribe(to)) => self.subscribe(to, step, false).await,
            Some(Action::Reply(to)) => self.subscribe(to, step, true).await,
            Some(Action::Unsubscribe(from)) => self.unsubscribe(from).await,
            Some(Action::Publish(to)) => self.publish(to, step).await,
            Some(Action::Request(to)) => self.request(to, step).await,
            Some(Action::Think(think)) => {
                let time = think.choose(&mut self.random);
                tokio::select! {
                    () = tokio::time::sleep(time) => {}
                    () = self.play.over() => {}
                }
                Ok(())
            }
            Some(Action::Reconnect) => self.reconnect().await,
            None => Ok(()),
        }
    }

    /// Fills a template in.
    fn text(&self, template: &str) -> String {
        let group = self.of().map_or("", |group| &group.name);
        let more = |letter| match letter {
            b'c' => Some(self.number.to_string()),
            b'n' => Some(self.round.to_string()),
            b'g' => Some(group.to_owned()),
            _ => None,
        };
        let filled = fill(template.as_bytes(), self.sent, more);
        String::from_utf8_lossy(&filled).into_owned()
    }

    fn destination(&mut self, of: &OneOf) -> String {
        let template = of.choose(&mut self.random);
        self.text(template)
    }

    async fn subscribe(&mut self, to: &OneOf, step: &Step, replies: bool) -> Result<(), Failure> {
        let destination = self.destination(to);
        if self.listening.contains_key(&destination) {
            return Err(format!("{destination} is subscribed already").into());
        }
        let default = if replies {
            AckMode::ClientIndividual
        } else {
            AckMode::Auto
        };
        let ack = step.ack.unwrap_or(default);
        let mut subscribe = self.client.subscribe(&destination).ack(ack);
        if let Some(prefetch) = step.prefetch {
            let text = prefetch.to_string();
            subscribe = subscribe.buffer(prefetch.max(1) as usize);
            subscribe = subscribe.header("prefetch-count", &text);
            subscribe = subscribe.header("activemq.prefetchSize", &text);
        }
        if let Some(selector) = &step.selector {
            subscribe = subscribe.header("selector", &self.text(selector));
        }
        for (name, value) in &step.headers {
            subscribe = subscribe.header(name, &self.text(value));
        }
        let subscription = subscribe.receipt().await?;
        let (end, ends) = watch::channel(false);
        let reading = Reading {
            play: Arc::clone(&self.play),
            group: self.group,
            ack,
            work: step.work,
            random: self.random.fork(),
            ends,
        };
        let task = match replies {
            true => tokio::spawn(reading.answer(subscription)),
            false => {
                // From here on, and not from when the task comes to it.
                let listener = self
                    .play
                    .ledger
                    .listen(&destination, step.selector.is_some());
                tokio::spawn(reading.listen(subscription, listener))
            }
        };
        self.listening.insert(destination, Listening { end, task });
        Ok(())
    }

    async fn unsubscribe(&mut self, from: &OneOf) -> Result<(), Failure> {
        let destination = self.destination(from);
        let listening = self.listening.remove(&destination);
        let listening = listening.ok_or_else(|| format!("{destination} is not subscribed"))?;
        let _ = listening.end.send(true);
        Ok(listening.task.await?)
    }

    async fn publish(&mut self, to: &OneOf, step: &Step) -> Result<(), Failure> {
        for _ in 0..step.count.unwrap_or(1) {
            let destination = self.destination(to);
            let due = self.due();
            let (channel, number) = self.play.ledger.next(self.id, &destination)?;
            let at = due.saturating_duration_since(self.play.epoch);
            let mark = Mark {
                producer: channel,
                number,
                at: u64::try_from(at.as_nanos()).unwrap_or(u64::MAX),
            };
            let mut send = self.client.send(&destination).header(RUN, &self.play.run);
            if step.persistent {
                send = send.persistent();
            }
            send = self.with_headers(send, step);
            send = send.body(body::write(mark, step.size.unwrap_or(body::LEAST)));
            self.sent += 1;
            let result = match step.receipt {
                true => send.receipt().await.map_err(Failure::from),
                false => send.await.map_err(Failure::from),
            };
            if let Err(error) = result {
                self.play.ledger.unsure(channel, number);
                return Err(error);
            }
            if step.receipt {
                self.play.meters.record(Span::Receipt, due.elapsed());
            }
            self.counts(|counts| &counts.sent);
        }
        Ok(())
    }

    fn with_headers(&self, mut send: Send, step: &Step) -> Send {
        for (name, value) in &step.headers {
            send = send.header(name, &self.text(value));
        }
        send
    }

    /// When what is done now was to be done.
    fn due(&self) -> Instant {
        let now = Instant::now();
        now.checked_sub(self.late).unwrap_or(now)
    }

    async fn request(&mut self, to: &OneOf, step: &Step) -> Result<(), Failure> {
        let destination = self.destination(to);
        let due = self.due();
        let send = self.with_headers(self.client.send(&destination), step);
        self.sent += 1;
        let body = vec![b'x'; step.size.unwrap_or(body::LEAST)];
        send.body(body)
            .request(step.wait.unwrap_or(PATIENCE))
            .await?;
        self.play.meters.record(Span::Request, due.elapsed());
        self.counts(|counts| &counts.requests);
        Ok(())
    }

    async fn reconnect(&mut self) -> Result<(), Failure> {
        self.leave().await?;
        self.client = connect(&self.play).await?;
        Ok(())
    }

    /// Takes note of a failure, of which there is one a client.
    fn note(&mut self, result: Result<(), Failure>) {
        if let Err(error) = result
            && !std::mem::replace(&mut self.has_failed, true)
        {
            self.play.meters.error(self.group, Exit::text_of(&*error));
        }
    }

    /// Leaves: that tells whether the server took all that was sent.
    pub(super) async fn end(&mut self) {
        let result = self.leave().await;
        self.note(result);
    }

    /// Ends all subscriptions, and the connection.
    async fn leave(&mut self) -> Result<(), Failure> {
        for (_, listening) in self.listening.drain() {
            let _ = listening.end.send(true);
            listening.task.await?;
        }
        leave(&self.client).await
    }
}

/// What a task needs that reads a subscription.
struct Reading {
    play: Arc<Play>,
    group: usize,
    ack: AckMode,
    work: Option<Think>,
    random: fastrand::Rng,
    ends: watch::Receiver<bool>,
}

impl Reading {
    async fn next(&mut self, subscription: &mut Subscription) -> Option<stompbox::Message> {
        let next = tokio::select! {
            next = subscription.next() => next?,
            // An end of the sender is one too.
            _ = self.ends.wait_for(|it| *it) => return None,
        };
        match next {
            Ok(message) => Some(message),
            Err(error) => {
                let text = format!("a subscription has ended: {error}");
                self.play.meters.error(self.group, text);
                None
            }
        }
    }

    async fn work(&mut self) {
        if let Some(work) = self.work {
            tokio::time::sleep(work.choose(&mut self.random)).await;
        }
    }

    async fn acknowledge(&self, message: &stompbox::Message) {
        if self.ack != AckMode::Auto
            && let Err(error) = message.ack().await
        {
            self.play.meters.error(self.group, Exit::text_of(&error));
        }
    }

    async fn listen(mut self, mut subscription: Subscription, listener: Listener) {
        while let Some(message) = self.next(&mut subscription).await {
            let Some(counts) = self.play.meters.groups.get(self.group) else {
                break;
            };
            let is_own = message.header(RUN) == Some(&*self.play.run);
            let mark =
                body::read(message.body()).filter(|mark| is_own && self.play.ledger.knows(*mark));
            match mark {
                Some(mark) => {
                    let now = self.play.epoch.elapsed();
                    let at = Duration::from_nanos(mark.at);
                    let latency = now.saturating_sub(at);
                    self.play.meters.record(Span::Latency, latency);
                    listener.see(mark, message.header("redelivered") == Some("true"));
                    counts.received.fetch_add(1, Ordering::Relaxed);
                }
                None => drop(counts.foreign.fetch_add(1, Ordering::Relaxed)),
            }
            self.work().await;
            self.acknowledge(&message).await;
        }
        listener.ended();
    }

    async fn answer(mut self, mut subscription: Subscription) {
        while let Some(request) = self.next(&mut subscription).await {
            self.work().await;
            if let Some(reply) = request.reply()
                && let Err(error) = reply.body(request.body().clone()).await
            {
                self.play.meters.error(self.group, Exit::text_of(&error));
            }
            self.acknowledge(&request).await;
        }
    }
}
