//! The engines, each with a key for every message and with one record a commit.

use std::path::Path;

use bytes::Bytes;
use fjall::{Database as Fjall, Keyspace, KeyspaceCreateOptions, PersistMode};
use redb::{Database as Redb, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use stompbox_store::{DiskStore, Op, Options, Store as _};

use crate::{SIZE, plain::plain};

pub(crate) type Failure = Box<dyn std::error::Error>;
type Make = fn(&Path) -> Result<Box<dyn Contender>, Failure>;

/// A store of messages, numbered from 0.
pub(crate) trait Contender {
    /// On disk when it returns.
    fn put(&mut self, first: usize, messages: &[Bytes]) -> Result<(), Failure>;
    /// A range that was put so; on disk when it returns.
    fn delete(&mut self, first: usize, number: usize) -> Result<(), Failure>;
    /// Reads all, and says how many messages there are.
    fn scan(&mut self) -> Result<usize, Failure>;
    /// Waits for work in the background.
    fn settle(&self) {}
    /// Gives space back, as the engine does when it is asked to.
    fn compact(&mut self) -> Result<(), Failure>;
}

/// Names and constructors; the plain program is the first.
pub(crate) fn all() -> Vec<(&'static str, Make)> {
    vec![
        ("plain", plain as Make),
        ("stompbox-store", ours),
        ("fjall, key a message", |dir| fjall(dir, false)),
        ("fjall, record a commit", |dir| fjall(dir, true)),
        ("redb, key a message", |dir| redb(dir, false)),
        ("redb, record a commit", |dir| redb(dir, true)),
    ]
}

/// How messages become keys and values: each its own, or a commit in one value.
fn pairs<'a>(
    first: usize,
    messages: &'a [Bytes],
    together: bool,
) -> Box<dyn Iterator<Item = (u64, std::borrow::Cow<'a, [u8]>)> + 'a> {
    if together {
        Box::new([(first as u64, messages.concat().into())].into_iter())
    } else {
        Box::new(
            (first as u64..)
                .zip(messages)
                .map(|(key, message)| (key, message.as_ref().into())),
        )
    }
}

fn keys(first: usize, number: usize, together: bool) -> impl Iterator<Item = u64> {
    let number = if together { 1 } else { number };
    first as u64..(first + number) as u64
}

struct InFjall {
    database: Fjall,
    keyspace: Keyspace,
    together: bool,
}

fn fjall(dir: &Path, together: bool) -> Result<Box<dyn Contender>, Failure> {
    let database = Fjall::builder(dir).open()?;
    let keyspace = database.keyspace("messages", KeyspaceCreateOptions::default)?;
    Ok(Box::new(InFjall {
        database,
        keyspace,
        together,
    }))
}

impl Contender for InFjall {
    fn settle(&self) {
        while self.database.outstanding_flushes() > 0 || self.database.active_compactions() > 0 {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    fn put(&mut self, first: usize, messages: &[Bytes]) -> Result<(), Failure> {
        let mut batch = self
            .database
            .batch()
            .durability(Some(PersistMode::SyncData));
        for (key, value) in pairs(first, messages, self.together) {
            batch.insert(&self.keyspace, key.to_be_bytes(), &*value);
        }
        Ok(batch.commit()?)
    }

    fn delete(&mut self, first: usize, number: usize) -> Result<(), Failure> {
        let mut batch = self
            .database
            .batch()
            .durability(Some(PersistMode::SyncData));
        for key in keys(first, number, self.together) {
            batch.remove(&self.keyspace, key.to_be_bytes());
        }
        Ok(batch.commit()?)
    }

    fn scan(&mut self) -> Result<usize, Failure> {
        let mut bytes = 0;
        for pair in self.keyspace.iter() {
            bytes += pair.value()?.len();
        }
        Ok(bytes / SIZE)
    }

    fn compact(&mut self) -> Result<(), Failure> {
        self.keyspace.rotate_memtable_and_wait()?;
        Ok(self.keyspace.major_compact()?)
    }
}

struct InRedb {
    database: Redb,
    together: bool,
}

const MESSAGES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("messages");

fn redb(dir: &Path, together: bool) -> Result<Box<dyn Contender>, Failure> {
    std::fs::create_dir_all(dir)?;
    let database = Redb::create(dir.join("redb"))?;
    Ok(Box::new(InRedb { database, together }))
}

impl Contender for InRedb {
    fn put(&mut self, first: usize, messages: &[Bytes]) -> Result<(), Failure> {
        let write = self.database.begin_write()?;
        let mut table = write.open_table(MESSAGES)?;
        for (key, value) in pairs(first, messages, self.together) {
            table.insert(key, &*value)?;
        }
        drop(table);
        Ok(write.commit()?)
    }

    fn delete(&mut self, first: usize, number: usize) -> Result<(), Failure> {
        let write = self.database.begin_write()?;
        let mut table = write.open_table(MESSAGES)?;
        for key in keys(first, number, self.together) {
            table.remove(key)?;
        }
        drop(table);
        Ok(write.commit()?)
    }

    fn scan(&mut self) -> Result<usize, Failure> {
        let read = self.database.begin_read()?;
        let mut bytes = 0;
        for pair in read.open_table(MESSAGES)?.iter()? {
            bytes += pair?.1.value().len();
        }
        Ok(bytes / SIZE)
    }

    fn compact(&mut self) -> Result<(), Failure> {
        self.database.compact()?;
        Ok(())
    }
}

/// The store that the broker uses, with all that it does beside the engine.
struct Ours {
    store: DiskStore,
    found: usize,
}

fn ours(dir: &Path) -> Result<Box<dyn Contender>, Failure> {
    let (store, recovery) = DiskStore::open(dir, Options::default())?;
    let found = recovery.messages.len();
    Ok(Box::new(Ours { store, found }))
}

impl Contender for Ours {
    fn put(&mut self, first: usize, messages: &[Bytes]) -> Result<(), Failure> {
        let put = |(id, message): (u64, &Bytes)| Op::Put {
            queue: 1,
            id,
            durable: true,
            deliveries: 0,
            priority: 4,
            expires: 0,
            data: message.clone(),
        };
        let ops = (first as u64..).zip(messages).map(put).collect();
        Ok(self.store.commit(ops)?)
    }

    fn delete(&mut self, first: usize, number: usize) -> Result<(), Failure> {
        let ids = first as u64..(first + number) as u64;
        let ops = ids.map(|id| Op::Delete { queue: 1, id }).collect();
        Ok(self.store.commit(ops)?)
    }

    fn scan(&mut self) -> Result<usize, Failure> {
        Ok(self.found)
    }

    fn compact(&mut self) -> Result<(), Failure> {
        while self.store.maintain()? {}
        Ok(())
    }
}
