//! `SUBSCRIBE` and `UNSUBSCRIBE`: where a subscription gets its messages from.

use std::{collections::VecDeque, sync::Arc};

use stompbox_proto::AckMode;

use crate::{
    Broker, BrokerError, ConnectionId, Message, Subscriber,
    command::Subscribe,
    consumers::SubscriptionKey,
    destination::{Purpose, SYSTEM, Target, cut, parts},
    dialect::subscribe::{Start, SubscribeHeaders},
    durable_subscription::{durable_key, is_own, own_durable},
    event::Event,
    message::Entry,
    queue::{Cursor, Life, QueueKey},
    subscription::{Reading, Source, Subscription, Waiting},
    topic::TopicKey,
};

impl Broker {
    pub(crate) fn subscribe(&mut self, id: ConnectionId, subscribe: Subscribe) {
        let receipt = subscribe.receipt.clone();
        let waits = self.journal.is_enabled();
        self.close_reply(id, &subscribe);
        match self.attach(id, subscribe) {
            Ok(key) => {
                // A durable subscription's receipt comes when it is on disk.
                if waits && self.subscriptions[key].durable.is_some() && receipt.is_some() {
                    let receipt = self.journal.receipt(id, receipt, false);
                    self.store_durable(key, receipt);
                    self.await_receipt(id, receipt);
                } else {
                    self.answer(id, Ok(()), receipt);
                }
                self.pump(key);
            }
            Err(error) => self.answer(id, Err(error), receipt),
        }
    }

    fn attach(
        &mut self,
        id: ConnectionId,
        subscribe: Subscribe,
    ) -> Result<SubscriptionKey, BrokerError> {
        let Some(connection) = self.connections.get(id) else {
            return Err(BrokerError::NoSuchDestination {
                name: String::new(),
            });
        };
        let identity = connection.identity.clone();
        let headers = subscribe
            .headers
            .iter()
            .map(|(name, value)| (&**name, &**value));
        let private = subscribe
            .headers
            .iter()
            .any(|(name, value)| &**name == "durable" && &**value == "false");
        let headers = SubscribeHeaders::read(headers, identity.reads_as(&self.config))?;
        let selector = match &headers.selector {
            Some(text) => {
                self.selectors
                    .compile(text)
                    .map_err(|error| BrokerError::InvalidSelector {
                        reason: error.to_string(),
                    })?
            }
            None => None,
        };
        let reader = self.reader(&identity, Purpose::Subscribe, headers.multicast);
        let mut targets = Vec::new();
        for part in parts(&subscribe.destination, reader.dialect) {
            let target = Target::parse(part, reader)?;
            if !targets.iter().any(|(_, other)| *other == target) {
                targets.push((part, target));
            }
        }
        let life = match headers.exclusive && (private || headers.queue.auto_delete == Some(true)) {
            // RabbitMQ: the queue is the connection's own.
            true => Life::Connection(id),
            false => Life::Normal,
        };
        let mut sources = Vec::new();
        let mut durable = None;
        for (part, target) in targets {
            sources.push(match target {
                Target::Queue { key, must_exist } => {
                    if must_exist && !self.queue_names.contains_key(&*key) {
                        return Err(BrokerError::NoSuchDestination { name: cut(part) });
                    }
                    let life = if key.starts_with("/temp-queue/") {
                        Life::Connection(id)
                    } else {
                        life.clone()
                    };
                    Source::Queue(self.consume_from(id, &key, &headers.queue, life)?)
                }
                Target::Durable { id } => {
                    // The own one of that name comes first.
                    let mut key = own_durable(&identity, &id);
                    if !self.queue_names.contains_key(&*key) {
                        key = format!("/dsub/{id}");
                        if identity.proven && !identity.reads_others && !is_own(&identity, &id) {
                            return Err(BrokerError::NotYours { name: cut(part) });
                        }
                    }
                    let found = self.queue_names.get(&*key).copied();
                    let missing = || BrokerError::NoSuchDestination { name: cut(part) };
                    durable = Some(key.into());
                    Source::Queue(found.ok_or_else(missing)?)
                }
                Target::Queues(pattern) => Source::Queues(pattern),
                Target::Topic { key } => {
                    match durable_key(&headers, &subscribe.id, &identity, reader.dialect) {
                        Some(name) => {
                            let queue = self.bind(&name, &key, None, &headers, selector.clone())?;
                            durable = Some(name);
                            Source::Queue(queue)
                        }
                        None => Source::Topic(self.topic(&key)?),
                    }
                }
                Target::Topics(pattern) => {
                    match durable_key(&headers, &subscribe.id, &identity, reader.dialect) {
                        Some(name) => {
                            let key = pattern.as_str().to_owned();
                            let pattern = Some(pattern);
                            let queue =
                                self.bind(&name, &key, pattern, &headers, selector.clone())?;
                            durable = Some(name);
                            Source::Queue(queue)
                        }
                        None => Source::Topics(pattern),
                    }
                }
            });
        }
        let streams = |source: &Source| {
            let Source::Queue(queue) = source else {
                return false;
            };
            self.queues[*queue].log.is_some()
        };
        let wild = matches!(sources.first(), Some(Source::Queues(_)));
        if (headers.browser && (sources.len() > 1 || wild))
            || (sources.len() > 1 && sources.iter().any(streams))
        {
            return Err(BrokerError::InvalidDestination {
                name: cut(&subscribe.destination),
                reason: "is several, and a browser or a reader of a stream reads one",
            });
        }
        // The durable subscription's queue holds only what the selector took.
        let selector = selector.filter(|_| durable.is_none());
        let key = self.new_subscription(id, &subscribe, &headers, selector, sources, durable)?;
        self.start(key, headers.start, headers.browser);
        self.sort_waiting(key);
        Ok(key)
    }

    fn new_subscription(
        &mut self,
        id: ConnectionId,
        subscribe: &Subscribe,
        headers: &SubscribeHeaders,
        selector: Option<Arc<crate::selector::Selector>>,
        sources: Vec<Source>,
        durable: Option<Box<str>>,
    ) -> Result<SubscriptionKey, BrokerError> {
        let watches = sources.iter().any(|source| match source {
            Source::Topic(topic) => self.topics[*topic].key.starts_with(SYSTEM),
            Source::Topics(pattern) => pattern.as_str().starts_with(SYSTEM),
            Source::Queue(_) | Source::Queues(_) => false,
        });
        let key = self.subscriptions.insert(Subscription {
            connection: id,
            subscriber: Arc::clone(&subscribe.subscriber),
            ack: subscribe.ack,
            sources,
            selector,
            no_local: headers.no_local,
            priority: headers.priority,
            exclusive: headers.exclusive,
            credit_messages: headers
                .credit_messages
                .unwrap_or(self.config.prefetch_messages),
            credit_bytes: headers.credit_bytes.unwrap_or(self.config.prefetch_bytes),
            unacked: 0,
            unacked_bytes: 0,
            tags: VecDeque::new(),
            matched: Vec::new(),
            blocked: false,
            told_slow: false,
            watches,
            served: 0,
            slow: headers.slow.clone().unwrap_or_default(),
            pending_limit: headers.pending_limit,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            cursors: Vec::new(),
            reading: None,
            browser_stays: headers.browser_stays,
            redelivery: headers.redelivery.clone(),
            stream_filter: headers.stream_filter.clone(),
            match_unfiltered: headers.match_unfiltered,
            durable,
        });
        if let Some(connection) = self.connections.get_mut(id) {
            connection.subscriptions.insert(subscribe.id.clone(), key);
        }
        self.watchers += usize::from(watches);
        self.events.push(Event::Subscribed {
            connection: id,
            subscription: subscribe.id.clone(),
            destination: subscribe.destination.clone(),
        });
        Ok(key)
    }

    /// Attaches a subscription to its sources, and gives it what was sent before.
    fn start(&mut self, key: SubscriptionKey, start: Option<Start>, browser: bool) {
        let subscription = &self.subscriptions[key];
        let (priority, exclusive) = (subscription.priority, subscription.exclusive);
        let takes_all = subscription.takes_all() && subscription.stream_filter.is_none();
        let selector = subscription.selector.clone();
        let several = subscription.sources.len() > 1;
        for source in subscription.sources.clone() {
            match source {
                Source::Queue(queue) if several && self.queues[queue].consumers.has(key) => {}
                Source::Queue(queue) => self.join(queue, key, priority, exclusive, start, browser),
                Source::Queues(pattern) => {
                    let queues: Vec<QueueKey> = self
                        .queues
                        .iter()
                        .filter(|(_, queue)| pattern.matches(&queue.key))
                        .map(|(queue, _)| queue)
                        .collect();
                    self.queue_patterns.push((pattern, key));
                    let matched = &mut self.subscriptions[key].matched;
                    matched.extend(&queues);
                    matched.sort_unstable();
                    matched.dedup();
                    for queue in queues {
                        if !several || !self.queues[queue].consumers.has(key) {
                            self.queues[queue].consumers.add(key, priority, exclusive);
                            self.yield_to_active(queue);
                        }
                    }
                }
                Source::Topic(topic) if several && self.topics[topic].has(key) => {}
                Source::Topic(topic) => {
                    self.topics[topic].add(key, takes_all, selector.as_deref());
                    self.catch_up(key, topic, start);
                }
                Source::Topics(pattern) => {
                    let matching: Vec<TopicKey> = self
                        .topics
                        .iter()
                        .filter(|(_, topic)| pattern.matches(&topic.key))
                        .map(|(topic, _)| topic)
                        .collect();
                    self.topic_patterns.push((pattern, key));
                    for topic in matching {
                        if several && self.topics[topic].has(key) {
                            continue;
                        }
                        self.topics[topic].add(key, takes_all, selector.as_deref());
                        self.catch_up(key, topic, start);
                    }
                }
            }
        }
    }

    /// What several topics have kept comes in the order in which it was sent.
    fn sort_waiting(&mut self, key: SubscriptionKey) {
        let waiting = self.subscriptions[key].waiting.make_contiguous();
        waiting.sort_by_key(|waiting| waiting.entry.sequence);
    }

    fn join(
        &mut self,
        queue: QueueKey,
        key: SubscriptionKey,
        priority: i32,
        exclusive: bool,
        start: Option<Start>,
        browser: bool,
    ) {
        self.queues[queue].idle_since = None;
        if let Some(log) = &self.queues[queue].log {
            let next = log.begin(start.unwrap_or(Start::Next));
            self.subscriptions[key].reading = Some(Reading::Stream { queue, next });
            self.queues[queue].consumers.add_reader(key);
        } else if browser {
            let cursor = match start {
                Some(Start::Sequence(sequence)) => Cursor::before(sequence),
                _ => Cursor::default(),
            };
            let until = self.next_sequence - 1;
            self.subscriptions[key].reading = Some(Reading::Browse {
                queue,
                cursor,
                until,
            });
            self.queues[queue].consumers.add_reader(key);
        } else {
            self.queues[queue].consumers.add(key, priority, exclusive);
            self.yield_to_active(queue);
        }
    }

    /// Where one consumer alone may consume, the others are not ready.
    fn yield_to_active(&mut self, queue: QueueKey) {
        let Some(active) = self.queues[queue].consumers.active() else {
            return;
        };
        for key in self.queues[queue].consumers.keys().collect::<Vec<_>>() {
            if key != active {
                let selector = self.subscriptions[key].selector.clone();
                self.queues[queue]
                    .consumers
                    .not_ready(key, selector.as_deref());
            }
        }
    }

    /// Gives a new subscriber of a topic what it has kept: its retained message, or its last ones.
    fn catch_up(&mut self, key: SubscriptionKey, topic: TopicKey, start: Option<Start>) {
        let now = self.now;
        let it = &mut self.topics[topic];
        if it
            .retained
            .as_ref()
            .is_some_and(|kept| kept.expires != 0 && kept.expires <= now)
            && let Some(old) = it.retained.take()
        {
            self.memory = self.memory.saturating_sub(old.message.size());
        }
        let it = &self.topics[topic];
        let mut waiting = Vec::new();
        if let Some(start) = start {
            if let Some(log) = &it.log {
                let mut next = log.begin(start);
                while let Some(kept) = log.at(next) {
                    next = kept.position + 1;
                    let entry = kept.entry.clone();
                    waiting.push(Waiting {
                        entry,
                        position: kept.position,
                        retained: false,
                    });
                }
            }
        } else if let Some(retained) = it.retained.clone() {
            let entry = Entry {
                sequence: retained.sequence,
                size: u32::try_from(retained.message.size()).unwrap_or(u32::MAX),
                deliveries: 0,
                failures: 0,
                priority: retained.message.priority,
                expires: retained.expires,
                stored: 0,
                arrived: 0,
                message: Some(retained.message),
            };
            waiting.push(Waiting {
                entry,
                position: 0,
                retained: true,
            });
        }
        for waiting in waiting {
            let live = waiting.entry.expires == 0 || waiting.entry.expires > now;
            if live && self.wants(key, &waiting.entry, None) {
                self.push_waiting(key, waiting);
            }
        }
    }

    /// Ends a subscription: what it has not acknowledged goes back to its queue. If the headers ask
    /// for it, the durable subscription ends too. True: one did.
    pub(crate) fn unsubscribe(
        &mut self,
        id: ConnectionId,
        subscription: &str,
        headers: &[(Box<str>, Box<str>)],
    ) -> Result<bool, BrokerError> {
        let Some(connection) = self.connections.get_mut(id) else {
            return Ok(false);
        };
        let identity = connection.identity.clone();
        let found = connection.subscriptions.remove(subscription);
        let own = found.and_then(|key| self.subscriptions[key].durable.clone());
        if let Some(key) = found {
            self.subscriptions[key].subscriber.close();
            let freed = self.detach(key);
            self.return_subscription(id, key);
            for queue in freed {
                self.feed_all(queue);
            }
            self.forget_subscription(key);
            self.events.push(Event::Unsubscribed {
                connection: id,
                subscription: subscription.into(),
            });
        }
        let headers = headers.iter().map(|(name, value)| (&**name, &**value));
        let headers = SubscribeHeaders::read(headers, identity.reads_as(&self.config))?;
        if let Some(named) = durable_key(
            &headers,
            subscription,
            &identity,
            identity.reads_as(&self.config),
        ) {
            return self.remove_durable(&own.unwrap_or(named));
        }
        Ok(false)
    }

    /// Takes a subscription off its sources, so that it gets nothing more. Gives the queues whose
    /// messages others may now have: they are to be [fed](Self::feed_all) when what it had is back
    /// in its place.
    pub(crate) fn detach(&mut self, key: SubscriptionKey) -> Vec<QueueKey> {
        let mut freed = Vec::new();
        let Some(subscription) = self.subscriptions.get(key) else {
            return freed;
        };
        let selector = subscription.selector.clone();
        let id = subscription.connection;
        let queues = self.queues_of(key);
        // What was handed out in auto mode and is not written yet comes back later.
        if let Some(connection) = self.connections.get_mut(id)
            && subscription.ack == AckMode::Auto
            && connection.outstanding > 0
            && !connection.over
        {
            let end = connection.handed_out;
            for queue in queues.iter().copied() {
                let entry = None;
                let marker = crate::connection::Unwritten { end, queue, entry };
                connection.unwritten.push_back(marker);
                self.queues[queue].in_flight += 1;
            }
        }
        for source in self.subscriptions[key].sources.clone() {
            match source {
                Source::Topic(topic) => {
                    self.topics[topic].remove(key, selector.as_deref());
                    self.forget_unused_topic(topic);
                }
                Source::Topics(pattern) => {
                    self.topic_patterns.retain(|(_, other)| *other != key);
                    let all: Vec<TopicKey> = self.topics.iter().map(|(topic, _)| topic).collect();
                    for topic in all {
                        if pattern.matches(&self.topics[topic].key) {
                            self.topics[topic].remove(key, selector.as_deref());
                            self.forget_unused_topic(topic);
                        }
                    }
                }
                Source::Queues(_) => self.queue_patterns.retain(|(_, other)| *other != key),
                Source::Queue(_) => {}
            }
        }
        for queue in queues {
            let it = &mut self.queues[queue];
            let was_active = it.consumers.remove(key, selector.as_deref());
            if it.consumers.is_empty() {
                it.left_at = Some(self.now);
            }
            let groups = it.groups.len();
            it.groups.retain(|_, owner| *owner != key);
            if groups != it.groups.len() {
                // Others may have what was its alone.
                self.look_again(queue, 0, 0);
                for priority in 1..10 {
                    self.look_again(queue, priority, 0);
                }
                freed.push(queue);
            } else if was_active {
                freed.push(queue);
            }
            self.idle_queues.insert(queue);
        }
        if let Some(connection) = self.connections.get_mut(id) {
            connection.blocked.retain(|blocked| *blocked != key);
        }
        freed
    }

    /// Forgets a subscription that is detached, and has given back what it had.
    pub(crate) fn forget_subscription(&mut self, key: SubscriptionKey) {
        let Some(subscription) = self.subscriptions.try_remove(key) else {
            return;
        };
        self.watchers -= usize::from(subscription.watches);
        for waiting in &subscription.waiting {
            self.release(&waiting.entry);
        }
        for source in &subscription.sources {
            if let Source::Queue(queue) = source
                && self.queues.get(*queue).is_some_and(|it| {
                    it.options.auto_delete == Some(true) && it.consumers.is_empty()
                })
            {
                self.delete_queue(*queue);
            }
        }
    }

    /// RabbitMQ: `reply-to:/temp-queue/x` makes the queue, and subscribes to it.
    pub(crate) fn open_reply(&mut self, id: ConnectionId, reply: &str) -> Result<(), BrokerError> {
        let Some(connection) = self.connections.get(id) else {
            return Ok(());
        };
        let token = connection.identity.reply_token.clone();
        let Some((kind, rest)) = reply.strip_prefix("/temp-").and_then(|r| r.split_once('/'))
        else {
            return Ok(());
        };
        let key = format!("/temp-{kind}/{token}/{rest}");
        let exists = self.queue_names.contains_key(&*key) || self.topic_names.contains_key(&*key);
        if exists || connection.subscriptions.contains_key(reply) {
            return Ok(());
        }
        if connection.temporary.len() >= MAX_REPLIES {
            return Err(BrokerError::TooMany {
                what: "temporary queues",
                limit: MAX_REPLIES,
            });
        }
        // Written by whoever knows how the client's version escapes it.
        let line = Box::default();
        let subscribe = Subscribe {
            id: reply.into(),
            subscriber: Arc::new(Subscriber::new(Some(reply.into()), None, line)),
            destination: reply.into(),
            ack: AckMode::Auto,
            headers: Vec::new(),
            receipt: None,
        };
        let key = self.attach(id, subscribe)?;
        self.pump(key);
        Ok(())
    }

    /// The automatic subscription to a temporary destination ends when its client makes one of its
    /// own.
    fn close_reply(&mut self, id: ConnectionId, subscribe: &Subscribe) {
        let automatic = &*subscribe.destination;
        let has = |it: &crate::connection::Connection| it.subscriptions.contains_key(automatic);
        if automatic.starts_with("/temp-")
            && *subscribe.id != *automatic
            && self.connections.get(id).is_some_and(has)
        {
            // Without headers it says nothing that could be wrong.
            let _ = self.unsubscribe(id, automatic, &[]);
        }
    }

    /// A message that was stored with others: a topic's other subscribers see it too.
    pub(crate) fn send_to_topics_only(
        &mut self,
        sender: crate::routing::Sender,
        id: ConnectionId,
        message: &Arc<Message>,
    ) {
        let Some(identity) = self.connections.get(id).map(|it| it.identity.clone()) else {
            return;
        };
        let destination = message.destination();
        let multicast = message.extras.as_ref().and_then(|extras| extras.multicast);
        let reader = self.reader(&identity, Purpose::Send, multicast);
        let mut targets: Vec<Target<'_>> = Vec::new();
        for target in
            parts(&destination, reader.dialect).filter_map(|part| Target::parse(part, reader).ok())
        {
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        let several = targets.len() > 1;
        for target in targets {
            let message = target.message(message, several);
            if let Target::Topic { key } = target {
                // Only a limit can refuse it, and its sender was told that it is stored.
                let _ = self.send_to_topic(sender, &key, &message, false);
            }
        }
    }
}

/// Most temporary destinations that a connection opens by `reply-to`.
const MAX_REPLIES: usize = 1000;
