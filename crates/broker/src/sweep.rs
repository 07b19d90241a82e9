//! What happens as time passes.

use crate::{
    Broker, Time,
    queue::{Life, QueueKey},
    redelivery::Death,
    schedule::Due,
};

/// How often expired messages and unused queues are looked for, in milliseconds.
const SWEEP: Time = 1000;

/// How long an unused queue stays defined in the store, since it may soon be used again.
const LINGER: Time = 10_000;

/// How many messages of a queue expire in one sweep.
const MOST_EXPIRED: usize = 10_000;

impl Broker {
    /// When to call [`handle_timeout`](Self::handle_timeout); `None`: not before something happens.
    pub fn poll_timeout(&self) -> Option<Time> {
        let sweep =
            (!self.expiring.is_empty() || !self.idle_queues.is_empty()).then_some(self.next_sweep);
        let due = self.agenda.next_time();
        match (sweep, due) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Time) {
        self.now = self.now.max(now);
        while let Some(due) = self.agenda.pop(self.now) {
            match due {
                Due::Return(queue, entry) => {
                    self.release(&entry);
                    self.landed(queue);
                    self.put_back(queue, entry);
                }
                Due::Send(job) => self.send_job(job, self.now),
            }
        }
        if self.now >= self.next_sweep {
            self.next_sweep = self.now + SWEEP;
            for queue in self.expiring.clone() {
                self.expire(queue);
            }
            for queue in self.idle_queues.clone() {
                self.forget_unused_queue(queue);
            }
        }
        self.send_letters();
        self.update_pressure();
    }

    fn expire(&mut self, key: QueueKey) {
        for _ in 0..MOST_EXPIRED {
            let Some(queue) = self.queues.get_mut(key) else {
                self.expiring.remove(&key);
                return;
            };
            let Some((expires, priority, sequence)) = queue.expiring.first().copied() else {
                self.expiring.remove(&key);
                return;
            };
            if expires > self.now {
                return;
            }
            match queue.messages.take(priority, sequence) {
                Some(entry) => {
                    self.left_queue(key, &entry);
                    self.die(key, entry, Death::Expired, None);
                }
                None => {
                    queue.expiring.pop_first();
                }
            }
        }
    }

    fn forget_unused_queue(&mut self, key: QueueKey) {
        let Some(queue) = self.queues.get_mut(key) else {
            self.idle_queues.remove(&key);
            return;
        };
        let expires = queue.options.expires;
        let unused = match expires {
            // RabbitMQ: its messages don't keep it.
            Some(_) => queue.consumers.is_empty(),
            None => queue.is_unused(),
        };
        if !unused || queue.life != Life::Normal || queue.loading {
            queue.idle_since = None;
            if expires.is_none() {
                self.idle_queues.remove(&key);
            }
            return;
        }
        let since = *queue.idle_since.get_or_insert(self.now);
        let declared = !queue.options.is_empty();
        let over = match expires {
            Some(expires) => self.now >= since.saturating_add(expires),
            None if declared => {
                self.idle_queues.remove(&key);
                return;
            }
            None => queue.store_id == 0 || self.now >= since + LINGER,
        };
        if over && self.queues[key].in_flight == 0 {
            self.delete_queue(key);
        }
    }
}
