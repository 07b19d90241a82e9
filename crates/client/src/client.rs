use std::{
    future::{Future, IntoFuture},
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use stompbox_proto::{ContentLength, Version};
use tokio::{
    sync::{mpsc, oneshot},
    time,
};

use crate::{
    Closed, ReceiptError, RequestError, Subscribe, Transaction,
    driver::{Ask, Request},
};

/// A handle to a connection; clones are cheap and share it.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) asks: mpsc::Sender<Ask>,
    /// For what must not wait: the drops of subscriptions and transactions.
    pub(crate) later: mpsc::UnboundedSender<Ask>,
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    /// Set before the first handle is given out.
    pub(crate) version: OnceLock<Version>,
    pub(crate) receipt_timeout: Duration,
    pub(crate) closed: OnceLock<Closed>,
    pub(crate) counter: AtomicU64,
}

impl Client {
    /// The negotiated version.
    pub fn version(&self) -> Version {
        self.shared.version.get().copied().unwrap_or(Version::V1_0)
    }

    /// Prepares a message: await it, or its [`receipt`](Send::receipt).
    pub fn send(&self, destination: &str) -> Send {
        Send {
            client: self.clone(),
            destination: destination.into(),
            headers: Vec::new(),
            body: Bytes::new(),
            length: ContentLength::Auto,
        }
    }

    /// Prepares a subscription: await it.
    pub fn subscribe(&self, destination: &str) -> Subscribe {
        Subscribe::new(self.clone(), destination)
    }

    /// Begins a transaction.
    ///
    /// # Errors
    ///
    /// The connection has ended.
    pub async fn begin(&self) -> Result<Transaction, RequestError> {
        let id = self.next_id("tx");
        let transaction = Transaction::new(self.clone(), id.clone());
        self.request(Request::Begin(id)).await?;
        Ok(transaction)
    }

    /// Disconnects in order: all that was sent before has arrived when this returns.
    ///
    /// # Errors
    ///
    /// The server's receipt did not come.
    pub async fn disconnect(&self) -> Result<(), ReceiptError> {
        let (sender, receiver) = oneshot::channel();
        let id = self.next_id("close");
        self.request(Request::Disconnect {
            id,
            receipt: sender,
        })
        .await?;
        self.wait(receiver).await
    }

    pub(crate) fn next_id(&self, prefix: &str) -> String {
        format!(
            "{prefix}-{}",
            self.shared.counter.fetch_add(1, Ordering::Relaxed)
        )
    }

    /// Why the connection has ended; asked only once it has.
    pub(crate) fn closed(&self) -> Closed {
        self.shared
            .closed
            .get()
            .cloned()
            .unwrap_or(Closed::Disconnected)
    }

    pub(crate) async fn request(&self, request: Request) -> Result<(), RequestError> {
        let (done, result) = oneshot::channel();
        let ended = |_| RequestError::Closed(self.closed());
        self.asks
            .send(Ask {
                request,
                done: Some(done),
            })
            .await
            .map_err(|_| ended(()))?;
        let result = result.await.map_err(|_| ended(()))?;
        Ok(result?)
    }

    pub(crate) fn request_later(&self, request: Request) {
        // A connection that has ended has forgotten all of it.
        let _ = self.later.send(Ask {
            request,
            done: None,
        });
    }

    async fn wait(&self, receipt: oneshot::Receiver<()>) -> Result<(), ReceiptError> {
        match time::timeout(self.shared.receipt_timeout, receipt).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(ReceiptError::Closed(self.closed())),
            Err(_) => Err(ReceiptError::Timeout),
        }
    }
}

/// A message that is about to be sent: await it, or its [`receipt`](Self::receipt).
#[derive(Debug)]
#[must_use = "nothing is sent until it is awaited"]
pub struct Send {
    client: Client,
    destination: String,
    headers: Vec<(String, String)>,
    body: Bytes,
    length: ContentLength,
}

impl Send {
    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body: text or bytes.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// When to write `content-length`. Default: for every body that isn't empty.
    pub fn content_length(mut self, length: ContentLength) -> Self {
        self.length = length;
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
    pub async fn pending_receipt(mut self) -> Result<PendingReceipt, RequestError> {
        let (sender, receiver) = oneshot::channel();
        let id = self.client.next_id("receipt");
        self.headers.push(("receipt".into(), id));
        let client = self.client.clone();
        self.transmit(Some(sender)).await?;
        Ok(PendingReceipt { client, receiver })
    }

    async fn transmit(self, receipt: Option<oneshot::Sender<()>>) -> Result<(), RequestError> {
        let Self {
            client,
            destination,
            headers,
            body,
            length,
        } = self;
        client
            .request(Request::Send {
                destination,
                headers,
                body,
                length,
                receipt,
            })
            .await
    }
}

impl IntoFuture for Send {
    type Output = Result<(), RequestError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + std::marker::Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.transmit(None))
    }
}

/// A receipt that is on its way.
#[derive(Debug)]
pub struct PendingReceipt {
    client: Client,
    receiver: oneshot::Receiver<()>,
}

impl PendingReceipt {
    /// Waits for it.
    ///
    /// # Errors
    ///
    /// It did not come.
    pub async fn wait(self) -> Result<(), ReceiptError> {
        self.client.wait(self.receiver).await
    }
}
