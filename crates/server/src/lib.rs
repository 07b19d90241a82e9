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

mod accept;
mod acl;
mod address;
mod admin;
mod assets;
mod config;
mod connection;
mod deflate;
mod deliver;
mod events;
mod gateway;
mod http;
mod hub;
mod listener;
mod origin;
mod pattern;
mod peer;
mod proxy;
mod requests;
mod sniff;
mod sockjs;
mod storage;
mod tls;
mod users;
mod websocket;

pub use acl::{Access, Acl, AclError, Denied, Permission, Rule, Who};
pub use address::{Address, InvalidAddress, UnixSocket};
pub use config::{Admin, Config, Listen, Protocol};
pub use gateway::{
    ConnectionStatus, GatewayConfig, GatewayMode, GatewayMonitor, GatewayStatus, InvalidUpstream,
    OnLoss, UnknownName, Upstream, UpstreamKind, UpstreamStatus, UpstreamTlsError,
};
pub use listener::{ServeError, Server};
pub use pattern::{InvalidPattern, Pattern};
pub use proxy::{InvalidProxy, TrustedProxy};
pub use stompbox_broker::{BareDestination, BrokerDialect};
pub use stompbox_proto::{HeartBeat, Limits};
pub use tls::{Tls, TlsError};
pub use users::{Principal, Role, User, UserError};
