//! The program and the files of its store: damaged, full, and left in order.

#[path = "crash/client.rs"]
#[allow(dead_code, reason = "of another test's client")]
mod client;
#[path = "crash/process.rs"]
#[allow(dead_code, reason = "of another test's program")]
mod process;

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use client::Client;
use process::Broker;
use tempfile::TempDir;

struct Store {
    _below: TempDir,
    data: PathBuf,
    log: PathBuf,
}

impl Store {
    fn new() -> Self {
        let below = tempfile::tempdir().unwrap();
        Self {
            data: below.path().join("data"),
            log: below.path().join("log"),
            _below: below,
        }
    }

    fn start(&self, options: &[&str]) -> Broker {
        Broker::start(&self.data, &self.log, options)
    }

    /// What was logged since the last time.
    fn log(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap();
        File::create(&self.log).unwrap();
        text
    }
}

/// Sends persistent messages, each in a commit of its own.
fn send(port: u16, queue: &str, bodies: impl IntoIterator<Item = String>) {
    let mut client = Client::connect(port, "").unwrap();
    for body in bodies {
        send_one(&mut client, queue, &body).unwrap();
    }
}

fn send_one(client: &mut Client, queue: &str, body: &str) -> std::io::Result<()> {
    let headers = [
        ("destination", queue),
        ("persistent", "true"),
        ("receipt", "r"),
    ];
    client.put("SEND", &headers, body);
    client.flush()?;
    let frame = client.wait()?;
    assert_eq!(frame.command, "RECEIPT", "{frame:?}");
    Ok(())
}

/// Consumes all of a queue.
fn drain(port: u16, queue: &str) -> Vec<String> {
    let mut client = Client::connect(port, "").unwrap();
    client.put("SEND", &[("destination", queue)], "the end");
    let headers = [
        ("id", "0"),
        ("destination", queue),
        ("ack", "client-individual"),
    ];
    client.put("SUBSCRIBE", &headers, "");
    client.flush().unwrap();
    let (mut bodies, mut unconfirmed, mut ended) = (Vec::new(), 0, false);
    while !ended || unconfirmed > 0 {
        let frame = client.wait().unwrap();
        if frame.command == "RECEIPT" {
            unconfirmed -= 1;
            continue;
        }
        let headers = [("id", frame.header("ack")), ("receipt", "r")];
        client.put("ACK", &headers, "");
        client.flush().unwrap();
        unconfirmed += 1;
        if frame.body == "the end" {
            ended = true;
        } else {
            bodies.push(frame.body);
        }
    }
    bodies
}

fn numbers(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("message {number:03}"))
        .collect()
}

/// The engine's journals with what they hold, the last first.
fn journals(data: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found: Vec<PathBuf> = fs::read_dir(data.join("engine"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "jnl"))
        .collect();
    found.sort();
    found.reverse();
    let read = |path: PathBuf| (path.clone(), fs::read(&path).unwrap());
    found.into_iter().map(read).collect()
}

fn place(bytes: &[u8], text: &str) -> usize {
    let found = bytes
        .windows(text.len())
        .position(|it| it == text.as_bytes());
    found.unwrap_or_else(|| panic!("no {text} in the journal"))
}

/// The journal that has a text, and where.
fn find(data: &Path, text: &str) -> (PathBuf, usize) {
    let (path, bytes) = journals(data)
        .into_iter()
        .find(|(_, bytes)| String::from_utf8_lossy(bytes).contains(text))
        .unwrap_or_else(|| panic!("no journal has {text}"));
    (path, place(&bytes, text))
}

#[test]
fn all_is_there_after_a_stop_and_nothing_is_reported() {
    let store = Store::new();
    let broker = store.start(&[]);
    send(broker.port, "/queue/a", numbers(50));
    assert_eq!(broker.stop(), Some(0));
    let broker = store.start(&[]);
    assert_eq!(drain(broker.port, "/queue/a"), numbers(50));
    assert_eq!(broker.stop(), Some(0));
    let broker = store.start(&[]);
    assert!(drain(broker.port, "/queue/a").is_empty());
    drop(broker);
    let log = store.log();
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
}

#[test]
fn a_stop_writes_what_nobody_asked_a_receipt_for() {
    let store = Store::new();
    let broker = store.start(&[]);
    let mut client = Client::connect(broker.port, "").unwrap();
    let headers = [("destination", "/queue/a"), ("persistent", "true")];
    for body in numbers(900) {
        client.put("SEND", &headers, &body);
    }
    let headers = [
        ("id", "0"),
        ("destination", "/queue/a"),
        ("ack", "client-individual"),
        ("prefetch-count", "0"),
    ];
    client.put("SUBSCRIBE", &headers, "");
    client.flush().unwrap();
    for number in 0..900 {
        let frame = client.wait().unwrap();
        if number % 3 == 0 {
            client.put("ACK", &[("id", frame.header("ack"))], "");
        }
    }
    // When this is answered the broker has seen all of it, and perhaps stored none.
    let headers = [("destination", "/topic/x"), ("receipt", "r")];
    client.put("SEND", &headers, "");
    client.flush().unwrap();
    assert_eq!(client.wait().unwrap().command, "RECEIPT");
    assert_eq!(broker.stop(), Some(0));
    let broker = store.start(&[]);
    let mut expected = numbers(900);
    let mut number = 0;
    expected.retain(|_| {
        number += 1;
        (number - 1) % 3 != 0
    });
    assert_eq!(drain(broker.port, "/queue/a"), expected);
}

#[test]
fn a_flipped_bit_costs_its_record_alone_and_is_reported() {
    let store = Store::new();
    let broker = store.start(&[]);
    send(broker.port, "/queue/a", numbers(20));
    broker.kill();
    let (path, at) = find(&store.data, "message 007");
    let file = File::options().read(true).write(true).open(&path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at as u64).unwrap();
    file.write_all_at(&[byte[0] ^ 4], at as u64).unwrap();
    drop(file);
    store.log();
    let broker = store.start(&[]);
    let log = store.log();
    assert!(log.contains("WARN") && log.contains("damaged"), "{log}");
    let mut expected = numbers(20);
    expected.remove(7);
    assert_eq!(drain(broker.port, "/queue/a"), expected);
    // It is said once, and what comes later is kept.
    send(broker.port, "/queue/a", numbers(3));
    broker.kill();
    store.log();
    let broker = store.start(&[]);
    let log = store.log();
    assert!(!log.contains("WARN"), "{log}");
    assert_eq!(drain(broker.port, "/queue/a"), numbers(3));
}

#[test]
fn a_torn_tail_is_cut_and_reported() {
    let store = Store::new();
    let broker = store.start(&[]);
    send(broker.port, "/queue/a", numbers(20));
    broker.kill();
    let (path, at) = find(&store.data, "message 019");
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(at as u64 + 5).unwrap();
    drop(file);
    store.log();
    let broker = store.start(&[]);
    let log = store.log();
    assert!(log.contains("WARN") && log.contains("cut"), "{log}");
    assert_eq!(drain(broker.port, "/queue/a"), numbers(19));
    send(broker.port, "/queue/a", numbers(3));
    broker.kill();
    let broker = store.start(&[]);
    assert_eq!(drain(broker.port, "/queue/a"), numbers(3));
}

#[test]
fn a_full_store_refuses_producers_and_lets_consumers_drain() {
    let store = Store::new();
    let options = ["--limit", "max_store=1MiB"];
    let broker = store.start(&options);
    let port = broker.port;
    let body = "x".repeat(40_000);
    let mut producer = Client::connect(port, "").unwrap();
    let mut sent = 0;
    let error = loop {
        match send_one(&mut producer, "/queue/a", &format!("{sent} {body}")) {
            Ok(()) => sent += 1,
            Err(error) => break error.to_string(),
        }
        assert!(sent < 100, "nothing is refused");
    };
    assert!(error.contains("storage-full"), "{error}");
    assert!(sent > 10, "{sent}");
    // What is transient needs no store.
    let mut other = Client::connect(port, "").unwrap();
    let headers = [("destination", "/queue/t"), ("receipt", "r")];
    other.put("SEND", &headers, "transient");
    other.flush().unwrap();
    assert_eq!(other.wait().unwrap().command, "RECEIPT");
    // It is full after a start too, with all that has its receipt.
    broker.kill();
    let broker = store.start(&options);
    let mut producer = Client::connect(broker.port, "").unwrap();
    let error = send_one(&mut producer, "/queue/a", &body).unwrap_err();
    assert!(error.to_string().contains("storage-full"), "{error}");
    let expected: Vec<String> = (0..sent).map(|number| format!("{number} {body}")).collect();
    assert!(drain(broker.port, "/queue/a") == expected, "of {sent}");
    // A moment later there is room again.
    let mut tries = 0;
    while let Err(error) = {
        let mut producer = Client::connect(broker.port, "").unwrap();
        send_one(&mut producer, "/queue/a", "again")
    } {
        assert!(error.to_string().contains("storage-full"), "{error}");
        tries += 1;
        assert!(tries < 100, "it stays full");
        thread::sleep(std::time::Duration::from_millis(50));
    }
    broker.kill();
    let broker = store.start(&options);
    assert_eq!(drain(broker.port, "/queue/a"), ["again"]);
    let log = store.log();
    assert!(!log.contains("ERROR"), "{log}");
}

/// Producers that try again and again, while a consumer with receipts drains the queue.
#[test]
fn a_consumer_is_never_told_that_the_store_is_full() {
    let store = Store::new();
    let options = ["--limit", "max_store=256KiB"];
    let broker = store.start(&options);
    let port = broker.port;
    let body = "x".repeat(2_000);
    let refused = Arc::new(AtomicUsize::new(0));
    let stored = Arc::new(AtomicUsize::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let producers: Vec<_> = (0..3)
        .map(|_| {
            let (body, stop) = (body.clone(), Arc::clone(&stop));
            let (stored, refused) = (Arc::clone(&stored), Arc::clone(&refused));
            thread::spawn(move || {
                let mut client = Client::connect(port, "").unwrap();
                while !stop.load(Ordering::Relaxed) {
                    match send_one(&mut client, "/queue/a", &body) {
                        Ok(()) => {
                            stored.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => {
                            assert!(error.to_string().contains("storage-full"), "{error}");
                            refused.fetch_add(1, Ordering::Relaxed);
                            client = Client::connect(port, "").unwrap();
                        }
                    }
                }
            })
        })
        .collect();
    while refused.load(Ordering::Relaxed) == 0 {
        thread::yield_now();
    }
    let mut consumer = Client::connect(port, "").unwrap();
    let headers = [
        ("id", "0"),
        ("destination", "/queue/a"),
        ("ack", "client-individual"),
        ("prefetch-count", "10"),
    ];
    consumer.put("SUBSCRIBE", &headers, "");
    consumer.flush().unwrap();
    let (mut consumed, mut confirmed) = (0, 0);
    let before = stored.load(Ordering::Relaxed);
    // All that was there at first, and much that found room later.
    while consumed < before + 300 || confirmed < consumed {
        let frame = consumer.wait().unwrap();
        if frame.command == "RECEIPT" {
            confirmed += 1;
            continue;
        }
        if consumed < before + 300 {
            let headers = [("id", frame.header("ack")), ("receipt", "r")];
            consumer.put("ACK", &headers, "");
            consumer.flush().unwrap();
            consumed += 1;
        }
    }
    stop.store(true, Ordering::Relaxed);
    for producer in producers {
        producer.join().unwrap();
    }
    drop(consumer);
    broker.kill();
    let broker = store.start(&options);
    let left = drain(broker.port, "/queue/a").len();
    // One that was handed out at once may be refused all the same.
    let stored = stored.load(Ordering::Relaxed);
    assert!(left + consumed >= stored, "{left} {consumed} {stored}");
}
