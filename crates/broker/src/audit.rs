//! Counts everything again, for tests: what the broker keeps beside the things themselves must say
//! the same.

use std::collections::{BTreeSet, HashMap};

use crate::{
    Broker, ConnectionId,
    queue::{Cursor, QueueKey},
    schedule::Due,
    subscription::Origin,
};

impl Broker {
    /// Checks the broker's books. It is slow: only tests call it.
    ///
    /// # Errors
    ///
    /// What differs.
    #[doc(hidden)]
    pub fn audit(&mut self) -> Result<(), String> {
        self.audit_memory()?;
        self.audit_queues()?;
        self.audit_connections()?;
        self.audit_turns()?;
        self.journal.audit()
    }

    /// The queue that a delivery comes from.
    #[doc(hidden)]
    pub fn queue_of(&self, delivery: &crate::Delivery) -> Option<&str> {
        match delivery.origin {
            Origin::Queue(queue) => self.queues.get(queue).map(|queue| &*queue.key),
            Origin::Own => None,
        }
    }

    fn audit_memory(&self) -> Result<(), String> {
        let held = |entry: &crate::message::Entry| match entry.message {
            Some(_) => entry.size as usize,
            None => 0,
        };
        let mut memory: usize = 0;
        for (_, queue) in self.queues.iter() {
            memory += queue.messages.iter().map(held).sum::<usize>();
            let log = queue.log.iter().flat_map(|log| log.entries());
            memory += log.map(held).sum::<usize>();
        }
        for (_, subscription) in &self.subscriptions {
            let waiting = subscription.waiting.iter();
            memory += waiting.map(|it| held(&it.entry)).sum::<usize>();
        }
        for id in self.connections.ids() {
            let Some(connection) = self.connections.get(id) else {
                continue;
            };
            memory += connection
                .unacked
                .iter()
                .map(|(_, it)| held(&it.entry))
                .sum::<usize>();
            memory += connection
                .transactions
                .values()
                .map(|it| it.bytes)
                .sum::<usize>();
            let suspended = connection.suspended.iter().flatten();
            memory += suspended.map(crate::Command::size).sum::<usize>();
        }
        let committing = self.durable.committing.values();
        memory += committing.map(|it| it.bytes).sum::<usize>();
        for due in self.agenda.all() {
            memory += match due {
                Due::Return(_, entry) if entry.message.is_some() => entry.size as usize,
                Due::Return(..) => 0,
                Due::Send(job) => job.message.size(),
            };
        }
        for (_, topic) in &self.topics {
            memory += topic.retained.as_ref().map_or(0, |it| it.message.size());
        }
        same("memory", self.memory, memory)
    }

    fn audit_queues(&self) -> Result<(), String> {
        same("named queues", self.queue_names.len(), self.queues.len())?;
        let waiting = self.queues.iter().map(|(_, queue)| &queue.messages);
        let (count, bytes) = waiting.fold((0, 0), |(count, bytes), it| {
            (count + it.len() as u64, bytes + it.bytes())
        });
        same("waiting messages", self.waiting, (count, bytes))?;
        let streams = self.queues.iter().filter(|(_, it)| it.log.is_some());
        same("streams", self.streams, streams.count())?;
        let watchers = self.subscriptions.iter().filter(|(_, it)| it.watches);
        same("watchers", self.watchers, watchers.count())?;
        let mut in_flight: HashMap<QueueKey, usize> = HashMap::new();
        let mut unacknowledged = 0;
        let mut unacked_of: HashMap<QueueKey, usize> = HashMap::new();
        let mut fly = |queue| *in_flight.entry(queue).or_default() += 1;
        for id in self.connections.ids() {
            let Some(connection) = self.connections.get(id) else {
                continue;
            };
            unacknowledged += connection.unacked.len();
            for (_, unacked) in connection.unacked.iter() {
                if let Origin::Queue(queue) = unacked.origin {
                    *unacked_of.entry(queue).or_default() += 1;
                    fly(queue);
                }
            }
            connection.unwritten.iter().for_each(|it| fly(it.queue));
        }
        for due in self.agenda.all() {
            if let Due::Return(queue, _) = due {
                fly(*queue);
            }
        }
        self.durable.dying.values().for_each(|it| fly(it.queue));
        same("unacknowledged", self.unacked, unacknowledged)?;
        for (key, queue) in self.queues.iter() {
            let name = &queue.key;
            let messages = &queue.messages;
            same(name, messages.len(), messages.iter().count())?;
            let bytes: u64 = messages.iter().map(|it| u64::from(it.size)).sum();
            same(name, messages.bytes(), bytes)?;
            let expiring: BTreeSet<_> = messages
                .iter()
                .filter(|it| it.expires != 0)
                .map(crate::message::Entry::expiry)
                .collect();
            same(name, &queue.expiring, &expiring)?;
            let unacked = unacked_of.remove(&key).unwrap_or_default();
            same(name, ("unacked", queue.unacked), ("unacked", unacked))?;
            let flying = in_flight.remove(&key).unwrap_or_default() + self.prepared_for(key);
            same(name, ("in flight", queue.in_flight), ("in flight", flying))?;
            if let Some(owner) = queue
                .groups
                .values()
                .find(|owner| !self.subscriptions.contains(**owner))
            {
                return Err(format!("{name}: a group belongs to {owner}, which is gone"));
            }
        }
        match in_flight.keys().next() {
            Some(queue) => Err(format!("in flight of queue {queue:?}, which is gone")),
            None => Ok(()),
        }
    }

    fn audit_connections(&self) -> Result<(), String> {
        let mut unacked: HashMap<usize, (u64, u64)> = HashMap::new();
        let mut receipts: HashMap<ConnectionId, usize> = self.journal.receipts_by_connection();
        for id in self.connections.ids() {
            let Some(connection) = self.connections.get(id) else {
                continue;
            };
            for (tag, it) in connection.unacked.iter() {
                let of = unacked.entry(it.subscription).or_default();
                of.0 += 1;
                of.1 += u64::from(it.entry.size);
                if connection.identity.acks_by_message_id {
                    let key = (it.entry.sequence, it.subscription);
                    same("tag", connection.tags.get(&key), Some(&tag))?;
                }
            }
            let count = connection.unacked.iter().count();
            same("unacked", connection.unacked.len(), count)?;
            if connection.identity.acks_by_message_id {
                same("tags", connection.tags.len(), count)?;
            }
            let waiting = receipts.remove(&id).unwrap_or_default();
            same("receipts", connection.receipts, waiting)?;
            let mut listed = connection.blocked.clone();
            listed.sort_unstable();
            let mut blocked: Vec<_> = connection.subscriptions.values().copied().collect();
            blocked.retain(|key| self.subscriptions[*key].blocked);
            blocked.sort_unstable();
            same("blocked", listed, blocked)?;
        }
        for (key, subscription) in &self.subscriptions {
            let (count, bytes) = unacked.remove(&key).unwrap_or_default();
            let have = (subscription.unacked, subscription.unacked_bytes);
            same("unacked of a subscription", have, (count, bytes))?;
            let waiting = subscription.waiting.iter();
            let waiting: u64 = waiting.map(|it| u64::from(it.entry.size)).sum();
            same("waiting", subscription.waiting_bytes, waiting)?;
        }
        same("unacked of no subscription", unacked.len(), 0)
    }

    /// Whoever can take a message, and may, waits for one; and nothing for it is left behind.
    fn audit_turns(&mut self) -> Result<(), String> {
        let queues: Vec<QueueKey> = self.queues.iter().map(|(key, _)| key).collect();
        for queue in queues {
            let name = self.queues[queue].key.clone();
            for key in self.queues[queue].consumers.keys().collect::<Vec<_>>() {
                let Some(it) = self.subscriptions.get(key) else {
                    return Err(format!("{name}: consumer {key} is gone"));
                };
                let connection = self.connections.get(it.connection);
                if it.reading.is_some() || connection.is_none_or(|it| it.failed || it.over) {
                    continue;
                }
                let ready = self.queues[queue].consumers.is_ready(key);
                if it.blocked {
                    if ready {
                        return Err(format!("{name}: consumer {key} is ready and blocked"));
                    }
                    let outstanding = connection.map_or(0, |it| it.outstanding);
                    if self.can_take(key) && outstanding <= self.config.max_outstanding / 2 {
                        return Err(format!("{name}: consumer {key} is blocked for nothing"));
                    }
                    continue;
                }
                if !self.queues[queue].consumers.may_consume(key) {
                    if ready {
                        return Err(format!(
                            "{name}: consumer {key} is ready and may not consume"
                        ));
                    }
                    continue;
                }
                if self.queues[queue].loading {
                    continue;
                }
                if !ready {
                    return Err(format!(
                        "{name}: consumer {key} is neither ready nor blocked"
                    ));
                }
                let mut cursor = Cursor::default();
                while let Some(entry) = self.queues[queue].messages.next_after(&mut cursor) {
                    let entry = entry.clone();
                    let owner = self.group_owner(queue, &entry);
                    // Whoever takes only some was asked before it went to the store.
                    let plain =
                        self.subscriptions[key].takes_all() && self.queues[queue].groups.is_empty();
                    if entry.message.is_none() && !plain {
                        continue;
                    }
                    if owner.is_none_or(|owner| owner == key)
                        && (entry.message.is_none() || self.wants(key, &entry, None))
                    {
                        let extras = entry.message.as_ref().and_then(|it| it.extras.as_ref());
                        return Err(format!(
                            "{name}: consumer {key} waits, and so does message {}, in memory {}, it was seen {}, group {:?} of {owner:?}",
                            entry.sequence,
                            entry.message.is_some(),
                            self.subscriptions[key]
                                .cursors
                                .iter()
                                .any(|(at, cursor)| *at == queue
                                    && cursor.is_past(entry.priority, entry.sequence)),
                            extras.and_then(|extras| extras.group.as_deref()),
                        ));
                    }
                }
            }
        }
        Ok(())
    }
}

pub(crate) fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    have: T,
    counted: T,
) -> Result<(), String> {
    if have == counted {
        return Ok(());
    }
    Err(format!("{what}: the books say {have:?}, it is {counted:?}"))
}
