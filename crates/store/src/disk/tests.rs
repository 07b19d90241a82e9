//! An engine that fails when it is told to.

use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::{DiskStore, Options};
use crate::{
    Op, Store as _, StoreError,
    engine::{Change, Counters, Engine, EngineError},
};

/// How the next write fails.
#[derive(Clone, Copy)]
enum Fault {
    /// Nothing of it reaches the files.
    FullBefore,
    /// All of it does, but it is not synced.
    FullAfter,
    /// The disk refuses a write or an fsync.
    Io,
}

struct Faulty {
    inner: Box<dyn Engine>,
    fault: Arc<Mutex<Option<Fault>>>,
}

impl Engine for Faulty {
    fn write(&mut self, change: Change<'_>) -> Result<(), EngineError> {
        let fault = self.fault.lock().unwrap().take();
        match fault {
            None => self.inner.write(change),
            Some(Fault::FullBefore) => Err(EngineError::Full("no space".into())),
            Some(Fault::FullAfter) => {
                self.inner.write(change)?;
                Err(EngineError::Full("no space".into()))
            }
            Some(Fault::Io) => Err(EngineError::Failed("fsync failed".into())),
        }
    }

    fn read(&self, number: u64) -> Result<Option<Bytes>, EngineError> {
        self.inner.read(number)
    }

    fn compact(&mut self, counters: Counters) -> Result<(), EngineError> {
        self.inner.compact(counters)
    }

    fn reopen(&mut self) -> Result<(), EngineError> {
        self.inner.reopen()
    }

    fn disk(&self) -> u64 {
        self.inner.disk()
    }
}

fn put(id: u64) -> Op {
    Op::Put {
        queue: 1,
        id,
        durable: true,
        deliveries: 0,
        priority: 4,
        expires: 0,
        data: Bytes::from(vec![b'x'; 1_000]),
    }
}

fn delete(id: u64) -> Op {
    Op::Delete { queue: 1, id }
}

fn options() -> Options {
    Options::default().with_reserve_bytes(0)
}

fn open(dir: &std::path::Path) -> (DiskStore, Arc<Mutex<Option<Fault>>>) {
    let (mut store, _) = DiskStore::open(dir, options()).unwrap();
    let fault = Arc::new(Mutex::new(None));
    let closed = Box::new(Closed);
    let inner = std::mem::replace(&mut store.engine, closed);
    store.engine = Box::new(Faulty {
        inner,
        fault: Arc::clone(&fault),
    });
    (store, fault)
}

/// Stands in while the engine is wrapped.
struct Closed;

impl Engine for Closed {
    fn write(&mut self, _: Change<'_>) -> Result<(), EngineError> {
        unreachable!()
    }

    fn read(&self, _: u64) -> Result<Option<Bytes>, EngineError> {
        unreachable!()
    }

    fn compact(&mut self, _: Counters) -> Result<(), EngineError> {
        unreachable!()
    }

    fn reopen(&mut self) -> Result<(), EngineError> {
        unreachable!()
    }

    fn disk(&self) -> u64 {
        0
    }
}

fn ids(dir: &std::path::Path) -> Vec<u64> {
    let (_, recovery) = DiskStore::open(dir, options()).unwrap();
    assert_eq!(recovery.report, []);
    recovery.messages.iter().map(|message| message.id).collect()
}

#[test]
fn a_failed_write_poisons() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, fault) = open(dir.path());
    store.commit(vec![put(1)]).unwrap();
    *fault.lock().unwrap() = Some(Fault::Io);
    for _ in 0..3 {
        let error = store.commit(vec![put(2)]).unwrap_err();
        assert_eq!(error.code(), "storage-failed");
        assert!(error.to_string().contains("fsync failed"), "{error}");
    }
    assert!(matches!(store.maintain(), Err(StoreError::Poisoned { .. })));
    assert!(store.read(&[(1, 1), (1, 2)]).unwrap()[0].is_some());
    drop(store);
    assert_eq!(ids(dir.path()), [1]);
}

#[test]
fn a_full_disk_undoes_the_commit_and_goes_on() {
    for after in [Fault::FullBefore, Fault::FullAfter] {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, fault) = open(dir.path());
        store.commit(vec![put(1), put(2)]).unwrap();
        *fault.lock().unwrap() = Some(after);
        let error = store.commit(vec![put(3), delete(1)]).unwrap_err();
        assert_eq!(error.code(), "storage-full");
        let read = store.read(&[(1, 1), (1, 2), (1, 3)]).unwrap();
        assert_eq!(
            read.iter().map(Option::is_some).collect::<Vec<_>>(),
            [true, true, false]
        );
        store.commit(vec![delete(2)]).unwrap();
        store.commit(vec![put(4)]).unwrap();
        drop(store);
        assert_eq!(ids(dir.path()), [1, 4]);
    }
}

#[test]
fn a_quota_refuses_puts_only_and_space_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let options = options().with_max_bytes(50_000);
    let (mut store, _) = DiskStore::open(dir.path(), options).unwrap();
    let mut next = 0;
    let error = loop {
        match store.commit(vec![put(next), put(next + 1)]) {
            Ok(()) => next += 2,
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), "storage-full");
    assert!(error.to_string().contains("the limit is 50000"), "{error}");
    let unset = Op::Unset { key: "none".into() };
    store.commit(vec![delete(0), unset]).unwrap();
    store.commit((1..next).map(delete).collect()).unwrap();
    store.commit(vec![put(next)]).unwrap();
    assert_eq!(store.usage().messages, 1);
    drop(store);
    assert_eq!(ids(dir.path()), [next]);
}

#[test]
fn the_disk_is_not_filled_to_the_brim() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options::default().with_reserve_bytes(1 << 60);
    let (mut store, _) = DiskStore::open(dir.path(), options).unwrap();
    let error = store.commit(vec![put(1)]).unwrap_err();
    assert_eq!(error.code(), "storage-full");
    assert!(error.to_string().contains("free space"), "{error}");
    store.commit(vec![delete(1)]).unwrap();
}

#[test]
fn sparse_records_are_copied_forward() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    for batch in 0..20 {
        store
            .commit((batch * 100..batch * 100 + 100).map(put).collect())
            .unwrap();
    }
    let full = store.usage().stored;
    // Of each record one message stays.
    store
        .commit((0..2_000).filter(|id| id % 100 != 7).map(delete).collect())
        .unwrap();
    while store.maintain().unwrap() {}
    let usage = store.usage();
    assert_eq!(usage.messages, 20);
    assert!(usage.stored < full / 20, "{} of {full}", usage.stored);
    let wanted: Vec<_> = (0..20).map(|batch| (1, batch * 100 + 7)).collect();
    assert!(store.read(&wanted).unwrap().iter().all(Option::is_some));
    drop(store);
    assert_eq!(
        ids(dir.path()),
        wanted.iter().map(|(_, id)| *id).collect::<Vec<_>>()
    );
}

#[test]
fn what_was_drained_is_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    for batch in 0..200 {
        store
            .commit((batch * 1000..batch * 1000 + 1000).map(put).collect())
            .unwrap();
    }
    let full = store.usage();
    assert!(full.disk > 190 << 20, "{full:?}");
    for batch in 0..200 {
        store
            .commit((batch * 1000..batch * 1000 + 1000).map(delete).collect())
            .unwrap();
    }
    while store.maintain().unwrap() {}
    let usage = store.usage();
    assert_eq!((usage.messages, usage.stored), (0, 0));
    assert!(usage.disk < 140 << 20, "{usage:?}");
    store.compact().unwrap();
    drop(store);
    let (_, recovery) = DiskStore::open(dir.path(), options()).unwrap();
    assert_eq!((recovery.messages.len(), recovery.next_id), (0, 200_000));
}

#[test]
fn the_same_data_is_stored_once() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    let data = Bytes::from(vec![b'd'; 100_000]);
    let to = |queue| Op::Put {
        queue,
        id: 1,
        durable: true,
        deliveries: 0,
        priority: 0,
        expires: 0,
        data: data.clone(),
    };
    store.commit((0..50).map(to).collect()).unwrap();
    assert!(store.usage().stored < 110_000);
    store
        .commit((0..49).map(|queue| Op::Delete { queue, id: 1 }).collect())
        .unwrap();
    assert_eq!(store.read(&[(49, 1), (48, 1)]).unwrap(), [Some(data), None]);
}

#[test]
fn one_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, _) = DiskStore::open(dir.path(), options()).unwrap();
    let error = DiskStore::open(dir.path(), options()).unwrap_err();
    assert!(
        error.to_string().contains("in use by another process"),
        "{error}"
    );
}

#[test]
fn unknown_formats_and_other_directories_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let format = dir.path().join("format");
    std::fs::write(&format, "stompbox store format 7\n").unwrap();
    let error = DiskStore::open(dir.path(), options()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("has format 7, this program reads 1"),
        "{error}"
    );
    std::fs::remove_file(&format).unwrap();
    std::fs::write(dir.path().join("letter.txt"), "dear").unwrap();
    let error = DiskStore::open(dir.path(), options()).unwrap_err();
    assert!(
        error.to_string().contains("has letter.txt but no format"),
        "{error}"
    );
}
