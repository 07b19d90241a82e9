//! A store that format 1 left behind.

use std::{fs, path::Path};

use bytes::Bytes;
use stompbox_store::{DiskStore, Op, Options, Recovered, Store as _};

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/format-1");

fn open(dir: &Path) -> (DiskStore, stompbox_store::Recovery) {
    DiskStore::open(dir, Options::default().with_reserve_bytes(0)).unwrap()
}

fn put(queue: u64, id: u64, durable: bool) -> Op {
    Op::Put {
        queue,
        id,
        durable,
        deliveries: 1,
        priority: 9,
        expires: 1_700_000_000_000,
        data: Bytes::from(format!("message {id} of queue {queue}")),
    }
}

/// How the fixture was made; a new format gets a new one, and this one stays.
#[test]
#[ignore = "it writes the fixture"]
fn write_the_fixture() {
    let dir = Path::new(FIXTURE);
    let (mut store, _) = open(dir);
    store
        .commit((1..=5).map(|id| put(7, id, true)).collect())
        .unwrap();
    let set = |key: &str, value: &'static str| Op::Set {
        key: key.into(),
        value: Bytes::from_static(value.as_bytes()),
    };
    store
        .commit(vec![set("queue/7", "orders"), set("queue/8", "gone")])
        .unwrap();
    // Part of it in tables, part of it in the journal.
    store.compact().unwrap();
    store
        .commit(vec![
            put(8, 6, true),
            put(8, 7, false),
            Op::Delete { queue: 7, id: 2 },
            Op::Delivered {
                queue: 7,
                id: 3,
                deliveries: 4,
            },
            Op::Unset {
                key: "queue/8".into(),
            },
        ])
        .unwrap();
    drop(store);
    // So that the journal is as long as what is in it.
    drop(open(dir));
}

#[test]
fn format_1_is_read() {
    let below = tempfile::tempdir().unwrap();
    let dir = below.path().join("store");
    copy(Path::new(FIXTURE), &dir);
    let (mut store, recovery) = open(&dir);
    assert_eq!(recovery.report, []);
    let message = |queue, id, deliveries| Recovered {
        queue,
        id,
        expires: 1_700_000_000_000,
        deliveries,
        size: 20,
        priority: 9,
    };
    let expected = [
        message(7, 1, 1),
        message(7, 3, 4),
        message(7, 4, 1),
        message(7, 5, 1),
        message(8, 6, 1),
    ];
    assert_eq!(recovery.messages, expected);
    let definitions = vec![("queue/7".into(), Bytes::from_static(b"orders"))];
    assert_eq!(recovery.definitions, definitions);
    assert_eq!(recovery.next_id, 8);
    let read = store.read(&[(8, 6), (7, 2), (7, 1)]).unwrap();
    let data = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
    let expected = [
        data("message 6 of queue 8"),
        None,
        data("message 1 of queue 7"),
    ];
    assert_eq!(read, expected);
    store.commit(vec![put(7, 8, true)]).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
