//! A commit: written first, then known.

use bytes::Bytes;

use super::DiskStore;
use crate::{
    Op, StoreError,
    engine::{Change, EngineError},
    index::Place,
    record::{MAX_OP, Put, RecordsWriter, Written},
};

/// Records that one commit removes at most.
const REMOVES: usize = 1_000;
/// Steps of copying that a commit takes at most, to get below the quota.
const STEPS: usize = 8;

impl DiskStore {
    pub(super) fn commit_ops(&mut self, ops: Vec<Op>) -> Result<(), StoreError> {
        self.check_poison()?;
        let added = added(&ops)?;
        if added > 0 {
            self.check_space(added)?;
        }
        let mut writer = RecordsWriter::with_capacity(added);
        let (mut puts, mut sync) = (false, false);
        let mut log = |op: &Op| {
            let written = self.log(op, &mut writer, puts)?;
            puts |= matches!(op, Op::Put { .. } | Op::Set { .. });
            sync |= !matches!(op, Op::Put { durable: false, .. });
            Some(written)
        };
        let places: Vec<_> = ops.iter().map(&mut log).collect();
        let records = self.write(writer, sync)?;
        for (op, written) in ops.into_iter().zip(places) {
            self.know(op, written, &records);
        }
        self.close(&records);
        self.forward_under_pressure()
    }

    pub(super) fn check_poison(&self) -> Result<(), StoreError> {
        match &self.poisoned {
            Some(cause) => Err(StoreError::Poisoned {
                cause: cause.clone(),
            }),
            None => Ok(()),
        }
    }

    fn check_space(&mut self, added: usize) -> Result<(), StoreError> {
        let added = added as u64;
        if let Some(limit) = self.options.max_bytes {
            // What is held by few survivors can be had back at once.
            for _ in 0..STEPS {
                if self.index.totals().2 + added <= limit || self.index.sparse().is_none() {
                    break;
                }
                self.forward_step()?;
            }
            let value = self.index.totals().2 + added;
            if value > limit {
                return Err(StoreError::Full {
                    what: "its quota",
                    value,
                    limit,
                });
            }
        }
        let limit = self.options.reserve_bytes;
        match rustix::fs::statvfs(&self.dir) {
            Ok(disk) => {
                let free = disk.f_bavail.saturating_mul(disk.f_frsize);
                let value = free.saturating_sub(added);
                if value < limit {
                    return Err(StoreError::Full {
                        what: "free space of its disk",
                        value,
                        limit,
                    });
                }
                Ok(())
            }
            Err(error) => Err(StoreError::Io(error.to_string())),
        }
    }

    /// Writes an op down, unless the next opening need not know of it. `puts`: whether what it ends
    /// may come earlier in the same commit.
    fn log(&self, op: &Op, writer: &mut RecordsWriter, puts: bool) -> Option<Written> {
        let lasts = |queue, id| {
            let place = self.index.message(queue, id);
            puts || place.is_some_and(|place| place.durable())
        };
        let written = match op {
            Op::Put {
                queue,
                id,
                durable,
                deliveries,
                priority,
                expires,
                data,
            } => writer.put(&Put {
                queue: *queue,
                id: *id,
                durable: *durable,
                deliveries: *deliveries,
                priority: *priority,
                expires: *expires,
                data,
            }),
            Op::Delete { queue, id } if lasts(*queue, *id) => writer.delete(*queue, *id),
            Op::Delivered {
                queue,
                id,
                deliveries,
            } if lasts(*queue, *id) => writer.delivered(*queue, *id, *deliveries),
            Op::Set { key, value } => writer.set(key, value),
            Op::Unset { key } if puts || self.index.definition(key).is_some() => writer.unset(key),
            Op::Delete { .. } | Op::Delivered { .. } | Op::Unset { .. } => return None,
        };
        Some(written)
    }

    /// Writes records, removes dead ones, and gives the new ones' names in the index.
    pub(super) fn write(
        &mut self,
        writer: RecordsWriter,
        sync: bool,
    ) -> Result<Vec<u32>, StoreError> {
        let number = self.next_record;
        let floor = self.index.floor(number);
        let records: Vec<(u64, Bytes)> = (number..)
            .zip(writer.finish(number, floor, self.seed))
            .collect();
        let removes: Vec<u64> = self.index.dead().take(REMOVES).collect();
        if records.is_empty() && removes.is_empty() {
            return Ok(Vec::new());
        }
        let next = number + records.len() as u64;
        self.given_up += self.index.take_died();
        let change = Change {
            puts: &records,
            removes: &removes,
            counters: (!removes.is_empty()).then_some([next, self.next_id, floor]),
            sync,
        };
        if let Err(error) = self.engine.write(change) {
            return Err(self.failed(error, &records, next));
        }
        self.next_record = next;
        self.index.removed(removes.len());
        let open =
            |(number, record): (u64, Bytes)| self.index.open_record(number, record.len() as u64);
        Ok(records.into_iter().map(open).collect())
    }

    /// After a full disk the engine can be opened again, without what it could not write; after
    /// anything else nobody knows what is on disk.
    fn failed(&mut self, error: EngineError, records: &[(u64, Bytes)], next: u64) -> StoreError {
        let why = match error {
            EngineError::Failed(why) | EngineError::Corrupt(why) => why,
            EngineError::Full(why) => match self.revive(records, next) {
                Ok(()) => {
                    return StoreError::Full {
                        what: "its disk",
                        value: 0,
                        limit: self.options.reserve_bytes,
                    };
                }
                Err(error) => format!("{why}, and then {}", error.why()),
            },
        };
        self.poisoned = Some(why.clone());
        StoreError::Poisoned { cause: why }
    }

    fn revive(&mut self, records: &[(u64, Bytes)], next: u64) -> Result<(), EngineError> {
        self.engine.reopen()?;
        let mut there = Vec::new();
        for (number, _) in records {
            if self.engine.read(*number)?.is_some() {
                there.push(*number);
            }
        }
        // Their numbers are not used again: bytes of them may lie about.
        self.next_record = next;
        if there.is_empty() {
            return Ok(());
        }
        // They got there but were not synced, and the caller will hear that it was not done.
        self.engine.write(Change {
            removes: &there,
            counters: Some([next, self.next_id, self.index.floor(next)]),
            sync: true,
            ..Change::default()
        })
    }

    pub(super) fn close(&mut self, records: &[u32]) {
        for record in records {
            self.index.close_record(*record);
        }
    }

    /// Changes the index as an op says that is written now.
    fn know(&mut self, op: Op, written: Option<Written>, records: &[u32]) {
        let place = |size: usize, durable| {
            let written = written?;
            let record = *records.get(written.part as usize)?;
            let size = u32::try_from(size).ok()?;
            Some(Place::new(record, written.place, size, durable))
        };
        // Of what is not written nobody reads by whom it was said.
        let by = place(0, true).map_or(u32::MAX, |place| place.record);
        match op {
            Op::Put {
                queue,
                id,
                durable,
                data,
                ..
            } => {
                if let Some(place) = place(data.len(), durable) {
                    self.index.put(queue, id, place);
                    self.next_id = self.next_id.max(id.saturating_add(1));
                }
            }
            Op::Delete { queue, id } => self.index.delete(queue, id, by),
            Op::Delivered {
                queue,
                id,
                deliveries,
            } => self.index.delivered(queue, id, deliveries, by),
            Op::Set { key, value } => {
                if let Some(place) = place(value.len() + key.len(), true) {
                    self.index.set(key, place);
                }
            }
            Op::Unset { key } => self.index.unset(&key, by),
        }
    }
}

/// Bytes that ops put or set.
fn added(ops: &[Op]) -> Result<usize, StoreError> {
    let mut added = 0;
    for op in ops {
        let size = match op {
            Op::Put { data, .. } => data.len(),
            Op::Set { key, value } => key.len() + value.len(),
            Op::Unset { key } => key.len(),
            Op::Delete { .. } | Op::Delivered { .. } => 0,
        };
        if size > MAX_OP {
            return Err(StoreError::TooLarge {
                size,
                limit: MAX_OP,
            });
        }
        if matches!(op, Op::Put { .. } | Op::Set { .. }) {
            added += size.max(1);
        }
    }
    Ok(added)
}
