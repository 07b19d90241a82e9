//! A session: a client that comes by many requests, and the one connection that the server sees.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{self, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf},
    sync::{Notify, OwnedSemaphorePermit, futures::OwnedNotified},
    time::{self, Instant},
};

use super::{
    frames::{self, Messages, Next},
    strings::Broken,
};
use crate::{
    connection::{self, Shared},
    peer::Via,
};

/// How long a session waits for a client that has no request here to receive by.
const IDLE: Duration = Duration::from_secs(5);

/// Bytes on their way between a session and its connection, each way.
pub(super) const PIPE: usize = 64 << 10;

/// A client is told of a session's end by this code where the server gave none.
const GONE: (u16, &str) = (3000, "Go away!");

/// A response was cut off: what was in it is lost.
const INTERRUPTED: (u16, &str) = (1002, "Connection interrupted");

/// The sessions of clients that come by requests, by their ids.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<HashMap<Box<str>, Arc<Session>>>);

/// As many sessions are here as may be connections.
#[derive(Debug)]
pub(super) struct Full;

impl Sessions {
    pub(super) fn get(&self, id: &str) -> Option<Arc<Session>> {
        self.lock().get(id).map(Arc::clone)
    }

    /// The session of an id, which begins with this if there is none.
    pub(super) fn get_or_begin(
        &self,
        shared: &Arc<Shared>,
        id: &str,
        via: impl FnOnce() -> Via,
        permit: &Arc<OwnedSemaphorePermit>,
    ) -> Result<Arc<Session>, Full> {
        let mut all = self.lock();
        if let Some(session) = all.get(id) {
            return Ok(Arc::clone(session));
        }
        if all.len() >= shared.config.max_connections {
            return Err(Full);
        }
        let (near, far) = io::duplex(PIPE);
        let session = Arc::new(Session::new(far));
        all.insert(id.into(), Arc::clone(&session));
        let (via, permit) = (via(), Arc::clone(permit));
        tokio::spawn(serve(Arc::clone(shared), near, via, permit));
        tokio::spawn(keep(Arc::clone(shared), id.into(), Arc::clone(&session)));
        Ok(session)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Arc<Session>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(
    shared: Arc<Shared>,
    near: DuplexStream,
    via: Via,
    permit: Arc<OwnedSemaphorePermit>,
) {
    connection::serve(shared, near, via, None, Vec::new()).await;
    drop(permit);
}

/// Ends a session that nobody has asked for in a while.
async fn keep(shared: Arc<Shared>, id: Box<str>, session: Arc<Session>) {
    loop {
        let (changed, idle_since) = session.state();
        match idle_since {
            None => changed.await,
            Some(since) => {
                if time::timeout_at(since + IDLE, changed).await.is_err() {
                    break;
                }
            }
        }
    }
    shared.sockjs.lock().remove(&id);
    session.end(GONE.0, GONE.1).await;
}

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    receiving: Mutex<Receiving>,
    /// Taken for the length of a request, which comes whole that way; none: the session is over.
    sending: tokio::sync::Mutex<Option<WriteHalf<DuplexStream>>>,
    /// Requests to receive by come and go.
    changed: Arc<Notify>,
    /// It is over.
    over: Notify,
}

#[derive(Debug)]
struct Receiving {
    /// None: the session is over.
    messages: Option<Messages<ReadHalf<DuplexStream>>>,
    is_open: bool,
    /// None: there is a request to receive by.
    idle_since: Option<Instant>,
    closed: (u16, String),
}

impl Session {
    fn new(far: DuplexStream) -> Self {
        let (reader, writer) = io::split(far);
        Self {
            receiving: Mutex::new(Receiving {
                messages: Some(Messages::new(reader)),
                is_open: false,
                idle_since: Some(Instant::now()),
                closed: (GONE.0, GONE.1.into()),
            }),
            sending: tokio::sync::Mutex::new(Some(writer)),
            changed: Arc::default(),
            over: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Receiving> {
        self.receiving
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when nobody receives, and what tells that this has changed.
    fn state(&self) -> (OwnedNotified, Option<Instant>) {
        let receiving = self.lock();
        // Under the lock: a change from now on is told.
        let changed = Arc::clone(&self.changed).notified_owned();
        (changed, receiving.idle_since)
    }

    /// A request comes to receive by. False: there is one already.
    pub(super) fn attach(&self) -> bool {
        let was_idle = self.lock().idle_since.take().is_some();
        self.changed.notify_waiters();
        was_idle
    }

    /// It has ended in order.
    pub(super) fn detach(&self) {
        self.lock().idle_since = Some(Instant::now());
        self.changed.notify_waiters();
    }

    /// It was cut off. What was on its way is lost, so the session is, too.
    pub(super) fn interrupt(&self) {
        self.close(&mut self.lock(), INTERRUPTED.0, INTERRUPTED.1.into());
        self.detach();
        // Who holds it drops what is in it.
        if let Ok(mut sending) = self.sending.try_lock() {
            *sending = None;
        }
    }

    /// Ends it: its connection is lost, and its client is told by that code.
    pub(super) async fn end(&self, code: u16, reason: &str) {
        self.close(&mut self.lock(), code, reason.into());
        *self.sending.lock().await = None;
    }

    fn close(&self, receiving: &mut Receiving, code: u16, reason: String) {
        if receiving.messages.take().is_some() {
            receiving.closed = (code, reason);
            self.over.notify_waiters();
        }
    }

    fn is_over(&self) -> bool {
        self.lock().messages.is_none()
    }

    /// The frame that a request receives next, and whether it is the last one.
    pub(super) fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<(String, bool)> {
        let mut receiving = self.lock();
        if !receiving.is_open {
            receiving.is_open = true;
            return Poll::Ready((frames::OPEN.into(), false));
        }
        if let Some(messages) = &mut receiving.messages {
            match ready!(messages.poll_next(cx)) {
                Next::Texts(texts) => return Poll::Ready((frames::messages(&texts), false)),
                Next::Close(end) => {
                    let (code, reason) = end.unwrap_or_else(|| (GONE.0, GONE.1.into()));
                    self.close(&mut receiving, code, reason);
                }
            }
        }
        let (code, reason) = &receiving.closed;
        Poll::Ready((frames::close(*code, reason), true))
    }

    /// The way to its connection, for one request at a time.
    pub(super) async fn sender(&self) -> Sender<'_> {
        Sender {
            session: self,
            writer: self.sending.lock().await,
        }
    }
}

/// The way from a request to its session's connection.
pub(super) struct Sender<'a> {
    session: &'a Session,
    writer: tokio::sync::MutexGuard<'a, Option<WriteHalf<DuplexStream>>>,
}

/// Why a request's messages don't get there.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unsent {
    /// There is nothing in it.
    Empty,
    /// It is not JSON of strings, or not UTF-8; `begun`: some of it is there.
    Broken { begun: bool },
    /// The connection is over.
    Over,
}

impl Sender<'_> {
    /// Hands STOMP's bytes over as soon as there is room. A character that has only begun stays.
    pub(super) async fn send(&mut self, bytes: &mut Vec<u8>) -> Result<(), Unsent> {
        let over = self.session.over.notified();
        let Some(writer) = self.writer.as_mut().filter(|_| !self.session.is_over()) else {
            return Err(Unsent::Over);
        };
        let frame = frames::take_masked(bytes);
        let frame = frame.map_err(|Broken| Unsent::Broken { begun: true })?;
        tokio::select! {
            written = writer.write_all(&frame) => written.map_err(|_| Unsent::Over),
            () = over => Err(Unsent::Over),
        }
    }
}

impl Drop for Sender<'_> {
    fn drop(&mut self) {
        if self.session.is_over() {
            *self.writer = None;
        }
    }
}
