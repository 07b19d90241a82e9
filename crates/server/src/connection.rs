//! One client: its session, its socket, and its way to the broker.

use std::{
    cell::RefCell,
    collections::VecDeque,
    future::Future,
    io, mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use password_hash::rand_core::{OsRng, RngCore as _};
use stompbox_broker::{BrokerError, Command, ConnectionId, Identity, Output, Template, Time};
use stompbox_proto::{
    Command as Verb, ContentLength, Decoder, FrameRef, Version, encode,
    server::{self, Event, Session},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    sync::watch,
    time,
};
use tracing::debug;

use crate::{
    Config,
    acl::{Acl, Guard},
    deliver::Encoder,
    hub::{Hub, Outbox},
    requests::{Client, Refusal},
    users::{Principal, Users},
    websocket::{CloseCode, Received, WebSocket, put_close},
};

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) hub: Hub,
    pub(crate) users: Users,
    pub(crate) acl: Arc<Acl>,
    /// The moment that all times count from.
    pub(crate) epoch: Instant,
    /// Distinguishes message ids of this run of the server from those of others.
    pub(crate) run: String,
    /// Connections that have not logged in; the hub knows the others.
    pub(crate) lobby: Lobby,
    /// Becomes true when the server stops.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// The outboxes of connections that have not logged in.
#[derive(Debug, Default)]
pub(crate) struct Lobby(Mutex<slab::Slab<Arc<Outbox>>>);

impl Lobby {
    fn enter(&self, outbox: Arc<Outbox>) -> usize {
        self.lock().insert(outbox)
    }

    fn leave(&self, key: usize) {
        self.lock().try_remove(key);
    }

    /// Tells all of them that the server is stopping.
    pub(crate) fn stop(&self) {
        for (_, outbox) in &*self.lock() {
            outbox.stop();
        }
    }

    fn lock(&self) -> MutexGuard<'_, slab::Slab<Arc<Outbox>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes that wait to be sent, beyond which nothing more is read from the client.
const READ_PAUSE: usize = 1 << 20;

/// Bytes that are encoded at a time.
const BATCH: usize = 256 << 10;

/// A pause for a producer whose topic has a subscriber that falls behind.
const BRIEF: Duration = Duration::from_millis(1);

/// How long a producer waits before it looks again whether there is memory.
const PRESSED: Duration = Duration::from_millis(10);

/// How many reads a connection may do before others get their turn.
const TURN: usize = 8;

/// How long to go on reading from a client that was told to go, so that its kernel hands it our
/// last bytes instead of a reset (1.2, "Connection Lingering").
const LINGER: Duration = Duration::from_millis(500);

/// What connections use while they are at it, and none keeps: the room for one read, and for the
/// headers of a message.
struct Scratch {
    input: Vec<u8>,
    head: Vec<u8>,
    commands: Vec<Command>,
    out: Vec<u8>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        input: vec![0; 64 << 10],
        head: Vec::new(),
        commands: Vec::new(),
        out: Vec::new(),
    });
}

type Login = Pin<Box<dyn Future<Output = Option<Principal>> + Send>>;

/// How a connection ends.
struct End {
    code: CloseCode,
    reason: String,
    /// The client is gone already, or broke its socket: there is nobody to say anything to.
    gone: bool,
}

struct Connection<S> {
    shared: Arc<Shared>,
    stream: S,
    /// Frames are messages of a WebSocket; its state is elsewhere while it is at work.
    is_websocket: bool,
    websocket: Option<Box<WebSocket>>,
    /// Its client writes binary messages.
    is_binary: bool,
    session: Session,
    /// Elsewhere while it is at work.
    decoder: Option<Decoder>,
    guard: Guard,
    /// What the heads of its messages come to, while they are all the same.
    template: Option<Box<Template>>,
    outbox: Arc<Outbox>,
    lobby: Option<usize>,
    /// From the login on.
    id: Option<ConnectionId>,
    /// Whom the client says to be, and from the login on who it is.
    identity: Box<Identity>,
    login: Option<Login>,
    /// What came behind a `CONNECT` that is being decided.
    held: Vec<u8>,
    /// Taken out of the outbox, and not yet encoded.
    outputs: VecDeque<Output>,
    /// Encoded and not yet sent, from `sent` on.
    out: Vec<u8>,
    sent: usize,
    /// All bytes that were ever sent.
    written: u64,
    /// Deliveries are written when so many bytes are: their sizes, as the broker counts.
    marks: VecDeque<(u64, usize)>,
    drained: usize,
    flushed: bool,
    commands: Vec<Command>,
    timer: Option<Pin<Box<time::Sleep>>>,
    /// Until when nothing is read.
    pause: Option<Duration>,
    /// By when something must be written.
    write_by: Option<Duration>,
    sends: bool,
    subscribes: bool,
    /// The session has ended by itself: this goes out last, when the broker has said goodbye.
    last_words: Option<(Vec<u8>, CloseCode, String)>,
    quitting: bool,
    end: Option<End>,
}

/// Serves a client until it goes or is told to. `first`: bytes of it that were read already.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send>(
    shared: Arc<Shared>,
    stream: S,
    websocket: bool,
    subprotocol: Option<Version>,
    mut first: Vec<u8>,
) {
    let config = server::Config {
        heart_beat: shared.config.heart_beat,
        connect_timeout: shared.config.connect_timeout,
        subprotocol,
        ..server::Config::default()
    };
    let outbox = Arc::new(Outbox::default());
    let lobby = shared.lobby.enter(Arc::clone(&outbox));
    let limits = &shared.config.limits;
    let mut connection = Connection {
        is_websocket: websocket,
        websocket: websocket.then(|| Box::new(WebSocket::new(limits))),
        is_binary: false,
        session: Session::new(config, shared.epoch.elapsed()),
        decoder: None,
        guard: Guard::new(Arc::clone(&shared.acl), Principal::anonymous()),
        template: None,
        stream,
        outbox,
        lobby: Some(lobby),
        id: None,
        identity: Box::default(),
        login: None,
        held: Vec::new(),
        outputs: VecDeque::new(),
        out: Vec::new(),
        sent: 0,
        written: 0,
        marks: VecDeque::new(),
        drained: 0,
        flushed: true,
        commands: Vec::new(),
        timer: None,
        pause: None,
        write_by: None,
        sends: false,
        subscribes: false,
        last_words: None,
        quitting: false,
        end: None,
        shared,
    };
    if !first.is_empty() {
        connection.receive(&mut first);
    }
    std::future::poll_fn(|cx| connection.poll(cx)).await;
    connection.leave();
    if connection.end.as_ref().is_some_and(|end| !end.gone) {
        // Boxed, so that connections that go on have no room for it.
        Box::pin(connection.say_goodbye()).await;
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Runs until the connection is to be closed.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..TURN {
            let mut progress = self.poll_login(cx);
            progress |= self.take_outputs();
            match self.poll_write(cx) {
                Ok(written) => progress |= written,
                Err(_) => self.end_as_gone(),
            }
            if self.end.is_some() {
                self.submit();
                return Poll::Ready(());
            }
            if self.may_read() {
                match self.poll_read(cx) {
                    Poll::Ready(Ok(())) => progress = true,
                    Poll::Ready(Err(_)) => self.end_as_gone(),
                    Poll::Pending => {}
                }
            }
            self.submit();
            if self.end.is_some() {
                continue;
            }
            progress |= self.poll_timer(cx);
            if !progress {
                if self.outbox.register(cx.waker()) {
                    continue;
                }
                self.rest();
                return Poll::Pending;
            }
        }
        // Others have their turn now.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn now(&self) -> Duration {
        self.shared.epoch.elapsed()
    }

    /// Gives back what an idle connection need not hold.
    fn rest(&mut self) {
        if self.out.is_empty() && self.outputs.is_empty() {
            if self.out.capacity() > 0 {
                self.out = Vec::new();
            }
            if self.outputs.capacity() > 0 {
                self.outputs = VecDeque::new();
                self.outbox.shrink();
            }
            if self.marks.capacity() > 0 && self.marks.is_empty() {
                self.marks = VecDeque::new();
            }
        }
    }

    fn may_read(&self) -> bool {
        self.out.len() - self.sent < READ_PAUSE
            && self.login.is_none()
            && self.pause.is_none()
            && !self.quitting
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.sends && self.shared.hub.is_pressed() {
            // A client that also consumes must be heard, or it could never give memory back.
            self.pause = Some(self.now() + PRESSED);
            if !self.subscribes {
                return Poll::Ready(Ok(()));
            }
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(&mut scratch.input);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            let length = buffer.filled().len();
            // Whatever is left from before comes first.
            let lent = self.commands.is_empty();
            if lent {
                mem::swap(&mut self.commands, &mut scratch.commands);
            }
            let (input, _) = scratch.input.split_at_mut(length);
            self.receive(input);
            self.submit();
            if lent && self.commands.is_empty() {
                mem::swap(&mut self.commands, &mut scratch.commands);
            }
            Poll::Ready(Ok(()))
        })
    }

    /// Takes bytes that came from the socket.
    fn receive(&mut self, input: &mut [u8]) {
        let now = self.now();
        self.session.heard(now);
        let mut decoder = self.decoder.take().unwrap_or_else(|| self.new_decoder());
        let Some(mut websocket) = self.websocket.take() else {
            self.decode(&mut decoder, input, now);
            self.decoder = Some(decoder);
            return;
        };
        let mut rest = input;
        let mut end = None;
        while self.end.is_none() && !self.quitting {
            match websocket.receive(rest) {
                Received::Nothing => break,
                Received::Bytes { used, payload } => {
                    self.is_binary = websocket.is_binary();
                    self.decode(&mut decoder, &rest[payload], now);
                    rest = &mut rest[used..];
                }
                Received::Close(code, reason) => {
                    end = Some((code, reason));
                    break;
                }
            }
        }
        websocket.take_pongs(&mut self.out);
        self.websocket = Some(websocket);
        self.decoder = Some(decoder);
        match end {
            Some((CloseCode::TooBig, reason)) => {
                let limit = self.shared.config.limits.body;
                let detail = format!(
                    "A WebSocket message is longer than a frame with a body of {limit} bytes may be.\n"
                );
                let code = [("x-error-code", "message-too-long")];
                self.session.error(reason, &detail, None, &code);
                self.end_with_words(CloseCode::TooBig, reason);
            }
            Some((code, reason)) => self.finish(code, reason),
            None => {}
        }
    }

    /// Takes STOMP's bytes.
    fn decode(&mut self, decoder: &mut Decoder, mut input: &[u8], now: Duration) {
        let time = self.shared.hub.now();
        while !self.quitting && self.end.is_none() {
            if self.login.is_some() {
                self.held.extend_from_slice(input);
                break;
            }
            let frame = match decoder.decode(&mut input, self.session.dialect()) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => {
                    self.session.decode_failed(&error);
                    let code = match error.is_limit() {
                        true => CloseCode::TooBig,
                        false => CloseCode::Protocol,
                    };
                    self.end_with_words(code, &error.to_string());
                    break;
                }
            };
            let repeats = frame.repeats_head();
            if repeats
                && let Some(template) = &self.template
                && let Some(message) = template.message(frame.body())
            {
                self.commands.push(Command::Send {
                    transaction: None,
                    receipt: None,
                    message: Arc::new(message),
                });
                continue;
            }
            match self.session.receive(&frame, now) {
                Ok(Event::Connect {
                    login,
                    passcode,
                    frame,
                    ..
                }) => {
                    if let Err(error) = self.introduce(&frame, login.as_deref()) {
                        let message = error.to_string();
                        let code = [("x-error-code", error.code())];
                        self.session
                            .error(&message, &format!("{message}.\n"), None, &code);
                        self.end_with_words(CloseCode::Protocol, &message);
                        break;
                    }
                    let shared = Arc::clone(&self.shared);
                    let login = login.map(|it| it.into_owned());
                    let passcode = passcode.map(|it| it.into_owned());
                    if shared.users.is_empty() {
                        self.welcome(Principal::anonymous());
                    } else {
                        self.login = Some(Box::pin(async move {
                            let verified =
                                shared.users.verify(login.as_deref(), passcode.as_deref());
                            verified.await
                        }));
                    }
                }
                Ok(event) => self.request(event, repeats, time),
                Err(error) => self.end_with_words(CloseCode::Protocol, &error.to_string()),
            }
        }
    }

    /// Notes whom a client says to be.
    fn introduce(&mut self, frame: &FrameRef<'_>, login: Option<&str>) -> Result<(), BrokerError> {
        *self.identity = Identity {
            login: login.unwrap_or_default().into(),
            client_id: frame
                .header("client-id")
                .unwrap_or_default()
                .as_ref()
                .into(),
            dialect: match frame.header("x-dialect") {
                Some(dialect) => Some(dialect.parse()?),
                None => None,
            },
            ..Identity::default()
        };
        Ok(())
    }

    fn new_decoder(&self) -> Decoder {
        Decoder::new(self.shared.config.limits.clone())
    }

    /// `repeats`: the frame's head is that of the one before.
    fn request(&mut self, event: Event<'_>, repeats: bool, now: Time) {
        let receipt = match &event {
            Event::Send { receipt, .. } => {
                self.sends = true;
                receipt
            }
            Event::Subscribe { receipt, .. } => {
                self.subscribes = true;
                receipt
            }
            Event::Unsubscribe { receipt, .. }
            | Event::Ack { receipt, .. }
            | Event::Nack { receipt, .. } => receipt,
            _ => &None,
        };
        let receipt: Option<Box<str>> = receipt.as_deref().map(Into::into);
        let quits = matches!(event, Event::Disconnect { .. });
        let mut client = Client {
            guard: &mut self.guard,
            broker: &self.shared.config.broker,
            version: self.session.version(),
            identity: &self.identity,
            run: &self.shared.run,
            now,
        };
        match client.command(event) {
            Ok(command) => {
                self.template = match &command {
                    Some(Command::Send {
                        transaction: None,
                        receipt: None,
                        message,
                    }) if repeats => message.template().map(Box::new),
                    _ => None,
                };
                self.commands.extend(command);
            }
            Err(refusal) => {
                let error = match refusal {
                    Refusal::Denied(denied) => BrokerError::AccessDenied {
                        reason: denied.to_string(),
                    },
                    Refusal::Invalid(error) => error,
                };
                self.commands.push(Command::Refuse { error, receipt });
            }
        }
        // Nothing follows a DISCONNECT.
        self.quitting |= quits;
    }

    fn poll_login(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(login) = &mut self.login else {
            return false;
        };
        let Poll::Ready(verified) = login.as_mut().poll(cx) else {
            return false;
        };
        self.login = None;
        match verified {
            Some(principal) => {
                self.welcome(principal);
                let held = mem::take(&mut self.held);
                if !held.is_empty() {
                    let now = self.now();
                    let mut decoder = self.decoder.take().unwrap_or_else(|| self.new_decoder());
                    self.decode(&mut decoder, &held, now);
                    self.decoder = Some(decoder);
                }
            }
            None => {
                let code = [("x-error-code", "refused")];
                let detail = "Login or passcode is wrong.\n";
                self.session
                    .error("connection refused", detail, None, &code);
                self.end_with_words(CloseCode::Policy, "connection refused");
            }
        }
        true
    }

    /// The client may come in.
    fn welcome(&mut self, principal: Principal) {
        let version = self.session.version();
        let identity = &mut *self.identity;
        // Without users a login proves nothing, but it is all there is.
        if let Some(login) = principal.login() {
            identity.login = login.into();
            identity.proven = true;
        }
        identity.reads_others = !self.shared.acl.rules().is_empty();
        identity.reply_token = token().into();
        identity.acks_by_message_id = version != Some(Version::V1_2);
        let identity = identity.clone();
        self.guard = Guard::new(Arc::clone(&self.shared.acl), principal);
        let id = self.shared.hub.connect(identity, &self.outbox);
        self.id = Some(id);
        if let Some(lobby) = self.lobby.take() {
            self.shared.lobby.leave(lobby);
        }
        let session_id = format!("{}-{}", self.shared.run, id.number());
        let now = self.now();
        self.session.accept(&session_id, &[], now);
        self.collect();
    }

    fn submit(&mut self) {
        if self.drained > 0 && (self.out.is_empty() || self.drained > BATCH / 2) {
            self.commands
                .push(Command::Drained(mem::take(&mut self.drained)));
        }
        if let Some(id) = self.id {
            self.shared.hub.submit(id, &mut self.commands);
        }
    }

    /// Encodes what the broker has for this client.
    fn take_outputs(&mut self) -> bool {
        if self.out.len() - self.sent >= BATCH {
            return false;
        }
        if self.outbox.take(&mut self.outputs) && !self.quitting && self.end.is_none() {
            self.finish(CloseCode::GoingAway, "the server is stopping");
        }
        if self.outputs.is_empty() {
            return false;
        }
        SCRATCH.with_borrow_mut(|scratch| {
            // The room that everybody uses, unless something is left from before.
            let lent = self.out.is_empty() && self.out.capacity() < scratch.out.capacity();
            if lent {
                mem::swap(&mut self.out, &mut scratch.out);
            }
            let mut delivered = 0;
            while self.out.len() - self.sent < BATCH
                && self.end.is_none()
                && let Some(output) = self.outputs.pop_front()
            {
                match output {
                    Output::Deliver(delivery) => {
                        delivered += delivery.size();
                        if delivery.subscriber.is_closed() {
                            self.commands.push(Command::GiveBack(Box::new(delivery)));
                        } else {
                            let encoder = Encoder {
                                dialect: self.session.dialect(),
                                run: &self.shared.run,
                                websocket: self.is_websocket,
                                binary: self.is_binary,
                            };
                            encoder.message(&mut self.out, &mut scratch.head, &delivery);
                        }
                    }
                    output => self.encode_other(output),
                }
            }
            if delivered > 0 {
                let end = self.written + (self.out.len() - self.sent) as u64;
                self.marks.push_back((end, delivered));
            }
            self.session.sent(self.shared.epoch.elapsed());
        });
        true
    }

    fn encode_other(&mut self, output: Output) {
        match output {
            Output::Deliver(_) => {}
            Output::Receipt(receipt) => self.encode_receipt(&receipt),
            Output::BrowserEnd(subscriber) => {
                let encoder = self.encoder();
                let mut frame = Vec::new();
                encoder.browser_end(&mut frame, &subscriber);
                self.out.extend_from_slice(&frame);
            }
            Output::Pause => self.pause = Some(self.now() + BRIEF),
            Output::Bye(receipt) => {
                if let Some(receipt) = receipt {
                    self.encode_receipt(&receipt);
                }
                match self.last_words.take() {
                    Some((words, code, reason)) => {
                        self.put_frame(&words);
                        self.finish(code, &reason);
                    }
                    None => self.finish(CloseCode::Normal, ""),
                }
            }
            Output::Error { error, receipt } => {
                let (message, detail, close) = match &error {
                    BrokerError::AccessDenied { reason } => (
                        "access denied".to_owned(),
                        format!("Access denied: {reason}.\n"),
                        CloseCode::Policy,
                    ),
                    BrokerError::SlowConsumer { .. } => (
                        "slow consumer".to_owned(),
                        format!("{error}.\n"),
                        CloseCode::Policy,
                    ),
                    error => (error.to_string(), format!("{error}\n"), CloseCode::Protocol),
                };
                let codes = [("x-error-code", error.code()), ("x-retry", error.retry())];
                self.session
                    .error(&message, &detail, receipt.as_deref(), &codes);
                self.last_words = None;
                self.collect();
                self.finish(close, &message);
            }
        }
    }

    fn encode_receipt(&mut self, id: &str) {
        let mut frame = Vec::with_capacity(32 + id.len());
        let headers = [("receipt-id", id)];
        let dialect = self.session.dialect();
        let length = ContentLength::Auto;
        // An id that can't be written came in a frame that could not write it either.
        if encode(&mut frame, dialect, Verb::Receipt, headers, b"", length).is_ok() {
            self.put_frame(&frame);
        }
    }

    fn encoder(&self) -> Encoder<'_> {
        Encoder {
            dialect: self.session.dialect(),
            run: &self.shared.run,
            websocket: self.is_websocket,
            binary: self.is_binary,
        }
    }

    fn put_frame(&mut self, frame: &[u8]) {
        if self.is_websocket {
            crate::websocket::put_message(&mut self.out, frame, self.is_binary);
        } else {
            self.out.extend_from_slice(frame);
        }
    }

    /// Writes the session's own frames.
    fn collect(&mut self) {
        while let Some(frame) = self.session.poll_transmit() {
            self.put_frame(&frame);
        }
    }

    /// The session has queued an `ERROR`: it comes after everything that the client is owed.
    fn end_with_words(&mut self, code: CloseCode, reason: &str) {
        let mut words = Vec::new();
        while let Some(frame) = self.session.poll_transmit() {
            words.extend_from_slice(&frame);
        }
        if self.id.is_none() {
            self.put_frame(&words);
            return self.finish(code, reason);
        }
        if self.quitting {
            return;
        }
        self.last_words = Some((words, code, reason.to_owned()));
        self.quitting = true;
        self.commands.push(Command::Quit { receipt: None });
    }

    fn finish(&mut self, code: CloseCode, reason: &str) {
        self.end.get_or_insert_with(|| End {
            code,
            reason: reason.to_owned(),
            gone: false,
        });
    }

    fn end_as_gone(&mut self) {
        self.end = Some(End {
            code: CloseCode::Normal,
            reason: String::new(),
            gone: true,
        });
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut progress = false;
        while self.sent < self.out.len() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.out[self.sent..]) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => {
                    self.sent += count;
                    self.written += count as u64;
                    self.write_by = None;
                    self.flushed = false;
                    progress = true;
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {
                    let limit = self.shared.config.write_timeout;
                    let now = self.now();
                    self.write_by.get_or_insert(now + limit);
                    break;
                }
            }
        }
        if self.sent == self.out.len() {
            if !self.flushed {
                // Without TLS there is nothing to do.
                match Pin::new(&mut self.stream).poll_flush(cx) {
                    Poll::Ready(result) => {
                        result?;
                        self.flushed = true;
                    }
                    Poll::Pending => {}
                }
            }
            self.out.clear();
            self.sent = 0;
            if self.out.capacity() > 0 {
                SCRATCH.with_borrow_mut(|scratch| {
                    if scratch.out.capacity() < self.out.capacity() {
                        scratch.out = mem::take(&mut self.out);
                    }
                });
            }
        } else if self.sent > BATCH {
            self.out.drain(..self.sent);
            self.sent = 0;
        }
        while let Some((end, size)) = self.marks.front()
            && *end <= self.written
        {
            self.drained += size;
            self.marks.pop_front();
        }
        Ok(progress)
    }

    /// Does what is due, and sets the timer for what is next.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> bool {
        let now = self.now();
        if let Some(until) = self.pause {
            // What is not read can't be heard.
            self.session.heard(now);
            if until <= now {
                self.pause = None;
                return true;
            }
        }
        if self.write_by.is_some_and(|by| by <= now) {
            debug!("the client takes nothing");
            self.end_as_gone();
            return true;
        }
        if !self.quitting && self.session.poll_timeout().is_some_and(|at| at <= now) {
            match self.session.handle_timeout(now) {
                Some(server::Timeout::NoConnect) => {
                    self.end_with_words(CloseCode::Policy, "no CONNECT in time");
                }
                Some(server::Timeout::PeerSilent) => {
                    self.end_with_words(CloseCode::Policy, "heart-beat lost");
                }
                None => self.collect(),
            }
            return true;
        }
        let session = self.session.poll_timeout().filter(|_| !self.quitting);
        let next = [session, self.pause, self.write_by]
            .into_iter()
            .flatten()
            .min();
        let Some(next) = next else {
            self.timer = None;
            return false;
        };
        let at = time::Instant::from_std(self.shared.epoch + next);
        let timer = match &mut self.timer {
            // One that is early does no harm: it is set again when it rings.
            Some(timer) if timer.deadline() <= at && !timer.is_elapsed() => timer,
            Some(timer) => {
                timer.as_mut().reset(at);
                timer
            }
            none => none.insert(Box::pin(time::sleep_until(at))),
        };
        timer.as_mut().poll(cx).is_ready()
    }

    /// What the client was handed and is not known to have goes to others, and so does what it has
    /// not acknowledged.
    fn leave(&mut self) {
        if let Some(lobby) = self.lobby.take() {
            self.shared.lobby.leave(lobby);
        }
        if let Some(id) = self.id.take() {
            let outputs = mem::take(&mut self.outputs);
            self.shared.hub.leave(id, Arc::clone(&self.outbox), outputs);
        }
    }

    /// Sends what is left, and ends the connection in order.
    async fn say_goodbye(&mut self) {
        let Some(End { code, reason, .. }) = self.end.take() else {
            return;
        };
        debug!(?code, reason, "closing");
        if self.is_websocket {
            put_close(&mut self.out, code, &reason);
        }
        let last = async {
            self.stream.write_all(&self.out[self.sent..]).await?;
            self.stream.flush().await?;
            self.stream.shutdown().await?;
            let drain = async {
                let mut scrap = vec![0; 4096];
                while self.stream.read(&mut scrap).await? > 0 {}
                io::Result::Ok(())
            };
            // The peer may go at any time, and has nothing more to say that matters.
            let _ = time::timeout(LINGER, drain).await;
            io::Result::Ok(())
        };
        let _ = time::timeout(self.shared.config.drain_timeout, last).await;
    }
}

/// What nobody can guess.
fn token() -> String {
    let mut bytes = [0; 16];
    OsRng.fill_bytes(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Waits for the server to stop.
pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the server is gone, which is the same.
    drop(stopping.wait_for(|stop| *stop).await);
}
