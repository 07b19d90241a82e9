//! Files that are cut, and files in which a bit flipped.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use stompbox_store::{DiskStore, Op, Options, Recovery, Store as _};

const MAGIC: &[u8] = b"STOMPbx\x01";
const COMMITS: u64 = 8;

fn open(dir: &Path) -> (DiskStore, Recovery) {
    DiskStore::open(dir, Options::default().with_reserve_bytes(0)).unwrap()
}

fn data(id: u64) -> Bytes {
    // A message may hold what a record begins with.
    let mut data = MAGIC.to_vec();
    data.extend(format!(" message {id}").bytes());
    data.into()
}

fn put(id: u64) -> Op {
    Op::Put {
        queue: 5,
        id,
        durable: true,
        deliveries: 0,
        priority: 4,
        expires: 0,
        data: data(id),
    }
}

/// A store with a message a commit.
fn fill(dir: &Path) -> DiskStore {
    let (mut store, _) = open(dir);
    for id in 0..COMMITS {
        store.commit(vec![put(id)]).unwrap();
    }
    drop(store);
    // The second opening cuts the engine's journal, which is made 64 MiB long, to what is used.
    open(dir).0
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

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

fn journal(dir: &Path) -> PathBuf {
    let mut journals = files(&dir.join("engine"));
    journals.retain(|path| path.extension().is_some_and(|e| e == "jnl"));
    assert_eq!(journals.len(), 1);
    journals.remove(0)
}

/// Opens it, and gives the ids that are there and whether anything was reported. What is there is
/// whole, what is missing was reported, and the store works on.
fn survivors(dir: &Path) -> (Vec<u64>, bool) {
    let (mut store, recovery) = open(dir);
    let ids: Vec<u64> = recovery.messages.iter().map(|message| message.id).collect();
    let names: Vec<_> = ids.iter().map(|id| (5, *id)).collect();
    let read = store.read(&names).unwrap();
    for (id, read) in ids.iter().zip(read) {
        assert_eq!(read, Some(data(*id)));
    }
    let reported = !recovery.report.is_empty();
    assert!(
        reported || ids.len() as u64 == COMMITS,
        "lost without a word: {ids:?}"
    );
    store.commit(vec![put(1_000)]).unwrap();
    drop(store);
    let (_, again) = open(dir);
    assert_eq!(again.messages.len(), ids.len() + 1, "{:?}", again.report);
    (ids, reported)
}

#[test]
fn a_torn_tail_is_cut_at_every_byte() {
    let below = tempfile::tempdir().unwrap();
    let original = below.path().join("original");
    drop(fill(&original));
    let bytes = fs::read(journal(&original)).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    // The record's own magic, and the one in its message.
    let mut starts: Vec<_> = (0..end)
        .filter(|at| bytes[*at..].starts_with(MAGIC))
        .collect();
    assert_eq!(starts.len() as u64, 2 * COMMITS);
    let last = starts.split_off(starts.len() - 2)[0];
    for cut in last..end {
        let torn = below.path().join(format!("torn-{cut}"));
        copy(&original, &torn);
        let file = File::options().write(true).open(journal(&torn)).unwrap();
        file.set_len(cut as u64).unwrap();
        // As the file system leaves it: long, but without what was not written.
        file.set_len(bytes.len() as u64 + 4096).unwrap();
        let (_, recovery) = open(&torn);
        let ids: Vec<u64> = recovery.messages.iter().map(|message| message.id).collect();
        assert!(
            ids.len() as u64 >= COMMITS - 1,
            "{cut}: {ids:?} {:?}",
            recovery.report
        );
        if ids.len() as u64 == COMMITS - 1 && cut > last + MAGIC.len() {
            assert!(!recovery.report.is_empty(), "{cut} of {last}..{end}");
        }
        fs::remove_dir_all(&torn).unwrap();
    }
}

#[test]
fn a_flipped_byte_costs_one_record_of_the_journal() {
    let below = tempfile::tempdir().unwrap();
    let original = below.path().join("original");
    drop(fill(&original));
    let bytes = fs::read(journal(&original)).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let first = bytes
        .windows(MAGIC.len())
        .position(|at| at == MAGIC)
        .unwrap();
    for at in (first..end).step_by(17) {
        let flipped = below.path().join(format!("flipped-{at}"));
        copy(&original, &flipped);
        let file = File::options().write(true).open(journal(&flipped)).unwrap();
        file.write_all_at(&[bytes[at] ^ 0x10], at as u64).unwrap();
        let (ids, _) = survivors(&flipped);
        assert!(ids.len() as u64 >= COMMITS - 1, "{at}: {ids:?}");
        fs::remove_dir_all(&flipped).unwrap();
    }
}

#[test]
fn a_flipped_byte_in_any_file_of_the_engine_leaves_the_rest() {
    let below = tempfile::tempdir().unwrap();
    let original = below.path().join("original");
    let mut store = fill(&original);
    store.compact().unwrap();
    drop(store);
    for path in files(&original.join("engine")) {
        let bytes = fs::read(&path).unwrap();
        let end = bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |at| at + 1);
        for at in (0..end).step_by((end / 8).max(1)) {
            let flipped = below.path().join("flipped");
            copy(&original, &flipped);
            let file = flipped.join(path.strip_prefix(&original).unwrap());
            // Shown where it fails.
            println!("{} at {at}", file.display());
            let file = File::options().write(true).open(file).unwrap();
            file.write_all_at(&[bytes[at] ^ 0x04], at as u64).unwrap();
            let (ids, _) = survivors(&flipped);
            let name = path.display();
            assert!(ids.len() as u64 >= COMMITS - 1, "{name} at {at}: {ids:?}");
            fs::remove_dir_all(&flipped).unwrap();
        }
    }
}
