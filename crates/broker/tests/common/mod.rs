//! A broker with clients, a clock that stands still, and a store: no sockets, no threads.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use stompbox_broker::{
    Broker, BrokerError, Command, Config, ConnectionId, Delivery, Identity, Message, Output,
    Subscribe, Subscriber, Target, Time,
};
use stompbox_proto::{AckMode, Decoder, Dialect, Limits, escape};
use stompbox_store::{MemoryStore, Op, Recovered, Store as _, StoreError};

/// A header's name and value.
pub(crate) type Header<'a> = (&'a str, &'a str);

/// When every test begins.
pub(crate) const START: Time = 1_000_000_000_000;

/// A client's number; it stays the same if the broker restarts, though the client is gone then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client(usize);

/// A message as a client got it.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) subscription: String,
    pub(crate) body: String,
    pub(crate) message: Arc<Message>,
    pub(crate) sequence: u64,
    pub(crate) tag: u64,
    pub(crate) redeliveries: u32,
    pub(crate) position: u64,
    pub(crate) retained: bool,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.message.header(name)
    }

    pub(crate) fn destination(&self) -> String {
        self.message.destination().into_owned()
    }
}

/// What a client got that is no message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Receipt(String),
    /// The code, and the receipt that the frame asked for.
    Error(&'static str, Option<String>),
    BrowserEnd(String),
    Bye(Option<String>),
    Pause,
}

/// How the store fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It takes nothing that needs room.
    Full,
    /// A write failed.
    Poisoned,
}

#[derive(Debug)]
struct Peer {
    id: ConnectionId,
    identity: Identity,
    /// It reads nothing: what it is given is not written.
    stalled: bool,
    unwritten: VecDeque<Delivery>,
    got: Vec<Got>,
    events: Vec<Event>,
    errors: Vec<BrokerError>,
    gone: bool,
    /// What the server would remember of its subscriptions.
    subscribers: BTreeMap<String, Arc<Subscriber>>,
}

/// What is in the store, for a restart.
#[derive(Clone, Debug, Default)]
struct Mirror {
    messages: BTreeMap<u64, (Recovered, bool, Bytes)>,
    definitions: BTreeMap<Box<str>, Bytes>,
    next: u64,
}

pub(crate) struct World {
    pub(crate) broker: Broker,
    pub(crate) now: Time,
    /// Every batch that the store took.
    pub(crate) batches: Vec<Vec<Op>>,
    /// Batches are only written by [`flush`](Self::flush).
    pub(crate) held: bool,
    /// What the store says instead of writing.
    pub(crate) fault: Option<Fault>,
    config: Config,
    store: Option<MemoryStore>,
    mirror: Mirror,
    peers: Vec<Peer>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    /// A broker that stores nothing.
    pub(crate) fn with(config: Config) -> Self {
        Self {
            broker: Broker::new(config.clone(), "run", START),
            now: START,
            batches: Vec::new(),
            held: false,
            fault: None,
            config,
            store: None,
            mirror: Mirror::default(),
            peers: Vec::new(),
        }
    }

    /// A broker with an empty store.
    pub(crate) fn stored(config: Config) -> Self {
        Self::on(config, MemoryStore::new())
    }

    pub(crate) fn on(config: Config, store: MemoryStore) -> Self {
        let mut world = Self::with(config.clone());
        world.broker = Broker::with_store(config, "run", START, Vec::new(), &[], 1);
        world.store = Some(store);
        world
    }

    /// The broker is killed and starts again with what the store has.
    pub(crate) fn restart(&mut self) {
        self.restart_with(|_| ());
    }

    /// The same, and something happened to the messages' data.
    pub(crate) fn restart_with(&mut self, mut change: impl FnMut(&mut Bytes)) {
        for (_, _, data) in self.mirror.messages.values_mut() {
            change(data);
        }
        for peer in &mut self.peers {
            peer.gone = true;
        }
        self.mirror.messages.retain(|_, (_, durable, _)| *durable);
        let definitions: Vec<_> = self.mirror.definitions.clone().into_iter().collect();
        let messages: Vec<Recovered> = self.mirror.messages.values().map(|it| it.0).collect();
        let mut store = MemoryStore::new();
        let puts = self
            .mirror
            .messages
            .values()
            .map(|(it, durable, data)| Op::Put {
                queue: it.queue,
                id: it.id,
                durable: *durable,
                deliveries: it.deliveries,
                priority: it.priority,
                expires: it.expires,
                data: data.clone(),
            });
        store.commit(puts.collect()).expect("no limit");
        self.store = Some(store);
        let next = self.mirror.next + 1;
        let config = self.config.clone();
        self.broker = Broker::with_store(config, "again", self.now, definitions, &messages, next);
        self.settle();
    }

    /// How many messages the store has.
    pub(crate) fn stored_messages(&self) -> usize {
        self.mirror.messages.len()
    }

    pub(crate) fn client(&mut self) -> Client {
        self.connect("", "", false)
    }

    pub(crate) fn user(&mut self, login: &str) -> Client {
        self.connect(login, "", false)
    }

    /// One that acknowledges by `message-id`, as in 1.0 and 1.1.
    pub(crate) fn old_client(&mut self) -> Client {
        self.connect("", "", true)
    }

    pub(crate) fn connect(&mut self, login: &str, client_id: &str, by_message_id: bool) -> Client {
        self.connect_as(Identity {
            login: login.into(),
            client_id: client_id.into(),
            acks_by_message_id: by_message_id,
            ..Identity::default()
        })
    }

    pub(crate) fn connect_as(&mut self, identity: Identity) -> Client {
        let identity = Identity {
            reply_token: format!("token{}", self.peers.len()).into(),
            ..identity
        };
        let id = self.broker.connect(identity.clone(), self.now);
        self.peers.push(Peer {
            id,
            identity,
            stalled: false,
            unwritten: VecDeque::new(),
            got: Vec::new(),
            events: Vec::new(),
            errors: Vec::new(),
            gone: false,
            subscribers: BTreeMap::new(),
        });
        Client(self.peers.len() - 1)
    }

    /// Gives commands, then does all that follows from them.
    pub(crate) fn run(&mut self, client: Client, commands: Vec<Command>) {
        let id = self.peers[client.0].id;
        self.broker.run(id, commands, self.now);
        self.settle();
    }

    /// A `SEND` frame's message, by way of the wire.
    pub(crate) fn message(
        &self,
        client: Client,
        destination: &str,
        headers: &[Header<'_>],
        body: &str,
    ) -> Result<Message, BrokerError> {
        let mut frame = String::from("SEND\n");
        for (name, value) in [("destination", destination)].iter().chain(headers) {
            frame.push_str(&escape(name, Dialect::V1_2).expect("a name"));
            frame.push(':');
            frame.push_str(&escape(value, Dialect::V1_2).expect("a value"));
            frame.push('\n');
        }
        frame.push('\n');
        frame.push_str(body);
        frame.push('\0');
        let mut decoder = Decoder::new(Limits::default());
        let mut input = frame.as_bytes();
        let frame = decoder.decode(&mut input, Dialect::V1_2);
        let frame = frame.expect("a frame").expect("a whole frame");
        let token = &self.peers[client.0].identity.reply_token;
        Message::of(&frame, destination, token, self.now)
    }

    /// `SEND`; the headers `transaction` and `receipt` mean what they say.
    pub(crate) fn send(
        &mut self,
        client: Client,
        destination: &str,
        headers: &[Header<'_>],
        body: &str,
    ) {
        let command = self.sending(client, destination, headers, body);
        self.run(client, vec![command]);
    }

    pub(crate) fn sending(
        &self,
        client: Client,
        destination: &str,
        headers: &[Header<'_>],
        body: &str,
    ) -> Command {
        let message = self.message(client, destination, headers, body);
        Command::Send {
            transaction: find(headers, "transaction"),
            receipt: find(headers, "receipt"),
            message: Arc::new(message.expect("good headers")),
        }
    }

    /// `SUBSCRIBE`; the headers `ack` and `receipt` mean what they say.
    pub(crate) fn subscribe(
        &mut self,
        client: Client,
        id: &str,
        destination: &str,
        headers: &[Header<'_>],
    ) {
        let line = format!("subscription:{id}\n").into_bytes().into();
        let include = find(headers, "include-seq");
        let subscriber = Arc::new(Subscriber::new(Some(id.into()), include, line));
        let peer = &mut self.peers[client.0];
        peer.subscribers.insert(id.into(), Arc::clone(&subscriber));
        let ack = match find(headers, "ack").as_deref() {
            None | Some("auto") => AckMode::Auto,
            Some("client") => AckMode::Client,
            Some("client-individual") => AckMode::ClientIndividual,
            Some(other) => panic!("no mode {other}"),
        };
        let command = Command::Subscribe(Box::new(Subscribe {
            id: id.into(),
            subscriber,
            destination: destination.into(),
            ack,
            headers: owned(headers),
            receipt: find(headers, "receipt"),
        }));
        self.run(client, vec![command]);
    }

    pub(crate) fn unsubscribe(&mut self, client: Client, id: &str, headers: &[Header<'_>]) {
        let command = Command::Unsubscribe {
            id: id.into(),
            headers: owned(headers),
            receipt: find(headers, "receipt"),
        };
        self.run(client, vec![command]);
    }

    fn settling(got: &Got, consumed: bool, headers: &[Header<'_>]) -> Command {
        Command::Acknowledge {
            target: Target::Tag(got.tag),
            consumed,
            requeue: find(headers, "requeue").as_deref() != Some("false"),
            transaction: find(headers, "transaction"),
            receipt: find(headers, "receipt"),
        }
    }

    pub(crate) fn ack(&mut self, client: Client, got: &Got, headers: &[Header<'_>]) {
        self.run(client, vec![Self::settling(got, true, headers)]);
    }

    pub(crate) fn nack(&mut self, client: Client, got: &Got, headers: &[Header<'_>]) {
        self.run(client, vec![Self::settling(got, false, headers)]);
    }

    pub(crate) fn begin(&mut self, client: Client, transaction: &str) {
        let command = Command::Begin {
            transaction: transaction.into(),
            receipt: None,
        };
        self.run(client, vec![command]);
    }

    pub(crate) fn commit(&mut self, client: Client, transaction: &str, receipt: Option<&str>) {
        let command = Command::Commit {
            transaction: transaction.into(),
            receipt: receipt.map(Into::into),
        };
        self.run(client, vec![command]);
    }

    pub(crate) fn abort(&mut self, client: Client, transaction: &str) {
        let command = Command::Abort {
            transaction: transaction.into(),
            receipt: None,
        };
        self.run(client, vec![command]);
    }

    pub(crate) fn quit(&mut self, client: Client, receipt: Option<&str>) {
        let receipt = receipt.map(Into::into);
        self.run(client, vec![Command::Quit { receipt }]);
    }

    /// The client's connection is lost.
    pub(crate) fn close(&mut self, client: Client) {
        let peer = &mut self.peers[client.0];
        peer.gone = true;
        let unwritten = std::mem::take(&mut peer.unwritten).into();
        self.run(client, vec![Command::Gone { unwritten }]);
    }

    /// The client reads nothing more.
    pub(crate) fn stall(&mut self, client: Client) {
        self.peers[client.0].stalled = true;
    }

    /// The client reads again.
    pub(crate) fn unstall(&mut self, client: Client) {
        let peer = &mut self.peers[client.0];
        peer.stalled = false;
        for delivery in std::mem::take(&mut peer.unwritten) {
            self.write(client.0, delivery);
        }
        self.settle();
    }

    /// The messages since the last time.
    pub(crate) fn take(&mut self, client: Client) -> Vec<Got> {
        std::mem::take(&mut self.peers[client.0].got)
    }

    /// The one message since the last time.
    #[track_caller]
    pub(crate) fn one(&mut self, client: Client) -> Got {
        let mut got = self.take(client);
        assert_eq!(got.len(), 1, "{got:?}, {:?}", self.peers[client.0].errors);
        got.remove(0)
    }

    /// The bodies of the messages since the last time.
    pub(crate) fn bodies(&mut self, client: Client) -> Vec<String> {
        self.take(client).into_iter().map(|got| got.body).collect()
    }

    /// What else there was since the last time.
    pub(crate) fn events(&mut self, client: Client) -> Vec<Event> {
        std::mem::take(&mut self.peers[client.0].events)
    }

    pub(crate) fn receipts(&mut self, client: Client) -> Vec<String> {
        self.events(client)
            .into_iter()
            .filter_map(|event| match event {
                Event::Receipt(receipt) => Some(receipt),
                _ => None,
            })
            .collect()
    }

    /// The code of the error that ended the connection.
    pub(crate) fn error(&self, client: Client) -> Option<&'static str> {
        self.peers[client.0].errors.first().map(BrokerError::code)
    }

    /// Its text.
    pub(crate) fn error_text(&self, client: Client) -> String {
        let errors = &self.peers[client.0].errors;
        errors.first().map(ToString::to_string).unwrap_or_default()
    }

    /// Time goes on; what is due on the way is done at its time.
    pub(crate) fn advance(&mut self, milliseconds: Time) {
        let end = self.now + milliseconds;
        for _ in 0..100_000 {
            let times = [self.broker.poll_timeout(), self.batch_due()];
            let next = times.into_iter().flatten().min();
            match next {
                Some(at) if at <= end => self.now = self.now.max(at),
                _ => break,
            }
            self.broker.handle_timeout(self.now);
            self.settle();
        }
        self.now = end;
        self.broker.handle_timeout(end);
        self.settle();
    }

    fn batch_due(&self) -> Option<Time> {
        if self.held || self.store.is_none() {
            return None;
        }
        self.broker.batch_due()
    }

    /// Writes what is to be written, held or not. False: nothing was.
    pub(crate) fn flush(&mut self) -> bool {
        let wrote = self.write_batch();
        self.settle();
        wrote
    }

    /// Takes a batch, and leaves it unwritten: the disk is busy.
    pub(crate) fn take_batch(&mut self) -> Option<Vec<Op>> {
        self.broker.take_batch(self.now)
    }

    /// The disk is done with a batch that was taken.
    pub(crate) fn batch_done(&mut self, ops: Vec<Op>) {
        self.done(ops);
        self.settle();
    }

    fn write_batch(&mut self) -> bool {
        if self.store.is_none() {
            return false;
        }
        match self.broker.take_batch(self.now) {
            Some(ops) => {
                self.done(ops);
                true
            }
            None => false,
        }
    }

    fn done(&mut self, ops: Vec<Op>) {
        let store = self.store.as_mut().expect("a store");
        let needs_room = |op: &Op| matches!(op, Op::Put { .. } | Op::Set { .. });
        let result = match self.fault {
            Some(Fault::Full) if ops.iter().any(needs_room) => Err(StoreError::Full {
                what: "disk",
                value: 2,
                limit: 1,
            }),
            Some(Fault::Poisoned) => Err(StoreError::Poisoned {
                cause: "fsync failed".into(),
            }),
            _ => store.commit(ops.clone()),
        };
        if result.is_ok() {
            self.mirror.apply(&ops);
            self.batches.push(ops);
        }
        self.broker.batch_done(result, self.now);
    }

    /// Does all that is to be done now.
    pub(crate) fn settle(&mut self) {
        for _ in 0..1_000_000 {
            let mut busy = false;
            while let Some(id) = self.broker.poll_dirty() {
                busy = true;
                let mut outputs = VecDeque::new();
                self.broker.take_outputs(id, &mut outputs);
                let at = self
                    .peers
                    .iter()
                    .rposition(|peer| peer.id == id && !peer.gone);
                let Some(at) = at else { continue };
                for output in outputs {
                    self.output(at, output);
                }
            }
            if !self.held && self.broker.batch_due().is_some_and(|at| at <= self.now) {
                busy |= self.write_batch();
            }
            if let Some(store) = &mut self.store
                && let Some(wanted) = self.broker.take_reads()
            {
                let data = store.read(&wanted);
                self.broker.reads_done(&wanted, data, self.now);
                busy = true;
            }
            if !busy {
                return;
            }
        }
        panic!("the broker never comes to rest");
    }

    fn output(&mut self, at: usize, output: Output) {
        let event = match output {
            Output::Deliver(delivery) => {
                if self.peers[at].stalled {
                    self.peers[at].unwritten.push_back(delivery);
                } else {
                    self.write(at, delivery);
                }
                return;
            }
            Output::Receipt(receipt) => Event::Receipt(receipt.into()),
            Output::Error { error, receipt } => {
                let code = error.code();
                self.peers[at].errors.push(error);
                let event = Event::Error(code, receipt.map(Into::into));
                self.peers[at].events.push(event);
                return self.end(at);
            }
            Output::BrowserEnd(subscriber) => {
                Event::BrowserEnd(subscriber.id.as_deref().unwrap_or_default().into())
            }
            Output::Bye(receipt) => {
                let event = Event::Bye(receipt.map(Into::into));
                self.peers[at].events.push(event);
                return self.end(at);
            }
            Output::Pause => Event::Pause,
        };
        self.peers[at].events.push(event);
    }

    fn end(&mut self, at: usize) {
        let peer = &mut self.peers[at];
        peer.gone = true;
        let unwritten = std::mem::take(&mut peer.unwritten).into();
        let id = peer.id;
        self.broker.run(id, [Command::Gone { unwritten }], self.now);
    }

    fn write(&mut self, at: usize, delivery: Delivery) {
        let peer = &mut self.peers[at];
        let (id, size) = (peer.id, delivery.size());
        let mut commands = Vec::new();
        if delivery.subscriber.is_closed() {
            commands.push(Command::GiveBack(Box::new(delivery)));
        } else {
            peer.got.push(Got {
                subscription: delivery.subscriber.id.as_deref().unwrap_or_default().into(),
                body: String::from_utf8_lossy(delivery.message.body()).into_owned(),
                sequence: delivery.sequence,
                tag: delivery.tag,
                redeliveries: delivery.redeliveries,
                position: delivery.position,
                retained: delivery.retained,
                message: delivery.message,
            });
        }
        commands.push(Command::Drained(size));
        self.broker.run(id, commands, self.now);
    }
}

impl Mirror {
    fn apply(&mut self, ops: &[Op]) {
        for op in ops {
            match op.clone() {
                Op::Put {
                    queue,
                    id,
                    durable,
                    deliveries,
                    priority,
                    expires,
                    data,
                } => {
                    self.next = self.next.max(id);
                    let size = data.len() as u32;
                    let it = Recovered {
                        queue,
                        id,
                        expires,
                        deliveries,
                        size,
                        priority,
                    };
                    self.messages.insert(id, (it, durable, data));
                }
                Op::Delete { queue, id } => {
                    if self.messages.get(&id).is_some_and(|it| it.0.queue == queue) {
                        self.messages.remove(&id);
                    }
                }
                Op::Delivered { id, deliveries, .. } => {
                    if let Some((it, ..)) = self.messages.get_mut(&id) {
                        it.deliveries = deliveries;
                    }
                }
                Op::Set { key, value } => {
                    self.definitions.insert(key, value);
                }
                Op::Unset { key } => {
                    self.definitions.remove(&key);
                }
            }
        }
    }
}

fn find(headers: &[Header<'_>], name: &str) -> Option<Box<str>> {
    headers
        .iter()
        .find(|(n, _)| *n == name)
        .map(|(_, value)| (*value).into())
}

fn owned(headers: &[Header<'_>]) -> Vec<(Box<str>, Box<str>)> {
    headers
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect()
}
