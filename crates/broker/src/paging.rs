//! Where memory is short: messages that are only in the store, and come back when their turn is near.

use std::sync::Arc;

use bytes::Bytes;
use stompbox_store::StoreError;

use crate::{
    Broker, Message, Time,
    definitions::split_place,
    journal::RECOVERED,
    message::Entry,
    queue::{Cursor, QueueKey},
    routing::Sender,
};

/// How many messages are read at a time, at most, and about how many bytes.
const READ_AHEAD: usize = 512;
const READ_AHEAD_BYTES: u64 = 4 << 20;

impl Broker {
    /// Whether a queue is no longer than what is read ahead of its consumers, so that it stays in
    /// memory.
    fn is_short(&self, queue: &crate::queue::Queue) -> bool {
        // Of few large messages that would be all the memory there is.
        let most = READ_AHEAD_BYTES.min(self.config.max_memory as u64 / 8);
        queue.messages.len() <= READ_AHEAD && queue.messages.bytes() <= most
    }

    /// Where memory is short, a message that nobody takes now goes to the store, and comes back
    /// when its turn is near.
    pub(crate) fn page_out(&mut self, key: QueueKey, priority: u8, sequence: u64) {
        if self.memory <= self.config.max_memory / 2 || !self.journal.is_enabled() {
            return;
        }
        if self.is_short(&self.queues[key]) {
            return;
        }
        let Some(entry) = self.queues[key].messages.get_mut(priority, sequence) else {
            return;
        };
        if entry.stored == 0 {
            let copy = entry.clone();
            let stored = self.store(Sender::default(), key, &copy, false);
            self.journal.hurry();
            if let Some(entry) = self.queues[key].messages.get_mut(priority, sequence) {
                entry.stored = stored;
            }
        } else if self.journal.is_synced(entry.stored) {
            let copy = entry.clone();
            entry.message = None;
            self.release(&copy);
        }
    }

    /// A message is on disk. Where memory is short, it is dropped from it.
    pub(crate) fn stored(&mut self, key: QueueKey, priority: u8, sequence: u64, stored: u64) {
        if self.memory <= self.config.max_memory / 2 {
            return;
        }
        if self
            .queues
            .get(key)
            .is_none_or(|queue| self.is_short(queue))
        {
            return;
        }
        if let Some(queue) = self.queues.get_mut(key)
            && let Some(entry) = queue.messages.get_mut(priority, sequence)
            && entry.stored == stored
            && entry.message.is_some()
        {
            let copy = entry.clone();
            entry.message = None;
            self.release(&copy);
        }
    }

    /// Wants a queue's next messages back from the store.
    pub(crate) fn load(&mut self, key: QueueKey, after: &Cursor) {
        let queue = &mut self.queues[key];
        if std::mem::replace(&mut queue.loading, true) {
            return;
        }
        let mut cursor = after.clone();
        let (mut count, mut bytes) = (0, 0);
        while let Some(entry) = queue.messages.next_after(&mut cursor) {
            if entry.message.is_some() {
                continue;
            }
            self.durable.wanted.push((queue.store_id, entry.sequence));
            count += 1;
            bytes += u64::from(entry.size);
            if count >= READ_AHEAD || bytes >= READ_AHEAD_BYTES {
                break;
            }
        }
    }

    /// Messages to read from the store, by queue and id, if any are wanted and the last ones are
    /// there. Give them to [`reads_done`](Self::reads_done).
    pub fn take_reads(&mut self) -> Option<Vec<(u64, u64)>> {
        if self.durable.reading || self.durable.wanted.is_empty() {
            return None;
        }
        self.durable.reading = true;
        let most = self.durable.wanted.len().min(4 * READ_AHEAD);
        Some(self.durable.wanted.drain(..most).collect())
    }

    /// The data of the messages that were wanted, in their order; an error gives none.
    pub fn reads_done(
        &mut self,
        wanted: &[(u64, u64)],
        data: Result<Vec<Option<Bytes>>, StoreError>,
        now: Time,
    ) {
        self.now = self.now.max(now);
        self.durable.reading = false;
        let is_whole = data.is_ok();
        let data = data.unwrap_or_else(|_| vec![None; wanted.len()]);
        let mut touched = Vec::new();
        for ((store_id, id), data) in wanted.iter().zip(data) {
            if let Some(dying) = self.durable.dying.remove(&(*store_id, *id)) {
                let mut entry = dying.entry;
                self.landed(dying.queue);
                entry.message = data
                    .and_then(|data| Message::restore(data, entry.expires))
                    .map(Arc::new);
                match &entry.message {
                    Some(_) => self.die(dying.queue, entry, dying.death, None),
                    // Damaged, which the store has reported.
                    None if is_whole => self.consumed(dying.queue, &entry, None),
                    // It dies after the next start.
                    None => {}
                }
                if !touched.contains(&dying.queue) {
                    touched.push(dying.queue);
                }
                continue;
            }
            let Some(key) = self.durable.by_store_id.get(store_id).copied() else {
                continue;
            };
            if !touched.contains(&key) {
                touched.push(key);
            }
            self.loaded(key, *id, data);
        }
        let waiting = |wanted: &[(u64, u64)], id| wanted.iter().any(|(queue, _)| *queue == id);
        for key in touched {
            let Some(queue) = self.queues.get(key) else {
                continue;
            };
            if waiting(&self.durable.wanted, queue.store_id) {
                continue;
            }
            self.queues[key].loading = false;
            self.feed_all(key);
            self.read_on_all(key);
        }
        self.send_letters();
        self.update_pressure();
    }

    fn loaded(&mut self, key: QueueKey, id: u64, data: Option<Bytes>) {
        let queue = &mut self.queues[key];
        if queue.log.is_some() {
            let (place, data) = data.map(split_place).unzip();
            if let Some(message) = data.and_then(|data| Message::restore(data, 0)) {
                let message = Arc::new(message);
                let entry = Entry {
                    sequence: id,
                    size: u32::try_from(message.size()).unwrap_or(u32::MAX),
                    deliveries: 0,
                    failures: 0,
                    priority: message.priority,
                    expires: message.expires,
                    stored: RECOVERED,
                    arrived: 0,
                    message: Some(message),
                };
                self.hold(&entry);
                let known = self.durable.positions.remove(&id);
                let (time, position) = match place.flatten() {
                    Some((time, position)) => (time, Some(position)),
                    None => (self.now, known),
                };
                if let (Some(log), Some(position)) = (&mut self.queues[key].log, position) {
                    log.resume_after(position);
                    log.put(position, entry, time);
                }
            }
            return;
        }
        for priority in 0..10 {
            let Some(entry) = queue.messages.get_mut(priority, id) else {
                continue;
            };
            if entry.message.is_some() {
                return;
            }
            let expires = entry.expires;
            match data.and_then(|data| Message::restore(data, expires)) {
                Some(message) => {
                    let before = entry.size;
                    entry.size = u32::try_from(message.size()).unwrap_or(u32::MAX);
                    entry.message = Some(Arc::new(message));
                    let (after, entry) = (entry.size, entry.clone());
                    queue.messages.resized(before, after);
                    let (before, after) = (u64::from(before), u64::from(after));
                    self.waiting.1 = (self.waiting.1 + after).saturating_sub(before);
                    self.hold(&entry);
                }
                // Damaged, which the store has reported: the others can go on.
                None => {
                    if let Some(entry) = queue.messages.take(priority, id) {
                        self.left_queue(key, &entry);
                    }
                }
            }
            return;
        }
    }
}
