use crate::{Client, RequestError, Send, driver::Request};

/// A transaction: what is sent and acknowledged in it happens at [`commit`](Self::commit), all or
/// nothing. Dropped, it is aborted.
#[derive(Debug)]
pub struct Transaction {
    client: Client,
    id: String,
    ended: bool,
}

impl Transaction {
    pub(crate) fn new(client: Client, id: String) -> Self {
        Self {
            client,
            id,
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

    /// Makes it happen.
    ///
    /// # Errors
    ///
    /// The connection has ended.
    pub async fn commit(mut self) -> Result<(), RequestError> {
        self.ended = true;
        self.client.request(Request::Commit(self.id.clone())).await
    }

    /// Undoes it.
    ///
    /// # Errors
    ///
    /// The connection has ended, which undoes it too.
    pub async fn abort(mut self) -> Result<(), RequestError> {
        self.ended = true;
        self.client.request(Request::Abort(self.id.clone())).await
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.ended {
            self.client.request_later(Request::Abort(self.id.clone()));
        }
    }
}
