use bytes::Bytes;
use stompbox_proto::{FrameRef, client::AckRef};

use crate::{Client, RequestError, Transaction, driver::Request};

/// A message of a subscription.
#[derive(Clone, Debug)]
pub struct Message {
    client: Client,
    ack: AckRef,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Message {
    pub(crate) fn new(client: Client, frame: &FrameRef<'_>) -> Self {
        Self {
            client,
            ack: AckRef::of(frame),
            headers: frame
                .headers()
                .map(|(n, v)| (n.into_owned(), v.into_owned()))
                .collect(),
            body: Bytes::copy_from_slice(frame.body()),
        }
    }

    /// Where the message was sent to.
    pub fn destination(&self) -> &str {
        self.header("destination").unwrap_or_default()
    }

    /// The message's id.
    pub fn id(&self) -> &str {
        &self.ack.message_id
    }

    /// A header's value; of a repeated one the first.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers()
            .find(|(n, _)| *n == name)
            .map(|(_, value)| value)
    }

    /// All headers in wire order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The body, if it is UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.body).ok()
    }

    /// Acknowledges the message; in [`AckMode::Client`](crate::AckMode::Client) all before it too.
    ///
    /// # Errors
    ///
    /// The connection has ended, or the message came by a subscription that acknowledges by itself.
    pub async fn ack(&self) -> Result<(), RequestError> {
        self.acknowledge(true, None).await
    }

    /// Refuses the message: the broker decides what becomes of it.
    ///
    /// # Errors
    ///
    /// As for [`ack`](Self::ack); STOMP 1.0 has no `NACK`.
    pub async fn nack(&self) -> Result<(), RequestError> {
        self.acknowledge(false, None).await
    }

    /// Acknowledges the message when the transaction is committed.
    ///
    /// # Errors
    ///
    /// As for [`ack`](Self::ack).
    pub async fn ack_in(&self, transaction: &Transaction) -> Result<(), RequestError> {
        self.acknowledge(true, Some(transaction.id())).await
    }

    async fn acknowledge(
        &self,
        consumed: bool,
        transaction: Option<&str>,
    ) -> Result<(), RequestError> {
        let transaction = transaction.map(|id| ("transaction".to_owned(), id.to_owned()));
        let headers = transaction.into_iter().collect();
        let request = Request::Ack {
            message: self.ack.clone(),
            consumed,
            headers,
        };
        self.client.request(request).await
    }
}
