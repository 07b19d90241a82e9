use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use slab::Slab;

use crate::{
    BrokerError, Command, ConnectionId, Identity, Message, Output, Redelivery, Time,
    arena::Arena,
    connection::{Connection, Connections},
    consumers::SubscriptionKey,
    destination::{BareDestination, Purpose, Reader, cut},
    durable::Durable,
    event::{Event, Events},
    journal::Journal,
    message::Entry,
    pattern::Pattern,
    queue::{Queue, QueueKey},
    routing::Sender,
    schedule::Agenda,
    selector::SelectorCache,
    subscription::Subscription,
    topic::{Topic, TopicKey},
    traffic::{Count, Counts},
};

/// Whose spelling and meaning of headers counts where the brokers contradict each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BrokerDialect {
    /// All spellings; what wins is told in `docs/broker.md`.
    #[default]
    Auto,
    /// RabbitMQ's: a comma is part of a name, `message-id` must not be sent.
    Rabbitmq,
    /// ActiveMQ Classic's.
    Activemq,
    /// Artemis's: `activemq.prefetchSize` counts bytes.
    Artemis,
    /// Apollo's: durable subscriptions are known by their id alone.
    Apollo,
}

impl std::fmt::Display for BrokerDialect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Rabbitmq => "rabbitmq",
            Self::Activemq => "activemq",
            Self::Artemis => "artemis",
            Self::Apollo => "apollo",
        })
    }
}

impl std::str::FromStr for BrokerDialect {
    type Err = BrokerError;

    fn from_str(text: &str) -> Result<Self, BrokerError> {
        match text {
            "auto" | "stomp" | "spring" => Ok(Self::Auto),
            "rabbitmq" => Ok(Self::Rabbitmq),
            "activemq" => Ok(Self::Activemq),
            "artemis" => Ok(Self::Artemis),
            "apollo" => Ok(Self::Apollo),
            _ => Err(BrokerError::InvalidHeader {
                header: "x-dialect".into(),
                value: cut(text),
                expected: "auto, stomp, rabbitmq, activemq, artemis, apollo or spring",
            }),
        }
    }
}

/// What the broker may hold, and how it behaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// Bytes handed out to a connection and not yet written: more wait in their queue, or with
    /// their topic's subscription. Default: 1,048,576.
    pub max_outstanding: usize,
    /// Deliveries of a connection that wait for an acknowledgement. Default: 100,000.
    pub max_unacked: usize,
    /// Unacknowledged messages of a subscription, unless its headers say otherwise. Default: 1000.
    pub prefetch_messages: u64,
    /// Bytes of them. Default: 4,194,304.
    pub prefetch_bytes: u64,
    /// Bytes of a topic's messages that wait for a slow subscriber before its policy acts.
    /// Default: 1,048,576.
    pub max_waiting: u64,
    /// Bytes of all messages in memory. Near it, producers are made to wait; beyond it they get an
    /// error. Default: 536,870,912.
    pub max_memory: usize,
    /// Frames of a transaction. Default: 10,000.
    pub max_transaction_frames: usize,
    /// Bytes of a transaction's messages. Default: 67,108,864.
    pub max_transaction_bytes: usize,
    /// Most queues, and most topics, at a time. Default: 100,000.
    pub max_destinations: usize,
    /// Messages that are scheduled, or wait for their redelivery. Default: 100,000.
    pub max_scheduled: usize,
    /// What a name without a known prefix is. Default: an error.
    pub bare_destination: BareDestination,
    /// Whose headers are meant. Default: everybody's.
    pub dialect: BrokerDialect,
    /// How a message comes again.
    pub redelivery: Redelivery,
    /// The last messages of each topic that are kept for `from-seq` and its like. Default: 100.
    pub topic_log_messages: u64,
    /// Their bytes. Default: 65,536.
    pub topic_log_bytes: u64,
    /// The bytes of all topics' last messages. Default: 33,554,432.
    pub topic_logs_bytes: u64,
    /// The bytes of a stream without `x-max-length-bytes`. Default: 67,108,864.
    pub stream_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_outstanding: 1 << 20,
            max_unacked: 100_000,
            prefetch_messages: 1000,
            prefetch_bytes: 4 << 20,
            max_waiting: 1 << 20,
            max_memory: 512 << 20,
            max_transaction_frames: 10_000,
            max_transaction_bytes: 64 << 20,
            max_destinations: 100_000,
            max_scheduled: 100_000,
            bare_destination: BareDestination::Error,
            dialect: BrokerDialect::Auto,
            redelivery: Redelivery::default(),
            topic_log_messages: 100,
            topic_log_bytes: 64 << 10,
            topic_logs_bytes: 32 << 20,
            stream_bytes: 64 << 20,
        }
    }
}

pub(crate) type Hasher = foldhash::fast::RandomState;

/// The engine: commands go in by [`run`](Self::run), what is to be done for connections comes out
/// of [`take_outputs`](Self::take_outputs), what is to be stored out of
/// [`take_batch`](Self::take_batch). It knows no clock and no socket.
#[derive(Debug)]
pub struct Broker {
    pub(crate) config: Config,
    pub(crate) now: Time,
    /// Distinguishes message ids of this run from those of others.
    pub(crate) run: Box<str>,
    pub(crate) connections: Connections,
    pub(crate) subscriptions: Slab<Subscription>,
    pub(crate) queues: Arena<Queue>,
    pub(crate) queue_names: HashMap<Arc<str>, QueueKey, Hasher>,
    pub(crate) topics: Slab<Topic>,
    pub(crate) topic_names: HashMap<Arc<str>, TopicKey, Hasher>,
    /// Subscriptions to topics, or queues, by wildcards.
    pub(crate) topic_patterns: Vec<(Pattern, SubscriptionKey)>,
    pub(crate) queue_patterns: Vec<(Pattern, SubscriptionKey)>,
    pub(crate) durable: Durable,
    pub(crate) journal: Journal,
    pub(crate) agenda: Agenda,
    pub(crate) selectors: SelectorCache,
    /// The number of the next message.
    pub(crate) next_sequence: u64,
    /// A number for each turn of a consumer.
    pub(crate) turn: u64,
    /// Bytes of messages in memory.
    pub(crate) memory: usize,
    pub(crate) pressed: bool,
    /// Topics of the messages in all topic logs, in the order these came.
    pub(crate) log_order: VecDeque<TopicKey>,
    pub(crate) log_bytes: u64,
    /// Queues with messages that may expire, and topics and queues that may be forgotten.
    pub(crate) next_sweep: Time,
    pub(crate) idle_queues: HashSet<QueueKey, Hasher>,
    pub(crate) expiring: HashSet<QueueKey, Hasher>,
    /// Dead letters that are still to be sent.
    pub(crate) letters: VecDeque<Arc<Message>>,
    /// One is being sent.
    pub(crate) burying: bool,
    /// Of all destinations, those that are gone too; what came and went is not among them.
    pub(crate) totals: Counts,
    /// Messages that wait in queues, and their bytes.
    pub(crate) waiting: (u64, u64),
    /// Messages that wait for an acknowledgement.
    pub(crate) unacked: usize,
    pub(crate) streams: usize,
    /// Messages that slow subscribers of topics did not get.
    pub(crate) topic_drops: u64,
    /// Subscriptions to what the server tells of itself.
    pub(crate) watchers: usize,
    pub(crate) events: Events,
}

/// Commands that wait for a transaction before their client is read no faster than it is stored.
const MOST_SUSPENDED: usize = 64;

impl Broker {
    /// An empty broker that stores nothing. `run` distinguishes its message ids from those of
    /// others.
    pub fn new(config: Config, run: &str, now: Time) -> Self {
        Self {
            config,
            now,
            run: run.into(),
            connections: Connections::default(),
            subscriptions: Slab::new(),
            queues: Arena::new(),
            queue_names: HashMap::default(),
            topics: Slab::new(),
            topic_names: HashMap::default(),
            topic_patterns: Vec::new(),
            queue_patterns: Vec::new(),
            durable: Durable::default(),
            journal: Journal::new(false),
            agenda: Agenda::default(),
            selectors: SelectorCache::new(1000),
            next_sequence: 1,
            turn: 0,
            memory: 0,
            pressed: false,
            log_order: VecDeque::new(),
            log_bytes: 0,
            next_sweep: now,
            idle_queues: HashSet::default(),
            expiring: HashSet::default(),
            letters: VecDeque::new(),
            burying: false,
            totals: Counts::default(),
            waiting: (0, 0),
            unacked: 0,
            streams: 0,
            topic_drops: 0,
            watchers: 0,
            events: Events::default(),
        }
    }

    /// What distinguishes this run's message ids: they are it, a hyphen, and the sequence.
    pub fn run_id(&self) -> &str {
        &self.run
    }

    /// A client has connected.
    pub fn connect(&mut self, identity: Identity, now: Time) -> ConnectionId {
        self.now = self.now.max(now);
        self.connections.add(Connection::new(identity, self.now))
    }

    /// Does what a connection wants, in order.
    pub fn run(
        &mut self,
        id: ConnectionId,
        commands: impl IntoIterator<Item = Command>,
        now: Time,
    ) {
        self.now = self.now.max(now);
        for command in commands {
            self.command(id, command);
            self.send_letters();
        }
        self.update_pressure();
    }

    /// Whether messages take up so much memory that producers should wait.
    pub fn is_pressed(&self) -> bool {
        self.pressed
    }

    /// Bytes of messages in memory.
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Whether a connection got an `ERROR`, or gets one when its receipts are given: nothing more is
    /// done for it.
    pub fn has_failed(&self, id: ConnectionId) -> bool {
        self.connections.get(id).is_some_and(|it| it.failed)
    }

    /// The name, messages, consumers and bytes of each queue.
    pub fn queue_stats(&self) -> impl Iterator<Item = (&str, usize, usize, u64)> {
        self.queues.iter().map(|(_, queue)| {
            let messages = &queue.messages;
            (
                &*queue.key,
                messages.len(),
                queue.consumers.len(),
                messages.bytes(),
            )
        })
    }

    /// The next connection with something to do.
    pub fn poll_dirty(&mut self) -> Option<ConnectionId> {
        while let Some(id) = self.connections.dirty.pop() {
            if let Some(connection) = self.connections.get_mut(id) {
                connection.dirty = false;
                connection.paused = false;
                return Some(id);
            }
        }
        None
    }

    /// Moves what is to be done for a connection to the end of `into`. Where that is empty both
    /// change their room, so that none is made anew.
    pub fn take_outputs(&mut self, id: ConnectionId, into: &mut VecDeque<Output>) {
        if let Some(connection) = self.connections.get_mut(id) {
            if into.is_empty() {
                std::mem::swap(into, &mut connection.outputs);
            } else {
                into.append(&mut connection.outputs);
            }
        }
    }

    pub(crate) fn command(&mut self, id: ConnectionId, command: Command) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        match command {
            Command::Drained(bytes) => self.drained(id, bytes),
            Command::GiveBack(delivery) => self.give_back(id, *delivery),
            command => {
                if connection.suspended.is_some() {
                    self.suspend(id, command);
                } else if let Command::Gone { unwritten } = command {
                    self.gone(id, unwritten);
                } else if !connection.failed {
                    self.request(id, command);
                }
            }
        }
    }

    /// Keeps a command until the connection's transaction is on disk.
    fn suspend(&mut self, id: ConnectionId, mut command: Command) {
        let room = self.check_memory(command.size());
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let Some(waiting) = &mut connection.suspended else {
            return;
        };
        if matches!(command, Command::Gone { .. }) {
            // What it sent before is still done; it gets nothing more.
            connection.over = true;
        } else if matches!(waiting.back(), Some(Command::Refuse { .. })) {
            // Nothing is done behind an error.
            return;
        } else if let Err(error) = room {
            let receipt = command.into_receipt();
            command = Command::Refuse { error, receipt };
        }
        self.memory += command.size();
        waiting.push_back(command);
        if waiting.len() > MOST_SUSPENDED && !std::mem::replace(&mut connection.paused, true) {
            self.connections.output(id, Output::Pause);
        }
    }

    fn request(&mut self, id: ConnectionId, command: Command) {
        let (result, receipt) = match command {
            Command::Send {
                transaction,
                receipt,
                message,
            } => return self.send(id, transaction.as_deref(), receipt, message),
            Command::Acknowledge {
                target,
                consumed,
                requeue,
                transaction,
                receipt,
            } => {
                let transaction = transaction.as_deref();
                return self.acknowledge(id, &target, consumed, requeue, transaction, receipt);
            }
            Command::Subscribe(subscribe) => return self.subscribe(id, *subscribe),
            Command::Unsubscribe {
                id: subscription,
                headers,
                receipt,
            } => match self.unsubscribe(id, &subscription, &headers) {
                // It is to be gone after a restart too.
                Ok(true) if receipt.is_some() && self.journal.is_enabled() => {
                    let key = self.journal.receipt(id, receipt, false);
                    self.journal.follow(key);
                    return self.await_receipt(id, key);
                }
                result => (result.map(|_| ()), receipt),
            },
            Command::Begin {
                transaction,
                receipt,
            } => {
                self.begin(id, transaction);
                (Ok(()), receipt)
            }
            Command::Commit {
                transaction,
                receipt,
            } => return self.commit(id, &transaction, receipt),
            Command::Abort {
                transaction,
                receipt,
            } => {
                self.abort(id, &transaction);
                (Ok(()), receipt)
            }
            Command::Refuse { error, receipt } => (Err(error), receipt),
            Command::Quit { receipt } => return self.quit(id, receipt),
            Command::Publish { topic, message } => {
                let sender = Sender {
                    connection: Some(id),
                    receipt: None,
                };
                (self.send_to_topic(sender, &topic, &message, false), None)
            }
            Command::Drained(_) | Command::GiveBack(_) | Command::Gone { .. } => return,
        };
        self.answer(id, result, receipt);
    }

    /// Gives a receipt at once, or ends the connection with an error.
    pub(crate) fn answer(
        &mut self,
        id: ConnectionId,
        result: Result<(), BrokerError>,
        receipt: Option<Box<str>>,
    ) {
        match (result, receipt) {
            (Ok(()), Some(receipt)) => self.connections.output(id, Output::Receipt(receipt)),
            (Ok(()), None) => {}
            (Err(error), receipt) => self.connections.fail(id, error, receipt),
        }
    }

    fn quit(&mut self, id: ConnectionId, receipt: Option<Box<str>>) {
        if let Some(connection) = self.connections.get_mut(id) {
            if connection.receipts == 0 {
                self.connections.output(id, Output::Bye(receipt));
                self.end(id);
            } else {
                connection.quitting = Some(receipt);
            }
        }
    }

    /// A connection is over, up to what goes back: it gets nothing more.
    pub(crate) fn end(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.over = true;
        }
    }

    /// Forgets a connection and all that is its own.
    fn gone(&mut self, id: ConnectionId, mut unwritten: Vec<crate::Delivery>) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        connection.over = true;
        // Nobody will write these either.
        let outputs = connection.outputs.drain(..);
        unwritten.extend(outputs.filter_map(|output| match output {
            Output::Deliver(delivery) => Some(delivery),
            _ => None,
        }));
        let mut subscriptions: Vec<SubscriptionKey> =
            connection.subscriptions.values().copied().collect();
        subscriptions.sort_unstable();
        let mut freed = Vec::new();
        for key in &subscriptions {
            freed.extend(self.detach(*key));
        }
        self.return_all(id, unwritten);
        for queue in freed {
            self.feed_all(queue);
        }
        for key in subscriptions {
            self.forget_subscription(key);
        }
        let Some(connection) = self.connections.remove(id) else {
            return;
        };
        let open = connection.transactions.values();
        let open: usize = open.map(|transaction| transaction.bytes).sum();
        self.memory = self.memory.saturating_sub(open);
        for queue in connection.temporary {
            self.delete_queue(queue);
        }
    }

    /// How a connection's names of destinations are to be read.
    pub(crate) fn reader<'a>(
        &self,
        identity: &'a Identity,
        purpose: Purpose,
        multicast: Option<bool>,
    ) -> Reader<'a> {
        Reader {
            purpose,
            reply_token: &identity.reply_token,
            login: &identity.login,
            bare: self.config.bare_destination,
            dialect: identity.reads_as(&self.config),
            multicast,
        }
    }

    /// A message stays in memory.
    #[inline]
    pub(crate) fn hold(&mut self, entry: &Entry) {
        if entry.message.is_some() {
            self.memory += entry.size as usize;
        }
    }

    /// A message leaves memory.
    #[inline]
    pub(crate) fn release(&mut self, entry: &Entry) {
        if entry.message.is_some() {
            self.memory = self.memory.saturating_sub(entry.size as usize);
        }
    }

    /// Producers wait from nine tenths of the memory on, until there is more than a fifth free.
    pub(crate) fn update_pressure(&mut self) {
        let used = self.memory + self.journal.bytes();
        let tenth = self.config.max_memory / 10;
        let before = self.pressed;
        if used > 9 * tenth {
            self.pressed = true;
        } else if used < 8 * tenth {
            self.pressed = false;
        }
        if self.pressed != before {
            let pressed = self.pressed;
            self.events.push(Event::Memory { pressed });
        }
    }

    /// Something happened to a message of a queue.
    #[inline]
    pub(crate) fn count(&mut self, key: QueueKey, what: Count) {
        if let Some(queue) = self.queues.get_mut(key) {
            queue.traffic.add(what, 1, self.now);
        }
        self.totals.add(what, 1);
    }

    /// Whether a message of that many bytes may be held.
    pub(crate) fn check_memory(&self, bytes: usize) -> Result<(), BrokerError> {
        let (used, limit) = (self.memory, self.config.max_memory);
        if used + bytes > limit {
            return Err(BrokerError::MemoryFull { used, limit });
        }
        Ok(())
    }

    /// A message's entry in a queue or log.
    pub(crate) fn entry(&mut self, message: &Arc<Message>) -> Entry {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        Entry {
            sequence,
            size: u32::try_from(message.size()).unwrap_or(u32::MAX),
            deliveries: 0,
            failures: 0,
            priority: message.priority,
            expires: message.expires,
            stored: 0,
            arrived: seconds(self.now),
            message: Some(Arc::clone(message)),
        }
    }
}

/// A time in seconds, as entries have it.
pub(crate) fn seconds(time: Time) -> u32 {
    u32::try_from(time / 1000).unwrap_or(u32::MAX)
}
