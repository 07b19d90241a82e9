use std::{fmt, ops::AsyncFnOnce, sync::Arc};

use stompbox_proto::Version;
use tokio::sync::oneshot;

use crate::{
    Closed, Events, ReceiptError, Send, Subscribe, Transaction, TransactionError, Unavailable,
    runtime,
    shared::Handle,
    state::{Core, State},
};

/// A handle to a connection; clones are cheap and share it.
#[derive(Clone)]
pub struct Client {
    pub(crate) handle: Arc<Handle>,
}

/// How a server answered `DISCONNECT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// By its receipt: it has all that was sent before.
    Receipt,
    /// By closing the WebSocket with code 1000, normal closure, while no other receipt was due.
    ///
    /// 1.2 warns of servers that close before the receipt has left ("DISCONNECT"); RabbitMQ's
    /// Web-STOMP always does. What was sent without a receipt has most likely arrived, but after
    /// an `ERROR` that it lost alike such a server would have closed in the same way.
    Close,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// The negotiated version; after a loss that of the last connection.
    pub fn version(&self) -> Version {
        self.handle.shared.lock().version
    }

    /// A header of the server's `CONNECTED`, such as `server`, `session` or `user-name`.
    pub fn connected_header(&self, name: &str) -> Option<String> {
        let core = self.handle.shared.lock();
        let found = core.info.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.clone())
    }

    /// Whether there is a connection now.
    pub fn is_connected(&self) -> bool {
        matches!(self.handle.shared.lock().state, State::Connected)
    }

    /// What happens to the connection from now on.
    pub fn events(&self) -> Events {
        let shared = &self.handle.shared;
        let core = shared.lock();
        let closed = match &core.state {
            State::Closed(reason) => Some(reason.clone()),
            _ => None,
        };
        shared.events.listen(closed)
    }

    /// Prepares a message: await it, or its [`receipt`](Send::receipt).
    pub fn send(&self, destination: &str) -> Send {
        Send::new(self.clone(), destination)
    }

    /// Prepares a subscription: await it.
    pub fn subscribe(&self, destination: &str) -> Subscribe {
        Subscribe::new(self.clone(), destination)
    }

    /// Begins a transaction.
    ///
    /// # Errors
    ///
    /// There is no connection.
    pub async fn begin(&self) -> Result<Transaction, TransactionError> {
        let shared = &self.handle.shared;
        let id = format!("tx-{}", shared.next_number());
        let begin = |core: &mut Core| core.begin(&id);
        let connection = shared.request_connected(begin).await?;
        Ok(Transaction::new(self.clone(), id, connection))
    }

    /// Runs a closure in a transaction: if it succeeds, the transaction is committed, and the server
    /// has said so; otherwise it is aborted.
    ///
    /// ```no_run
    /// # async fn example(client: stompbox::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// client
    ///     .transaction(async |tx| {
    ///         tx.send("/queue/a").body("one").await?;
    ///         tx.send("/queue/b").body("two").await?;
    ///         Ok::<_, Box<dyn std::error::Error>>(())
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// That of the closure, or of the transaction itself.
    pub async fn transaction<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&Transaction) -> Result<T, E>,
        E: From<TransactionError>,
    {
        let transaction = self.begin().await?;
        // If it fails, or is dropped, so is the transaction.
        let output = work(&transaction).await?;
        transaction.commit_receipt().await?;
        Ok(output)
    }

    /// Disconnects in order. With [`Farewell::Receipt`] all that was sent before has arrived.
    ///
    /// # Errors
    ///
    /// The server neither sent the receipt nor closed a WebSocket in order.
    pub async fn disconnect(&self) -> Result<Farewell, ReceiptError> {
        let shared = &self.handle.shared;
        let (sender, receipt) = oneshot::channel();
        let id = format!("close-{}", shared.next_number());
        let disconnect = |core: &mut Core| {
            if core.disconnect(Some((&id, sender))) {
                return Ok(());
            }
            // Between two connections: the task looks for this, and makes none.
            core.state = State::Disconnecting;
            Err(Unavailable::Closed(Closed::Disconnected))
        };
        shared.request(disconnect).await?;
        match runtime::timeout(shared.settings.receipt_timeout, receipt).await {
            Ok(Ok(farewell)) => Ok(farewell),
            Ok(Err(_)) => Err(ReceiptError::Closed(self.closed())),
            Err(_) => Err(ReceiptError::Timeout),
        }
    }

    /// Why the connection has ended; asked only once it has.
    pub(crate) fn closed(&self) -> Closed {
        let closed = self.handle.shared.lock().closed();
        closed.unwrap_or(Closed::Disconnected)
    }
}
