//! A store on a virtual disk: it takes its time, is full now and then, fails for good, and forgets
//! in a crash what was not committed.

use std::collections::BTreeMap;

use bytes::Bytes;
use stompbox_store::{MemoryStore, Op, Recovered, Store as _, StoreError};

use crate::rng::Rng;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Written,
    Full,
    Poisoned,
}

#[derive(Debug, Default)]
pub(crate) struct Disk {
    memory: MemoryStore,
    index: BTreeMap<(u64, u64), (Recovered, bool)>,
    definitions: BTreeMap<Box<str>, Bytes>,
    next_id: u64,
    batch: Option<(Vec<Op>, u64, Outcome)>,
    reads: Option<(Vec<(u64, u64)>, u64)>,
    /// In a thousand batches.
    pub(crate) full: u64,
    pub(crate) poison: u64,
    /// Most milliseconds that a batch or a read takes.
    pub(crate) latency: u64,
    pub(crate) batches: u64,
}

/// What a store finds when it is opened.
pub(crate) struct Found {
    pub(crate) definitions: Vec<(Box<str>, Bytes)>,
    pub(crate) messages: Vec<Recovered>,
    pub(crate) next_id: u64,
}

impl Disk {
    pub(crate) fn is_busy(&self) -> bool {
        self.batch.is_some() || self.reads.is_some()
    }

    pub(crate) fn next_due(&self) -> Option<u64> {
        let batch = self.batch.as_ref().map(|(_, due, _)| *due);
        let reads = self.reads.as_ref().map(|(_, due)| *due);
        batch.into_iter().chain(reads).min()
    }

    pub(crate) fn begin(&mut self, ops: Vec<Op>, now: u64, rng: &mut Rng) {
        assert!(self.batch.is_none(), "two batches at a time");
        let adds = ops
            .iter()
            .any(|op| matches!(op, Op::Put { .. } | Op::Set { .. }));
        let outcome = if rng.chance(self.poison) {
            Outcome::Poisoned
        } else if adds && rng.chance(self.full) {
            Outcome::Full
        } else {
            Outcome::Written
        };
        self.batch = Some((ops, now + rng.below(self.latency + 1), outcome));
    }

    pub(crate) fn begin_reads(&mut self, wanted: Vec<(u64, u64)>, now: u64, rng: &mut Rng) {
        self.reads = Some((wanted, now + rng.below(self.latency + 1)));
    }

    pub(crate) fn batch_done(
        &mut self,
        now: u64,
        rng: &mut Rng,
    ) -> Option<(Result<(), StoreError>, Outcome)> {
        let (ops, _, outcome) = self.batch.take_if(|(_, due, _)| *due <= now)?;
        // What of a failed write is on disk is unknown.
        if outcome == Outcome::Written || (outcome == Outcome::Poisoned && rng.chance(500)) {
            self.apply(ops);
        }
        self.batches += 1;
        let result = match outcome {
            Outcome::Written => Ok(()),
            Outcome::Full => Err(StoreError::Full {
                what: "disk",
                value: 2,
                limit: 1,
            }),
            Outcome::Poisoned => Err(StoreError::Poisoned {
                cause: "the simulation".into(),
            }),
        };
        Some((result, outcome))
    }

    #[allow(clippy::type_complexity)]
    pub(crate) fn reads_done(
        &mut self,
        now: u64,
    ) -> Option<(Vec<(u64, u64)>, Result<Vec<Option<Bytes>>, StoreError>)> {
        let (wanted, _) = self.reads.take_if(|(_, due)| *due <= now)?;
        let data = self.memory.read(&wanted);
        Some((wanted, data))
    }

    fn apply(&mut self, ops: Vec<Op>) {
        for op in &ops {
            match op {
                Op::Put {
                    queue,
                    id,
                    durable,
                    deliveries,
                    priority,
                    expires,
                    data,
                } => {
                    let found = Recovered {
                        queue: *queue,
                        id: *id,
                        expires: *expires,
                        deliveries: *deliveries,
                        size: data.len() as u32,
                        priority: *priority,
                    };
                    self.next_id = self.next_id.max(id + 1);
                    self.index.insert((*queue, *id), (found, *durable));
                }
                Op::Delete { queue, id } => {
                    self.index.remove(&(*queue, *id));
                }
                Op::Delivered {
                    queue,
                    id,
                    deliveries,
                } => {
                    if let Some((found, _)) = self.index.get_mut(&(*queue, *id)) {
                        found.deliveries = *deliveries;
                    }
                }
                Op::Set { key, value } => {
                    self.definitions.insert(key.clone(), value.clone());
                }
                Op::Unset { key } => {
                    self.definitions.remove(key);
                }
            }
        }
        self.memory.commit(ops).expect("it has no limit");
    }

    /// The process is gone; what is on disk is found again.
    pub(crate) fn crash(&mut self, rng: &mut Rng) -> Found {
        if let Some((ops, _, outcome)) = self.batch.take()
            && outcome != Outcome::Full
            && rng.chance(500)
        {
            self.apply(ops);
        }
        self.reads = None;
        self.index.retain(|_, (_, durable)| *durable);
        Found {
            definitions: self.definitions.clone().into_iter().collect(),
            messages: self.index.values().map(|(found, _)| *found).collect(),
            next_id: self.next_id.max(1),
        }
    }

    /// Messages on disk.
    pub(crate) fn messages(&self) -> usize {
        self.index.len()
    }
}
