//! What those may do who look after the broker: send, look, remove. All of it is short; what may be
//! long is in [`transfer`](crate::Transfer).

use std::sync::Arc;

use crate::{
    Broker, BrokerError, Counts, Identity, Message, Time,
    destination::{Purpose, Target, cut},
    message::Entry,
    names::public_name,
    queue::{Cursor, Life, QueueKey},
    redelivery::{bare, dead_letter_queue},
    routing::Sender,
    topic::TopicKey,
};

/// Some messages of a destination.
#[derive(Clone, Debug)]
pub struct BrowsedPage {
    /// In the order they came.
    pub messages: Vec<Browsed>,
    /// There are more behind them.
    pub more: bool,
}

/// A message of a destination that is looked at.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Browsed {
    /// Its number among a queue's messages, or its position in a stream or topic.
    pub place: u64,
    /// The number of its `message-id`.
    pub sequence: u64,
    /// The message.
    pub message: Arc<Message>,
    /// When it came, to about a second; `None`: that is not known.
    pub time: Option<Time>,
    /// It was handed out before.
    pub redelivered: bool,
}

/// A durable subscription.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DurableSubscription {
    /// The name of the queue that collects its messages; it says whose it is.
    pub queue: String,
    /// The topic, perhaps with wildcards.
    pub topic: String,
    /// Which messages it wants.
    pub selector: Option<String>,
    /// Messages that wait for it.
    pub depth: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Somebody uses it now.
    pub connected: bool,
    /// When somebody last did; `None`: not since the broker started.
    pub last_seen: Option<Time>,
    /// What went through it.
    pub counts: Counts,
}

/// A destination that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    /// How many messages went with it.
    pub messages: u64,
}

impl Broker {
    /// The queue of that name, as it is known in here or outside.
    pub(crate) fn queue_named(&self, name: &str) -> Option<QueueKey> {
        if let Some(key) = self.queue_names.get(name) {
            return Some(*key);
        }
        let mut names = name.contains('~').then(|| self.queue_names.iter())?;
        let found = names.find(|(key, _)| public_name(key) == name);
        found.map(|(_, key)| *key)
    }

    /// The topic of that name.
    pub(crate) fn topic_named(&self, name: &str) -> Option<TopicKey> {
        if let Some(key) = self.topic_names.get(name) {
            return Some(*key);
        }
        let mut names = name.contains('~').then(|| self.topic_names.iter())?;
        let found = names.find(|(key, _)| public_name(key) == name);
        found.map(|(_, key)| *key)
    }

    /// Where a queue's dead letters go; `None`: to topics of their own names.
    pub(crate) fn dead_letters_of(&self, key: QueueKey) -> Option<String> {
        let queue = self.queues.get(key)?;
        match queue.options.dead_letter.as_deref() {
            Some("/topic/") => Some(format!("/topic/{}", bare(&queue.key))),
            Some(target) => Some(target.to_owned()),
            None => Some(dead_letter_queue(&queue.key).into()),
        }
    }

    /// Sends a message as the broker itself. Gives the number of its `message-id`.
    ///
    /// # Errors
    ///
    /// As a `SEND` of it.
    pub fn inject(&mut self, message: Message, now: Time) -> Result<u64, BrokerError> {
        self.now = self.now.max(now);
        self.check_memory(message.size())?;
        self.check_store(&message)?;
        let message = Arc::new(message);
        let multicast = message.extras.as_ref().and_then(|extras| extras.multicast);
        let identity = Identity::default();
        let reader = self.reader(&identity, Purpose::Send, multicast);
        let destination = message.destination();
        for target in self.targets(&destination, reader)? {
            if let Target::Queue { key, .. } = target
                && let Some(queue) = self.queue_names.get(&*key).copied()
            {
                self.check_length(queue, message.size())?;
            }
        }
        let sequence = self.next_sequence;
        let result = self.publish(Sender::default(), Arc::clone(&message));
        self.settle_turn();
        result.map(|()| sequence)
    }

    /// Whether a queue that refuses what it has no room for has some. One that drops its oldest
    /// messages instead always has.
    fn check_length(&self, key: QueueKey, size: usize) -> Result<(), BrokerError> {
        let Some(queue) = self.queues.get(key) else {
            return Ok(());
        };
        match queue.options.overflow {
            None | Some(crate::dialect::queue::Overflow::DropHead) => Ok(()),
            Some(_) => self.check_room_in(key, size),
        }
    }

    /// Whether a message fits a queue's declared length, whatever the queue would do if not.
    pub(crate) fn check_room_in(&self, key: QueueKey, size: usize) -> Result<(), BrokerError> {
        let Some(queue) = self.queues.get(key) else {
            return Ok(());
        };
        let full = |what, limit| {
            let queue = cut(&public_name(&queue.key));
            Err(BrokerError::QueueFull { queue, what, limit })
        };
        if queue.log.is_some() {
            return Ok(());
        }
        if let Some(most) = queue.options.max_length
            && queue.messages.len() as u64 >= most
        {
            return full("x-max-length", most);
        }
        if let Some(most) = queue.options.max_length_bytes
            && queue.messages.bytes() + size as u64 > most
        {
            return full("x-max-length-bytes", most);
        }
        Ok(())
    }

    /// What is to be done at the end of each turn.
    pub(crate) fn settle_turn(&mut self) {
        self.send_letters();
        self.update_pressure();
    }

    /// The next messages of a queue, stream or topic, up to so many and about so many bytes, in the
    /// order they came; those of a queue that no consumer has. `after`: behind that
    /// [place](Browsed::place). `None`: the next are only on disk, and are being read; ask again.
    ///
    /// # Errors
    ///
    /// There is no such destination.
    pub fn browse(
        &mut self,
        name: &str,
        after: u64,
        most: usize,
        most_bytes: usize,
        now: Time,
    ) -> Result<Option<BrowsedPage>, BrokerError> {
        self.now = self.now.max(now);
        let missing = || BrokerError::NoSuchDestination { name: cut(name) };
        let (log, key) = match self.queue_named(name) {
            Some(key) => {
                let queue = self.queues.get(key).ok_or_else(missing)?;
                if queue.log.is_some() && queue.loading {
                    return Ok(None);
                }
                (queue.log.as_deref(), Some(key))
            }
            None => {
                let topic = self.topic_named(name).and_then(|key| self.topics.get(key));
                (topic.ok_or_else(missing)?.log.as_deref(), None)
            }
        };
        let mut found = Vec::new();
        let mut bytes = 0;
        if log.is_some() || key.is_none() {
            let mut next = after.saturating_add(1);
            while found.len() < most
                && bytes < most_bytes
                && let Some(kept) = log.and_then(|log| log.at(next))
            {
                next = kept.position + 1;
                bytes += kept.entry.size as usize;
                found.extend(browsed(&kept.entry, kept.position, Some(kept.time)));
            }
            return Ok(Some(BrowsedPage {
                messages: found,
                more: log.is_some_and(|log| log.at(next).is_some()),
            }));
        }
        let Some(key) = key else { return Ok(None) };
        let mut after = after;
        while found.len() < most
            && bytes < most_bytes
            && let Some((priority, entry)) = self.queues[key].messages.next_by_number(after)
        {
            let sequence = entry.sequence;
            if entry.message.is_none() {
                // What was found so far is an answer.
                if found.is_empty() {
                    self.load(key, &Cursor::before(sequence));
                    return Ok(None);
                }
                break;
            }
            let time = (entry.arrived > 0).then(|| u64::from(entry.arrived) * 1000);
            bytes += entry.size as usize;
            found.extend(browsed(entry, sequence, time));
            self.page_out(key, priority, sequence);
            after = sequence;
        }
        let next = self.queues[key].messages.next_by_number(after);
        Ok(Some(BrowsedPage {
            messages: found,
            more: next.is_some(),
        }))
    }

    /// Shows the durable subscriptions of so many places, as
    /// [`walk_destinations`](Self::walk_destinations) does.
    pub fn walk_durable_subscriptions(
        &self,
        from: usize,
        places: usize,
        mut show: impl FnMut(DurableSubscription),
    ) -> Option<usize> {
        let end = from.saturating_add(places);
        let mut at = from;
        while let Some((place, _, queue)) = self.queues.at_or_after(at, end) {
            if let Some(it) = self.durable.definition(&queue.key) {
                show(DurableSubscription {
                    queue: queue.key.to_string(),
                    topic: it.topic.to_string(),
                    selector: it.selector.as_deref().map(str::to_owned),
                    depth: queue.messages.len() as u64,
                    bytes: queue.messages.bytes(),
                    connected: !queue.consumers.is_empty(),
                    last_seen: match queue.consumers.is_empty() {
                        true => queue.left_at,
                        false => Some(self.now),
                    },
                    counts: queue.traffic.counts(),
                });
            }
            at = place + 1;
        }
        (end < self.queues.places()).then_some(end)
    }

    /// Whether a durable subscription may end: nobody uses it.
    ///
    /// # Errors
    ///
    /// Somebody uses it, or there is none whose queue has that name.
    pub fn check_durable_removal(&self, queue: &str) -> Result<(), BrokerError> {
        let name = cut(queue);
        let key = self.queue_names.get(queue).copied();
        let found = key.and_then(|key| self.queues.get(key));
        match found.filter(|_| self.durable.definition(queue).is_some()) {
            None => Err(BrokerError::NoSuchDestination { name }),
            Some(it) if !it.consumers.is_empty() => Err(BrokerError::DurableSubscription {
                name,
                reason: "is in use on another connection",
            }),
            Some(_) => Ok(()),
        }
    }

    /// Ends a durable subscription, with all that it kept. False: there is none whose queue has that
    /// name.
    ///
    /// # Errors
    ///
    /// Somebody uses it.
    pub fn end_durable_subscription(
        &mut self,
        queue: &str,
        now: Time,
    ) -> Result<bool, BrokerError> {
        self.now = self.now.max(now);
        let result = self.remove_durable(queue);
        self.settle_turn();
        result
    }

    /// Whether [`remove_destination`](Self::remove_destination) would remove something. Gives how
    /// many messages would go with it.
    ///
    /// # Errors
    ///
    /// There is none of that name; or somebody uses it, has its messages, or it belongs to a
    /// connection or durable subscription; or, with `if_empty`, it is not empty.
    pub fn check_removal(&self, name: &str, if_empty: bool) -> Result<Removed, BrokerError> {
        let missing = || BrokerError::NoSuchDestination { name: cut(name) };
        let (messages, reason) = match self.queue_named(name) {
            Some(key) => {
                let queue = self.queues.get(key).ok_or_else(missing)?;
                let messages = match &queue.log {
                    Some(log) => log.len(),
                    None => queue.messages.len(),
                };
                let reason = match queue.life {
                    Life::Connection(_) => "belongs to a connection, and goes with it",
                    Life::Subscription => "belongs to a durable subscription, and goes with it",
                    Life::Normal if !queue.consumers.is_empty() => "has consumers",
                    Life::Normal if queue.in_flight > 0 => {
                        "has messages that are on their way, or come back later"
                    }
                    Life::Normal => "",
                };
                (messages, reason)
            }
            None => {
                let topic = self.topic_named(name).and_then(|key| self.topics.get(key));
                let topic = topic.ok_or_else(missing)?;
                let kept = topic.log.as_ref().map_or(0, |log| log.len());
                let reason = if !topic.plain.is_empty() || !topic.selective.is_empty() {
                    "has subscribers"
                } else if !topic.bindings.is_empty() {
                    "has durable subscriptions"
                } else {
                    ""
                };
                (kept + usize::from(topic.retained.is_some()), reason)
            }
        };
        let reason = match reason {
            "" if if_empty && messages > 0 => "is not empty",
            reason => reason,
        };
        if !reason.is_empty() {
            let name = cut(name);
            return Err(BrokerError::InUse { name, reason });
        }
        Ok(Removed {
            messages: messages as u64,
        })
    }

    /// Removes a destination that nobody uses, with its messages. Many should be
    /// [dropped](crate::Transfer::drop_from) before: this is one turn.
    ///
    /// # Errors
    ///
    /// As [`check_removal`](Self::check_removal).
    pub fn remove_destination(
        &mut self,
        name: &str,
        if_empty: bool,
        now: Time,
    ) -> Result<Removed, BrokerError> {
        self.now = self.now.max(now);
        let removed = self.check_removal(name, if_empty)?;
        if let Some(key) = self.queue_named(name) {
            self.delete_queue(key);
        } else if let Some(key) = self.topic_named(name) {
            self.remove_topic(key);
        }
        self.settle_turn();
        Ok(removed)
    }

    fn remove_topic(&mut self, key: TopicKey) {
        let topic = &mut self.topics[key];
        let log = topic.log.take();
        let retained = topic.retained.take();
        let name = Arc::clone(&topic.key);
        let bytes = log.map_or(0, |log| log.bytes());
        self.log_bytes = self.log_bytes.saturating_sub(bytes);
        if let Some(old) = retained {
            self.memory = self.memory.saturating_sub(old.message.size());
            self.store_retained(Sender::default(), &name, None);
        }
        self.forget_unused_topic(key);
    }

    /// Hands what the server tells of itself to those who are subscribed to it.
    pub fn tell(&mut self, destination: &str, body: &[u8], now: Time) {
        self.now = self.now.max(now);
        // Nobody else would see it.
        if !self.has_watchers() || !destination.starts_with(crate::destination::SYSTEM) {
            return;
        }
        let headers = [("content-type", "application/json")];
        let Ok(message) = Message::new(destination, &headers, body, self.now) else {
            return;
        };
        let entry = self.entry(&Arc::new(message));
        let Ok(topic) = self.topic(destination) else {
            return;
        };
        self.fan_out(Sender::default(), topic, &entry, 0);
        self.forget_unused_topic(topic);
        self.settle_turn();
    }

    /// Up to where the store has been told what to do; see [`is_settled`](Self::is_settled).
    pub fn settlement(&mut self) -> u64 {
        self.journal.hurry();
        self.journal.next()
    }

    /// Whether all that the store had been told [then](Self::settlement) is done, so that a restart
    /// knows of it.
    ///
    /// # Errors
    ///
    /// The store has failed.
    pub fn is_settled(&self, settlement: u64) -> Result<bool, BrokerError> {
        self.check_promises()?;
        Ok(self.journal.is_done(settlement))
    }

    /// Why nothing new is stored, if that is so.
    ///
    /// # Errors
    ///
    /// The store has failed, or is full.
    pub fn check_storage(&self, now: Time) -> Result<(), BrokerError> {
        self.check_promises()?;
        if self.journal.is_full(self.now.max(now)) {
            return self.check_room();
        }
        Ok(())
    }
}

fn browsed(entry: &Entry, place: u64, time: Option<Time>) -> Option<Browsed> {
    Some(Browsed {
        place,
        sequence: entry.sequence,
        message: entry.message.clone()?,
        time,
        redelivered: entry.deliveries > 0,
    })
}
