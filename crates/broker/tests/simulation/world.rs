//! The broker, its disk, its clients and its clock.

use std::collections::{BTreeMap, HashMap, VecDeque};

use stompbox_broker::{
    Broker, Command, Config, ConnectionId, Identity, Output, Redelivery, Subscribe, Subscriber,
};
use stompbox_proto::AckMode;

use crate::{
    client::{Client, Speed, Waiting, subscription_of},
    model::{Check, Expected, Handed, Kind, LIMIT, Model, State, Subscription},
    rng::Rng,
    store::{Disk, Outcome},
};

/// What a run is like; the seed chooses.
#[derive(Clone, Debug)]
pub(crate) struct Knobs {
    pub(crate) clients: usize,
    pub(crate) queues: u64,
    pub(crate) topics: u64,
    /// In a thousand messages.
    pub(crate) persistent: u64,
    pub(crate) groups: u64,
    pub(crate) stored: bool,
    pub(crate) crashes: u64,
    pub(crate) max_memory: usize,
    /// What the first queue is declared to be; it may lose messages then.
    pub(crate) declared: Vec<(&'static str, &'static str)>,
}

/// The queue that is declared to be something.
pub(crate) const DECLARED: &str = "/queue/q.0";

/// A message that waits for its COMMIT: number, queues, topics, persistent.
type OpenSend = (usize, Vec<String>, Vec<String>, bool);

#[derive(Debug, Default)]
pub(crate) struct Statistics {
    pub(crate) steps: u64,
    pub(crate) clients: u64,
    pub(crate) deliveries: u64,
    pub(crate) crashes: u64,
    pub(crate) refused: u64,
    pub(crate) reads: u64,
}

pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) now: u64,
    pub(crate) knobs: Knobs,
    broker: Broker,
    disk: Disk,
    pub(crate) model: Model,
    pub(crate) clients: BTreeMap<usize, Client>,
    pub(crate) by_id: HashMap<ConnectionId, usize>,
    pub(crate) open_sends: HashMap<usize, Vec<OpenSend>>,
    pub(crate) next_receipt: usize,
    pub(crate) next_subscription: usize,
    next_client: usize,
    runs: u32,
    poisoned: bool,
    calm: bool,
    log: VecDeque<String>,
    pub(crate) statistics: Statistics,
}

fn config(knobs: &Knobs) -> Config {
    Config {
        max_outstanding: 6000,
        max_unacked: 40,
        prefetch_messages: 20,
        prefetch_bytes: 8000,
        max_waiting: 8000,
        max_memory: knobs.max_memory,
        redelivery: Redelivery {
            limit: u32::from(LIMIT),
            ..Redelivery::default()
        },
        ..Config::default()
    }
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let stored = rng.chance(800);
        let deep = rng.chance(200);
        let knobs = Knobs {
            clients: rng.pick(&[4, 12, 40, 300]),
            queues: if deep { 1 } else { rng.pick(&[1, 3, 10]) },
            topics: rng.pick(&[1, 4]),
            persistent: rng.pick(&[0, 500, 900]),
            groups: rng.pick(&[0, 0, 200]),
            stored,
            crashes: rng.pick(&[0, 1, 4]),
            max_memory: if deep { 400_000 } else { 64 << 20 },
            declared: match rng.below(10) {
                0 => vec![("x-max-length", "30")],
                1 => vec![
                    ("x-max-length-bytes", "9000"),
                    ("x-overflow", "reject-publish"),
                ],
                2 => vec![
                    ("x-single-active-consumer", "true"),
                    ("x-max-length", "200"),
                ],
                3 => vec![("x-message-ttl", "700"), ("x-max-priority", "3")],
                _ => Vec::new(),
            },
        };
        let now = 1_000_000;
        let broker = match stored {
            true => Broker::with_store(config(&knobs), "run0", now, Vec::new(), &[], 1),
            false => Broker::new(config(&knobs), "run0", now),
        };
        let mut disk = Disk::default();
        disk.full = rng.pick(&[0, 0, 20]);
        disk.poison = rng.pick(&[0, 0, 1]);
        disk.latency = rng.pick(&[0, 3, 30]);
        let mut model = Model::default();
        model.lossy = (!knobs.declared.is_empty()).then_some(DECLARED);
        Self {
            rng,
            now,
            knobs,
            broker,
            disk,
            model,
            clients: BTreeMap::new(),
            by_id: HashMap::new(),
            open_sends: HashMap::new(),
            next_receipt: 0,
            next_subscription: 0,
            next_client: 0,
            runs: 0,
            poisoned: false,
            calm: false,
            log: VecDeque::new(),
            statistics: Statistics::default(),
        }
    }

    /// The last steps, for who looks for a fault.
    pub(crate) fn history(&self) -> impl Iterator<Item = &str> {
        self.log.iter().map(String::as_str)
    }

    pub(crate) fn note(&mut self, text: String) {
        let most = if std::env::var_os("STOMPBOX_SIM_ALL").is_some() {
            usize::MAX
        } else {
            60
        };
        if self.log.len() >= most {
            self.log.pop_front();
        }
        self.log.push_back(format!("{}: {text}", self.now));
    }

    pub(crate) fn random_queue(&mut self) -> String {
        format!("/queue/q.{}", self.rng.below(self.knobs.queues))
    }

    pub(crate) fn run(&mut self, key: usize, commands: Vec<Command>) -> Check {
        let id = self.clients[&key].id;
        self.run_id(id, commands)
    }

    pub(crate) fn run_id(&mut self, id: ConnectionId, commands: Vec<Command>) -> Check {
        self.broker.run(id, commands, self.now);
        self.outputs()
    }

    /// So many steps, then the end, at which everything is drained and looked at.
    pub(crate) fn live(&mut self, steps: u64) -> Check {
        self.declare()?;
        for step in 0..steps {
            self.step()?;
            if step % 16 == 0 {
                self.audit()?;
            }
        }
        self.end()
    }

    /// Somebody says what the first queue is, and goes.
    fn declare(&mut self) -> Check {
        if self.knobs.declared.is_empty() {
            return Ok(());
        }
        let key = self.connect();
        let id: Box<str> = "declares".into();
        let headers = self.knobs.declared.iter();
        let subscribe = Subscribe {
            id: id.clone(),
            subscriber: Subscriber::new(Some(id), None, Box::default()).into(),
            destination: DECLARED.into(),
            ack: AckMode::Client,
            headers: headers.map(|(n, v)| ((*n).into(), (*v).into())).collect(),
            receipt: None,
        };
        self.run(key, vec![Command::Subscribe(Box::new(subscribe))])?;
        self.leave(key)
    }

    fn audit(&mut self) -> Check {
        self.broker
            .audit()
            .map_err(|error| format!("audit: {error}"))
    }

    fn step(&mut self) -> Check {
        self.statistics.steps += 1;
        match self.rng.below(1000) {
            0..300 => self.now += 1,
            300..320 => self.now += self.rng.below(30),
            320..323 => self.now += 1 + self.rng.below(3000),
            323 if self.rng.chance(200) => self.now += 15_000,
            _ => {}
        }
        self.tick()?;
        if self.knobs.stored && (self.poisoned || self.rng.below(8000) < self.knobs.crashes) {
            if !self.poisoned || self.rng.chance(20) {
                return self.crash();
            }
        } else if self.rng.below(3000) == 0 {
            self.calm_down()?;
        }
        if self.clients.len() < self.knobs.clients
            && (self.clients.is_empty() || self.rng.chance(100))
        {
            self.connect();
        }
        let keys: Vec<usize> = self.clients.keys().copied().collect();
        if keys.is_empty() {
            return Ok(());
        }
        let at = self.rng.index(keys.len());
        self.act(keys[at])
    }

    /// Timers and the disk.
    fn tick(&mut self) -> Check {
        if self.broker.poll_timeout().is_some_and(|at| at <= self.now) {
            self.broker.handle_timeout(self.now);
            self.outputs()?;
        }
        if let Some((result, outcome)) = self.disk.batch_done(self.now, &mut self.rng) {
            match outcome {
                Outcome::Written => {}
                Outcome::Full | Outcome::Poisoned => {
                    self.note(format!("a batch: {outcome:?}"));
                    self.statistics.refused += 1;
                    self.model.batch_refused();
                    self.poisoned |= outcome == Outcome::Poisoned;
                }
            }
            self.broker.batch_done(result, self.now);
            self.outputs()?;
        }
        if let Some((wanted, data)) = self.disk.reads_done(self.now) {
            self.statistics.reads += wanted.len() as u64;
            self.broker.reads_done(&wanted, data, self.now);
            self.outputs()?;
        }
        if self.broker.batch_due().is_some_and(|at| at <= self.now)
            && let Some(ops) = self.broker.take_batch(self.now)
        {
            self.disk.begin(ops, self.now, &mut self.rng);
        }
        if let Some(wanted) = self.broker.take_reads() {
            self.disk.begin_reads(wanted, self.now, &mut self.rng);
        }
        Ok(())
    }

    fn connect(&mut self) -> usize {
        let key = self.next_client;
        self.next_client += 1;
        self.statistics.clients += 1;
        let by_id = !self.calm && self.rng.chance(300);
        let speed = match self.rng.below(10) {
            _ if self.calm => Speed::Fast,
            0..7 => Speed::Fast,
            7..9 => Speed::Slow,
            _ => Speed::Stuck,
        };
        let identity = Identity {
            reply_token: format!("token{key}").into(),
            acks_by_message_id: by_id,
            ..Identity::default()
        };
        let id = self.broker.connect(identity, self.now);
        self.note(format!("c{key} connects, by_id {by_id}, {speed:?}"));
        self.clients.insert(key, Client::new(id, by_id, speed));
        self.by_id.insert(id, key);
        key
    }

    /// Takes what the broker has for its connections.
    fn outputs(&mut self) -> Check {
        // Their errors come later, but from now on nothing they say counts.
        for client in self.clients.values_mut() {
            client.failed |= !client.receipts.is_empty() && self.broker.has_failed(client.id);
        }
        let mut outputs = VecDeque::new();
        while let Some(id) = self.broker.poll_dirty() {
            // The server takes nothing for a connection that it has given up.
            let Some(key) = self.by_id.get(&id).copied() else {
                continue;
            };
            self.broker.take_outputs(id, &mut outputs);
            for output in outputs.drain(..) {
                self.output(key, output)?;
            }
        }
        Ok(())
    }

    fn output(&mut self, key: usize, output: Output) -> Check {
        let client = self.clients.get_mut(&key).expect("it is there");
        if client.bye && !matches!(output, Output::Deliver(_)) {
            return Err(format!("c{key} got {output:?} after its end"));
        }
        match output {
            Output::Deliver(delivery) => {
                self.statistics.deliveries += 1;
                let number = subscription_of(&delivery);
                let body = String::from_utf8_lossy(delivery.message.body()).into_owned();
                let name = body.split(' ').next().unwrap_or_default();
                let message = name[1..].parse().map_err(|_| format!("a body {body:?}"))?;
                let handed = Handed {
                    message,
                    sequence: delivery.sequence,
                    redeliveries: delivery.redeliveries,
                    queue: self.broker.queue_of(&delivery),
                    death: delivery.message.header("x-death-queue"),
                };
                let subscription = &self.model.subscriptions[&number];
                if !subscription.open {
                    return Err(format!("m{message} for s{number}, which is closed"));
                }
                let kind = subscription.kind;
                let log = format!(
                    "-> c{key} s{number} {kind:?} m{message} sequence {} tag {} redeliveries {} {:?}",
                    delivery.sequence, delivery.tag, delivery.redeliveries, handed.death
                );
                let copy = match kind {
                    Kind::Queue => Some(self.model.delivery(number, &handed, self.now)),
                    Kind::Topic => {
                        self.model.topic_delivery(number, &handed)?;
                        None
                    }
                    Kind::Browser => None,
                };
                self.note(log);
                let copy = copy.transpose()?;
                let client = self.clients.get_mut(&key).expect("it is there");
                client.inbox.push_back((delivery, copy));
            }
            Output::Receipt(receipt) => {
                let waiting = client.receipts.remove(&*receipt);
                self.note(format!("-> c{key} RECEIPT {receipt}"));
                let Some(waiting) = waiting else {
                    return Err(format!(
                        "c{key} got receipt {receipt}, not asked for or twice"
                    ));
                };
                match waiting {
                    Waiting::Nothing | Waiting::Nacks(_) => {}
                    Waiting::Sends(copies) => self.model.safe(&copies),
                    Waiting::Acks(copies) => {
                        for copy in copies {
                            let state = &mut self.model.copies[copy].state;
                            if matches!(state, State::Settled { .. }) {
                                *state = State::Settled { durable: true };
                            }
                        }
                    }
                    Waiting::Commit(at) => self.model.committed(at),
                    Waiting::Durable(name) => {
                        if let Some(durable) = self.model.durables.get_mut(&name) {
                            durable.2 = true;
                        }
                    }
                }
            }
            Output::Error { error, receipt } => {
                client.failed = true;
                let waiting = receipt
                    .as_ref()
                    .and_then(|it| client.receipts.remove(&**it));
                self.note(format!("-> c{key} ERROR {error} {receipt:?}"));
                match waiting {
                    Some(Waiting::Commit(at)) => self.model.not_committed(at, self.poisoned)?,
                    Some(Waiting::Acks(copies)) => {
                        for copy in copies {
                            let copy = &mut self.model.copies[copy];
                            if matches!(copy.state, State::Settled { durable: false }) {
                                copy.certain = false;
                                copy.state = State::Queued;
                            }
                        }
                    }
                    Some(Waiting::Nacks(copies)) => {
                        for copy in copies {
                            self.model.perhaps_refused(copy);
                        }
                    }
                    _ => {}
                }
            }
            Output::Bye(receipt) => {
                self.note(format!("-> c{key} BYE {receipt:?}"));
                let client = self.clients.get_mut(&key).expect("it is there");
                if !client.receipts.is_empty() && !client.failed {
                    return Err(format!("c{key} got BYE before {:?}", client.receipts));
                }
                if client.quitting.as_ref().map(|it| it.as_deref()) != Some(receipt.as_deref()) {
                    return Err(format!("c{key} got BYE {receipt:?}"));
                }
                client.bye = true;
            }
            Output::BrowserEnd(_) | Output::Pause => {}
        }
        Ok(())
    }

    /// Lets everything come to rest, and looks whether something is missing.
    fn calm_down(&mut self) -> Check {
        for _ in 0..2000 {
            let keys: Vec<usize> = self.clients.keys().copied().collect();
            let mut wrote = false;
            for key in keys {
                if self.clients[&key].failed || self.clients[&key].bye {
                    self.leave(key)?;
                } else if self.clients[&key].speed != Speed::Stuck {
                    let client = &self.clients[&key];
                    wrote |= !client.inbox.is_empty() || client.undrained.0 > 0;
                    self.write(key, usize::MAX)?;
                    self.drain(key)?;
                }
            }
            let next = [
                self.disk.next_due(),
                self.broker.batch_due(),
                self.broker.poll_timeout(),
            ];
            let next = next.into_iter().flatten().min();
            let rests = !self.disk.is_busy() && self.broker.batch_due().is_none();
            self.tick()?;
            if rests && !wrote && next.is_none_or(|at| at > self.now + 200) {
                break;
            }
            if let Some(at) = next
                && at > self.now
            {
                self.now = at;
            }
        }
        self.audit()?;
        for (key, client) in &self.clients {
            if !client.failed && !client.receipts.is_empty() {
                return Err(format!("c{key} still waits for {:?}", client.receipts));
            }
        }
        for (number, subscription) in &self.model.subscriptions {
            let client = self.clients.get(&subscription.client);
            if !subscription.open
                || client
                    .is_none_or(|it| it.failed || it.speed == Speed::Stuck || !it.held.is_empty())
            {
                continue;
            }
            for (message, expected) in &subscription.expected {
                let sent = &self.model.sent[*message];
                if *expected == Expected::Surely && sent.expires == 0 {
                    return Err(format!("m{message} did not come to s{number}"));
                }
            }
        }
        if !self.poisoned && !self.disk.is_busy() && self.broker.batch_due().is_none() {
            self.note("everything is quiet".into());
            self.model.quiet();
        }
        Ok(())
    }

    /// `kill -9`, and a new start.
    fn crash(&mut self) -> Check {
        self.statistics.crashes += 1;
        self.runs += 1;
        let found = self.disk.crash(&mut self.rng);
        self.note(format!(
            "CRASH, and {} messages are found, the next is {}: {:?}",
            found.messages.len(),
            found.next_id,
            found
                .messages
                .iter()
                .map(|it| (it.queue, it.id))
                .collect::<Vec<_>>()
        ));
        self.poisoned = false;
        self.clients.clear();
        self.by_id.clear();
        self.open_sends.clear();
        self.model.crash();
        let run = format!("run{}", self.runs);
        self.broker = Broker::with_store(
            config(&self.knobs),
            &run,
            self.now,
            found.definitions,
            &found.messages,
            found.next_id,
        );
        self.audit()
    }

    /// All clients leave, and others take what is there.
    fn end(&mut self) -> Check {
        (self.disk.full, self.disk.poison) = (0, 0);
        if self.poisoned || (self.knobs.stored && self.rng.chance(500)) {
            self.crash()?;
        }
        self.calm_down()?;
        for key in self.clients.keys().copied().collect::<Vec<_>>() {
            self.leave(key)?;
        }
        self.calm = true;
        let mut names: Vec<(String, Vec<String>)> = Vec::new();
        for number in 0..self.knobs.queues {
            let queue = format!("/queue/q.{number}");
            let letters = format!("/queue/DLQ.q.{number}");
            names.push((queue.clone(), vec![queue.clone()]));
            names.push((letters.clone(), vec![letters, queue]));
        }
        let subscriptions = |name: &String| name.trim_start_matches("/dsub/").to_owned();
        for name in self.model.durables.keys() {
            names.push((subscriptions(name), vec![name.clone()]));
            let letters = format!("/queue/DLQ.{}", subscriptions(name));
            names.push((letters.clone(), vec![letters, name.clone()]));
        }
        for (destination, names) in names {
            self.take_all(destination, names)?;
        }
        for _ in 0..5 {
            self.now += 1000;
            self.calm_down()?;
        }
        self.model.check_all_seen(self.now)?;
        for key in self.clients.keys().copied().collect::<Vec<_>>() {
            self.leave(key)?;
        }
        for _ in 0..40 {
            self.now += 1000;
            self.calm_down()?;
        }
        let left: Vec<_> = self
            .broker
            .queue_stats()
            .filter(|(name, messages, ..)| {
                let stays = name.starts_with("/dsub/") || Some(*name) == self.model.lossy;
                *messages > 0 || !stays
            })
            .map(|(name, messages, consumers, _)| format!("{name} {messages} {consumers}"))
            .collect();
        if !left.is_empty() {
            return Err(format!("queues are left: {left:?}"));
        }
        if self.broker.memory() != 0 || self.broker.connections() != 0 {
            let (memory, connections) = (self.broker.memory(), self.broker.connections());
            return Err(format!(
                "{memory} bytes, {connections} connections are left"
            ));
        }
        if self.knobs.stored && self.disk.messages() > 0 {
            return Err(format!(
                "{} messages are left on disk",
                self.disk.messages()
            ));
        }
        Ok(())
    }

    fn take_all(&mut self, destination: String, names: Vec<String>) -> Check {
        let key = self.connect();
        let mut headers: Vec<(Box<str>, Box<str>)> = Vec::new();
        let mut destination = destination;
        if let Some((topic, selector, _)) = names.first().and_then(|it| self.model.durables.get(it))
        {
            headers.push(("durable-subscription-name".into(), destination.into()));
            if let crate::model::Selector::Is(color) = selector {
                let text = format!("color = '{}'", crate::client::COLORS[*color]);
                headers.push(("selector".into(), text.into()));
            }
            destination = topic.clone();
        }
        let number = self.next_subscription;
        self.next_subscription += 1;
        self.note(format!(
            "c{key} takes all of {destination} {headers:?} by s{number}"
        ));
        let subscription = Subscription::new(key, Kind::Queue, names);
        self.model.subscriptions.insert(number, subscription);
        self.clients
            .get_mut(&key)
            .expect("it is there")
            .subscriptions
            .push(number);
        let id: Box<str> = format!("s{number}").into();
        let subscribe = Subscribe {
            id: id.clone(),
            subscriber: Subscriber::new(Some(id), None, Box::default()).into(),
            destination: destination.into(),
            ack: AckMode::Auto,
            headers,
            receipt: None,
        };
        self.run(key, vec![Command::Subscribe(Box::new(subscribe))])?;
        self.calm_down()
    }
}
