use std::{io, sync::Arc};

use stompbox_proto::{EncodeError, client};
use thiserror::Error;

/// A connection that was not made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL can't be used.
    #[error("can't connect to {url:?}: {problem}")]
    Url {
        /// The URL, without a login and passcode.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A header of `CONNECT` can't be written.
    #[error(transparent)]
    Header(#[from] EncodeError),
    /// The passcode can't be written.
    #[error("the passcode has a line end or NUL, which CONNECT can't hold")]
    Passcode,
    /// The TCP connection failed.
    #[error("can't connect to {address}")]
    Io {
        /// Where to.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The WebSocket was refused.
    #[error("the WebSocket handshake with {address} failed")]
    WebSocket {
        /// Where to.
        address: String,
        /// Why.
        source: tokio_websockets::Error,
    },
    /// The connection ended before `CONNECTED`.
    #[error("the connection was not established: {0}")]
    Closed(#[source] Closed),
    /// It took too long.
    #[error("the connection was not established in time")]
    Timeout,
}

/// Why a connection has ended.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum Closed {
    /// The program disconnected.
    #[error("disconnected")]
    Disconnected,
    /// The server sent `ERROR`.
    #[error("the server reported: {message}{}", shown(detail))]
    ServerError {
        /// The frame's `message` header.
        message: String,
        /// The frame's body.
        detail: String,
        /// The receipt id of the frame that caused it, if the server told.
        receipt_id: Option<String>,
    },
    /// The server closed the connection.
    #[error("the server closed the connection")]
    ByServer,
    /// The server was silent for longer than the heart-beats allow.
    #[error("the server was silent for longer than the heart-beats allow")]
    HeartBeatLost,
    /// The server broke the protocol.
    #[error("the server broke the protocol: {0}")]
    Protocol(String),
    /// The transport failed.
    #[error("the connection failed")]
    Io(#[source] Arc<io::Error>),
}

/// The most characters of an `ERROR` body that a message shows.
const MOST_OF_A_DETAIL: usize = 500;

/// The body of an `ERROR`, to follow its message.
fn shown(detail: &str) -> String {
    let detail = detail.trim();
    if detail.is_empty() {
        return String::new();
    }
    let end = detail.char_indices().nth(MOST_OF_A_DETAIL);
    format!(": {}", end.map_or(detail, |(end, _)| &detail[..end]))
}

/// A request that was not made.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The connection has ended.
    #[error("the connection has ended: {0}")]
    Closed(#[source] Closed),
    /// The session refuses it: nothing was sent.
    #[error(transparent)]
    Invalid(#[from] client::RequestError),
}

/// A receipt that did not come.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// The request was not made.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The connection ended first: whether the server took the frame is unknown.
    #[error("no receipt came: {0}")]
    Closed(#[source] Closed),
    /// No receipt came in the time that [`ConnectOptions::receipt_timeout`] gives.
    ///
    /// [`ConnectOptions::receipt_timeout`]: crate::ConnectOptions::receipt_timeout
    #[error("no receipt came in time")]
    Timeout,
}
