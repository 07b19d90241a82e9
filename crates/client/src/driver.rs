//! The task that owns a connection.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Buf as _, Bytes, BytesMut};
use stompbox_proto::{
    AckMode, ContentLength, Decoder, EncodeError, Limits,
    client::{AckRef, Config, Event, RequestError, Session, Timeout},
};
use tokio::{
    sync::{mpsc, oneshot},
    time,
};

use crate::{
    Client, Closed, Message,
    client::Shared,
    transport::{Incoming, Reader, Writer},
};

/// A request and where its outcome goes.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) request: Request,
    pub(crate) done: Option<oneshot::Sender<Result<(), RequestError>>>,
}

/// What a handle asks of the task.
#[derive(Debug)]
pub(crate) enum Request {
    Send {
        destination: String,
        headers: Vec<(String, String)>,
        body: Bytes,
        length: ContentLength,
        receipt: Option<oneshot::Sender<()>>,
    },
    Subscribe {
        id: String,
        destination: String,
        ack: AckMode,
        headers: Vec<(String, String)>,
        sender: mpsc::Sender<Message>,
    },
    Unsubscribe(String),
    Ack {
        message: AckRef,
        consumed: bool,
        headers: Vec<(String, String)>,
    },
    Begin(String),
    Commit(String),
    Abort(String),
    Disconnect {
        id: String,
        receipt: oneshot::Sender<()>,
    },
}

/// Ways to the handles that don't keep the connection alive.
pub(crate) type Weak = (mpsc::WeakSender<Ask>, mpsc::WeakUnboundedSender<Ask>);

/// Bytes that wait to be sent, beyond which no more requests are taken.
const SEND_PAUSE: usize = 1 << 20;

/// How long the last frames may take to leave.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) struct Driver {
    session: Session,
    decoder: Decoder,
    epoch: Instant,
    connected: Option<oneshot::Sender<Result<(), Closed>>>,
    shared: Arc<Shared>,
    subscriptions: HashMap<String, mpsc::Sender<Message>>,
    receipts: HashMap<String, oneshot::Sender<()>>,
    disconnected: Option<oneshot::Sender<()>>,
    /// A message whose subscription has no room: nothing is read until it has.
    stalled: Option<(mpsc::Sender<Message>, Message)>,
}

impl Driver {
    pub(crate) fn new(
        config: Config,
        limits: Limits,
        shared: Arc<Shared>,
        connected: oneshot::Sender<Result<(), Closed>>,
    ) -> Result<Self, EncodeError> {
        Ok(Self {
            session: Session::new(config, Duration::ZERO)?,
            decoder: Decoder::new(limits),
            epoch: Instant::now(),
            connected: Some(connected),
            shared,
            subscriptions: HashMap::new(),
            receipts: HashMap::new(),
            disconnected: None,
            stalled: None,
        })
    }

    /// Runs the connection to its end.
    pub(crate) async fn run(
        mut self,
        mut reader: impl Reader,
        mut writer: impl Writer,
        mut asks: mpsc::Receiver<Ask>,
        mut later: mpsc::UnboundedReceiver<Ask>,
        weak: Weak,
    ) {
        let reason = self
            .drive(&mut reader, &mut writer, &mut asks, &mut later, &weak)
            .await;
        // Before the channels close, so that whoever sees that also finds the reason.
        let reason = self.shared.closed.get_or_init(|| reason).clone();
        if let Some(connected) = self.connected.take() {
            // Nobody waits any more if connecting was given up.
            let _ = connected.send(Err(reason));
        }
        asks.close();
        let disconnected = self.disconnected.take();
        drop(self);
        drop(asks);
        drop(disconnected);
        let last = async {
            if writer.flush().await.is_ok() {
                writer.close().await;
            }
        };
        // The server may have gone; it is over in any case.
        let _ = time::timeout(CLOSE_TIMEOUT, last).await;
    }

    async fn drive(
        &mut self,
        reader: &mut impl Reader,
        writer: &mut impl Writer,
        asks: &mut mpsc::Receiver<Ask>,
        later: &mut mpsc::UnboundedReceiver<Ask>,
        weak: &Weak,
    ) -> Closed {
        let mut input = BytesMut::new();
        let mut orphaned = false;
        loop {
            if self.stalled.is_none()
                && let Err(reason) = self.receive(&mut input, weak)
            {
                return reason;
            }
            while let Some(frame) = self.session.poll_transmit() {
                writer.queue(frame.into(), false);
            }
            if self.session.is_closing() {
                return Closed::Disconnected;
            }
            let wake = self.session.poll_timeout().map(|at| self.epoch + at);
            let stalled = self.stalled.as_ref().map(|(sender, _)| sender.clone());
            let is_stalled = stalled.is_some();
            tokio::select! {
                flushed = writer.flush(), if writer_has_work(writer) => match flushed {
                    Ok(()) => self.session.sent(self.epoch.elapsed()),
                    Err(error) => return Closed::Io(Arc::new(error)),
                },
                ask = asks.recv(), if !orphaned && writer.pending() < SEND_PAUSE => match ask {
                    Some(ask) => {
                        self.handle(ask);
                        // One write for all that is there.
                        while let Ok(ask) = asks.try_recv() {
                            self.handle(ask);
                        }
                    }
                    None => {
                        // The last handle is gone. Nobody waits for a receipt.
                        orphaned = true;
                        if self.session.disconnect(None, &[]).is_err() {
                            return Closed::Disconnected;
                        }
                    }
                },
                Some(ask) = later.recv() => self.handle(ask),
                () = room(stalled), if is_stalled => self.resume(),
                read = reader.read(&mut input), if !is_stalled => match read {
                    Ok(Incoming::Bytes) => self.session.heard(self.epoch.elapsed()),
                    Ok(Incoming::End) => return Closed::ByServer,
                    Ok(Incoming::TooBig) => {
                        return Closed::Protocol("a message is beyond the limit".into());
                    }
                    Err(error) => return Closed::Io(Arc::new(error)),
                },
                () = sleep_until(wake) => {
                    let now = self.epoch.elapsed();
                    if is_stalled {
                        // It is this end that does not listen.
                        self.session.heard(now);
                    }
                    if let Some(Timeout::PeerSilent | Timeout::NoConnected) =
                        self.session.handle_timeout(now)
                    {
                        return Closed::HeartBeatLost;
                    }
                }
            }
        }
    }

    /// Hands the stalled message over, now that there is room.
    fn resume(&mut self) {
        let Some((sender, message)) = self.stalled.take() else {
            return;
        };
        match sender.try_send(message) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(message)) => {
                self.stalled = Some((sender, message));
            }
        }
    }

    /// Decodes what came, up to a message that has no room.
    fn receive(&mut self, input: &mut BytesMut, weak: &Weak) -> Result<(), Closed> {
        let now = self.epoch.elapsed();
        while !input.is_empty() && self.stalled.is_none() {
            let mut rest: &[u8] = input;
            let result = self.decoder.decode(&mut rest, self.session.dialect());
            let frame = match result {
                Ok(Some(frame)) => frame,
                Ok(None) => {
                    input.clear();
                    return Ok(());
                }
                Err(error) => return Err(Closed::Protocol(error.to_string())),
            };
            let event = self.session.receive(&frame, now);
            match event.map_err(|error| Closed::Protocol(error.to_string()))? {
                Event::Connected { version, .. } => {
                    self.shared.version.get_or_init(|| version);
                    if let Some(connected) = self.connected.take() {
                        // If connecting was given up the handles are gone, which ends the loop.
                        let _ = connected.send(Ok(()));
                    }
                }
                Event::Message {
                    subscription,
                    frame,
                    ..
                } => {
                    // A 1.0 server may leave the header out; with one subscription it is clear.
                    let sender = match subscription.as_deref() {
                        Some(id) => self.subscriptions.get(id),
                        None if self.subscriptions.len() == 1 => self.subscriptions.values().next(),
                        None => None,
                    };
                    if let Some(sender) = sender.cloned()
                        && let Some((asks, later)) = weak.0.upgrade().zip(weak.1.upgrade())
                    {
                        let client = Client {
                            asks,
                            later,
                            shared: Arc::clone(&self.shared),
                        };
                        self.stalled = Some((sender, Message::new(client, &frame)));
                    }
                }
                Event::Receipt { id, .. } => {
                    if let Some(waiting) = self.receipts.remove(&*id) {
                        // Whoever waited may have given up.
                        let _ = waiting.send(());
                    }
                }
                Event::Disconnected { .. } => {
                    if let Some(waiting) = self.disconnected.take() {
                        let _ = waiting.send(());
                    }
                    return Err(Closed::Disconnected);
                }
                Event::Error { frame } => {
                    let header = |name| frame.header(name).map(std::borrow::Cow::into_owned);
                    return Err(Closed::ServerError {
                        message: header("message").unwrap_or_default(),
                        detail: String::from_utf8_lossy(frame.body()).into_owned(),
                        receipt_id: header("receipt-id"),
                    });
                }
                Event::Unhandled { .. } => {}
            }
            let used = input.len() - rest.len();
            input.advance(used);
            self.resume();
        }
        Ok(())
    }

    fn handle(&mut self, ask: Ask) {
        let Ask { request, done } = ask;
        let result = self.request(request);
        if let Some(done) = done {
            // The future that asked may be gone.
            let _ = done.send(result);
        }
    }

    fn request(&mut self, request: Request) -> Result<(), RequestError> {
        let session = &mut self.session;
        match request {
            Request::Send {
                destination,
                headers,
                body,
                length,
                receipt,
            } => {
                session.send(&destination, &borrow(&headers), &body, length)?;
                let id = headers
                    .into_iter()
                    .rev()
                    .find(|(name, _)| name == "receipt");
                if let Some((receipt, (_, id))) = receipt.zip(id) {
                    self.receipts.insert(id, receipt);
                }
                Ok(())
            }
            Request::Subscribe {
                id,
                destination,
                ack,
                headers,
                sender,
            } => {
                session.subscribe(&id, &destination, ack, &borrow(&headers))?;
                self.subscriptions.insert(id, sender);
                Ok(())
            }
            Request::Unsubscribe(id) => {
                self.subscriptions.remove(&id);
                session.unsubscribe(&id, &[])
            }
            Request::Ack {
                message,
                consumed: true,
                headers,
            } => session.ack(&message, &borrow(&headers)),
            Request::Ack {
                message,
                consumed: false,
                headers,
            } => session.nack(&message, &borrow(&headers)),
            Request::Begin(id) => session.begin(&id, &[]),
            Request::Commit(id) => session.commit(&id, &[]),
            Request::Abort(id) => session.abort(&id, &[]),
            Request::Disconnect { id, receipt } => {
                session.disconnect(Some(&id), &[])?;
                self.disconnected = Some(receipt);
                Ok(())
            }
        }
    }
}

fn borrow(headers: &[(String, String)]) -> Vec<(&str, &str)> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

fn writer_has_work(writer: &impl Writer) -> bool {
    writer.pending() > 0
}

/// Ready when a subscription has room for a message, or is gone.
async fn room(sender: Option<mpsc::Sender<Message>>) {
    match sender {
        Some(sender) => drop(sender.reserve().await),
        None => std::future::pending().await,
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
