use thiserror::Error;

use crate::InvalidDestination;

/// A command that the broker can't do. The connection that gave it gets an `ERROR`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// The destination's name means nothing here.
    #[error(transparent)]
    InvalidDestination(#[from] InvalidDestination),
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
    /// The messages in queues take up all the memory that is allowed.
    #[error("queued messages take up {used} bytes, the limit is {limit}")]
    StorageFull {
        /// Bytes that are queued.
        used: usize,
        /// The limit.
        limit: usize,
    },
}

impl BrokerError {
    /// A short name for programs, the same in all releases.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidDestination(_) => "invalid-destination",
            Self::UnknownMessage { .. } => "unknown-message",
            Self::TransactionTooLarge { .. } => "transaction-too-large",
            Self::StorageFull { .. } => "storage-full",
        }
    }
}
