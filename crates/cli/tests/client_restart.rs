//! The client while its broker is killed and started again under load: every message is accounted
//! for.
//!
//! The broker is the program itself, with SIGKILL. `STOMPBOX_TEST_RESTART` names another: its URL,
//! a blank, and a shell command that kills it, starts it again with what it has on disk, and ends
//! once it listens. There `guest` may log in with the passcode `guest`; of the other broker no promise about
//! acknowledgements is checked, only that nothing is lost that has its receipt.

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::TcpListener,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use common::Serve;
use futures_util::{FutureExt as _, StreamExt as _};
use stompbox::{
    AckMode, Client, ConnectOptions, HeartBeat, InFlight, Message, ReceiptError, Reconnect,
    TransactionError,
};
use tokio::time::timeout;

const KILLS: u64 = 5;
/// Receipts between two kills.
const BETWEEN: u64 = 1500;
const PRODUCERS: u64 = 3;
/// Messages of a producer under way at a time.
const WINDOW: usize = 200;
/// Messages that are acknowledged in one transaction.
const BATCH: usize = 20;
/// To end a hang.
const LIMIT: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_known_and_the_rest_arrives_once() {
    own(InFlight::Fail).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_retried_arrives_all_and_only_that_more_than_once() {
    own(InFlight::Retry).await;
}

async fn own(in_flight: InFlight) {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let addresses = [free(), free()];
    let broker = Arc::new(Mutex::new(Some(serve(&data, &addresses))));
    let kill = || {
        // Dropped, it is killed by SIGKILL.
        let mut broker = broker.lock().unwrap();
        *broker = None;
        *broker = Some(serve(&data, &addresses));
    };
    let [stomp, http] = &addresses;
    let urls = [format!("stomp://{stomp}"), format!("ws://{http}/stomp")];
    run(&urls, in_flight, true, kill).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_with_another_broker() {
    let Ok(other) = std::env::var("STOMPBOX_TEST_RESTART") else {
        println!("skipped: STOMPBOX_TEST_RESTART names no broker");
        return;
    };
    let (url, command) = other.split_once(' ').expect("a URL, a blank, a command");
    for in_flight in [InFlight::Fail, InFlight::Retry] {
        let kill = || {
            let status = std::process::Command::new("sh")
                .args(["-c", command])
                .status();
            assert!(status.unwrap().success(), "{command}");
        };
        run(&[url.into(), url.into()], in_flight, false, kill).await;
    }
}

/// A free port of those that no outgoing connection gets: while the broker is down, a client that
/// tries to connect could otherwise be given just that one.
fn free() -> String {
    let seed = std::process::id() as u16;
    let ports = (0..10_000).map(|n: u16| 12_000 + (seed.wrapping_mul(31).wrapping_add(n)) % 20_000);
    // Two tests at a time must not try the same.
    static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut taken = TAKEN.lock().unwrap();
    let mut ports = ports.filter(|port| !taken.contains(port));
    let port = ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    let port = port.expect("a free port");
    taken.insert(port);
    format!("127.0.0.1:{port}")
}

fn serve(data: &Path, [stomp, http]: &[String; 2]) -> Serve {
    Serve::at([stomp, http], &["--data", data.to_str().unwrap()])
}

async fn connect(url: &str, in_flight: InFlight) -> Client {
    let options = ConnectOptions::new(url)
        .login("guest")
        .passcode("guest")
        .host("/")
        // RabbitMQ's WebSocket does not bear those of the client: docs/rust/guide.md.
        .heart_beat(HeartBeat::new(0, 10_000))
        .in_flight(in_flight)
        .request_timeout(LIMIT)
        .receipt_timeout(LIMIT)
        .reconnect(
            Reconnect::default()
                .shortest(Duration::from_millis(20))
                .longest(Duration::from_millis(100))
                // A broker that has just started may not be ready for logins.
                .after_refusal(true),
        );
    timeout(LIMIT, options.connect()).await.unwrap().unwrap()
}

/// What is known of the messages, by number.
#[derive(Default)]
struct Ledger {
    sent: BTreeSet<u64>,
    /// Those whose receipt has come.
    receipted: BTreeSet<u64>,
    /// Those of which the client said that it can't know, or that they were under way at a kill.
    uncertain: BTreeSet<u64>,
    /// How often each was taken.
    taken: BTreeMap<u64, u64>,
    /// How often the receipt of the commit in which it was acknowledged came.
    acknowledged: BTreeMap<u64, u64>,
    /// Those whose commit may have happened.
    maybe_acknowledged: BTreeSet<u64>,
}

#[derive(Default)]
struct Run {
    ledger: Mutex<Ledger>,
    receipts: AtomicU64,
    is_over: AtomicBool,
}

async fn run(urls: &[String; 2], in_flight: InFlight, is_own: bool, kill: impl Fn()) {
    let run = Arc::new(Run::default());
    let queue = format!("/queue/restart-{}-{in_flight:?}", std::process::id());
    let mut producers = Vec::new();
    for producer in 0..PRODUCERS {
        let client = connect(&urls[0], in_flight).await;
        let numbers = (producer..).step_by(PRODUCERS as usize);
        producers.push(tokio::spawn(produce(
            client,
            queue.clone(),
            Arc::clone(&run),
            numbers,
            in_flight,
        )));
    }
    let client = connect(&urls[1], in_flight).await;
    let consumer = tokio::spawn(consume(client, queue.clone(), Arc::clone(&run)));
    for kill_number in 1..=KILLS {
        let progress = async {
            while run.receipts.load(Ordering::SeqCst) < kill_number * BETWEEN {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(LIMIT, progress).await.expect("receipts");
        tokio::task::block_in_place(&kill);
    }
    let last = run.receipts.load(Ordering::SeqCst) + BETWEEN;
    while run.receipts.load(Ordering::SeqCst) < last {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    run.is_over.store(true, Ordering::SeqCst);
    for producer in producers {
        timeout(LIMIT, producer).await.expect("an end").unwrap();
    }
    timeout(LIMIT, consumer).await.expect("an end").unwrap();
    let left = drain(&urls[0], &queue).await;
    check(&run.ledger.lock().unwrap(), &left, in_flight, is_own);
}

/// Sends numbered messages, a window of them at a time, until it is over.
async fn produce(
    client: Client,
    queue: String,
    run: Arc<Run>,
    mut numbers: impl Iterator<Item = u64> + Send,
    in_flight: InFlight,
) {
    while !run.is_over.load(Ordering::SeqCst) {
        let mut window = Vec::with_capacity(WINDOW);
        for number in numbers.by_ref().take(WINDOW) {
            run.ledger.lock().unwrap().sent.insert(number);
            let send = client.send(&queue).persistent().body(number.to_string());
            window.push((number, send.pending_receipt().await.unwrap()));
        }
        for (number, receipt) in window {
            let outcome = receipt.wait().await;
            let mut ledger = run.ledger.lock().unwrap();
            match outcome {
                Ok(()) => {
                    ledger.receipted.insert(number);
                    run.receipts.fetch_add(1, Ordering::SeqCst);
                }
                Err(ReceiptError::ConnectionLost(_)) if in_flight == InFlight::Fail => {
                    ledger.uncertain.insert(number);
                }
                Err(error) => panic!("message {number}: {error:?}"),
            }
        }
    }
    client.disconnect().await.unwrap();
}

/// Takes messages, and acknowledges them in transactions, until all that have a receipt have come.
async fn consume(client: Client, queue: String, run: Arc<Run>) {
    let subscribe = client.subscribe(&queue).ack(AckMode::ClientIndividual);
    let mut messages = subscribe.await.unwrap();
    loop {
        let first = tokio::select! {
            message = messages.next() => message.expect("no end").expect("no end"),
            () = tokio::time::sleep(Duration::from_millis(50)) => {
                let ledger = run.ledger.lock().unwrap();
                let is_over = run.is_over.load(Ordering::SeqCst);
                if is_over && ledger.receipted.iter().all(|n| ledger.taken.contains_key(n)) {
                    break;
                }
                continue;
            }
        };
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Some(Some(Ok(message))) = messages.next().now_or_never()
        {
            batch.push(message);
        }
        let numbers: Vec<_> = batch.iter().map(number).collect();
        {
            let mut ledger = run.ledger.lock().unwrap();
            for number in &numbers {
                *ledger.taken.entry(*number).or_default() += 1;
            }
        }
        let outcome = acknowledge(&client, &batch).await;
        let mut ledger = run.ledger.lock().unwrap();
        match outcome {
            Outcome::Done => {
                for number in numbers {
                    *ledger.acknowledged.entry(number).or_default() += 1;
                }
            }
            Outcome::Unknown => ledger.maybe_acknowledged.extend(numbers),
            Outcome::Nothing => {}
        }
    }
    drop(messages);
    client.disconnect().await.unwrap();
}

enum Outcome {
    Done,
    Unknown,
    Nothing,
}

async fn acknowledge(client: &Client, batch: &[Message]) -> Outcome {
    let Ok(transaction) = client.begin().await else {
        return Outcome::Nothing;
    };
    for message in batch {
        // Lost with its connection, all of them are.
        if message.ack_in(&transaction).await.is_err() {
            return Outcome::Nothing;
        }
    }
    match transaction.commit_receipt().await {
        Ok(()) => Outcome::Done,
        Err(TransactionError::Unknown(_)) => Outcome::Unknown,
        Err(_) => Outcome::Nothing,
    }
}

fn number(message: &Message) -> u64 {
    message.text().unwrap().parse().unwrap()
}

/// What is still in the queue, up to a message that is sent to its end.
async fn drain(url: &str, queue: &str) -> Vec<u64> {
    let client = connect(url, InFlight::Fail).await;
    let end = client.send(queue).persistent().body("end");
    end.receipt().await.unwrap();
    let subscribe = client.subscribe(queue).ack(AckMode::ClientIndividual);
    let mut messages = subscribe.await.unwrap();
    let mut left = Vec::new();
    loop {
        let message = timeout(LIMIT, messages.next()).await.expect("the end");
        let message = message.unwrap().unwrap();
        message.ack().await.unwrap();
        if message.text() == Some("end") {
            break;
        }
        left.push(number(&message));
    }
    drop(messages);
    client.disconnect().await.unwrap();
    left
}

fn check(ledger: &Ledger, left: &[u64], in_flight: InFlight, is_own: bool) {
    let Ledger {
        sent,
        receipted,
        uncertain,
        taken,
        acknowledged,
        maybe_acknowledged,
    } = ledger;
    let again = taken.values().filter(|times| **times > 1).count();
    println!(
        "{in_flight:?}: {} sent, {} with receipts, {} uncertain; {} taken, {again} of them again, {} left",
        sent.len(),
        receipted.len(),
        uncertain.len(),
        taken.len(),
        left.len()
    );
    let both = receipted.len() + uncertain.len();
    assert_eq!(both, sent.len(), "each message has one outcome");
    for number in taken.keys().chain(left) {
        assert!(sent.contains(number), "{number} was never sent");
    }
    for number in receipted {
        assert!(taken.contains_key(number), "{number} is lost");
        let is_accounted_for = acknowledged.contains_key(number)
            || maybe_acknowledged.contains(number)
            || left.contains(number);
        assert!(
            is_accounted_for,
            "{number} was taken, and did not come back"
        );
    }
    if !is_own {
        return;
    }
    let acknowledged_again = |number| {
        let here = left.iter().filter(|left| *left == number).count() as u64;
        acknowledged.get(number).copied().unwrap_or(0) + here
    };
    match in_flight {
        // What the broker has said to be acknowledged never comes again.
        InFlight::Fail => {
            for number in sent {
                assert!(acknowledged_again(number) <= 1, "{number} came again");
            }
        }
        // But a copy that was sent again does, once for each loss at most, and only of those that
        // were under way: a window of each producer.
        _ => {
            assert!(uncertain.is_empty());
            let twice = sent.iter().filter(|n| acknowledged_again(n) > 1);
            let most = KILLS * PRODUCERS * WINDOW as u64;
            assert!(twice.count() as u64 <= most, "more than were under way");
        }
    }
}
