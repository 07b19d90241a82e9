//! `stompbox store`: for a store whose broker is not running.

use std::{io::Write as _, path::Path};

use stompbox_store::{Damage, DiskStore, Options, Recovery, Store as _, Usage};

use crate::{Failure, args::StoreVerb};

/// Does what was asked, and fails if something was damaged.
pub(crate) fn run(verb: StoreVerb) -> Result<(), Failure> {
    match verb {
        StoreVerb::Check { dir } => {
            let (mut store, recovery) = open(&dir)?;
            let mut report = recovery.report;
            report.extend(store.check());
            let mut out = std::io::stdout().lock();
            writeln!(out, "definitions  {}", recovery.definitions.len())?;
            show(&mut out, store.usage())?;
            judge(&report)
        }
        StoreVerb::Compact { dir } => {
            let (mut store, recovery) = open(&dir)?;
            let before = store.usage().disk;
            store.compact()?;
            let mut out = std::io::stdout().lock();
            show(&mut out, store.usage())?;
            writeln!(out, "before       {before}")?;
            judge(&recovery.report)
        }
        StoreVerb::Backup { dir, to } => copy(&dir, &to),
        StoreVerb::Restore { from, dir } => copy(&from, &dir),
    }
}

/// A backup is a store like any other, so both ways are the same.
fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let (mut store, recovery) = open(from)?;
    let mut report = recovery.report;
    report.extend(store.copy_to(to)?);
    let (copy, _) = open(to)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "definitions  {}", recovery.definitions.len())?;
    show(&mut out, copy.usage())?;
    judge(&report)
}

/// Opens a store that is there: these commands make none by the way.
fn open(dir: &Path) -> Result<(DiskStore, Recovery), Failure> {
    if !dir.join("format").exists() {
        return Err(format!("{} is not a store: it has no file format", dir.display()).into());
    }
    Ok(DiskStore::open(dir, Options::default())?)
}

fn show(out: &mut impl std::io::Write, usage: Usage) -> std::io::Result<()> {
    writeln!(out, "messages     {}", usage.messages)?;
    writeln!(out, "bytes        {}", usage.bytes)?;
    writeln!(out, "on disk      {}", usage.disk)
}

fn judge(report: &[Damage]) -> Result<(), Failure> {
    for damage in report {
        eprintln!("damaged: {damage}");
    }
    match report.len() {
        0 => Ok(()),
        number => Err(format!("{number} things were damaged").into()),
    }
}
