//! One connection to a broker: made, kept, and made again, with all that clients have on it.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use stompbox_broker::{Command, ConnectionId, Output};
use stompbox_proto::{
    Command as Verb, ContentLength, Decoder, Dialect, FrameRef, Limits, Version, client, encode,
};
use tokio::{
    io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _, ReadBuf},
    sync::{OwnedSemaphorePermit, oneshot},
    time,
};
use tracing::{debug, info, warn};

use super::{
    Gateway,
    config::{OnLoss, UpstreamKind},
    kind,
    mail::Failure,
    pace::{Pace, Taken},
    servers::{Io, jittered},
    skip::{self, Skip, Skipped},
    state::State,
    topics::Topic,
};
use crate::{connection::Shared, hub::Outbox};

/// Bytes that wait for a broker, from which on nothing more is read from clients that send to it.
pub(super) const CONGESTED: usize = 1 << 20;

/// The longest wait between two attempts.
const LONGEST: Duration = Duration::from_secs(2);

/// Within which time shared connections are made to a broker that is found to be back.
const SOON: Duration = Duration::from_millis(200);

/// The same for those of clients, of which there may be thousands: a broker takes only so many at once.
const SPREAD: Duration = Duration::from_secs(3);

/// How long a broker that is back may refuse logins that it took before.
const STARTING: Duration = Duration::from_secs(5);

/// Reads in a row before others get their turn.
const TURN: usize = 16;

/// A pause where clients that get a topic's messages fall behind.
const BRIEF: Duration = Duration::from_millis(1);

/// With whose login a connection is made.
#[derive(Clone, Default)]
pub(super) struct Identity {
    /// The user of the gateway's whose it is, where the login is the gateway's.
    pub(super) owner: Option<String>,
    /// The client's own, where it counts.
    pub(super) host: Option<String>,
    pub(super) login: Option<String>,
    pub(super) passcode: Option<String>,
    /// Further headers of `CONNECT`.
    pub(super) headers: Vec<(String, String)>,
}

/// A connection to a broker, as clients see it.
#[derive(Debug)]
pub(crate) struct Link {
    state: Mutex<State>,
    /// What [`State::backlog`] gives.
    backlog: AtomicUsize,
    max_held: usize,
    /// Its client is so slow that nothing is read for it.
    stalled: AtomicBool,
    /// How often it was lost.
    pub(super) losses: AtomicU64,
    /// How its first attempt ended.
    pub(super) is_up: AtomicBool,
}

/// The lock of a link's state. When it is given back the connection's task is told of what there is
/// to write.
pub(super) struct Work<'a> {
    link: &'a Link,
    state: MutexGuard<'a, State>,
}

impl std::ops::Deref for Work<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl std::ops::DerefMut for Work<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        let backlog = self.state.backlog();
        self.link.backlog.store(backlog, Ordering::Relaxed);
        if (!self.state.out.is_empty() || self.state.is_closing)
            && let Some(waker) = self.state.waker.take()
        {
            waker.wake();
        }
    }
}

impl Link {
    pub(super) fn new(gateway: &Gateway, is_own: bool) -> Self {
        let config = &gateway.config;
        Self {
            state: Mutex::new(State::new(config.kind, is_own, config.max_waiting)),
            backlog: AtomicUsize::new(0),
            max_held: config.max_held,
            stalled: AtomicBool::new(false),
            losses: AtomicU64::new(0),
            is_up: AtomicBool::new(false),
        }
    }

    pub(super) fn work(&self) -> Work<'_> {
        Work {
            state: self.lock(),
            link: self,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// More waits for the broker than it takes.
    pub(super) fn is_congested(&self) -> bool {
        let backlog = self.backlog.load(Ordering::Relaxed);
        backlog > CONGESTED && (self.is_up.load(Ordering::Relaxed) || backlog > self.max_held)
    }

    /// Its client has taken what waited for it.
    pub(super) fn taken(&self) {
        if self.stalled.swap(false, Ordering::AcqRel)
            && let Some(waker) = self.lock().waker.take()
        {
            waker.wake();
        }
    }

    pub(super) fn subscribe_topic(
        &self,
        destination: &str,
        extra: Option<(&'static str, &'static str)>,
        topic: &Arc<Topic>,
    ) -> u64 {
        self.work().subscribe_topic(destination, extra, topic)
    }

    pub(super) fn unsubscribe_topic(&self, number: u64) {
        self.work().unsubscribe_topic(number);
    }

    /// Nobody uses it any more: it ends when all is sent.
    pub(super) fn close(&self) {
        self.work().is_closing = true;
    }

    /// An attempt has failed. False: there is to be no other.
    fn bears(&self, refused: &Refused, is_shared: bool, gateway: &Gateway) -> bool {
        let mut state = self.work();
        if state.is_closing {
            return false;
        }
        // An own login that was good and is not any more. A broker that is only just starting may know
        // nobody yet.
        let is_settled = |since: Instant| since.elapsed() > STARTING;
        if !is_shared && refused.is_final && state.down_since.is_some_and(is_settled) {
            state.fail_all(&refused.failure);
            return false;
        }
        let limit = gateway.config.hold_timeout;
        let is_over = |since: Option<Instant>| since.is_some_and(|it| it.elapsed() > limit);
        if is_over(state.held_since) {
            state.give_up(refused.failure.detail.trim_end().trim_end_matches('.'));
        }
        if is_over(state.down_since) && gateway.config.on_loss == OnLoss::Close {
            state.fail_all(&refused.failure);
        }
        true
    }

    /// The connection is gone. False: nobody needs another.
    fn lose(&self, gateway: &Gateway) -> bool {
        let mut state = self.work();
        state.lost(gateway.config.on_loss == OnLoss::Close);
        if !state.is_own {
            for destination in std::mem::take(&mut state.declared) {
                gateway.quarantine.add(&destination);
            }
        }
        !state.is_closing
    }

    /// Clients on it, and subscriptions at the broker.
    pub(super) fn counts(&self) -> (usize, usize) {
        let state = self.lock();
        (state.members.len(), state.subscriptions())
    }
}

/// Who waits for the first attempt.
pub(super) type First = oneshot::Sender<Result<Version, Failure>>;

/// Whose a connection is.
pub(super) enum Use {
    /// Many clients', who get what comes for topics from the engine.
    Shared(Arc<Shared>),
    /// One client's, as one of so many as there may be.
    Own(OwnedSemaphorePermit),
}

/// The engine, which sees a shared link as a producer.
struct Engine {
    shared: Arc<Shared>,
    id: ConnectionId,
    outbox: Arc<Outbox>,
}

/// Keeps a connection to one of the brokers, until nobody uses it.
pub(super) async fn run(
    gateway: Arc<Gateway>,
    link: Arc<Link>,
    identity: Identity,
    mut first: Option<First>,
    used: Use,
) {
    let (engine, _permit) = match used {
        Use::Shared(shared) => {
            let outbox = Arc::new(Outbox::default());
            let id = shared.hub.connect(Default::default(), &outbox);
            let engine = Engine { shared, id, outbox };
            (Some(engine), None)
        }
        Use::Own(permit) => (None, Some(permit)),
    };
    let is_shared = engine.is_some();
    let within = if is_shared { SOON } else { SPREAD };
    let mut wait = Duration::from_millis(100);
    loop {
        let mut wire = match open(&gateway, &identity).await {
            Ok(wire) => wire,
            Err(refused) => {
                let reason = refused.failure.detail.trim_end();
                if is_shared {
                    warn!(reason, "no connection to a broker");
                } else {
                    // There may be thousands of them.
                    debug!(reason, "no connection to a broker for a client");
                }
                if let Some(first) = first.take() {
                    // Whoever asked may have gone.
                    let _ = first.send(Err(refused.failure));
                    return;
                }
                if !link.bears(&refused, is_shared, &gateway) {
                    return;
                }
                gateway.servers.wait(wait, within).await;
                wait = (wait * 2).min(LONGEST);
                continue;
            }
        };
        wait = Duration::from_millis(100);
        let version = wire.version;
        link.work().connected(version);
        link.is_up.store(true, Ordering::Relaxed);
        if let Some(first) = first.take() {
            let _ = first.send(Ok(version));
        }
        if is_shared {
            info!(server = %wire.server, %version, "connected to a broker");
        }
        let ended = std::future::poll_fn(|cx| wire.poll(cx, &link, engine.as_ref())).await;
        if ended == Ended::Closed {
            wire.close().await;
            link.is_up.store(false, Ordering::Relaxed);
            return;
        }
        link.is_up.store(false, Ordering::Relaxed);
        link.losses.fetch_add(1, Ordering::Relaxed);
        if is_shared {
            warn!(server = %wire.server, reason = %wire.reason, "a connection to a broker was lost");
        } else {
            debug!(server = %wire.server, reason = %wire.reason, "a client's connection was lost");
        }
        if !link.lose(&gateway) {
            return;
        }
        // At once, but not all in the same moment.
        time::sleep(jittered(Duration::from_millis(50))).await;
    }
}

/// A connection that could not be made.
struct Refused {
    failure: Failure,
    /// The broker takes no such login.
    is_final: bool,
}

impl Refused {
    fn unavailable(why: &str) -> Self {
        Self {
            failure: Failure::unavailable(why, None),
            is_final: false,
        }
    }
}

/// Opens a connection to one of the brokers, up to `CONNECTED`. One that is silent, or not there, is
/// passed over.
async fn open(gateway: &Arc<Gateway>, identity: &Identity) -> Result<Wire, Refused> {
    let within = gateway.config.connect_timeout;
    let mut problem = None;
    for at in gateway.servers.turn() {
        if let Err(last) = gateway.servers.may_try(at, within) {
            problem.get_or_insert(last);
            continue;
        }
        let attempt = time::timeout(within, open_at(gateway, identity, at)).await;
        let why = match attempt {
            Ok(Ok(wire)) => {
                gateway.servers.works(at);
                return Ok(wire);
            }
            Ok(Err(Unopened::Refused(failure))) => {
                // It is there, but does not take this login.
                gateway.servers.works(at);
                return Err(Refused {
                    failure,
                    is_final: true,
                });
            }
            Ok(Err(Unopened::Login)) => {
                let why = "the login can't be written in a CONNECT";
                return Err(Refused::unavailable(why));
            }
            Ok(Err(Unopened::Failed(why))) => why,
            Err(_) => format!("it does not answer within {} ms", within.as_millis()),
        };
        let why = format!("{}: {why}", gateway.servers.name(at));
        gateway.servers.failed(at, &why);
        problem = Some(why);
    }
    let problem = problem.as_deref().unwrap_or("there is none");
    Err(Refused::unavailable(problem))
}

/// Why a broker gives no connection.
enum Unopened {
    Failed(String),
    /// It takes no such login.
    Refused(Failure),
    /// It was not even tried.
    Login,
}

impl<E: std::error::Error> From<E> for Unopened {
    fn from(error: E) -> Self {
        Self::Failed(error.to_string())
    }
}

async fn open_at(gateway: &Arc<Gateway>, identity: &Identity, at: usize) -> Result<Wire, Unopened> {
    let epoch = Instant::now();
    let config = client::Config {
        host: Some(match &identity.host {
            Some(host) => host.clone(),
            None => gateway.host(at).to_owned(),
        }),
        login: identity.login.clone(),
        passcode: identity.passcode.clone(),
        heart_beat: gateway.config.heart_beat,
        headers: identity.headers.clone(),
        connect_timeout: None,
        ..client::Config::default()
    };
    let mut session = client::Session::new(config, Duration::ZERO).map_err(|_| Unopened::Login)?;
    let mut io = gateway.servers.dial(at).await?;
    while let Some(frame) = session.poll_transmit() {
        io.write_all(&frame).await?;
    }
    io.flush().await?;
    let mut decoder = Decoder::new(gateway.limits.clone());
    let mut input = vec![0; 64 << 10];
    loop {
        let count = io.read(&mut input).await?;
        if count == 0 {
            let why = "it closed the connection before CONNECTED";
            return Err(Unopened::Failed(why.to_owned()));
        }
        let mut bytes = &input[..count];
        let Some(frame) = decoder.decode(&mut bytes, session.dialect())? else {
            continue;
        };
        match session.receive(&frame, epoch.elapsed()) {
            Ok(client::Event::Connected { version, .. }) => {
                let rest = bytes.to_vec();
                return Ok(Wire {
                    io,
                    session,
                    decoder,
                    limits: gateway.limits.clone(),
                    skip: None,
                    epoch,
                    version,
                    server: gateway.servers.name(at),
                    gateway: Arc::clone(gateway),
                    input,
                    rest,
                    out: Vec::new(),
                    sent: 0,
                    dirty: false,
                    timer: Box::pin(time::sleep(Duration::from_secs(3600))),
                    pause: None,
                    pace: Pace::new(),
                    stalled: false,
                    reason: String::new(),
                });
            }
            Ok(client::Event::Error { frame }) => {
                let message = frame.header("message").unwrap_or_default();
                let message = match message.is_empty() {
                    true => "the broker refuses the connection".to_owned(),
                    false => message.chars().take(500).collect(),
                };
                let body = String::from_utf8_lossy(frame.body());
                return Err(Unopened::Refused(Failure {
                    message,
                    detail: body.chars().take(2000).collect(),
                    code: "refused",
                    retry: "never",
                    receipt: None,
                }));
            }
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// Nobody uses it any more, and all is sent.
    Closed,
    Lost,
}

/// A connection while there is one.
struct Wire {
    io: Box<dyn Io>,
    session: client::Session,
    decoder: Decoder,
    limits: Limits,
    /// A message that is passed over, and why.
    skip: Option<(Skip, String)>,
    /// When the session's time began.
    epoch: Instant,
    version: Version,
    server: String,
    gateway: Arc<Gateway>,
    input: Vec<u8>,
    /// What came right behind `CONNECTED`.
    rest: Vec<u8>,
    out: Vec<u8>,
    sent: usize,
    dirty: bool,
    timer: Pin<Box<time::Sleep>>,
    /// Until when nothing is read.
    pause: Option<Duration>,
    pace: Pace,
    /// Nothing is read until a slow client has taken more.
    stalled: bool,
    reason: String,
}

impl Wire {
    fn poll(&mut self, cx: &mut Context<'_>, link: &Link, engine: Option<&Engine>) -> Poll<Ended> {
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            if let Err(error) = self.take(&rest, link, engine) {
                return self.lost(error);
            }
        }
        for _ in 0..TURN {
            let mut progress = false;
            let closing = self.fill(cx, link);
            match self.poll_write(cx) {
                Ok(wrote) => progress |= wrote,
                Err(error) => return self.lost(error.to_string()),
            }
            if closing && self.out.is_empty() && !self.dirty {
                return Poll::Ready(Ended::Closed);
            }
            let stalled = engine.is_none() && self.is_stalled(link);
            if self.stalled || stalled {
                // What is not read can't be heard; and what was not may still be on its way.
                self.session.heard(self.epoch.elapsed());
                self.stalled = stalled;
            }
            if self.pause.is_none() && !stalled {
                match self.poll_read(cx) {
                    Poll::Ready(Ok(0)) => return self.lost("it closed the connection".to_owned()),
                    Poll::Ready(Ok(count)) => {
                        progress = true;
                        let input = std::mem::take(&mut self.input);
                        let taken = self.take(&input[..count], link, engine);
                        let is_full = count == input.len();
                        self.input = input;
                        let gathers = taken.and_then(|taken| self.gather(taken, is_full));
                        if let Err(error) = gathers {
                            return self.lost(error);
                        }
                    }
                    Poll::Ready(Err(error)) => return self.lost(error.to_string()),
                    Poll::Pending => {}
                }
            }
            match self.poll_timer(cx) {
                Ok(rang) => progress |= rang,
                Err(error) => return self.lost(error),
            }
            if !progress {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn lost(&mut self, reason: String) -> Poll<Ended> {
        self.reason = reason;
        Poll::Ready(Ended::Lost)
    }

    /// Takes what is to be sent. True: nobody uses the connection any more.
    fn fill(&mut self, cx: &Context<'_>, link: &Link) -> bool {
        let mut state = link.lock();
        match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        if self.out.is_empty() && !state.out.is_empty() {
            std::mem::swap(&mut self.out, &mut state.out);
            link.backlog.store(state.backlog(), Ordering::Relaxed);
        }
        state.is_closing && state.out.is_empty()
    }

    fn is_stalled(&self, link: &Link) -> bool {
        if !link.lock().is_stalled() {
            return false;
        }
        link.stalled.store(true, Ordering::Release);
        // It may have taken everything just before.
        link.lock().is_stalled()
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut progress = false;
        while self.sent < self.out.len() {
            match Pin::new(&mut self.io).poll_write(cx, &self.out[self.sent..])? {
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(count) => {
                    self.sent += count;
                    self.dirty = true;
                    progress = true;
                }
                Poll::Pending => return Ok(progress),
            }
        }
        if !self.out.is_empty() {
            self.out.clear();
            self.sent = 0;
            if self.out.capacity() > 4 * CONGESTED {
                self.out = Vec::new();
            }
            self.session.sent(self.epoch.elapsed());
        }
        if self.dirty && Pin::new(&mut self.io).poll_flush(cx)?.is_ready() {
            self.dirty = false;
        }
        Ok(progress)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(&mut self.input);
        match Pin::new(&mut self.io).poll_read(cx, &mut buffer) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(buffer.filled().len())),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Frames came by a read. `is_full`: there is more.
    fn gather(&mut self, taken: Taken, is_full: bool) -> Result<(), String> {
        let now = self.epoch.elapsed();
        if let Some(wait) = self.pace.took(taken, now)
            && !is_full
        {
            self.pause.get_or_insert(now + wait);
            self.io.doze().map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Takes bytes of the broker's. Gives what ended in them.
    fn take(
        &mut self,
        mut input: &[u8],
        link: &Link,
        engine: Option<&Engine>,
    ) -> Result<Taken, String> {
        self.session.heard(self.epoch.elapsed());
        let dialect = Dialect::from(self.version);
        let mut work = link.work();
        let mut frames = 0;
        loop {
            if self.skip.is_some() && !self.pass_over(&mut input, &mut work)? {
                break;
            }
            let frame = match self.decoder.decode(&mut input, dialect) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) if error.is_limit() => {
                    let mut skip = Skip::default();
                    let mut before = self.decoder.unfinished();
                    if skip.take(&mut before) != Skipped::Not {
                        return Err(error.to_string());
                    }
                    self.skip = Some((skip, error.to_string()));
                    self.decoder = Decoder::new(self.limits.clone());
                    continue;
                }
                Err(error) => return Err(error.to_string()),
            };
            frames += 1;
            match frame.command() {
                Verb::Message => work.message(&frame),
                Verb::Receipt => work.receipt(&frame),
                Verb::Error => {
                    Self::learn(&self.gateway, &frame, &mut work);
                    if !work.error(&frame) {
                        let message = frame.header("message").unwrap_or_default();
                        warn!(server = %self.server, %message, "an ERROR that is nobody's");
                    }
                }
                // A second CONNECTED, or what no version has.
                _ => {
                    debug!(server = %self.server, command = frame.command_text(), "unexpected frame");
                }
            }
        }
        for destination in std::mem::take(&mut work.declared) {
            self.gateway.quarantine.add(&destination);
        }
        let mut commands: Vec<Command> = std::mem::take(&mut work.publish);
        let deliveries = frames + std::mem::take(&mut work.fanned_out);
        drop(work);
        if let Some(engine) = engine
            && !commands.is_empty()
        {
            engine.shared.hub.submit(engine.id, &mut commands);
            let mut outputs = Default::default();
            engine.outbox.take(&mut outputs);
            if outputs.iter().any(|output| matches!(output, Output::Pause)) {
                self.pause = Some(self.epoch.elapsed() + BRIEF);
            }
        }
        Ok(Taken { frames, deliveries })
    }

    /// RabbitMQ tells by name which queue it closes the connection for.
    fn learn(gateway: &Gateway, frame: &FrameRef<'_>, state: &mut State) {
        if state.is_own || state.kind != UpstreamKind::Rabbitmq {
            return;
        }
        let body = String::from_utf8_lossy(frame.body());
        if let Some(queue) = kind::queue_at_fault(&body) {
            state.refuse_destination(&queue, &body);
            gateway.quarantine.add(&queue);
        }
    }

    /// Passes over a message that is beyond the limits: one that comes again with each new connection
    /// must not end them all. True: that is done.
    fn pass_over(&mut self, input: &mut &[u8], work: &mut Work<'_>) -> Result<bool, String> {
        let Some((skip, why)) = &mut self.skip else {
            return Ok(true);
        };
        match skip.take(input) {
            Skipped::Not => return Ok(false),
            Skipped::Never => return Err(std::mem::take(why)),
            Skipped::Whole => {}
        }
        let (head, mut decoder) = (skip.frame(), skip::decoder());
        match decoder.decode(&mut &*head, Dialect::from(self.version)) {
            Ok(Some(frame)) => {
                let subscription = frame.header("subscription").unwrap_or_default();
                warn!(server = %self.server, %subscription, %why, "a message was passed over");
                work.skipped(&frame, why);
            }
            Ok(None) => {}
            Err(error) => return Err(error.to_string()),
        }
        self.skip = None;
        Ok(true)
    }

    /// Does what is due. True: something was.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Result<bool, String> {
        let now = self.epoch.elapsed();
        if let Some(until) = self.pause {
            // What is not read can't be heard.
            self.session.heard(now);
            if until <= now {
                self.pause = None;
                return Ok(true);
            }
        }
        if self.session.poll_timeout().is_some_and(|at| at <= now) {
            if self.session.handle_timeout(now).is_some() {
                return Err("it has been silent for too long".to_owned());
            }
            while let Some(frame) = self.session.poll_transmit() {
                // An EOL may stand between frames alone, and this is behind whole ones.
                self.out.extend_from_slice(&frame);
            }
            return Ok(true);
        }
        let next = [self.session.poll_timeout(), self.pause];
        let Some(next) = next.into_iter().flatten().min() else {
            return Ok(false);
        };
        let at = time::Instant::from_std(self.epoch + next);
        if self.timer.deadline() > at || self.timer.is_elapsed() {
            self.timer.as_mut().reset(at);
        }
        Ok(self.timer.as_mut().poll(cx).is_ready())
    }

    /// Ends the connection in order.
    async fn close(&mut self) {
        let mut bytes = Vec::new();
        let none: [(&str, &str); 0] = [];
        let length = ContentLength::Auto;
        let dialect = Dialect::from(self.version);
        // Without headers nothing can fail.
        let _ = encode(&mut bytes, dialect, Verb::Disconnect, none, b"", length);
        let close = async {
            self.io.write_all(&bytes).await?;
            self.io.flush().await?;
            self.io.shutdown().await
        };
        // The broker may be gone; there is nobody to tell.
        let _ = time::timeout(Duration::from_secs(5), close).await;
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}
