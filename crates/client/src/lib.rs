//! The async STOMP client: `stomp://` and `ws://`, for any STOMP broker.
//!
//! ```no_run
//! use futures_util::StreamExt;
//! use stompbox::AckMode;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = stompbox::connect("ws://localhost:61614/stomp").await?;
//! let mut orders = client.subscribe("/queue/orders").ack(AckMode::ClientIndividual).await?;
//! client.send("/queue/orders").header("priority", "9").body("hello").receipt().await?;
//! while let Some(message) = orders.next().await {
//!     message?.ack().await?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A [`Client`] is a cheap handle to one task that owns the connection. Dropping a
//! [`Subscription`] ends it; dropping the last handle, subscriptions and messages included,
//! disconnects. A program that takes its messages slowly slows the broker down: the task stops
//! reading, and nothing is lost.

mod client;
mod driver;
mod error;
mod message;
mod options;
mod subscription;
mod transaction;
mod transport;

pub use client::{Client, PendingReceipt, Send};
pub use error::{Closed, ConnectError, ReceiptError, RequestError};
pub use message::Message;
pub use options::{ConnectOptions, connect};
pub use stompbox_proto::{AckMode, ContentLength, HeartBeat, Limits, Version, Versions};
pub use subscription::{Subscribe, Subscription};
pub use transaction::Transaction;
