//! The embedded engine below: numbered records, written together, synced once.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use fjall::{AbstractTree as _, Database, Keyspace, KeyspaceCreateOptions, PersistMode};

/// What an engine can do; the seam at which tests let it fail.
pub(crate) trait Engine: Send {
    /// Writes and removes records, all or nothing. With `sync` it is on disk when this returns.
    fn write(&mut self, change: Change<'_>) -> Result<(), EngineError>;
    /// A record.
    fn read(&self, number: u64) -> Result<Option<Bytes>, EngineError>;
    /// Gives back the space of removed records, and waits for it.
    fn compact(&mut self, counters: Counters) -> Result<(), EngineError>;
    /// Closes the files and opens them again, as after a crash.
    fn reopen(&mut self) -> Result<(), EngineError>;
    /// Bytes that the files take of the disk.
    fn disk(&self) -> u64;
}

/// The next record, the next id, and the floor: the lowest record that is of use.
pub(crate) type Counters = [u64; 3];

#[derive(Debug, Default)]
pub(crate) struct Change<'a> {
    pub(crate) puts: &'a [(u64, Bytes)],
    pub(crate) removes: &'a [u64],
    /// Where they need be remembered.
    pub(crate) counters: Option<Counters>,
    pub(crate) sync: bool,
}

/// What went wrong in an engine.
#[derive(Debug)]
pub(crate) enum EngineError {
    /// No space on the device, or a quota.
    Full(String),
    /// Anything else that the operating system refused; after a write it is unknown what is on disk.
    Failed(String),
    /// The files are not what the engine wrote.
    Corrupt(String),
}

impl EngineError {
    pub(crate) fn why(self) -> String {
        match self {
            Self::Full(why) | Self::Failed(why) | Self::Corrupt(why) => why,
        }
    }
}

impl From<fjall::Error> for EngineError {
    fn from(error: fjall::Error) -> Self {
        use std::io::ErrorKind::{
            FileTooLarge, InvalidData, InvalidInput, NotFound, QuotaExceeded, StorageFull,
            UnexpectedEof,
        };
        let why = error.to_string();
        match error {
            fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => {
                match error.kind() {
                    StorageFull | QuotaExceeded | FileTooLarge => Self::Full(why),
                    // An offset that makes no sense is an invalid input.
                    InvalidData | InvalidInput | NotFound | UnexpectedEof => Self::Corrupt(why),
                    _ => Self::Failed(why),
                }
            }
            fjall::Error::Locked | fjall::Error::Poisoned => Self::Failed(why),
            _ => Self::Corrupt(why),
        }
    }
}

/// Records in fjall: one keyspace for them, one for the counters.
pub(crate) struct Fjall {
    dir: PathBuf,
    open: Option<Open>,
}

struct Open {
    database: Database,
    records: Keyspace,
    counters: Keyspace,
}

/// Records that die young never leave the journal; more than that is memory that is not worth it.
const MEMTABLE: u64 = 32 << 20;
/// Records are read in sequence, once: a small cache will do, ours is above.
const CACHE: u64 = 4 << 20;
/// Opening reads the journals into memory.
const JOURNALS: u64 = 128 << 20;
const COUNTERS: &[u8] = b"next";

impl Open {
    fn new(dir: &Path) -> Result<Self, fjall::Error> {
        let database = Database::builder(dir)
            .cache_size(CACHE)
            .max_journaling_size(JOURNALS)
            .worker_threads(1)
            .open()?;
        let records = database.keyspace("records", || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(MEMTABLE)
                .expect_point_read_hits(true)
        })?;
        let counters = database.keyspace("counters", KeyspaceCreateOptions::default)?;
        Ok(Self {
            database,
            records,
            counters,
        })
    }
}

impl Fjall {
    pub(crate) fn open(dir: &Path) -> Result<Self, EngineError> {
        let mut engine = Self {
            dir: dir.to_owned(),
            open: None,
        };
        engine.reopen()?;
        Ok(engine)
    }

    /// The files in which new records are first.
    pub(crate) fn is_journal(path: &Path) -> bool {
        path.extension().is_some_and(|extension| extension == "jnl")
    }

    /// The name of a journal, by its number.
    pub(crate) fn journal_name(number: u64) -> String {
        format!("{number}.jnl")
    }

    fn get(&self) -> Result<&Open, EngineError> {
        let closed = || EngineError::Failed("the engine could not be opened again".into());
        self.open.as_ref().ok_or_else(closed)
    }

    /// The counters as they were last remembered.
    pub(crate) fn counters(&self) -> Result<Counters, EngineError> {
        let value = self.get()?.counters.get(COUNTERS)?;
        let value = value.as_deref().unwrap_or_default();
        let word = |at: usize| {
            let bytes = value.get(at..).and_then(<[u8]>::first_chunk);
            bytes.copied().map_or(0, u64::from_le_bytes)
        };
        Ok([word(0), word(8), word(16)])
    }

    /// Each record in ascending order, until one can't be read.
    pub(crate) fn scan(&self, mut each: impl FnMut(u64, Bytes)) -> Result<(), EngineError> {
        for pair in self.get()?.records.iter() {
            let (key, value) = pair.into_inner()?;
            each(number(&key), value.into());
        }
        Ok(())
    }

    /// The last record.
    pub(crate) fn last(&self) -> Result<Option<u64>, EngineError> {
        let last = self.get()?.records.last_key_value();
        Ok(last
            .map(|pair| pair.key())
            .transpose()?
            .map(|key| number(&key)))
    }
}

fn number(key: &[u8]) -> u64 {
    key.first_chunk().copied().map_or(0, u64::from_be_bytes)
}

impl Engine for Fjall {
    fn write(&mut self, change: Change<'_>) -> Result<(), EngineError> {
        let open = self.get()?;
        let mode = if change.sync {
            PersistMode::SyncData
        } else {
            PersistMode::Buffer
        };
        let mut batch = open.database.batch().durability(Some(mode));
        for (number, record) in change.puts {
            batch.insert(&open.records, number.to_be_bytes(), record.clone());
        }
        for number in change.removes {
            batch.remove(&open.records, number.to_be_bytes());
        }
        if let Some(counters) = change.counters {
            let value = counters.map(u64::to_le_bytes).concat();
            batch.insert(&open.counters, COUNTERS, value);
        }
        Ok(batch.commit()?)
    }

    fn read(&self, number: u64) -> Result<Option<Bytes>, EngineError> {
        let value = self.get()?.records.get(number.to_be_bytes())?;
        Ok(value.map(Into::into))
    }

    fn compact(&mut self, counters: Counters) -> Result<(), EngineError> {
        let [_, _, floor] = counters;
        // A table that says that a record is removed may go before the one that holds it: from
        // here on the floor says so.
        self.write(Change {
            counters: Some(counters),
            sync: true,
            ..Change::default()
        })?;
        let open = self.get()?;
        open.records.rotate_memtable_and_wait()?;
        open.counters.rotate_memtable_and_wait()?;
        let dropped = open.records.tree.drop_range(..floor.to_be_bytes());
        dropped.map_err(fjall::Error::from)?;
        open.records.major_compact()?;
        // Old tables go when a memtable is rotated after them.
        self.write(Change {
            counters: Some(counters),
            sync: true,
            ..Change::default()
        })?;
        Ok(self.get()?.counters.rotate_memtable_and_wait()?)
    }

    fn reopen(&mut self) -> Result<(), EngineError> {
        // The lock of the old must be gone first.
        self.open = None;
        // It asserts what damaged files may not hold.
        let open = std::panic::catch_unwind(|| Open::new(&self.dir));
        let panicked = |_| EngineError::Corrupt("the engine panicked".into());
        self.open = Some(open.map_err(panicked)??);
        Ok(())
    }

    fn disk(&self) -> u64 {
        crate::disk::blocks(&self.dir)
    }
}
