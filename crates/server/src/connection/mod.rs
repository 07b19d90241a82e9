//! One client: its session, its socket, and its way to the broker.

mod incoming;
mod outgoing;
mod relay;

use std::{
    cell::RefCell,
    collections::VecDeque,
    future::Future,
    io, mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use serde_json::json;
use stompbox_broker::{Command, ConnectionId, Identity, Output, Template};
use stompbox_proto::{
    Decoder, Version,
    server::{self, Session},
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
    events::connection_id,
    gateway::{self, Failure, Gateway},
    hub::{Hub, Outbox},
    peer::{Census, Via},
    sockjs::Sessions,
    users::{Principal, Users},
    websocket::{CloseCode, WebSocket, put_close},
};

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) hub: Hub,
    pub(crate) users: Users,
    pub(crate) acl: Arc<Acl>,
    /// Other brokers stand behind, and the engine only hands out what comes of their topics.
    pub(crate) gateway: Option<Arc<Gateway>>,
    /// The moment that all times count from.
    pub(crate) epoch: Instant,
    /// Distinguishes message ids of this run of the server from those of others.
    pub(crate) run: String,
    /// How much went over all connections, and who is there.
    pub(crate) census: Census,
    /// Connections that have not logged in; the hub knows the others.
    pub(crate) lobby: Lobby,
    /// Clients that come by many requests.
    pub(crate) sockjs: Sessions,
    /// When the server started, in milliseconds since 1970.
    pub(crate) started: u64,
    /// The server is about to stop.
    pub(crate) draining: AtomicBool,
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

/// Bytes that compressed messages may come to in one go.
const INFLATED: usize = 256 << 10;

/// Bytes that a client may send behind its `CONNECT` before that is answered. More than one read
/// brings can only come of compressed messages.
const MOST_HELD: usize = 256 << 10;

/// A pause for a producer whose topic has a subscriber that falls behind.
const BRIEF: Duration = Duration::from_millis(1);

/// How long a producer waits before it looks again whether there is memory.
const PRESSED: Duration = Duration::from_millis(10);

/// Bytes of a producer's messages that are read ahead while memory is short. What is behind them may
/// be what gives memory back.
const AHEAD: usize = 64 << 10;

/// How long they wait. Then they are tried, so that no client waits for itself for ever: behind
/// more than that it may have a `SUBSCRIBE`.
const PATIENCE: Duration = Duration::from_secs(10);

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

type Login = Pin<Box<dyn Future<Output = Result<Entry, Failure>> + Send>>;

/// Who may come in.
enum Entry {
    Broker(Principal),
    Gateway(gateway::Admitted),
}

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
    /// Behind a gateway, from the login on.
    relay: Option<Box<gateway::Client>>,
    /// The receipt of a `DISCONNECT`, which waits until brokers have all that was sent.
    bye: Option<Box<str>>,
    /// What came behind a `CONNECT` that is being decided.
    held: Vec<u8>,
    /// A WebSocket's bytes that were read and have their turn before more is: what compressed
    /// messages before them came to was enough.
    behind: Vec<u8>,
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
    /// Messages that came and are not counted yet.
    arrived: u64,
    /// Bytes of commands that wait for memory, and since when.
    ahead: usize,
    waiting_since: Option<Duration>,
    /// The session has ended by itself: this goes out last, when the broker has said goodbye.
    last_words: Option<(Vec<u8>, CloseCode, String)>,
    quitting: bool,
    /// Behind a gateway: by when brokers must have confirmed what a client that goes has sent.
    quit_by: Option<Duration>,
    /// It has sent its last byte while it waits for that, or for brokers to take more.
    half_closed: bool,
    /// What came while brokers took nothing.
    early: Vec<u8>,
    /// By when they must take something again of a client that has closed.
    gone_by: Option<Duration>,
    /// The server's stop is taken into account in that.
    drains: bool,
    /// A frame was refused behind a gateway: the `ERROR` is on its way, and nothing behind it is done.
    refused: bool,
    end: Option<End>,
}

/// Serves a client until it goes or is told to. `first`: bytes of it that were read already.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send>(
    shared: Arc<Shared>,
    stream: S,
    via: Via,
    subprotocol: Option<Version>,
    mut first: Vec<u8>,
) {
    let config = server::Config {
        heart_beat: shared.config.heart_beat,
        connect_timeout: shared.config.connect_timeout,
        subprotocol,
        ..server::Config::default()
    };
    let (websocket, deflate) = (via.transport.is_websocket(), via.deflate);
    let outbox = Arc::new(Outbox::new(via));
    let lobby = shared.lobby.enter(Arc::clone(&outbox));
    let limits = &shared.config.limits;
    let mut connection = Connection {
        is_websocket: websocket,
        websocket: websocket.then(|| Box::new(WebSocket::new(limits, deflate))),
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
        relay: None,
        bye: None,
        held: Vec::new(),
        behind: Vec::new(),
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
        arrived: 0,
        ahead: 0,
        waiting_since: None,
        last_words: None,
        quitting: false,
        quit_by: None,
        half_closed: false,
        early: Vec::new(),
        gone_by: None,
        drains: false,
        refused: false,
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
            progress |= self.take_mail();
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
            } else if self.quit_by.is_some() {
                progress |= self.poll_farewell(cx);
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

    /// So little waits for the client that more of it may be read.
    fn has_room(&self) -> bool {
        let waits = self.out.len() - self.sent;
        waits < READ_PAUSE && (waits < BATCH || waits + self.receipts_size() < READ_PAUSE)
    }

    fn may_read(&self) -> bool {
        self.has_room()
            && self.login.is_none()
            && self.pause.is_none()
            && !self.quitting
            && !self.refused
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.wait_for_brokers() {
            return self.poll_early(cx);
        }
        if self.half_closed || !self.early.is_empty() {
            return self.take_early();
        }
        if self.sends && self.shared.hub.is_pressed() {
            // A client that also consumes must be heard, or it could never give memory back.
            self.pause = Some(self.now() + PRESSED);
            if !self.subscribes && self.ahead >= AHEAD {
                return Poll::Ready(Ok(()));
            }
        }
        if !self.behind.is_empty() {
            let mut behind = mem::take(&mut self.behind);
            self.receive(&mut behind);
            self.submit();
            return Poll::Ready(Ok(()));
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

    fn submit(&mut self) {
        if self.drained > 0 && (self.out.is_empty() || self.drained > BATCH / 2) {
            self.commands
                .push(Command::Drained(mem::take(&mut self.drained)));
        }
        if self.sends && !self.subscribes && self.relay.is_none() {
            if self.shared.hub.is_pressed() && self.waits_for_memory() {
                return;
            }
            self.ahead = 0;
            self.waiting_since = None;
        }
        if let Some(id) = self.id {
            self.shared.hub.submit(id, &mut self.commands);
        }
    }

    /// While memory is short, messages of a client that does not consume stay here. Whatever else it
    /// sends goes on, and takes with it what was before: it may make the client a consumer, or end
    /// what it holds.
    fn waits_for_memory(&mut self) -> bool {
        let now = self.now();
        let only_sends = |command: &Command| matches!(command, Command::Send { .. });
        if self.end.is_some()
            || self.commands.is_empty()
            || !self.commands.iter().all(only_sends)
            || self
                .waiting_since
                .get_or_insert(now)
                .saturating_add(PATIENCE)
                <= now
        {
            return false;
        }
        self.ahead = self.commands.iter().map(Command::size).sum();
        self.pause.get_or_insert(now + PRESSED);
        true
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
            if self.relay.is_some() && (self.refused || !self.has_room()) {
                // What is not read can't be heard: whoever is slow is judged by what it takes.
                self.session.heard(now);
            }
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
        if self.quit_by.is_some_and(|by| by <= now) {
            self.give_up_farewell();
            return true;
        }
        if self.gone_by.is_some_and(|by| by <= now) {
            debug!("the client has closed, and brokers take nothing");
            self.end_as_gone();
            return true;
        }
        let session = self.session.poll_timeout().filter(|_| !self.quitting);
        let waits = [self.pause, self.write_by, self.quit_by, self.gone_by];
        let next = waits.into_iter().chain([session]).flatten().min();
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
        self.relay = None;
        if let Some(lobby) = self.lobby.take() {
            self.shared.lobby.leave(lobby);
        }
        if let Some(id) = self.id.take() {
            self.tell_end(id);
            let outputs = mem::take(&mut self.outputs);
            self.shared.hub.leave(id, Arc::clone(&self.outbox), outputs);
        }
    }

    /// Tells those who watch that the client is gone, and why.
    fn tell_end(&self, id: ConnectionId) {
        let peer = &self.outbox.peer;
        // As it was when it came in: a session that is over has no version.
        if let Some(about) = peer.about.get() {
            let transport = peer.via.transport;
            self.shared.census.leave(transport, about.version);
        }
        self.shared.hub.tell("disconnected", || {
            let reason = match &self.end {
                Some(end) if end.gone => "the connection was lost",
                Some(end) if !end.reason.is_empty() => &end.reason,
                _ => "the client disconnected",
            };
            json!({
                "connection": connection_id(&self.shared.run, id),
                "user": self.identity.login,
                "reason": reason,
            })
        });
    }

    /// Tells those who watch of an error that ends the connection.
    fn tell_error(&self, code: &str, message: &str) {
        self.shared.hub.tell("error", || {
            json!({
                "connection": self.id.map(|id| connection_id(&self.shared.run, id)),
                "remote": self.outbox.peer.via.remote,
                "code": code,
                "message": message,
            })
        });
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

/// Waits for the server to stop.
pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the server is gone, which is the same.
    drop(stopping.wait_for(|stop| *stop).await);
}
