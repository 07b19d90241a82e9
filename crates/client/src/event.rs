//! What happens to a connection.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_core::Stream;
use stompbox_proto::{EncodeError, Version};

use crate::{Closed, ConnectError, Message};

/// What happened to a connection: see [`Client::events`](crate::Client::events).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The connection is there again: subscriptions are restored, and what was queued is on its way.
    Connected {
        /// The server, as the options name it.
        server: String,
        /// The negotiated version.
        version: Version,
        /// Subscriptions that were restored.
        subscriptions: usize,
        /// Messages that go out after them: those that were queued, and those that were under way
        /// if [`InFlight::Retry`](crate::InFlight) is chosen.
        messages: usize,
    },
    /// The connection is lost. Messages without receipts that were under way may be lost with it.
    Disconnected {
        /// Why.
        reason: Closed,
    },
    /// The next attempt to connect comes after a while.
    Reconnecting {
        /// Its number, from 1 on.
        attempt: u32,
        /// How long until then.
        wait: Duration,
        /// What became of the one before it.
        last: Option<Arc<ConnectError>>,
    },
    /// A subscription's buffer has been full for a second: nothing is read until the program takes
    /// its messages. It is told once until it does.
    SlowConsumer {
        /// The subscription's id.
        subscription: String,
        /// Messages that wait for the program.
        waiting: usize,
    },
    /// The server sent `ERROR`.
    ServerError {
        /// The frame's `message` header.
        message: String,
        /// The frame's body.
        detail: String,
        /// The receipt id of the frame that caused it, if the server told.
        receipt_id: Option<String>,
    },
    /// A message of no subscription: of one that has ended, or that there never was.
    Unexpected(Message),
    /// A reply for which nobody waits any more.
    LateReply(Message),
    /// A queued message, or a subscription, can't be written in the version of the new connection.
    Discarded {
        /// Why.
        reason: EncodeError,
    },
    /// It is over: there will be no further attempt.
    Closed {
        /// Why.
        reason: Closed,
    },
    /// This stream was not read for so long that it missed events.
    Missed {
        /// How many.
        events: u64,
    },
}

/// Events that wait for one stream.
const MOST: usize = 256;

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<Event>,
    missed: u64,
    waker: Option<Waker>,
    ended: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here is half-done when somebody panics.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The streams that want to know.
#[derive(Debug, Default)]
pub(crate) struct Hub(Mutex<Vec<Weak<Mutex<Queue>>>>);

impl Hub {
    pub(crate) fn tell(&self, event: &Event) {
        let mut woken = Vec::new();
        lock(&self.0).retain(|stream| {
            let Some(stream) = stream.upgrade() else {
                return false;
            };
            let mut queue = lock(&stream);
            if queue.events.len() < MOST {
                queue.events.push_back(event.clone());
            } else {
                queue.missed += 1;
            }
            queue.ended |= matches!(event, Event::Closed { .. });
            woken.extend(queue.waker.take());
            true
        });
        woken.into_iter().for_each(Waker::wake);
    }

    /// A stream of what happens from now on; with the end, if that has happened.
    pub(crate) fn listen(&self, closed: Option<Closed>) -> Events {
        let mut queue = Queue::default();
        if let Some(reason) = closed {
            queue.ended = true;
            queue.events.push_back(Event::Closed { reason });
        }
        let queue = Arc::new(Mutex::new(queue));
        lock(&self.0).push(Arc::downgrade(&queue));
        Events { queue }
    }
}

/// What happens to a connection, as a stream. It does not keep the connection alive, though
/// a message in it does, and ends after [`Event::Closed`].
#[derive(Debug)]
pub struct Events {
    queue: Arc<Mutex<Queue>>,
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let mut queue = lock(&self.queue);
        if let Some(event) = queue.events.pop_front() {
            return Poll::Ready(Some(event));
        }
        if queue.missed > 0 {
            let events = std::mem::take(&mut queue.missed);
            return Poll::Ready(Some(Event::Missed { events }));
        }
        if queue.ended {
            return Poll::Ready(None);
        }
        queue.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}
