//! Transactions: all of their frames, or none.

use std::sync::Arc;

use stompbox_store::Op;

use crate::{
    Broker, BrokerError, Command, ConnectionId, Output, Time,
    connection::{Step, Transaction},
    destination::{Purpose, Target},
    dialect::{queue::Overflow, send::Retain},
    journal::{Receipt, ReceiptKey},
    queue::QueueKey,
    redelivery::Death,
    routing::Sender,
    schedule::Job,
    subscription::Origin,
    traffic::Count,
};

impl Broker {
    pub(crate) fn begin(&mut self, id: ConnectionId, transaction: Box<str>) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection
                .transactions
                .insert(transaction, Transaction::default());
        }
    }

    pub(crate) fn abort(&mut self, id: ConnectionId, transaction: &str) {
        self.take_transaction(id, transaction);
    }

    pub(crate) fn take_transaction(&mut self, id: ConnectionId, name: &str) -> Option<Transaction> {
        let transaction = self.connections.get_mut(id)?.transactions.remove(name)?;
        self.memory = self.memory.saturating_sub(transaction.bytes);
        Some(transaction)
    }

    pub(crate) fn add_step(
        &mut self,
        id: ConnectionId,
        name: &str,
        step: Step,
        bytes: usize,
    ) -> Result<(), BrokerError> {
        let used = self.memory;
        let Some(connection) = self.connections.get_mut(id) else {
            return Ok(());
        };
        let Some(transaction) = connection.transactions.get_mut(name) else {
            return Ok(());
        };
        let too_large = |what, limit| Err(BrokerError::TransactionTooLarge { what, limit });
        if transaction.steps.len() >= self.config.max_transaction_frames {
            return too_large("frames", self.config.max_transaction_frames);
        }
        if transaction.bytes + bytes > self.config.max_transaction_bytes {
            return too_large("bytes", self.config.max_transaction_bytes);
        }
        if used + bytes > self.config.max_memory {
            return Err(BrokerError::MemoryFull {
                used,
                limit: self.config.max_memory,
            });
        }
        transaction.bytes += bytes;
        transaction.steps.push(step);
        self.memory += bytes;
        Ok(())
    }

    /// Does all of a transaction, or nothing. What it changes on disk is there before any of it is
    /// seen: until then the connection's later commands wait.
    pub(crate) fn commit(&mut self, id: ConnectionId, name: &str, receipt: Option<Box<str>>) {
        let Some(transaction) = self.take_transaction(id, name) else {
            return self.answer(id, Ok(()), receipt);
        };
        if let Err(error) = self.check_transaction(id, &transaction) {
            return self.answer(id, Err(error), receipt);
        }
        let stored = self.changes_store(id, &transaction);
        if stored && let Err(error) = self.check_promises() {
            return self.answer(id, Err(error), receipt);
        }
        // One step alone is atomic by itself.
        if stored && transaction.steps.len() > 1 && self.journal.is_enabled() {
            return self.commit_durably(id, transaction, receipt);
        }
        let waits = receipt.is_some() && self.journal.is_enabled();
        let key = waits.then(|| self.journal.receipt(id, receipt.clone(), false));
        let result = self.apply(id, transaction, key);
        self.answer_stored(id, key, result, receipt);
    }

    /// Whether something of a transaction is, or is to be, in the store.
    fn changes_store(&self, id: ConnectionId, transaction: &Transaction) -> bool {
        transaction.steps.iter().any(|step| match step {
            Step::Send(message) => message.persistent,
            Step::Ack { tag, .. } => self.is_stored(id, *tag),
        })
    }

    fn apply(
        &mut self,
        id: ConnectionId,
        transaction: Transaction,
        receipt: Option<ReceiptKey>,
    ) -> Result<(), BrokerError> {
        let sender = Sender {
            connection: Some(id),
            receipt,
        };
        let mut first = Ok(());
        for step in transaction.steps {
            match step {
                Step::Send(message) => {
                    // A full queue refuses its message alone: the others are done already.
                    let result = self.publish(sender, message);
                    first = first.and(result);
                }
                Step::Ack {
                    tag,
                    consumed,
                    requeue,
                } => {
                    self.settle(id, tag, consumed, requeue, receipt);
                }
            }
        }
        first
    }

    /// Writes down what a transaction will change, as one operation of the store, and has the
    /// connection wait.
    fn commit_durably(
        &mut self,
        id: ConnectionId,
        transaction: Transaction,
        receipt: Option<Box<str>>,
    ) {
        let key = self.journal.receipt(id, receipt, true);
        let mut prepared = Prepared {
            bytes: transaction.bytes,
            ..Prepared::default()
        };
        self.memory += prepared.bytes;
        for step in transaction.steps {
            match step {
                Step::Send(message) => {
                    if let Err(error) = self.prepare_send(id, message, key, &mut prepared) {
                        self.drop_prepared(prepared);
                        let receipt = self.journal.withdraw(key);
                        return self.answer(id, Err(error), receipt);
                    }
                }
                Step::Ack {
                    tag,
                    consumed,
                    requeue,
                } => {
                    for tag in self.covered(id, tag) {
                        self.prepare_ack(id, tag, consumed, key);
                    }
                    prepared.acks.push((tag, consumed, requeue));
                }
            }
        }
        self.journal.hurry();
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        connection.receipts += 1;
        connection.suspended = Some(std::collections::VecDeque::new());
        self.durable.committing.insert(key, prepared);
        if let Some(receipt) = self.journal.take_if_done(key) {
            connection.receipts -= 1;
            self.committed(key, receipt);
        }
    }

    fn prepare_send(
        &mut self,
        id: ConnectionId,
        message: Arc<crate::Message>,
        receipt: ReceiptKey,
        prepared: &mut Prepared,
    ) -> Result<(), BrokerError> {
        self.check_send(id, &message)?;
        let sender = Sender {
            connection: Some(id),
            receipt: Some(receipt),
        };
        if let Some(reply) = message.extras.as_ref().and_then(|it| it.temp_reply.clone()) {
            self.open_reply(id, &reply)?;
        }
        let schedule = message.extras.as_ref().and_then(|it| it.schedule.clone());
        if let Some(schedule) = schedule {
            prepared.jobs.extend(self.plan(sender, message, schedule));
            return Ok(());
        }
        // Each queue that gets it has it under a number that is given now.
        for (queue, message) in self.queues_for(id, &message)? {
            let mut entry = self.entry(&message);
            // Room is made when it comes: until then others may be gone.
            self.adjust(queue, &mut entry);
            let position = self.queues[queue].log.as_mut().map(|log| log.reserve());
            if message.persistent {
                entry.stored = self.store_at(sender, queue, &entry, true, position);
            }
            // The queue stays, though nothing is in it yet.
            self.queues[queue].in_flight += 1;
            prepared.entries.push((queue, position, entry));
        }
        self.prepare_retained(sender, id, &message)?;
        prepared.seen.push(message);
        Ok(())
    }

    /// What a message of a transaction leaves with its topics is stored with it.
    fn prepare_retained(
        &mut self,
        sender: Sender,
        id: ConnectionId,
        message: &Arc<crate::Message>,
    ) -> Result<(), BrokerError> {
        let Some(extras) = &message.extras else {
            return Ok(());
        };
        let (Some(retain), Some(connection)) = (extras.retain, self.connections.get(id)) else {
            return Ok(());
        };
        let identity = connection.identity.clone();
        let destination = message.destination();
        let reader = self.reader(&identity, Purpose::Send, extras.multicast);
        for target in self.targets(&destination, reader)? {
            if let Target::Topic { key } = target {
                let until = self.retained_until(message);
                let set = (retain == Retain::Set).then_some((message, until));
                self.store_retained(sender, &key, set);
            }
        }
        Ok(())
    }

    /// The queues that a message goes to, its topics' durable subscriptions among them.
    fn queues_for(
        &mut self,
        id: ConnectionId,
        message: &Arc<crate::Message>,
    ) -> Result<Vec<(QueueKey, Arc<crate::Message>)>, BrokerError> {
        let Some(identity) = self.connections.get(id).map(|it| it.identity.clone()) else {
            return Ok(Vec::new());
        };
        let destination = message.destination();
        let extras = message.extras.as_ref();
        let reader = self.reader(&identity, Purpose::Send, extras.and_then(|it| it.multicast));
        let keys = self.targets(&destination, reader)?;
        let declared = extras.and_then(|extras| extras.queue.as_deref()).cloned();
        let mut queues = Vec::new();
        let several = keys.len() > 1;
        for target in keys {
            let message = target.message(message, several);
            match target {
                Target::Queue { key, .. } => {
                    queues.push((self.declare_queue(&key, declared.as_ref())?, message));
                }
                Target::Topic { key } => {
                    if !self.durable.has_subscriptions() {
                        continue;
                    }
                    let topic = self.topic(&key)?;
                    for binding in self.topics[topic].bindings.clone() {
                        let entry = crate::message::Entry {
                            sequence: self.next_sequence,
                            message: Some(Arc::clone(&message)),
                            size: 0,
                            deliveries: 0,
                            failures: 0,
                            priority: message.priority,
                            expires: message.expires,
                            stored: 0,
                            arrived: 0,
                        };
                        if self.selects(binding.selector.as_deref(), &entry) {
                            queues.push((binding.queue, Arc::clone(&message)));
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(queues)
    }

    fn prepare_ack(&mut self, id: ConnectionId, tag: u64, consumed: bool, receipt: ReceiptKey) {
        let unacked = self.connections.get(id).and_then(|it| it.unacked.get(tag));
        let Some(unacked) = unacked else { return };
        if let (true, Origin::Queue(queue)) = (consumed, unacked.origin)
            && unacked.entry.stored != 0
            && let Some(queue) = self.queues.get(queue)
        {
            let kind = Op::Delete {
                queue: queue.store_id,
                id: unacked.entry.sequence,
            };
            self.journal.push(kind, Some(receipt), true, self.now);
        }
    }

    /// A transaction is on disk: it takes effect.
    pub(crate) fn committed(&mut self, key: ReceiptKey, receipt: Receipt) {
        let Some(prepared) = self.durable.committing.remove(&key) else {
            return;
        };
        let id = receipt.connection;
        self.memory = self.memory.saturating_sub(prepared.bytes);
        for (tag, consumed, requeue) in prepared.acks {
            if consumed {
                for tag in self.covered(id, tag) {
                    // The store has forgotten them already.
                    let unacked = self.take_unacked(id, tag);
                    if let Some(Origin::Queue(queue)) = unacked.map(|it| it.origin) {
                        self.count(queue, Count::Acknowledged);
                    }
                }
                self.pump_blocked(id);
            } else {
                self.settle(id, tag, consumed, requeue, None);
            }
        }
        for (queue, position, mut entry) in prepared.entries {
            self.landed(queue);
            let Some(it) = self.queues.get(queue) else {
                continue;
            };
            // One that refuses was asked before; what came since then may stand above its limit.
            if it.options.overflow.unwrap_or_default() == Overflow::DropHead
                && !self
                    .make_room(Sender::default(), queue, &mut entry)
                    .unwrap_or(true)
            {
                self.die(queue, entry, Death::Overflow, None);
                continue;
            }
            self.count(queue, Count::In);
            if let Some(position) = position {
                self.append(queue, position, entry);
            } else if let Some(entry) = self.hand_over(queue, entry) {
                let (priority, sequence) = (entry.priority, entry.sequence);
                self.keep(queue, entry);
                self.look_again(queue, priority, sequence);
            }
        }
        let sender = Sender {
            connection: Some(id),
            receipt: None,
        };
        for message in prepared.seen {
            self.send_to_topics_only(sender, id, &message);
        }
        for (at, job) in prepared.jobs {
            self.add_job(at, job);
        }
        if let Some(receipt) = receipt.id {
            self.connections.output(id, Output::Receipt(receipt));
        }
        self.resume(id);
    }

    /// A transaction could not be stored: nothing of it happens.
    pub(crate) fn not_committed(&mut self, key: ReceiptKey, receipt: Receipt, error: BrokerError) {
        if let Some(prepared) = self.durable.committing.remove(&key) {
            self.drop_prepared(prepared);
        }
        let id = receipt.connection;
        self.connections.fail(id, error, receipt.id);
        self.resume(id);
    }

    fn drop_prepared(&mut self, prepared: Prepared) {
        self.memory = self.memory.saturating_sub(prepared.bytes);
        for (queue, ..) in prepared.entries {
            self.landed(queue);
        }
    }

    /// Does what a connection wanted while its transaction was being stored.
    fn resume(&mut self, id: ConnectionId) {
        loop {
            let Some(connection) = self.connections.get_mut(id) else {
                return;
            };
            let Some(mut waiting) = connection.suspended.take() else {
                return;
            };
            while let Some(command) = waiting.pop_front() {
                self.memory = self.memory.saturating_sub(command.size());
                self.command(id, command);
                let Some(connection) = self.connections.get_mut(id) else {
                    let left = waiting.iter().map(Command::size).sum();
                    self.memory = self.memory.saturating_sub(left);
                    return;
                };
                if let Some(again) = &mut connection.suspended {
                    again.extend(waiting);
                    return;
                }
            }
        }
    }

    /// Goes on with the subscriptions of a connection that waited for room, if there is some.
    pub(crate) fn pump_blocked(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(id) else {
            return;
        };
        for key in connection.blocked.clone() {
            if self.can_take(key) {
                self.pump(key);
            }
        }
    }
}

/// A transaction that is being stored.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    /// Messages with their places in queues, and their positions in streams.
    entries: Vec<(QueueKey, Option<u64>, crate::message::Entry)>,
    /// The same messages: topics' other subscribers see them too.
    seen: Vec<Arc<crate::Message>>,
    /// Messages that are to be sent later, and when.
    jobs: Vec<(Time, Job)>,
    acks: Vec<(u64, bool, bool)>,
    /// What it takes up in memory.
    pub(crate) bytes: usize,
}

impl Prepared {
    /// How many messages a queue will get.
    pub(crate) fn count(&self, queue: QueueKey) -> usize {
        self.entries
            .iter()
            .filter(|(key, ..)| *key == queue)
            .count()
    }
}
