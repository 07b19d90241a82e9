//! What a virtual client does.

use std::collections::{BTreeMap, VecDeque};

use stompbox_broker::{Command, ConnectionId, Delivery, Message, Subscribe, Subscriber, Target};
use stompbox_proto::AckMode;

use crate::{
    model::{
        Check, Copy, Expected, Fate, Kind, Place, Selector, Sent, State, Subscription, Transaction,
    },
    world::World,
};

pub(crate) const COLORS: [&str; 3] = ["red", "green", "blue"];

/// How fast a client writes what it is handed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speed {
    Fast,
    Slow,
    Stuck,
}

/// A delivery that the client has and did not acknowledge.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) tag: u64,
    pub(crate) sequence: u64,
    pub(crate) subscription: usize,
    /// Of a queue: its copy.
    pub(crate) copy: Option<usize>,
    /// In an open transaction.
    pub(crate) taken: bool,
}

/// What waits for a receipt.
#[derive(Clone, Debug)]
pub(crate) enum Waiting {
    Nothing,
    Sends(Vec<usize>),
    Acks(Vec<usize>),
    Nacks(Vec<usize>),
    Commit(usize),
    Durable(String),
}

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: ConnectionId,
    pub(crate) by_id: bool,
    pub(crate) speed: Speed,
    pub(crate) subscriptions: Vec<usize>,
    pub(crate) inbox: VecDeque<(Delivery, Option<usize>)>,
    /// Written, and the broker was not told: bytes, and copies in auto mode.
    pub(crate) undrained: (usize, Vec<usize>),
    pub(crate) held: Vec<Held>,
    pub(crate) receipts: BTreeMap<String, Waiting>,
    /// Its open transaction.
    pub(crate) transaction: Option<usize>,
    pub(crate) failed: bool,
    pub(crate) quitting: Option<Option<String>>,
    pub(crate) bye: bool,
}

impl Client {
    pub(crate) fn new(id: ConnectionId, by_id: bool, speed: Speed) -> Self {
        Self {
            id,
            by_id,
            speed,
            subscriptions: Vec::new(),
            inbox: VecDeque::new(),
            undrained: (0, Vec::new()),
            held: Vec::new(),
            receipts: BTreeMap::new(),
            transaction: None,
            failed: false,
            quitting: None,
            bye: false,
        }
    }

    /// Whether it waits for the end of a transaction: what it sends meanwhile waits too.
    pub(crate) fn is_committing(&self) -> bool {
        self.receipts
            .values()
            .any(|it| matches!(it, Waiting::Commit(_)))
    }
}

impl World {
    /// One step of a client.
    pub(crate) fn act(&mut self, key: usize) -> Check {
        let client = &self.clients[&key];
        if client.failed || client.bye {
            return self.leave(key);
        }
        let write = match client.speed {
            Speed::Fast => true,
            Speed::Slow => self.rng.chance(200),
            Speed::Stuck => false,
        };
        if write {
            let most = match self.clients[&key].speed {
                Speed::Fast => usize::MAX,
                _ => 1 + self.rng.index(5),
            };
            self.write(key, most)?;
        }
        if !self.clients.contains_key(&key) || self.clients[&key].failed {
            return Ok(());
        }
        if self.clients[&key].quitting.is_some() {
            return if self.rng.chance(50) {
                self.leave(key)
            } else {
                Ok(())
            };
        }
        if self.clients[&key].is_committing() {
            return match self.rng.below(100) {
                0..5 => self.leave(key),
                5..15 => self.send(key),
                _ => Ok(()),
            };
        }
        match self.rng.below(1000) {
            0..380 => self.send(key),
            380..720 => self.acknowledge(key),
            720..800 => self.subscribe(key),
            800..820 => self.unsubscribe(key),
            820..880 => self.begin(key),
            880..950 => self.end_transaction(key),
            950..960 => self.quit(key),
            960..970 => self.leave(key),
            _ => Ok(()),
        }
    }

    fn receipt(&mut self, key: usize, per_mille: u64, waiting: Waiting) -> Option<Box<str>> {
        if !self.rng.chance(per_mille) {
            return None;
        }
        self.next_receipt += 1;
        let name = format!("r{}", self.next_receipt);
        let client = self.clients.get_mut(&key).expect("it is there");
        client.receipts.insert(name.clone(), waiting);
        Some(name.into())
    }

    /// A client's server writes what was handed out.
    pub(crate) fn write(&mut self, key: usize, most: usize) -> Check {
        for _ in 0..most {
            let client = self.clients.get_mut(&key).expect("it is there");
            let Some((delivery, copy)) = client.inbox.pop_front() else {
                break;
            };
            let size = delivery.size();
            if delivery.subscriber.is_closed() {
                if delivery.tag == 0
                    && let Some(copy) = copy
                {
                    self.model.returned(copy, key);
                }
                // What was written before is told first, or it would be out of order.
                self.drain(key)?;
                let back = Command::GiveBack(Box::new(delivery));
                self.run(key, vec![back, Command::Drained(size)])?;
                continue;
            }
            let subscription = subscription_of(&delivery);
            client.undrained.0 += size;
            if let Some(copy) = copy {
                self.model.copies[copy].seen += 1;
            }
            if delivery.tag != 0 {
                client.held.push(Held {
                    tag: delivery.tag,
                    sequence: delivery.sequence,
                    subscription,
                    copy,
                    taken: false,
                });
            } else if let Some(copy) = copy {
                client.undrained.1.push(copy);
            }
        }
        if self.clients[&key].speed == Speed::Fast || self.rng.chance(500) {
            self.drain(key)?;
        }
        Ok(())
    }

    pub(crate) fn drain(&mut self, key: usize) -> Check {
        let client = self.clients.get_mut(&key).expect("it is there");
        let (bytes, copies) = std::mem::take(&mut client.undrained);
        if bytes == 0 {
            return Ok(());
        }
        for copy in copies {
            self.model.copies[copy].state = State::Settled { durable: false };
        }
        self.run(key, vec![Command::Drained(bytes)])
    }

    fn send(&mut self, key: usize) -> Check {
        let count = if self.rng.chance(100) { 20 } else { 1 };
        for _ in 0..count {
            if self.clients.get(&key).is_some_and(|it| !it.failed) {
                self.send_one(key)?;
            }
        }
        Ok(())
    }

    fn send_one(&mut self, key: usize) -> Check {
        let queue = self.random_queue();
        let other = self.random_queue();
        let topic = format!("/topic/t.{}", self.rng.below(self.knobs.topics));
        let (queues, topics) = match self.rng.below(100) {
            0..60 => (vec![queue], vec![]),
            60..90 => (vec![], vec![topic]),
            90..95 if queue != other => (vec![queue, other], vec![]),
            _ => (vec![queue], vec![topic]),
        };
        let destination = [queues.clone(), topics.clone()].concat().join(",");
        let message = self.model.sent.len();
        let client = &self.clients[&key];
        let in_transaction = client.transaction.filter(|_| self.rng.chance(700));
        let pipelined = client.is_committing();
        let persistent = self.rng.chance(self.knobs.persistent);
        let priority = if self.rng.chance(100) {
            self.rng.below(10) as u8
        } else {
            4
        };
        let color = self.rng.index(3);
        let mut sent = Sent {
            producer: key,
            persistent,
            priority,
            order: 0,
            color,
            group: None,
            transaction: in_transaction,
            late: client.is_committing(),
            expires: 0,
            not_before: 0,
        };
        let mut headers = vec![("color", COLORS[color].to_owned())];
        if persistent {
            headers.push(("persistent", "true".into()));
        }
        if priority != 4 {
            headers.push(("priority", priority.to_string()));
        }
        if self.rng.chance(50) {
            let ttl = 1 + self.rng.below(3000);
            sent.expires = self.now + ttl;
            headers.push(("expires", sent.expires.to_string()));
        }
        let scheduled = topics.is_empty() && in_transaction.is_none() && self.rng.chance(50);
        if scheduled {
            let delay = self.rng.below(500);
            sent.not_before = self.now + delay;
            headers.push(("AMQ_SCHEDULED_DELAY", delay.to_string()));
        } else if self.rng.chance(self.knobs.groups) {
            let group = self.rng.below(4);
            sent.group = Some(group);
            headers.push(("JMSXGroupID", format!("g{group}")));
        }
        if !scheduled && in_transaction.is_none() {
            self.model.next_order += 1;
            sent.order = self.model.next_order;
        }
        let body = format!("m{message} {}", "x".repeat(self.rng.index(300)));
        let list: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, &**v)).collect();
        let made = Message::new(&destination, &list, body.as_bytes(), self.now)
            .map_err(|error| error.to_string())?;
        self.model.sent.push(sent);
        let transaction = in_transaction.map(|at| format!("t{at}").into());
        let log = format!(
            "c{key} SEND m{message} to {destination} {headers:?} transaction {in_transaction:?}"
        );
        if let Some(at) = in_transaction {
            self.note(log);
            self.model.transactions[at].steps += 1;
            self.open_sends
                .entry(at)
                .or_default()
                .push((message, queues, topics, persistent));
            let receipt = self.receipt(key, 50, Waiting::Nothing);
            let send = Command::Send {
                transaction,
                receipt,
                message: made.into(),
            };
            return self.run(key, vec![send]);
        }
        let before = self.model.copies.len();
        // While a transaction is being stored nobody knows when, or whether, it is done.
        self.expect(key, message, &queues, &topics, persistent, !pipelined, None);
        let copies: Vec<usize> = (before..self.model.copies.len()).collect();
        let receipt = self.receipt(key, 600, Waiting::Sends(copies.clone()));
        self.note(format!("{log} receipt {receipt:?}"));
        let send = Command::Send {
            transaction,
            receipt,
            message: made.into(),
        };
        self.run(key, vec![send])?;
        if self.clients.get(&key).is_none_or(|client| client.failed) {
            // It may have been refused.
            for copy in copies {
                self.model.copies[copy].certain = false;
            }
            self.forgive(message);
        }
        Ok(())
    }

    /// Subscribers of topics may see it, or not.
    pub(crate) fn forgive(&mut self, message: usize) {
        for subscription in self.model.subscriptions.values_mut() {
            if let Some(expected @ Expected::Surely) = subscription.expected.get_mut(&message) {
                *expected = Expected::Perhaps;
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn expect(
        &mut self,
        key: usize,
        message: usize,
        queues: &[String],
        topics: &[String],
        persistent: bool,
        certain: bool,
        transaction: Option<usize>,
    ) {
        let template = Copy {
            message,
            queue: String::new(),
            persistent,
            placed: true,
            certain,
            receipted: false,
            state: State::Queued,
            place: Place::Root,
            seen: 0,
            handed_out: 0,
            failures: (0, 0),
            sequence: None,
            transaction,
            acknowledged_in: None,
            perhaps_consumed: false,
        };
        for queue in queues {
            self.model.add_copy(Copy {
                queue: queue.clone(),
                ..template.clone()
            });
        }
        for topic in topics {
            self.model
                .sent_to_topic(message, key, topic, &template, certain);
        }
    }

    fn acknowledge(&mut self, key: usize) -> Check {
        for _ in 0..1 + self.rng.index(4) {
            if self.clients.get(&key).is_some_and(|it| !it.failed) {
                self.acknowledge_one(key)?;
            }
        }
        Ok(())
    }

    fn acknowledge_one(&mut self, key: usize) -> Check {
        let client = &self.clients[&key];
        let free: Vec<Held> = client.held.iter().filter(|it| !it.taken).cloned().collect();
        if free.is_empty() {
            return Ok(());
        }
        let chosen = match self.rng.chance(600) {
            true => free[0].clone(),
            false => free[self.rng.index(free.len())].clone(),
        };
        let subscription = self.model.subscriptions[&chosen.subscription].clone();
        let covered: Vec<Held> = client
            .held
            .iter()
            .filter(|it| match subscription.cumulative {
                true => it.subscription == chosen.subscription && it.tag <= chosen.tag,
                false => it.tag == chosen.tag,
            })
            .cloned()
            .collect();
        let topic = subscription.kind == Kind::Topic;
        let consumed = topic || self.rng.chance(850);
        let requeue = self.rng.chance(800);
        let in_transaction = client
            .transaction
            .filter(|_| consumed && self.rng.chance(600));
        if covered.iter().any(|it| it.taken) && in_transaction.is_none() {
            return Ok(());
        }
        let target = match client.by_id {
            true => Target::Message {
                sequence: chosen.sequence,
                subscription: Some(format!("s{}", chosen.subscription).into()),
            },
            false => Target::Tag(chosen.tag),
        };
        let copies: Vec<usize> = covered.iter().filter_map(|it| it.copy).collect();
        let word = if consumed { "ACK" } else { "NACK" };
        let numbers: Vec<_> = copies
            .iter()
            .map(|at| self.model.copies[*at].message)
            .collect();
        let log = format!(
            "c{key} {word} {target:?} requeue {requeue}, that is {numbers:?}, transaction {in_transaction:?}"
        );
        let client = self.clients.get_mut(&key).expect("it is there");
        if let Some(at) = in_transaction {
            for held in &mut client.held {
                if covered.iter().any(|it| it.tag == held.tag) {
                    held.taken = true;
                }
            }
            let transaction = &mut self.model.transactions[at];
            transaction.steps += 1;
            for copy in copies {
                if !transaction.acks.contains(&copy) {
                    transaction.acks.push(copy);
                }
            }
            self.note(log);
            let ack = Command::Acknowledge {
                target,
                consumed,
                requeue,
                transaction: Some(format!("t{at}").into()),
                receipt: None,
            };
            return self.run(key, vec![ack]);
        }
        client
            .held
            .retain(|held| !covered.iter().any(|it| it.tag == held.tag));
        for copy in &copies {
            if consumed {
                self.model.copies[*copy].state = State::Settled { durable: false };
            } else {
                self.model.refused(*copy, requeue);
            }
        }
        let waiting = match consumed {
            true => Waiting::Acks(copies),
            false => Waiting::Nacks(copies),
        };
        let receipt = self.receipt(key, 400, waiting);
        self.note(format!("{log} receipt {receipt:?}"));
        let ack = Command::Acknowledge {
            target,
            consumed,
            requeue,
            transaction: None,
            receipt,
        };
        self.run(key, vec![ack])
    }

    fn subscribe(&mut self, key: usize) -> Check {
        if self.clients[&key].subscriptions.len() >= 3 {
            return Ok(());
        }
        let mut headers: Vec<(Box<str>, Box<str>)> = Vec::new();
        let mut add = |name: &str, value: String| headers.push((name.into(), value.into()));
        let mut waiting = Waiting::Nothing;
        let queue = self.random_queue();
        let topic = format!("/topic/t.{}", self.rng.below(self.knobs.topics));
        let mut selector = Selector::All;
        if self.rng.chance(250) {
            let color = self.rng.index(3);
            selector = match self.rng.chance(500) {
                true => Selector::Is(color),
                false => Selector::IsNot(color),
            };
        }
        let (kind, destination, names) = match self.rng.below(100) {
            0..45 => (Kind::Queue, queue.clone(), vec![queue]),
            45..52 => (Kind::Queue, "/queue/q.*".into(), vec!["/queue/q.*".into()]),
            52..57 => (Kind::Browser, queue.clone(), vec![queue]),
            57..62 => {
                let letters = format!("/queue/DLQ.{}", queue.trim_start_matches("/queue/"));
                // Colours are those of the first life.
                selector = Selector::All;
                (Kind::Queue, letters.clone(), vec![letters, queue])
            }
            62..82 => (Kind::Topic, topic.clone(), vec![topic]),
            82..90 => (Kind::Topic, "/topic/t.*".into(), vec!["/topic/t.*".into()]),
            _ => {
                let number = self.rng.below(3);
                let name = format!("/dsub/d{number}");
                add("durable-subscription-name", format!("d{number}"));
                selector = if number == 0 {
                    Selector::Is(0)
                } else {
                    Selector::All
                };
                let topic = format!("/topic/t.{}", number % self.knobs.topics);
                let known = self.model.durables.get(&name).is_some_and(|it| it.2);
                if !known {
                    waiting = Waiting::Durable(name.clone());
                }
                self.model
                    .durables
                    .entry(name.clone())
                    .or_insert_with(|| (topic.clone(), selector, false));
                (Kind::Queue, topic, vec![name])
            }
        };
        match selector {
            Selector::All => {}
            Selector::Is(color) => add("selector", format!("color = '{}'", COLORS[color])),
            Selector::IsNot(color) => add("selector", format!("color <> '{}'", COLORS[color])),
        }
        let mut subscription = Subscription::new(key, kind, names);
        subscription.selector = selector;
        let ack = match self.rng.below(3) {
            _ if kind == Kind::Browser => AckMode::Auto,
            0 => AckMode::Auto,
            1 => AckMode::Client,
            _ => AckMode::ClientIndividual,
        };
        subscription.auto = ack == AckMode::Auto;
        subscription.cumulative = ack == AckMode::Client;
        match kind {
            Kind::Browser => add("browser", "true".into()),
            Kind::Topic => {
                if self.rng.chance(200) {
                    subscription.no_local = true;
                    add("no-local", "true".into());
                }
                if self.rng.chance(300) {
                    subscription.drops = true;
                    let policy = self.rng.pick(&["drop-head", "drop-tail"]);
                    add("overflow", policy.into());
                }
            }
            Kind::Queue => {
                if self.rng.chance(50) {
                    add("exclusive", "true".into());
                }
                if self.rng.chance(100) {
                    add("x-priority", self.rng.below(5).to_string());
                }
                if self.rng.chance(200) {
                    add("activemq.redeliveryDelay", self.rng.below(300).to_string());
                }
            }
        }
        if self.rng.chance(300) {
            add("prefetch-count", (1 + self.rng.below(10)).to_string());
        }
        if self.rng.chance(100) {
            add("credit", format!("5,{}", 500 + self.rng.below(2000)));
        }
        let number = self.next_subscription;
        self.next_subscription += 1;
        let durable = matches!(&waiting, Waiting::Durable(_));
        let receipt = self.receipt(key, if durable { 1000 } else { 300 }, waiting);
        self.note(format!(
            "c{key} SUBSCRIBE s{number} to {destination} {ack:?} {headers:?} receipt {receipt:?}"
        ));
        self.model.subscriptions.insert(number, subscription);
        let client = self.clients.get_mut(&key).expect("it is there");
        client.subscriptions.push(number);
        let id: Box<str> = format!("s{number}").into();
        let line = format!("subscription:{id}\n").into_bytes().into();
        let subscribe = Subscribe {
            id: id.clone(),
            subscriber: Subscriber::new(Some(id), None, line).into(),
            destination: destination.into(),
            ack,
            headers,
            receipt,
        };
        self.run(key, vec![Command::Subscribe(Box::new(subscribe))])
    }

    fn unsubscribe(&mut self, key: usize) -> Check {
        let client = &self.clients[&key];
        if client.subscriptions.is_empty() {
            return Ok(());
        }
        let number = client.subscriptions[self.rng.index(client.subscriptions.len())];
        // A transaction holds on to what it acknowledges.
        let used = |it: &Held| it.subscription == number && it.taken;
        if client.held.iter().any(used) {
            return Ok(());
        }
        let receipt = self.receipt(key, 300, Waiting::Nothing);
        self.note(format!("c{key} UNSUBSCRIBE s{number} receipt {receipt:?}"));
        let client = self.clients.get_mut(&key).expect("it is there");
        client.subscriptions.retain(|it| *it != number);
        client.held.retain(|held| held.subscription != number);
        let subscription = self.model.subscriptions.get_mut(&number).expect("made");
        subscription.open = false;
        if !subscription.auto {
            let all: Vec<usize> = (0..self.model.copies.len()).collect();
            self.model.return_all(&all, number);
        }
        let unsubscribe = Command::Unsubscribe {
            id: format!("s{number}").into(),
            headers: Vec::new(),
            receipt,
        };
        self.run(key, vec![unsubscribe])
    }

    fn begin(&mut self, key: usize) -> Check {
        if self.clients[&key].transaction.is_some() {
            return Ok(());
        }
        let at = self.model.transactions.len();
        self.model.transactions.push(Transaction {
            fate: Fate::Open,
            sends: Vec::new(),
            acks: Vec::new(),
            steps: 0,
            effect: false,
            doubtful: false,
            returned: false,
        });
        let receipt = self.receipt(key, 100, Waiting::Nothing);
        self.note(format!("c{key} BEGIN t{at} receipt {receipt:?}"));
        self.clients.get_mut(&key).expect("there").transaction = Some(at);
        let begin = Command::Begin {
            transaction: format!("t{at}").into(),
            receipt,
        };
        self.run(key, vec![begin])
    }

    fn end_transaction(&mut self, key: usize) -> Check {
        let client = self.clients.get_mut(&key).expect("it is there");
        let Some(at) = client.transaction.take() else {
            return Ok(());
        };
        let transaction: Box<str> = format!("t{at}").into();
        if self.rng.chance(250) {
            for held in &mut client.held {
                held.taken = false;
            }
            self.model.transactions[at].fate = Fate::Aborted;
            self.open_sends.remove(&at);
            let receipt = self.receipt(key, 500, Waiting::Nothing);
            self.note(format!("c{key} ABORT t{at} receipt {receipt:?}"));
            let abort = Command::Abort {
                transaction,
                receipt,
            };
            return self.run(key, vec![abort]);
        }
        client.held.retain(|held| !held.taken);
        self.model.transactions[at].fate = Fate::Committing;
        for copy in self.model.transactions[at].acks.clone() {
            let copy = &mut self.model.copies[copy];
            copy.state = State::Committing(at);
            copy.acknowledged_in = Some(at);
        }
        for (message, queues, topics, persistent) in self.open_sends.remove(&at).unwrap_or_default()
        {
            self.model.next_order += 1;
            self.model.sent[message].order = self.model.next_order;
            let before = self.model.copies.len();
            self.expect(key, message, &queues, &topics, persistent, false, Some(at));
            let new = before..self.model.copies.len();
            self.model.transactions[at].sends.extend(new);
        }
        let receipt = self.receipt(key, 1000, Waiting::Commit(at));
        self.note(format!(
            "c{key} COMMIT t{at} receipt {receipt:?} {:?}",
            self.model.transactions[at]
        ));
        let commit = Command::Commit {
            transaction,
            receipt,
        };
        self.run(key, vec![commit])
    }

    fn quit(&mut self, key: usize) -> Check {
        let receipt = match self.rng.chance(700) {
            true => {
                self.next_receipt += 1;
                Some(format!("r{}", self.next_receipt))
            }
            false => None,
        };
        self.note(format!("c{key} DISCONNECT receipt {receipt:?}"));
        let client = self.clients.get_mut(&key).expect("it is there");
        client.quitting = Some(receipt.clone());
        let receipt = receipt.map(Into::into);
        self.run(key, vec![Command::Quit { receipt }])
    }

    /// A connection ends: what was not written goes back with it.
    pub(crate) fn leave(&mut self, key: usize) -> Check {
        let Some(client) = self.clients.remove(&key) else {
            return Ok(());
        };
        self.note(format!(
            "c{key} is gone, {} were not written",
            client.inbox.len()
        ));
        self.by_id.remove(&client.id);
        self.model.client_gone(key, &client);
        if let Some(at) = client.transaction {
            self.model.transactions[at].fate = Fate::Aborted;
            self.open_sends.remove(&at);
        }
        let unwritten = client.inbox.into_iter().map(|(it, _)| it).collect();
        self.run_id(client.id, vec![Command::Gone { unwritten }])
    }
}

pub(crate) fn subscription_of(delivery: &Delivery) -> usize {
    let id = delivery.subscriber.id.as_deref().expect("all have one");
    id[1..].parse().expect("all have numbers")
}
