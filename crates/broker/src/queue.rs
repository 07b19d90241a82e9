//! One queue: its messages in the order of their turns, and its consumers.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use crate::{
    ConnectionId, Time, consumers::Consumers, dialect::queue::QueueHeaders, log::Log,
    message::Entry, traffic::Traffic,
};

/// A queue's number while the broker runs.
pub(crate) type QueueKey = u64;

/// How long a queue lives, and who may consume from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// While it has messages or consumers, or is defined in the store.
    Normal,
    /// As long as the connection whose temporary queue it is.
    Connection(ConnectionId),
    /// Until its durable subscription is removed.
    Subscription,
}

#[derive(Debug)]
pub(crate) struct Queue {
    /// Its name; see [`Target`](crate::destination::Target).
    pub(crate) key: Arc<str>,
    pub(crate) life: Life,
    /// The number under which the store knows it; 0: it does not.
    pub(crate) store_id: u64,
    pub(crate) options: QueueHeaders,
    pub(crate) messages: Messages,
    pub(crate) consumers: Consumers,
    /// Which consumer has a group's messages.
    pub(crate) groups: HashMap<Box<str>, usize>,
    /// A stream keeps its messages here, and hands none out as a queue does.
    pub(crate) log: Option<Box<Log>>,
    /// Messages are being read from the store; no more are handed out until they are there.
    pub(crate) loading: bool,
    /// Messages that were handed out, or come back later, and are not settled yet.
    pub(crate) in_flight: usize,
    /// Messages with an expiry, by that: with their priorities and numbers.
    pub(crate) expiring: BTreeSet<(Time, u8, u64)>,
    /// Since when it has neither messages nor consumers.
    pub(crate) idle_since: Option<Time>,
    pub(crate) traffic: Traffic,
    /// Of `in_flight`, those that wait for an acknowledgement.
    pub(crate) unacked: usize,
    /// When its last consumer went.
    pub(crate) left_at: Option<Time>,
}

impl Queue {
    pub(crate) fn new(key: Arc<str>, life: Life) -> Self {
        Self {
            key,
            life,
            store_id: 0,
            options: QueueHeaders::default(),
            messages: Messages::default(),
            consumers: Consumers::default(),
            groups: HashMap::new(),
            log: None,
            loading: false,
            in_flight: 0,
            expiring: BTreeSet::new(),
            idle_since: None,
            traffic: Traffic::default(),
            unacked: 0,
            left_at: None,
        }
    }

    /// Whether nothing is lost if it is forgotten.
    pub(crate) fn is_unused(&self) -> bool {
        self.messages.is_empty()
            && self.consumers.is_empty()
            && self.log.as_ref().is_none_or(|log| log.is_empty())
    }

    /// Whether it holds dead letters, which die no second death.
    pub(crate) fn is_dead_letter(&self) -> bool {
        self.key.starts_with("/queue/DLQ.")
    }
}

/// The priority of messages that say none.
const NORMAL: u8 = 4;

/// Messages that wait: by priority, then by number.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    normal: Lane,
    /// Those of other priorities, by 9 less the priority.
    others: BTreeMap<u8, Lane>,
    /// How many wait.
    len: usize,
    /// Their bytes, those of paged-out messages too.
    bytes: u64,
}

impl Messages {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a message in its place; a new one has the highest number and so comes last.
    #[inline]
    pub(crate) fn insert(&mut self, entry: Entry) {
        self.len += 1;
        self.bytes += u64::from(entry.size);
        self.lane(entry.priority).insert(entry);
    }

    /// The message whose turn it is.
    pub(crate) fn first(&mut self) -> Option<&mut Entry> {
        self.lanes_mut().find_map(Lane::first)
    }

    /// Takes the message whose turn it is.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Entry> {
        let entry = if self.others.is_empty() {
            self.normal.pop()
        } else {
            self.lanes_mut().find_map(Lane::pop)
        }?;
        self.forget(&entry);
        Some(entry)
    }

    /// Takes the oldest message of the lowest priority.
    pub(crate) fn pop_least(&mut self) -> Option<Entry> {
        let mut lanes: Vec<&mut Lane> = self.lanes_mut().collect();
        let entry = lanes.iter_mut().rev().find_map(|lane| lane.pop())?;
        self.forget(&entry);
        Some(entry)
    }

    /// Takes a certain message.
    pub(crate) fn take(&mut self, priority: u8, sequence: u64) -> Option<Entry> {
        let entry = self.lane(priority).take(sequence)?;
        self.forget(&entry);
        Some(entry)
    }

    /// A certain message.
    pub(crate) fn get_mut(&mut self, priority: u8, sequence: u64) -> Option<&mut Entry> {
        self.lane(priority).get_mut(sequence)
    }

    /// The first message with a higher number than `after` says for its priority, in the order of
    /// turns; `after` is moved along.
    pub(crate) fn next_after(&mut self, after: &mut Cursor) -> Option<&mut Entry> {
        for (priority, lane) in self.lanes_by_priority() {
            let seen = &mut after.0[usize::from(priority.min(9))];
            if let Some(entry) = lane.after(*seen) {
                *seen = entry.sequence;
                return Some(entry);
            }
        }
        None
    }

    /// The message with the lowest number above that, whatever its priority: with its priority.
    pub(crate) fn next_by_number(&self, after: u64) -> Option<(u8, &Entry)> {
        let others = self.others.iter().map(|(rank, lane)| (9 - *rank, lane));
        others
            .chain([(NORMAL, &self.normal)])
            .filter_map(|(priority, lane)| Some((priority, lane.peek_after(after)?)))
            .min_by_key(|(_, entry)| entry.sequence)
    }

    /// When the oldest came, in seconds since 1970; 0: not known.
    pub(crate) fn oldest(&self) -> Option<u32> {
        let lanes = self.others.values().chain([&self.normal]);
        let first = lanes.filter_map(|lane| Some(lane.slots.front()?.entry.arrived));
        first.min()
    }

    /// All that wait, in the order of turns.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        let (before, after): (Vec<_>, Vec<_>) = self
            .others
            .iter()
            .partition(|(rank, _)| **rank < 9 - NORMAL);
        before
            .into_iter()
            .map(|(_, lane)| lane)
            .chain([&self.normal])
            .chain(after.into_iter().map(|(_, lane)| lane))
            .flat_map(|lane| lane.slots.iter())
            .filter(|slot| !slot.taken)
            .map(|slot| &slot.entry)
    }

    /// A message's size was only estimated, and is now known.
    pub(crate) fn resized(&mut self, before: u32, after: u32) {
        self.bytes = (self.bytes + u64::from(after)).saturating_sub(u64::from(before));
    }

    fn forget(&mut self, entry: &Entry) {
        self.len -= 1;
        self.bytes -= u64::from(entry.size);
    }

    fn lane(&mut self, priority: u8) -> &mut Lane {
        match priority {
            NORMAL => &mut self.normal,
            priority => self.others.entry(9 - priority.min(9)).or_default(),
        }
    }

    fn lanes_mut(&mut self) -> impl Iterator<Item = &mut Lane> {
        self.lanes_by_priority().map(|(_, lane)| lane)
    }

    fn lanes_by_priority(&mut self) -> impl Iterator<Item = (u8, &mut Lane)> {
        let mut normal = Some(&mut self.normal);
        let mut others = self.others.iter_mut().peekable();
        std::iter::from_fn(move || {
            let next = others.peek().map(|(rank, _)| 9 - **rank);
            if normal.is_some() && next.is_none_or(|priority| priority < NORMAL) {
                return normal.take().map(|lane| (NORMAL, lane));
            }
            others.next().map(|(rank, lane)| (9 - *rank, lane))
        })
    }
}

/// Up to which number a consumer has looked at the messages of each priority.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cursor([u64; 10]);

impl Cursor {
    /// Looks again at what has this number and comes after.
    pub(crate) fn back_to(&mut self, priority: u8, sequence: u64) {
        let seen = &mut self.0[usize::from(priority.min(9))];
        *seen = (*seen).min(sequence.saturating_sub(1));
    }

    /// Whether a message was looked at.
    pub(crate) fn is_past(&self, priority: u8, sequence: u64) -> bool {
        self.0[usize::from(priority.min(9))] >= sequence
    }

    /// Before the first message that has at least this number.
    pub(crate) fn before(sequence: u64) -> Self {
        Self([sequence.saturating_sub(1); 10])
    }
}

#[derive(Debug)]
struct Slot {
    entry: Entry,
    /// It was taken out of the middle: its place is kept, so that others need not move.
    taken: bool,
}

/// Messages of one priority, sorted by number.
#[derive(Debug, Default)]
struct Lane {
    slots: VecDeque<Slot>,
}

impl Lane {
    #[inline]
    fn insert(&mut self, entry: Entry) {
        let last = self.slots.back().map_or(0, |slot| slot.entry.sequence);
        if entry.sequence > last {
            self.slots.push_back(Slot {
                entry,
                taken: false,
            });
            return;
        }
        let at = self.position(entry.sequence);
        match self.slots.get_mut(at) {
            Some(slot) if slot.entry.sequence == entry.sequence => {
                *slot = Slot {
                    entry,
                    taken: false,
                };
            }
            _ => self.slots.insert(
                at,
                Slot {
                    entry,
                    taken: false,
                },
            ),
        }
    }

    fn position(&self, sequence: u64) -> usize {
        // What comes back is mostly near the front.
        if self
            .slots
            .front()
            .is_none_or(|slot| slot.entry.sequence >= sequence)
        {
            return 0;
        }
        self.slots
            .partition_point(|slot| slot.entry.sequence < sequence)
    }

    fn trim(&mut self) {
        while self.slots.front().is_some_and(|slot| slot.taken) {
            self.slots.pop_front();
        }
        // A queue that was deep for a while gives its room back.
        if self.slots.is_empty() && self.slots.capacity() > 4096 {
            self.slots = VecDeque::new();
        }
    }

    fn first(&mut self) -> Option<&mut Entry> {
        self.slots.front_mut().map(|slot| &mut slot.entry)
    }

    #[inline]
    fn pop(&mut self) -> Option<Entry> {
        let slot = self.slots.pop_front()?;
        if self.slots.front().is_none_or(|slot| slot.taken) {
            self.trim();
        }
        Some(slot.entry)
    }

    fn take(&mut self, sequence: u64) -> Option<Entry> {
        let at = self.position(sequence);
        let slot = self.slots.get_mut(at)?;
        if slot.taken || slot.entry.sequence != sequence {
            return None;
        }
        slot.taken = true;
        let left = Entry {
            message: None,
            ..slot.entry
        };
        let entry = std::mem::replace(&mut slot.entry, left);
        self.trim();
        Some(entry)
    }

    fn get_mut(&mut self, sequence: u64) -> Option<&mut Entry> {
        let at = self.position(sequence);
        let slot = self.slots.get_mut(at)?;
        (!slot.taken && slot.entry.sequence == sequence).then_some(&mut slot.entry)
    }

    fn peek_after(&self, sequence: u64) -> Option<&Entry> {
        let from = self.position(sequence + 1);
        let mut slots = self.slots.range(from..);
        slots.find(|slot| !slot.taken).map(|slot| &slot.entry)
    }

    fn after(&mut self, sequence: u64) -> Option<&mut Entry> {
        let from = self.position(sequence + 1);
        self.slots
            .range_mut(from..)
            .find(|slot| !slot.taken)
            .map(|slot| &mut slot.entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(sequence: u64, priority: u8) -> Entry {
        Entry {
            sequence,
            message: None,
            size: 1,
            deliveries: 0,
            failures: 0,
            priority,
            expires: 0,
            stored: 0,
            arrived: 0,
        }
    }

    #[test]
    fn turns_go_by_priority_then_number() {
        let mut messages = Messages::default();
        for (sequence, priority) in [(1, 4), (2, 9), (3, 0), (4, 4), (5, 9)] {
            messages.insert(entry(sequence, priority));
        }
        let numbers: Vec<_> = messages.iter().map(|entry| entry.sequence).collect();
        assert_eq!(numbers, [2, 5, 1, 4, 3]);
        let popped: Vec<_> = std::iter::from_fn(|| messages.pop())
            .map(|entry| entry.sequence)
            .collect();
        assert_eq!(popped, numbers);
        assert_eq!((messages.len(), messages.bytes()), (0, 0));
    }

    #[test]
    fn what_was_taken_from_the_middle_comes_back_to_its_place() {
        let mut messages = Messages::default();
        for sequence in 1..=6 {
            messages.insert(entry(sequence, 4));
        }
        for sequence in [3, 2, 5] {
            assert!(messages.take(4, sequence).is_some());
            assert!(messages.take(4, sequence).is_none());
        }
        messages.insert(entry(3, 4));
        assert_eq!(messages.pop().map(|entry| entry.sequence), Some(1));
        messages.insert(entry(2, 4));
        messages.insert(entry(1, 4));
        let mut cursor = Cursor::default();
        let mut seen = Vec::new();
        while let Some(entry) = messages.next_after(&mut cursor) {
            seen.push(entry.sequence);
        }
        assert_eq!(seen, [1, 2, 3, 4, 6]);
        assert_eq!(messages.len(), 5);
    }
}
