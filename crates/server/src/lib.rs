//! The Stompbox front as a library: STOMP on TCP and WebSocket, the pages, and the embedded broker.
//!
//! ```no_run
//! # async fn example() -> Result<(), stompbox_server::ServeError> {
//! use stompbox_server::{Config, Server};
//!
//! let server = Server::bind(Config::default()).await?;
//! println!("{:?}", server.stomp_addrs());
//! server.run(std::future::pending()).await;
//! # Ok(())
//! # }
//! ```

mod assets;
mod config;
mod connection;
mod http;
mod hub;
mod listener;
mod origin;

pub use config::{Config, User};
pub use listener::{ServeError, Server};
pub use stompbox_proto::{HeartBeat, Limits};
