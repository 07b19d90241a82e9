//! `stompbox store` on real directories.

use std::{fs, path::Path, process::Command};

use bytes::Bytes;
use stompbox_store::{DiskStore, Op, Options, Store as _};

/// Exit code, standard output and standard error.
fn store(args: &[&str], dirs: &[&Path]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_stompbox"))
        .arg("store")
        .args(args)
        .args(dirs)
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

fn open(dir: &Path) -> (DiskStore, stompbox_store::Recovery) {
    DiskStore::open(dir, Options::default()).unwrap()
}

fn fill(dir: &Path) {
    let (mut store, _) = open(dir);
    let put = |id| Op::Put {
        queue: 3,
        id,
        durable: true,
        deliveries: 2,
        priority: 7,
        expires: 99,
        data: Bytes::from(format!("message {id}")),
    };
    for id in 10..40 {
        store.commit(vec![put(id)]).unwrap();
    }
    let set = Op::Set {
        key: "queue/3".into(),
        value: Bytes::from_static(b"/queue/orders"),
    };
    store
        .commit(vec![set, Op::Delete { queue: 3, id: 39 }])
        .unwrap();
}

#[test]
fn a_backup_is_restored_as_it_was() {
    let below = tempfile::tempdir().unwrap();
    let path = |name: &str| below.path().join(name);
    fill(&path("data"));
    let (code, out, errors) = store(&["check"], &[&path("data")]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert!(
        out.starts_with("definitions  1\nmessages     29\nbytes        290\n"),
        "{out}"
    );
    let (code, out, errors) = store(&["backup"], &[&path("data"), &path("backup")]);
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("messages     29\n"), "{out}");
    let (code, _, errors) = store(&["backup"], &[&path("data"), &path("backup")]);
    assert_eq!(code, Some(1));
    assert!(errors.contains("is not empty"), "{errors}");
    fs::create_dir(path("new")).unwrap();
    let (code, _, errors) = store(&["restore"], &[&path("backup"), &path("new")]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let (code, _, errors) = store(&["compact"], &[&path("new")]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let (mut old, before) = open(&path("data"));
    let (mut new, after) = open(&path("new"));
    assert_eq!(after.messages, before.messages);
    assert_eq!(after.definitions, before.definitions);
    assert_eq!((after.next_id, after.report.len()), (40, 0));
    let names: Vec<_> = after.messages.iter().map(|m| (m.queue, m.id)).collect();
    assert_eq!(new.read(&names).unwrap(), old.read(&names).unwrap());
}

#[test]
fn damage_is_named_and_the_rest_is_there() {
    let below = tempfile::tempdir().unwrap();
    let dir = below.path().join("data");
    fill(&dir);
    let journal = dir.join("engine/0.jnl");
    let mut bytes = fs::read(&journal).unwrap();
    let at = bytes
        .windows(10)
        .position(|at| at == b"message 20")
        .unwrap();
    bytes[at] ^= 1;
    fs::write(&journal, bytes).unwrap();
    let (code, out, errors) = store(&["check"], &[&dir]);
    assert_eq!(code, Some(1), "{errors}");
    assert!(out.contains("messages     28\n"), "{out}");
    assert!(errors.contains("0.jnl at byte"), "{errors}");
    assert!(errors.contains("its checksum is wrong"), "{errors}");
    assert!(errors.contains("things were damaged"), "{errors}");
    let (code, out, errors) = store(&["check"], &[&dir]);
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{out}");
}

#[test]
fn what_is_no_store_is_left_alone() {
    let below = tempfile::tempdir().unwrap();
    let dir = below.path().join("none");
    for verb in ["check", "compact"] {
        let (code, _, errors) = store(&[verb], &[&dir]);
        assert_eq!(code, Some(1));
        assert!(errors.contains("is not a store"), "{errors}");
        assert!(!dir.exists());
    }
    fill(&dir);
    let (_held, _) = open(&dir);
    let (code, _, errors) = store(&["check"], &[&dir]);
    assert_eq!(code, Some(1));
    assert!(errors.contains("in use by another process"), "{errors}");
    assert_eq!(store(&["check"], &[]).0, Some(1));
}
