//! What happened that a person who watches the broker wants to know.

use std::{collections::VecDeque, sync::Arc};

use crate::ConnectionId;

/// Something that happened, as [`Broker::poll_event`](crate::Broker::poll_event) gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A client subscribed.
    Subscribed {
        /// Whose connection it is.
        connection: ConnectionId,
        /// The subscription's id.
        subscription: Box<str>,
        /// What it named.
        destination: Box<str>,
    },
    /// A subscription ended, other than by the end of its connection.
    Unsubscribed {
        /// Whose connection it is.
        connection: ConnectionId,
        /// The subscription's id.
        subscription: Box<str>,
    },
    /// A queue or topic was made.
    Created {
        /// Its name.
        destination: Arc<str>,
    },
    /// A queue or topic is gone.
    Removed {
        /// Its name.
        destination: Arc<str>,
    },
    /// A topic's subscriber fell behind as far as it may, and its policy acted. Told once, until it
    /// has caught up.
    SlowConsumer {
        /// Whose connection it is.
        connection: ConnectionId,
        /// The subscription's id.
        subscription: Box<str>,
        /// Messages that wait for it.
        waiting: usize,
    },
    /// A message went to the dead letters.
    DeadLetter {
        /// The message's number.
        sequence: u64,
        /// The queue or topic where it died.
        origin: Arc<str>,
        /// Why, as the header `x-death-reason` says it.
        reason: &'static str,
    },
    /// Memory ran short, or is there again.
    Memory {
        /// Producers wait.
        pressed: bool,
    },
    /// There were more than could be kept.
    Missed {
        /// How many.
        count: u64,
    },
}

/// Most events of a turn of the broker.
const MOST: usize = 1024;

/// Events that nobody has seen yet.
#[derive(Debug, Default)]
pub(crate) struct Events {
    waiting: VecDeque<Event>,
    missed: u64,
}

impl Events {
    pub(crate) fn push(&mut self, event: Event) {
        if self.waiting.len() < MOST {
            self.waiting.push_back(event);
        } else {
            self.missed += 1;
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Event> {
        if let Some(event) = self.waiting.pop_front() {
            return Some(event);
        }
        match std::mem::take(&mut self.missed) {
            0 => None,
            count => Some(Event::Missed { count }),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Nobody is there to see them.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
        self.missed = 0;
    }
}
