//! The broker's durable store.
//!
//! A broker changes thousands of small things in the time of one fsync. So a [`commit`](Store::commit)
//! takes them together, as [`Op`]s, and [`DiskStore`] writes them as one checksummed record into an
//! embedded engine (fjall), which calls fdatasync once. What is where is known in memory; records
//! that hold nothing of use any more are removed, and those that hold little are copied forward.
//! `docs/store-format.md` describes the bytes, `docs/store.md` the choice of the engine.
//!
//! Everything here is synchronous and blocks on the disk: call it from a thread of its own.
//! [`MemoryStore`] is the twin without a disk, for tests and for brokers that keep nothing.

mod disk;
mod engine;
mod error;
mod index;
mod memory;
mod op;
#[doc(hidden)]
pub mod record;

pub use disk::{CopyError, DiskStore, Options, Recovery};
pub use error::{Damage, OpenError, StoreError};
pub use memory::MemoryStore;
pub use op::{Op, Recovered, Usage};

use bytes::Bytes;

/// Where the broker keeps messages and definitions.
///
/// Messages are named by their queue and their id. Ids grow, and are never used again: a store
/// that is opened says which is the next ([`Recovery::next_id`]).
pub trait Store: Send {
    /// Does all of the ops, in their order, or none. What is durable is on disk when this returns.
    ///
    /// # Errors
    ///
    /// With [`StoreError::Full`] and [`StoreError::TooLarge`] nothing was done, and the store goes
    /// on; after [`StoreError::Poisoned`] it takes nothing more.
    fn commit(&mut self, ops: Vec<Op>) -> Result<(), StoreError>;

    /// Reads the data of messages, each a queue and an id, in the order that was asked for. What
    /// is not there gives `None`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] where a record no longer fits its checksum, [`StoreError::Io`]
    /// where it could not be read.
    fn read(&mut self, wanted: &[(u64, u64)]) -> Result<Vec<Option<Bytes>>, StoreError>;

    /// How much there is.
    fn usage(&self) -> Usage;

    /// Does a bounded piece of the work that gives space back, and says whether there is more.
    /// Call it when there is nothing to commit.
    ///
    /// # Errors
    ///
    /// Those of [`commit`](Self::commit).
    fn maintain(&mut self) -> Result<bool, StoreError>;
}
