use std::{
    future::{Future, IntoFuture},
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use stompbox_proto::AckMode;
use tokio::sync::mpsc;

use crate::{Client, Closed, Message, RequestError, driver::Request};

/// A subscription that is about to be made: await it.
#[derive(Debug)]
#[must_use = "nothing is subscribed until it is awaited"]
pub struct Subscribe {
    client: Client,
    destination: String,
    ack: AckMode,
    headers: Vec<(String, String)>,
    buffer: usize,
}

impl Subscribe {
    pub(crate) fn new(client: Client, destination: &str) -> Self {
        let destination = destination.into();
        Self {
            client,
            destination,
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

    /// Adds a header, such as a broker's own.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// How many messages may wait for the program; beyond that the connection is not read any
    /// more, and the broker has to wait. Default: 64; at least 1.
    pub fn buffer(mut self, messages: usize) -> Self {
        self.buffer = messages.max(1);
        self
    }
}

impl IntoFuture for Subscribe {
    type Output = Result<Subscription, RequestError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self {
                client,
                destination,
                ack,
                headers,
                buffer,
            } = self;
            let id = client.next_id("sub");
            let (sender, messages) = mpsc::channel(buffer);
            // Made before the request: if this future is dropped while it waits, so is the
            // subscription.
            let subscription = Subscription {
                client,
                id: id.clone(),
                messages,
                ended: false,
            };
            let request = Request::Subscribe {
                id,
                destination,
                ack,
                headers,
                sender,
            };
            subscription.client.request(request).await?;
            Ok(subscription)
        })
    }
}

/// The messages of a subscription, as a stream. Dropped, it ends the subscription.
///
/// After the connection has ended, the stream gives the reason once, as an error, unless the
/// program itself disconnected; then it ends.
#[derive(Debug)]
pub struct Subscription {
    client: Client,
    id: String,
    messages: mpsc::Receiver<Message>,
    ended: bool,
}

impl Subscription {
    /// The subscription's id.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl Stream for Subscription {
    type Item = Result<Message, Closed>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        match self.messages.poll_recv(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(message)) => Poll::Ready(Some(Ok(message))),
            Poll::Ready(None) => {
                self.ended = true;
                match self.client.closed() {
                    Closed::Disconnected => Poll::Ready(None),
                    reason => Poll::Ready(Some(Err(reason))),
                }
            }
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.client
            .request_later(Request::Unsubscribe(std::mem::take(&mut self.id)));
    }
}
