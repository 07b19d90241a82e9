//! Who consumes from a queue, and whose turn it is.

use std::collections::{HashSet, VecDeque};

use crate::{selective::Selective, selector::Selector};

/// A subscription's number while the broker runs.
pub(crate) type SubscriptionKey = usize;

#[derive(Clone, Copy, Debug)]
struct Consumer {
    key: SubscriptionKey,
    priority: i32,
    exclusive: bool,
    /// It only reads: a browser, or a reader of a stream.
    reads: bool,
}

/// A queue's consumers.
///
/// A consumer is *ready* if it can take a message and the queue has none for it. So a message that
/// comes goes to a ready consumer at once, and only where there is none does it wait.
#[derive(Debug, Default)]
pub(crate) struct Consumers {
    /// All of them, in the order they came.
    all: Vec<Consumer>,
    /// Ready ones that take every message, by priority, the highest first; each in the order of
    /// turns.
    plain: Vec<(i32, VecDeque<SubscriptionKey>)>,
    /// Ready ones that take only some.
    pub(crate) selective: Selective,
    ready: HashSet<SubscriptionKey, foldhash::fast::RandomState>,
    /// The one that alone may consume, if there is such a one.
    active: Option<SubscriptionKey>,
    single_active: bool,
    readers: usize,
}

impl Consumers {
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = SubscriptionKey> {
        self.all.iter().map(|consumer| consumer.key)
    }

    /// The same, the highest priority first.
    pub(crate) fn keys_by_priority(&self) -> Vec<SubscriptionKey> {
        let mut all: Vec<_> = self.all.iter().map(|it| (it.priority, it.key)).collect();
        all.sort_by_key(|(priority, _)| std::cmp::Reverse(*priority));
        all.into_iter().map(|(_, key)| key).collect()
    }

    /// Whether a subscription is one of them.
    pub(crate) fn has(&self, key: SubscriptionKey) -> bool {
        self.all.iter().any(|consumer| consumer.key == key)
    }

    /// Adds one, which is not ready yet.
    pub(crate) fn add(&mut self, key: SubscriptionKey, priority: i32, exclusive: bool) {
        self.all.push(Consumer {
            key,
            priority,
            exclusive,
            reads: false,
        });
        self.choose_active();
    }

    /// Adds one that takes nothing away from the others.
    pub(crate) fn add_reader(&mut self, key: SubscriptionKey) {
        self.readers += 1;
        self.all.push(Consumer {
            key,
            priority: 0,
            exclusive: false,
            reads: true,
        });
    }

    /// Whether somebody only reads.
    pub(crate) fn has_readers(&self) -> bool {
        self.readers > 0
    }

    /// Makes the first consumer the only one that gets messages.
    pub(crate) fn set_single_active(&mut self) {
        self.single_active = true;
        self.choose_active();
    }

    /// Removes one. True: another may now consume in its place.
    pub(crate) fn remove(&mut self, key: SubscriptionKey, selector: Option<&Selector>) -> bool {
        self.not_ready(key, selector);
        if let Some(at) = self.all.iter().position(|consumer| consumer.key == key)
            && self.all.remove(at).reads
        {
            self.readers -= 1;
            return false;
        }
        let was_active = self.active == Some(key);
        self.choose_active();
        was_active
    }

    /// Whether it may consume at all.
    pub(crate) fn may_consume(&self, key: SubscriptionKey) -> bool {
        self.active.is_none_or(|active| active == key)
    }

    /// It can take a message, and there is none for it. `takes_all`: it takes every message.
    pub(crate) fn ready(
        &mut self,
        key: SubscriptionKey,
        priority: i32,
        takes_all: bool,
        selector: Option<&Selector>,
    ) {
        if !self.ready.insert(key) {
            return;
        }
        if takes_all {
            self.ring(priority).push_back(key);
            return;
        }
        self.selective.insert(key, selector);
    }

    /// It can't take one, or goes.
    pub(crate) fn not_ready(&mut self, key: SubscriptionKey, selector: Option<&Selector>) {
        if !self.ready.remove(&key) {
            return;
        }
        if self.selective.remove(key, selector) {
            return;
        }
        for (_, ring) in &mut self.plain {
            if let Some(at) = ring.iter().position(|k| *k == key) {
                ring.remove(at);
                return;
            }
        }
    }

    /// Whether it waits for a message.
    pub(crate) fn is_ready(&self, key: SubscriptionKey) -> bool {
        self.ready.contains(&key)
    }

    /// The ready consumer whose turn it is, of those that take every message. It stays ready, and
    /// is the last in turn now.
    #[inline]
    pub(crate) fn next_plain(&mut self) -> Option<SubscriptionKey> {
        for (_, ring) in &mut self.plain {
            if let Some(key) = ring.pop_front() {
                ring.push_back(key);
                return Some(key);
            }
        }
        None
    }

    /// The same without giving anybody a turn.
    pub(crate) fn peek_plain(&self) -> Option<SubscriptionKey> {
        self.plain
            .iter()
            .find_map(|(_, ring)| ring.front().copied())
    }

    /// Whether anybody is ready.
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    fn ring(&mut self, priority: i32) -> &mut VecDeque<SubscriptionKey> {
        let at = self.plain.partition_point(|(other, _)| *other > priority);
        if self
            .plain
            .get(at)
            .is_none_or(|(other, _)| *other != priority)
        {
            self.plain.insert(at, (priority, VecDeque::new()));
        }
        &mut self.plain[at].1
    }

    /// The first of the exclusive ones of the highest priority; without exclusive ones everybody
    /// may consume.
    fn choose_active(&mut self) {
        let single = self.single_active;
        let counts = |c: &&Consumer| !c.reads && (c.exclusive || single);
        let stays = self
            .active
            .filter(|key| self.all.iter().filter(counts).any(|c| c.key == *key));
        let first = || {
            let mut best: Option<Consumer> = None;
            for consumer in self.all.iter().filter(counts) {
                if best.is_none_or(|best| consumer.priority > best.priority) {
                    best = Some(*consumer);
                }
            }
            best.map(|consumer| consumer.key)
        };
        self.active = stays.or_else(first);
    }

    /// The one that alone may consume.
    pub(crate) fn active(&self) -> Option<SubscriptionKey> {
        self.active
    }
}
