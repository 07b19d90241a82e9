use std::{io, path::PathBuf};

use thiserror::Error;

/// A call that the store could not do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk or the quota is full. Nothing was done; commits without `Put` and `Set` go on.
    #[error("the store is full: {what}, {value} bytes, the limit is {limit}")]
    Full {
        /// What ran out.
        what: &'static str,
        /// How much there is of it.
        value: u64,
        /// What was allowed.
        limit: u64,
    },
    /// An op that no record can hold. Nothing was done.
    #[error("an op of {size} bytes is too large to store, the limit is {limit}")]
    TooLarge {
        /// Its data and key.
        size: usize,
        /// What was allowed.
        limit: usize,
    },
    /// A write or an fsync failed. What is on disk is unknown, so nothing more is taken until the
    /// store is opened again.
    #[error("the store takes nothing more, since {cause}")]
    Poisoned {
        /// What failed.
        cause: String,
    },
    /// A record is not what was written.
    #[error("record {record} is damaged: {why}")]
    Damaged {
        /// Its number.
        record: u64,
        /// What is wrong.
        why: String,
    },
    /// Reading failed.
    #[error("reading the store failed: {0}")]
    Io(String),
}

impl StoreError {
    /// A short name for programs, the same in all releases.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Full { .. } => "storage-full",
            Self::TooLarge { .. } => "storage-too-large",
            Self::Poisoned { .. } => "storage-failed",
            Self::Damaged { .. } => "storage-damaged",
            Self::Io(_) => "storage-io",
        }
    }
}

/// Why a store can't be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it.
    #[error("{} is in use by another process", dir.display())]
    Locked {
        /// The store.
        dir: PathBuf,
    },
    /// A format of another release.
    #[error("{} has format {found}, this program reads {known}", dir.display())]
    Version {
        /// The store.
        dir: PathBuf,
        /// What its file says.
        found: String,
        /// What is known here.
        known: u32,
    },
    /// A directory with other things in it, or none.
    #[error("{} is not a store: {why}", dir.display())]
    NotAStore {
        /// The directory.
        dir: PathBuf,
        /// How that shows.
        why: String,
    },
    /// The operating system refused.
    #[error("cannot {what} {}: {error}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// What it said.
        #[source]
        error: io::Error,
    },
    /// The engine can't read its files.
    #[error("the engine of {} failed: {why}", dir.display())]
    Engine {
        /// The store.
        dir: PathBuf,
        /// What it said.
        why: String,
    },
}

impl OpenError {
    pub(crate) fn io(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| Self::Io { what, path, error }
    }
}

/// Something that was cut or skipped when a store was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// A file, or a record by its number.
    pub place: String,
    /// How much was not usable, in bytes; 0 where that is not known.
    pub bytes: u64,
    /// What was wrong.
    pub why: String,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.why)?;
        if self.bytes > 0 {
            write!(f, " ({} bytes)", self.bytes)?;
        }
        Ok(())
    }
}
