//! Transactions: all or nothing.

mod common;

use common::{Event, Fault, Header, World};
use stompbox_broker::Config;

const INDIVIDUAL: Header<'static> = ("ack", "client-individual");
const T: Header<'static> = ("transaction", "t");
const PERSISTENT: Header<'static> = ("persistent", "true");

fn both() -> [World; 2] {
    [World::new(), World::stored(Config::default())]
}

#[test]
fn nothing_is_seen_before_the_commit_and_all_after_it() {
    for mut w in both() {
        let (a, b) = (w.client(), w.client());
        w.subscribe(b, "q", "/queue/b", &[]);
        w.subscribe(b, "t", "/topic/b", &[]);
        w.send(a, "/queue/a", &[PERSISTENT], "in");
        w.subscribe(a, "s", "/queue/a", &[INDIVIDUAL]);
        let got = w.one(a);
        w.begin(a, "t");
        w.send(a, "/queue/b", &[T, PERSISTENT, ("receipt", "1")], "1");
        w.send(a, "/topic/b", &[T], "2");
        w.send(a, "/queue/b", &[T], "3");
        w.ack(a, &got, &[T]);
        assert_eq!(w.receipts(a), ["1"]);
        assert!(w.bodies(b).is_empty());
        w.commit(a, "t", Some("c"));
        assert_eq!(w.receipts(a), ["c"]);
        let mut bodies = w.bodies(b);
        bodies.sort_unstable();
        assert_eq!(bodies, ["1", "2", "3"]);
        w.close(a);
        let c = w.client();
        w.subscribe(c, "s", "/queue/a", &[]);
        assert!(w.bodies(c).is_empty(), "it was acknowledged");
    }
}

#[test]
fn an_abort_or_the_end_of_the_connection_undoes_it() {
    for abort in [true, false] {
        for mut w in both() {
            let (a, b) = (w.client(), w.client());
            w.send(a, "/queue/a", &[], "in");
            w.subscribe(a, "s", "/queue/a", &[INDIVIDUAL]);
            let got = w.one(a);
            w.begin(a, "t");
            w.send(a, "/queue/b", &[T, PERSISTENT], "1");
            w.ack(a, &got, &[T]);
            if abort {
                w.abort(a, "t");
            }
            w.close(a);
            w.subscribe(b, "s", "/queue/a", &[]);
            w.subscribe(b, "t", "/queue/b", &[]);
            assert_eq!(w.bodies(b), ["in"]);
            assert_eq!(w.broker.memory(), 0);
        }
    }
}

#[test]
fn the_receipt_of_a_commit_comes_when_it_is_stored() {
    let cases: [&[Header<'_>]; 3] = [
        &[PERSISTENT],
        &[PERSISTENT, ("x-delay", "1000")],
        &[PERSISTENT, ("retain", "set")],
    ];
    for count in [1, 2] {
        for headers in cases {
            let mut w = World::stored(Config::default());
            w.held = true;
            let a = w.client();
            w.begin(a, "t");
            let mut headers = headers.to_vec();
            headers.push(T);
            for _ in 0..count {
                let name = if headers.contains(&("retain", "set")) {
                    "/topic/a"
                } else {
                    "/queue/a"
                };
                w.send(a, name, &headers, "x");
            }
            w.commit(a, "t", Some("c"));
            assert!(w.receipts(a).is_empty(), "{headers:?} {count}");
            w.flush();
            assert_eq!(w.receipts(a), ["c"], "{headers:?} {count}");
            w.restart();
            let a = w.client();
            w.subscribe(a, "s", "/queue/a", &[]);
            w.subscribe(a, "t", "/topic/a", &[]);
            w.advance(2000);
            assert!(!w.bodies(a).is_empty(), "{headers:?} {count}");
        }
    }
}

#[test]
fn what_comes_after_a_commit_comes_after_it() {
    let mut w = World::stored(Config::default());
    w.held = true;
    let (a, b) = (w.client(), w.client());
    w.subscribe(b, "s", "/queue/a", &[]);
    w.begin(a, "t");
    w.send(a, "/queue/a", &[T, PERSISTENT], "1");
    w.send(a, "/queue/a", &[T, PERSISTENT], "2");
    w.commit(a, "t", Some("c"));
    w.send(a, "/queue/a", &[("receipt", "r")], "3");
    assert!(w.bodies(b).is_empty() && w.events(a).is_empty());
    w.flush();
    assert_eq!(w.bodies(b), ["1", "2", "3"]);
    assert_eq!(w.receipts(a), ["c", "r"]);
}

#[test]
fn a_client_that_goes_while_its_commit_is_stored_has_committed() {
    let mut w = World::stored(Config::default());
    w.held = true;
    let (a, b) = (w.client(), w.client());
    w.begin(a, "t");
    w.send(a, "/queue/a", &[T, PERSISTENT], "1");
    w.send(a, "/queue/a", &[T, PERSISTENT], "2");
    w.commit(a, "t", None);
    w.close(a);
    w.flush();
    w.subscribe(b, "s", "/queue/a", &[]);
    assert_eq!(w.bodies(b), ["1", "2"]);
    assert_eq!(w.broker.connections(), 1);
}

#[test]
fn sends_and_acknowledgements_are_one_batch() {
    let mut w = World::stored(Config::default());
    let a = w.client();
    w.send(a, "/queue/a", &[PERSISTENT], "in");
    w.advance(100);
    w.subscribe(a, "s", "/queue/a", &[INDIVIDUAL]);
    let got = w.one(a);
    w.batches.clear();
    w.begin(a, "t");
    w.send(a, "/queue/b", &[T, PERSISTENT], "out");
    w.ack(a, &got, &[T]);
    w.commit(a, "t", Some("c"));
    assert_eq!(w.batches.len(), 1);
    w.restart();
    let b = w.client();
    w.subscribe(b, "s", "/queue/a,/queue/b", &[]);
    assert_eq!(w.bodies(b), ["out"]);
}

#[test]
fn one_that_can_not_be_stored_does_nothing() {
    let mut w = World::stored(Config::default());
    let (a, b) = (w.client(), w.client());
    w.send(a, "/queue/a", &[PERSISTENT], "in");
    w.subscribe(a, "s", "/queue/a", &[INDIVIDUAL]);
    let got = w.one(a);
    w.advance(100);
    w.fault = Some(Fault::Full);
    w.begin(a, "t");
    w.send(a, "/queue/b", &[T, PERSISTENT], "1");
    w.send(a, "/queue/b", &[T], "2");
    w.ack(a, &got, &[T]);
    w.commit(a, "t", Some("c"));
    assert_eq!(
        w.events(a),
        [Event::Error("storage-full", Some("c".into()))]
    );
    w.fault = None;
    w.advance(1000);
    w.subscribe(b, "s", "/queue/a,/queue/b", &[]);
    assert_eq!(w.bodies(b), ["in"]);
}

#[test]
fn one_that_can_not_be_done_does_nothing() {
    let full = [("x-max-length", "1"), ("x-overflow", "reject-publish")];
    for mut w in both() {
        for persistent in ["true", "false"] {
            let a = w.client();
            w.send(a, "/queue/full", &full, "x");
            let wrong: [(&str, &[Header<'_>], &str); 3] = [
                ("/amq/queue/none", &[], "no-such-destination"),
                ("/queue/full", &[], "queue-full"),
                (
                    "/queue/full",
                    &[("x-max-length", "5")],
                    "precondition-failed",
                ),
            ];
            for (name, headers, code) in wrong {
                let (a, b) = (w.client(), w.client());
                w.begin(a, "t");
                let kind = ("persistent", persistent);
                w.send(a, "/queue/other", &[T, kind], "1");
                let mut headers = headers.to_vec();
                headers.extend([T, kind]);
                w.send(a, name, &headers, "2");
                if w.error(a).is_none() {
                    w.commit(a, "t", Some("c"));
                }
                assert_eq!(w.error(a), Some(code), "{name} {persistent}");
                w.subscribe(b, "s", "/queue/other", &[]);
                assert!(w.bodies(b).is_empty(), "{name} {persistent}");
                w.close(b);
            }
        }
    }
}

#[test]
fn a_full_queue_counts_what_the_transaction_brings() {
    for mut w in both() {
        for (overflow, kept) in [("reject-publish", ""), ("drop-head", "23")] {
            let (a, b) = (w.client(), w.client());
            let name = format!("/queue/{overflow}");
            w.begin(a, "t");
            for body in ["1", "2", "3"] {
                let headers = [
                    T,
                    PERSISTENT,
                    ("x-max-length", "2"),
                    ("x-overflow", overflow),
                ];
                w.send(a, &name, &headers, body);
            }
            w.commit(a, "t", None);
            w.subscribe(b, "s", &name, &[]);
            assert_eq!(w.bodies(b).concat(), kept, "{overflow}");
        }
    }
}

#[test]
fn limits_name_themselves() {
    let mut w = World::with(Config {
        max_transaction_frames: 2,
        ..Config::default()
    });
    let a = w.client();
    w.begin(a, "t");
    for _ in 0..2 {
        w.send(a, "/queue/a", &[T], "x");
    }
    w.send(a, "/queue/a", &[T], "x");
    assert_eq!(w.error(a), Some("transaction-too-large"));
    assert_eq!(w.error_text(a), "the transaction holds more than 2 frames");
    assert_eq!(w.broker.memory(), 0);

    let mut w = World::with(Config {
        max_transaction_bytes: 1000,
        ..Config::default()
    });
    let a = w.client();
    w.begin(a, "t");
    w.send(a, "/queue/a", &[T], &"x".repeat(1000));
    assert_eq!(
        w.error_text(a),
        "the transaction holds more than 1000 bytes"
    );
}

#[test]
fn a_durable_subscription_of_a_topic_that_nobody_used_yet_gets_them_too() {
    let mut w = World::stored(Config::default());
    let (a, b) = (w.client(), w.client());
    w.subscribe(b, "s", "/topic/>", &[("durable", "true")]);
    w.close(b);
    w.begin(a, "t");
    for body in ["1", "2"] {
        w.send(a, "/topic/new", &[T, PERSISTENT], body);
    }
    w.commit(a, "t", None);
    w.restart();
    let b = w.client();
    w.subscribe(b, "s", "/topic/>", &[("durable", "true")]);
    assert_eq!(w.bodies(b), ["1", "2"]);
}

#[test]
fn a_nack_in_a_transaction() {
    for mut w in both() {
        let (a, b) = (w.client(), w.client());
        w.send(a, "/queue/a", &[PERSISTENT], "x");
        w.subscribe(a, "s", "/queue/a", &[INDIVIDUAL, ("prefetch-count", "1")]);
        let got = w.one(a);
        w.begin(a, "t");
        w.send(a, "/queue/b", &[T, PERSISTENT], "y");
        w.nack(a, &got, &[T, ("requeue", "false")]);
        assert!(w.take(a).is_empty());
        w.commit(a, "t", Some("c"));
        assert_eq!(w.receipts(a), ["c"]);
        w.subscribe(b, "s", "/queue/DLQ.a", &[]);
        assert_eq!(w.bodies(b), ["x"]);
    }
}

#[test]
fn credit_that_a_commit_gives_back_is_used() {
    for mut w in both() {
        let a = w.client();
        w.subscribe(a, "s", "/queue/a", &[INDIVIDUAL, ("prefetch-count", "1")]);
        for body in ["1", "2"] {
            w.send(a, "/queue/a", &[PERSISTENT], body);
        }
        let got = w.one(a);
        w.begin(a, "t");
        w.send(a, "/queue/b", &[T, PERSISTENT], "y");
        w.ack(a, &got, &[T]);
        assert!(w.take(a).is_empty());
        w.commit(a, "t", None);
        assert_eq!(w.bodies(a), ["2"]);
    }
}

#[test]
fn what_piles_up_behind_a_commit_is_bounded_and_slowed() {
    let mut w = World::stored(Config {
        max_memory: 100_000,
        ..Config::default()
    });
    let a = w.client();
    w.held = true;
    w.begin(a, "t");
    for body in ["1", "2"] {
        let headers = [("persistent", "true"), ("transaction", "t")];
        w.send(a, "/queue/a", &headers, body);
    }
    w.commit(a, "t", Some("c"));
    let body = "x".repeat(1000);
    for number in 0..200 {
        let receipt = number.to_string();
        w.send(a, "/queue/b", &[("receipt", &receipt)], &body);
    }
    assert!(w.broker.memory() <= 101_000, "{}", w.broker.memory());
    assert!(w.events(a).contains(&Event::Pause));
    w.flush();
    // All that had room is done, in order, and then it is told why not more.
    let mut events = w.events(a);
    events.retain(|event| *event != Event::Pause);
    let Some(Event::Error("memory-full", Some(refused))) = events.pop() else {
        panic!("{events:?}");
    };
    let refused: usize = refused.parse().expect("a number");
    let receipts = (0..refused).map(|number| number.to_string());
    let expected: Vec<_> = std::iter::once("c".to_owned()).chain(receipts).collect();
    let got: Vec<_> = events
        .into_iter()
        .map(|event| match event {
            Event::Receipt(id) => id,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(got, expected);
    assert!((50..100).contains(&refused), "{refused}");
    w.close(a);
    let b = w.client();
    w.subscribe(b, "s", "/queue/b", &[]);
    assert_eq!(w.take(b).len(), refused);
}
