//! Queues for which RabbitMQ closes a connection: declared with other arguments than those of STOMP, say.
//! It tells so only when it does, and a client that declares one is heard doing it; from then on they go
//! by connections of their clients' own.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Names that are kept; then all are forgotten, and cost a connection each once more.
const MOST: usize = 100_000;

/// Destinations, as the broker spells them.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    /// What names come to: two that come to the same do no harm.
    names: Mutex<HashSet<u64>>,
    hasher: RandomState,
    /// How many there are: in most cases none, and nobody has to look.
    count: AtomicUsize,
}

impl Quarantine {
    pub(super) fn has(&self, destination: &str) -> bool {
        self.count.load(Ordering::Acquire) > 0
            && self.lock().contains(&self.hasher.hash_one(destination))
    }

    pub(super) fn add(&self, destination: &str) {
        let mut names = self.lock();
        if names.len() >= MOST {
            names.clear();
        }
        names.insert(self.hasher.hash_one(destination));
        self.count.store(names.len(), Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_up_to_a_limit() {
        let quarantine = Quarantine::default();
        assert!(!quarantine.has("/queue/a"));
        for number in 0..=MOST {
            quarantine.add(&format!("/queue/{number}"));
        }
        assert!(quarantine.has(&format!("/queue/{MOST}")) && !quarantine.has("/queue/1"));
    }
}
