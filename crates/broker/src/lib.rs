//! The embedded broker engine: queues, topics, acknowledgements and transactions.
//!
//! Plain synchronous code: commands go into [`Broker`], [`Output`]s come out of
//! [`Broker::poll_output`]. It knows no socket and no clock, so that tests drive it directly.

mod broker;
mod connection;
mod destination;
mod error;
mod message;
mod queue;

pub use broker::{Broker, Config, Output, Target};
pub use connection::{ConnectionId, Delivery};
pub use destination::{Destination, InvalidDestination};
pub use error::BrokerError;
pub use message::Message;
