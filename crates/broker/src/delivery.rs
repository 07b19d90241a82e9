//! Handing messages out: who can take one, and whose turn it is.

use std::sync::Arc;

use stompbox_proto::AckMode;

use crate::{
    Broker, BrokerError, ConnectionId, Delivery, Output,
    connection::{Unacked, Unwritten},
    consumers::SubscriptionKey,
    dialect::subscribe::SlowPolicy,
    event::Event,
    message::Entry,
    queue::{Cursor, QueueKey},
    redelivery::Death,
    subscription::{Origin, Source, Waiting},
    traffic::Count,
    view::Seen,
};

impl Broker {
    /// Whether a subscription can take one more message: its connection has room, and it has
    /// credit.
    #[inline]
    pub(crate) fn can_take(&self, key: SubscriptionKey) -> bool {
        let subscription = &self.subscriptions[key];
        let Some(connection) = self.connections.get(subscription.connection) else {
            return false;
        };
        connection.outstanding < self.config.max_outstanding
            && !connection.failed
            && !connection.over
            && subscription.has_credit()
            && (subscription.ack == AckMode::Auto
                || connection.unacked.len() < self.config.max_unacked)
    }

    /// Whether a subscription wants a message at all.
    pub(crate) fn wants(
        &self,
        key: SubscriptionKey,
        entry: &Entry,
        producer: Option<ConnectionId>,
    ) -> bool {
        let subscription = &self.subscriptions[key];
        if subscription.no_local && producer == Some(subscription.connection) {
            return false;
        }
        if let Some(filter) = &subscription.stream_filter {
            let value = entry
                .message
                .as_ref()
                .and_then(|message| message.header("x-stream-filter-value"));
            let matches = match value {
                Some(value) => filter.iter().any(|wanted| **wanted == *value),
                None => subscription.match_unfiltered,
            };
            if !matches {
                return false;
            }
        }
        self.selects(subscription.selector.as_deref(), entry)
    }

    /// Hands a message to a subscription, which can take it.
    #[inline]
    pub(crate) fn deliver(
        &mut self,
        key: SubscriptionKey,
        origin: Origin,
        mut entry: Entry,
        position: u64,
        retained: bool,
    ) {
        let subscription = &mut self.subscriptions[key];
        let id = subscription.connection;
        let (Some(connection), Some(message)) =
            (self.connections.get_mut(id), entry.message.clone())
        else {
            return;
        };
        self.turn += 1;
        subscription.served = self.turn;
        let size = message.size();
        let redeliveries = entry.deliveries;
        let sequence = entry.sequence;
        let (expires, failures, priority) = (entry.expires, entry.failures, entry.priority);
        connection.outstanding += size;
        connection.handed_out += size as u64;
        let mut tag = 0;
        if subscription.ack != AckMode::Auto {
            subscription.unacked += 1;
            subscription.unacked_bytes += u64::from(entry.size);
            entry.deliveries += 1;
            self.memory += entry.size as usize;
            self.unacked += 1;
            if let Origin::Queue(queue) = origin {
                self.queues[queue].in_flight += 1;
                self.queues[queue].unacked += 1;
            }
            tag = connection.unacked.push(Unacked {
                subscription: key,
                origin,
                entry,
                cumulative: subscription.ack == AckMode::Client,
            });
            if subscription.ack == AckMode::Client {
                subscription.tags.push_back(tag);
            }
            if connection.identity.acks_by_message_id {
                connection.tags.insert((sequence, key), tag);
            }
        } else if entry.stored != 0
            && let Origin::Queue(queue) = origin
        {
            let end = connection.handed_out;
            self.queues[queue].in_flight += 1;
            connection.unwritten.push_back(Unwritten {
                end,
                queue,
                entry: Some(entry),
            });
        }
        connection.outputs.push_back(Output::Deliver(Delivery {
            subscriber: Arc::clone(&subscription.subscriber),
            message,
            sequence,
            tag,
            redeliveries,
            position,
            retained,
            origin,
            expires,
            failures,
            priority,
        }));
        if !std::mem::replace(&mut connection.dirty, true) {
            self.connections.dirty.push(id);
        }
        if let Origin::Queue(queue) = origin {
            self.queues[queue].traffic.add(Count::Out, 1, self.now);
            if redeliveries > 0 {
                self.count(queue, Count::Redelivered);
            }
        }
    }

    /// Hands a message to a consumer that waits for it; gives it back if there is none.
    #[inline]
    pub(crate) fn hand_over(&mut self, key: QueueKey, entry: Entry) -> Option<Entry> {
        let queue = &mut self.queues[key];
        if queue.loading || !queue.consumers.has_ready() {
            return Some(entry);
        }
        if entry.expires != 0 && entry.expires <= self.now {
            self.die(key, entry, Death::Expired, None);
            return None;
        }
        let extras = entry
            .message
            .as_ref()
            .and_then(|message| message.extras.as_ref());
        if extras.is_some_and(|extras| extras.group.is_some()) {
            return self.hand_over_group(key, entry);
        }
        if !queue.consumers.selective.is_empty() {
            return self.hand_over_selectively(key, entry);
        }
        while let Some(subscription) = self.queues[key].consumers.next_plain() {
            if self.can_take(subscription) {
                self.deliver(subscription, Origin::Queue(key), entry, 0, false);
                if !self.can_take(subscription) {
                    self.block(subscription);
                }
                return None;
            }
            self.block(subscription);
        }
        Some(entry)
    }

    /// Where some consumers take only some messages, the one that has waited longest gets it.
    fn hand_over_selectively(&mut self, key: QueueKey, entry: Entry) -> Option<Entry> {
        loop {
            let Some(message) = &entry.message else {
                return Some(entry);
            };
            let seen = Seen::new(message, &entry, &self.run);
            let found = self.queues[key].consumers.selective.candidates(&seen);
            let mut best = self.queues[key].consumers.peek_plain();
            let rank = |this: &Self, key: SubscriptionKey| {
                let subscription = &this.subscriptions[key];
                (-i64::from(subscription.priority), subscription.served, key)
            };
            for candidate in &found {
                let better = best.is_none_or(|best| rank(self, *candidate) < rank(self, best));
                if better && self.wants(*candidate, &entry, None) {
                    best = Some(*candidate);
                }
            }
            self.queues[key].consumers.selective.recycle(found);
            let Some(subscription) = best else {
                return Some(entry);
            };
            if !self.can_take(subscription) {
                self.block(subscription);
                continue;
            }
            self.take_turn(key, subscription);
            self.deliver(subscription, Origin::Queue(key), entry, 0, false);
            if !self.can_take(subscription) {
                self.block(subscription);
            }
            return None;
        }
    }

    fn take_turn(&mut self, key: QueueKey, subscription: SubscriptionKey) {
        let consumers = &mut self.queues[key].consumers;
        if consumers.peek_plain() == Some(subscription) {
            consumers.next_plain();
        }
    }

    /// A group's messages go to one consumer, which it keeps.
    fn hand_over_group(&mut self, key: QueueKey, entry: Entry) -> Option<Entry> {
        let subscription = match self.group_owner(key, &entry) {
            Some(owner) => {
                if !self.queues[key].consumers.is_ready(owner) || !self.wants(owner, &entry, None) {
                    return Some(entry);
                }
                owner
            }
            None => {
                // Whoever has waited longest, of those that want it.
                let mut best: Option<(u64, SubscriptionKey)> = None;
                for candidate in self.queues[key].consumers.keys().collect::<Vec<_>>() {
                    let served = self.subscriptions[candidate].served;
                    if !self.queues[key].consumers.is_ready(candidate)
                        || best.is_some_and(|best| best < (served, candidate))
                        || !self.wants(candidate, &entry, None)
                    {
                        continue;
                    }
                    if self.can_take(candidate) {
                        best = Some((served, candidate));
                    } else {
                        // It looks here again when it has room.
                        self.block(candidate);
                    }
                }
                match best {
                    Some((_, subscription)) => subscription,
                    None => return Some(entry),
                }
            }
        };
        if !self.can_take(subscription) {
            self.block(subscription);
            return Some(entry);
        }
        self.own_group(key, &entry, subscription);
        self.deliver(subscription, Origin::Queue(key), entry, 0, false);
        if !self.can_take(subscription) {
            self.block(subscription);
        }
        None
    }

    pub(crate) fn group_owner(&self, key: QueueKey, entry: &Entry) -> Option<SubscriptionKey> {
        let group = entry.message.as_ref()?.extras.as_ref()?.group.as_ref()?;
        self.queues[key].groups.get(group).copied()
    }

    /// A consumer gets a group's message, and so the group; or the group ends with it.
    fn own_group(&mut self, key: QueueKey, entry: &Entry, owner: SubscriptionKey) {
        let Some(extras) = entry
            .message
            .as_ref()
            .and_then(|message| message.extras.as_ref())
        else {
            return;
        };
        let Some(group) = &extras.group else { return };
        let groups = &mut self.queues[key].groups;
        if extras.group_ends {
            groups.remove(group);
            return;
        }
        // Without a limit a producer could grow it without end: beyond it the oldest assignments
        // are forgotten, all at once, and made anew.
        if groups.len() >= MAX_GROUPS && !groups.contains_key(group) {
            groups.clear();
        }
        groups.insert(group.clone(), owner);
    }

    /// A subscription can take nothing more for now.
    pub(crate) fn block(&mut self, key: SubscriptionKey) {
        let subscription = &mut self.subscriptions[key];
        let selector = subscription.selector.clone();
        let id = subscription.connection;
        let was_blocked = std::mem::replace(&mut subscription.blocked, true);
        for queue in self.queues_of(key) {
            self.queues[queue]
                .consumers
                .not_ready(key, selector.as_deref());
        }
        if !was_blocked && let Some(connection) = self.connections.get_mut(id) {
            connection.blocked.push(key);
        }
    }

    /// The queues that a subscription consumes from.
    pub(crate) fn queues_of(&self, key: SubscriptionKey) -> Vec<QueueKey> {
        let subscription = &self.subscriptions[key];
        let named = subscription
            .sources
            .iter()
            .filter_map(|source| match source {
                Source::Queue(queue) => Some(*queue),
                Source::Queues(_) | Source::Topic(_) | Source::Topics(_) => None,
            });
        named.chain(subscription.matched.iter().copied()).collect()
    }

    /// A subscription may be able to take more: hands it what waits for it, and makes it ready for
    /// what comes.
    pub(crate) fn pump(&mut self, key: SubscriptionKey) {
        if !self.subscriptions.contains(key) {
            return;
        }
        if !self.can_take(key) {
            return self.block(key);
        }
        let subscription = &mut self.subscriptions[key];
        if std::mem::replace(&mut subscription.blocked, false)
            && let Some(connection) = self.connections.get_mut(subscription.connection)
        {
            connection.blocked.retain(|blocked| *blocked != key);
        }
        while let Some(waiting) = self.subscriptions[key].waiting.pop_front() {
            let Waiting {
                entry,
                position,
                retained,
            } = waiting;
            self.subscriptions[key].waiting_bytes -= u64::from(entry.size);
            self.release(&entry);
            if entry.expires == 0 || entry.expires > self.now {
                self.deliver(key, Origin::Own, entry, position, retained);
            }
            if !self.can_take(key) {
                return self.block(key);
            }
        }
        self.subscriptions[key].told_slow = false;
        if self.subscriptions[key].reading.is_some() {
            return self.read_on(key);
        }
        for queue in self.queues_of(key) {
            if !self.feed(queue, key) {
                return self.block(key);
            }
        }
    }

    /// Hands a consumer what waits for it in a queue. False: it can take no more.
    fn feed(&mut self, queue: QueueKey, key: SubscriptionKey) -> bool {
        if !self.queues[queue].consumers.may_consume(key) {
            return true;
        }
        let takes_all = self.subscriptions[key].takes_all();
        loop {
            if self.queues[queue].loading {
                return true;
            }
            if !self.can_take(key) {
                return false;
            }
            let whole = takes_all && self.queues[queue].groups.is_empty();
            let next = if whole {
                match self.queues[queue].messages.first() {
                    None => None,
                    Some(first) if first.message.is_none() => {
                        self.load(queue, &Cursor::default());
                        return true;
                    }
                    // A group begins with its first message.
                    Some(first) if has_group(first) => self.next_wanted(queue, key),
                    Some(_) => self.queues[queue].messages.pop(),
                }
            } else {
                self.next_wanted(queue, key)
            };
            let Some(entry) = next else {
                if self.queues[queue].loading {
                    return true;
                }
                break;
            };
            self.left_queue(queue, &entry);
            if entry.expires != 0 && entry.expires <= self.now {
                self.die(queue, entry, Death::Expired, None);
                continue;
            }
            self.own_group(queue, &entry, key);
            self.deliver(key, Origin::Queue(queue), entry, 0, false);
        }
        let subscription = &self.subscriptions[key];
        let (priority, selector) = (subscription.priority, subscription.selector.clone());
        self.queues[queue]
            .consumers
            .ready(key, priority, takes_all, selector.as_deref());
        true
    }

    /// Takes the next message that a consumer of some messages wants.
    fn next_wanted(&mut self, queue: QueueKey, key: SubscriptionKey) -> Option<Entry> {
        loop {
            let cursor = self.subscriptions[key].cursor(queue);
            let before = cursor.clone();
            let entry = self.queues[queue].messages.next_after(cursor)?;
            if entry.message.is_none() {
                *self.subscriptions[key].cursor(queue) = before.clone();
                self.load(queue, &before);
                return None;
            }
            let (priority, sequence) = (entry.priority, entry.sequence);
            let entry = entry.clone();
            let expired = entry.expires != 0 && entry.expires <= self.now;
            let others = self
                .group_owner(queue, &entry)
                .is_some_and(|owner| owner != key);
            if expired || (!others && self.wants(key, &entry, None)) {
                return self.queues[queue].messages.take(priority, sequence);
            }
        }
    }

    /// A message is in a queue again, or new behind others: consumers that have looked at its place
    /// look again.
    pub(crate) fn look_again(&mut self, queue: QueueKey, priority: u8, sequence: u64) {
        let consumers: Vec<_> = self.queues[queue].consumers.keys().collect();
        for key in consumers {
            for (other, cursor) in &mut self.subscriptions[key].cursors {
                if *other == queue {
                    cursor.back_to(priority, sequence);
                }
            }
        }
    }

    /// Gives a topic's message to a subscription that has no room for it.
    pub(crate) fn wait(&mut self, key: SubscriptionKey, waiting: Waiting) {
        self.block(key);
        let size = u64::from(waiting.entry.size);
        let subscription = &self.subscriptions[key];
        let limit = self.config.max_waiting;
        let excess = (!subscription.waiting.is_empty()
            && subscription.waiting_bytes + size > limit)
            || subscription
                .pending_limit
                .is_some_and(|most| subscription.waiting.len() as u64 >= most);
        if excess {
            self.tell_slow(key);
        }
        let subscription = &self.subscriptions[key];
        match &subscription.slow {
            SlowPolicy::Conflate(header) => {
                let value = |entry: &Entry| {
                    let message = entry.message.as_ref()?;
                    if &**header == "destination" {
                        return Some(message.destination().into_owned());
                    }
                    message.header(header).map(str::to_owned)
                };
                let wanted = value(&waiting.entry);
                let at = subscription
                    .waiting
                    .iter()
                    .position(|old| wanted.is_some() && value(&old.entry) == wanted);
                if let Some(old) = at.and_then(|at| self.subscriptions[key].waiting.remove(at)) {
                    self.dropped(key, &old);
                } else if excess {
                    self.drop_oldest(key);
                }
            }
            // It wants none to wait.
            SlowPolicy::DropHead if subscription.pending_limit == Some(0) => {
                self.topic_drops += 1;
                return;
            }
            SlowPolicy::DropHead if excess => self.drop_oldest(key),
            SlowPolicy::DropTail if excess => {
                self.topic_drops += 1;
                return;
            }
            SlowPolicy::Disconnect if excess => {
                let id = subscription.connection;
                let pending = subscription.pending_limit;
                let pending = pending.filter(|most| subscription.waiting.len() as u64 >= *most);
                let (limit, value) = match pending {
                    Some(most) => ("activemq.maximumPendingMessageLimit", most),
                    None => ("max_waiting", limit),
                };
                let error = BrokerError::SlowConsumer { limit, value };
                return self.connections.fail(id, error, None);
            }
            _ => {}
        }
        self.push_waiting(key, waiting);
    }

    /// Tells once that a subscriber has fallen behind.
    fn tell_slow(&mut self, key: SubscriptionKey) {
        let subscription = &mut self.subscriptions[key];
        if std::mem::replace(&mut subscription.told_slow, true) {
            return;
        }
        self.events.push(Event::SlowConsumer {
            connection: subscription.connection,
            subscription: subscription.subscriber.id.clone().unwrap_or_default(),
            waiting: subscription.waiting.len(),
        });
    }

    /// A message that a subscription is to get before all that comes.
    pub(crate) fn push_waiting(&mut self, key: SubscriptionKey, waiting: Waiting) {
        self.hold(&waiting.entry);
        let subscription = &mut self.subscriptions[key];
        subscription.waiting_bytes += u64::from(waiting.entry.size);
        subscription.waiting.push_back(waiting);
    }

    fn drop_oldest(&mut self, key: SubscriptionKey) {
        if let Some(oldest) = self.subscriptions[key].waiting.pop_front() {
            self.dropped(key, &oldest);
        }
    }

    fn dropped(&mut self, key: SubscriptionKey, waiting: &Waiting) {
        self.topic_drops += 1;
        self.subscriptions[key].waiting_bytes -= u64::from(waiting.entry.size);
        self.release(&waiting.entry);
    }

    /// A queue's message that was handed out is settled, or on its way back.
    pub(crate) fn landed(&mut self, queue: QueueKey) {
        if let Some(queue) = self.queues.get_mut(queue) {
            queue.in_flight = queue.in_flight.saturating_sub(1);
        }
    }

    /// Bytes of a connection were written.
    pub(crate) fn drained(&mut self, id: ConnectionId, bytes: usize) {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        connection.outstanding = connection.outstanding.saturating_sub(bytes);
        connection.written += bytes as u64;
        connection.progressed = now;
        while let Some(connection) = self.connections.get_mut(id)
            && let Some(first) = connection.unwritten.front()
            && first.end <= connection.written
            && let Some(Unwritten { queue, entry, .. }) = connection.unwritten.pop_front()
        {
            self.landed(queue);
            if let Some(entry) = entry {
                self.consumed(queue, &entry, None);
            }
        }
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        // Half of the room first, so that few large turns are taken rather than many small ones.
        if connection.outstanding <= self.config.max_outstanding / 2
            && !connection.blocked.is_empty()
        {
            for key in std::mem::take(&mut connection.blocked) {
                self.subscriptions[key].blocked = false;
                self.pump(key);
            }
        }
    }
}

/// Most groups of a queue whose consumers are remembered.
const MAX_GROUPS: usize = 10_000;

fn has_group(entry: &Entry) -> bool {
    entry
        .message
        .as_ref()
        .and_then(|message| message.extras.as_ref())
        .is_some_and(|extras| extras.group.is_some())
}
