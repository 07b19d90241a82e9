//! Giving space back: what is live in sparse records is written again, and the records go.

use bytes::Bytes;

use super::DiskStore;
use crate::{
    StoreError,
    index::Place,
    record::{OpRef, Put, Record, RecordsWriter, Written},
};

/// Bytes of records that one step reads, but at least one record.
const STEP: usize = 1 << 20;
/// Commits leave the copying to idle times until so much more than needed is held.
const PRESSURE: u64 = 64 << 20;
/// When so much died the engine is asked to give it back.
const GIVE_UP: u64 = 32 << 20;
/// What the engine's journals may take beside the records.
const JOURNALS: u64 = 128 << 20;

/// What is written again.
enum Moved {
    /// Queue, id, bytes, durable.
    Message(u64, u64, u32, bool),
    /// Key, bytes.
    Definition(Box<str>, u32),
    /// Says of older records what the old record said; bytes of the key.
    End(usize),
}

/// A step's copies.
struct Copies {
    writer: RecordsWriter,
    moved: Vec<(Moved, Written)>,
    /// Holds the data until the records are finished, since the writer tells data by its address.
    alive: Vec<Bytes>,
}

impl DiskStore {
    pub(super) fn maintain_step(&mut self) -> Result<bool, StoreError> {
        self.check_poison()?;
        if self.index.sparse().is_some() {
            self.forward_step()?;
            return Ok(true);
        }
        if self.index.dead().len() > 0 {
            let writer = RecordsWriter::with_capacity(0);
            self.write(writer, false)?;
            return Ok(true);
        }
        if self.given_up >= GIVE_UP {
            self.given_up = 0;
            let (_, _, stored) = self.index.totals();
            if self.engine.disk() > 2 * stored + JOURNALS {
                self.compact_engine()?;
            }
        }
        Ok(false)
    }

    pub(super) fn compact_engine(&mut self) -> Result<(), StoreError> {
        let floor = self.index.floor(self.next_record);
        let compacted = self.engine.compact([self.next_record, self.next_id, floor]);
        compacted.map_err(|error| {
            let cause = error.why();
            self.poisoned = Some(cause.clone());
            StoreError::Poisoned { cause }
        })
    }

    /// A step after a commit, if sparse records hold too much.
    pub(super) fn forward_under_pressure(&mut self) -> Result<(), StoreError> {
        let (_, bytes, stored) = self.index.totals();
        if stored > 4 * bytes + PRESSURE && self.index.sparse().is_some() {
            // The commit is done, whatever becomes of this: a failure shows at the next.
            let _ = self.forward_step();
        }
        Ok(())
    }

    pub(super) fn forward_step(&mut self) -> Result<(), StoreError> {
        let mut copies = Copies {
            writer: RecordsWriter::with_capacity(STEP),
            moved: Vec::new(),
            alive: Vec::new(),
        };
        let mut sources = Vec::new();
        let mut read = 0;
        while read < STEP
            && let Some(number) = self.index.sparse()
        {
            self.index.spare(number);
            let Some(slot) = self.index.record(number) else {
                continue;
            };
            // One that can't be read stays; its messages can't be read either, which says so.
            let Ok(record) = self.record(number) else {
                continue;
            };
            read += record.as_bytes().len();
            copies.alive.push(record.as_bytes().clone());
            if self.copy(&record, slot, &mut copies).is_ok() {
                sources.push(slot);
            }
        }
        // The removal of the old ones is written after this, so it can't come before it on disk.
        let records = self.write(copies.writer, false)?;
        for (what, written) in copies.moved {
            let Some(record) = records.get(written.part as usize).copied() else {
                continue;
            };
            match what {
                Moved::Message(queue, id, size, durable) => {
                    let place = Place::new(record, written.place, size, durable);
                    self.index.put(queue, id, place);
                }
                Moved::Definition(key, size) => {
                    let place = Place::new(record, written.place, size, true);
                    self.index.set(key, place);
                }
                Moved::End(key) => self.index.says_again(record, key),
            }
        }
        for slot in sources {
            self.index.inherit(slot, &records);
        }
        self.close(&records);
        Ok(())
    }

    /// Writes again what a record holds. Where it says something of older records, each of its
    /// names gets an op: what is so now.
    fn copy(&mut self, record: &Record, slot: u32, copies: &mut Copies) -> Result<(), StoreError> {
        let says = self.index.needs_any(slot);
        for op in record.ops() {
            let Ok((at, op)) = op else {
                break;
            };
            match op {
                OpRef::Put(put) => {
                    let place = self.index.message(put.queue, put.id);
                    let here = place.filter(|p| p.is(slot, at));
                    if let Some(place) = here {
                        self.put_again(put, place, copies);
                    } else if says {
                        self.say_again(put.queue, put.id, copies)?;
                    }
                }
                OpRef::Delete { queue, id } if says => self.say_again(queue, id, copies)?,
                OpRef::Delivered { queue, id, .. } if says => {
                    match self.index.redelivered(queue, id) {
                        Some(deliveries) => {
                            let written = copies.writer.delivered(queue, id, deliveries);
                            copies.moved.push((Moved::End(0), written));
                        }
                        None => self.say_again(queue, id, copies)?,
                    }
                }
                OpRef::Set { key, .. } | OpRef::Unset { key } => {
                    let place = self.index.definition(key);
                    let here = place.is_some_and(|p| p.is(slot, at));
                    if here || says {
                        self.define_again(key, copies)?;
                    }
                }
                OpRef::Delete { .. } | OpRef::Delivered { .. } => {}
            }
        }
        Ok(())
    }

    fn put_again(&self, put: Put<'_>, place: Place, copies: &mut Copies) {
        let changed = self.index.redelivered(put.queue, put.id);
        let deliveries = changed.unwrap_or(put.deliveries);
        let written = copies.writer.put(&Put { deliveries, ..put });
        let what = Moved::Message(put.queue, put.id, place.size, place.durable());
        copies.moved.push((what, written));
    }

    /// What is so of a message that the record ended or replaced.
    fn say_again(&mut self, queue: u64, id: u64, copies: &mut Copies) -> Result<(), StoreError> {
        let Some(place) = self.index.message(queue, id) else {
            let written = copies.writer.delete(queue, id);
            copies.moved.push((Moved::End(0), written));
            return Ok(());
        };
        // It came back, elsewhere: who ends it there does not know what stands here before.
        let Some(number) = self.index.number(place.record) else {
            return Ok(());
        };
        let record = self.record(number)?;
        copies.alive.push(record.as_bytes().clone());
        if let Ok(OpRef::Put(put)) = record.op_at(place.at()) {
            self.put_again(put, place, copies);
        }
        Ok(())
    }

    fn define_again(&mut self, key: &str, copies: &mut Copies) -> Result<(), StoreError> {
        match self.value(key)? {
            Some(value) => {
                let size = u32::try_from(value.len() + key.len()).unwrap_or(u32::MAX);
                let written = copies.writer.set(key, &value);
                copies.alive.push(value);
                copies
                    .moved
                    .push((Moved::Definition(key.into(), size), written));
            }
            None => {
                let written = copies.writer.unset(key);
                copies.moved.push((Moved::End(key.len()), written));
            }
        }
        Ok(())
    }
}
