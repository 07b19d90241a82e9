use std::fmt;

use bytes::Bytes;
use stompbox_proto::{FrameRef, client::AckRef};

use crate::{
    AckError, Client, Send, Transaction,
    headers::{self, Headers},
};

/// A message of a subscription.
///
/// Its headers and body are not copied but shared with what else came in the same read: kept for
/// long, a small message holds up to 64 KiB. Copy what is to be kept.
#[derive(Clone)]
pub struct Message {
    pub(crate) client: Client,
    /// The connection that brought it.
    pub(crate) connection: u64,
    headers: Headers,
    body: Bytes,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Message");
        for (name, value) in self.headers.iter() {
            debug.field(name, &value);
        }
        debug
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish_non_exhaustive()
    }
}

impl Message {
    /// A message whose frame was decoded from that block.
    pub(crate) fn new(
        client: Client,
        connection: u64,
        frame: &FrameRef<'_>,
        block: &Bytes,
    ) -> Self {
        let (headers, body) = headers::keep(frame, block);
        Self {
            client,
            connection,
            headers,
            body,
        }
    }

    /// Where the message was sent to.
    pub fn destination(&self) -> &str {
        self.header("destination").unwrap_or_default()
    }

    /// The message's id.
    pub fn id(&self) -> &str {
        self.header("message-id").unwrap_or_default()
    }

    /// A header's value; of a repeated one the first.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// All headers in wire order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter()
    }

    /// The body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The body, if it is UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.body).ok()
    }

    /// The value whose JSON the body is.
    ///
    /// # Errors
    ///
    /// It is not such JSON.
    #[cfg(feature = "json")]
    pub fn json<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T, crate::JsonError> {
        serde_json::from_slice(&self.body).map_err(crate::JsonError)
    }

    /// Acknowledges the message; in [`AckMode::Client`](crate::AckMode::Client) all before it too.
    ///
    /// # Errors
    ///
    /// Nothing was acknowledged: see [`AckError`].
    pub async fn ack(&self) -> Result<(), AckError> {
        self.acknowledge(true, None).await
    }

    /// Refuses the message: the broker decides what becomes of it.
    ///
    /// # Errors
    ///
    /// As for [`ack`](Self::ack); STOMP 1.0 has no `NACK`.
    pub async fn nack(&self) -> Result<(), AckError> {
        self.acknowledge(false, None).await
    }

    /// Acknowledges the message when the transaction is committed.
    ///
    /// # Errors
    ///
    /// As for [`ack`](Self::ack).
    pub async fn ack_in(&self, transaction: &Transaction) -> Result<(), AckError> {
        self.acknowledge(true, Some(transaction)).await
    }

    /// Refuses the message when the transaction is committed.
    ///
    /// # Errors
    ///
    /// As for [`nack`](Self::nack).
    pub async fn nack_in(&self, transaction: &Transaction) -> Result<(), AckError> {
        self.acknowledge(false, Some(transaction)).await
    }

    /// Prepares an answer: to the `reply-to` of this message, with its `correlation-id`. `None`: it
    /// asks for none.
    pub fn reply(&self) -> Option<Send> {
        let mut reply = self.client.send(self.header("reply-to")?);
        if let Some(id) = self.header("correlation-id") {
            reply = reply.header("correlation-id", id);
        }
        Some(reply)
    }

    /// About how much memory it takes, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.headers.size() + self.body.len()
    }

    async fn acknowledge(
        &self,
        consumed: bool,
        transaction: Option<&Transaction>,
    ) -> Result<(), AckError> {
        let header = |name| self.header(name).map(str::to_owned);
        let ack = AckRef {
            ack: header("ack"),
            message_id: self.id().to_owned(),
            subscription: header("subscription"),
        };
        let shared = &self.client.handle.shared;
        let acknowledge = |core: &mut crate::state::Core| {
            core.acknowledge(
                self.connection,
                &ack,
                consumed,
                transaction.map(Transaction::id),
            )
        };
        shared.request(acknowledge).await
    }
}
