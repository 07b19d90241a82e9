use crate::{Client, PendingReceipt, Send, TransactionError, receipts::Receipt, state::Core};

/// A transaction: what is sent and acknowledged in it happens at [`commit`](Self::commit), all or
/// nothing. Dropped, it is aborted.
///
/// It lives in one connection: if that is lost, so is the transaction.
#[derive(Debug)]
pub struct Transaction {
    client: Client,
    id: String,
    connection: u64,
    ended: bool,
}

impl Transaction {
    pub(crate) fn new(client: Client, id: String, connection: u64) -> Self {
        Self {
            client,
            id,
            connection,
            ended: false,
        }
    }

    /// The transaction's id, for a `transaction` header.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Sends a message in the transaction.
    pub fn send(&self, destination: &str) -> Send {
        self.client
            .send(destination)
            .header("transaction", &self.id)
    }

    /// Makes it happen, without waiting for the server to say so.
    ///
    /// # Errors
    ///
    /// There is no connection, or it is not the one in which the transaction began.
    pub async fn commit(mut self) -> Result<(), TransactionError> {
        self.end(true, false).await.map(drop)
    }

    /// Makes it happen, and waits for the server's receipt.
    ///
    /// # Errors
    ///
    /// As for [`commit`](Self::commit); or no receipt came.
    pub async fn commit_receipt(mut self) -> Result<(), TransactionError> {
        let Some(receipt) = self.end(true, true).await? else {
            return Ok(());
        };
        let receipt = PendingReceipt::new(self.client.clone(), receipt);
        receipt
            .wait()
            .await
            .map_err(|error| TransactionError::Unknown(Box::new(error)))
    }

    /// Undoes it.
    ///
    /// # Errors
    ///
    /// The connection has ended, which undoes it too.
    pub async fn abort(mut self) -> Result<(), TransactionError> {
        self.end(false, false).await.map(drop)
    }

    async fn end(
        &mut self,
        commit: bool,
        is_receipted: bool,
    ) -> Result<Option<Receipt>, TransactionError> {
        let (connection, id) = (self.connection, &self.id);
        let end = |core: &mut Core| core.end_transaction(connection, id, commit, is_receipted);
        let result = self.client.handle.shared.request(end).await;
        // Dropped while it waits for room, or refused, it is aborted as any other.
        self.ended = result.is_ok();
        result
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.ended {
            let shared = &self.client.handle.shared;
            // Of one that was lost with its connection nothing is to be undone.
            let mut core = shared.lock();
            let _ = core.end_transaction(self.connection, &self.id, false, false);
            drop(core);
            shared.wake();
        }
    }
}
