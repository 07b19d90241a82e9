//! What is in the store: definitions and messages, and how a broker begins with it.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use bytes::Bytes;
use stompbox_store::{Op, Recovered, StoreError};

use crate::{
    Broker, BrokerError, Config, Message, Output, Time,
    broker::{Hasher, seconds},
    consumers::SubscriptionKey,
    definitions::{
        read_job, read_queue, split_time, with_time, write_definition, write_job, write_queue,
    },
    journal::{Journal, Outcome, Put, RECOVERED, ReceiptKey},
    message::Entry,
    pattern::Pattern,
    queue::{Life, QueueKey},
    redelivery::Death,
    routing::Sender,
    schedule::{Due, Job},
    topic::{Binding, Retained},
    transaction::Prepared,
};

/// A durable subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Definition {
    /// The topic, perhaps with wildcards.
    pub(crate) topic: Box<str>,
    pub(crate) selector: Option<Box<str>>,
}

/// A message that has left its queue for the dead letters, and is only in the store.
#[derive(Debug)]
pub(crate) struct Dying {
    pub(crate) queue: QueueKey,
    pub(crate) entry: Entry,
    pub(crate) death: Death,
}

/// What of the broker is in the store.
#[derive(Debug, Default)]
pub(crate) struct Durable {
    next_store_id: u64,
    next_job: u64,
    pub(crate) by_store_id: HashMap<u64, QueueKey, Hasher>,
    /// By the names of their queues.
    definitions: HashMap<Box<str>, (Definition, Option<Pattern>, Binding)>,
    /// Transactions that are being stored.
    pub(crate) committing: HashMap<ReceiptKey, Prepared, Hasher>,
    /// Messages that are wanted back.
    pub(crate) wanted: Vec<(u64, u64)>,
    pub(crate) reading: bool,
    /// Messages whose deaths wait for their content, by queue and id in the store.
    pub(crate) dying: BTreeMap<(u64, u64), Dying>,
    /// The positions of streams' messages that are not read yet.
    pub(crate) positions: HashMap<u64, u64, Hasher>,
}

impl Durable {
    pub(crate) fn definition(&self, name: &str) -> Option<&Definition> {
        self.definitions
            .get(name)
            .map(|(definition, ..)| definition)
    }

    pub(crate) fn subscriptions(&self) -> usize {
        self.definitions.len()
    }

    pub(crate) fn has_subscriptions(&self) -> bool {
        !self.definitions.is_empty()
    }

    /// The durable subscriptions that a new topic's messages go to.
    pub(crate) fn bindings_of(&self, topic: &str) -> Vec<Binding> {
        let mut found: Vec<Binding> = self
            .definitions
            .values()
            .filter(|(definition, pattern, _)| match pattern {
                Some(pattern) => pattern.matches(topic),
                None => &*definition.topic == topic,
            })
            .map(|(.., binding)| binding.clone())
            .collect();
        found.sort_by_key(|binding| binding.queue);
        found
    }
}

/// Keys of definitions begin with a letter that says of what.
const QUEUE: &str = "q/";
const SUBSCRIPTION: &str = "d/";
const RETAINED: &str = "r/";
const JOB: &str = "s/";

impl Broker {
    /// A broker that goes on with what its store has. Give it what the store found when it was
    /// opened.
    pub fn with_store(
        config: Config,
        run: &str,
        now: Time,
        definitions: Vec<(Box<str>, Bytes)>,
        messages: &[Recovered],
        next_id: u64,
    ) -> Self {
        let mut broker = Self::new(config, run, now);
        broker.next_sequence = next_id.max(1);
        // Queues come first: durable subscriptions are about them.
        let of = |prefix: &'static str| {
            definitions
                .iter()
                .filter_map(move |(key, value)| Some((key.strip_prefix(prefix)?, value.clone())))
        };
        for (id, value) in of(QUEUE) {
            broker.recover_queue(id, &value);
        }
        for (name, value) in of(SUBSCRIPTION) {
            broker.recover_subscription(name, &value);
        }
        for (name, value) in of(RETAINED) {
            broker.recover_retained(name, value);
        }
        for (id, value) in of(JOB) {
            broker.recover_job(id, value);
        }
        for message in messages {
            broker.recover_message(message);
        }
        broker.journal = Journal::new(true);
        // Streams are read from memory.
        for message in messages {
            if let Some(key) = broker.durable.by_store_id.get(&message.queue)
                && let Some(queue) = broker.queues.get_mut(*key)
                && queue.log.is_some()
            {
                queue.loading = true;
                broker.durable.wanted.push((message.queue, message.id));
            }
        }
        for (key, _) in broker.queues.iter() {
            broker.idle_queues.insert(key);
        }
        // Of queues that went while somebody still held their messages.
        for message in messages {
            let (queue, id) = (message.queue, message.id);
            if !broker.durable.by_store_id.contains_key(&queue) {
                let kind = Op::Delete { queue, id };
                broker.journal.push(kind, None, false, now);
            }
        }
        broker
    }

    fn recover_queue(&mut self, id: &str, value: &[u8]) {
        let (Ok(id), Some((name, options))) = (id.parse::<u64>(), read_queue(value)) else {
            return;
        };
        // A queue whose definition was written twice has the later number.
        let Ok(queue) = self.declare_queue(&name, None) else {
            return;
        };
        self.set_options(queue, options);
        self.queues[queue].store_id = id;
        self.durable.by_store_id.insert(id, queue);
        self.durable.next_store_id = self.durable.next_store_id.max(id);
    }

    fn recover_subscription(&mut self, name: &str, value: &[u8]) {
        let Ok(text) = std::str::from_utf8(value) else {
            return;
        };
        let (topic, selector) = text.split_once('\n').unwrap_or((text, ""));
        let selector = self.selectors.compile(selector).ok().flatten();
        let Ok(queue) = self.declare_queue(name, None) else {
            return;
        };
        self.queues[queue].life = Life::Subscription;
        let definition = Definition {
            topic: topic.into(),
            selector: selector.as_ref().map(|selector| selector.text().into()),
        };
        let binding = Binding { queue, selector };
        let pattern = Pattern::parse(topic);
        let names: Vec<Arc<str>> = self
            .topics
            .iter()
            .map(|(_, it)| Arc::clone(&it.key))
            .collect();
        for key in names {
            let matches = pattern.as_ref().map_or(&*key == topic, |p| p.matches(&key));
            if matches && let Ok(topic) = self.topic(&key) {
                self.topics[topic].bindings.push(binding.clone());
            }
        }
        self.durable
            .definitions
            .insert(name.into(), (definition, pattern, binding));
    }

    fn recover_retained(&mut self, name: &str, value: Bytes) {
        let Some((expires, block)) = split_time(value) else {
            return;
        };
        let (Some(message), Ok(topic)) = (Message::restore(block, expires), self.topic(name))
        else {
            return;
        };
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.memory += message.size();
        let message = Arc::new(message);
        self.topics[topic].retained = Some(Retained {
            message,
            sequence,
            expires,
        });
    }

    fn recover_job(&mut self, id: &str, value: Bytes) {
        let (Ok(stored), Some(job)) = (id.parse(), read_job(value)) else {
            return;
        };
        let (at, mut job) = job;
        job.stored = stored;
        self.durable.next_job = self.durable.next_job.max(stored);
        self.memory += job.message.size();
        self.agenda.add(at, Due::Send(job));
    }

    fn recover_message(&mut self, message: &Recovered) {
        let Some(queue) = self.durable.by_store_id.get(&message.queue).copied() else {
            return;
        };
        if let Some(log) = &mut self.queues[queue].log {
            let position = u64::from(message.deliveries);
            log.resume_after(position);
            self.durable.positions.insert(message.id, position);
            return;
        }
        let entry = Entry {
            sequence: message.id,
            message: None,
            size: message.size.saturating_add(OVERHEAD),
            deliveries: message.deliveries,
            failures: u16::try_from(message.deliveries).unwrap_or(u16::MAX),
            priority: message.priority.min(9),
            expires: message.expires,
            stored: RECOVERED,
            arrived: seconds(self.now),
        };
        if entry.expires != 0 {
            self.queues[queue].expiring.insert(entry.expiry());
            self.expiring.insert(queue);
        }
        self.waiting.0 += 1;
        self.waiting.1 += u64::from(entry.size);
        self.queues[queue].messages.insert(entry);
    }

    /// What is to be written to the store now, all or nothing, if anything is and the last batch is
    /// done. Tell [`batch_done`](Self::batch_done) what came of it.
    pub fn take_batch(&mut self, now: Time) -> Option<Vec<Op>> {
        self.now = self.now.max(now);
        self.journal.take_batch(self.now)
    }

    /// Whether the store has something to do, now or soon.
    pub fn has_store_work(&self) -> bool {
        self.journal.deadline().is_some()
            || (!self.durable.reading && !self.durable.wanted.is_empty())
    }

    /// When [`take_batch`](Self::take_batch) has something; `None`: not before something happens.
    pub fn batch_due(&self) -> Option<Time> {
        self.journal.deadline()
    }

    /// What came of a batch.
    pub fn batch_done(&mut self, result: Result<(), StoreError>, now: Time) {
        self.now = self.now.max(now);
        match result {
            Ok(()) => {
                let outcome = self.journal.batch_written();
                for (stored, put) in outcome.puts {
                    self.stored(put.key, put.priority, put.id, stored);
                }
                for receipt in outcome.receipts {
                    self.give(receipt);
                }
            }
            Err(error @ (StoreError::Full { .. } | StoreError::TooLarge { .. })) => {
                let outcome = self.journal.batch_refused(self.now);
                let reason = error.to_string();
                self.not_stored(outcome, &BrokerError::StorageFull { reason });
            }
            Err(error) => {
                let reason = error.to_string();
                let outcome = self.journal.fail(&reason);
                self.not_stored(outcome, &BrokerError::StoreFailed { reason });
            }
        }
        self.send_letters();
        self.update_pressure();
    }

    /// Nothing is promised any more that only the store could keep.
    pub(crate) fn check_promises(&self) -> Result<(), BrokerError> {
        match self.journal.failure() {
            Some(reason) => Err(BrokerError::StoreFailed {
                reason: reason.to_owned(),
            }),
            None => Ok(()),
        }
    }

    /// A receipt has all it waited for.
    fn give(&mut self, receipt: crate::journal::Receipt) {
        let id = receipt.connection;
        if let Some(connection) = self.connections.get_mut(id) {
            connection.receipts = connection.receipts.saturating_sub(1);
        }
        if let Some(key) = receipt.commits {
            self.committed(key, receipt);
        } else if let Some(text) = receipt.id {
            self.connections.output(id, Output::Receipt(text));
        }
        self.bye(id);
    }

    /// The last receipt was given to a client that is to go.
    fn bye(&mut self, id: crate::ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if connection.receipts > 0 {
            return;
        }
        if let Some((error, receipt)) = connection.last_error.take() {
            self.connections
                .output(id, Output::Error { error, receipt });
        } else if let Some(receipt) = connection.quitting.take() {
            self.connections.output(id, Output::Bye(receipt));
            self.end(id);
        }
    }

    /// Messages could not be stored: those that nobody has been handed are as if they had not been
    /// sent, and their producers are told.
    fn not_stored(&mut self, outcome: Outcome, error: &BrokerError) {
        if !outcome.puts.is_empty() {
            self.forget_stored(&outcome.puts);
        }
        for (stored, put) in outcome.puts {
            let Some(queue) = self.queues.get_mut(put.key) else {
                continue;
            };
            let Some(entry) = queue.messages.get_mut(put.priority, put.id) else {
                continue;
            };
            if entry.stored != stored {
                continue;
            }
            entry.stored = 0;
            if put.durable
                && let Some(entry) = queue.messages.take(put.priority, put.id)
            {
                self.left_queue(put.key, &entry);
                if let Some(id) = put.sender {
                    self.connections.fail(id, error.clone(), None);
                }
            }
        }
        for receipt in outcome.receipts {
            let id = receipt.connection;
            if let Some(connection) = self.connections.get_mut(id) {
                connection.receipts = connection.receipts.saturating_sub(1);
            }
            match receipt.commits {
                Some(key) => self.not_committed(key, receipt, error.clone()),
                None => self.connections.fail(id, error.clone(), receipt.id),
            }
            self.bye(id);
        }
    }

    /// Messages that are not in the store after all may be with consumers by now.
    fn forget_stored(&mut self, puts: &[(u64, Put)]) {
        let puts: HashSet<(u64, u64), Hasher> =
            puts.iter().map(|(stored, put)| (*stored, put.id)).collect();
        let forget = |entry: &mut Entry| {
            if puts.contains(&(entry.stored, entry.sequence)) {
                entry.stored = 0;
            }
        };
        for id in self.connections.ids() {
            if let Some(connection) = self.connections.get_mut(id) {
                connection.unacked.entries_mut().for_each(forget);
                let unwritten = connection.unwritten.iter_mut();
                unwritten
                    .filter_map(|it| it.entry.as_mut())
                    .for_each(forget);
            }
        }
        self.agenda.returning_mut().for_each(forget);
    }

    /// A message needs its queue's store no more.
    pub(crate) fn consumed(&mut self, queue: QueueKey, entry: &Entry, receipt: Option<ReceiptKey>) {
        if entry.stored == 0 || !self.journal.is_enabled() {
            return;
        }
        let store_id = self.queues.get(queue).map_or(0, |queue| queue.store_id);
        let (stored, id) = (entry.stored, entry.sequence);
        let given = self
            .journal
            .consumed(stored, store_id, id, receipt, self.now);
        if let Some(receipt) = given {
            self.give(receipt);
        }
    }

    /// Messages of transactions that are being stored which a queue will get.
    pub(crate) fn prepared_for(&self, queue: QueueKey) -> usize {
        let all = self.durable.committing.values();
        all.map(|prepared| prepared.count(queue)).sum()
    }

    /// The number under which the store knows a queue; it is defined if it was not.
    pub(crate) fn store_id(&mut self, key: QueueKey) -> u64 {
        if self.queues[key].store_id == 0 {
            self.durable.next_store_id += 1;
            let id = self.durable.next_store_id;
            self.durable.by_store_id.insert(id, key);
            let queue = &mut self.queues[key];
            queue.store_id = id;
            let value = write_queue(&queue.key, &queue.options);
            let key = format!("{QUEUE}{id}").into();
            self.journal
                .push(Op::Set { key, value }, None, false, self.now);
        }
        self.queues[key].store_id
    }

    /// A queue that was declared to be something is that after a restart, though nothing is in it.
    pub(crate) fn define_declared(&mut self, key: QueueKey) {
        let queue = &self.queues[key];
        if self.journal.is_enabled()
            && queue.store_id == 0
            && queue.life == Life::Normal
            && !queue.options.is_empty()
            && queue.options.auto_delete != Some(true)
        {
            self.store_id(key);
        }
    }

    /// The store may forget a queue.
    pub(crate) fn undefine_queue(&mut self, key: QueueKey) {
        let id = self.queues[key].store_id;
        if id != 0 {
            self.queues[key].store_id = 0;
            self.durable.by_store_id.remove(&id);
            let key = format!("{QUEUE}{id}").into();
            self.journal.push(Op::Unset { key }, None, false, self.now);
        }
    }

    pub(crate) fn define_durable(&mut self, name: &str, definition: Definition, binding: Binding) {
        if self.journal.is_enabled() {
            self.store_id(binding.queue);
            let value = write_definition(&definition);
            let key = format!("{SUBSCRIPTION}{name}").into();
            self.journal
                .push(Op::Set { key, value }, None, true, self.now);
        }
        let pattern = Pattern::parse(&definition.topic);
        self.durable
            .definitions
            .insert(name.into(), (definition, pattern, binding));
    }

    /// A receipt waits until a durable subscription is on disk. Others may have made it a moment
    /// ago: so it is said again.
    pub(crate) fn store_durable(&mut self, key: SubscriptionKey, receipt: ReceiptKey) {
        let Some(name) = &self.subscriptions[key].durable else {
            return;
        };
        let Some((definition, ..)) = self.durable.definitions.get(name) else {
            return;
        };
        let kind = Op::Set {
            key: format!("{SUBSCRIPTION}{name}").into(),
            value: write_definition(definition),
        };
        self.journal.push(kind, Some(receipt), true, self.now);
    }

    pub(crate) fn undefine_durable(&mut self, name: &str) {
        if self.durable.definitions.remove(name).is_some() && self.journal.is_enabled() {
            let key = format!("{SUBSCRIPTION}{name}").into();
            self.journal.push(Op::Unset { key }, None, true, self.now);
        }
    }

    /// A topic's retained message survives a restart if it is persistent.
    pub(crate) fn store_retained(
        &mut self,
        sender: Sender,
        topic: &str,
        set: Option<(&Arc<Message>, Time)>,
    ) {
        if !self.journal.is_enabled() {
            return;
        }
        let key = format!("{RETAINED}{topic}").into();
        let kind = match set {
            Some((message, expires)) if message.persistent => Op::Set {
                key,
                value: with_time(expires, message),
            },
            _ => Op::Unset { key },
        };
        self.journal
            .push(kind, sender.receipt, sender.receipt.is_some(), self.now);
    }

    /// A scheduled message survives a restart if it is persistent.
    pub(crate) fn store_job(&mut self, receipt: Option<ReceiptKey>, job: &mut Job, at: Time) {
        if !self.journal.is_enabled() || !job.message.persistent {
            return;
        }
        if job.stored == 0 {
            self.durable.next_job += 1;
            job.stored = self.durable.next_job;
        }
        let key = format!("{JOB}{}", job.stored).into();
        let value = write_job(at, job);
        self.journal
            .push(Op::Set { key, value }, receipt, receipt.is_some(), self.now);
    }

    pub(crate) fn forget_job(&mut self, job: &Job) {
        if job.stored != 0 && self.journal.is_enabled() {
            let key = format!("{JOB}{}", job.stored).into();
            self.journal.push(Op::Unset { key }, None, true, self.now);
        }
    }
}

/// About what [`Message::size`] counts beyond the bytes that are stored.
const OVERHEAD: u32 = 160;
