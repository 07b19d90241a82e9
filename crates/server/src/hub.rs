//! The one place where connections meet: the broker, and a way to each connection.
//!
//! Whoever has something for the broker and finds it free does it there and then, on its own
//! thread, and so does what others leave meanwhile: for a client's frames nobody ever waits for the
//! broker's lock. A login, the timer and the store's thread do, which are few.

use std::{
    collections::VecDeque,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use stompbox_broker::{Broker, Command, ConnectionId, Identity, Output, Time};
use tokio::sync::Notify;

use crate::{
    events::{Events, Line, describe, fields},
    gateway::Mail,
    peer::{Peer, Via},
    storage::Signal,
};

/// What waits for one connection.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    state: Mutex<Waiting>,
    /// Whose it is.
    pub(crate) peer: Peer,
}

#[derive(Debug, Default)]
struct Waiting {
    outputs: VecDeque<Output>,
    waker: Option<Waker>,
    /// What comes of other brokers than the engine.
    mail: Option<Box<Mail>>,
    /// The server is stopping.
    stopping: bool,
}

impl Outbox {
    pub(crate) fn new(via: Via) -> Self {
        Self {
            peer: Peer {
                via,
                ..Peer::default()
            },
            ..Self::default()
        }
    }

    /// How many outputs wait.
    pub(crate) fn len(&self) -> usize {
        lock(&self.state).outputs.len()
    }

    /// Moves what waits to the end of `into`, which is empty in most cases. True: the server is
    /// stopping.
    pub(crate) fn take(&self, into: &mut VecDeque<Output>) -> bool {
        let mut waiting = lock(&self.state);
        if into.is_empty() {
            mem::swap(into, &mut waiting.outputs);
        } else {
            into.append(&mut waiting.outputs);
        }
        waiting.stopping
    }

    /// Puts something in that is not of the engine's.
    pub(crate) fn post<T>(&self, write: impl FnOnce(&mut Mail) -> T) -> T {
        let mut waiting = lock(&self.state);
        let result = write(waiting.mail.get_or_insert_default());
        let waker = waiting.waker.take();
        drop(waiting);
        if let Some(waker) = waker {
            waker.wake();
        }
        result
    }

    /// Takes what is not of the engine's, in exchange for an empty one. False: there is nothing.
    pub(crate) fn take_mail(&self, into: &mut Mail) -> bool {
        let mut waiting = lock(&self.state);
        let Some(mail) = &mut waiting.mail else {
            return false;
        };
        if mail.is_empty() {
            return false;
        }
        mem::swap(&mut **mail, into);
        true
    }

    /// Bytes of what is in it that is not of the engine's.
    pub(crate) fn mail_size(&self) -> usize {
        let waiting = lock(&self.state);
        waiting.mail.as_ref().map_or(0, |mail| mail.size())
    }

    /// Bytes of receipts in it: what its client makes grow by sending.
    pub(crate) fn receipts_size(&self) -> usize {
        let waiting = lock(&self.state);
        waiting.mail.as_ref().map_or(0, |mail| mail.receipts())
    }

    /// Gives back what idle connections need not hold.
    pub(crate) fn shrink(&self) {
        let mut waiting = lock(&self.state);
        if waiting.outputs.is_empty() {
            waiting.outputs = VecDeque::new();
        }
        if waiting.mail.as_ref().is_some_and(|mail| mail.is_empty()) {
            waiting.mail = None;
        }
    }

    /// Whom to wake when something is put in. True: something is there already.
    pub(crate) fn register(&self, waker: &Waker) -> bool {
        let mut waiting = lock(&self.state);
        match &mut waiting.waker {
            Some(old) => old.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        !waiting.outputs.is_empty() || waiting.mail.as_ref().is_some_and(|mail| !mail.is_empty())
    }

    /// Tells that the server is stopping.
    pub(crate) fn stop(&self) {
        self.change(|waiting| waiting.stopping = true);
    }

    /// Puts something in, and wakes whose it is.
    fn change(&self, change: impl FnOnce(&mut Waiting)) {
        let waker = {
            let mut waiting = lock(&self.state);
            change(&mut waiting);
            waiting.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Commands of so many reads may wait for a broker that is busy. Who comes with more waits there: what
/// is left is not counted in the memory that messages may take up.
const MOST_LETTERS: usize = 4;

/// The broker, and the outboxes of all connections.
pub(crate) struct Hub {
    engine: Mutex<Engine>,
    /// What came while the broker was busy.
    letters: Mutex<VecDeque<Letter>>,
    /// Memory is short: producers wait.
    pressed: AtomicBool,
    clock: Clock,
    /// Something is to be done at another time than before.
    pub(crate) rescheduled: Notify,
    /// Tells the store that there is work.
    pub(crate) signal: Signal,
    has_store: bool,
    pub(crate) events: Events,
}

struct Engine {
    broker: Broker,
    /// By the number of the connection's place.
    outboxes: Vec<Option<Arc<Outbox>>>,
    /// When the timer is set for.
    timer: Option<Time>,
}

enum Letter {
    Commands(ConnectionId, Vec<Command>),
    /// A connection has ended; with what it took out of its outbox and did not write.
    Leave(ConnectionId, Arc<Outbox>, VecDeque<Output>),
    /// An event for those who are subscribed to them.
    Tell(Arc<Line>),
}

/// Wall-clock time that never goes back.
struct Clock {
    epoch: Instant,
    started: Time,
}

impl Clock {
    fn now(&self) -> Time {
        let elapsed = self.epoch.elapsed().as_millis();
        self.started + u64::try_from(elapsed).unwrap_or(u64::MAX)
    }
}

impl Hub {
    pub(crate) fn new(make: impl FnOnce(Time) -> Broker, has_store: bool) -> Self {
        let clock = Clock {
            epoch: Instant::now(),
            started: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0)),
        };
        let engine = Engine {
            broker: make(clock.now()),
            outboxes: Vec::new(),
            timer: None,
        };
        Self {
            engine: Mutex::new(engine),
            letters: Mutex::default(),
            pressed: AtomicBool::new(false),
            clock,
            rescheduled: Notify::new(),
            signal: Signal::default(),
            has_store,
            events: Events::default(),
        }
    }

    /// Milliseconds since 1970.
    pub(crate) fn now(&self) -> Time {
        self.clock.now()
    }

    /// Adds a connection, whose outputs go to the outbox.
    pub(crate) fn connect(&self, identity: Identity, outbox: &Arc<Outbox>) -> ConnectionId {
        let mut engine = lock(&self.engine);
        let id = engine.broker.connect(identity, self.clock.now());
        let index = id.index();
        if engine.outboxes.len() <= index {
            engine.outboxes.resize(index + 1, None);
        }
        engine.outboxes[index] = Some(Arc::clone(outbox));
        drop(engine);
        self.work();
        id
    }

    /// Has commands of a connection done: now, or as soon as whoever is at the broker gets to it.
    pub(crate) fn submit(&self, id: ConnectionId, commands: &mut Vec<Command>) {
        if commands.is_empty() {
            return;
        }
        let mut engine = self.try_engine();
        if engine.is_none() {
            let mut letters = lock(&self.letters);
            if letters.len() < MOST_LETTERS {
                letters.push_back(Letter::Commands(id, mem::take(commands)));
            } else {
                drop(letters);
                engine = Some(lock(&self.engine));
            }
        }
        if let Some(mut engine) = engine {
            self.read_letters(&mut engine);
            engine.broker.run(id, commands.drain(..), self.clock.now());
            self.finish(&mut engine);
        }
        self.work();
    }

    /// Asks the broker for what the store is to do.
    pub(crate) fn store<T>(&self, ask: impl FnOnce(&mut Broker, Time) -> T) -> T {
        let mut engine = lock(&self.engine);
        let result = ask(&mut engine.broker, self.clock.now());
        self.finish(&mut engine);
        drop(engine);
        self.work();
        result
    }

    /// Does what is due. Gives when to come again.
    pub(crate) fn tick(&self) -> Option<Time> {
        let mut engine = lock(&self.engine);
        let now = self.clock.now();
        if engine.broker.poll_timeout().is_some_and(|at| at <= now) {
            engine.broker.handle_timeout(now);
        }
        engine.timer = engine.broker.poll_timeout();
        let timer = engine.timer;
        self.finish(&mut engine);
        drop(engine);
        self.work();
        timer
    }

    /// Whether producers are to wait, since memory is short.
    pub(crate) fn is_pressed(&self) -> bool {
        self.pressed.load(Ordering::Relaxed)
    }

    /// Tells all connections that the server is stopping.
    pub(crate) fn stop(&self) {
        for outbox in lock(&self.engine).outboxes.iter().flatten() {
            outbox.stop();
        }
    }

    /// Reads what was left while the broker was busy. Who leaves something and finds the broker
    /// busy goes on, so whoever was there looks once more after leaving.
    fn work(&self) {
        while !lock(&self.letters).is_empty() {
            let Some(mut engine) = self.try_engine() else {
                return;
            };
            self.read_letters(&mut engine);
            self.finish(&mut engine);
        }
    }

    /// The broker, unless somebody is there. As in [`lock`], a panic does not end it for others.
    fn try_engine(&self) -> Option<MutexGuard<'_, Engine>> {
        match self.engine.try_lock() {
            Ok(engine) => Some(engine),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn read_letters(&self, engine: &mut Engine) {
        loop {
            let letters = mem::take(&mut *lock(&self.letters));
            if letters.is_empty() {
                return;
            }
            let now = self.clock.now();
            for letter in letters {
                match letter {
                    Letter::Tell(line) => {
                        tell(&mut engine.broker, &line, now);
                    }
                    Letter::Commands(id, commands) => engine.broker.run(id, commands, now),
                    Letter::Leave(id, outbox, mut outputs) => {
                        outbox.take(&mut outputs);
                        if let Some(place) = engine.outboxes.get_mut(id.index()) {
                            *place = None;
                        }
                        let unwritten = outputs.into_iter().filter_map(|output| match output {
                            Output::Deliver(delivery) => Some(delivery),
                            _ => None,
                        });
                        let gone = Command::Gone {
                            unwritten: unwritten.collect(),
                        };
                        engine.broker.run(id, [gone], now);
                    }
                }
            }
        }
    }

    /// Looks at what there is, and at whose outbox a connection has.
    pub(crate) fn inspect<T>(&self, look: impl FnOnce(&Broker, &Outboxes<'_>) -> T) -> T {
        let mut engine = lock(&self.engine);
        engine.broker.advance(self.clock.now());
        let result = look(&engine.broker, &Outboxes(&engine.outboxes));
        drop(engine);
        self.work();
        result
    }

    /// Tells those who watch what has happened, if there are such.
    pub(crate) fn tell(&self, kind: &'static str, detail: impl FnOnce() -> Value) {
        if !self.events.is_wanted() {
            return;
        }
        let line = self.events.send(kind, self.now(), fields(detail()));
        if self.events.is_watched() {
            lock(&self.letters).push_back(Letter::Tell(line));
            self.work();
        }
    }

    /// Passes on what has happened in the broker.
    fn pass_on(&self, engine: &mut Engine) {
        if !self.events.is_wanted() {
            return engine.broker.drop_events();
        }
        let now = self.clock.now();
        // Telling of them may make some more, which come with the next.
        let mut events = Vec::new();
        while let Some(event) = engine.broker.poll_event() {
            events.push(event);
        }
        for event in events {
            if let Some((kind, detail)) = describe(engine.broker.run_id(), event) {
                let line = self.events.send(kind, now, detail);
                tell(&mut engine.broker, &line, now);
            }
        }
    }

    /// Passes on what came of the commands.
    fn finish(&self, engine: &mut Engine) {
        self.events.set_watched(engine.broker.has_watchers());
        if engine.broker.has_events() {
            self.pass_on(engine);
        }
        while let Some(id) = engine.broker.poll_dirty() {
            if let Some(Some(outbox)) = engine.outboxes.get(id.index()) {
                outbox.change(|it| engine.broker.take_outputs(id, &mut it.outputs));
            }
        }
        let pressed = engine.broker.is_pressed();
        if self.pressed.load(Ordering::Relaxed) != pressed {
            self.pressed.store(pressed, Ordering::Relaxed);
        }
        if let Some(at) = engine.broker.poll_timeout()
            && engine.timer.is_none_or(|timer| at < timer)
        {
            engine.timer = Some(at);
            self.rescheduled.notify_one();
        }
        if self.has_store && engine.broker.has_store_work() {
            self.signal.notify();
        }
    }

    /// A connection has ended: what it left goes on to others, and so does what it was handed and
    /// did not write.
    pub(crate) fn leave(&self, id: ConnectionId, outbox: Arc<Outbox>, outputs: VecDeque<Output>) {
        lock(&self.letters).push_back(Letter::Leave(id, outbox, outputs));
        self.work();
    }
}

/// The outboxes of all connections.
pub(crate) struct Outboxes<'a>(&'a [Option<Arc<Outbox>>]);

impl Outboxes<'_> {
    pub(crate) fn of(&self, id: ConnectionId) -> Option<&Arc<Outbox>> {
        self.0.get(id.index())?.as_ref()
    }
}

fn tell(broker: &mut Broker, line: &Line, now: Time) {
    if broker.has_watchers() {
        let destination = format!("/$SYS/events/{}", line.kind);
        broker.tell(&destination, line.json.as_bytes(), now);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic in the broker would be a defect of ours; the others can still go on.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn send(body: &str) -> Command {
        let message = stompbox_broker::Message::new("/queue/a", &[], body.as_bytes(), 0);
        Command::Send {
            transaction: None,
            receipt: Some(body.into()),
            message: Arc::new(message.expect("a message")),
        }
    }

    #[test]
    fn a_panic_at_the_broker_ends_it_for_nobody() {
        let hub = Hub::new(|now| Broker::new(Default::default(), "run", now), false);
        let outbox = Arc::new(Outbox::default());
        let id = hub.connect(Identity::default(), &outbox);
        hub.submit(id, &mut vec![send("1")]);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            hub.store(|_, _| panic!("a defect"));
        }));
        assert!(panicked.is_err());
        hub.submit(id, &mut vec![send("2")]);
        let late = Arc::new(Outbox::default());
        let other = hub.connect(Identity::default(), &late);
        hub.submit(other, &mut vec![send("3")]);
        hub.tick();
        let receipts = |outbox: &Outbox| {
            let mut outputs = VecDeque::new();
            outbox.take(&mut outputs);
            outputs
                .into_iter()
                .filter_map(|output| match output {
                    Output::Receipt(id) => Some(id),
                    _ => None,
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(receipts(&outbox), ["1".into(), "2".into()]);
        assert_eq!(receipts(&late), ["3".into()]);
    }
}
