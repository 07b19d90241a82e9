//! Messages that were sent and are kept for those who come later: a topic's last ones, and streams.

use std::collections::VecDeque;

use crate::{Time, dialect::subscribe::Start, message::Entry};

/// What a log keeps, at most.
#[derive(Clone, Debug)]
pub(crate) struct Retention {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    /// Milliseconds; `None`: for ever.
    pub(crate) age: Option<Time>,
}

#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// Its place in this log; the first has 1.
    pub(crate) position: u64,
    pub(crate) time: Time,
    pub(crate) entry: Entry,
}

/// The last messages of a topic or stream, by position. There are gaps where transient messages did
/// not survive a restart, and where a transaction failed.
#[derive(Debug)]
pub(crate) struct Log {
    kept: VecDeque<Kept>,
    next: u64,
    bytes: u64,
    pub(crate) retention: Retention,
    /// How many entries of this log the order of all logs has beyond those that are kept.
    pub(crate) surplus: usize,
}

impl Log {
    pub(crate) fn new(retention: Retention) -> Self {
        Self {
            kept: VecDeque::new(),
            next: 1,
            bytes: 0,
            retention,
            surplus: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }

    /// When the oldest message came.
    pub(crate) fn oldest(&self) -> Option<Time> {
        self.kept.front().map(|kept| kept.time)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds a message; gives its position.
    pub(crate) fn push(&mut self, entry: Entry, now: Time) -> u64 {
        let position = self.reserve();
        self.put(position, entry, now);
        position
    }

    /// The next position, for a message that comes later or perhaps never.
    pub(crate) fn reserve(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// The positions up to this one were used before a restart.
    pub(crate) fn resume_after(&mut self, position: u64) {
        self.next = self.next.max(position.saturating_add(1));
    }

    /// Adds a message at its position.
    pub(crate) fn put(&mut self, position: u64, entry: Entry, now: Time) {
        self.bytes += u64::from(entry.size);
        let kept = Kept {
            position,
            time: now,
            entry,
        };
        if self.kept.back().is_none_or(|last| last.position < position) {
            return self.kept.push_back(kept);
        }
        let at = self.index(position);
        self.kept.insert(at, kept);
    }

    /// Where the message of a position is, or the first after it.
    fn index(&self, position: u64) -> usize {
        // Mostly there are no gaps.
        let first = self.kept.front().map_or(0, |kept| kept.position);
        let guess = usize::try_from(position.saturating_sub(first)).unwrap_or(usize::MAX);
        if self
            .kept
            .get(guess)
            .is_some_and(|it| it.position == position)
        {
            return guess;
        }
        self.kept.partition_point(|kept| kept.position < position)
    }

    /// The oldest message, if there is no room for it any more. The newest is always kept.
    pub(crate) fn pop_excess(&mut self, now: Time) -> Option<Entry> {
        let Retention {
            messages,
            bytes,
            age,
        } = &self.retention;
        let oldest = self.kept.front()?;
        let too_old = age.is_some_and(|age| oldest.time.saturating_add(age) < now);
        let too_many = self.kept.len() as u64 > *messages || self.bytes > *bytes;
        if too_old || (too_many && self.kept.len() > 1) || *messages == 0 {
            return self.pop();
        }
        None
    }

    /// All that is kept.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.kept.iter().map(|kept| &kept.entry)
    }

    /// The oldest message.
    pub(crate) fn pop(&mut self) -> Option<Entry> {
        let kept = self.kept.pop_front()?;
        self.bytes -= u64::from(kept.entry.size);
        Some(kept.entry)
    }

    /// The position at which a reader begins.
    pub(crate) fn begin(&self, start: Start) -> u64 {
        match start {
            Start::First => 0,
            Start::Last => match self.kept.back() {
                Some(last) => last.position,
                None => self.next.saturating_sub(1),
            },
            Start::Next => self.next,
            Start::Sequence(position) => position.min(self.next),
            Start::Since(time) => {
                let at = self.kept.partition_point(|kept| kept.time < time);
                self.kept.get(at).map_or(self.next, |kept| kept.position)
            }
        }
    }

    /// The message at a position, or the first after it that is kept.
    pub(crate) fn at(&self, position: u64) -> Option<&Kept> {
        self.kept.get(self.index(position))
    }
}
