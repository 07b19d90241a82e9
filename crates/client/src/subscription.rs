use std::{
    collections::VecDeque,
    future::IntoFuture,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use stompbox_proto::AckMode;

use crate::{
    Client, Closed, Message, PendingReceipt, SubscribeError,
    queue::Queue,
    receipts::Receipt,
    runtime::BoxFuture,
    state::{Core, Entry},
};

/// A subscription that is about to be made: await it, or its [`receipt`](Self::receipt).
#[derive(Debug)]
#[must_use = "nothing is subscribed until it is awaited"]
pub struct Subscribe {
    client: Client,
    id: Option<String>,
    destination: String,
    ack: AckMode,
    headers: Vec<(String, String)>,
    buffer: usize,
}

impl Subscribe {
    pub(crate) fn new(client: Client, destination: &str) -> Self {
        Self {
            client,
            id: None,
            destination: destination.into(),
            ack: AckMode::Auto,
            headers: Vec::new(),
            buffer: 64,
        }
    }

    /// How messages are acknowledged. Default: [`AckMode::Auto`].
    pub fn ack(mut self, mode: AckMode) -> Self {
        self.ack = mode;
        self
    }

    /// The subscription's id. Default: one of the library's; a durable subscription of RabbitMQ or
    /// Stompbox is found again by its id.
    pub fn id(mut self, id: &str) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Adds a header, such as `selector` or a broker's own.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// How many messages may wait for the program; beyond that the connection is not read any
    /// more, and the broker has to wait. Default: 64; at least 1.
    ///
    /// While the program waits for a receipt, which comes behind the messages, more are taken: up
    /// to 4 MiB of them.
    pub fn buffer(mut self, messages: usize) -> Self {
        self.buffer = messages.max(1);
        self
    }

    /// Subscribes, and waits for the server's receipt: what is sent to the destination from then on
    /// comes.
    ///
    /// # Errors
    ///
    /// It was not subscribed, or no receipt came.
    pub async fn receipt(self) -> Result<Subscription, SubscribeError> {
        let client = self.client.clone();
        let (subscription, receipt) = self.make(true).await?;
        if let Some(receipt) = receipt {
            let receipt = PendingReceipt::new(client, receipt).wait().await;
            receipt.map_err(|error| SubscribeError::Receipt(Box::new(error)))?;
        }
        Ok(subscription)
    }

    async fn make(
        self,
        is_receipted: bool,
    ) -> Result<(Subscription, Option<Receipt>), SubscribeError> {
        let shared = Arc::clone(&self.client.handle.shared);
        let order = shared.next_number();
        let id = self.id.unwrap_or_else(|| format!("sub-{order}"));
        let queue = Arc::new(Queue::new(self.buffer));
        let entry = Entry {
            order,
            destination: self.destination,
            ack: self.ack,
            headers: self.headers,
            queue: Arc::clone(&queue),
        };
        let subscribe = |core: &mut Core| core.subscribe(&id, entry, is_receipted);
        let receipt = if is_receipted {
            // What is restored later is restored without one.
            shared.request_connected(subscribe).await?
        } else {
            shared.request(subscribe).await?
        };
        let subscription = Subscription {
            client: self.client,
            id,
            queue,
            taken: VecDeque::new(),
            untold: (0, 0),
            ended: false,
        };
        Ok((subscription, receipt))
    }
}

impl IntoFuture for Subscribe {
    type Output = Result<Subscription, SubscribeError>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async { Ok(self.make(false).await?.0) })
    }
}

/// The messages of a subscription, as a stream. Dropped, it ends the subscription.
///
/// After the connection has ended for good, the stream gives the reason once, as an error, unless
/// the program itself disconnected; then it ends. Over a reconnect it simply goes on; messages that
/// waited in the buffer and are to be acknowledged are not given out then, since the server gives
/// them again.
#[derive(Debug)]
pub struct Subscription {
    client: Client,
    id: String,
    queue: Arc<Queue>,
    /// Messages that were moved out of the queue together.
    taken: VecDeque<Message>,
    /// Messages, and their bytes, that the program took since the queue was told.
    untold: (usize, usize),
    ended: bool,
}

impl Subscription {
    /// The subscription's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Ends the subscription with headers of a broker's own, such as `durable:true`, which ends a
    /// durable one for good. Dropping it does the same without headers.
    pub fn unsubscribe(self, headers: &[(&str, &str)]) {
        self.end(headers);
    }

    fn end(&self, headers: &[(&str, &str)]) {
        let shared = &self.client.handle.shared;
        let mut core = shared.lock();
        let is_own = core
            .subscriptions
            .get(self.id.as_str())
            .is_some_and(|entry| Arc::ptr_eq(&entry.queue, &self.queue));
        if is_own {
            core.unsubscribe(&self.id, headers);
        }
        drop(core);
        self.queue.end(true);
        shared.wake();
    }
}

impl Stream for Subscription {
    type Item = Result<Message, Closed>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let this = &mut *self;
        loop {
            let Some(message) = this.taken.pop_front() else {
                if ready!(this.queue.poll_take(&mut this.taken, cx)).is_some() {
                    continue;
                }
                this.ended = true;
                return match this.client.closed() {
                    Closed::Disconnected => Poll::Ready(None),
                    reason => Poll::Ready(Some(Err(reason))),
                };
            };
            this.untold.0 += 1;
            this.untold.1 += message.size();
            // Not for each message: the connection's task counts them too, in another thread.
            if this.taken.is_empty() || this.untold.0 >= this.queue.stride() {
                let (messages, bytes) = std::mem::take(&mut this.untold);
                if this.queue.take(messages, bytes) {
                    this.client.handle.shared.wake();
                }
            }
            if !this.queue.is_outdated(&message) {
                return Poll::Ready(Some(Ok(message)));
            }
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.end(&[]);
    }
}
