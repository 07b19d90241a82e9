//! One topic: who gets its messages.

use std::sync::Arc;

use crate::{
    consumers::SubscriptionKey,
    log::Log,
    message::Message,
    queue::QueueKey,
    selector::{EqualityIndex, Properties, Selector},
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
    selective: Option<Box<Selective>>,
    pub(crate) bindings: Vec<Binding>,
    pub(crate) retained: Option<Retained>,
    pub(crate) log: Option<Box<Log>>,
}

/// The message that later subscribers get first.
#[derive(Clone, Debug)]
pub(crate) struct Retained {
    pub(crate) message: Arc<Message>,
    pub(crate) sequence: u64,
    /// When it is worth nothing any more; 0: never.
    pub(crate) expires: crate::Time,
}

/// Subscriptions that take only some messages.
#[derive(Debug, Default)]
struct Selective {
    index: EqualityIndex<SubscriptionKey>,
    /// Those that the index can't find.
    others: Vec<SubscriptionKey>,
    found: Vec<SubscriptionKey>,
}

impl Topic {
    pub(crate) fn new(key: Arc<str>) -> Self {
        Self {
            key,
            plain: Vec::new(),
            selective: None,
            bindings: Vec::new(),
            retained: None,
            log: None,
        }
    }

    /// Whether nothing is lost if it is forgotten.
    pub(crate) fn is_unused(&self) -> bool {
        self.plain.is_empty()
            && self.selective.is_none()
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
        let selective = self.selective.get_or_insert_default();
        if !selector.is_some_and(|selector| selective.index.insert(key, selector)) {
            selective.others.push(key);
        }
    }

    /// Whether a subscription is listed already. (The index lists none twice.)
    pub(crate) fn has(&self, key: SubscriptionKey) -> bool {
        let selective = self.selective.as_ref();
        self.plain.contains(&key) || selective.is_some_and(|it| it.others.contains(&key))
    }

    pub(crate) fn remove(&mut self, key: SubscriptionKey, selector: Option<&Selector>) {
        if let Some(at) = self.plain.iter().position(|k| *k == key) {
            self.plain.remove(at);
            return;
        }
        let Some(selective) = &mut self.selective else {
            return;
        };
        if !selector.is_some_and(|selector| selective.index.remove(key, selector)) {
            selective.others.retain(|other| *other != key);
        }
        if selective.others.is_empty() && selective.index.is_empty() {
            self.selective = None;
        }
    }

    /// The subscriptions that may want a message, of those that take only some; their selectors are
    /// still to be asked.
    pub(crate) fn candidates(&mut self, message: &impl Properties) -> Vec<SubscriptionKey> {
        let Some(selective) = &mut self.selective else {
            return Vec::new();
        };
        let mut found = std::mem::take(&mut selective.found);
        found.clear();
        selective.index.candidates(message, &mut found);
        found.extend(&selective.others);
        found
    }

    /// Gives the room of [`candidates`](Self::candidates) back, for the next.
    pub(crate) fn recycle(&mut self, found: Vec<SubscriptionKey>) {
        if let Some(selective) = &mut self.selective {
            selective.found = found;
        }
    }

    /// Whether there are subscriptions that take only some messages.
    pub(crate) fn has_selective(&self) -> bool {
        self.selective.is_some()
    }
}
