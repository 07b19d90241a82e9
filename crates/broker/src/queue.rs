use std::{collections::VecDeque, sync::Arc};

use crate::{Message, connection::SubscriptionKey};

/// A message that waits in a queue.
#[derive(Clone, Debug)]
pub(crate) struct Queued {
    /// Its place among all messages; queues are sorted by it.
    pub(crate) sequence: u64,
    pub(crate) message: Arc<Message>,
    /// How often it was handed out before.
    pub(crate) deliveries: u32,
}

/// One queue: its messages in the order they came, its consumers in the order of their turns.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub(crate) messages: VecDeque<Queued>,
    consumers: VecDeque<SubscriptionKey>,
}

impl Queue {
    pub(crate) fn add_consumer(&mut self, key: SubscriptionKey) {
        self.consumers.push_back(key);
    }

    pub(crate) fn remove_consumer(&mut self, key: SubscriptionKey) {
        self.consumers.retain(|k| *k != key);
    }

    pub(crate) fn is_unused(&self) -> bool {
        self.messages.is_empty() && self.consumers.is_empty()
    }

    /// The next consumer in turn that `can_take` a message.
    pub(crate) fn next_consumer(
        &mut self,
        mut can_take: impl FnMut(SubscriptionKey) -> bool,
    ) -> Option<SubscriptionKey> {
        let at = self.consumers.iter().position(|key| can_take(*key))?;
        // Those that can't take one now lose their turn, not their place in the round.
        self.consumers.rotate_left(at + 1);
        self.consumers.back().copied()
    }

    /// Puts a message back to where it was among the others.
    pub(crate) fn put_back(&mut self, queued: Queued) {
        let at = self
            .messages
            .partition_point(|other| other.sequence < queued.sequence);
        self.messages.insert(at, queued);
    }
}
