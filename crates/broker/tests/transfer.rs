//! Purges, moves and replays: whole, in turns, and never in two places or none.

mod common;

use std::collections::BTreeMap;

use common::{Fault, World};
use stompbox_broker::{Broker, BrokerError, Config, Event, Progress, Transfer};
use stompbox_store::Op;

const PERSISTENT: (&str, &str) = ("persistent", "true");
const INDIVIDUAL: (&str, &str) = ("ack", "client-individual");

/// Goes on until all is done; what is only on disk is read meanwhile.
fn finish(w: &mut World, mut transfer: Transfer) -> Result<Transfer, (u64, BrokerError)> {
    for _ in 0..100_000 {
        match w.broker.transfer(&mut transfer, w.now) {
            Ok(Progress::Done) => return Ok(transfer),
            Ok(_) => w.settle(),
            Err(error) => return Err((transfer.done(), error)),
        }
        w.broker.audit().expect("good books");
    }
    panic!("it does not end");
}

fn relocate(w: &mut World, from: &str, to: &str) -> Result<Transfer, (u64, BrokerError)> {
    let transfer = Transfer::move_to(&mut w.broker, from, to).map_err(|it| (0, it))?;
    let transfer = finish(w, transfer);
    w.settle();
    transfer
}

fn purge(w: &mut World, from: &str, selector: &str) -> u64 {
    let transfer = Transfer::drop_from(&mut w.broker, from).expect("a queue");
    let transfer = transfer
        .select(&mut w.broker, selector)
        .expect("a selector");
    let transfer = finish(w, transfer).expect("it works");
    w.settle();
    transfer.done()
}

fn depth(broker: &Broker, name: &str) -> u64 {
    broker.destination(name).map_or(0, |it| it.info.depth)
}

fn bodies(w: &mut World, name: &str) -> Vec<String> {
    let client = w.client();
    w.subscribe(client, "all", name, &[]);
    w.bodies(client)
}

#[test]
fn a_move_is_one_record_of_the_store() {
    let mut w = World::stored(Config::default());
    let a = w.client();
    for body in ["1", "2", "3"] {
        w.send(a, "/queue/a", &[PERSISTENT, ("priority", body)], body);
    }
    w.flush();
    let before = w.batches.len();
    w.held = true;
    relocate(&mut w, "/queue/a", "/queue/b").expect("it works");
    let settlement = w.broker.settlement();
    assert_eq!(w.broker.is_settled(settlement), Ok(false));
    w.flush();
    assert_eq!(w.broker.is_settled(settlement), Ok(true));
    let [batch] = &w.batches[before..] else {
        panic!("{:?}", w.batches);
    };
    let puts = batch
        .iter()
        .filter(|op| matches!(op, Op::Put { .. }))
        .count();
    let deletes = batch
        .iter()
        .filter(|op| matches!(op, Op::Delete { .. }))
        .count();
    assert_eq!((puts, deletes), (3, 3));
    w.restart();
    assert_eq!(bodies(&mut w, "/queue/a"), [""; 0]);
    assert_eq!(bodies(&mut w, "/queue/b"), ["3", "2", "1"]);
}

#[test]
fn a_move_that_a_crash_cuts_short_never_was() {
    let mut w = World::stored(Config::default());
    let a = w.client();
    for body in ["1", "2", "3"] {
        w.send(a, "/queue/a", &[PERSISTENT], body);
    }
    w.flush();
    w.held = true;
    relocate(&mut w, "/queue/a", "/queue/b").expect("it works");
    w.restart();
    assert_eq!(bodies(&mut w, "/queue/a"), ["1", "2", "3"]);
    assert_eq!(bodies(&mut w, "/queue/b"), [""; 0]);
}

#[test]
fn a_full_store_ends_a_move_and_loses_nothing() {
    let mut w = World::stored(Config::default());
    let a = w.client();
    for body in 0..600 {
        w.send(a, "/queue/a", &[PERSISTENT], &format!("{body:03}"));
    }
    w.flush();
    w.fault = Some(Fault::Full);
    let mut transfer = Transfer::move_to(&mut w.broker, "/queue/a", "/queue/b").expect("queues");
    assert_eq!(w.broker.transfer(&mut transfer, w.now), Ok(Progress::More));
    w.advance(10);
    let error = w
        .broker
        .transfer(&mut transfer, w.now)
        .expect_err("no room");
    assert_eq!(error.code(), "storage-full");
    let moved = transfer.done();
    assert!(moved > 0 && moved < 600);
    w.broker.audit().expect("good books");
    // On disk they are still where they were.
    let check = |w: &mut World| {
        let mut all = bodies(w, "/queue/a");
        all.extend(bodies(w, "/queue/b"));
        all.sort();
        let expected: Vec<_> = (0..600).map(|it| format!("{it:03}")).collect();
        assert_eq!(all, expected);
    };
    w.fault = None;
    w.advance(2000);
    assert_eq!(depth(&w.broker, "/queue/b"), moved);
    w.restart();
    assert_eq!(depth(&w.broker, "/queue/b"), moved);
    check(&mut w);
}

#[test]
fn what_is_only_on_disk_is_moved_too() {
    for to in ["/queue/b", "/queue/a"] {
        let mut w = World::stored(Config {
            max_memory: 1_000_000,
            ..Config::default()
        });
        let a = w.client();
        for at in 0..3000_u32 {
            let kind = if at % 2 == 0 { "even" } else { "odd" };
            w.send(
                a,
                "/queue/a",
                &[PERSISTENT, ("kind", kind)],
                &format!("{at:>400}"),
            );
        }
        w.advance(100);
        if to == "/queue/b" {
            let transfer = Transfer::move_to(&mut w.broker, "/queue/a", to).expect("queues");
            let transfer = transfer
                .select(&mut w.broker, "kind = 'odd'")
                .expect("a selector");
            let transfer = finish(&mut w, transfer).expect("it works");
            assert_eq!(transfer.done(), 1500);
            w.advance(100);
            let got: Vec<u32> = bodies(&mut w, "/queue/b")
                .iter()
                .map(|it| it.trim().parse().expect("a number"))
                .collect();
            assert_eq!(got, (0..3000).filter(|it| it % 2 == 1).collect::<Vec<_>>());
        } else {
            assert_eq!(purge(&mut w, "/queue/a", "kind = 'odd'"), 1500);
            assert_eq!(depth(&w.broker, "/queue/a"), 1500);
            assert_eq!(purge(&mut w, "/queue/a", ""), 1500);
        }
        assert!(w.broker.memory() < 1_000_000);
        w.advance(100);
        w.restart();
        let left = if to == "/queue/b" { 1500 } else { 0 };
        assert_eq!(depth(&w.broker, "/queue/a"), left);
    }
}

#[test]
fn what_comes_while_it_goes_on_is_left_alone() {
    let mut w = World::new();
    let a = w.client();
    for at in 0..300 {
        w.send(a, "/queue/a", &[], &at.to_string());
    }
    let mut transfer = Transfer::drop_from(&mut w.broker, "/queue/a").expect("a queue");
    assert_eq!(w.broker.transfer(&mut transfer, w.now), Ok(Progress::More));
    w.send(a, "/queue/a", &[], "new");
    let transfer = finish(&mut w, transfer).expect("it works");
    assert_eq!(transfer.done(), 300);
    assert_eq!(bodies(&mut w, "/queue/a"), ["new"]);
}

#[test]
fn a_queue_that_goes_meanwhile_ends_it() {
    let mut w = World::new();
    let a = w.client();
    for at in 0..300 {
        w.send(a, "/queue/a", &[], &at.to_string());
    }
    let mut transfer = Transfer::drop_from(&mut w.broker, "/queue/a").expect("a queue");
    assert_eq!(w.broker.transfer(&mut transfer, w.now), Ok(Progress::More));
    w.broker
        .remove_destination("/queue/a", false, w.now)
        .expect("nobody uses it");
    w.send(a, "/queue/a", &[], "of another queue");
    assert_eq!(w.broker.transfer(&mut transfer, w.now), Ok(Progress::Done));
    assert_eq!(bodies(&mut w, "/queue/a"), ["of another queue"]);
}

#[test]
fn a_stream_can_be_emptied_and_not_moved() {
    let mut w = World::stored(Config::default());
    let a = w.client();
    for at in 0..5 {
        w.send(
            a,
            "/queue/s",
            &[PERSISTENT, ("x-queue-type", "stream")],
            &at.to_string(),
        );
    }
    let (_, error) = relocate(&mut w, "/queue/s", "/queue/b").expect_err("a stream");
    assert_eq!(error.code(), "invalid-destination");
    let transfer = Transfer::drop_from(&mut w.broker, "/queue/s").expect("a queue");
    let transfer = finish(&mut w, transfer.at_most(3)).expect("it works");
    assert_eq!(transfer.done(), 3);
    w.advance(100);
    w.restart();
    assert_eq!(depth(&w.broker, "/queue/s"), 2);
}

#[test]
fn a_durable_subscription_gets_its_own_letters_again() {
    let mut w = World::stored(Config::default());
    let (a, b) = (w.user("ann"), w.user("bob"));
    for client in [a, b] {
        w.subscribe(client, "s", "/topic/t", &[("durable", "true"), INDIVIDUAL]);
    }
    w.send(a, "/topic/t", &[PERSISTENT], "x");
    let got = w.one(a);
    w.nack(a, &got, &[("requeue", "false")]);
    assert_eq!(w.bodies(b), ["x"]);
    let letters = w.broker.destination("/queue/DLQ.ann.s").expect("letters");
    assert_eq!(letters.info.depth, 1);
    let replay = Transfer::replay(&mut w.broker, "/queue/DLQ.ann.s", None).expect("a queue");
    let replay = finish(&mut w, replay).expect("it works");
    assert_eq!((replay.done(), replay.skipped_count()), (1, 0));
    w.settle();
    let got = w.one(a);
    assert_eq!(got.destination(), "/topic/t");
    assert_eq!(w.bodies(b), [""; 0]);
}

#[test]
fn events_say_what_happened() {
    let mut w = World::new();
    let a = w.client();
    w.send(a, "/queue/a", &[], "");
    w.subscribe(a, "s", "/queue/a", &[]);
    let mut kinds = BTreeMap::new();
    while let Some(event) = w.broker.poll_event() {
        let kind = match event {
            Event::Created { .. } => "created",
            Event::Subscribed { .. } => "subscribed",
            _ => "other",
        };
        *kinds.entry(kind).or_insert(0) += 1;
    }
    assert_eq!(kinds, BTreeMap::from([("created", 1), ("subscribed", 1)]));
    assert!(!w.broker.has_events());
    // Nobody looks: they take no more room than so much.
    for at in 0..3000 {
        w.send(a, &format!("/queue/{at}"), &[], "");
    }
    let mut events = Vec::new();
    while let Some(event) = w.broker.poll_event() {
        events.push(event);
    }
    assert_eq!(events.len(), 1025);
    assert_eq!(events.last(), Some(&Event::Missed { count: 3000 - 1024 }));
}

/// A small generator, so that a failure comes again.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit
    }
}

/// Persistent messages are moved about, replayed, refused, and the broker is killed at any time: each
/// is in one place all the while.
#[test]
fn nothing_is_lost_or_doubled_whatever_is_moved() {
    const QUEUES: [&str; 3] = ["/queue/a", "/queue/b", "/queue/DLQ.a"];
    for seed in 0..60 {
        let mut random = Random(seed);
        let mut w = World::stored(Config {
            max_memory: if seed % 2 == 0 { 200_000 } else { 50_000_000 },
            ..Config::default()
        });
        let mut client = w.client();
        let mut sent = Vec::new();
        for step in 0..120 {
            match random.below(10) {
                0..=3 => {
                    let body = format!("{step:>300}");
                    let queue = QUEUES[random.below(2) as usize];
                    w.held = false;
                    w.send(client, queue, &[PERSISTENT, ("receipt", "r")], &body);
                    w.advance(10);
                    sent.push(body);
                }
                4 | 5 => {
                    let from = QUEUES[random.below(3) as usize];
                    let to = QUEUES[random.below(3) as usize];
                    w.held = random.below(2) == 0;
                    if let Ok(transfer) = Transfer::move_to(&mut w.broker, from, to) {
                        let _ = finish_or_stop(&mut w, transfer.at_most(random.below(9)));
                    }
                }
                6 => {
                    if let Ok(it) = Transfer::replay(&mut w.broker, "/queue/DLQ.a", None) {
                        let _ = finish_or_stop(&mut w, it);
                    }
                }
                7 => {
                    // A consumer comes, refuses some, and goes.
                    let other = w.client();
                    w.subscribe(other, "s", "/queue/a", &[INDIVIDUAL]);
                    for got in w.take(other) {
                        if random.below(3) == 0 {
                            w.nack(other, &got, &[("requeue", "false")]);
                        }
                    }
                    w.close(other);
                }
                8 => {
                    w.held = false;
                    w.advance(random.below(20));
                }
                _ => {
                    w.restart();
                    client = w.client();
                }
            }
            w.broker
                .audit()
                .unwrap_or_else(|it| panic!("seed {seed} step {step}: {it}"));
        }
        w.held = false;
        w.advance(100);
        w.restart();
        let mut found: Vec<String> = QUEUES
            .into_iter()
            .flat_map(|queue| bodies(&mut w, queue))
            .collect();
        found.sort();
        sent.sort();
        assert_eq!(found, sent, "seed {seed}");
    }
}

/// As [`finish`], but where the store is held what it would have to read is waited for no longer.
fn finish_or_stop(w: &mut World, mut transfer: Transfer) -> Option<Transfer> {
    for _ in 0..1000 {
        match w.broker.transfer(&mut transfer, w.now) {
            Ok(Progress::Done) => return Some(transfer),
            Ok(_) => w.settle(),
            Err(_) => return None,
        }
    }
    None
}
