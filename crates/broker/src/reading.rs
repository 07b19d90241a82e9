//! Those who read and take nothing: readers of streams, and browsers.

use std::sync::Arc;

use crate::{
    Broker, Output,
    consumers::SubscriptionKey,
    message::Entry,
    queue::QueueKey,
    subscription::{Origin, Reading},
    traffic::Count,
};

impl Broker {
    /// Goes on with a browser or a reader of a stream.
    pub(crate) fn read_on(&mut self, key: SubscriptionKey) {
        loop {
            if !self.can_take(key) {
                return self.block(key);
            }
            let next = match &mut self.subscriptions[key].reading {
                Some(Reading::Browse {
                    queue,
                    cursor,
                    until,
                }) => {
                    let queue = *queue;
                    let before = cursor.clone();
                    let until = *until;
                    let found = self
                        .queues
                        .get_mut(queue)
                        .and_then(|q| q.messages.next_after(cursor));
                    match found {
                        None => None,
                        Some(entry) if entry.sequence > until => continue,
                        Some(entry) if entry.message.is_none() => {
                            *cursor = before.clone();
                            self.load(queue, &before);
                            return;
                        }
                        Some(entry) => {
                            let copy = Entry {
                                stored: 0,
                                ..entry.clone()
                            };
                            // It was read from the store for this browser alone.
                            let spare = self.memory > self.config.max_memory / 2
                                && self.journal.is_enabled()
                                && self.journal.is_synced(entry.stored)
                                && entry.stored != 0;
                            if spare {
                                entry.message = None;
                                self.memory = self.memory.saturating_sub(copy.size as usize);
                            }
                            Some((copy, 0))
                        }
                    }
                }
                // Its messages are being read from the store.
                Some(Reading::Stream { queue, .. })
                    if self.queues.get(*queue).is_some_and(|queue| queue.loading) =>
                {
                    return;
                }
                Some(Reading::Stream { queue, next }) => {
                    let log = self.queues.get(*queue).and_then(|queue| queue.log.as_ref());
                    match log.and_then(|log| log.at(*next)) {
                        // It is ready for what comes.
                        None => return,
                        Some(kept) => {
                            *next = kept.position + 1;
                            Some((
                                Entry {
                                    stored: 0,
                                    ..kept.entry.clone()
                                },
                                kept.position,
                            ))
                        }
                    }
                }
                Some(Reading::Done) | None => return,
            };
            match next {
                Some((entry, position)) => {
                    let live = entry.expires == 0 || entry.expires > self.now;
                    if live && self.wants(key, &entry, None) {
                        if let Some(Reading::Stream { queue, .. }) = self.subscriptions[key].reading
                        {
                            self.count(queue, Count::Out);
                        }
                        self.deliver(key, Origin::Own, entry, position, false);
                    }
                }
                None => return self.browsed(key),
            }
        }
    }

    /// A browser has seen all that was there when it came.
    pub(crate) fn browsed(&mut self, key: SubscriptionKey) {
        let subscription = &mut self.subscriptions[key];
        if subscription.browser_stays {
            if let Some(Reading::Browse { until, .. }) = &mut subscription.reading {
                *until = u64::MAX;
            }
            return;
        }
        subscription.reading = Some(Reading::Done);
        let (id, subscriber) = (
            subscription.connection,
            Arc::clone(&subscription.subscriber),
        );
        self.connections.output(id, Output::BrowserEnd(subscriber));
    }

    /// Adds a message to a stream, and hands it to its readers.
    pub(crate) fn append(&mut self, key: QueueKey, position: u64, entry: Entry) {
        if entry.stored != 0 {
            self.journal.hurry();
        }
        self.hold(&entry);
        let now = self.now;
        let Some(log) = &mut self.queues[key].log else {
            return;
        };
        log.put(position, entry, now);
        self.trim_stream(key);
        self.read_on_all(key);
    }

    /// Drops what a stream keeps no longer.
    pub(crate) fn trim_stream(&mut self, key: QueueKey) {
        let now = self.now;
        while let Some(log) = &mut self.queues[key].log
            && let Some(dropped) = log.pop_excess(now)
        {
            self.release(&dropped);
            self.consumed(key, &dropped, None);
        }
    }

    /// Goes on with all readers and browsers of a queue that can take more.
    pub(crate) fn read_on_all(&mut self, key: QueueKey) {
        for subscription in self.queues[key].consumers.keys().collect::<Vec<_>>() {
            let it = &self.subscriptions[subscription];
            if it.reading.is_some() && !it.blocked && it.waiting.is_empty() {
                self.read_on(subscription);
            }
        }
    }
}
