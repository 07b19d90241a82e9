//! Subscriptions that take only some messages, so that not each of them is asked about each.

use crate::{
    consumers::SubscriptionKey,
    selector::{EqualityIndex, Properties, Selector},
};

/// Those of a topic, or the ready ones of a queue. Most have none, and then it holds no room.
#[derive(Debug, Default)]
pub(crate) struct Selective(Option<Box<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    index: EqualityIndex<SubscriptionKey>,
    /// Those that the index can't find, in the order they came.
    others: Vec<SubscriptionKey>,
    found: Vec<SubscriptionKey>,
    len: usize,
}

impl Selective {
    pub(crate) fn is_empty(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|inner| inner.others.is_empty() && inner.index.is_empty())
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |inner| inner.len)
    }

    /// All of them.
    pub(crate) fn keys(&self) -> impl Iterator<Item = SubscriptionKey> {
        let inner = self.0.iter();
        inner.flat_map(|inner| inner.others.iter().copied().chain(inner.index.keys()))
    }

    /// Whether it is among those that the index can't find. (The index lists none twice.)
    pub(crate) fn has_unindexed(&self, key: SubscriptionKey) -> bool {
        self.0
            .as_ref()
            .is_some_and(|inner| inner.others.contains(&key))
    }

    pub(crate) fn insert(&mut self, key: SubscriptionKey, selector: Option<&Selector>) {
        let inner = self.0.get_or_insert_default();
        inner.len += 1;
        if !selector.is_some_and(|selector| inner.index.insert(key, selector)) {
            inner.others.push(key);
        }
    }

    /// Removes one, with the selector that it was inserted with. False: it was not there.
    pub(crate) fn remove(&mut self, key: SubscriptionKey, selector: Option<&Selector>) -> bool {
        let Some(inner) = &mut self.0 else {
            return false;
        };
        let at = inner.others.iter().position(|other| *other == key);
        let found = selector.is_some_and(|selector| inner.index.remove(key, selector))
            || at.map(|at| inner.others.remove(at)).is_some();
        inner.len -= usize::from(found);
        found
    }

    /// Those that may want a message; their selectors are still to be asked.
    pub(crate) fn candidates(&mut self, message: &impl Properties) -> Vec<SubscriptionKey> {
        let Some(inner) = &mut self.0 else {
            return Vec::new();
        };
        let mut found = std::mem::take(&mut inner.found);
        found.clear();
        inner.index.candidates(message, &mut found);
        found.extend(&inner.others);
        found
    }

    /// Gives the room of [`candidates`](Self::candidates) back, for the next.
    pub(crate) fn recycle(&mut self, found: Vec<SubscriptionKey>) {
        if let Some(inner) = &mut self.0 {
            inner.found = found;
        }
    }
}
