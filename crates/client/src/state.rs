//! What is known of a connection, and what is asked of it: all that is done under the lock.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use bytes::Bytes;
use stompbox_proto::{
    AckMode, Command, ContentLength, Decoder, Dialect, EncodeError, Limits, Version,
    client::{AckRef, RequestError as Refusal, Session},
    encode,
};
use tokio::sync::oneshot;

use crate::{
    AckError, Closed, Farewell, InFlight, ReceiptError, SendError, SubscribeError,
    TransactionError, Unavailable,
    batch::{Batch, Kind},
    queue::Queue,
    receipts::{Receipt, Receipts},
    request::Replies,
    shared::Settings,
};

/// How far the connection is.
#[derive(Debug)]
pub(crate) enum State {
    Connected,
    /// The connection is lost, and will be made again.
    Waiting,
    /// `DISCONNECT` is sent.
    Disconnecting,
    Closed(Closed),
}

/// A subscription, as it is restored.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) order: u64,
    pub(crate) destination: String,
    pub(crate) ack: AckMode,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) queue: Arc<Queue>,
}

/// A message to send.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) destination: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
    pub(crate) length: ContentLength,
}

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) state: State,
    pub(crate) session: Session,
    /// The number of the present connection, or the last.
    pub(crate) connection: u64,
    pub(crate) version: Version,
    /// The headers of `CONNECTED`.
    pub(crate) info: Vec<(String, String)>,
    pub(crate) out: Batch,
    pub(crate) subscriptions: HashMap<Box<str>, Entry>,
    pub(crate) receipts: Receipts,
    pub(crate) replies: Replies,
    /// Where it goes how the server answered `DISCONNECT`.
    pub(crate) disconnected: Option<oneshot::Sender<Farewell>>,
    in_flight: InFlight,
    /// Room for the id of a receipt.
    receipt_id: String,
    pub(crate) reply_queue: Option<String>,
}

impl Outgoing {
    /// The `transaction` header.
    fn transaction(&self) -> Option<&str> {
        let found = self.headers.iter().find(|(name, _)| name == "transaction");
        found.map(|(_, id)| id.as_str())
    }
}

impl Core {
    pub(crate) fn new(
        session: Session,
        version: Version,
        info: Vec<(String, String)>,
        settings: &Settings,
    ) -> Self {
        Self {
            state: State::Connected,
            session,
            connection: 1,
            version,
            info,
            out: Batch::default(),
            subscriptions: HashMap::new(),
            receipts: Receipts::default(),
            replies: Replies::default(),
            disconnected: None,
            in_flight: settings.in_flight,
            receipt_id: String::new(),
            reply_queue: settings.reply_queue.clone(),
        }
    }

    pub(crate) fn closed(&self) -> Option<Closed> {
        match &self.state {
            State::Closed(reason) => Some(reason.clone()),
            State::Disconnecting => Some(Closed::Disconnected),
            State::Connected | State::Waiting => None,
        }
    }

    /// Moves what the session has to say to what is sent.
    pub(crate) fn collect(&mut self) {
        while let Some(frame) = self.session.poll_transmit() {
            self.out.push(Kind::Bound, &frame);
        }
    }

    /// Sends a message.
    pub(crate) fn send(&mut self, message: &Outgoing) -> Result<(), SendError> {
        let is_bound = message.transaction().is_some();
        let kind = if is_bound { Kind::Bound } else { Kind::Plain };
        self.write(message, kind, None).map(drop)
    }

    /// Sends a message with a receipt.
    pub(crate) fn send_receipted(&mut self, message: &Outgoing) -> Result<Receipt, SendError> {
        let number = self.receipts.next();
        let mut id = std::mem::take(&mut self.receipt_id);
        Receipts::write_id(number, &mut id);
        // A transaction ends with its connection.
        let is_bound = message.transaction().is_some();
        let kind = if is_bound {
            Kind::Bound
        } else {
            Kind::Receipted(number)
        };
        let retry = self.in_flight == InFlight::Retry && !is_bound;
        let written = self.write(message, kind, Some(&id));
        let frame = written.map(|frame| retry.then(|| frame.into()));
        self.receipt_id = id;
        Ok(self.receipts.add(frame?))
    }

    fn write(
        &mut self,
        message: &Outgoing,
        kind: Kind,
        receipt: Option<&str>,
    ) -> Result<&[u8], SendError> {
        let Self {
            session,
            state,
            version,
            ..
        } = self;
        let receipt = receipt.map(|id| ("receipt", id));
        let headers = message.headers.iter();
        let headers = headers.map(|(n, v)| (n.as_str(), v.as_str()));
        let headers = headers.filter(move |(name, _)| receipt.is_none() || *name != "receipt");
        let all = receipt.into_iter().chain(headers);
        let write = |out: &mut Vec<u8>| match state {
            State::Waiting => {
                if let Some(id) = message.transaction() {
                    return Err(SendError::NoTransaction(id.into()));
                }
                let own = ("destination", &*message.destination);
                let all = std::iter::once(own).chain(all.filter(|(n, _)| *n != own.0));
                let dialect = Dialect::from(*version);
                let (body, length) = (&message.body, message.length);
                encode(out, dialect, Command::Send, all, body, length).map_err(SendError::Invalid)
            }
            _ => session
                .send_into(
                    out,
                    &message.destination,
                    all,
                    &message.body,
                    message.length,
                )
                .map_err(refused_send),
        };
        self.out.append(kind, write)
    }

    /// Subscribes now, or when there is a connection.
    pub(crate) fn subscribe(
        &mut self,
        id: &str,
        entry: Entry,
        is_receipted: bool,
    ) -> Result<Option<Receipt>, SubscribeError> {
        if self.subscriptions.contains_key(id) {
            return Err(SubscribeError::DuplicateId(id.into()));
        }
        let receipt = is_receipted.then(|| Receipts::id(self.receipts.next()));
        if matches!(self.state, State::Connected) {
            let mut headers = borrow(&entry.headers);
            if let Some(id) = &receipt {
                headers.retain(|(name, _)| *name != "receipt");
                headers.push(("receipt", id));
            }
            self.session
                .subscribe(id, &entry.destination, entry.ack, &headers)
                .map_err(|error| match error {
                    Refusal::Encode(error) => SubscribeError::Invalid(error),
                    Refusal::NotConnected => Unavailable::Closed(Closed::Disconnected).into(),
                    _ => SubscribeError::DuplicateId(id.into()),
                })?;
            self.collect();
        }
        self.subscriptions.insert(id.into(), entry);
        Ok(receipt.map(|_| self.receipts.add(None)))
    }

    /// Ends a subscription; of one that there is not, nothing is to be done.
    pub(crate) fn unsubscribe(&mut self, id: &str, headers: &[(&str, &str)]) {
        if self.subscriptions.remove(id).is_some() && matches!(self.state, State::Connected) {
            // The session has it, and the id could be written before.
            let _ = self.session.unsubscribe(id, headers);
            self.collect();
        }
    }

    pub(crate) fn acknowledge(
        &mut self,
        connection: u64,
        message: &AckRef,
        consumed: bool,
        transaction: Option<&str>,
    ) -> Result<(), AckError> {
        if connection != self.connection || matches!(self.state, State::Waiting) {
            return Err(AckError::ConnectionLost);
        }
        let transaction: Vec<_> = transaction
            .map(|id| ("transaction", id))
            .into_iter()
            .collect();
        let result = if consumed {
            self.session.ack(message, &transaction)
        } else {
            self.session.nack(message, &transaction)
        };
        result.map_err(|error| match error {
            Refusal::NothingToAcknowledge { header } => AckError::NotWanted { header },
            Refusal::NotInVersion(command, version) => AckError::NotInVersion { command, version },
            Refusal::UnknownTransaction(id) => AckError::NoTransaction(id.into()),
            Refusal::Encode(error) => AckError::Invalid(error),
            _ => Unavailable::Closed(Closed::Disconnected).into(),
        })?;
        self.collect();
        Ok(())
    }

    /// Begins a transaction, and gives the connection in which it lives.
    pub(crate) fn begin(&mut self, id: &str) -> Result<u64, TransactionError> {
        // The id is this library's own: the session refuses it only where it is closing.
        self.session
            .begin(id, &[])
            .map_err(|_| Unavailable::Closed(Closed::Disconnected))?;
        self.collect();
        Ok(self.connection)
    }

    pub(crate) fn end_transaction(
        &mut self,
        connection: u64,
        id: &str,
        commit: bool,
        is_receipted: bool,
    ) -> Result<Option<Receipt>, TransactionError> {
        if connection != self.connection || !matches!(self.state, State::Connected) {
            return Err(TransactionError::ConnectionLost);
        }
        let receipt = is_receipted.then(|| Receipts::id(self.receipts.next()));
        let headers: Vec<_> = receipt.iter().map(|id| ("receipt", id.as_str())).collect();
        let result = if commit {
            self.session.commit(id, &headers)
        } else {
            self.session.abort(id, &headers)
        };
        result.map_err(|_| TransactionError::ConnectionLost)?;
        self.collect();
        Ok(receipt.map(|_| self.receipts.add(None)))
    }

    /// Whether somebody waits for a frame that may be behind messages.
    pub(crate) fn is_awaited(&mut self) -> bool {
        !self.receipts.is_empty() || self.replies.is_awaited()
    }

    /// Sends `DISCONNECT`. False: the connection is not there, and will not be made again.
    pub(crate) fn disconnect(
        &mut self,
        receipt: Option<(&str, oneshot::Sender<Farewell>)>,
    ) -> bool {
        let (id, done) = receipt.unzip();
        if !matches!(self.state, State::Connected) || self.session.disconnect(id, &[]).is_err() {
            return false;
        }
        self.collect();
        self.state = State::Disconnecting;
        self.disconnected = done;
        true
    }

    /// The subscription that a message is for.
    pub(crate) fn subscription(&self, id: Option<&str>) -> Option<(&str, &Arc<Queue>)> {
        let found = match id {
            Some(id) => self.subscriptions.get_key_value(id),
            // A 1.0 server may leave the header out; with one subscription it is clear.
            None if self.subscriptions.len() == 1 => self.subscriptions.iter().next(),
            None => None,
        };
        found.map(|(id, entry)| (&**id, &entry.queue))
    }

    /// The connection is lost and will be made again: sorts out what of it can be sent then.
    pub(crate) fn lose(&mut self, writing: &mut Batch, why: &Closed) {
        let mut kept = Batch::default();
        let mut unsent = BTreeSet::new();
        for (kind, frame) in writing.unsent().chain(self.out.unsent()) {
            match kind {
                Kind::Bound => continue,
                Kind::Plain => {}
                Kind::Receipted(number) => {
                    unsent.insert(number);
                }
            }
            kept.push(kind, frame);
        }
        let mut out = Batch::default();
        for (number, frame) in self.receipts.lost(&unsent, why) {
            out.push(Kind::Receipted(number), &frame);
        }
        for (kind, frame) in kept.unsent() {
            out.push(kind, frame);
        }
        self.out = out;
        writing.clear();
        for entry in self
            .subscriptions
            .values()
            .filter(|e| e.ack != AckMode::Auto)
        {
            entry.queue.outdate(self.connection);
        }
        self.replies.lose(why);
        self.state = State::Waiting;
        self.session.close();
    }

    /// The connection is there again: subscriptions first, then what waits. Gives how many of each,
    /// and what could not be written.
    pub(crate) fn restore(
        &mut self,
        session: Session,
        version: Version,
        info: Vec<(String, String)>,
        limits: &Limits,
    ) -> (usize, usize, Vec<EncodeError>) {
        let before = std::mem::replace(&mut self.version, version);
        self.session = session;
        self.info = info;
        self.connection += 1;
        self.state = State::Connected;
        let waiting = std::mem::take(&mut self.out);
        let mut discarded = Vec::new();
        let mut entries: Vec<_> = self.subscriptions.iter().collect();
        entries.sort_unstable_by_key(|(_, entry)| entry.order);
        let mut lost = Vec::new();
        for (id, entry) in entries {
            let headers = borrow(&entry.headers);
            let result = self
                .session
                .subscribe(id, &entry.destination, entry.ack, &headers);
            if let Err(Refusal::Encode(error)) = result {
                discarded.push(error);
                lost.push(id.clone());
            }
        }
        for id in lost {
            if let Some(entry) = self.subscriptions.remove(&id) {
                entry.queue.end(false);
            }
        }
        self.collect();
        let mut messages = 0;
        for (kind, frame) in waiting.unsent() {
            let again = if before == version {
                Ok(None)
            } else {
                again(frame, before.into(), version.into(), limits).map(Some)
            };
            match again {
                Ok(changed) => {
                    self.out.push(kind, changed.as_deref().unwrap_or(frame));
                    messages += 1;
                }
                Err(error) => {
                    if let Kind::Receipted(number) = kind {
                        let error = SendError::Invalid(error.clone());
                        self.receipts.fail_number(number, ReceiptError::Send(error));
                    }
                    discarded.push(error);
                }
            }
        }
        (self.subscriptions.len(), messages, discarded)
    }

    /// It is over, for everybody who waits.
    pub(crate) fn end(&mut self, why: &Closed) {
        // What ended by the program's wish is told so by whoever comes later too.
        self.state = State::Closed(why.clone());
        self.receipts.end(why);
        self.replies.lose(why);
        for (_, entry) in self.subscriptions.drain() {
            entry.queue.end(false);
        }
        self.disconnected = None;
        self.out.clear();
    }
}

/// A frame in another dialect.
fn again(
    frame: &[u8],
    from: Dialect,
    to: Dialect,
    limits: &Limits,
) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::new();
    // What was written by the encoder can be read, whatever its size.
    let all = frame.len();
    let limits = limits
        .clone()
        .with_body(all)
        .with_head(all)
        .with_header_line(all);
    let mut decoder = Decoder::new(limits.with_headers(all));
    let mut input = frame;
    let decoded = decoder.decode(&mut input, from).ok().flatten();
    let frame = decoded.ok_or(EncodeError::NoCommand)?.to_frame();
    let headers = frame.headers.iter().map(|(n, v)| (n.as_str(), v.as_str()));
    // A content-length that was written is among the headers.
    encode(
        &mut out,
        to,
        Command::Send,
        headers,
        &frame.body,
        ContentLength::Never,
    )?;
    Ok(out)
}

fn refused_send(error: Refusal) -> SendError {
    match error {
        Refusal::Encode(error) => SendError::Invalid(error),
        Refusal::UnknownTransaction(id) => SendError::NoTransaction(id.into()),
        _ => Unavailable::Closed(Closed::Disconnected).into(),
    }
}

fn borrow(headers: &[(String, String)]) -> Vec<(&str, &str)> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}
