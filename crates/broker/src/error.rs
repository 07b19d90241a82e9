use thiserror::Error;

/// A command that the broker can't do. The connection that gave it gets an `ERROR`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// The destination's name means nothing here.
    #[error("destination {name:?} {reason}")]
    InvalidDestination {
        /// The name, perhaps cut.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The destination is to be there already, and is not.
    #[error("destination {name:?} does not exist")]
    NoSuchDestination {
        /// The name.
        name: String,
    },
    /// The destination is somebody else's.
    #[error("destination {name:?} belongs to another user or connection")]
    NotYours {
        /// The name.
        name: String,
    },
    /// The rules of who may do what say no.
    #[error("access denied: {reason}")]
    AccessDenied {
        /// What is denied, and by which rule.
        reason: String,
    },
    /// A header that the broker acts on has a value that makes no sense.
    #[error("header {header:?} is {value:?}, expected {expected}")]
    InvalidHeader {
        /// The header.
        header: String,
        /// Its value, perhaps cut.
        value: String,
        /// What it could be.
        expected: &'static str,
    },
    /// A selector that can't be compiled.
    #[error("selector: {reason}")]
    InvalidSelector {
        /// Where and why.
        reason: String,
    },
    /// The queue is there, and is not as the frame declares it.
    #[error("queue {queue:?} has {header} {have}, the frame says {said}")]
    PreconditionFailed {
        /// The queue.
        queue: String,
        /// On what they differ.
        header: &'static str,
        /// What the queue has.
        have: String,
        /// What the frame says.
        said: String,
    },
    /// A durable subscription is in use, or needs a name that the frame does not give.
    #[error("durable subscription {name:?} {reason}")]
    DurableSubscription {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// An `ACK` or `NACK` of a message that is not waiting for one.
    #[error("no message {id:?} is waiting for an acknowledgement on this connection")]
    UnknownMessage {
        /// What the frame said.
        id: String,
    },
    /// A transaction holds more than is allowed.
    #[error("the transaction holds more than {limit} {what}")]
    TransactionTooLarge {
        /// Frames or bytes.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A queue is full, and refuses what comes.
    #[error("queue {queue:?} is full: {what} {limit}")]
    QueueFull {
        /// The queue.
        queue: String,
        /// The header or setting that says so.
        what: &'static str,
        /// Its value.
        limit: u64,
    },
    /// The messages that are held take up all the memory that is allowed.
    #[error("messages take up {used} bytes, the limit `max_memory` is {limit}")]
    MemoryFull {
        /// Bytes that are held.
        used: usize,
        /// The limit.
        limit: usize,
    },
    /// The store has no room.
    #[error("the store has no room: {reason}")]
    StorageFull {
        /// What it said.
        reason: String,
    },
    /// The store has failed, and takes nothing more.
    #[error("the store has failed: {reason}")]
    StoreFailed {
        /// What it said.
        reason: String,
    },
    /// There are as many of something as may be.
    #[error("there are {limit} {what} already, which is the limit")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The destination can't go, since somebody uses it.
    #[error("destination {name:?} {reason}")]
    InUse {
        /// Its name.
        name: String,
        /// By whom.
        reason: &'static str,
    },
    /// Whoever looks after the broker ended the connection.
    #[error("this connection was ended by an operator: {reason}")]
    Kicked {
        /// What they said.
        reason: String,
    },
    /// A topic's subscriber takes its messages too slowly.
    #[error("this client takes its messages too slowly: {limit}, which is {value}, was reached")]
    SlowConsumer {
        /// The limit that was reached.
        limit: &'static str,
        /// Its value.
        value: u64,
    },
}

impl BrokerError {
    /// A short name for programs, the same in all releases.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidDestination { .. } => "invalid-destination",
            Self::NoSuchDestination { .. } => "no-such-destination",
            Self::NotYours { .. } | Self::AccessDenied { .. } => "access-denied",
            Self::InvalidHeader { .. } => "invalid-header",
            Self::InvalidSelector { .. } => "invalid-selector",
            Self::PreconditionFailed { .. } => "precondition-failed",
            Self::DurableSubscription { .. } => "durable-subscription",
            Self::UnknownMessage { .. } => "unknown-message",
            Self::TransactionTooLarge { .. } => "transaction-too-large",
            Self::QueueFull { .. } => "queue-full",
            Self::MemoryFull { .. } => "memory-full",
            Self::StorageFull { .. } => "storage-full",
            Self::StoreFailed { .. } => "store-failed",
            Self::TooMany { .. } => "too-many",
            Self::InUse { .. } => "in-use",
            Self::Kicked { .. } => "kicked",
            Self::SlowConsumer { .. } => "slow-consumer",
        }
    }

    /// What the `x-retry` header says: `later` or `never`.
    pub fn retry(&self) -> &'static str {
        match self {
            Self::QueueFull { .. }
            | Self::MemoryFull { .. }
            | Self::StorageFull { .. }
            | Self::SlowConsumer { .. }
            | Self::InUse { .. }
            | Self::TooMany { .. } => "later",
            _ => "never",
        }
    }
}
