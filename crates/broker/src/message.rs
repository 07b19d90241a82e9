use bytes::Bytes;
use stompbox_proto::FrameRef;

/// A message, shared by all its deliveries and never changed.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// The destination, as the `SEND` spelt it.
    pub destination: Box<str>,
    /// The headers that consumers get, in the order of the `SEND`; of a repeated one all entries.
    pub headers: Vec<(Box<str>, Box<str>)>,
    /// The body.
    pub body: Bytes,
    /// Whether the body is UTF-8, and so may go into a text message of a WebSocket.
    pub is_text: bool,
}

/// Headers of a `SEND` that say something to the server, or that the server itself writes.
const SERVER_OWNED: [&str; 9] = [
    "destination",
    "content-length",
    "receipt",
    "transaction",
    "subscription",
    "message-id",
    "ack",
    "redelivered",
    "delivery-count",
];

impl Message {
    /// The message of a `SEND` frame.
    pub fn of(frame: &FrameRef<'_>, destination: &str) -> Self {
        let headers = frame
            .headers()
            .filter(|(name, _)| !SERVER_OWNED.contains(&&**name))
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Self::new(destination, headers, Bytes::copy_from_slice(frame.body()))
    }

    /// A message of its parts.
    pub fn new(destination: &str, headers: Vec<(Box<str>, Box<str>)>, body: Bytes) -> Self {
        let is_text = std::str::from_utf8(&body).is_ok();
        Self {
            destination: destination.into(),
            headers,
            body,
            is_text,
        }
    }

    /// About how many bytes it takes up, in memory or on the wire.
    pub fn size(&self) -> usize {
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len() + 32);
        128 + self.destination.len() + self.body.len() + headers.sum::<usize>()
    }
}
