use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use stompbox_proto::ContentLength;

use crate::{
    Client, ReceiptError, SendError,
    receipts::Receipt,
    runtime,
    runtime::BoxFuture,
    state::{Core, Outgoing},
};

/// A message that is about to be sent: await it, or its [`receipt`](Self::receipt).
///
/// Awaited, it is done once it is in the connection's buffer, which waits while that is full.
#[derive(Debug)]
#[must_use = "nothing is sent until it is awaited"]
pub struct Send {
    client: Client,
    message: Outgoing,
}

impl Send {
    pub(crate) fn new(client: Client, destination: &str) -> Self {
        let message = Outgoing {
            destination: destination.into(),
            headers: Vec::new(),
            body: Bytes::new(),
            length: ContentLength::Auto,
        };
        Self { client, message }
    }

    pub(crate) fn into_parts(self) -> (Client, Outgoing) {
        (self.client, self.message)
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.message.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body: text or bytes.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.message.body = body.into();
        self
    }

    /// Sets the body to the JSON of a value, and `content-type` to `application/json`.
    ///
    /// # Errors
    ///
    /// The value has no JSON, such as a map whose keys aren't strings.
    #[cfg(feature = "json")]
    pub fn json<T: serde::Serialize + ?Sized>(self, value: &T) -> Result<Self, crate::JsonError> {
        let body = serde_json::to_vec(value).map_err(crate::JsonError)?;
        Ok(self.body(body).header("content-type", "application/json"))
    }

    /// Adds `persistent:true`: the broker is to keep the message over a restart.
    pub fn persistent(self) -> Self {
        self.header("persistent", "true")
    }

    /// When to write `content-length`. Default: for every body that isn't empty.
    pub fn content_length(mut self, length: ContentLength) -> Self {
        self.message.length = length;
        self
    }

    /// Sends, and waits for the server's receipt. Many may wait at a time.
    ///
    /// # Errors
    ///
    /// The message was not sent, or no receipt came.
    pub async fn receipt(self) -> Result<(), ReceiptError> {
        self.pending_receipt().await?.wait().await
    }

    /// Sends, and gives the receipt to wait for later.
    ///
    /// # Errors
    ///
    /// The message was not sent.
    pub async fn pending_receipt(self) -> Result<PendingReceipt, SendError> {
        let Self { client, message } = self;
        let send = |core: &mut Core| core.send_receipted(&message);
        let receipt = client.handle.shared.request(send).await?;
        Ok(PendingReceipt { client, receipt })
    }
}

impl IntoFuture for Send {
    type Output = Result<(), SendError>;
    type IntoFuture = Sending;

    fn into_future(self) -> Self::IntoFuture {
        Sending(Stage::Begun(Some(self)))
    }
}

/// A message that is being sent: the future of [`Send`].
#[must_use = "nothing is sent until it is awaited"]
pub struct Sending(Stage);

enum Stage {
    Begun(Option<Send>),
    /// There was no room at once.
    Waits(BoxFuture<Result<(), SendError>>),
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").finish_non_exhaustive()
    }
}

impl Future for Sending {
    type Output = Result<(), SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Where there is room, as there mostly is, nothing is allocated for the wait, or moved.
        if let Stage::Begun(begun) = &mut self.0 {
            let Some(Send { client, message }) = begun else {
                // Polled after its end.
                return Poll::Pending;
            };
            let shared = &client.handle.shared;
            if let Some(result) = shared.try_request(|core| core.send(message)) {
                *begun = None;
                return Poll::Ready(result);
            }
            let Some(Send { client, message }) = begun.take() else {
                return Poll::Pending;
            };
            self.0 = Stage::Waits(Box::pin(async move {
                let send = |core: &mut Core| core.send(&message);
                client.handle.shared.request(send).await
            }));
        }
        match &mut self.0 {
            Stage::Waits(wait) => wait.as_mut().poll(cx),
            Stage::Begun(_) => Poll::Pending,
        }
    }
}

/// A receipt that is on its way.
#[derive(Debug)]
pub struct PendingReceipt {
    client: Client,
    receipt: Receipt,
}

impl PendingReceipt {
    pub(crate) fn new(client: Client, receipt: Receipt) -> Self {
        Self { client, receipt }
    }

    /// Waits for it.
    ///
    /// # Errors
    ///
    /// It did not come.
    pub async fn wait(self) -> Result<(), ReceiptError> {
        let limit = self.client.handle.shared.settings.receipt_timeout;
        runtime::timeout(limit, self.receipt)
            .await
            .unwrap_or(Err(ReceiptError::Timeout))
    }
}
