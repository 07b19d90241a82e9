use alloc::{
    borrow::Cow,
    collections::{BTreeSet, VecDeque},
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::time::Duration;

use super::{AckTarget, Event};
use crate::{
    AckMode, Command, ContentLength, DecodeError, Dialect, FrameRef, HeartBeat, ProtocolError,
    Version, Versions, encode, error::quote, heartbeat::Pulse,
};

/// What a server's sessions offer and allow.
#[derive(Clone, Debug)]
pub struct Config {
    /// The versions to speak. Default: all.
    pub versions: Versions,
    /// The server's side of `heart-beat`. Default: 10,000 ms both ways.
    pub heart_beat: HeartBeat,
    /// How long the peer may be silent, in percent of the agreed interval (at least 100).
    /// Default: 200.
    pub tolerance_percent: u32,
    /// The `server` header of `CONNECTED`; empty: none. Default: `stompbox/` and the version.
    pub server: String,
    /// How long to wait for `CONNECT`. Default: 10 s.
    pub connect_timeout: Duration,
    /// Most subscriptions at a time. Default: 256.
    pub max_subscriptions: usize,
    /// Most open transactions at a time. Default: 16.
    pub max_transactions: usize,
    /// The version of the WebSocket sub-protocol that was agreed on. It is chosen if the client
    /// accepts it; a client whose `accept-version` lacks it gets the highest common one.
    pub subprotocol: Option<Version>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            versions: Versions::ALL,
            heart_beat: HeartBeat::new(10_000, 10_000),
            tolerance_percent: 200,
            server: concat!("stompbox/", env!("CARGO_PKG_VERSION")).into(),
            connect_timeout: Duration::from_secs(10),
            max_subscriptions: 256,
            max_transactions: 16,
            subprotocol: None,
        }
    }
}

/// Why a session ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// The client was silent for longer than the heart-beats and their tolerance allow.
    PeerSilent,
    /// No `CONNECT` came in time.
    NoConnect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// `CONNECT` is to come until then.
    Connecting {
        until: Duration,
    },
    /// `CONNECT` came; the application decides.
    Deciding {
        version: Version,
        theirs: HeartBeat,
    },
    Connected(Version),
    /// `DISCONNECT` came: what is pending is still sent.
    Disconnecting(Version),
    Closed,
}

/// The state of one client's connection, from `CONNECT` to its close.
///
/// Frames go in by [`receive`](Self::receive), frames to send come out of
/// [`poll_transmit`](Self::poll_transmit): drain it after every call. When
/// [`is_closing`](Self::is_closing), close the connection once all is sent.
#[derive(Debug)]
pub struct Session {
    config: Config,
    state: State,
    /// The dialect outlives the state, so that an `ERROR` after it is written right.
    dialect: Dialect,
    pulse: Pulse,
    subscriptions: BTreeSet<String>,
    transactions: BTreeSet<String>,
    transmits: VecDeque<Vec<u8>>,
}

impl Session {
    /// A session that waits for `CONNECT`.
    pub fn new(config: Config, now: Duration) -> Self {
        let until = now + config.connect_timeout;
        Self {
            config,
            state: State::Connecting { until },
            dialect: Dialect::Handshake,
            pulse: Pulse::default(),
            subscriptions: BTreeSet::new(),
            transactions: BTreeSet::new(),
            transmits: VecDeque::new(),
        }
    }

    /// Takes a frame of the client's.
    ///
    /// # Errors
    ///
    /// The frame breaks a rule of the session. The `ERROR` frame is queued, with the `receipt-id`
    /// of a frame that asked for a receipt, and the session is closing.
    pub fn receive<'a>(
        &mut self,
        frame: &FrameRef<'a>,
        now: Duration,
    ) -> Result<Event<'a>, ProtocolError> {
        self.heard(now);
        let result = match self.state {
            State::Connecting { .. } | State::Deciding { .. } => self.receive_connect(frame),
            State::Connected(version) => self.receive_request(frame, version),
            State::Disconnecting(_) | State::Closed => Ok(Event::Ignored),
        };
        if let Err(error) = &result {
            self.fail(error, frame.header("receipt").as_deref());
        }
        result
    }

    /// Accepts the client: queues `CONNECTED` with the given `session` header and `extra` ones.
    /// Without effect unless [`Event::Connect`] is to be answered.
    pub fn accept(&mut self, session_id: &str, extra: &[(&str, &str)], now: Duration) {
        let State::Deciding { version, theirs } = self.state else {
            return;
        };
        let ours = self.config.heart_beat;
        let heart_beat = ours.to_string();
        let mut headers: Vec<(&str, &str)> = Vec::with_capacity(4 + extra.len());
        headers.push(("version", version.as_str()));
        headers.push(("session", session_id));
        if !self.config.server.is_empty() {
            headers.push(("server", &self.config.server));
        }
        if version > Version::V1_0 {
            headers.push(("heart-beat", &heart_beat));
            self.pulse = Pulse::negotiate(ours, theirs, self.config.tolerance_percent, now);
        }
        headers.extend_from_slice(extra);
        let mut bytes = Vec::new();
        let encoded = encode(
            &mut bytes,
            Dialect::Handshake,
            Command::Connected,
            headers.iter().copied(),
            b"",
            ContentLength::Auto,
        );
        if encoded.is_err() {
            // The application's own headers can't be written: the client can do without them.
            bytes = format!("CONNECTED\nversion:{version}\n\n\0").into_bytes();
        }
        self.transmits.push_back(bytes);
        self.state = State::Connected(version);
        self.dialect = version.into();
    }

    /// Refuses the client: queues `ERROR` and closes.
    pub fn refuse(&mut self, message: &str, detail: &str) {
        self.error(message, detail, None, &[]);
    }

    /// Queues a `RECEIPT`.
    pub fn receipt(&mut self, id: &str, now: Duration) {
        if matches!(self.state, State::Connected(_) | State::Disconnecting(_)) {
            self.transmit(Command::Receipt, &[("receipt-id", id)], b"");
            self.sent(now);
        }
    }

    /// Queues an `ERROR` with a short `message`, a body that says more, and `extra` headers, then
    /// closes (1.2, "ERROR"). Without effect on a session that is closed.
    pub fn error(
        &mut self,
        message: &str,
        detail: &str,
        receipt_id: Option<&str>,
        extra: &[(&str, &str)],
    ) {
        if self.state == State::Closed {
            return;
        }
        // A line break would end the header in 1.0.
        let message = message.replace(['\n', '\r', '\0'], " ");
        let mut headers: Vec<(&str, &str)> = Vec::with_capacity(3 + extra.len());
        headers.extend(receipt_id.map(|id| ("receipt-id", id)));
        headers.push(("message", &message));
        headers.push(("content-type", "text/plain"));
        headers.extend_from_slice(extra);
        self.transmit(Command::Error, &headers, detail.as_bytes());
        self.close();
    }

    /// Reports bytes that are no frame: queues an `ERROR` that names them, and closes.
    pub fn decode_failed(&mut self, error: &DecodeError) {
        let detail = format!("{error}\n");
        self.error(
            "malformed frame",
            &detail,
            None,
            &[("x-error-code", error.code())],
        );
    }

    /// Closes in order: after the frames that are queued.
    pub fn close(&mut self) {
        self.state = State::Closed;
    }

    /// The next bytes to send: one whole frame, or the one LF of a heart-beat.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.transmits.pop_front()
    }

    /// Reports that bytes came, whatever they are.
    pub fn heard(&mut self, now: Duration) {
        self.pulse.heard(now);
    }

    /// Reports that bytes went out, those included that the session did not make.
    pub fn sent(&mut self, now: Duration) {
        self.pulse.sent(now);
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next. It may change with every call.
    pub fn poll_timeout(&self) -> Option<Duration> {
        match self.state {
            State::Connecting { until } => Some(until),
            State::Connected(_) => self.pulse.timeout(),
            State::Deciding { .. } | State::Disconnecting(_) | State::Closed => None,
        }
    }

    /// Does what is due: queues a heart-beat, or ends the session of a client that is silent, with
    /// an `ERROR`. May be called at any time.
    pub fn handle_timeout(&mut self, now: Duration) -> Option<Timeout> {
        match self.state {
            State::Connecting { until } if now >= until => {
                let limit = self.config.connect_timeout.as_millis();
                let detail = format!("No CONNECT frame came within {limit} ms.\n");
                self.error(
                    "connection timed out",
                    &detail,
                    None,
                    &[("x-error-code", "no-connect")],
                );
                Some(Timeout::NoConnect)
            }
            State::Connected(_) if self.pulse.peer_silent(now) => {
                let expected = self.pulse.intervals().1.unwrap_or_default().as_millis();
                let detail = format!(
                    "Nothing was heard for longer than the agreed {expected} ms and their tolerance.\n"
                );
                let code = [("x-error-code", "heart-beat-lost")];
                self.error("heart-beat lost", &detail, None, &code);
                Some(Timeout::PeerSilent)
            }
            State::Connected(_) if self.pulse.beat_due(now) => {
                self.transmits.push_back(b"\n".to_vec());
                self.sent(now);
                None
            }
            _ => None,
        }
    }

    /// How frames are read and written now: give it to each
    /// [`Decoder::decode`](crate::Decoder::decode).
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The negotiated version, from [`Event::Connect`] on.
    pub fn version(&self) -> Option<Version> {
        match self.state {
            State::Deciding { version, .. }
            | State::Connected(version)
            | State::Disconnecting(version) => Some(version),
            _ => None,
        }
    }

    /// Whether the client is connected and has not said `DISCONNECT`.
    pub fn is_connected(&self) -> bool {
        matches!(self.state, State::Connected(_))
    }

    /// Whether the connection is to be closed once all is sent.
    pub fn is_closing(&self) -> bool {
        self.state == State::Closed
    }

    /// The agreed intervals: how often this end sends at least, and how often it expects to hear.
    pub fn heart_beat(&self) -> (Option<Duration>, Option<Duration>) {
        self.pulse.intervals()
    }

    /// Whether a subscription with that id is open.
    pub fn has_subscription(&self, id: &str) -> bool {
        self.subscriptions.contains(id)
    }

    /// The ids of the subscriptions.
    pub fn subscriptions(&self) -> impl Iterator<Item = &str> {
        self.subscriptions.iter().map(String::as_str)
    }

    fn receive_connect<'a>(&mut self, frame: &FrameRef<'a>) -> Result<Event<'a>, ProtocolError> {
        match (frame.command(), self.state) {
            (Command::Connect | Command::Stomp, State::Connecting { .. }) => {}
            (command @ (Command::Connect | Command::Stomp), _) => {
                return Err(ProtocolError::AlreadyConnected { command });
            }
            _ => {
                return Err(ProtocolError::NotConnected {
                    command: quote(frame.command_text()),
                });
            }
        }
        let accepted = frame.header("accept-version");
        // Without the header the client speaks 1.0 alone (1.2, "Protocol Negotiation").
        let offered = accepted
            .as_deref()
            .map_or_else(|| Versions::only(Version::V1_0), Versions::parse_accept);
        let common = offered.intersection(self.config.versions);
        let agreed = self.config.subprotocol.filter(|v| common.contains(*v));
        let Some(version) = agreed.or_else(|| common.highest()) else {
            let offered = quote(accepted.as_deref().unwrap_or("1.0"));
            return Err(ProtocolError::NoCommonVersion { offered });
        };
        if version > Version::V1_0 && !frame.body().is_empty() {
            return Err(ProtocolError::BodyNotAllowed {
                command: frame.command(),
            });
        }
        let theirs = match frame.header("heart-beat") {
            Some(value) if version > Version::V1_0 => {
                HeartBeat::parse(&value).map_err(|_| ProtocolError::InvalidHeader {
                    header: "heart-beat",
                    value: quote(&value),
                    expected: "two numbers of milliseconds, as in 10000,10000",
                })?
            }
            _ => HeartBeat::NONE,
        };
        self.state = State::Deciding { version, theirs };
        // 1.0 clients pad their headers.
        let value = |name| match (frame.header(name), version) {
            (Some(Cow::Borrowed(value)), Version::V1_0) => {
                Some(Cow::Borrowed(value.trim_matches(' ')))
            }
            (value, _) => value,
        };
        Ok(Event::Connect {
            login: value("login"),
            passcode: value("passcode"),
            host: value("host"),
            frame: *frame,
        })
    }

    fn receive_request<'a>(
        &mut self,
        frame: &FrameRef<'a>,
        version: Version,
    ) -> Result<Event<'a>, ProtocolError> {
        let command = frame.command();
        // 1.0 ignores a body where it means nothing; later versions forbid it.
        if !frame.body().is_empty() && !command.may_have_body() && version > Version::V1_0 {
            return Err(ProtocolError::BodyNotAllowed { command });
        }
        let receipt = frame.header("receipt");
        match command {
            Command::Send => Ok(Event::Send {
                destination: destination(frame)?,
                transaction: self.open_transaction(frame)?,
                receipt,
                frame: *frame,
            }),
            Command::Subscribe => self.receive_subscribe(frame, version, receipt),
            Command::Unsubscribe => {
                let durable = durable_subscription(frame);
                let id = match (frame.header("id"), &durable) {
                    (Some(id), _) => id,
                    (None, Durable::Named(name)) => name.clone(),
                    (None, _) if version == Version::V1_0 => destination(frame)?,
                    (None, _) => {
                        return Err(ProtocolError::MissingHeader {
                            command,
                            header: "id",
                        });
                    }
                };
                // A durable subscription is there without a session that uses it, and the one to a
                // `reply-to` of RabbitMQ's kind without a SUBSCRIBE.
                if !self.subscriptions.remove(&*id)
                    && matches!(durable, Durable::No)
                    && !id.starts_with("/temp-queue/")
                    && !id.starts_with("/temp-topic/")
                {
                    return Err(ProtocolError::UnknownSubscription { id: quote(&id) });
                }
                Ok(Event::Unsubscribe {
                    id,
                    receipt,
                    frame: *frame,
                })
            }
            Command::Ack => Ok(Event::Ack {
                target: ack_target(frame, version)?,
                transaction: self.open_transaction(frame)?,
                receipt,
                frame: *frame,
            }),
            Command::Nack if version == Version::V1_0 => {
                Err(ProtocolError::NotInVersion { command, version })
            }
            Command::Nack => Ok(Event::Nack {
                target: ack_target(frame, version)?,
                transaction: self.open_transaction(frame)?,
                receipt,
                frame: *frame,
            }),
            Command::Begin => {
                let transaction = required(frame, "transaction")?;
                if self.transactions.len() >= self.config.max_transactions {
                    let limit = self.config.max_transactions;
                    return Err(ProtocolError::TooMany {
                        what: "open transactions",
                        limit,
                    });
                }
                if !self.transactions.insert(transaction.clone().into_owned()) {
                    let transaction = quote(&transaction);
                    return Err(ProtocolError::DuplicateTransaction { transaction });
                }
                Ok(Event::Begin {
                    transaction,
                    receipt,
                })
            }
            Command::Commit => Ok(Event::Commit {
                transaction: self.end_transaction(frame)?,
                receipt,
            }),
            Command::Abort => Ok(Event::Abort {
                transaction: self.end_transaction(frame)?,
                receipt,
            }),
            Command::Disconnect => {
                self.state = State::Disconnecting(version);
                Ok(Event::Disconnect { receipt })
            }
            Command::Connect | Command::Stomp => Err(ProtocolError::AlreadyConnected { command }),
            Command::Connected | Command::Message | Command::Receipt | Command::Error => {
                Err(ProtocolError::UnexpectedCommand { command })
            }
            Command::Other => Err(ProtocolError::UnknownCommand {
                command: quote(frame.command_text()),
            }),
        }
    }

    fn receive_subscribe<'a>(
        &mut self,
        frame: &FrameRef<'a>,
        version: Version,
        receipt: Option<Cow<'a, str>>,
    ) -> Result<Event<'a>, ProtocolError> {
        let destination = destination(frame)?;
        let given = frame.header("id");
        let implicit_id = given.is_none();
        if implicit_id && version > Version::V1_0 {
            return Err(ProtocolError::MissingHeader {
                command: Command::Subscribe,
                header: "id",
            });
        }
        let id = given.unwrap_or_else(|| destination.clone());
        let ack = match frame.header("ack") {
            Some(value) => value.parse().map_err(|_| ProtocolError::InvalidHeader {
                header: "ack",
                value: quote(&value),
                expected: "auto, client or client-individual",
            })?,
            None => AckMode::Auto,
        };
        if self.subscriptions.contains(&*id) {
            return Err(ProtocolError::DuplicateSubscription { id: quote(&id) });
        }
        if self.subscriptions.len() >= self.config.max_subscriptions {
            let limit = self.config.max_subscriptions;
            return Err(ProtocolError::TooMany {
                what: "subscriptions",
                limit,
            });
        }
        self.subscriptions.insert(id.clone().into_owned());
        Ok(Event::Subscribe {
            id,
            implicit_id,
            destination,
            ack,
            receipt,
            frame: *frame,
        })
    }

    fn open_transaction<'a>(
        &self,
        frame: &FrameRef<'a>,
    ) -> Result<Option<Cow<'a, str>>, ProtocolError> {
        match frame.header("transaction") {
            Some(id) if !self.transactions.contains(&*id) => {
                Err(ProtocolError::UnknownTransaction {
                    transaction: quote(&id),
                })
            }
            transaction => Ok(transaction),
        }
    }

    fn end_transaction<'a>(&mut self, frame: &FrameRef<'a>) -> Result<Cow<'a, str>, ProtocolError> {
        let transaction = required(frame, "transaction")?;
        if !self.transactions.remove(&*transaction) {
            let transaction = quote(&transaction);
            return Err(ProtocolError::UnknownTransaction { transaction });
        }
        Ok(transaction)
    }

    fn fail(&mut self, error: &ProtocolError, receipt_id: Option<&str>) {
        let detail = format!("{error}\n");
        let code = ("x-error-code", error.code());
        if let ProtocolError::NoCommonVersion { .. } = error {
            let versions = self.config.versions.accept_header();
            let detail = format!("{detail}Supported protocol versions are {versions}\n");
            let headers = [("version", versions.as_str()), code];
            self.error(
                "unsupported protocol version",
                &detail,
                receipt_id,
                &headers,
            );
        } else {
            self.error(&error.to_string(), &detail, receipt_id, &[code]);
        }
    }

    fn transmit(&mut self, command: Command, headers: &[(&str, &str)], body: &[u8]) {
        let mut bytes = Vec::new();
        let written = |bytes: &mut Vec<u8>, headers: &[(&str, &str)]| {
            let headers = headers.iter().copied();
            encode(
                bytes,
                self.dialect,
                command,
                headers,
                body,
                ContentLength::Auto,
            )
        };
        if written(&mut bytes, headers).is_err() {
            // A receipt id that this version can't write came by a frame that it could not write
            // either; the frame still says what it is without that header.
            let plain = |text: &str| !text.contains(['\n', '\r', '\0']);
            let kept: Vec<_> = headers.iter().copied().filter(|(_, v)| plain(v)).collect();
            if written(&mut bytes, &kept).is_err() {
                return;
            }
        }
        self.transmits.push_back(bytes);
    }
}

fn required<'a>(frame: &FrameRef<'a>, header: &'static str) -> Result<Cow<'a, str>, ProtocolError> {
    frame
        .header(header)
        .ok_or_else(|| ProtocolError::MissingHeader {
            command: frame.command(),
            header,
        })
}

fn destination<'a>(frame: &FrameRef<'a>) -> Result<Cow<'a, str>, ProtocolError> {
    let destination = required(frame, "destination")?;
    if destination.is_empty() {
        return Err(ProtocolError::InvalidHeader {
            header: "destination",
            value: String::new(),
            expected: "the name of a destination",
        });
    }
    Ok(destination)
}

/// What an `UNSUBSCRIBE` says of a durable subscription.
enum Durable<'a> {
    No,
    /// It is known by the subscription's own id (RabbitMQ, Apollo).
    ById,
    /// By this name (ActiveMQ, Artemis).
    Named(Cow<'a, str>),
}

fn durable_subscription<'a>(frame: &FrameRef<'a>) -> Durable<'a> {
    const NAMES: [&str; 4] = [
        "durable-subscription-name",
        "durable-subscriber-name",
        "activemq.subscriptionName",
        // ActiveMQ's own slip.
        "activemq.subcriptionName",
    ];
    let mut names = NAMES.iter().filter_map(|name| frame.header(name));
    if let Some(name) = names.find(|name| !name.is_empty()) {
        return Durable::Named(name);
    }
    let is_true = |name| {
        frame
            .header(name)
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
    };
    match is_true("durable") || is_true("persistent") {
        true => Durable::ById,
        false => Durable::No,
    }
}

fn ack_target<'a>(frame: &FrameRef<'a>, version: Version) -> Result<AckTarget<'a>, ProtocolError> {
    match version {
        Version::V1_2 => Ok(AckTarget::Id(required(frame, "id")?)),
        Version::V1_1 => Ok(AckTarget::Message {
            message_id: required(frame, "message-id")?,
            subscription: Some(required(frame, "subscription")?),
        }),
        Version::V1_0 => Ok(AckTarget::Message {
            message_id: required(frame, "message-id")?,
            subscription: frame.header("subscription"),
        }),
    }
}
