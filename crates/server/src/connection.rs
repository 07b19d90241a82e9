//! One client: its session, its transport, and its way to the broker.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use stompbox::transport::{Close, Incoming, Reader, Writer, linger};
use stompbox_broker::{BrokerError, ConnectionId, Delivery, Message, Target};
use stompbox_proto::{
    Command, DecodeError, Decoder, Dialect, EncodeError, Version, encode_head, escape,
    server::{self, AckTarget, Event, Session},
};
use tokio::{
    sync::{mpsc, watch},
    time,
};
use tracing::debug;

use crate::{
    Config,
    hub::{Hub, Notice},
};

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) hub: Hub,
    /// The moment that all times count from.
    pub(crate) epoch: Instant,
    /// Distinguishes message ids of this run of the server from those of others.
    pub(crate) run: String,
    /// Becomes true when the server stops.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// Bytes that wait to be sent, beyond which nothing more is read from the client.
const READ_PAUSE: usize = 1 << 20;

/// A pause for a producer whose topic has a subscriber that falls behind.
const PRESSED_PAUSE: Duration = Duration::from_millis(1);

struct Connection<'s> {
    shared: &'s Shared,
    id: ConnectionId,
    session: Session,
    decoder: Decoder,
    close: Close,
    reason: String,
    /// Bytes of deliveries that the writer took since it was last empty.
    delivered: usize,
    pressed: bool,
    head: Vec<u8>,
}

/// Serves a client until it goes or is told to.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    mut reader: impl Reader,
    mut writer: impl Writer,
    subprotocol: Option<Version>,
) {
    let config = server::Config {
        heart_beat: shared.config.heart_beat,
        connect_timeout: shared.config.connect_timeout,
        subprotocol,
        ..server::Config::default()
    };
    let (id, mut notices) = shared.hub.connect();
    let mut connection = Connection {
        shared: &shared,
        id,
        session: Session::new(config, shared.epoch.elapsed()),
        decoder: Decoder::new(shared.config.limits.clone()),
        close: Close::Normal,
        reason: String::new(),
        delivered: 0,
        pressed: false,
        head: Vec::new(),
    };
    let gone = connection
        .drive(&mut reader, &mut writer, &mut notices)
        .await;
    let (close, reason) = (connection.close, std::mem::take(&mut connection.reason));
    // First, so that others need not wait for this client's last bytes.
    shared.hub.disconnect(id, notices);
    if gone {
        debug!(connection = id, "the client is gone");
    } else {
        debug!(connection = id, ?close, reason, "closing");
        let last = async {
            if writer.flush().await.is_ok() {
                writer.close(close, &reason).await;
                linger(&mut reader).await;
            }
        };
        let _ = time::timeout(shared.config.drain_timeout, last).await;
    }
}

impl Connection<'_> {
    /// Runs until the connection is to be closed. True: the client has gone already.
    async fn drive(
        &mut self,
        reader: &mut impl Reader,
        writer: &mut impl Writer,
        notices: &mut mpsc::UnboundedReceiver<Notice>,
    ) -> bool {
        let mut input = BytesMut::new();
        let mut stopping = self.shared.stopping.clone();
        let mut write_deadline = None;
        loop {
            self.collect(writer);
            if self.session.is_closing() {
                return false;
            }
            if writer.pending() == 0 {
                self.report_drained();
                write_deadline = None;
            } else {
                let limit = self.shared.config.write_timeout;
                write_deadline.get_or_insert_with(|| time::Instant::now() + limit);
            }
            if std::mem::take(&mut self.pressed) {
                time::sleep(PRESSED_PAUSE).await;
            }
            let wake = self.session.poll_timeout().map(|at| self.shared.epoch + at);
            let writing = writer.pending() > 0;
            let may_read = writer.pending() < READ_PAUSE;
            tokio::select! {
                // Sending comes before reading, which makes more to send.
                biased;
                () = stopped(&mut stopping) => {
                    self.end(Close::GoingAway, "the server is stopping");
                    self.session.close();
                }
                flushed = writer.flush(), if writing => match flushed {
                    Ok(()) => self.session.sent(self.now()),
                    Err(_) => return true,
                },
                notice = notices.recv() => match notice {
                    Some(notice) => {
                        self.take_notice(notice, writer);
                        // Take what else is there, so that one write carries it all.
                        while writer.pending() < READ_PAUSE
                            && let Ok(notice) = notices.try_recv()
                        {
                            self.take_notice(notice, writer);
                        }
                    }
                    None => return true,
                },
                read = reader.read(&mut input), if may_read => match read {
                    Ok(Incoming::Bytes) => {
                        self.receive(&input, writer, notices);
                        input.clear();
                    }
                    Ok(Incoming::TooBig) => {
                        let limit = self.shared.config.limits.body;
                        let detail = format!("A WebSocket message is longer than a frame with a \
                            body of {limit} bytes may be.\n");
                        let code = [("x-error-code", "message-too-long")];
                        self.session.error("message too long", &detail, None, &code);
                        self.end(Close::TooBig, "message too long");
                    }
                    Ok(Incoming::End) | Err(_) => return true,
                },
                () = sleep_until(wake) => {
                    if let Some(timeout) = self.session.handle_timeout(self.now()) {
                        self.end(Close::Policy, match timeout {
                            server::Timeout::NoConnect => "no CONNECT in time",
                            server::Timeout::PeerSilent => "heart-beat lost",
                        });
                    }
                }
                () = sleep_until(write_deadline.map(time::Instant::into_std)) => return true,
            }
        }
    }

    fn now(&self) -> Duration {
        self.shared.epoch.elapsed()
    }

    fn end(&mut self, close: Close, reason: &str) {
        self.close = close;
        reason.clone_into(&mut self.reason);
    }

    /// Gives the session's own frames to the writer.
    fn collect(&mut self, writer: &mut impl Writer) {
        while let Some(frame) = self.session.poll_transmit() {
            writer.queue(frame.into(), false);
        }
    }

    fn report_drained(&mut self) {
        if self.delivered > 0 {
            let (id, bytes) = (self.id, std::mem::take(&mut self.delivered));
            self.shared.hub.run(|broker| broker.drained(id, bytes));
        }
    }

    fn take_notice(&mut self, notice: Notice, writer: &mut impl Writer) {
        match notice {
            Notice::Deliver(delivery) => {
                // Receipts that were made before go out before.
                self.collect(writer);
                self.deliver(&delivery, writer);
            }
            Notice::Overflow { limit, value } => {
                let detail = format!(
                    "This client takes its messages too slowly: {limit}, which is {value}, was \
                     reached.\n"
                );
                let code = [("x-error-code", "slow-consumer")];
                self.session.error("slow consumer", &detail, None, &code);
                self.end(Close::Policy, "slow consumer");
            }
        }
    }

    /// Writes a `MESSAGE`.
    fn deliver(&mut self, delivery: &Delivery, writer: &mut impl Writer) {
        self.delivered += delivery.message.size();
        // The client may have unsubscribed while the message was on its way.
        if let Some(id) = &delivery.subscription
            && !self.session.has_subscription(id)
        {
            return;
        }
        self.head.clear();
        let dialect = self.session.dialect();
        let written = write_head(&mut self.head, dialect, &self.shared.run, delivery);
        if let Err(error) = written {
            let detail = format!("A message can't be written in this version: {error}\n");
            let code = [("x-error-code", "inexpressible")];
            self.session
                .error("inexpressible message", &detail, None, &code);
            self.end(Close::Protocol, "inexpressible message");
            return;
        }
        let body = &delivery.message.body;
        let mut frame = BytesMut::with_capacity(self.head.len() + body.len() + 1);
        frame.extend_from_slice(&self.head);
        frame.extend_from_slice(body);
        frame.extend_from_slice(&[0]);
        writer.queue(frame.freeze(), delivery.message.is_text);
    }

    fn receive(
        &mut self,
        bytes: &[u8],
        writer: &mut impl Writer,
        notices: &mut mpsc::UnboundedReceiver<Notice>,
    ) {
        let now = self.now();
        self.session.heard(now);
        let mut input = bytes;
        while !self.session.is_closing() {
            let frame = match self.decoder.decode(&mut input, self.session.dialect()) {
                Ok(Some(frame)) => frame,
                Ok(None) => return,
                Err(error) => {
                    self.session.decode_failed(&error);
                    self.end(
                        if is_too_big(&error) {
                            Close::TooBig
                        } else {
                            Close::Protocol
                        },
                        &error.to_string(),
                    );
                    return;
                }
            };
            match self.session.receive(&frame, now) {
                Ok(event) => {
                    let failed = handle(
                        &mut self.session,
                        self.shared,
                        self.id,
                        &mut self.pressed,
                        event,
                        now,
                    );
                    if let Some((close, reason)) = failed {
                        self.end(close, &reason);
                    }
                }
                Err(error) => self.end(Close::Protocol, &error.to_string()),
            }
            // What a frame brings this client itself goes out before the next frame's receipt: so
            // nothing follows the receipt of DISCONNECT.
            while let Ok(notice) = notices.try_recv() {
                self.take_notice(notice, writer);
            }
        }
    }
}

fn is_too_big(error: &DecodeError) -> bool {
    matches!(
        error,
        DecodeError::BodyTooLong { .. } | DecodeError::HandshakeTooLong { .. }
    )
}

/// Does what a frame asks for. Gives how the connection ends, if it does.
fn handle(
    session: &mut Session,
    shared: &Shared,
    id: ConnectionId,
    pressed: &mut bool,
    event: Event<'_>,
    now: Duration,
) -> Option<(Close, String)> {
    let hub = &shared.hub;
    let (receipt, result) = match event {
        Event::Connect {
            login, passcode, ..
        } => {
            let login = login.unwrap_or_default();
            if !shared.config.admits(&login, &passcode.unwrap_or_default()) {
                let code = [("x-error-code", "refused")];
                let detail = "Login or passcode is wrong.\n";
                session.error("connection refused", detail, None, &code);
                return Some((Close::Policy, "connection refused".into()));
            }
            session.accept(&format!("{}-{id}", shared.run), &[], now);
            return None;
        }
        Event::Send {
            destination,
            transaction,
            receipt,
            frame,
        } => {
            let message = Message::of(&frame, &destination);
            let result = hub.run(|broker| {
                *pressed |= broker.is_pressed(&destination);
                broker.send(id, transaction.as_deref(), message)
            });
            (receipt, result)
        }
        Event::Subscribe {
            id: subscription,
            implicit_id,
            destination,
            ack,
            receipt,
            ..
        } => {
            let subscribe = |broker: &mut stompbox_broker::Broker| {
                broker.subscribe(id, &subscription, implicit_id, &destination, ack)
            };
            (receipt, hub.run(subscribe))
        }
        Event::Unsubscribe {
            id: subscription,
            receipt,
            ..
        } => {
            hub.run(|broker| broker.unsubscribe(id, &subscription));
            (receipt, Ok(()))
        }
        Event::Ack {
            target,
            transaction,
            receipt,
            ..
        } => (
            receipt,
            acknowledge(shared, id, &target, transaction.as_deref(), true),
        ),
        Event::Nack {
            target,
            transaction,
            receipt,
            ..
        } => (
            receipt,
            acknowledge(shared, id, &target, transaction.as_deref(), false),
        ),
        Event::Begin {
            transaction,
            receipt,
        } => {
            hub.run(|broker| broker.begin(id, &transaction));
            (receipt, Ok(()))
        }
        Event::Commit {
            transaction,
            receipt,
        } => (receipt, hub.run(|broker| broker.commit(id, &transaction))),
        Event::Abort {
            transaction,
            receipt,
        } => {
            hub.run(|broker| broker.abort(id, &transaction));
            (receipt, Ok(()))
        }
        Event::Disconnect { receipt } => {
            if let Some(receipt) = receipt {
                session.receipt(&receipt, now);
            }
            session.close();
            return Some((Close::Normal, String::new()));
        }
        Event::Ignored => return None,
    };
    match (result, receipt) {
        (Ok(()), Some(receipt)) => {
            session.receipt(&receipt, now);
            None
        }
        (Ok(()), None) => None,
        (Err(error), receipt) => {
            let text = error.to_string();
            let code = [("x-error-code", error.code())];
            session.error(&text, &format!("{text}\n"), receipt.as_deref(), &code);
            Some((Close::Protocol, text))
        }
    }
}

fn acknowledge(
    shared: &Shared,
    id: ConnectionId,
    target: &AckTarget<'_>,
    transaction: Option<&str>,
    consumed: bool,
) -> Result<(), BrokerError> {
    let unknown = |id: &str| BrokerError::UnknownMessage {
        id: id.chars().take(80).collect(),
    };
    let target = match target {
        AckTarget::Id(id) => Target::Tag(id.parse().map_err(|_| unknown(id))?),
        AckTarget::Message {
            message_id,
            subscription,
        } => {
            let number = message_id
                .strip_prefix(&*shared.run)
                .and_then(|m| m.strip_prefix('-'));
            let number = number.and_then(|number| number.parse().ok());
            Target::Message {
                message_id: number.ok_or_else(|| unknown(message_id))?,
                subscription: subscription.as_deref(),
            }
        }
    };
    shared
        .hub
        .run(|broker| broker.acknowledge(id, transaction, target, consumed))
}

/// Writes the head of a `MESSAGE`. Headers of the producer's that the consumer's version can't
/// express are left out: the message still arrives.
fn write_head(
    out: &mut Vec<u8>,
    dialect: Dialect,
    run: &str,
    delivery: &Delivery,
) -> Result<(), EncodeError> {
    let message = &delivery.message;
    let message_id = format!("{run}-{}", delivery.message_id);
    let tag = delivery.tag.map(|tag| tag.to_string());
    let count = delivery.redeliveries.to_string();
    let subscription = delivery
        .subscription
        .as_deref()
        .map(|id| ("subscription", id));
    // 1.2 alone acknowledges by a header of its own.
    let ack = tag
        .as_deref()
        .filter(|_| dialect == Dialect::V1_2)
        .map(|tag| ("ack", tag));
    let again = delivery.redeliveries > 0;
    let redelivered = again.then_some([("redelivered", "true"), ("delivery-count", &*count)]);
    let own = subscription
        .into_iter()
        .chain([
            ("message-id", &*message_id),
            ("destination", &*message.destination),
        ])
        .chain(ack)
        .chain(redelivered.into_iter().flatten());
    let users = message
        .headers
        .iter()
        .map(|(name, value)| (&**name, &**value));
    let length = (!message.body.is_empty()).then_some(message.body.len());
    if encode_head(
        out,
        dialect,
        Command::Message,
        own.clone().chain(users.clone()),
        length,
    )
    .is_ok()
    {
        return Ok(());
    }
    let expressible = |text: &str| {
        escape(text, dialect).is_ok() && !(dialect == Dialect::V1_0 && text.contains(':'))
    };
    let users = users.filter(|(name, value)| {
        !name.is_empty() && expressible(name) && escape(value, dialect).is_ok()
    });
    encode_head(out, dialect, Command::Message, own.chain(users), length)
}

/// Waits for the server to stop.
pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the server is gone, which is the same.
    drop(stopping.wait_for(|stop| *stop).await);
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
