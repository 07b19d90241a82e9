//! Opening: lock, format, and every record once.

use std::{
    fs::{self, File, TryLockError},
    hash::{BuildHasher as _, Hasher as _},
    io::Write as _,
    path::Path,
};

use bytes::Bytes;

use super::{Cache, DiskStore, Options, salvage};
use crate::{
    Damage, OpenError, Recovered,
    engine::EngineError,
    index::{Index, Place},
    record::{OpRef, Record},
};

/// The format that is written, and the only one that is read.
const FORMAT: u32 = 1;
const FORMAT_FILE: &str = "format";
const FORMAT_LINE: &str = "stompbox store format ";
const SEED_LINE: &str = "seed ";
const LOCK_FILE: &str = "lock";
pub(super) const ENGINE_DIR: &str = "engine";

/// What was found when a store was opened.
#[derive(Clone, Debug, Default)]
pub struct Recovery {
    /// Definitions, ascending by name.
    pub definitions: Vec<(Box<str>, Bytes)>,
    /// Messages, ascending by id.
    pub messages: Vec<Recovered>,
    /// What was cut or skipped. Empty, unless something was damaged.
    pub report: Vec<Damage>,
    /// Above every id that was ever stored.
    pub next_id: u64,
}

impl DiskStore {
    /// Opens the store in a directory, or makes one where there is none or an empty directory.
    ///
    /// Damaged records are skipped, and the report says so: what else there is stays usable.
    ///
    /// # Errors
    ///
    /// If another process has it, its format is unknown, the directory holds other things, or it
    /// can't be read at all.
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<(Self, Recovery), OpenError> {
        let dir = dir.as_ref();
        fs::create_dir_all(dir).map_err(OpenError::io("create", dir))?;
        let lock = lock(dir)?;
        let seed = check_format(dir)?;
        let failed = |error: EngineError| OpenError::Engine {
            dir: dir.to_owned(),
            why: error.why(),
        };
        let (engine, report) = salvage::open_engine(dir, seed)?;
        let [next_record, next_id, floor] = engine.counters().map_err(failed)?;
        let mut found = Found {
            seed,
            report,
            next_record,
            next_id,
            ..Found::default()
        };
        let each = |number, bytes: Bytes| {
            if number >= floor {
                found.record(number, &bytes);
            }
        };
        if let Err(error) = engine.scan(each) {
            salvage::scan_damaged(dir, &engine, &error.why(), &mut found)?;
        }
        let (next_record, next_id) = (found.next_record, found.next_id);
        let (index, mut recovery) = found.finish();
        let mut store = Self {
            dir: dir.to_owned(),
            options,
            seed,
            index,
            engine: Box::new(engine),
            next_record,
            next_id,
            cache: Cache::default(),
            poisoned: None,
            given_up: 0,
            _lock: lock,
        };
        store.definitions(&mut recovery);
        Ok((store, recovery))
    }

    fn definitions(&mut self, recovery: &mut Recovery) {
        let mut keys: Vec<Box<str>> = self
            .index
            .definitions()
            .map(|(key, _)| key.into())
            .collect();
        keys.sort_unstable();
        for key in keys {
            match self.value(&key) {
                Ok(Some(value)) => recovery.definitions.push((key, value)),
                Ok(None) => {}
                Err(error) => recovery.report.push(Damage {
                    place: format!("definition {key}"),
                    bytes: 0,
                    why: error.to_string(),
                }),
            }
        }
    }
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join(LOCK_FILE);
    let mut options = File::options();
    let lock = options.create(true).truncate(false).write(true).open(&path);
    let lock = lock.map_err(OpenError::io("open", &path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked {
            dir: dir.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(OpenError::io("lock", &path)(error)),
    }
}

/// Reads the format, or writes it into an empty directory. Gives the seed.
fn check_format(dir: &Path) -> Result<u64, OpenError> {
    let path = dir.join(FORMAT_FILE);
    match fs::read(&path) {
        Ok(line) => {
            let text = String::from_utf8_lossy(&line);
            let mut lines = text.lines();
            let line = lines.next().unwrap_or_default();
            let found = line.strip_prefix(FORMAT_LINE);
            let seed = lines.next().and_then(|line| line.strip_prefix(SEED_LINE));
            let seed = seed.and_then(|seed| u64::from_str_radix(seed, 16).ok());
            match (found.map(str::parse), seed) {
                (Some(Ok(FORMAT)), Some(seed)) => Ok(seed),
                (Some(Ok(FORMAT)), None) => Err(OpenError::NotAStore {
                    dir: dir.to_owned(),
                    why: format!("its file {FORMAT_FILE} has no seed"),
                }),
                _ => Err(OpenError::Version {
                    dir: dir.to_owned(),
                    found: found.unwrap_or(line).chars().take(40).collect(),
                    known: FORMAT,
                }),
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let entries = fs::read_dir(dir).map_err(OpenError::io("read", dir))?;
            let other = entries
                .flatten()
                .map(|entry| entry.file_name())
                .find(|name| name != LOCK_FILE && name != "format.new");
            if let Some(other) = other {
                return Err(OpenError::NotAStore {
                    dir: dir.to_owned(),
                    why: format!("it has {} but no {FORMAT_FILE}", other.display()),
                });
            }
            write_format(dir)
        }
        Err(error) => Err(OpenError::io("read", &path)(error)),
    }
}

fn write_format(dir: &Path) -> Result<u64, OpenError> {
    let new = dir.join("format.new");
    // The standard library's keys for hash tables come from the operating system.
    let seed = std::hash::RandomState::new().build_hasher().finish();
    let write = || {
        let mut file = File::create(&new)?;
        writeln!(file, "{FORMAT_LINE}{FORMAT}")?;
        writeln!(file, "{SEED_LINE}{seed:016x}")?;
        file.sync_all()?;
        fs::rename(&new, dir.join(FORMAT_FILE))?;
        File::open(dir)?.sync_all()
    };
    write().map_err(OpenError::io("write", &new))?;
    Ok(seed)
}

/// Records as they are found, in ascending order.
#[derive(Default)]
pub(super) struct Found {
    seed: u64,
    /// The record after the last.
    scanned: u64,
    index: Index,
    /// All messages that were put, with their record and place: later ones may end them.
    puts: Vec<(Recovered, u64, u32)>,
    pub(super) report: Vec<Damage>,
    pub(super) next_record: u64,
    next_id: u64,
}

impl Found {
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// The first number after those that were scanned.
    pub(super) fn next_to_scan(&self) -> u64 {
        self.scanned
    }

    pub(super) fn record(&mut self, number: u64, bytes: &Bytes) {
        self.scanned = number.saturating_add(1);
        self.next_record = self.next_record.max(self.scanned);
        let record = match Record::parse(bytes, self.seed) {
            Ok(record) if record.number() == number => record,
            other => {
                let why = other.map_or_else(
                    |error| error.to_string(),
                    |record| format!("it says that it is record {}", record.number()),
                );
                self.report.push(Damage {
                    place: format!("record {number}"),
                    bytes: bytes.len() as u64,
                    why,
                });
                return;
            }
        };
        let slot = self.index.open_record(number, bytes.len() as u64);
        for op in record.ops() {
            match op {
                Ok((at, op)) => self.op(op, number, slot, at),
                Err(error) => self.report.push(Damage {
                    place: format!("record {number}"),
                    bytes: 0,
                    why: error.to_string(),
                }),
            }
        }
        self.index.close_record(slot);
    }

    fn op(&mut self, op: OpRef<'_>, number: u64, slot: u32, at: u32) {
        match op {
            OpRef::Put(put) => {
                self.next_id = self.next_id.max(put.id.saturating_add(1));
                // What was only out of memory ended with the process, and what it replaced did.
                if !put.durable {
                    self.index.delete(put.queue, put.id, slot);
                    return;
                }
                let size = u32::try_from(put.data.len()).unwrap_or(u32::MAX);
                let place = Place::new(slot, at, size, true);
                self.index.put(put.queue, put.id, place);
                let recovered = Recovered {
                    queue: put.queue,
                    id: put.id,
                    expires: put.expires,
                    deliveries: put.deliveries,
                    size,
                    priority: put.priority,
                };
                self.puts.push((recovered, number, at));
            }
            OpRef::Delete { queue, id } => self.index.delete(queue, id, slot),
            OpRef::Delivered {
                queue,
                id,
                deliveries,
            } => self.index.delivered(queue, id, deliveries, slot),
            OpRef::Set { key, value } => {
                let size = u32::try_from(value.len() + key.len()).unwrap_or(u32::MAX);
                self.index.set(key.into(), Place::new(slot, at, size, true));
            }
            OpRef::Unset { key } => self.index.unset(key, slot),
        }
    }

    fn finish(self) -> (Index, Recovery) {
        let Self {
            index,
            puts,
            report,
            next_id,
            ..
        } = self;
        let alive = |(mut message, number, at): (Recovered, u64, u32)| {
            let place = index.message(message.queue, message.id)?;
            let here = place.at() == at && index.number(place.record) == Some(number);
            if let Some(deliveries) = index.redelivered(message.queue, message.id) {
                message.deliveries = deliveries;
            }
            here.then_some(message)
        };
        let mut messages: Vec<_> = puts.into_iter().filter_map(alive).collect();
        messages.sort_by_key(|message| message.id);
        let recovery = Recovery {
            messages,
            report,
            next_id,
            ..Recovery::default()
        };
        (index, recovery)
    }
}
