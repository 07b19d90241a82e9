//! Whole stores: to compact one, to check it, to copy it.

use std::{fs, path::Path};

use thiserror::Error;

use super::{DiskStore, Options};
use crate::{Damage, Op, OpenError, Store as _, StoreError, record::OpRef};

/// Bytes of data that are committed at once.
const ENOUGH: usize = 4 << 20;

/// Why a store can't be copied.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The new one can't be made.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It can't be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DiskStore {
    /// Gives back all the space that can be had, however long that takes.
    ///
    /// # Errors
    ///
    /// Those of [`commit`](crate::Store::commit).
    pub fn compact(&mut self) -> Result<(), StoreError> {
        while self.maintain_step()? {}
        self.compact_engine()
    }

    /// Reads every record that is of use, and says which can't be read.
    pub fn check(&mut self) -> Vec<Damage> {
        let mut report = Vec::new();
        for number in self.index.numbers() {
            if let Err(error) = self.record(number) {
                report.push(unreadable(number, &error));
            }
        }
        report
    }

    /// Copies what outlives the process into a new store, in a directory that is empty or not
    /// there. It appears there when it is complete. Gives what could not be read and is missing.
    ///
    /// # Errors
    ///
    /// If the directory holds something, or can't be written.
    pub fn copy_to(&mut self, dir: impl AsRef<Path>) -> Result<Vec<Damage>, CopyError> {
        let dir = dir.as_ref();
        if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(CopyError::Open(OpenError::NotAStore {
                dir: dir.to_owned(),
                why: "it is not empty, and nothing in it is overwritten".into(),
            }));
        }
        let mut name = dir.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        let partial = dir.with_file_name(name);
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(OpenError::io("remove", &partial))?;
        }
        let report = self.copy_into(&partial)?;
        if dir.exists() {
            fs::remove_dir(dir).map_err(OpenError::io("replace", dir))?;
        }
        fs::rename(&partial, dir).map_err(OpenError::io("rename", &partial))?;
        let above = dir.parent().filter(|above| !above.as_os_str().is_empty());
        let above = above.unwrap_or_else(|| Path::new("."));
        fs::File::open(above)
            .and_then(|above| above.sync_all())
            .map_err(OpenError::io("sync", above))?;
        Ok(report)
    }

    fn copy_into(&mut self, dir: &Path) -> Result<Vec<Damage>, CopyError> {
        let mut report = Vec::new();
        let (mut copy, _) = Self::open(dir, Options::default())?;
        let mut ops = Vec::new();
        let mut bytes = 0;
        for number in self.index.numbers() {
            let (Some(slot), record) = (self.index.record(number), self.record(number)) else {
                continue;
            };
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    report.push(unreadable(number, &error));
                    continue;
                }
            };
            for op in record.ops() {
                let Ok((at, op)) = op else {
                    break;
                };
                let op = match op {
                    OpRef::Put(put) => {
                        let place = self.index.message(put.queue, put.id);
                        if place.is_none_or(|p| !p.is(slot, at) || !p.durable()) {
                            continue;
                        }
                        let changed = self.index.redelivered(put.queue, put.id);
                        Op::Put {
                            queue: put.queue,
                            id: put.id,
                            durable: true,
                            deliveries: changed.unwrap_or(put.deliveries),
                            priority: put.priority,
                            expires: put.expires,
                            data: record.as_bytes().slice_ref(put.data),
                        }
                    }
                    OpRef::Set { key, value } => {
                        if self.index.definition(key).is_none_or(|p| !p.is(slot, at)) {
                            continue;
                        }
                        Op::Set {
                            key: key.into(),
                            value: record.as_bytes().slice_ref(value),
                        }
                    }
                    _ => continue,
                };
                ops.push(op);
            }
            bytes += record.as_bytes().len();
            if bytes >= ENOUGH {
                copy.commit(std::mem::take(&mut ops))?;
                bytes = 0;
            }
        }
        copy.commit(ops)?;
        copy.next_id = self.next_id;
        copy.compact_engine()?;
        Ok(report)
    }
}

fn unreadable(number: u64, error: &StoreError) -> Damage {
    Damage {
        place: format!("record {number}"),
        bytes: 0,
        why: error.to_string(),
    }
}
