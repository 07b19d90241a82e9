//! Requests and their replies.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use stompbox_proto::AckMode;
use tokio::sync::oneshot;

use crate::{
    Client, Closed, Message, RequestError, Send, runtime,
    shared::Shared,
    state::{Core, Outgoing},
};

type Reply = Result<Message, RequestError>;

/// The replies that are waited for.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    waiting: HashMap<String, oneshot::Sender<Reply>>,
    /// Where replies go to, and the connection in which that was set up.
    queue: Option<(String, u64)>,
}

impl Replies {
    /// Whether a message of that subscription is a reply.
    pub(crate) fn is_reply(&self, subscription: &str) -> bool {
        matches!(&self.queue, Some((queue, _)) if queue == subscription)
    }

    pub(crate) fn is_awaited(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Hands a reply to whoever waits for it. A late one comes back.
    pub(crate) fn take(&mut self, message: Message) -> Option<Message> {
        let id = message.header("correlation-id").map(str::to_owned);
        let waiting = id.and_then(|id| self.waiting.remove(&id));
        match waiting {
            Some(waiting) => match waiting.send(Ok(message)) {
                Err(Ok(message)) => Some(message),
                _ => None,
            },
            None => Some(message),
        }
    }

    /// The reply queue went with its connection.
    pub(crate) fn lose(&mut self, why: &Closed) {
        self.queue = None;
        for (_, waiting) in self.waiting.drain() {
            let _ = waiting.send(Err(RequestError::ConnectionLost(why.clone())));
        }
    }
}

/// A request that waits; dropped, it is forgotten, and its reply is a late one.
struct Waiting<'a> {
    shared: &'a Shared,
    id: String,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let reply = self.shared.lock().replies.waiting.remove(&self.id);
        drop(reply);
    }
}

impl Client {
    /// Sends a message with `reply-to` and `correlation-id`, and waits for the reply.
    ///
    /// Replies come to a temporary queue, `/temp-queue/…`, which RabbitMQ, ActiveMQ, Apollo and
    /// Stompbox have, or to
    /// [`ConnectOptions::reply_queue`](crate::ConnectOptions::reply_queue); all requests of a client
    /// share it. [`Message::reply`] answers such a request.
    ///
    /// # Errors
    ///
    /// No reply came: see [`RequestError`].
    pub async fn request(
        &self,
        destination: &str,
        body: impl Into<Bytes>,
        timeout: Duration,
    ) -> Result<Message, RequestError> {
        self.send(destination).body(body).request(timeout).await
    }
}

impl Send {
    /// Sends, and waits for the reply: as [`Client::request`], with this message's headers.
    ///
    /// # Errors
    ///
    /// No reply came: see [`RequestError`].
    pub async fn request(self, timeout: Duration) -> Result<Message, RequestError> {
        let (client, mut message) = self.into_parts();
        let shared = &client.handle.shared;
        let number = shared.next_number();
        // Unique among the clients of a queue that several share.
        let id = format!("{:016x}-{number}", fastrand::u64(..));
        message.headers.push(("correlation-id".into(), id.clone()));
        let (sender, reply) = oneshot::channel();
        let waiting = Waiting { shared, id };
        let ask = async {
            let send = |core: &mut Core| core.request(&waiting.id, message, sender, number);
            shared.request_connected(send).await?;
            let gone = || RequestError::ConnectionLost(Closed::Disconnected);
            reply.await.unwrap_or_else(|_| Err(gone()))
        };
        runtime::timeout(timeout, ask)
            .await
            .unwrap_or(Err(RequestError::Timeout))
    }
}

impl From<crate::Unavailable> for RequestError {
    fn from(error: crate::Unavailable) -> Self {
        Self::Send(error.into())
    }
}

impl Core {
    fn request(
        &mut self,
        id: &str,
        mut message: Outgoing,
        reply: oneshot::Sender<Reply>,
        number: u64,
    ) -> Result<(), RequestError> {
        let queue = match &self.replies.queue {
            Some((queue, connection)) if *connection == self.connection => queue.clone(),
            _ => {
                let own = self.reply_queue.clone();
                // RabbitMQ subscribes by itself to what a reply-to names, with the queue's name for
                // an id, and refuses a SUBSCRIBE.
                let by_itself = own.is_none() && self.server().starts_with("RabbitMQ/");
                let queue = own.unwrap_or_else(|| format!("/temp-queue/stompbox-{number}"));
                if !by_itself {
                    self.session
                        .subscribe(&queue, &queue, AckMode::Auto, &[])
                        .map_err(|_| crate::Unavailable::Closed(Closed::Disconnected))?;
                    self.collect();
                }
                self.replies.queue = Some((queue.clone(), self.connection));
                queue
            }
        };
        message.headers.push(("reply-to".into(), queue));
        self.send(&message)?;
        self.replies.waiting.insert(id.into(), reply);
        Ok(())
    }

    /// The `server` header of `CONNECTED`.
    pub(crate) fn server(&self) -> &str {
        let server = self.info.iter().find(|(name, _)| name == "server");
        server.map_or("", |(_, value)| value)
    }
}
