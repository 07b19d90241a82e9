//! The async STOMP client, for any STOMP broker: `stomp://`, `stomp+tls://`, `ws://`, `wss://` and
//! `unix:`, over tokio, and over a browser's WebSocket on `wasm32-unknown-unknown`.
//!
//! ```no_run
//! # #[cfg(not(target_arch = "wasm32"))]
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
//!
//! Every future may be dropped whenever it waits: what it asked for is then done whole, or not at
//! all.
//!
//! # Features
//!
//! - `ws` (default): WebSocket
//! - `tls`: `stomp+tls://` and `wss://`, by rustls
//! - `json`: bodies by serde
//! - `proxy`: HTTP CONNECT and SOCKS proxies
//! - `tracing`: tells the crate tracing of connections made and lost

mod batch;
mod client;
mod connect;
mod driver;
mod error;
mod event;
mod headers;
mod log;
mod message;
mod options;
mod queue;
mod receipts;
mod request;
mod runtime;
mod send;
mod shared;
mod state;
mod subscription;
mod transaction;
mod transport;

pub use client::{Client, Farewell};
#[cfg(feature = "json")]
pub use error::JsonError;
pub use error::{
    AckError, BoxError, Closed, ConnectError, ReceiptError, RequestError, SendError,
    SubscribeError, TransactionError, Unavailable,
};
pub use event::{Event, Events};
pub use message::Message;
#[cfg(all(feature = "tls", not(target_arch = "wasm32")))]
pub use options::TlsOptions;
pub use options::{ConnectOptions, Credentials, InFlight, Reconnect, ServerUrl, connect};
pub use runtime::MaybeSend;
pub use send::{PendingReceipt, Send, Sending};
pub use stompbox_proto::{
    AckMode, Command, ContentLength, EncodeError, HeartBeat, Limits, Version, Versions,
};
pub use subscription::{Subscribe, Subscription};
pub use transaction::Transaction;
pub use transport::Traffic;
