//! What is to be written to the store, and who waits for it.
//!
//! Operations gather here until the store is free to write them, all together. A message that is
//! consumed before that is struck out and never written: its receipt says "stored or consumed".

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    sync::Arc,
};

use stompbox_store::Op;

use crate::{ConnectionId, Message, Time, audit::same, definitions::with_place, queue::QueueKey};

/// A receipt's number while it waits.
pub(crate) type ReceiptKey = usize;

/// A receipt that is given when all operations it waits for are done.
#[derive(Debug)]
pub(crate) struct Receipt {
    pub(crate) connection: ConnectionId,
    /// `None`: the connection goes on after it, but asked for none.
    pub(crate) id: Option<Box<str>>,
    remaining: usize,
    /// Its own number, if a transaction takes effect with it.
    pub(crate) commits: Option<ReceiptKey>,
}

/// An operation, and what depends on it.
#[derive(Debug)]
struct Pending {
    kind: Kind,
    receipt: Option<ReceiptKey>,
    /// It takes something from one place in the store to another, with others.
    moved: bool,
}

/// What an operation is about.
#[derive(Debug, PartialEq, Eq, Hash)]
enum About {
    Message(u64, u64),
    Definition(Box<str>),
}

impl Pending {
    fn about(&self) -> About {
        match &self.kind {
            Kind::Put(put) => About::Message(put.queue, put.id),
            Kind::Op(
                Op::Put { queue, id, .. }
                | Op::Delete { queue, id }
                | Op::Delivered { queue, id, .. },
            ) => About::Message(*queue, *id),
            Kind::Op(Op::Set { key, .. } | Op::Unset { key }) => About::Definition(key.clone()),
        }
    }

    fn op(&self) -> Op {
        match &self.kind {
            Kind::Put(put) => Op::Put {
                queue: put.queue,
                id: put.id,
                durable: put.durable,
                deliveries: put.deliveries,
                priority: put.priority,
                expires: put.expires,
                data: match put.place {
                    Some((time, position)) => with_place(time, position, &put.message),
                    None => put.message.stored(),
                },
            },
            Kind::Op(op) => op.clone(),
        }
    }

    /// Whether it needs room in the store, or goes with what does.
    fn needs_room(&self) -> bool {
        self.moved || matches!(self.kind, Kind::Put(_) | Kind::Op(Op::Set { .. }))
    }
}

#[derive(Debug)]
pub(crate) enum Kind {
    /// Whose bytes are made only when it is written.
    Put(Put),
    Op(Op),
}

impl From<Op> for Kind {
    fn from(op: Op) -> Self {
        Self::Op(op)
    }
}

/// A message to store.
#[derive(Debug, Clone)]
pub(crate) struct Put {
    pub(crate) key: QueueKey,
    pub(crate) queue: u64,
    pub(crate) id: u64,
    pub(crate) priority: u8,
    pub(crate) expires: Time,
    pub(crate) deliveries: u32,
    /// `false`: only to make room in memory.
    pub(crate) durable: bool,
    pub(crate) message: Arc<Message>,
    /// Of a message of a stream: when it came, and its position.
    pub(crate) place: Option<(Time, u64)>,
    /// Who sent it, and asked for no receipt.
    pub(crate) sender: Option<ConnectionId>,
}

/// How long operations that nobody is in a hurry for may wait, in milliseconds: about as long as
/// it takes a consumer to acknowledge a message that it was just handed.
const PATIENCE: Time = 5;

/// Bytes after which they wait no longer.
const ENOUGH: usize = 4 << 20;

/// The number of what was in the store at the start.
pub(crate) const RECOVERED: u64 = 1;

/// The number of the first operation.
const FIRST: u64 = 2;

/// How many messages that there was no room for are remembered, since they may be handed out.
const MOST_LOST: usize = 10_000;

/// How long nothing new is stored after there was no room, in milliseconds.
const FULL_PAUSE: Time = 500;

#[derive(Debug)]
pub(crate) struct Journal {
    enabled: bool,
    /// Why the store takes nothing any more.
    failure: Option<Box<str>>,
    /// The number of the first in `pending`; earlier ones are written or being written.
    base: u64,
    pending: VecDeque<Option<Pending>>,
    live: usize,
    bytes: usize,
    since: Time,
    urgent: bool,
    written: Option<Written>,
    receipts: slab::Slab<Receipt>,
    /// Everything before this number is on disk.
    synced: u64,
    /// What there was no room for, and what depends on it, by number: it goes with the first batch
    /// after the pause.
    parked: Vec<(u64, Pending)>,
    parked_about: HashSet<About>,
    /// Messages whose `Put`s are, or were, parked, and are not on disk yet.
    unsynced: HashSet<u64>,
    /// Something is being moved: its operations are written together, and none is struck out.
    moving: u32,
    /// There was no room a moment ago: until then nothing is tried.
    full_until: Time,
    /// The numbers of messages that there was no room for, which somebody may have been handed.
    lost: VecDeque<u64>,
}

/// A batch that the store is writing.
#[derive(Debug)]
struct Written {
    base: u64,
    slots: Vec<Option<Pending>>,
    /// What was parked before.
    again: Vec<(u64, Pending)>,
}

impl Written {
    /// All operations by number, in their order. True: it was parked before.
    fn into_all(self) -> impl Iterator<Item = (u64, Pending, bool)> {
        let again = self.again.into_iter();
        let slots = (self.base..).zip(self.slots);
        again
            .map(|(number, pending)| (number, pending, true))
            .chain(slots.filter_map(|(number, pending)| Some((number, pending?, false))))
    }
}

/// What came of a batch.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Receipts that now have all they waited for.
    pub(crate) receipts: Vec<Receipt>,
    /// Messages that are now stored, with the numbers of their operations; or that could not be.
    pub(crate) puts: Vec<(u64, Put)>,
}

impl Journal {
    /// An empty one. Not `enabled`: there is no store, and nothing is kept.
    pub(crate) fn new(enabled: bool) -> Self {
        Self {
            enabled,
            failure: None,
            base: FIRST,
            pending: VecDeque::new(),
            live: 0,
            bytes: 0,
            since: 0,
            urgent: false,
            written: None,
            receipts: slab::Slab::new(),
            synced: FIRST,
            parked: Vec::new(),
            parked_about: HashSet::new(),
            unsynced: HashSet::new(),
            moving: 0,
            full_until: 0,
            lost: VecDeque::new(),
        }
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Why the store takes nothing any more, if it has failed.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// The number of the next operation: all that was said so far has a lower one.
    pub(crate) fn next(&self) -> u64 {
        self.base + self.pending.len() as u64
    }

    /// Whether all operations below that number are on disk, or need not be.
    pub(crate) fn is_done(&self, number: u64) -> bool {
        !self.enabled || number <= self.synced
    }

    /// Whether the store had no room a moment ago.
    pub(crate) fn is_full(&self, now: Time) -> bool {
        now < self.full_until
    }

    /// Bytes of messages that wait to be written.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes a receipt that waits for operations that are still to be given, until
    /// [`take_if_done`](Self::take_if_done) says that these are all.
    pub(crate) fn receipt(
        &mut self,
        connection: ConnectionId,
        id: Option<Box<str>>,
        commits: bool,
    ) -> ReceiptKey {
        let place = self.receipts.vacant_entry();
        let key = place.key();
        place.insert(Receipt {
            connection,
            id,
            remaining: 1,
            commits: commits.then_some(key),
        });
        key
    }

    /// Adds an operation. Gives its number, from 1 on. `urgent`: somebody waits for it who is
    /// served by nothing else.
    pub(crate) fn push(
        &mut self,
        kind: impl Into<Kind>,
        receipt: Option<ReceiptKey>,
        urgent: bool,
        now: Time,
    ) -> u64 {
        let kind = kind.into();
        if let Some(receipt) = receipt.and_then(|key| self.receipts.get_mut(key)) {
            receipt.remaining += 1;
        }
        if let Kind::Put(put) = &kind {
            self.bytes += put.message.size();
        }
        if self.live == 0 {
            self.since = now;
        }
        self.live += 1;
        self.urgent |= urgent;
        self.pending.push_back(Some(Pending {
            kind,
            receipt,
            moved: self.moving > 0,
        }));
        self.base + self.pending.len() as u64 - 1
    }

    /// A message needs the store no more. Gives a receipt that now has all it waited for.
    pub(crate) fn consumed(
        &mut self,
        stored: u64,
        queue: u64,
        id: u64,
        receipt: Option<ReceiptKey>,
        now: Time,
    ) -> Option<Receipt> {
        let moving = self.moving > 0;
        let waits = |pending: &Pending| !moving && !pending.moved;
        let at = stored.checked_sub(self.base);
        let place = at.and_then(|at| self.pending.get_mut(at as usize));
        if let Some(place) = place
            // One that is parked has left its place.
            && place.as_ref().map_or_else(|| !self.unsynced.contains(&stored), waits)
        {
            let struck = place.take()?;
            self.live -= 1;
            while let Some(None) = self.pending.front() {
                self.pending.pop_front();
                self.base += 1;
                // Nothing of it needs to be on disk.
                if self.written.is_none() {
                    self.synced = self.base;
                }
            }
            if let Kind::Put(put) = &struck.kind {
                self.bytes -= put.message.size();
            }
            if self.live == 0 {
                self.urgent = false;
            }
            return struck.receipt.and_then(|key| self.settle(key));
        }
        let given = self.written.as_mut().and_then(|written| {
            let at = stored.checked_sub(written.base)?;
            let pending = written.slots.get_mut(at as usize)?.as_mut()?;
            waits(pending).then(|| pending.receipt.take()).flatten()
        });
        self.push(Op::Delete { queue, id }, receipt, receipt.is_some(), now);
        given.and_then(|key| self.settle(key))
    }

    /// One operation of a receipt is done; the receipt, if it was the last.
    fn settle(&mut self, key: ReceiptKey) -> Option<Receipt> {
        let receipt = self.receipts.get_mut(key)?;
        receipt.remaining = receipt.remaining.saturating_sub(1);
        (receipt.remaining == 0).then(|| self.receipts.remove(key))
    }

    /// A receipt waits for no further operations. It, if it waits for nothing.
    pub(crate) fn take_if_done(&mut self, key: ReceiptKey) -> Option<Receipt> {
        self.settle(key)
    }

    /// What is said until [`end_move`](Self::end_move) goes to the store together or not at all.
    pub(crate) fn begin_move(&mut self) {
        self.moving += 1;
    }

    pub(crate) fn end_move(&mut self) {
        self.moving -= 1;
    }

    /// Strikes out all operations that a receipt waits for, and the receipt. Gives its id.
    pub(crate) fn withdraw(&mut self, key: ReceiptKey) -> Option<Box<str>> {
        for place in &mut self.pending {
            if place
                .as_ref()
                .is_some_and(|pending| pending.receipt == Some(key))
            {
                self.live -= 1;
                if let Some(Pending {
                    kind: Kind::Put(put),
                    ..
                }) = place.take()
                {
                    self.bytes -= put.message.size();
                }
            }
        }
        self.receipts.try_remove(key).and_then(|receipt| receipt.id)
    }

    /// A receipt is not to be given.
    pub(crate) fn drop_receipt(&mut self, key: ReceiptKey) {
        // Its number is another's next.
        for pending in self.pending.iter_mut().flatten() {
            if pending.receipt == Some(key) {
                pending.receipt = None;
            }
        }
        self.receipts.try_remove(key);
    }

    /// Somebody waits for what is pending.
    pub(crate) fn hurry(&mut self) {
        self.urgent |= self.live > 0;
    }

    /// A receipt waits for the newest operation, if that is not done.
    pub(crate) fn follow(&mut self, key: ReceiptKey) {
        let newest = self.pending.iter_mut().rev().flatten().next();
        if let (Some(pending), Some(receipt)) = (newest, self.receipts.get_mut(key))
            && pending.receipt.is_none()
        {
            pending.receipt = Some(key);
            receipt.remaining += 1;
            self.urgent = true;
        }
    }

    /// Whether the operation of that number is on disk, or needs not be.
    pub(crate) fn is_synced(&self, stored: u64) -> bool {
        stored < self.synced && !self.unsynced.contains(&stored)
    }

    /// Whether there was no room for the operation of that number.
    #[inline]
    pub(crate) fn was_lost(&self, stored: u64) -> bool {
        !self.lost.is_empty() && self.lost.contains(&stored)
    }

    /// When the store is to write next, if it is free.
    pub(crate) fn deadline(&self) -> Option<Time> {
        if self.written.is_some() {
            return None;
        }
        if self.live == 0 {
            return (!self.parked.is_empty()).then_some(self.full_until);
        }
        if self.urgent || self.bytes > ENOUGH {
            return Some(0);
        }
        Some(self.since + PATIENCE)
    }

    /// What is to be written now, if it is time and the store is free.
    pub(crate) fn take_batch(&mut self, now: Time) -> Option<Vec<Op>> {
        if self.deadline()? > now {
            return None;
        }
        let base = self.base;
        let mut slots: Vec<_> = std::mem::take(&mut self.pending).into();
        self.base += slots.len() as u64;
        self.live = 0;
        self.bytes = 0;
        self.urgent = false;
        let mut again = Vec::new();
        if self.is_full(now) {
            // Only what gives room is written meanwhile.
            for (number, slot) in (base..).zip(&mut slots) {
                if slot.as_ref().is_some_and(Pending::needs_room)
                    || slot.as_ref().is_some_and(|it| self.is_parked(it))
                {
                    self.park(number, slot.take());
                }
            }
        } else {
            again = std::mem::take(&mut self.parked);
            self.parked_about.clear();
        }
        let pending = again.iter().map(|(_, pending)| pending);
        let ops: Vec<Op> = pending
            .chain(slots.iter().flatten())
            .map(Pending::op)
            .collect();
        if ops.is_empty() {
            return None;
        }
        self.written = Some(Written { base, slots, again });
        Some(ops)
    }

    fn is_parked(&self, pending: &Pending) -> bool {
        !self.parked.is_empty() && self.parked_about.contains(&pending.about())
    }

    fn park(&mut self, number: u64, pending: Option<Pending>) {
        let Some(pending) = pending else { return };
        if let Kind::Put(_) = pending.kind {
            self.unsynced.insert(number);
        }
        self.parked_about.insert(pending.about());
        self.parked.push((number, pending));
    }

    /// The batch is on disk.
    pub(crate) fn batch_written(&mut self) -> Outcome {
        let Some(written) = self.written.take() else {
            return Outcome::default();
        };
        self.synced = self.base;
        for (number, _) in &written.again {
            self.unsynced.remove(number);
        }
        let mut outcome = Outcome::default();
        for (number, pending, _) in written.into_all() {
            outcome
                .receipts
                .extend(pending.receipt.and_then(|key| self.settle(key)));
            if let Kind::Put(put) = pending.kind {
                outcome.puts.push((number, put));
            }
        }
        outcome
    }

    /// There was no room for the batch: what producers put is not stored, and what else it said is
    /// to be said again. Gives the receipts that can't be given.
    pub(crate) fn batch_refused(&mut self, now: Time) -> Outcome {
        let Some(written) = self.written.take() else {
            return Outcome::default();
        };
        self.full_until = now + FULL_PAUSE;
        let (base, count) = (written.base, written.slots.len() as u64);
        let all: Vec<_> = written.into_all().collect();
        let sent = |pending: &Pending| match &pending.kind {
            Kind::Put(_) => !pending.moved,
            _ => false,
        };
        let failed: BTreeSet<ReceiptKey> = all
            .iter()
            .filter(|(_, pending, _)| {
                let receipt = pending.receipt.and_then(|key| self.receipts.get(key));
                receipt.is_some_and(|it| it.commits.is_some() || sent(pending))
            })
            .filter_map(|(_, pending, _)| pending.receipt)
            .collect();
        let commits = |this: &Self, pending: &Pending| {
            let receipt = pending.receipt.and_then(|key| this.receipts.get(key));
            receipt.is_some_and(|receipt| receipt.commits.is_some())
        };
        let mut outcome = Outcome::default();
        // What is not dropped has its number again, or is parked.
        let mut slots: VecDeque<Option<Pending>> = (0..count).map(|_| None).collect();
        for (number, mut pending, again) in all {
            let dropped = sent(&pending) || commits(self, &pending);
            if pending.receipt.is_some_and(|key| failed.contains(&key)) {
                pending.receipt = None;
            }
            if dropped {
                self.unsynced.remove(&number);
                if self.lost.len() >= MOST_LOST {
                    self.lost.pop_front();
                }
                self.lost.push_back(number);
                if let Kind::Put(put) = pending.kind {
                    outcome.puts.push((number, put));
                }
            } else if again || pending.needs_room() || self.is_parked(&pending) {
                self.park(number, Some(pending));
            } else if let Some(slot) = slots.get_mut((number - base) as usize) {
                *slot = Some(pending);
            }
        }
        slots.resize_with((self.base - base) as usize, || None);
        for (number, mut slot) in (self.base..).zip(std::mem::take(&mut self.pending)) {
            if slot.as_ref().is_some_and(|it| self.is_parked(it)) {
                self.park(number, slot.take());
            }
            slots.push_back(slot);
        }
        self.base = base;
        self.synced = base;
        self.live = slots.iter().flatten().count();
        self.urgent = self.live > 0;
        self.pending = slots;
        for key in failed {
            outcome.receipts.extend(self.receipts.try_remove(key));
        }
        outcome
    }

    /// The store has failed for good: nothing more is kept. Gives all receipts that can't be given.
    pub(crate) fn fail(&mut self, reason: &str) -> Outcome {
        self.enabled = false;
        self.failure = Some(reason.into());
        self.live = 0;
        self.bytes = 0;
        self.urgent = false;
        self.base += self.pending.len() as u64;
        self.synced = self.base;
        self.pending.clear();
        self.parked.clear();
        self.parked_about.clear();
        let written = self.written.take().map(|written| written.into_all());
        let puts = written
            .into_iter()
            .flatten()
            .filter_map(|(number, pending, _)| match pending.kind {
                // What was only moved is still where it was.
                Kind::Put(put) if !pending.moved => Some((number, put)),
                _ => None,
            })
            .collect();
        Outcome {
            receipts: self.receipts.drain().collect(),
            puts,
        }
    }

    /// How many receipts wait for each connection.
    pub(crate) fn receipts_by_connection(&self) -> HashMap<ConnectionId, usize> {
        let mut found = HashMap::new();
        for (_, receipt) in &self.receipts {
            *found.entry(receipt.connection).or_default() += 1;
        }
        found
    }

    /// Counts everything again, for tests.
    pub(crate) fn audit(&self) -> Result<(), String> {
        let pending = || self.pending.iter().flatten();
        same("pending operations", self.live, pending().count())?;
        let sizes = pending().map(|it| match &it.kind {
            Kind::Put(put) => put.message.size(),
            _ => 0,
        });
        same("pending bytes", self.bytes, sizes.sum())?;
        let mut remaining: HashMap<ReceiptKey, usize> = HashMap::new();
        let again = self.written.iter().flat_map(|it| &it.again);
        let parked = again.chain(&self.parked).map(|(_, it)| it);
        let written = self.written.iter().flat_map(|it| it.slots.iter().flatten());
        let written = parked.chain(written).map(|it| it.receipt);
        for key in pending()
            .filter_map(|it| it.receipt)
            .chain(written.flatten())
        {
            *remaining.entry(key).or_default() += 1;
        }
        for (key, receipt) in &self.receipts {
            let counted = remaining.get(&key).copied().unwrap_or_default();
            same("what a receipt waits for", receipt.remaining, counted)?;
            if counted == 0 {
                return Err(format!("receipt {:?} waits for nothing", receipt.id));
            }
        }
        Ok(())
    }
}
