use std::{error::Error as StdError, io, sync::Arc};

use stompbox_proto::{Command, EncodeError, Version};
use thiserror::Error;

/// A cause of which only the text matters.
pub type BoxError = Box<dyn StdError + Send + Sync>;

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
    /// An option can't be used.
    #[error("can't connect: {option} {problem}")]
    Option {
        /// The option.
        option: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A header of `CONNECT` can't be written.
    #[error(transparent)]
    Header(#[from] EncodeError),
    /// The passcode can't be written.
    #[error("the passcode has a line end or NUL, which CONNECT can't hold")]
    Passcode,
    /// The credentials callback failed.
    #[error("no credentials to connect with")]
    Credentials(#[source] BoxError),
    /// The connection to the server, or to the proxy, failed.
    #[error("can't connect to {address}")]
    Io {
        /// Where to.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The proxy did not make the connection.
    #[error("the proxy {proxy} does not connect to {address}")]
    Proxy {
        /// The proxy, without a login and passcode.
        proxy: String,
        /// Where to.
        address: String,
        /// What it answered.
        source: BoxError,
    },
    /// TLS was not established.
    #[error("no TLS with {address}")]
    Tls {
        /// Where to.
        address: String,
        /// Why.
        source: BoxError,
    },
    /// The WebSocket was refused.
    #[error("the WebSocket handshake with {address} failed")]
    WebSocket {
        /// Where to.
        address: String,
        /// Why.
        source: BoxError,
    },
    /// The connection ended before `CONNECTED`; a refused login is a [`Closed::ServerError`].
    #[error("the connection was not established: {0}")]
    Closed(#[source] Closed),
    /// It took longer than [`ConnectOptions::connect_timeout`](crate::ConnectOptions::connect_timeout).
    #[error("the connection was not established in time")]
    Timeout,
    /// None of several servers could be connected to.
    #[error("no server could be connected to; {}", each(.0))]
    AllServers(Vec<Self>),
}

fn each(errors: &[ConnectError]) -> String {
    let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

impl ConnectError {
    /// Whether a server answered `CONNECT` with `ERROR`: it is there, and does not want this login,
    /// host or version.
    pub fn is_refused(&self) -> bool {
        match self {
            Self::Closed(Closed::ServerError { .. }) => true,
            Self::AllServers(errors) => errors.iter().all(Self::is_refused),
            _ => false,
        }
    }

    /// Whether another attempt must fail too, since what is wrong are the options.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Url { .. } | Self::Option { .. } | Self::Header(_) | Self::Passcode => true,
            Self::AllServers(errors) => errors.iter().all(Self::is_final),
            _ => false,
        }
    }
}

/// Why a connection has ended.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum Closed {
    /// The program disconnected.
    #[error("disconnected")]
    Disconnected,
    /// The server sent `ERROR`.
    #[error("the server reported: {message}{}", shown(message, detail))]
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
    /// The connection was lost, and no attempt to make it again succeeded.
    #[error("the connection was lost, and not made again in {attempts} attempts")]
    NotReconnected {
        /// How many attempts there were.
        attempts: u32,
        /// What became of the last.
        source: Arc<ConnectError>,
    },
}

/// The most characters of an `ERROR` body that a message shows.
const MOST_OF_A_DETAIL: usize = 500;

/// The body of an `ERROR`, to follow its message, if it says more.
fn shown(message: &str, detail: &str) -> String {
    let detail = detail.trim();
    if detail.is_empty() || detail == message.trim() {
        return String::new();
    }
    let end = detail.char_indices().nth(MOST_OF_A_DETAIL);
    format!(": {}", end.map_or(detail, |(end, _)| &detail[..end]))
}

/// A message that was not sent. Whichever it is, the server has seen nothing of it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SendError {
    /// The connection has ended.
    #[error("not sent: the connection has ended")]
    Closed(#[from] Unavailable),
    /// A header, or a body without `content-length`, can't be written in the negotiated version.
    #[error("not sent: {0}")]
    Invalid(#[source] EncodeError),
    /// Its `transaction` header names none that is open: it has ended, or was lost with its
    /// connection.
    #[error("not sent: no open transaction {0:?}")]
    NoTransaction(String),
}

/// A request that could not even be tried.
#[derive(Clone, Debug, Error)]
pub enum Unavailable {
    /// The connection has ended.
    #[error("the connection has ended: {0}")]
    Closed(#[source] Closed),
    /// There was no room in the buffer, or no connection, within
    /// [`ConnectOptions::request_timeout`](crate::ConnectOptions::request_timeout).
    #[error("the server takes nothing, or is not connected, for longer than is allowed")]
    Timeout,
}

impl PartialEq for Unavailable {
    /// Whether both are of one kind.
    fn eq(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl Eq for Unavailable {}

/// A subscription that was not made.
#[derive(Clone, Debug, Error)]
pub enum SubscribeError {
    /// There is no connection.
    #[error("not subscribed")]
    Closed(#[from] Unavailable),
    /// A header can't be written in the negotiated version.
    #[error("not subscribed: {0}")]
    Invalid(#[source] EncodeError),
    /// Another subscription of this client has the id.
    #[error("not subscribed: the id {0:?} is in use")]
    DuplicateId(String),
    /// No `RECEIPT` came, where one was asked for.
    #[error("not known to be subscribed")]
    Receipt(#[source] Box<ReceiptError>),
}

/// A message that was not acknowledged or refused.
#[derive(Clone, Debug, Error)]
pub enum AckError {
    /// There is no connection.
    #[error("not acknowledged")]
    Closed(#[from] Unavailable),
    /// The connection that brought the message was lost: the server gives the message again, to
    /// this client or another.
    #[error("not acknowledged: the connection that brought the message is lost")]
    ConnectionLost,
    /// The message came without what the version acknowledges by: its subscription's mode is `auto`.
    #[error("not acknowledged: the message has no {header} header to acknowledge it by")]
    NotWanted {
        /// The header.
        header: &'static str,
    },
    /// The negotiated version lacks the command: `NACK` in 1.0.
    #[error("STOMP {version} has no {command}")]
    NotInVersion {
        /// The command.
        command: Command,
        /// The version.
        version: Version,
    },
    /// The transaction has ended, or was lost with its connection.
    #[error("not acknowledged: no open transaction {0:?}")]
    NoTransaction(String),
    /// A header can't be written in the negotiated version.
    #[error("not acknowledged: {0}")]
    Invalid(#[source] EncodeError),
}

/// A transaction that did not begin, or of whose end nothing is known.
#[derive(Clone, Debug, Error)]
pub enum TransactionError {
    /// There is no connection.
    #[error("the transaction did not happen")]
    Closed(#[from] Unavailable),
    /// The connection in which it began is lost, and the transaction with it: none of it happened.
    #[error("the transaction was lost with its connection: none of it happened")]
    ConnectionLost,
    /// `COMMIT` was sent, and its receipt did not come: whether it happened is not known.
    #[error("whether the transaction happened is not known")]
    Unknown(#[source] Box<ReceiptError>),
}

/// A receipt that did not come.
#[derive(Clone, Debug, Error)]
pub enum ReceiptError {
    /// The frame was not sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The server answered the frame with `ERROR`, and has ended the connection by that.
    #[error("refused: {0}")]
    Refused(#[source] Closed),
    /// The connection ended first: whether the server took the frame is unknown.
    #[error("no receipt came: {0}")]
    Closed(#[source] Closed),
    /// The connection was lost, and is being made again: whether the server took the frame is
    /// unknown. See [`InFlight`](crate::InFlight).
    #[error("no receipt came, the connection was lost: {0}")]
    ConnectionLost(#[source] Closed),
    /// No receipt came in the time that [`ConnectOptions::receipt_timeout`] gives.
    ///
    /// [`ConnectOptions::receipt_timeout`]: crate::ConnectOptions::receipt_timeout
    #[error("no receipt came in time")]
    Timeout,
}

impl From<Unavailable> for ReceiptError {
    fn from(error: Unavailable) -> Self {
        Self::Send(error.into())
    }
}

/// A request that was not answered.
#[derive(Clone, Debug, Error)]
pub enum RequestError {
    /// It was not sent.
    #[error("the request was not sent")]
    Send(#[from] SendError),
    /// There is no reply queue.
    #[error("there is no queue for the reply")]
    Subscribe(#[from] SubscribeError),
    /// No reply came in time. One that comes later is an
    /// [`Event::LateReply`](crate::Event::LateReply).
    #[error("no reply came in time")]
    Timeout,
    /// The connection was lost: the reply queue went with it.
    #[error("no reply came, the connection was lost: {0}")]
    ConnectionLost(#[source] Closed),
}

/// A body that is not the JSON it should be, or a value that has no JSON.
#[cfg(feature = "json")]
#[derive(Debug, Error)]
#[error("the body is not such JSON")]
pub struct JsonError(#[source] pub(crate) serde_json::Error);
