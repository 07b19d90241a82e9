use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use stompbox_proto::AckMode;

use crate::{
    ConnectionId, Time,
    dialect::subscribe::{RedeliveryHeaders, SlowPolicy},
    message::{Entry, Message},
    pattern::Pattern,
    queue::{Cursor, QueueKey},
    selector::Selector,
    topic::TopicKey,
};

/// What a connection needs to know of one of its subscriptions to write a `MESSAGE` for it.
#[derive(Debug)]
pub struct Subscriber {
    /// The subscription's id; `None` if the client gave none (1.0).
    pub id: Option<Box<str>>,
    /// The header in which the client wants each message's position (`include-seq`).
    pub include_sequence: Option<Box<str>>,
    /// The `subscription` header's line as the client's version writes it. Empty: there is none, or
    /// it is to be made of the id.
    pub line: Box<[u8]>,
    closed: AtomicBool,
}

impl Subscriber {
    /// One that is open.
    pub fn new(id: Option<Box<str>>, include_sequence: Option<Box<str>>, line: Box<[u8]>) -> Self {
        Self {
            id,
            include_sequence,
            line,
            closed: AtomicBool::new(false),
        }
    }

    /// Whether the subscription has ended: what is still on its way is not to be written, but
    /// [given back](crate::Command::GiveBack).
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }
}

/// A message for a subscription: the caller writes it as a `MESSAGE` frame.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Whose it is.
    pub subscriber: Arc<Subscriber>,
    /// The message.
    pub message: Arc<Message>,
    /// The message's number, the same at each redelivery: of `message-id`.
    pub sequence: u64,
    /// The delivery's number on its connection, for the `ack` header; 0: it needs no `ACK`.
    pub tag: u64,
    /// How often the message was handed out before.
    pub redeliveries: u32,
    /// Its place in a log; 0: it came from none.
    pub position: u64,
    /// Whether it is a topic's retained message, which was sent before the client subscribed.
    pub retained: bool,
    /// Where it goes if it is not written, and as what.
    pub(crate) origin: Origin,
    pub(crate) expires: Time,
    pub(crate) failures: u16,
    pub(crate) priority: u8,
}

impl Delivery {
    /// About how many bytes it takes up on its way, as [`Command::Drained`](crate::Command::Drained)
    /// counts.
    pub fn size(&self) -> usize {
        self.message.size()
    }
}

/// Where a delivery came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A queue, which has it back if it is not consumed.
    Queue(QueueKey),
    /// A topic or log: it is this subscription's alone.
    Own,
}

/// What a subscription is attached to.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Queue(QueueKey),
    Topic(TopicKey),
    Topics(Pattern),
    Queues(Pattern),
}

/// A reader of messages that it does not consume.
#[derive(Debug)]
pub(crate) enum Reading {
    /// Of a queue's waiting messages, up to the newest at the time it came.
    Browse {
        queue: QueueKey,
        cursor: Cursor,
        until: u64,
    },
    /// Of a stream, from that position on.
    Stream { queue: QueueKey, next: u64 },
    /// A browser that has seen all.
    Done,
}

/// A topic's message that waits until its subscriber has room.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) entry: Entry,
    pub(crate) position: u64,
    pub(crate) retained: bool,
}

#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) connection: ConnectionId,
    pub(crate) subscriber: Arc<Subscriber>,
    pub(crate) ack: AckMode,
    pub(crate) sources: Vec<Source>,
    pub(crate) selector: Option<Arc<Selector>>,
    pub(crate) no_local: bool,
    pub(crate) priority: i32,
    pub(crate) exclusive: bool,
    /// Most unacknowledged messages; 0: no limit.
    pub(crate) credit_messages: u64,
    /// Most unacknowledged bytes, but always one message; 0: no limit.
    pub(crate) credit_bytes: u64,
    pub(crate) unacked: u64,
    pub(crate) unacked_bytes: u64,
    /// In client mode the tags of these in order, and perhaps of some that are settled.
    pub(crate) tags: VecDeque<u64>,
    /// The queues that its wildcards match.
    pub(crate) matched: Vec<QueueKey>,
    /// It sees what the server tells of itself.
    pub(crate) watches: bool,
    /// Its falling behind was told.
    pub(crate) told_slow: bool,
    /// It is not among its queues' ready consumers, because it can take nothing at the moment.
    pub(crate) blocked: bool,
    /// When it got its last message, for turns.
    pub(crate) served: u64,
    pub(crate) slow: SlowPolicy,
    pub(crate) pending_limit: Option<u64>,
    pub(crate) waiting: VecDeque<Waiting>,
    pub(crate) waiting_bytes: u64,
    /// Up to where it has looked at each of its queues, if it takes only some messages.
    pub(crate) cursors: Vec<(QueueKey, Cursor)>,
    pub(crate) reading: Option<Reading>,
    /// Whether a browser goes on after it has seen all.
    pub(crate) browser_stays: bool,
    pub(crate) redelivery: RedeliveryHeaders,
    /// Values of `x-stream-filter-value` to see.
    pub(crate) stream_filter: Option<Box<[Box<str>]>>,
    pub(crate) match_unfiltered: bool,
    /// The durable subscription whose queue it consumes.
    pub(crate) durable: Option<Box<str>>,
}

impl Subscription {
    /// Whether its unacknowledged messages leave room for one more.
    #[inline]
    pub(crate) fn has_credit(&self) -> bool {
        self.ack == AckMode::Auto
            || ((self.credit_messages == 0 || self.unacked < self.credit_messages)
                && (self.credit_bytes == 0 || self.unacked_bytes < self.credit_bytes))
    }

    /// Whether it takes every message of its queues.
    pub(crate) fn takes_all(&self) -> bool {
        self.selector.is_none() && !self.no_local
    }

    /// Up to where it has looked at a queue.
    pub(crate) fn cursor(&mut self, queue: QueueKey) -> &mut Cursor {
        let at = match self.cursors.iter().position(|(key, _)| *key == queue) {
            Some(at) => at,
            None => {
                self.cursors.push((queue, Cursor::default()));
                self.cursors.len() - 1
            }
        };
        &mut self.cursors[at].1
    }
}

/// How a message comes again.
#[derive(Clone, Debug, PartialEq)]
pub struct Redelivery {
    /// How many `NACK`s make a message a dead letter. Default: 10.
    pub limit: u32,
    /// Milliseconds before the first redelivery. Default: 0.
    pub initial_delay: Time,
    /// Milliseconds before later ones. Default: 0.
    pub delay: Time,
    /// By how much each delay is longer than the one before. Default: 1.
    pub multiplier: f64,
    /// Most milliseconds of a delay. Default: 60,000.
    pub max_delay: Time,
}

impl Default for Redelivery {
    fn default() -> Self {
        Self {
            limit: 10,
            initial_delay: 0,
            delay: 0,
            multiplier: 1.0,
            max_delay: 60_000,
        }
    }
}

impl Redelivery {
    /// With what a subscription's headers say instead.
    pub(crate) fn with(&self, headers: &RedeliveryHeaders) -> Self {
        let mut this = self.clone();
        if let Some(limit) = headers.limit {
            this.limit = u32::try_from(limit).unwrap_or(if limit < 0 { 0 } else { u32::MAX });
        }
        if let Some(delay) = headers.delay {
            this.delay = delay;
            this.initial_delay = delay;
        }
        if let Some(delay) = headers.initial_delay {
            this.initial_delay = delay;
        }
        if let Some(multiplier) = headers.multiplier {
            this.multiplier = multiplier;
        }
        match headers.exponential {
            Some(false) => this.multiplier = 1.0,
            // ActiveMQ's default.
            Some(true) if headers.multiplier.is_none() => this.multiplier = 5.0,
            _ => {}
        }
        if let Some(delay) = headers.max_delay {
            this.max_delay = delay;
        }
        this
    }

    /// Milliseconds until the redelivery after so many failures.
    pub(crate) fn delay_after(&self, failures: u16) -> Time {
        if failures <= 1 {
            return self
                .initial_delay
                .min(self.max_delay.max(self.initial_delay));
        }
        let base = self.delay.max(1) as f64;
        if self.delay == 0 {
            return 0;
        }
        let grown = base * self.multiplier.powi(i32::from(failures) - 2);
        (grown as Time).min(self.max_delay.max(self.delay))
    }
}
