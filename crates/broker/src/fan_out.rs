//! Topics: what is sent to one goes to its subscribers, durable subscriptions, and into what it keeps.

use std::sync::Arc;

use crate::{
    Broker, BrokerError, Message, Output, Time,
    dialect::send::Retain,
    log::{Log, Retention},
    message::Entry,
    routing::Sender,
    subscription::{Origin, Waiting},
    topic::{Retained, TopicKey},
    traffic::Count,
    view::Seen,
};

impl Broker {
    /// Sends a message to a topic. `to_bindings`: to its durable subscriptions too.
    pub(crate) fn send_to_topic(
        &mut self,
        sender: Sender,
        key: &str,
        message: &Arc<Message>,
        to_bindings: bool,
    ) -> Result<(), BrokerError> {
        let found = self.topic_names.get(key).copied();
        let keeps = self.config.topic_log_messages > 0 && self.config.topic_log_bytes > 0;
        let retain = message.extras.as_ref().and_then(|extras| extras.retain);
        let topic = match found {
            Some(topic) => topic,
            // Nobody would know of it.
            None if !keeps
                && retain.is_none()
                && self.topic_patterns.is_empty()
                && !self.durable.has_subscriptions() =>
            {
                return Ok(());
            }
            None => self.topic(key)?,
        };
        let entry = self.entry(message);
        if let Some(retain) = retain {
            self.retain(sender, topic, &entry, retain);
        }
        if message.expires != 0 && message.expires <= self.now {
            return Ok(());
        }
        let position = self.log(topic, &entry, keeps);
        let now = self.now;
        self.topics[topic].traffic.add(Count::In, 1, now);
        self.fan_out(sender, topic, &entry, position);
        if !to_bindings || self.topics[topic].bindings.is_empty() {
            return Ok(());
        }
        for binding in self.topics[topic].bindings.clone() {
            if self.selects(binding.selector.as_deref(), &entry) {
                self.enqueue(sender, binding.queue, message)?;
            }
        }
        Ok(())
    }

    /// Keeps a message among a topic's last ones. Gives its position, or 0.
    pub(crate) fn log(&mut self, topic: TopicKey, entry: &Entry, keeps: bool) -> u64 {
        if !keeps {
            return 0;
        }
        let config = &self.config;
        let log = self.topics[topic].log.get_or_insert_with(|| {
            Box::new(Log::new(Retention {
                messages: config.topic_log_messages,
                bytes: config.topic_log_bytes,
                age: None,
            }))
        });
        let before = log.bytes();
        let position = log.push(entry.clone(), self.now);
        while log.pop_excess(self.now).is_some() {
            log.surplus += 1;
        }
        self.log_bytes = (self.log_bytes + log.bytes()).saturating_sub(before);
        // The place of a message that this topic's own limit dropped is taken by the new one.
        match log.surplus.checked_sub(1) {
            Some(surplus) => log.surplus = surplus,
            None => self.log_order.push_back(topic),
        }
        while self.log_bytes > self.config.topic_logs_bytes && self.drop_oldest_logged() {}
        position
    }

    /// Where there are as many topics as may be, those go that nobody uses and that only remember
    /// their last messages.
    pub(crate) fn make_room_for_topic(&mut self) {
        while self.topics.len() >= self.config.max_destinations && self.drop_oldest_logged() {}
    }

    /// Forgets the oldest message of all topics' last ones; `false` if there is none.
    pub(crate) fn drop_oldest_logged(&mut self) -> bool {
        let Some(oldest) = self.log_order.pop_front() else {
            return false;
        };
        if let Some(log) = self
            .topics
            .get_mut(oldest)
            .and_then(|topic| topic.log.as_mut())
            && let Some(dropped) = log.pop()
        {
            self.log_bytes = self.log_bytes.saturating_sub(u64::from(dropped.size));
        }
        self.forget_unused_topic(oldest);
        true
    }

    /// When a retained message is worth nothing any more; 0: never.
    pub(crate) fn retained_until(&self, message: &Message) -> Time {
        let extras = message.extras.as_ref();
        match extras.map_or(0, |extras| extras.retain_ttl) {
            0 => message.expires,
            ttl => {
                let at = self.now.saturating_add(ttl);
                if message.expires == 0 {
                    at
                } else {
                    at.min(message.expires)
                }
            }
        }
    }

    pub(crate) fn retain(&mut self, sender: Sender, key: TopicKey, entry: &Entry, retain: Retain) {
        let Some(message) = &entry.message else {
            return;
        };
        let expires = self.retained_until(message);
        let topic = &mut self.topics[key];
        if let Some(old) = topic.retained.take() {
            self.memory = self.memory.saturating_sub(old.message.size());
        }
        let set = retain == Retain::Set;
        if set {
            self.memory += message.size();
            topic.retained = Some(Retained {
                message: Arc::clone(message),
                sequence: entry.sequence,
                expires,
            });
        }
        let name = Arc::clone(&topic.key);
        self.store_retained(sender, &name, set.then_some((message, expires)));
    }

    /// Hands a message to everybody who is subscribed to a topic.
    pub(crate) fn fan_out(
        &mut self,
        sender: Sender,
        topic: TopicKey,
        entry: &Entry,
        position: u64,
    ) {
        let mut pressed = false;
        let drops = self.topic_drops;
        let subscribers = std::mem::take(&mut self.topics[topic].plain);
        for key in &subscribers {
            pressed |= self.offer(*key, entry, position);
        }
        let mut offered = subscribers.len() as u64;
        self.topics[topic].plain = subscribers;
        if !self.topics[topic].selective.is_empty()
            && let Some(message) = &entry.message
        {
            let seen = Seen::new(message, entry, &self.run);
            let found = self.topics[topic].selective.candidates(&seen);
            for key in &found {
                if self.wants(*key, entry, sender.connection) {
                    offered += 1;
                    pressed |= self.offer(*key, entry, position);
                }
            }
            self.topics[topic].selective.recycle(found);
        }
        if offered > 0 {
            let traffic = &mut self.topics[topic].traffic;
            traffic.add(Count::Out, offered, self.now);
            let dropped = self.topic_drops - drops;
            if dropped > 0 {
                traffic.add(Count::Dropped, dropped, self.now);
                self.totals.add(Count::Dropped, dropped);
            }
        }
        // Those that take all but their own are among the plain ones only if they may be asked.
        if pressed
            && let Some(id) = sender.connection
            && let Some(connection) = self.connections.get_mut(id)
            && !std::mem::replace(&mut connection.paused, true)
        {
            self.connections.output(id, Output::Pause);
        }
    }

    /// Gives a topic's message to a subscription, now or when it has room. True: it falls behind,
    /// and its producers had better pause.
    #[inline]
    pub(crate) fn offer(&mut self, key: usize, entry: &Entry, position: u64) -> bool {
        let subscription = &self.subscriptions[key];
        if subscription.waiting.is_empty() && self.can_take(key) {
            self.deliver(key, Origin::Own, entry.clone(), position, false);
            let Some(connection) = self.connections.get(self.subscriptions[key].connection) else {
                return false;
            };
            return connection.outstanding > self.config.max_outstanding / 2
                && connection.progressed + RECENT >= self.now;
        }
        self.wait(
            key,
            Waiting {
                entry: entry.clone(),
                position,
                retained: false,
            },
        );
        let connection = self.connections.get(self.subscriptions[key].connection);
        connection.is_some_and(|connection| connection.progressed + RECENT >= self.now)
    }
}

/// A subscriber that took something within so many milliseconds is slow, not stuck.
const RECENT: Time = 50;
