//! What is where: messages and definitions in memory, and which record is still of use.
//!
//! A record is of use while something in it is live, or while it says that something in an older
//! record is not: an older record *O* in which a newer *N* ended, replaced or counted something
//! stands in `needs` of *N*, and *N* in `ends` of *O*. When neither holds the record is dead, and
//! that may free others.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rustc_hash::FxHashMap;

/// Of 4: a record of which less is of use is copied forward.
const SPARSE: u64 = 4;
/// That many records may say something about one record, before that is copied to be rid of them.
const MAX_ENDS: usize = 64;
/// Bytes of an op without its data, about.
const OP: u64 = 40;
const DURABLE: u32 = 1 << 31;

/// Where something is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The record, as [`Index::open_record`] named it.
    pub(crate) record: u32,
    /// The op in the record; the highest bit says that it is durable.
    at: u32,
    /// Bytes of data.
    pub(crate) size: u32,
}

impl Place {
    pub(crate) fn new(record: u32, at: u32, size: u32, durable: bool) -> Self {
        let at = at | if durable { DURABLE } else { 0 };
        Self { record, at, size }
    }

    /// For `Record::op_at`.
    pub(crate) fn at(&self) -> u32 {
        self.at & !DURABLE
    }

    pub(crate) fn is(&self, record: u32, at: u32) -> bool {
        self.record == record && self.at() == at
    }

    pub(crate) fn durable(&self) -> bool {
        self.at & DURABLE != 0
    }
}

#[derive(Debug, Default)]
struct Entry {
    number: u64,
    size: u64,
    /// Messages and definitions, and their bytes.
    live: u32,
    live_bytes: u64,
    /// Bytes of ops about things in older records.
    about: u64,
    needs: Vec<u32>,
    ends: Vec<u32>,
    /// Still being filled, so not yet dead.
    open: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Index {
    /// By queue and id. Ids mostly come and go in order, so a tree is touched at its edges, which
    /// are in the cache; a hash table would miss at each message, and now and then move them all.
    messages: FxHashMap<u64, BTreeMap<u64, Place>>,
    /// Counts that changed after the message was put.
    redelivered: FxHashMap<(u64, u64), u32>,
    definitions: FxHashMap<Box<str>, Place>,
    entries: Vec<Entry>,
    free: Vec<u32>,
    by_number: BTreeMap<u64, u32>,
    /// Records that the engine may remove, in that order.
    dead: VecDeque<u64>,
    sparse: BTreeSet<u64>,
    count: u64,
    bytes: u64,
    stored: u64,
    died: u64,
}

impl Index {
    /// Messages, their bytes, and the bytes of records of use.
    pub(crate) fn totals(&self) -> (u64, u64, u64) {
        (self.count, self.bytes, self.stored)
    }

    /// The lowest record of use, or `next` if there is none.
    pub(crate) fn floor(&self, next: u64) -> u64 {
        self.by_number.keys().next().copied().unwrap_or(next)
    }

    /// Begins a record; its ops follow, then [`close_record`](Self::close_record).
    pub(crate) fn open_record(&mut self, number: u64, size: u64) -> u32 {
        let entry = Entry {
            number,
            size,
            open: true,
            ..Entry::default()
        };
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.entries.push(Entry::default());
                u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX)
            }
        };
        if let Some(place) = self.entries.get_mut(slot as usize) {
            *place = entry;
        }
        self.by_number.insert(number, slot);
        self.stored += size;
        slot
    }

    pub(crate) fn close_record(&mut self, record: u32) {
        if let Some(entry) = self.entry(record) {
            entry.open = false;
        }
        self.judge(record);
    }

    /// The number of a record.
    pub(crate) fn number(&self, record: u32) -> Option<u64> {
        self.entries.get(record as usize).map(|entry| entry.number)
    }

    /// The numbers of all records of use.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.by_number.keys().copied().collect()
    }

    /// What names a record, by its number.
    pub(crate) fn record(&self, number: u64) -> Option<u32> {
        self.by_number.get(&number).copied()
    }

    pub(crate) fn message(&self, queue: u64, id: u64) -> Option<Place> {
        self.messages.get(&queue)?.get(&id).copied()
    }

    /// How often it was delivered, if that changed since it was put.
    pub(crate) fn redelivered(&self, queue: u64, id: u64) -> Option<u32> {
        self.redelivered.get(&(queue, id)).copied()
    }

    pub(crate) fn definition(&self, key: &str) -> Option<Place> {
        self.definitions.get(key).copied()
    }

    pub(crate) fn definitions(&self) -> impl Iterator<Item = (&str, Place)> {
        self.definitions.iter().map(|(key, place)| (&**key, *place))
    }

    pub(crate) fn put(&mut self, queue: u64, id: u64, place: Place) {
        let old = self.messages.entry(queue).or_default().insert(id, place);
        self.count += 1;
        self.bytes += u64::from(place.size);
        self.occupy(place);
        if let Some(old) = old {
            self.redelivered.remove(&(queue, id));
            self.leave_message(old, place.record);
        }
    }

    pub(crate) fn delete(&mut self, queue: u64, id: u64, by: u32) {
        let Some(messages) = self.messages.get_mut(&queue) else {
            return;
        };
        let old = messages.remove(&id);
        if messages.is_empty() {
            self.messages.remove(&queue);
        }
        if let Some(old) = old {
            if !self.redelivered.is_empty() {
                self.redelivered.remove(&(queue, id));
            }
            self.leave_message(old, by);
        }
    }

    pub(crate) fn delivered(&mut self, queue: u64, id: u64, deliveries: u32, by: u32) {
        if let Some(place) = self.message(queue, id) {
            self.redelivered.insert((queue, id), deliveries);
            if place.durable() {
                self.say(place.record, by, OP);
            }
            self.judge(place.record);
        }
    }

    pub(crate) fn set(&mut self, key: Box<str>, place: Place) {
        let old = self.definitions.insert(key, place);
        self.occupy(place);
        if let Some(old) = old {
            self.leave(old, place.record, OP);
        }
    }

    pub(crate) fn unset(&mut self, key: &str, by: u32) {
        if let Some(old) = self.definitions.remove(key) {
            self.leave(old, by, OP + key.len() as u64);
        }
    }

    /// Lets `heirs` say all that `record` says of older ones: they hold an op for each of its names.
    pub(crate) fn inherit(&mut self, record: u32, heirs: &[u32]) {
        let needs = self
            .entry(record)
            .map(|entry| std::mem::take(&mut entry.needs));
        for older in needs.unwrap_or_default() {
            if let Some(entry) = self.entry(older) {
                entry.ends.retain(|end| *end != record);
            }
            for heir in heirs {
                self.say(older, *heir, 0);
            }
        }
        self.judge(record);
    }

    /// Counts the bytes of an op that a record says again.
    pub(crate) fn says_again(&mut self, record: u32, key: usize) {
        if let Some(entry) = self.entry(record) {
            entry.about += OP + key as u64;
        }
    }

    /// Bytes of records that died since the last call.
    pub(crate) fn take_died(&mut self) -> u64 {
        std::mem::take(&mut self.died)
    }

    /// Whether a record says something of older ones.
    pub(crate) fn needs_any(&self, record: u32) -> bool {
        let entry = self.entries.get(record as usize);
        entry.is_some_and(|entry| !entry.needs.is_empty())
    }

    /// The record that gains most by being copied forward, lowest first.
    pub(crate) fn sparse(&self) -> Option<u64> {
        self.sparse.first().copied()
    }

    /// Leaves a record where it is, since it can't be read.
    pub(crate) fn spare(&mut self, number: u64) {
        self.sparse.remove(&number);
    }

    /// Records that the engine may remove, the first that became so first.
    pub(crate) fn dead(&self) -> impl ExactSizeIterator<Item = u64> {
        self.dead.iter().copied()
    }

    /// The engine removed the first of them.
    pub(crate) fn removed(&mut self, number: usize) {
        self.dead.drain(..number.min(self.dead.len()));
    }

    fn entry(&mut self, record: u32) -> Option<&mut Entry> {
        self.entries.get_mut(record as usize)
    }

    fn occupy(&mut self, place: Place) {
        if let Some(entry) = self.entry(place.record) {
            entry.live += 1;
            entry.live_bytes += u64::from(place.size);
        }
    }

    fn leave_message(&mut self, old: Place, by: u32) {
        self.count -= 1;
        self.bytes -= u64::from(old.size);
        if old.durable() {
            self.leave(old, by, OP);
        } else {
            // The next opening does not know it: nobody must say that it ended.
            self.vacate(old);
        }
    }

    fn leave(&mut self, old: Place, by: u32, bytes: u64) {
        self.say(old.record, by, bytes);
        self.vacate(old);
    }

    fn vacate(&mut self, old: Place) {
        if let Some(entry) = self.entry(old.record) {
            entry.live -= 1;
            entry.live_bytes -= u64::from(old.size);
        }
        self.judge(old.record);
    }

    /// Notes that record `by` says something of `older`.
    fn say(&mut self, older: u32, by: u32, bytes: u64) {
        if older == by || self.entries.get(by as usize).is_none() {
            return;
        }
        let Some(entry) = self.entry(older) else {
            return;
        };
        let known = entry.ends.last() == Some(&by);
        if !known {
            entry.ends.push(by);
        }
        if let Some(entry) = self.entry(by) {
            entry.about += bytes;
            if !known {
                entry.needs.push(older);
            }
        }
    }

    /// Finds out whether a record is dead, with all that it frees, or sparse.
    fn judge(&mut self, record: u32) {
        let mut next = Some(record);
        let mut work = Vec::new();
        while let Some(record) = next.take().or_else(|| work.pop()) {
            let Some(entry) = self.entries.get_mut(record as usize) else {
                continue;
            };
            if entry.open || entry.size == 0 {
                continue;
            }
            let number = entry.number;
            if entry.live > 0 || !entry.needs.is_empty() {
                let said = if entry.needs.is_empty() {
                    0
                } else {
                    entry.about
                };
                let useful = entry.live_bytes + OP * u64::from(entry.live) + said;
                let many = MAX_ENDS.max(entry.live as usize);
                if useful * SPARSE < entry.size || entry.ends.len() > many {
                    self.sparse.insert(number);
                }
                continue;
            }
            let entry = std::mem::take(entry);
            self.stored -= entry.size;
            self.died += entry.size;
            self.by_number.remove(&number);
            self.sparse.remove(&number);
            self.dead.push_back(number);
            self.free.push(record);
            for end in entry.ends {
                if let Some(entry) = self.entry(end) {
                    entry.needs.retain(|older| *older != record);
                    work.push(end);
                }
            }
        }
    }
}
