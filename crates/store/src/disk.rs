//! The store on disk.

mod commit;
mod copy;
mod forward;
mod open;
mod read;
mod salvage;
#[cfg(test)]
mod tests;

use std::{fs::File, path::Path, path::PathBuf};

use bytes::Bytes;

pub use copy::CopyError;
pub use open::Recovery;

use crate::{Op, Store, StoreError, Usage, engine::Engine, index::Index};
use read::Cache;

/// How a store on disk behaves.
#[derive(Clone, Debug)]
pub struct Options {
    max_bytes: Option<u64>,
    reserve_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_bytes: None,
            reserve_bytes: 256 << 20,
        }
    }
}

impl Options {
    /// Bytes of records from which on messages and definitions are refused. Without it only the
    /// disk sets a limit.
    #[must_use]
    pub fn with_max_bytes(mut self, limit: u64) -> Self {
        self.max_bytes = Some(limit);
        self
    }

    /// Bytes that stay free on the disk, 256 MiB by default. What is left then is for the ends of
    /// messages, and for the engine, which rewrites its files: less than 128 MiB is a risk.
    #[must_use]
    pub fn with_reserve_bytes(mut self, reserve: u64) -> Self {
        self.reserve_bytes = reserve;
        self
    }
}

/// A [`Store`] in a directory.
pub struct DiskStore {
    dir: PathBuf,
    options: Options,
    /// Of the checksums.
    seed: u64,
    index: Index,
    engine: Box<dyn Engine>,
    next_record: u64,
    next_id: u64,
    cache: Cache,
    poisoned: Option<String>,
    /// Bytes of records that died since the engine last gave space back.
    given_up: u64,
    /// Holds the lock while it is open.
    _lock: File,
}

impl std::fmt::Debug for DiskStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DiskStore")
            .field("dir", &self.dir)
            .field("usage", &self.usage())
            .finish_non_exhaustive()
    }
}

impl Store for DiskStore {
    fn commit(&mut self, ops: Vec<Op>) -> Result<(), StoreError> {
        self.commit_ops(ops)
    }

    fn read(&mut self, wanted: &[(u64, u64)]) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.read_messages(wanted)
    }

    fn usage(&self) -> Usage {
        let (messages, bytes, stored) = self.index.totals();
        Usage {
            messages,
            bytes,
            stored,
            disk: self.engine.disk(),
        }
    }

    fn maintain(&mut self) -> Result<bool, StoreError> {
        self.maintain_step()
    }
}

/// Bytes that the files below a directory take of the disk; holes are not counted.
pub(crate) fn blocks(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let mut bytes = 0;
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        // A file that the engine has just removed takes none.
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(meta) if meta.is_dir() => dirs.push(entry.path()),
                Ok(meta) => bytes += meta.blocks() * 512,
                Err(_) => {}
            }
        }
    }
    bytes
}
