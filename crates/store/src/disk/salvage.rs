//! What is intact in damaged files.
//!
//! The engine checks its files, but at a flipped bit it cuts its journal there or refuses to open.
//! Records can be told apart without it: each has its magic, length and seeded checksum. So the
//! journals are read before the engine may cut them, and what it lost is put back.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use memchr::memmem;

use super::open::{ENGINE_DIR, Found};
use crate::{
    Damage, OpenError,
    engine::{Change, Engine as _, EngineError, Fjall},
    record::{MAGIC, Record},
};

/// Bytes of records that are put back at once.
const ENOUGH: usize = 8 << 20;

/// Records in files, whatever the engine says of them.
#[derive(Default)]
struct Raw {
    records: BTreeMap<u64, Bytes>,
    /// What begins like a record but is none.
    broken: Vec<Damage>,
}

impl Raw {
    fn read(&mut self, path: &Path, seed: u64) -> Result<(), OpenError> {
        let bytes = read_data(path).map_err(OpenError::io("read", path))?;
        let mut at = 0;
        let rest = |at| bytes.get(at..).unwrap_or_default();
        while let Some(found) = memmem::find(rest(at), &MAGIC) {
            at += found;
            match Record::parse(&bytes.slice(at..), seed) {
                Ok(record) => {
                    at += record.as_bytes().len();
                    self.records
                        .insert(record.number(), record.as_bytes().clone());
                }
                Err(error) => {
                    let place = format!("{} at byte {at}", path.display());
                    let next = at + MAGIC.len();
                    let end = memmem::find(rest(next), &MAGIC).map_or(bytes.len(), |n| next + n);
                    self.broken.push(Damage {
                        place,
                        bytes: (end - at) as u64,
                        why: format!("a record was cut: {error}"),
                    });
                    at = next;
                }
            }
        }
        Ok(())
    }

    /// Forgets records of commits of which not all is there: `kept` says what the engine has.
    fn whole_commits(&mut self, seed: u64, kept: impl Fn(u64) -> bool) {
        let whole = |number: &u64, bytes: &Bytes| {
            let Ok(record) = Record::parse(bytes, seed) else {
                return false;
            };
            let (part, parts) = record.part();
            let first = number.saturating_sub(u64::from(part));
            let mut all = first..first.saturating_add(u64::from(parts));
            all.all(|number| self.records.contains_key(&number) || kept(number))
        };
        let partial: Vec<u64> = self
            .records
            .iter()
            .filter(|(number, bytes)| !whole(number, bytes))
            .map(|(number, _)| *number)
            .collect();
        for number in partial {
            if let Some(bytes) = self.records.remove(&number) {
                self.broken.push(Damage {
                    place: format!("record {number}"),
                    bytes: bytes.len() as u64,
                    why: "the rest of its commit is not there".into(),
                });
            }
        }
    }

    /// The lowest record of use when the last was written.
    fn floor(&self, seed: u64) -> u64 {
        let last = self.records.last_key_value();
        let last = last.and_then(|(_, bytes)| Record::parse(bytes, seed).ok());
        last.map_or(0, |record| record.floor())
    }
}

/// Opens the engine below a store's directory, and puts back what it can't read.
pub(super) fn open_engine(dir: &Path, seed: u64) -> Result<(Fjall, Vec<Damage>), OpenError> {
    let engine_dir = dir.join(ENGINE_DIR);
    let failed = |error: EngineError| OpenError::Engine {
        dir: dir.to_owned(),
        why: error.why(),
    };
    let mut raw = Raw::default();
    let journals = files(&engine_dir, Fjall::is_journal);
    for journal in &journals {
        raw.read(journal, seed)?;
    }
    let why = match open_whole(&engine_dir, &mut raw, seed) {
        Ok((engine, lost)) => {
            let mut report = raw.broken;
            report.extend(lost);
            return Ok((engine, report));
        }
        Err(EngineError::Corrupt(why)) => why,
        Err(error) => return Err(failed(error)),
    };
    let aside = aside(dir)?;
    for journal in &journals {
        rename(
            journal,
            &aside.join(journal.file_name().unwrap_or_default()),
        )?;
    }
    // Where there is no journal the engine takes itself for new, and its sequence begins again.
    let last = journals
        .iter()
        .filter_map(|path| number(path))
        .max()
        .unwrap_or(0);
    let empty = engine_dir.join(Fjall::journal_name(last + 1));
    File::create(&empty).map_err(OpenError::io("create", &empty))?;
    let mut damage = Damage {
        place: engine_dir.display().to_string(),
        bytes: 0,
        why: String::new(),
    };
    let (mut engine, floor) = match open_tables(&engine_dir) {
        Ok((engine, floor)) => {
            damage.why = format!(
                "the engine could not read its journals ({why}); they are kept in {}, and what is \
                 intact in them was put back",
                aside.display(),
            );
            (engine, floor)
        }
        Err(EngineError::Corrupt(why)) => {
            let old = aside.join(ENGINE_DIR);
            rename(&engine_dir, &old)?;
            for file in files(&old, |path| !Fjall::is_journal(path)) {
                let mut older = Raw::default();
                older.read(&file, seed)?;
                raw.broken.append(&mut older.broken);
                for (number, bytes) in older.records {
                    raw.records.entry(number).or_insert(bytes);
                }
            }
            damage.why = format!(
                "the engine could not read its files ({why}); they are kept in {}, and what is \
                 intact in them was put back: acknowledged messages may come again",
                aside.display(),
            );
            let engine = Fjall::open(&engine_dir).map_err(failed)?;
            (engine, raw.floor(seed))
        }
        Err(error) => return Err(failed(error)),
    };
    raw.records = raw.records.split_off(&floor);
    // One that is there but can't be read is put back too.
    let there = |number| engine.read(number).is_ok_and(|record| record.is_some());
    raw.whole_commits(seed, there);
    raw.records.retain(|number, _| !there(*number));
    put_back(&mut engine, &raw.records).map_err(failed)?;
    let mut report = vec![damage];
    report.extend(raw.broken);
    Ok((engine, report))
}

/// Opens the engine, and puts back what it cut.
fn open_whole(
    engine_dir: &Path,
    raw: &mut Raw,
    seed: u64,
) -> Result<(Fjall, Option<Damage>), EngineError> {
    let mut engine = Fjall::open(engine_dir)?;
    let lost = put_back_cut(&mut engine, raw, seed)?;
    Ok((engine, lost))
}

/// Opens the engine without its journals, and reads the floor.
fn open_tables(engine_dir: &Path) -> Result<(Fjall, u64), EngineError> {
    let engine = Fjall::open(engine_dir)?;
    let [_, _, floor] = engine.counters()?;
    Ok((engine, floor))
}

/// Puts back what is in the journals after the place where the engine cut them.
fn put_back_cut(
    engine: &mut Fjall,
    raw: &mut Raw,
    seed: u64,
) -> Result<Option<Damage>, EngineError> {
    let [next, _, _] = engine.counters()?;
    let last = engine.last()?.map_or(next, |last| next.max(last + 1));
    raw.records = raw.records.split_off(&last);
    raw.whole_commits(seed, |number| number < last);
    if raw.records.is_empty() {
        return Ok(None);
    }
    put_back(engine, &raw.records)?;
    Ok(Some(Damage {
        place: "the engine's journal".into(),
        bytes: 0,
        why: format!(
            "it was cut before its end; {} records after that were put back",
            raw.records.len(),
        ),
    }))
}

fn put_back(engine: &mut Fjall, records: &BTreeMap<u64, Bytes>) -> Result<(), EngineError> {
    let mut puts = Vec::new();
    let mut bytes = 0;
    let mut records = records.iter().peekable();
    while let Some((number, record)) = records.next() {
        puts.push((*number, record.clone()));
        bytes += record.len();
        if bytes >= ENOUGH || records.peek().is_none() {
            engine.write(Change {
                puts: &puts,
                sync: true,
                ..Change::default()
            })?;
            puts.clear();
            bytes = 0;
        }
    }
    Ok(())
}

/// Goes on where the engine's scan failed: each record alone, and from the files what it can't
/// read even so.
pub(super) fn scan_damaged(
    dir: &Path,
    engine: &Fjall,
    why: &str,
    found: &mut Found,
) -> Result<(), OpenError> {
    let engine_dir = dir.join(ENGINE_DIR);
    let mut raw = Raw::default();
    for file in files(&engine_dir, |_| true) {
        raw.read(&file, found.seed())?;
    }
    let mut put_back = 0;
    for (number, bytes) in raw.records.split_off(&found.next_to_scan()) {
        match engine.read(number) {
            Ok(Some(bytes)) => found.record(number, &bytes),
            Ok(None) => {}
            Err(_) => {
                put_back += 1;
                found.record(number, &bytes);
            }
        }
    }
    found.report.push(Damage {
        place: engine_dir.display().to_string(),
        bytes: 0,
        why: format!(
            "the engine could not read all of its records ({why}); {put_back} were read from its \
             files"
        ),
    });
    found.report.append(&mut raw.broken);
    Ok(())
}

/// A new directory for what is damaged, beside the engine's.
fn aside(dir: &Path) -> Result<PathBuf, OpenError> {
    let mut number = 1;
    loop {
        let aside = dir.join(format!("damaged-{number}"));
        match fs::create_dir(&aside) {
            Ok(()) => return Ok(aside),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(OpenError::io("create", aside)(error)),
        }
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), OpenError> {
    fs::rename(from, to).map_err(OpenError::io("move", from))
}

/// Files below a directory, by name; a journal's name is its number.
fn files(dir: &Path, wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                dirs.push(path);
            } else if wanted(&path) {
                found.push(path);
            }
        }
    }
    found.sort_by_key(|path| number(path));
    found
}

fn number(path: &Path) -> Option<u64> {
    path.file_stem()?.to_str()?.parse().ok()
}

/// All of a file but the zeros at its end: a journal is made long and filled by and by.
fn read_data(path: &Path) -> std::io::Result<Bytes> {
    let mut file = File::open(path)?;
    let mut data = Vec::new();
    let mut end = 0;
    let mut chunk = vec![0; 1 << 20];
    let zeros = vec![0; 1 << 20];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(data.into()),
            read => {
                let chunk = chunk.get(..read).unwrap_or_default();
                end += read;
                if zeros.get(..read) != Some(chunk) {
                    data.resize(end - read, 0);
                    data.extend_from_slice(chunk);
                }
            }
        }
    }
}
