//! What the clients know of each message, and what must therefore be there after a restart.

use std::collections::{BTreeMap, HashMap};

/// Producer and sequence number; the body says both.
pub(crate) type Key = (u32, u64);

pub(crate) fn body((producer, sequence): Key) -> String {
    format!("{producer}.{sequence}")
}

pub(crate) fn key(body: &str) -> Option<Key> {
    let (producer, sequence) = body.split_once('.')?;
    Some((producer.parse().ok()?, sequence.parse().ok()?))
}

/// What a client did or saw, in its order.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Sent {
        key: Key,
        queue: &'static str,
        persistent: bool,
    },
    Receipted(Key),
    Delivered {
        key: Key,
        redelivered: bool,
    },
    /// An ACK was sent, and nothing is known of it.
    Acked(Key),
    /// An ACK that must be on disk: its RECEIPT came, or one of something stored after it.
    AckCertain(Key),
    /// A NACK that must be on disk.
    NackCertain(Key),
    /// A NACK was sent that makes it a dead letter.
    Rejected(Key),
    /// COMMIT is about to be sent.
    Commit(Transaction),
    /// The RECEIPT of the client's transaction that sent this message.
    Committed(Key),
    /// Of a transaction that never got a COMMIT.
    Aborted(Key),
    /// A retained message: its topic, its number.
    Retained(usize, u64),
    RetainedReceipted(usize, u64),
}

#[derive(Clone, Debug)]
pub(crate) struct Transaction {
    pub(crate) sends: Vec<Key>,
    pub(crate) acks: Vec<Key>,
    pub(crate) committed: bool,
    pub(crate) round: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ack {
    No,
    Maybe,
    Certain,
}

#[derive(Clone, Debug)]
struct Record {
    queue: &'static str,
    persistent: bool,
    receipted: bool,
    ack: Ack,
    nacked: bool,
    /// It may be among the dead letters.
    rejected: bool,
    /// The last round in which it was handed out.
    delivered: Option<u64>,
}

/// What there is to know.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    records: BTreeMap<Key, Record>,
    transactions: Vec<Transaction>,
    /// By topic: the last number that was sent, and the last that has its receipt.
    retained: HashMap<usize, (u64, u64)>,
    pub(crate) violations: Vec<String>,
    pub(crate) sent: u64,
    pub(crate) receipted: u64,
    pub(crate) returned: u64,
}

/// A message that was there after a restart.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) key: Key,
    pub(crate) queue: &'static str,
    pub(crate) redelivered: bool,
}

/// The queue of scheduled messages: what comes late is not lost.
pub(crate) const LATER: &str = "/queue/later";

/// Dead letters of the queue that all consume.
pub(crate) const DEAD: &str = "/queue/DLQ.work";

impl Ledger {
    fn violation(&mut self, what: String) {
        self.violations.push(what);
    }

    /// Takes over what the clients of a round did. The broker was killed then.
    pub(crate) fn round(&mut self, round: u64, logs: Vec<Vec<Event>>) {
        for event in logs.iter().flatten() {
            if let Event::Sent {
                key,
                queue,
                persistent,
            } = *event
            {
                self.sent += 1;
                let record = Record {
                    queue,
                    persistent,
                    receipted: false,
                    ack: Ack::No,
                    nacked: false,
                    rejected: false,
                    delivered: None,
                };
                self.records.insert(key, record);
            }
        }
        // What is certain now was not when others were handed it: that is looked at first.
        for log in &logs {
            self.deliveries(round, log);
        }
        for event in logs.into_iter().flatten() {
            self.event(event);
        }
        for record in self.records.values_mut() {
            if !record.persistent {
                record.ack = Ack::Certain;
            }
        }
    }

    fn deliveries(&mut self, round: u64, log: &[Event]) {
        let mut seen: HashMap<Key, bool> = HashMap::new();
        let mut last: HashMap<(u32, &str), Key> = HashMap::new();
        for event in log {
            match *event {
                Event::Delivered { key, redelivered } => {
                    let Some(record) = self.records.get_mut(&key) else {
                        self.violation(format!("{key:?} came and was never sent"));
                        continue;
                    };
                    record.delivered = Some(round);
                    let queue = record.queue;
                    let (ack, before) = (record.ack, last.get(&(key.0, queue)).copied());
                    if ack == Ack::Certain || seen.get(&key) == Some(&true) {
                        self.violation(format!("{key:?} of {queue} came after its ACK"));
                    }
                    if seen.contains_key(&key) && !redelivered {
                        self.violation(format!("{key:?} of {queue} came again without saying so"));
                    }
                    if !redelivered {
                        if before.is_some_and(|before| before > key) {
                            self.violation(format!("{key:?} of {queue} came after {before:?}"));
                        }
                        last.insert((key.0, queue), key);
                    }
                    seen.insert(key, false);
                }
                Event::AckCertain(key) => {
                    seen.insert(key, true);
                }
                _ => {}
            }
        }
    }

    fn event(&mut self, event: Event) {
        let (key, ack) = match event {
            Event::Sent { .. } | Event::Delivered { .. } => return,
            Event::Receipted(key) => {
                self.receipted += 1;
                if let Some(record) = self.records.get_mut(&key) {
                    record.receipted = true;
                }
                return;
            }
            Event::NackCertain(key) => {
                if let Some(record) = self.records.get_mut(&key) {
                    record.nacked = true;
                }
                return;
            }
            Event::Rejected(key) => {
                if let Some(record) = self.records.get_mut(&key) {
                    record.rejected = true;
                }
                return;
            }
            Event::Commit(transaction) => {
                for key in &transaction.acks {
                    self.ack(*key, Ack::Maybe);
                }
                return self.transactions.push(transaction);
            }
            Event::Committed(first) => {
                let mut all = self.transactions.iter_mut().rev();
                let found = all.find(|it| it.sends.first() == Some(&first));
                if let Some(transaction) = found {
                    transaction.committed = true;
                    for key in transaction.acks.clone() {
                        self.ack(key, Ack::Certain);
                    }
                }
                return;
            }
            Event::Retained(topic, number) => {
                self.retained.entry(topic).or_default().0 = number;
                return;
            }
            Event::RetainedReceipted(topic, number) => {
                self.retained.entry(topic).or_default().1 = number;
                return;
            }
            Event::Acked(key) => (key, Ack::Maybe),
            // It must never come.
            Event::AckCertain(key) | Event::Aborted(key) => (key, Ack::Certain),
        };
        self.ack(key, ack);
    }

    fn ack(&mut self, key: Key, ack: Ack) {
        if let Some(record) = self.records.get_mut(&key)
            && record.ack != Ack::Certain
        {
            record.ack = ack;
        }
    }

    /// Scheduled messages that must come.
    pub(crate) fn late(&self) -> usize {
        let late = |it: &&Record| it.queue == LATER && it.receipted && it.ack == Ack::No;
        self.records.values().filter(late).count()
    }

    /// Whether it must come.
    pub(crate) fn is_expected(&self, key: Key) -> bool {
        let record = self.records.get(&key);
        record.is_some_and(|it| it.receipted && it.ack == Ack::No)
    }

    /// Compares with all that was there after a restart, which is consumed now.
    pub(crate) fn drained(&mut self, arrivals: &[Arrival]) {
        let mut came: HashMap<Key, usize> = HashMap::new();
        let mut last: HashMap<(u32, &str), Key> = HashMap::new();
        self.returned += arrivals.len() as u64;
        for arrival in arrivals {
            let Arrival {
                key,
                queue,
                redelivered,
            } = *arrival;
            *came.entry(key).or_default() += 1;
            // Delays of different lengths have an order of their own.
            if queue != LATER
                && queue != DEAD
                && !redelivered
                && let Some(before) = last.insert((key.0, queue), key)
                && before > key
            {
                self.violation(format!("{key:?} of {queue} came after {before:?}"));
            }
            match self.records.get(&key) {
                None => self.violation(format!("{key:?} came and was never sent")),
                Some(record) if queue == DEAD && record.rejected => {}
                Some(record) if record.queue != queue => {
                    self.violation(format!("{key:?} came from {queue}: {record:?}"));
                }
                Some(record) if record.nacked && !redelivered => {
                    self.violation(format!("{key:?}: its NACK is forgotten: {record:?}"));
                }
                Some(record) if record.delivered.is_none() && redelivered => {
                    self.violation(format!("{key:?} was never handed out, says: {record:?}"));
                }
                Some(_) => {}
            }
        }
        let mut found = Vec::new();
        for (key, record) in &mut self.records {
            let count = came.get(key).copied().unwrap_or_default();
            if count > 1 {
                found.push(format!("{key:?} came {count} times: {record:?}"));
            }
            if count > 0 && record.ack == Ack::Certain {
                found.push(format!("{key:?} came back: {record:?}"));
            }
            if count == 0 && record.receipted && record.ack == Ack::No {
                found.push(format!("{key:?} is lost: {record:?}"));
            }
        }
        for transaction in std::mem::take(&mut self.transactions) {
            found.extend(self.halves(&transaction, &came));
        }
        self.violations.extend(found);
        for (key, record) in &mut self.records {
            // A scheduled message may still come, if it got there at all.
            if came.contains_key(key) || record.queue != LATER || record.receipted {
                record.ack = Ack::Certain;
            }
        }
    }

    /// Where a transaction was done only in part.
    fn halves(&self, transaction: &Transaction, came: &HashMap<Key, usize>) -> Option<String> {
        let sends = &transaction.sends;
        let done = sends.iter().filter(|key| came.contains_key(key)).count();
        if done != 0 && done != sends.len() {
            return Some(format!("{done} messages of {transaction:?}"));
        }
        if done == 0 && transaction.committed {
            return Some(format!("nothing of {transaction:?}"));
        }
        for key in &transaction.acks {
            let record = self.records.get(key)?;
            let again = record.delivered.is_some_and(|it| it > transaction.round);
            let again = again || came.contains_key(key);
            if done > 0 && again {
                return Some(format!("no ACK of {key:?} {record:?} of {transaction:?}"));
            }
            if done == 0 && !again && record.receipted && record.persistent {
                return Some(format!("only ACK of {key:?} {record:?} of {transaction:?}"));
            }
        }
        None
    }

    /// What a topic's retained message may be: from the last that has its receipt, to the last sent.
    pub(crate) fn retained(&self, topic: usize) -> Option<(u64, u64)> {
        let (sent, receipted) = *self.retained.get(&topic)?;
        Some((receipted, sent))
    }

    /// What a topic's retained message is now.
    pub(crate) fn retains(&mut self, topic: usize, number: u64) {
        self.retained.insert(topic, (number, number));
    }
}
