//! How queues and topics come into being, and go.

use std::sync::Arc;

use crate::{
    Broker, BrokerError, ConnectionId,
    consumers::SubscriptionKey,
    destination::{SYSTEM, cut},
    dialect::queue::QueueHeaders,
    event::Event,
    queue::{Life, QueueKey},
    subscription::Source,
    topic::{Topic, TopicKey},
};

impl Broker {
    /// The queue of that name, as a consumer wants it.
    pub(crate) fn consume_from(
        &mut self,
        id: ConnectionId,
        key: &str,
        declared: &QueueHeaders,
        life: Life,
    ) -> Result<QueueKey, BrokerError> {
        let existed = self.queue_names.contains_key(key);
        let queue = self.declare_queue(key, (!declared.is_empty()).then_some(declared))?;
        match (&self.queues[queue].life, &life) {
            (Life::Connection(owner), _) if *owner != id => {
                return Err(BrokerError::NotYours { name: cut(key) });
            }
            (Life::Normal, Life::Connection(_)) if existed => {
                return Err(BrokerError::NotYours { name: cut(key) });
            }
            _ => {}
        }
        if !existed && life != Life::Normal {
            self.queues[queue].life = life;
            if let Some(connection) = self.connections.get_mut(id) {
                connection.temporary.push(queue);
            }
        }
        self.define_declared(queue);
        Ok(queue)
    }

    /// The queue of that name; it is made if there is none, and is to be as declared.
    pub(crate) fn declare_queue(
        &mut self,
        key: &str,
        declared: Option<&QueueHeaders>,
    ) -> Result<QueueKey, BrokerError> {
        if let Some(queue) = self.queue_names.get(key).copied() {
            check_declared(key, &self.queues[queue].options, declared)?;
            return Ok(queue);
        }
        if self.queues.len() >= self.config.max_destinations {
            let limit = self.config.max_destinations;
            return Err(BrokerError::TooMany {
                what: "queues",
                limit,
            });
        }
        let name: Arc<str> = key.into();
        let queue = self
            .queues
            .insert(crate::queue::Queue::new(Arc::clone(&name), Life::Normal));
        self.queue_names.insert(Arc::clone(&name), queue);
        self.events.push(Event::Created { destination: name });
        self.idle_queues.insert(queue);
        if let Some(declared) = declared {
            self.set_options(queue, declared.clone());
        }
        let mut matching: Vec<SubscriptionKey> = self
            .queue_patterns
            .iter()
            .filter(|(pattern, _)| pattern.matches(key))
            .map(|(_, subscription)| *subscription)
            .collect();
        matching.dedup();
        // Who alone may consume is known when all are there.
        for subscription in &matching {
            let it = &self.subscriptions[*subscription];
            let (priority, exclusive) = (it.priority, it.exclusive);
            self.subscriptions[*subscription].matched.push(queue);
            self.queues[queue]
                .consumers
                .add(*subscription, priority, exclusive);
        }
        for subscription in matching {
            if !self.subscriptions[subscription].blocked {
                self.pump(subscription);
            }
        }
        Ok(queue)
    }

    pub(crate) fn set_options(&mut self, queue: QueueKey, options: QueueHeaders) {
        if options.stream == Some(true) {
            self.streams += usize::from(self.queues[queue].log.is_none());
            self.queues[queue].log = Some(Box::new(crate::log::Log::new(crate::log::Retention {
                messages: options.max_length.unwrap_or(u64::MAX),
                bytes: options.max_length_bytes.unwrap_or(self.config.stream_bytes),
                age: options.max_age,
            })));
        }
        if options.single_active == Some(true) {
            self.queues[queue].consumers.set_single_active();
        }
        self.queues[queue].options = options;
    }

    /// Removes a queue and its messages.
    pub(crate) fn delete_queue(&mut self, key: QueueKey) {
        if !self.queues.contains(key) {
            return;
        }
        for entry in self.agenda.remove_queue(key) {
            self.release(&entry);
            self.consumed(key, &entry, None);
        }
        while let Some(entry) = self.queues[key].messages.pop() {
            self.release(&entry);
            self.no_longer_waits(&entry);
            self.consumed(key, &entry, None);
        }
        while let Some(log) = &mut self.queues[key].log
            && let Some(entry) = log.pop()
        {
            self.release(&entry);
            self.consumed(key, &entry, None);
        }
        for subscription in self.queues[key].consumers.keys().collect::<Vec<_>>() {
            let it = &mut self.subscriptions[subscription];
            it.sources
                .retain(|source| !matches!(source, Source::Queue(queue) if *queue == key));
            it.matched.retain(|queue| *queue != key);
        }
        if self.queues[key].in_flight > 0 {
            self.forget_unwritten(key);
            let all = std::mem::take(&mut self.durable.dying);
            let (gone, kept): (Vec<_>, Vec<_>) =
                all.into_iter().partition(|(_, it)| it.queue == key);
            self.durable.dying = kept.into_iter().collect();
            for (_, dying) in gone {
                self.consumed(key, &dying.entry, None);
            }
        }
        self.undefine_queue(key);
        if let Some(queue) = self.queues.remove(key) {
            self.queue_names.remove(&queue.key);
            self.streams -= usize::from(queue.log.is_some());
            let destination = queue.key;
            self.events.push(Event::Removed { destination });
        }
        self.idle_queues.remove(&key);
        self.expiring.remove(&key);
    }

    /// What is on its way from a queue that goes has nowhere to come back to.
    pub(crate) fn forget_unwritten(&mut self, key: QueueKey) {
        for id in self.connections.ids() {
            let Some(connection) = self.connections.get_mut(id) else {
                continue;
            };
            let all = std::mem::take(&mut connection.unwritten);
            let (gone, kept): (Vec<_>, Vec<_>) = all.into_iter().partition(|it| it.queue == key);
            connection.unwritten = kept.into();
            for entry in gone.into_iter().filter_map(|it| it.entry) {
                self.consumed(key, &entry, None);
            }
        }
    }

    /// The topic of that name; it is made if there is none.
    pub(crate) fn topic(&mut self, key: &str) -> Result<TopicKey, BrokerError> {
        if let Some(topic) = self.topic_names.get(key).copied() {
            return Ok(topic);
        }
        self.make_room_for_topic();
        if self.topics.len() >= self.config.max_destinations {
            let limit = self.config.max_destinations;
            return Err(BrokerError::TooMany {
                what: "topics",
                limit,
            });
        }
        let name: Arc<str> = key.into();
        let mut topic = Topic::new(Arc::clone(&name));
        // Those of one subscription follow each other: it gets each message once.
        let mut last = None;
        for (pattern, subscription) in &self.topic_patterns {
            if last != Some(*subscription) && pattern.matches(key) {
                last = Some(*subscription);
                let it = &self.subscriptions[*subscription];
                let takes_all = it.takes_all() && it.stream_filter.is_none();
                topic.add(*subscription, takes_all, it.selector.as_deref());
            }
        }
        topic.bindings = self.durable.bindings_of(key);
        let topic = self.topics.insert(topic);
        self.topic_names.insert(Arc::clone(&name), topic);
        if !name.starts_with(SYSTEM) {
            self.events.push(Event::Created { destination: name });
        }
        Ok(topic)
    }

    pub(crate) fn forget_unused_topic(&mut self, key: TopicKey) {
        let wild = |topic: &Topic| {
            self.topic_patterns
                .iter()
                .any(|(pattern, _)| pattern.matches(&topic.key))
        };
        if self
            .topics
            .get(key)
            .is_some_and(|topic| topic.is_unused() && !wild(topic))
        {
            let topic = self.topics.remove(key);
            self.topic_names.remove(&topic.key);
            let destination = topic.key;
            if !destination.starts_with(SYSTEM) {
                self.events.push(Event::Removed { destination });
            }
            self.log_order.retain(|other| *other != key);
        }
    }
}

/// Whether a frame may declare a queue as it does, where the queue is so.
pub(crate) fn check_declared(
    key: &str,
    options: &QueueHeaders,
    declared: Option<&QueueHeaders>,
) -> Result<(), BrokerError> {
    match declared.and_then(|declared| options.conflict(declared)) {
        None => Ok(()),
        Some((header, have, said)) => Err(BrokerError::PreconditionFailed {
            queue: cut(key),
            header,
            have,
            said,
        }),
    }
}
