//! `ACK` and `NACK`.

use crate::{
    Broker, BrokerError, ConnectionId,
    command::Target,
    connection::{Step, Unacked},
    consumers::SubscriptionKey,
    destination::cut,
    journal::ReceiptKey,
    message::Entry,
    subscription::Origin,
    traffic::Count,
};

impl Broker {
    /// Acknowledges (`consumed`) or refuses a delivery, or adds that to an open transaction. In
    /// client mode this takes in all earlier deliveries of the subscription.
    pub(crate) fn acknowledge(
        &mut self,
        id: ConnectionId,
        target: &Target,
        consumed: bool,
        requeue: bool,
        transaction: Option<&str>,
        receipt: Option<Box<str>>,
    ) {
        let tag = match self.find_delivery(id, target) {
            Ok(tag) => tag,
            Err(error) => return self.answer(id, Err(error), receipt),
        };
        if let Some(transaction) = transaction {
            let step = Step::Ack {
                tag,
                consumed,
                requeue,
            };
            let result = self.add_step(id, transaction, step, 32);
            return self.answer(id, result, receipt);
        }
        if receipt.is_some()
            && let Err(error) = self.check_promises()
            && self.is_stored(id, tag)
        {
            return self.answer(id, Err(error), receipt);
        }
        let waits = receipt.is_some() && self.journal.is_enabled();
        let key = waits.then(|| self.journal.receipt(id, receipt.clone(), false));
        self.settle(id, tag, consumed, requeue, key);
        match key {
            Some(key) => self.await_receipt(id, key),
            None => self.answer(id, Ok(()), receipt),
        }
    }

    fn find_delivery(&self, id: ConnectionId, target: &Target) -> Result<u64, BrokerError> {
        let connection = self.connections.get(id);
        match target {
            Target::Tag(tag) => connection
                .filter(|connection| connection.unacked.get(*tag).is_some())
                .map(|_| *tag)
                .ok_or_else(|| BrokerError::UnknownMessage {
                    id: cut(&tag.to_string()),
                }),
            Target::Message {
                sequence,
                subscription,
            } => {
                let found = connection.and_then(|connection| {
                    let subscriptions = match subscription {
                        None => 0..=usize::MAX,
                        Some(id) => {
                            let key = *connection.subscriptions.get(id)?;
                            key..=key
                        }
                    };
                    let (from, to) = (*subscriptions.start(), *subscriptions.end());
                    let mut found = connection.tags.range((*sequence, from)..=(*sequence, to));
                    found.next().map(|(_, tag)| *tag)
                });
                let unknown = || format!("{}-{sequence}", self.run);
                found.ok_or_else(|| BrokerError::UnknownMessage {
                    id: cut(&unknown()),
                })
            }
        }
    }

    /// The deliveries that an `ACK` or `NACK` means: in client mode all earlier ones of the same
    /// subscription too.
    pub(crate) fn covered(&self, id: ConnectionId, tag: u64) -> Vec<u64> {
        let Some(connection) = self.connections.get(id) else {
            return Vec::new();
        };
        match connection.unacked.get(tag) {
            None => Vec::new(),
            Some(last) if last.cumulative => self
                .subscriptions
                .get(last.subscription)
                .into_iter()
                .flat_map(|subscription| &subscription.tags)
                .copied()
                .take_while(|other| *other <= tag)
                .filter(|other| connection.unacked.get(*other).is_some())
                .collect(),
            Some(_) => vec![tag],
        }
    }

    /// Whether a delivery, or one that it covers, is in the store.
    pub(crate) fn is_stored(&self, id: ConnectionId, tag: u64) -> bool {
        let connection = self.connections.get(id);
        self.covered(id, tag).iter().any(|tag| {
            let unacked = connection.and_then(|it| it.unacked.get(*tag));
            unacked.is_some_and(|unacked| unacked.entry.stored != 0)
        })
    }

    /// Settles a delivery, and those that it covers.
    pub(crate) fn settle(
        &mut self,
        id: ConnectionId,
        tag: u64,
        consumed: bool,
        requeue: bool,
        receipt: Option<ReceiptKey>,
    ) {
        let full = self.is_unacked_full(id);
        let single = self
            .connections
            .get(id)
            .and_then(|connection| connection.unacked.get(tag))
            .is_some_and(|unacked| !unacked.cumulative);
        if single {
            if let Some(unacked) = self.take_unacked(id, tag) {
                let subscription = unacked.subscription;
                let back = self.settle_one(unacked, consumed, requeue, receipt);
                self.give_again(subscription, back);
                self.go_on(subscription);
            }
        } else {
            // Only after the last is taken may the first be handed out again.
            let taken: Vec<_> = self
                .covered(id, tag)
                .into_iter()
                .filter_map(|tag| self.take_unacked(id, tag))
                .collect();
            if let Some(subscription) = taken.first().map(|unacked| unacked.subscription) {
                if let Some(it) = self.subscriptions.get_mut(subscription) {
                    while it.tags.front().is_some_and(|other| *other <= tag) {
                        it.tags.pop_front();
                    }
                }
                let mut back = Vec::new();
                for unacked in taken {
                    back.extend(self.settle_one(unacked, consumed, requeue, receipt));
                }
                self.give_again(subscription, back);
                self.go_on(subscription);
            }
        }
        if full {
            self.pump_blocked(id);
        }
    }

    /// Whether a connection's subscriptions wait because it has to acknowledge too much.
    pub(crate) fn is_unacked_full(&self, id: ConnectionId) -> bool {
        let connection = self.connections.get(id);
        connection.is_some_and(|it| it.unacked.len() >= self.config.max_unacked)
    }

    /// Gives back what is to be handed out again now.
    fn settle_one(
        &mut self,
        unacked: Unacked,
        consumed: bool,
        requeue: bool,
        receipt: Option<ReceiptKey>,
    ) -> Option<(Origin, Entry)> {
        if !consumed {
            return self.refuse(unacked, requeue, receipt);
        }
        if let Origin::Queue(queue) = unacked.origin {
            self.count(queue, Count::Acknowledged);
            self.consumed(queue, &unacked.entry, receipt);
        }
        None
    }

    /// A subscription has credit again.
    fn go_on(&mut self, key: SubscriptionKey) {
        if let Some(it) = self.subscriptions.get(key)
            && (!it.waiting.is_empty() || (it.blocked && self.can_take(key)))
        {
            self.pump(key);
        }
    }

    /// Takes a delivery out of those that wait for an acknowledgement.
    pub(crate) fn take_unacked(&mut self, id: ConnectionId, tag: u64) -> Option<Unacked> {
        let connection = self.connections.get_mut(id)?;
        let unacked = connection.take_unacked(tag)?;
        self.memory = self.memory.saturating_sub(unacked.entry.size as usize);
        if let Origin::Queue(queue) = unacked.origin {
            self.landed(queue);
            if let Some(queue) = self.queues.get_mut(queue) {
                queue.unacked = queue.unacked.saturating_sub(1);
            }
        }
        self.unacked = self.unacked.saturating_sub(1);
        if let Some(subscription) = self.subscriptions.get_mut(unacked.subscription) {
            subscription.unacked = subscription.unacked.saturating_sub(1);
            let size = u64::from(unacked.entry.size);
            subscription.unacked_bytes = subscription.unacked_bytes.saturating_sub(size);
        }
        Some(unacked)
    }
}
