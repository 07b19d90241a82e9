use alloc::{
    boxed::Box,
    collections::{BTreeSet, VecDeque},
    string::{String, ToString},
    vec::Vec,
};
use core::{fmt, time::Duration};

use super::{AckRef, Event};
use crate::{
    AckMode, Command, ContentLength, Dialect, EncodeError, FrameRef, HeartBeat, ProtocolError,
    Version, Versions, encode, error::quote, heartbeat::Pulse,
};

/// What a client's `CONNECT` says.
#[derive(Clone)]
pub struct Config {
    /// The versions to accept. Default: all.
    pub versions: Versions,
    /// The `host` header, required from 1.1 on.
    pub host: Option<String>,
    /// The `login` header.
    pub login: Option<String>,
    /// The `passcode` header.
    pub passcode: Option<String>,
    /// The client's side of `heart-beat`. Default: 10,000 ms both ways.
    pub heart_beat: HeartBeat,
    /// How long the peer may be silent, in percent of the agreed interval (at least 100); and half an
    /// interval, or 500 ms, more, for the way: some servers leave out the beat after a frame, and so
    /// are silent for twice the interval. Default: 200.
    pub tolerance_percent: u32,
    /// Further headers of `CONNECT`. One that names a header above stands in its place.
    pub headers: Vec<(String, String)>,
    /// Send `STOMP` in place of `CONNECT`: servers before 1.1 don't know it. Default: false.
    pub stomp_command: bool,
    /// How long to wait for `CONNECTED`; `None`: for ever. Default: 10 s.
    pub connect_timeout: Option<Duration>,
}

impl Config {
    /// The defaults with a `host`.
    pub fn new(host: &str) -> Self {
        Self {
            host: Some(host.into()),
            ..Self::default()
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            versions: Versions::ALL,
            host: None,
            login: None,
            passcode: None,
            heart_beat: HeartBeat::new(10_000, 10_000),
            tolerance_percent: 200,
            headers: Vec::new(),
            stomp_command: false,
            connect_timeout: Some(Duration::from_secs(10)),
        }
    }
}

/// Leaves out the passcode and the values of other headers, which may be tokens.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("versions", &self.versions)
            .field("host", &self.host)
            .field("login", &self.login)
            .field("heart_beat", &self.heart_beat)
            .finish_non_exhaustive()
    }
}

/// Why a session ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// The server was silent for longer than the heart-beats and their tolerance allow.
    PeerSilent,
    /// No `CONNECTED` came in time.
    NoConnected,
}

/// A request that can't be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// There is no `CONNECTED` yet, or the session is closing.
    NotConnected,
    /// The subscription id is in use.
    DuplicateSubscription(Box<str>),
    /// There is no subscription with that id.
    UnknownSubscription(Box<str>),
    /// The transaction has begun already.
    DuplicateTransaction(Box<str>),
    /// The transaction has not begun, or has ended.
    UnknownTransaction(Box<str>),
    /// The message has none of the headers by which the version acknowledges it.
    NothingToAcknowledge {
        /// The header that is missing.
        header: &'static str,
    },
    /// The version lacks the command: `NACK` in 1.0.
    NotInVersion(Command, Version),
    /// The frame can't be written.
    Encode(EncodeError),
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected => f.write_str("the session is not connected"),
            Self::DuplicateSubscription(id) => write!(f, "subscription id {id:?} is in use"),
            Self::UnknownSubscription(id) => write!(f, "no subscription with id {id:?}"),
            Self::DuplicateTransaction(id) => write!(f, "transaction {id:?} has already begun"),
            Self::UnknownTransaction(id) => write!(f, "no open transaction {id:?}"),
            Self::NothingToAcknowledge { header } => {
                write!(f, "the message has no {header} header to acknowledge it by")
            }
            Self::NotInVersion(command, version) => write!(f, "STOMP {version} has no {command}"),
            Self::Encode(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for RequestError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Encode(error) => Some(error),
            _ => None,
        }
    }
}

impl From<EncodeError> for RequestError {
    fn from(error: EncodeError) -> Self {
        Self::Encode(error)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// `CONNECTED` is to come, until then if there is a limit.
    Connecting {
        until: Option<Duration>,
    },
    Connected(Version),
    /// `DISCONNECT` is sent; messages and receipts may still come.
    Disconnecting(Version),
    Closed,
}

/// The state of one connection to a server, from `CONNECT` to its close.
///
/// Requests and the server's frames go in, frames to send come out of
/// [`poll_transmit`](Self::poll_transmit): drain it after every call.
#[derive(Debug)]
pub struct Session {
    state: State,
    dialect: Dialect,
    versions: Versions,
    heart_beat: HeartBeat,
    tolerance_percent: u32,
    pulse: Pulse,
    subscriptions: BTreeSet<String>,
    transactions: BTreeSet<String>,
    receipts: BTreeSet<String>,
    /// The receipt that `DISCONNECT` asked for.
    last_receipt: Option<String>,
    transmits: VecDeque<Vec<u8>>,
}

impl Session {
    /// A session with `CONNECT` queued.
    ///
    /// # Errors
    ///
    /// A header of `CONNECT` can't be written: it knows no escapes, so LF, CR and NUL are refused.
    pub fn new(config: Config, now: Duration) -> Result<Self, EncodeError> {
        let accept = config.versions.accept_header();
        let mut heart_beat = config.heart_beat;
        if let Some((_, own)) = config.headers.iter().find(|(name, _)| name == "heart-beat")
            && let Ok(own) = HeartBeat::parse(own)
        {
            heart_beat = own;
        }
        let mut versions = config.versions;
        if let Some((_, own)) = config
            .headers
            .iter()
            .find(|(name, _)| name == "accept-version")
        {
            versions = Versions::parse_accept(own);
        }
        let beat = heart_beat.to_string();
        let own = |name: &str| config.headers.iter().any(|(n, _)| n == name);
        let usual = [
            ("accept-version", Some(accept.as_str())),
            ("host", config.host.as_deref()),
            ("heart-beat", Some(beat.as_str())),
            ("login", config.login.as_deref()),
            ("passcode", config.passcode.as_deref()),
        ];
        let headers: Vec<(&str, &str)> = usual
            .iter()
            .filter(|(name, _)| !own(name))
            .filter_map(|(name, value)| Some((*name, (*value)?)))
            .chain(config.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())))
            .collect();
        let command = if config.stomp_command {
            Command::Stomp
        } else {
            Command::Connect
        };
        let mut connect = Vec::new();
        let length = ContentLength::Auto;
        encode(
            &mut connect,
            Dialect::Handshake,
            command,
            headers.iter().copied(),
            b"",
            length,
        )?;
        Ok(Self {
            state: State::Connecting {
                until: config.connect_timeout.map(|limit| now + limit),
            },
            dialect: Dialect::Handshake,
            versions,
            heart_beat,
            tolerance_percent: config.tolerance_percent,
            pulse: Pulse::default(),
            subscriptions: BTreeSet::new(),
            transactions: BTreeSet::new(),
            receipts: BTreeSet::new(),
            last_receipt: None,
            transmits: VecDeque::from([connect]),
        })
    }

    /// Takes a frame of the server's.
    ///
    /// # Errors
    ///
    /// The server breaks the protocol; the session is closing.
    pub fn receive<'a>(
        &mut self,
        frame: &FrameRef<'a>,
        now: Duration,
    ) -> Result<Event<'a>, ProtocolError> {
        self.heard(now);
        let result = self.receive_frame(frame, now);
        if result.is_err() {
            self.close();
        }
        result
    }

    fn receive_frame<'a>(
        &mut self,
        frame: &FrameRef<'a>,
        now: Duration,
    ) -> Result<Event<'a>, ProtocolError> {
        let command = frame.command();
        let connecting = matches!(self.state, State::Connecting { .. });
        match command {
            Command::Error => {
                self.close();
                Ok(Event::Error { frame: *frame })
            }
            Command::Connected if connecting => self.receive_connected(frame, now),
            Command::Connected => Err(ProtocolError::AlreadyConnected { command }),
            _ if connecting => Err(ProtocolError::NotConnected {
                command: quote(frame.command_text()),
            }),
            Command::Message => {
                let subscription = frame.header("subscription");
                let known = subscription
                    .as_ref()
                    .is_some_and(|id| self.subscriptions.contains(&**id));
                Ok(Event::Message {
                    subscription,
                    known,
                    frame: *frame,
                })
            }
            Command::Receipt => {
                let id = frame
                    .header("receipt-id")
                    .ok_or(ProtocolError::MissingHeader {
                        command,
                        header: "receipt-id",
                    })?;
                if self.last_receipt.as_deref() == Some(&*id) {
                    self.close();
                    return Ok(Event::Disconnected { frame: *frame });
                }
                let known = self.receipts.remove(&*id);
                Ok(Event::Receipt {
                    id,
                    known,
                    frame: *frame,
                })
            }
            Command::Other => Ok(Event::Unhandled { frame: *frame }),
            _ => Err(ProtocolError::UnexpectedCommand { command }),
        }
    }

    fn receive_connected<'a>(
        &mut self,
        frame: &FrameRef<'a>,
        now: Duration,
    ) -> Result<Event<'a>, ProtocolError> {
        // A 1.0 server says nothing of versions.
        let named = frame.header("version");
        let text = named.as_deref().unwrap_or("1.0").trim_matches(' ');
        let version = text
            .parse::<Version>()
            .ok()
            .filter(|version| self.versions.contains(*version))
            .ok_or_else(|| ProtocolError::NoCommonVersion {
                offered: quote(text),
            })?;
        if version > Version::V1_0 {
            // A broken header must not end a connection that works; without it there are no beats.
            let theirs = frame.header("heart-beat");
            let theirs = theirs
                .and_then(|text| HeartBeat::parse(&text).ok())
                .unwrap_or_default();
            self.pulse = Pulse::negotiate(self.heart_beat, theirs, self.tolerance_percent, now);
            self.pulse.allow_for_the_way();
        }
        self.state = State::Connected(version);
        self.dialect = version.into();
        Ok(Event::Connected {
            version,
            frame: *frame,
        })
    }

    /// Queues `SEND`. `headers` may hold `transaction` and `receipt`.
    ///
    /// # Errors
    ///
    /// Nothing is sent: see [`RequestError`].
    pub fn send(
        &mut self,
        destination: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        length: ContentLength,
    ) -> Result<(), RequestError> {
        self.request(
            Command::Send,
            &[("destination", destination)],
            headers,
            body,
            length,
        )
    }

    /// Writes `SEND` to the end of `out` in place of queuing it, for hosts with a buffer of their
    /// own. `headers` may hold `transaction`, and `receipt`, of which the session keeps nothing:
    /// such a receipt comes as one that is not known.
    ///
    /// # Errors
    ///
    /// Nothing is written: see [`RequestError`].
    pub fn send_into<'h, I>(
        &self,
        out: &mut Vec<u8>,
        destination: &'h str,
        headers: I,
        body: &[u8],
        length: ContentLength,
    ) -> Result<(), RequestError>
    where
        I: Iterator<Item = (&'h str, &'h str)> + Clone,
    {
        self.connected()?;
        let transaction = headers.clone().find(|(name, _)| *name == "transaction");
        if let Some((_, id)) = transaction
            && !self.transactions.contains(id)
        {
            return Err(RequestError::UnknownTransaction(id.into()));
        }
        let others = headers.filter(|(name, _)| *name != "destination");
        let all = core::iter::once(("destination", destination)).chain(others);
        encode(out, self.dialect, Command::Send, all, body, length)?;
        Ok(())
    }

    /// Queues `SUBSCRIBE`. `headers` other than `id`, `destination` and `ack` are passed on.
    ///
    /// # Errors
    ///
    /// Nothing is sent: see [`RequestError`].
    pub fn subscribe(
        &mut self,
        id: &str,
        destination: &str,
        ack: AckMode,
        headers: &[(&str, &str)],
    ) -> Result<(), RequestError> {
        if self.subscriptions.contains(id) {
            return Err(RequestError::DuplicateSubscription(id.into()));
        }
        let own = [
            ("id", id),
            ("destination", destination),
            ("ack", ack.as_str()),
        ];
        self.request(Command::Subscribe, &own, headers, b"", ContentLength::Auto)?;
        self.subscriptions.insert(id.into());
        Ok(())
    }

    /// Queues `UNSUBSCRIBE`. Messages that are under way come as unknown ones.
    ///
    /// # Errors
    ///
    /// Nothing is sent: see [`RequestError`].
    pub fn unsubscribe(&mut self, id: &str, headers: &[(&str, &str)]) -> Result<(), RequestError> {
        if !self.subscriptions.contains(id) {
            return Err(RequestError::UnknownSubscription(id.into()));
        }
        let own = [("id", id)];
        self.request(
            Command::Unsubscribe,
            &own,
            headers,
            b"",
            ContentLength::Auto,
        )?;
        self.subscriptions.remove(id);
        Ok(())
    }

    /// Queues `ACK`, in the version's form. `headers` may hold `transaction` and `receipt`.
    ///
    /// # Errors
    ///
    /// Nothing is sent: see [`RequestError`].
    pub fn ack(&mut self, message: &AckRef, headers: &[(&str, &str)]) -> Result<(), RequestError> {
        self.acknowledge(Command::Ack, message, headers)
    }

    /// Queues `NACK`, in the version's form. `headers` may hold `transaction` and `receipt`.
    ///
    /// # Errors
    ///
    /// Nothing is sent: see [`RequestError`]. 1.0 has no `NACK`.
    pub fn nack(&mut self, message: &AckRef, headers: &[(&str, &str)]) -> Result<(), RequestError> {
        self.acknowledge(Command::Nack, message, headers)
    }

    fn acknowledge(
        &mut self,
        command: Command,
        message: &AckRef,
        headers: &[(&str, &str)],
    ) -> Result<(), RequestError> {
        let version = self.connected()?;
        if version == Version::V1_0 && command == Command::Nack {
            return Err(RequestError::NotInVersion(command, version));
        }
        let missing = |header| RequestError::NothingToAcknowledge { header };
        let mut own: Vec<(&str, &str)> = Vec::with_capacity(2);
        if version == Version::V1_2 {
            own.push(("id", message.ack.as_deref().ok_or_else(|| missing("ack"))?));
        } else {
            if message.message_id.is_empty() {
                return Err(missing("message-id"));
            }
            own.push(("message-id", &message.message_id));
            match message.subscription.as_deref() {
                Some(subscription) => own.push(("subscription", subscription)),
                None if version == Version::V1_1 => return Err(missing("subscription")),
                None => {}
            }
        }
        self.request(command, &own, headers, b"", ContentLength::Auto)
    }

    /// Queues `BEGIN`.
    ///
    /// # Errors
    ///
    /// Nothing is sent: see [`RequestError`].
    pub fn begin(
        &mut self,
        transaction: &str,
        headers: &[(&str, &str)],
    ) -> Result<(), RequestError> {
        if self.transactions.contains(transaction) {
            return Err(RequestError::DuplicateTransaction(transaction.into()));
        }
        let own = [("transaction", transaction)];
        self.request(Command::Begin, &own, headers, b"", ContentLength::Auto)?;
        self.transactions.insert(transaction.into());
        Ok(())
    }

    /// Queues `COMMIT`.
    ///
    /// # Errors
    ///
    /// Nothing is sent: see [`RequestError`].
    pub fn commit(
        &mut self,
        transaction: &str,
        headers: &[(&str, &str)],
    ) -> Result<(), RequestError> {
        self.end_transaction(Command::Commit, transaction, headers)
    }

    /// Queues `ABORT`.
    ///
    /// # Errors
    ///
    /// Nothing is sent: see [`RequestError`].
    pub fn abort(
        &mut self,
        transaction: &str,
        headers: &[(&str, &str)],
    ) -> Result<(), RequestError> {
        self.end_transaction(Command::Abort, transaction, headers)
    }

    fn end_transaction(
        &mut self,
        command: Command,
        transaction: &str,
        headers: &[(&str, &str)],
    ) -> Result<(), RequestError> {
        if !self.transactions.contains(transaction) {
            return Err(RequestError::UnknownTransaction(transaction.into()));
        }
        let own = [("transaction", transaction)];
        self.request(command, &own, headers, b"", ContentLength::Auto)?;
        self.transactions.remove(transaction);
        Ok(())
    }

    /// Queues `DISCONNECT`, after which nothing more can be asked for (1.2, "DISCONNECT"). With a
    /// receipt [`Event::Disconnected`] follows; without one the session is closing at once.
    ///
    /// # Errors
    ///
    /// Nothing is sent: see [`RequestError`].
    pub fn disconnect(
        &mut self,
        receipt: Option<&str>,
        headers: &[(&str, &str)],
    ) -> Result<(), RequestError> {
        let version = self.connected()?;
        let own: Vec<(&str, &str)> = receipt.map(|id| ("receipt", id)).into_iter().collect();
        self.request(Command::Disconnect, &own, headers, b"", ContentLength::Auto)?;
        let asked = receipt.or_else(|| {
            headers
                .iter()
                .find(|(name, _)| *name == "receipt")
                .map(|(_, value)| *value)
        });
        self.state = match asked {
            Some(id) => {
                self.last_receipt = Some(id.into());
                State::Disconnecting(version)
            }
            None => State::Closed,
        };
        Ok(())
    }

    /// Gives the session up: nothing is sent any more, not even what is queued.
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

    /// Reports that bytes went out.
    pub fn sent(&mut self, now: Duration) {
        self.pulse.sent(now);
    }

    /// Queues a heart-beat now, for hosts whose timers tick by themselves.
    pub fn beat(&mut self, now: Duration) {
        if matches!(self.state, State::Connected(_) | State::Disconnecting(_)) {
            self.transmits.push_back(b"\n".to_vec());
            self.sent(now);
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next. It may change with every call.
    pub fn poll_timeout(&self) -> Option<Duration> {
        match self.state {
            State::Connecting { until } => until,
            State::Connected(_) | State::Disconnecting(_) => self.pulse.timeout(),
            State::Closed => None,
        }
    }

    /// Does what is due: queues a heart-beat, or gives up a server that is silent. May be called
    /// at any time.
    pub fn handle_timeout(&mut self, now: Duration) -> Option<Timeout> {
        match self.state {
            State::Connecting { until } if until.is_some_and(|until| now >= until) => {
                self.close();
                Some(Timeout::NoConnected)
            }
            State::Connected(_) | State::Disconnecting(_) if self.pulse.peer_silent(now) => {
                self.close();
                Some(Timeout::PeerSilent)
            }
            // After DISCONNECT no frame may follow; an EOL is none, and keeps the server patient
            // until its receipt.
            State::Connected(_) | State::Disconnecting(_) if self.pulse.beat_due(now) => {
                self.beat(now);
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

    /// The negotiated version, from `CONNECTED` on.
    pub fn version(&self) -> Option<Version> {
        match self.state {
            State::Connected(version) | State::Disconnecting(version) => Some(version),
            State::Connecting { .. } | State::Closed => None,
        }
    }

    /// Whether requests can be made.
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

    /// The receipts that were asked for and have not come, that of `DISCONNECT` apart.
    pub fn pending_receipts(&self) -> impl Iterator<Item = &str> {
        self.receipts.iter().map(String::as_str)
    }

    fn connected(&self) -> Result<Version, RequestError> {
        match self.state {
            State::Connected(version) => Ok(version),
            _ => Err(RequestError::NotConnected),
        }
    }

    /// Queues a frame with the session's `own` headers first, then the caller's others.
    fn request(
        &mut self,
        command: Command,
        own: &[(&str, &str)],
        headers: &[(&str, &str)],
        body: &[u8],
        length: ContentLength,
    ) -> Result<(), RequestError> {
        self.connected()?;
        let header = |wanted| {
            headers
                .iter()
                .find(|(name, _)| *name == wanted)
                .map(|(_, v)| *v)
        };
        if matches!(command, Command::Send | Command::Ack | Command::Nack)
            && let Some(transaction) = header("transaction")
            && !self.transactions.contains(transaction)
        {
            return Err(RequestError::UnknownTransaction(transaction.into()));
        }
        let others = headers
            .iter()
            .filter(|(name, _)| own.iter().all(|(n, _)| n != name));
        let all = own.iter().chain(others).copied();
        let mut bytes = Vec::new();
        encode(&mut bytes, self.dialect, command, all, body, length)?;
        self.transmits.push_back(bytes);
        if command != Command::Disconnect
            && let Some(receipt) = header("receipt")
        {
            self.receipts.insert(receipt.into());
        }
        Ok(())
    }
}
