//! What becomes of messages that were handed out and not consumed.

use std::{collections::BTreeMap, sync::Arc};

use stompbox_store::Op;

use crate::{
    Broker, ConnectionId, Delivery, Time,
    broker::seconds,
    connection::{Unacked, Unwritten},
    consumers::SubscriptionKey,
    durable::Dying,
    event::Event,
    journal::ReceiptKey,
    message::Entry,
    queue::QueueKey,
    routing::Sender,
    schedule::Due,
    subscription::{Origin, Waiting},
    traffic::Count,
};

/// Why a message is a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Death {
    /// `NACK` with `requeue:false`.
    Rejected,
    /// It was refused as often as it may be.
    DeliveryLimit,
    /// Its time is over.
    Expired,
    /// Its queue was full.
    Overflow,
}

impl Death {
    fn reason(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::DeliveryLimit => "delivery-limit",
            Self::Expired => "expired",
            Self::Overflow => "maxlen",
        }
    }
}

impl Broker {
    /// A consumer refused a message: it comes again, perhaps later, or is a dead letter. Gives it
    /// back if it is to come again now.
    pub(crate) fn refuse(
        &mut self,
        unacked: Unacked,
        requeue: bool,
        receipt: Option<ReceiptKey>,
    ) -> Option<(Origin, Entry)> {
        let Unacked {
            subscription,
            origin,
            mut entry,
            ..
        } = unacked;
        entry.failures = entry.failures.saturating_add(1);
        let policy = match self.subscriptions.get(subscription) {
            Some(subscription) => self.config.redelivery.with(&subscription.redelivery),
            None => self.config.redelivery.clone(),
        };
        let (limit, dead_queue) = match origin {
            Origin::Queue(queue) => {
                let queue = self.queues.get(queue)?;
                let limit = queue.options.delivery_limit.unwrap_or(policy.limit);
                (limit, queue.is_dead_letter())
            }
            Origin::Own => (policy.limit, false),
        };
        let spent = limit > 0 && u32::from(entry.failures) >= limit && !dead_queue;
        if !requeue || spent {
            let death = if requeue {
                Death::DeliveryLimit
            } else {
                Death::Rejected
            };
            match origin {
                Origin::Queue(queue) => self.die(queue, entry, death, receipt),
                Origin::Own => self.die_of_topic(&entry, death),
            }
            return None;
        }
        match origin {
            Origin::Queue(queue) => match policy.delay_after(entry.failures) {
                0 => Some((origin, entry)),
                delay => {
                    self.remember_deliveries(queue, &entry);
                    self.hold(&entry);
                    self.queues[queue].in_flight += 1;
                    let at = self.now.saturating_add(delay);
                    self.agenda.add(at, Due::Return(queue, entry));
                    None
                }
            },
            Origin::Own => Some((origin, entry)),
        }
    }

    /// Has messages that a subscription refused handed out again: a queue's to whoever is next, a
    /// topic's to itself, since nobody else was to get them. `back` is in their order.
    pub(crate) fn give_again(
        &mut self,
        subscription: SubscriptionKey,
        back: impl IntoIterator<Item = (Origin, Entry), IntoIter: DoubleEndedIterator>,
    ) {
        let mut to_queues = Vec::new();
        // The last first: each goes to the front of what waits.
        for (origin, entry) in back.into_iter().rev() {
            match origin {
                Origin::Queue(queue) => to_queues.push((queue, entry)),
                Origin::Own if self.subscriptions.contains(subscription) => {
                    self.hold(&entry);
                    let it = &mut self.subscriptions[subscription];
                    it.waiting_bytes += u64::from(entry.size);
                    it.waiting.push_front(Waiting {
                        entry,
                        position: 0,
                        retained: false,
                    });
                }
                Origin::Own => {}
            }
        }
        self.put_all_back(to_queues);
    }

    /// Puts a message back to its place in its queue, or hands it to a consumer that waits.
    pub(crate) fn put_back(&mut self, queue: QueueKey, entry: Entry) {
        if !self.queues.contains(queue) {
            return;
        }
        self.remember_deliveries(queue, &entry);
        self.queues[queue].idle_since = None;
        if let Some(entry) = self.hand_over(queue, entry) {
            let (priority, sequence) = (entry.priority, entry.sequence);
            self.keep(queue, entry);
            self.look_again(queue, priority, sequence);
        }
    }

    /// The store remembers that a message was refused, for after a restart.
    fn remember_deliveries(&mut self, queue: QueueKey, entry: &Entry) {
        if entry.stored != 0 && entry.failures > 0 && self.journal.is_enabled() {
            let kind = Op::Delivered {
                queue: self.queues[queue].store_id,
                id: entry.sequence,
                deliveries: entry.deliveries,
            };
            self.journal.push(kind, None, false, self.now);
        }
    }

    /// Takes back all that a subscription has not acknowledged, and what was not written to it.
    pub(crate) fn return_subscription(&mut self, id: ConnectionId, key: SubscriptionKey) {
        let Some(connection) = self.connections.get(id) else {
            return;
        };
        let full = self.is_unacked_full(id);
        let tags: Vec<u64> = connection
            .unacked
            .iter()
            .filter(|(_, unacked)| unacked.subscription == key)
            .map(|(tag, _)| tag)
            .collect();
        let mut back = Vec::new();
        for tag in tags {
            if let Some(unacked) = self.take_unacked(id, tag)
                && let Origin::Queue(queue) = unacked.origin
            {
                back.push((queue, unacked.entry));
            }
        }
        self.put_all_back(back);
        if full {
            self.pump_blocked(id);
        }
    }

    /// Takes back all that a connection has not acknowledged, or was not written to it.
    pub(crate) fn return_all(&mut self, id: ConnectionId, unwritten: Vec<Delivery>) {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let mut back: Vec<(QueueKey, Entry)> = Vec::new();
        let stored = std::mem::take(&mut connection.unwritten);
        // Of stored messages it is known which there are; the others are only here.
        let mut kept: BTreeMap<(QueueKey, u64), Entry> = BTreeMap::new();
        let mut landed = Vec::new();
        for Unwritten { queue, entry, .. } in stored {
            landed.push(queue);
            if let Some(mut entry) = entry {
                // It may have been on its way.
                entry.deliveries += 1;
                kept.insert((queue, entry.sequence), entry);
            }
        }
        for delivery in unwritten {
            if let (0, Origin::Queue(queue)) = (delivery.tag, delivery.origin) {
                match kept.get_mut(&(queue, delivery.sequence)) {
                    // It was not.
                    Some(entry) => entry.deliveries = delivery.redeliveries,
                    None => back.push((queue, entry_of(&delivery, now))),
                }
            }
        }
        back.extend(kept.into_iter().map(|((queue, _), entry)| (queue, entry)));
        for queue in landed {
            self.landed(queue);
        }
        let Some(connection) = self.connections.get(id) else {
            return;
        };
        let tags: Vec<u64> = connection.unacked.iter().map(|(tag, _)| tag).collect();
        for tag in tags {
            if let Some(unacked) = self.take_unacked(id, tag)
                && let Origin::Queue(queue) = unacked.origin
            {
                back.push((queue, unacked.entry));
            }
        }
        self.put_all_back(back);
    }

    /// Hands messages to consumers that wait, each to whose turn it is, or puts them back to their
    /// places.
    pub(crate) fn put_all_back(&mut self, mut back: Vec<(QueueKey, Entry)>) {
        back.sort_by_key(|(_, entry)| (std::cmp::Reverse(entry.priority), entry.sequence));
        let mut touched = Vec::new();
        let mut kept = Vec::new();
        for (queue, entry) in back {
            if !self.queues.contains(queue) {
                continue;
            }
            self.remember_deliveries(queue, &entry);
            self.queues[queue].idle_since = None;
            if !touched.contains(&queue) {
                touched.push(queue);
            }
            if let Some(entry) = self.hand_over(queue, entry) {
                kept.push((queue, entry));
            }
        }
        // The last first: each then finds its place at its queue's front.
        for (queue, entry) in kept.into_iter().rev() {
            let (priority, sequence) = (entry.priority, entry.sequence);
            self.keep(queue, entry);
            self.look_again(queue, priority, sequence);
        }
        // Of those that do not wait, some may consume only now.
        for queue in touched {
            self.feed_all(queue);
        }
    }

    /// Hands out a queue's messages to all who can take some, by their priority.
    pub(crate) fn feed_all(&mut self, queue: QueueKey) {
        let Some(it) = self.queues.get(queue) else {
            return;
        };
        for key in it.consumers.keys_by_priority() {
            if self.subscriptions.get(key).is_some_and(|it| !it.blocked) {
                self.pump(key);
            }
        }
    }

    /// Takes back a delivery that was not written because its subscription has ended.
    pub(crate) fn give_back(&mut self, id: ConnectionId, delivery: Delivery) {
        // One that waits for an acknowledgement went back with its subscription.
        let (0, Origin::Queue(queue)) = (delivery.tag, delivery.origin) else {
            return;
        };
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let at = connection.unwritten.iter().position(|it| {
            let sequence = it.entry.as_ref().map(|entry| entry.sequence);
            sequence == Some(delivery.sequence) && it.queue == queue
        });
        let unwritten = at.and_then(|at| connection.unwritten.remove(at));
        let entry = match unwritten.and_then(|it| it.entry) {
            Some(entry) => {
                self.landed(queue);
                entry
            }
            None => entry_of(&delivery, self.now),
        };
        self.put_back(queue, entry);
    }

    /// A message leaves its queue for the dead letters.
    pub(crate) fn die(
        &mut self,
        queue: QueueKey,
        entry: Entry,
        death: Death,
        receipt: Option<ReceiptKey>,
    ) {
        let Some(it) = self.queues.get(queue) else {
            return;
        };
        let wanted = it.options.dead_letter.clone();
        // Expired and surplus messages are no failures: they go only where a queue says so.
        let kept = match death {
            Death::Rejected | Death::DeliveryLimit => !it.is_dead_letter(),
            Death::Expired | Death::Overflow => wanted.is_some(),
        };
        let name = it.key.clone();
        let place = (it.store_id, entry.sequence);
        if kept && entry.message.is_none() && entry.stored != 0 && it.store_id != 0 {
            self.queues[queue].in_flight += 1;
            self.durable.wanted.push(place);
            let dying = Dying {
                queue,
                entry,
                death,
            };
            self.durable.dying.insert(place, dying);
            return;
        }
        match death {
            Death::Expired => self.count(queue, Count::Expired),
            Death::Overflow => self.count(queue, Count::Dropped),
            Death::Rejected | Death::DeliveryLimit => {}
        }
        if kept && let Some(message) = &entry.message {
            let target = match wanted {
                Some(topic) if &*topic == "/topic/" => format!("/topic/{}", bare(&name)).into(),
                Some(target) => target,
                None => dead_letter_queue(&name),
            };
            self.count(queue, Count::DeadLettered);
            self.events.push(Event::DeadLetter {
                sequence: entry.sequence,
                origin: Arc::clone(&name),
                reason: death.reason(),
            });
            // On disk it is never in neither place.
            self.journal.begin_move();
            self.bury(&target, &name, message, &entry, death);
            self.consumed(queue, &entry, receipt);
            self.journal.end_move();
            return;
        }
        self.consumed(queue, &entry, receipt);
    }

    /// A topic's message that its subscriber will not have.
    fn die_of_topic(&mut self, entry: &Entry, death: Death) {
        if let Some(message) = &entry.message {
            let name = message.destination().into_owned();
            self.totals.add(Count::DeadLettered, 1);
            self.events.push(Event::DeadLetter {
                sequence: entry.sequence,
                origin: name.as_str().into(),
                reason: death.reason(),
            });
            self.bury(&dead_letter_queue(&name), &name, message, entry, death);
        }
    }

    fn bury(
        &mut self,
        target: &str,
        origin: &str,
        message: &Arc<crate::Message>,
        entry: &Entry,
        death: Death,
    ) {
        // Without a refusal in between a message could go round for ever.
        let hops = match death {
            Death::Rejected | Death::DeliveryLimit => 0,
            Death::Expired | Death::Overflow => {
                let hops = message.header("x-death-hops");
                hops.and_then(|hops| hops.parse().ok())
                    .unwrap_or(0u32)
                    .saturating_add(1)
            }
        };
        if hops > MOST_HOPS {
            return;
        }
        let hops = hops.to_string();
        let (count, time) = (entry.failures.to_string(), self.now.to_string());
        let deliveries = entry.deliveries.to_string();
        let original = message.header("original-destination").map(str::to_owned);
        let original = original.unwrap_or_else(|| message.destination().into_owned());
        let mut letter = message.with(
            Some(target),
            &[
                ("x-death-reason", death.reason()),
                ("x-death-queue", origin),
                ("x-death-count", &count),
                ("x-death-deliveries", &deliveries),
                ("x-death-time", &time),
                ("x-death-hops", &hops),
                ("original-destination", &original),
            ],
        );
        letter.expires = 0;
        let letter = Arc::new(letter);
        if self.burying {
            return self.letters.push_back(letter);
        }
        self.burying = true;
        let _ = self.route(Sender::default(), &crate::Identity::default(), &letter);
        self.burying = false;
    }

    /// Sends the dead letters that other letters made. They wait for this until all else is done:
    /// a letter may make another, in the queue that it comes from or through any number of queues.
    pub(crate) fn send_letters(&mut self) {
        while let Some(letter) = self.letters.pop_front() {
            // If it can go nowhere there is nobody to tell; a queue of dead letters that is full
            // says so to nobody either.
            let identity = crate::Identity::default();
            let _ = self.route(Sender::default(), &identity, &letter);
        }
    }
}

/// How often a message dies of time or room alone.
const MOST_HOPS: u32 = 16;

/// `/queue/DLQ.orders` for `/queue/orders`.
pub(crate) fn dead_letter_queue(name: &str) -> Box<str> {
    format!("/queue/DLQ.{}", bare(name)).into()
}

/// `orders` of `/queue/orders`.
pub(crate) fn bare(name: &str) -> &str {
    let rest = name.strip_prefix('/').unwrap_or(name);
    rest.split_once('/').map_or(rest, |(_, rest)| rest)
}

/// When it came is not known any more: it counts as having come now.
fn entry_of(delivery: &Delivery, now: Time) -> Entry {
    let message = &delivery.message;
    Entry {
        sequence: delivery.sequence,
        size: u32::try_from(message.size()).unwrap_or(u32::MAX),
        deliveries: delivery.redeliveries,
        failures: delivery.failures,
        priority: delivery.priority,
        expires: delivery.expires,
        stored: 0,
        arrived: seconds(now),
        message: Some(Arc::clone(message)),
    }
}
