//! One topic: who gets its messages.

use std::sync::Arc;

use crate::{
    consumers::SubscriptionKey, log::Log, message::Message, queue::QueueKey, selective::Selective,
    selector::Selector, traffic::Traffic,
};

/// A topic's number while the broker runs.
pub(crate) type TopicKey = usize;

/// A durable subscription's queue, which gets what its selector takes.
#[derive(Clone, Debug)]
pub(crate) struct Binding {
    pub(crate) queue: QueueKey,
    pub(crate) selector: Option<Arc<Selector>>,
}

#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) key: Arc<str>,
    /// Subscriptions that take every message, those by wildcards too.
    pub(crate) plain: Vec<SubscriptionKey>,
    /// Those that take only some.
    pub(crate) selective: Selective,
    pub(crate) bindings: Vec<Binding>,
    pub(crate) retained: Option<Retained>,
    pub(crate) log: Option<Box<Log>>,
    pub(crate) traffic: Traffic,
}

/// The message that later subscribers get first.
#[derive(Clone, Debug)]
pub(crate) struct Retained {
    pub(crate) message: Arc<Message>,
    pub(crate) sequence: u64,
    /// When it is worth nothing any more; 0: never.
    pub(crate) expires: crate::Time,
}

impl Topic {
    pub(crate) fn new(key: Arc<str>) -> Self {
        Self {
            key,
            plain: Vec::new(),
            selective: Selective::default(),
            bindings: Vec::new(),
            retained: None,
            log: None,
            traffic: Traffic::default(),
        }
    }

    /// Whether nothing is lost if it is forgotten.
    pub(crate) fn is_unused(&self) -> bool {
        self.plain.is_empty()
            && self.selective.is_empty()
            && self.bindings.is_empty()
            && self.retained.is_none()
            && self.log.as_ref().is_none_or(|log| log.is_empty())
    }

    /// Adds a subscription. `takes_all`: it takes every message.
    pub(crate) fn add(
        &mut self,
        key: SubscriptionKey,
        takes_all: bool,
        selector: Option<&Selector>,
    ) {
        if takes_all {
            self.plain.push(key);
            return;
        }
        self.selective.insert(key, selector);
    }

    /// Whether a subscription is listed already, and would be twice.
    pub(crate) fn has(&self, key: SubscriptionKey) -> bool {
        self.plain.contains(&key) || self.selective.has_unindexed(key)
    }

    pub(crate) fn remove(&mut self, key: SubscriptionKey, selector: Option<&Selector>) {
        if let Some(at) = self.plain.iter().position(|k| *k == key) {
            self.plain.remove(at);
            return;
        }
        self.selective.remove(key, selector);
    }
}
