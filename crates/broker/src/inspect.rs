//! What there is, for those who look after the broker. Nothing here changes anything, and each call
//! looks at a bounded number of things: long lists are made of several.

use std::borrow::Cow;

use stompbox_proto::AckMode;

use crate::{
    Broker, ConnectionId, Counts, Event, Identity, Rates, Time,
    consumers::SubscriptionKey,
    names::public_name,
    queue::Queue,
    subscription::{Source, Subscription},
    topic::Topic,
    traffic::Traffic,
};

/// What a destination is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DestinationKind {
    /// A queue, or what a durable subscription has collected.
    Queue,
    /// A topic.
    Topic,
    /// A queue that is read and not consumed.
    Stream,
    /// A queue of dead letters.
    DeadLetter,
}

impl DestinationKind {
    /// `queue`, `topic`, `stream` or `dead-letter`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Topic => "topic",
            Self::Stream => "stream",
            Self::DeadLetter => "dead-letter",
        }
    }
}

/// A destination, and what is going on there.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DestinationInfo {
    /// Its name; see [`public_name`].
    pub name: String,
    /// What it is.
    pub kind: DestinationKind,
    /// Messages that wait, or that a stream or topic keeps.
    pub depth: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Messages that consumers have and have not acknowledged.
    pub unacknowledged: u64,
    /// Its consumers, readers and subscribers.
    pub consumers: u64,
    /// Milliseconds since the oldest of its messages came, to about a second. After a restart it
    /// counts from that.
    pub oldest: Option<Time>,
    /// It is there after a restart.
    pub durable: bool,
    /// Since it was made, or the broker started.
    pub counts: Counts,
    /// Over the last seconds.
    pub rates: Rates,
}

/// What more there is to know of one destination.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DestinationDetails {
    /// As [`Broker::walk_destinations`] gives it.
    pub info: DestinationInfo,
    /// The headers with which it was declared.
    pub arguments: Vec<(&'static str, String)>,
    /// Who consumes from it: the first thousand.
    pub consumers: Vec<ConsumerInfo>,
    /// Where its dead letters go.
    pub dead_letter: Option<String>,
}

/// Somebody who consumes from a destination.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConsumerInfo {
    /// Whose connection it is.
    pub connection: ConnectionId,
    /// The subscription.
    pub subscription: SubscriptionInfo,
}

/// A subscription.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SubscriptionInfo {
    /// Its id; of a 1.0 client that gave none, what it subscribed to.
    pub id: String,
    /// What it is subscribed to, with commas between several.
    pub destination: String,
    /// Which messages it wants.
    pub selector: Option<String>,
    /// How its messages are acknowledged.
    pub ack: AckMode,
    /// Messages that it may have unacknowledged; 0: no limit.
    pub prefetch: u64,
    /// The consumer's priority.
    pub priority: i32,
    /// Messages that it has not acknowledged.
    pub unacknowledged: u64,
    /// The durable subscription that it uses.
    pub durable: Option<String>,
}

/// A connection, as the broker knows it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// Its subscriptions.
    pub subscriptions: usize,
    /// Messages that it has not acknowledged.
    pub unacknowledged: usize,
    /// Messages that wait for it since it takes them too slowly.
    pub waiting: usize,
    /// Bytes that are on their way to it, or wait.
    pub waiting_bytes: u64,
}

/// All that there is, in numbers.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Totals {
    /// Queues that are neither streams nor durable subscriptions.
    pub queues: usize,
    /// Topics.
    pub topics: usize,
    /// Durable subscriptions.
    pub durable_subscriptions: usize,
    /// Streams.
    pub streams: usize,
    /// Messages that wait in queues.
    pub waiting: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
    /// Messages that consumers have not acknowledged.
    pub unacknowledged: usize,
    /// Of all destinations, those that are gone too. What came and went is only counted for each.
    pub counts: Counts,
    /// Bytes of messages in memory.
    pub memory: usize,
    /// Most of them.
    pub max_memory: usize,
    /// Producers wait, since memory is short.
    pub pressed: bool,
}

/// A destination that is looked at. It can be asked for little before it is asked for all.
#[derive(Clone, Copy)]
pub struct DestinationView<'a> {
    broker: &'a Broker,
    what: What<'a>,
}

#[derive(Clone, Copy)]
enum What<'a> {
    Queue(&'a Queue),
    Topic(&'a Topic),
}

impl DestinationView<'_> {
    /// Its name; see [`public_name`].
    pub fn name(&self) -> Cow<'_, str> {
        public_name(match self.what {
            What::Queue(queue) => &queue.key,
            What::Topic(topic) => &topic.key,
        })
    }

    /// What it is.
    pub fn kind(&self) -> DestinationKind {
        match self.what {
            What::Topic(_) => DestinationKind::Topic,
            What::Queue(queue) if queue.log.is_some() => DestinationKind::Stream,
            What::Queue(queue) if queue.is_dead_letter() => DestinationKind::DeadLetter,
            What::Queue(_) => DestinationKind::Queue,
        }
    }

    /// Messages that it has.
    pub fn depth(&self) -> u64 {
        match self.what {
            What::Queue(queue) => match &queue.log {
                Some(log) => log.len() as u64,
                None => queue.messages.len() as u64,
            },
            What::Topic(topic) => topic.log.as_ref().map_or(0, |log| log.len() as u64),
        }
    }

    /// Messages a second.
    pub fn rates(&self) -> Rates {
        self.traffic().rates(self.broker.now)
    }

    fn traffic(&self) -> &Traffic {
        match self.what {
            What::Queue(queue) => &queue.traffic,
            What::Topic(topic) => &topic.traffic,
        }
    }

    /// All of it.
    pub fn info(&self) -> DestinationInfo {
        let now = self.broker.now;
        let log = match self.what {
            What::Queue(queue) => queue.log.as_deref(),
            What::Topic(topic) => topic.log.as_deref(),
        };
        let since = log.map_or_else(
            || match self.what {
                What::Queue(queue) => queue.messages.oldest().map(|it| u64::from(it) * 1000),
                What::Topic(_) => None,
            },
            crate::log::Log::oldest,
        );
        let (bytes, unacknowledged, consumers, durable) = match self.what {
            What::Queue(queue) => (
                log.map_or_else(|| queue.messages.bytes(), crate::log::Log::bytes),
                queue.unacked,
                queue.consumers.len(),
                queue.store_id != 0,
            ),
            What::Topic(topic) => (
                log.map_or(0, crate::log::Log::bytes),
                0,
                topic.plain.len() + topic.selective.len(),
                !topic.bindings.is_empty(),
            ),
        };
        DestinationInfo {
            name: self.name().into_owned(),
            kind: self.kind(),
            depth: self.depth(),
            bytes,
            unacknowledged: unacknowledged as u64,
            consumers: consumers as u64,
            oldest: since.map(|since| now.saturating_sub(since)),
            durable,
            counts: self.traffic().counts(),
            rates: self.rates(),
        }
    }
}

/// Most consumers that a destination's details list.
const MOST_CONSUMERS: usize = 1000;

impl Broker {
    /// It is now that time, for what counts by it.
    pub fn advance(&mut self, now: Time) {
        self.now = self.now.max(now);
    }

    /// All that there is, in numbers.
    pub fn totals(&self) -> Totals {
        let durable_subscriptions = self.durable.subscriptions();
        Totals {
            queues: self
                .queues
                .len()
                .saturating_sub(self.streams + durable_subscriptions),
            topics: self.topics.len(),
            durable_subscriptions,
            streams: self.streams,
            waiting: self.waiting.0,
            waiting_bytes: self.waiting.1,
            unacknowledged: self.unacked,
            counts: self.totals,
            memory: self.memory + self.journal.bytes(),
            max_memory: self.config.max_memory,
            pressed: self.pressed,
        }
    }

    /// Shows the destinations of so many places, from the place `from` on. Gives the place to go on
    /// from; `None`: these were the last. Begin with 0. A destination that is there all the while is
    /// shown exactly once.
    pub fn walk_destinations(
        &self,
        from: usize,
        places: usize,
        mut show: impl FnMut(DestinationView<'_>),
    ) -> Option<usize> {
        // Queues have the even numbers, topics the odd ones.
        let end = from.saturating_add(places.saturating_mul(2));
        let mut at = from / 2;
        while let Some((place, _, queue)) = self.queues.at_or_after(at, end / 2) {
            let what = What::Queue(queue);
            show(DestinationView { broker: self, what });
            at = place + 1;
        }
        let last = (end / 2).min(self.topics.capacity());
        for place in from / 2..last {
            if let Some(topic) = self.topics.get(place) {
                let what = What::Topic(topic);
                show(DestinationView { broker: self, what });
            }
        }
        let all = self.queues.places().max(self.topics.capacity());
        (end / 2 < all).then_some(end)
    }

    /// What there is to know of one destination.
    pub fn destination(&self, name: &str) -> Option<DestinationDetails> {
        if let Some(key) = self.queue_named(name) {
            let queue = self.queues.get(key)?;
            let what = What::Queue(queue);
            let view = DestinationView { broker: self, what };
            let dead_letter = (!queue.is_dead_letter() && queue.log.is_none())
                .then(|| self.dead_letters_of(key))
                .flatten();
            return Some(DestinationDetails {
                info: view.info(),
                arguments: queue.options.lines(),
                consumers: self.consumers(queue.consumers.keys()),
                dead_letter: dead_letter.map(|it| public_name(&it).into_owned()),
            });
        }
        let topic = self.topics.get(self.topic_named(name)?)?;
        let what = What::Topic(topic);
        let view = DestinationView { broker: self, what };
        let keys = topic.plain.iter().copied().chain(topic.selective.keys());
        Some(DestinationDetails {
            info: view.info(),
            arguments: Vec::new(),
            consumers: self.consumers(keys),
            dead_letter: None,
        })
    }

    fn consumers(&self, keys: impl Iterator<Item = SubscriptionKey>) -> Vec<ConsumerInfo> {
        keys.take(MOST_CONSUMERS)
            .filter_map(|key| self.subscriptions.get(key))
            .map(|it| ConsumerInfo {
                connection: it.connection,
                subscription: self.subscription_info(it.subscriber.id.as_deref(), it),
            })
            .collect()
    }

    fn subscription_info(&self, id: Option<&str>, it: &Subscription) -> SubscriptionInfo {
        let name = |source| match source {
            &Source::Queue(queue) => Some(&*self.queues.get(queue)?.key),
            &Source::Topic(topic) => Some(&*self.topics.get(topic)?.key),
            Source::Topics(pattern) | Source::Queues(pattern) => Some(pattern.as_str()),
        };
        let names = it.sources.iter().filter_map(name).map(public_name);
        let destination = names.collect::<Vec<_>>().join(",");
        SubscriptionInfo {
            id: id.map_or_else(|| destination.clone(), str::to_owned),
            destination,
            selector: it.selector.as_ref().map(|it| it.text().to_owned()),
            ack: it.ack,
            prefetch: match it.ack {
                AckMode::Auto => 0,
                _ => it.credit_messages,
            },
            priority: it.priority,
            unacknowledged: it.unacked,
            durable: it.durable.as_deref().map(str::to_owned),
        }
    }

    /// The connections of so many places, from the place `from` on. Gives the place to go on from;
    /// `None`: these were the last. Begin with 0.
    pub fn walk_connections(
        &self,
        from: usize,
        places: usize,
        mut show: impl FnMut(ConnectionId, &Identity),
    ) -> Option<usize> {
        let end = from.saturating_add(places);
        for place in from..end.min(self.connections.places()) {
            if let Some((id, connection)) = self.connections.at(place) {
                show(id, &connection.identity);
            }
        }
        (end < self.connections.places()).then_some(end)
    }

    /// What the broker knows of a connection.
    pub fn connection(&self, id: ConnectionId) -> Option<ConnectionInfo> {
        let connection = self.connections.get(id)?;
        let keys = connection.subscriptions.values().take(MOST_SUBSCRIPTIONS);
        let all = keys.filter_map(|key| self.subscriptions.get(*key));
        let (waiting, bytes) = all.fold((0, 0), |(count, bytes), it| {
            (count + it.waiting.len(), bytes + it.waiting_bytes)
        });
        Some(ConnectionInfo {
            subscriptions: connection.subscriptions.len(),
            unacknowledged: connection.unacked.len(),
            waiting: waiting + connection.outputs.len(),
            waiting_bytes: bytes + connection.outstanding as u64,
        })
    }

    /// A connection's subscriptions, by their ids: the first thousand.
    pub fn subscriptions(&self, id: ConnectionId) -> Vec<SubscriptionInfo> {
        let Some(connection) = self.connections.get(id) else {
            return Vec::new();
        };
        let all = connection.subscriptions.iter().take(MOST_SUBSCRIPTIONS);
        let mut all: Vec<_> = all
            .filter_map(|(id, key)| {
                let it = self.subscriptions.get(*key)?;
                Some(self.subscription_info(Some(id), it))
            })
            .collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop()
    }

    /// Whether something happened that [`poll_event`](Self::poll_event) tells.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// What happened is of interest to nobody.
    pub fn drop_events(&mut self) {
        self.events.clear();
    }

    /// Whether anybody is subscribed to what the server tells of itself, at `/$SYS/`.
    pub fn has_watchers(&self) -> bool {
        self.watchers > 0
    }
}

/// Most subscriptions of a connection that are looked at.
const MOST_SUBSCRIPTIONS: usize = 1000;
