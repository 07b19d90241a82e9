use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use stompbox_proto::AckMode;

use crate::{
    BrokerError, ConnectionId, Delivery, Destination, Message,
    connection::{Connection, Step, Subscription, SubscriptionKey, Transaction, Unacked},
    queue::{Queue, Queued},
};

/// What the broker may hold.
#[derive(Clone, Debug)]
pub struct Config {
    /// Bytes handed out to a connection and not yet written. A queue's messages then wait in their
    /// queue; a topic's subscriber is too slow, and closed. Default: 1,048,576.
    pub max_outstanding: usize,
    /// Deliveries of a connection that wait for an acknowledgement. Default: 10,000.
    pub max_unacked: usize,
    /// Bytes of all messages that wait in queues. Default: 536,870,912.
    pub max_queued_bytes: usize,
    /// Frames of a transaction. Default: 10,000.
    pub max_transaction_frames: usize,
    /// Bytes of a transaction's messages. Default: 67,108,864.
    pub max_transaction_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_outstanding: 1 << 20,
            max_unacked: 10_000,
            max_queued_bytes: 512 << 20,
            max_transaction_frames: 10_000,
            max_transaction_bytes: 64 << 20,
        }
    }
}

/// Which delivery an `ACK` or `NACK` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// 1.2: the delivery's tag.
    Tag(u64),
    /// 1.0 and 1.1: the message's number, and the subscription's id where there is one.
    Message {
        /// The message's number.
        message_id: u64,
        /// The subscription's id.
        subscription: Option<&'a str>,
    },
}

/// What is to be done for a connection.
#[derive(Clone, Debug)]
pub enum Output {
    /// Write a message.
    Deliver(ConnectionId, Delivery),
    /// Close: messages of a topic come faster than the client takes them.
    Overflow {
        /// Which connection.
        connection: ConnectionId,
        /// The limit that was reached.
        limit: &'static str,
        /// Its value.
        value: usize,
    },
}

/// The engine. Drain [`poll_output`](Self::poll_output) after every command.
#[derive(Debug)]
pub struct Broker {
    config: Config,
    connections: HashMap<ConnectionId, Connection>,
    queues: HashMap<Arc<str>, Queue>,
    topics: HashMap<Arc<str>, BTreeSet<SubscriptionKey>>,
    next_message: u64,
    next_subscription: u64,
    queued_bytes: usize,
    outputs: VecDeque<Output>,
}

impl Broker {
    /// An empty broker.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            connections: HashMap::new(),
            queues: HashMap::new(),
            topics: HashMap::new(),
            next_message: 1,
            next_subscription: 1,
            queued_bytes: 0,
            outputs: VecDeque::new(),
        }
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// A client has connected.
    pub fn connect(&mut self, id: ConnectionId) {
        self.connections.insert(id, Connection::default());
    }

    /// A client has gone: its transactions are aborted, and what it has not acknowledged goes back
    /// to its place in the queues.
    pub fn disconnect(&mut self, id: ConnectionId) {
        let Some(mut connection) = self.connections.remove(&id) else {
            return;
        };
        for (number, subscription) in std::mem::take(&mut connection.subscriptions) {
            let key = SubscriptionKey {
                connection: id,
                number,
            };
            self.remove_consumer(key, &subscription);
        }
        let unacked = std::mem::take(&mut connection.unacked);
        self.put_back(unacked.into_values());
    }

    /// Subscribes. The id must be free on the connection, which the session sees to.
    ///
    /// # Errors
    ///
    /// The destination is neither a queue's nor a topic's.
    pub fn subscribe(
        &mut self,
        id: ConnectionId,
        subscription: &str,
        implicit_id: bool,
        destination: &str,
        ack: AckMode,
    ) -> Result<(), BrokerError> {
        let kind = Destination::parse(destination)?;
        let Some(connection) = self.connections.get_mut(&id) else {
            return Ok(());
        };
        let number = self.next_subscription;
        self.next_subscription += 1;
        let name: Arc<str> = destination.into();
        let is_queue = matches!(kind, Destination::Queue(_));
        let subscription = Subscription {
            id: subscription.into(),
            implicit_id,
            destination: Arc::clone(&name),
            is_queue,
            ack,
        };
        connection.ids.insert(Arc::clone(&subscription.id), number);
        connection.subscriptions.insert(number, subscription);
        let key = SubscriptionKey {
            connection: id,
            number,
        };
        if is_queue {
            self.queues
                .entry(Arc::clone(&name))
                .or_default()
                .add_consumer(key);
            self.dispatch(&name);
        } else {
            self.topics.entry(name).or_default().insert(key);
        }
        Ok(())
    }

    /// Ends a subscription: what it has not acknowledged goes back to the queue.
    pub fn unsubscribe(&mut self, id: ConnectionId, subscription: &str) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let Some(number) = connection.ids.remove(subscription) else {
            return;
        };
        let Some(subscription) = connection.subscriptions.remove(&number) else {
            return;
        };
        let tags: Vec<u64> = connection
            .unacked
            .iter()
            .filter(|(_, unacked)| unacked.subscription == number)
            .map(|(tag, _)| *tag)
            .collect();
        let unacked: Vec<_> = tags
            .iter()
            .filter_map(|tag| connection.take_unacked(*tag))
            .collect();
        self.remove_consumer(
            SubscriptionKey {
                connection: id,
                number,
            },
            &subscription,
        );
        self.put_back(unacked.into_iter());
    }

    /// Sends a message, or adds it to an open transaction.
    ///
    /// # Errors
    ///
    /// The destination is none, or a limit is reached. Nothing is sent.
    pub fn send(
        &mut self,
        id: ConnectionId,
        transaction: Option<&str>,
        message: Message,
    ) -> Result<(), BrokerError> {
        Destination::parse(&message.destination)?;
        match transaction {
            Some(name) => {
                let size = message.size();
                self.add_step(id, name, Step::Send(message), size)
            }
            None => {
                self.check_storage(message.size())?;
                self.publish(message);
                Ok(())
            }
        }
    }

    /// Acknowledges (`consumed`) or refuses a delivery, or adds that to an open transaction. In
    /// client mode this takes in all earlier deliveries of the subscription. What is refused goes
    /// back to its place in the queue; a topic's message is dropped.
    ///
    /// # Errors
    ///
    /// There is no such delivery, or the transaction is too large.
    pub fn acknowledge(
        &mut self,
        id: ConnectionId,
        transaction: Option<&str>,
        target: Target<'_>,
        consumed: bool,
    ) -> Result<(), BrokerError> {
        let tag = self.find_delivery(id, target)?;
        match transaction {
            Some(name) => self.add_step(id, name, Step::Ack { tag, consumed }, 32),
            None => {
                self.settle(id, tag, consumed);
                Ok(())
            }
        }
    }

    /// Begins a transaction.
    pub fn begin(&mut self, id: ConnectionId, transaction: &str) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection
                .transactions
                .insert(transaction.into(), Transaction::default());
        }
    }

    /// Does all of a transaction, or nothing.
    ///
    /// # Errors
    ///
    /// A limit is reached; the transaction is aborted.
    pub fn commit(&mut self, id: ConnectionId, transaction: &str) -> Result<(), BrokerError> {
        let Some(transaction) = self.take_transaction(id, transaction) else {
            return Ok(());
        };
        self.check_storage(transaction.bytes)?;
        for step in transaction.steps {
            match step {
                Step::Send(message) => self.publish(message),
                Step::Ack { tag, consumed } => self.settle(id, tag, consumed),
            }
        }
        Ok(())
    }

    /// Forgets a transaction: its messages are not sent, its acknowledgements not made.
    pub fn abort(&mut self, id: ConnectionId, transaction: &str) {
        self.take_transaction(id, transaction);
    }

    /// Takes back a delivery that was not written, because its connection has ended. One that waits
    /// for an acknowledgement went back at [`disconnect`](Self::disconnect) already, and one of a
    /// topic has nowhere to go.
    pub fn give_back(&mut self, delivery: Delivery) {
        let Delivery {
            message,
            message_id: sequence,
            tag,
            redeliveries: deliveries,
            ..
        } = delivery;
        if tag.is_some() {
            return;
        }
        if let Ok(Destination::Queue(name)) = Destination::parse(&message.destination) {
            let name: Arc<str> = name.into();
            self.queued_bytes += message.size();
            let queue = self.queues.entry(Arc::clone(&name)).or_default();
            queue.put_back(Queued {
                sequence,
                message,
                deliveries,
            });
            self.dispatch(&name);
        }
    }

    /// That many bytes of deliveries were written to the client, as [`Message::size`] counts.
    pub fn drained(&mut self, id: ConnectionId, bytes: usize) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let was_full = connection.outstanding >= self.config.max_outstanding;
        connection.outstanding = connection.outstanding.saturating_sub(bytes);
        if was_full {
            self.dispatch_for(id);
        }
    }

    /// Whether a subscriber of the topic has more than half of what it may have outstanding: its
    /// producers should pause for a moment.
    pub fn is_pressed(&self, destination: &str) -> bool {
        self.topics.get(destination).is_some_and(|keys| {
            keys.iter().any(|key| {
                self.connections
                    .get(&key.connection)
                    .is_some_and(|c| c.outstanding > self.config.max_outstanding / 2)
            })
        })
    }

    fn take_transaction(&mut self, id: ConnectionId, name: &str) -> Option<Transaction> {
        self.connections.get_mut(&id)?.transactions.remove(name)
    }

    fn add_step(
        &mut self,
        id: ConnectionId,
        name: &str,
        step: Step,
        bytes: usize,
    ) -> Result<(), BrokerError> {
        let connection = self.connections.get_mut(&id);
        let Some(transaction) = connection.and_then(|c| c.transactions.get_mut(name)) else {
            return Ok(());
        };
        if transaction.steps.len() >= self.config.max_transaction_frames {
            let limit = self.config.max_transaction_frames;
            return Err(BrokerError::TransactionTooLarge {
                what: "frames",
                limit,
            });
        }
        if transaction.bytes + bytes > self.config.max_transaction_bytes {
            let limit = self.config.max_transaction_bytes;
            return Err(BrokerError::TransactionTooLarge {
                what: "bytes",
                limit,
            });
        }
        transaction.bytes += bytes;
        transaction.steps.push(step);
        Ok(())
    }

    fn check_storage(&self, bytes: usize) -> Result<(), BrokerError> {
        let limit = self.config.max_queued_bytes;
        if self.queued_bytes + bytes > limit {
            return Err(BrokerError::StorageFull {
                used: self.queued_bytes,
                limit,
            });
        }
        Ok(())
    }

    fn find_delivery(&self, id: ConnectionId, target: Target<'_>) -> Result<u64, BrokerError> {
        let unknown = |id: u64| BrokerError::UnknownMessage { id: id.to_string() };
        let connection = self.connections.get(&id);
        match target {
            Target::Tag(tag) => match connection {
                Some(connection) if connection.unacked.contains_key(&tag) => Ok(tag),
                _ => Err(unknown(tag)),
            },
            Target::Message {
                message_id,
                subscription,
            } => {
                let connection = connection.ok_or_else(|| unknown(message_id))?;
                let numbers = match subscription {
                    None => 0..=u64::MAX,
                    Some(id) => {
                        let number = connection.ids.get(id).copied();
                        let number = number.ok_or_else(|| unknown(message_id))?;
                        number..=number
                    }
                };
                let range = (message_id, *numbers.start())..=(message_id, *numbers.end());
                let found = connection.tags.range(range).next();
                found
                    .map(|(_, tag)| *tag)
                    .ok_or_else(|| unknown(message_id))
            }
        }
    }

    fn settle(&mut self, id: ConnectionId, tag: u64, consumed: bool) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let was_full = connection.unacked.len() >= self.config.max_unacked;
        let tags = connection.covered_by(tag);
        let settled: Vec<_> = tags
            .into_iter()
            .filter_map(|tag| connection.take_unacked(tag))
            .collect();
        if !consumed {
            self.put_back(settled.into_iter());
        }
        if was_full {
            self.dispatch_for(id);
        }
    }

    fn put_back(&mut self, unacked: impl Iterator<Item = Unacked>) {
        let mut touched = BTreeSet::new();
        for unacked in unacked {
            let Some(name) = unacked.queue else { continue };
            self.queued_bytes += unacked.queued.message.size();
            self.queues
                .entry(Arc::clone(&name))
                .or_default()
                .put_back(unacked.queued);
            touched.insert(name);
        }
        for name in touched {
            self.dispatch(&name);
        }
    }

    fn remove_consumer(&mut self, key: SubscriptionKey, subscription: &Subscription) {
        let name = &subscription.destination;
        if subscription.is_queue {
            if let Some(queue) = self.queues.get_mut(name) {
                queue.remove_consumer(key);
                if queue.is_unused() {
                    self.queues.remove(name);
                }
            }
        } else if let Some(keys) = self.topics.get_mut(name) {
            keys.remove(&key);
            if keys.is_empty() {
                self.topics.remove(name);
            }
        }
    }

    fn publish(&mut self, message: Message) {
        let sequence = self.next_message;
        self.next_message += 1;
        let message = Arc::new(message);
        let queued = Queued {
            sequence,
            message: Arc::clone(&message),
            deliveries: 0,
        };
        match Destination::parse(&message.destination) {
            Ok(Destination::Queue(name)) => {
                self.queued_bytes += message.size();
                if let Some(queue) = self.queues.get_mut(name) {
                    queue.messages.push_back(queued);
                } else {
                    self.queues
                        .entry(name.into())
                        .or_default()
                        .messages
                        .push_back(queued);
                }
                self.dispatch(name);
            }
            Ok(Destination::Topic(name)) => {
                let Some(keys) = self.topics.get(name) else {
                    return;
                };
                for key in keys {
                    if let Some(connection) = self.connections.get_mut(&key.connection) {
                        let output = fan_out(&self.config, *key, connection, &queued);
                        self.outputs.extend(output);
                    }
                }
            }
            // `send` has refused it.
            Err(_) => {}
        }
    }

    /// Hands out a connection's queues' messages again, once it can take more.
    fn dispatch_for(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        let names: BTreeSet<Arc<str>> = connection
            .subscriptions
            .values()
            .filter(|subscription| subscription.is_queue)
            .map(|subscription| Arc::clone(&subscription.destination))
            .collect();
        for name in names {
            self.dispatch(&name);
        }
    }

    /// Hands out a queue's messages while somebody can take one.
    fn dispatch(&mut self, name: &str) {
        let Some(queue) = self.queues.get_mut(name) else {
            return;
        };
        while !queue.messages.is_empty() {
            let config = &self.config;
            let connections = &mut self.connections;
            let consumer = queue.next_consumer(|key| {
                connections.get(&key.connection).is_some_and(|connection| {
                    connection.outstanding < config.max_outstanding
                        && connection.unacked.len() < config.max_unacked
                        && !connection.overflowed
                })
            });
            let Some(key) = consumer else { return };
            let Some(queued) = queue.messages.pop_front() else {
                return;
            };
            self.queued_bytes -= queued.message.size();
            if let Some(connection) = connections.get_mut(&key.connection) {
                let output = deliver(key, connection, queued);
                self.outputs.extend(output);
            }
        }
        if queue.is_unused() {
            self.queues.remove(name);
        }
    }
}

fn deliver(
    key: SubscriptionKey,
    connection: &mut Connection,
    mut queued: Queued,
) -> Option<Output> {
    let subscription = connection.subscriptions.get(&key.number)?;
    let redeliveries = queued.deliveries;
    queued.deliveries += 1;
    connection.outstanding += queued.message.size();
    let mut delivery = Delivery {
        subscription: (!subscription.implicit_id).then(|| Arc::clone(&subscription.id)),
        message_id: queued.sequence,
        tag: None,
        redeliveries,
        message: Arc::clone(&queued.message),
    };
    if subscription.ack != AckMode::Auto {
        connection.next_tag += 1;
        let tag = connection.next_tag;
        delivery.tag = Some(tag);
        connection.tags.insert((queued.sequence, key.number), tag);
        let unacked = Unacked {
            subscription: key.number,
            queue: subscription
                .is_queue
                .then(|| Arc::clone(&subscription.destination)),
            cumulative: subscription.ack == AckMode::Client,
            queued,
        };
        connection.unacked.insert(tag, unacked);
    }
    Some(Output::Deliver(key.connection, delivery))
}

/// A topic's message for one subscriber, who is closed if it has too much already.
fn fan_out(
    config: &Config,
    key: SubscriptionKey,
    connection: &mut Connection,
    queued: &Queued,
) -> Option<Output> {
    if connection.overflowed {
        return None;
    }
    let overflow = |limit, value| Output::Overflow {
        connection: key.connection,
        limit,
        value,
    };
    let size = queued.message.size();
    // A single message always fits: the limit is for what piles up.
    if connection.outstanding > 0 && connection.outstanding + size > config.max_outstanding {
        connection.overflowed = true;
        return Some(overflow("max_outstanding", config.max_outstanding));
    }
    if connection.unacked.len() >= config.max_unacked {
        connection.overflowed = true;
        return Some(overflow("max_unacked", config.max_unacked));
    }
    deliver(key, connection, queued.clone())
}
