//! What is in the store, when, and what a restart finds.

mod common;

use bytes::Bytes;
use common::{Event, Fault, Header, World};
use stompbox_broker::Config;
use stompbox_store::{MemoryStore, Op};

const INDIVIDUAL: Header<'static> = ("ack", "client-individual");
const PERSISTENT: Header<'static> = ("persistent", "true");

fn puts(batch: &[Op]) -> usize {
    batch
        .iter()
        .filter(|op| matches!(op, Op::Put { .. }))
        .count()
}

#[test]
fn a_receipt_comes_after_the_commit_of_its_message() {
    let mut w = World::stored(Config::default());
    w.held = true;
    let a = w.client();
    w.send(a, "/queue/a", &[PERSISTENT, ("receipt", "1")], "x");
    w.send(a, "/queue/a", &[("receipt", "2")], "y");
    assert_eq!(w.receipts(a), ["2"], "transient ones wait for nothing");
    let batch = w.take_batch().expect("a batch at once");
    assert!(w.receipts(a).is_empty());
    w.batch_done(batch);
    assert_eq!(w.receipts(a), ["1"]);
}

#[test]
fn a_goodbye_waits_for_the_receipts() {
    let mut w = World::stored(Config::default());
    w.held = true;
    let a = w.client();
    w.send(a, "/queue/a", &[PERSISTENT, ("receipt", "1")], "x");
    w.quit(a, Some("bye"));
    assert!(w.events(a).is_empty());
    w.flush();
    let expected = [Event::Receipt("1".into()), Event::Bye(Some("bye".into()))];
    assert_eq!(w.events(a), expected);
}

#[test]
fn what_is_consumed_before_its_batch_is_never_written() {
    let mut w = World::stored(Config::default());
    w.held = true;
    let (a, b) = (w.client(), w.client());
    w.subscribe(b, "s", "/queue/a", &[INDIVIDUAL]);
    w.send(a, "/queue/a", &[PERSISTENT, ("receipt", "1")], "x");
    assert!(w.receipts(a).is_empty());
    let got = w.one(b);
    w.ack(b, &got, &[("receipt", "2")]);
    assert_eq!(w.receipts(a), ["1"], "stored or consumed");
    assert_eq!(w.receipts(b), ["2"]);
    w.held = false;
    w.advance(100);
    assert!(w.batches.iter().all(|batch| puts(batch) == 0));
}

#[test]
fn in_auto_mode_it_is_consumed_when_it_is_written_to_its_client() {
    let mut w = World::stored(Config::default());
    w.held = true;
    let (a, b) = (w.client(), w.client());
    w.subscribe(b, "s", "/queue/a", &[]);
    w.stall(b);
    w.send(a, "/queue/a", &[PERSISTENT, ("receipt", "1")], "x");
    assert!(w.receipts(a).is_empty());
    w.unstall(b);
    assert_eq!(w.receipts(a), ["1"]);
    w.held = false;
    w.advance(100);
    assert_eq!(w.stored_messages(), 0);
}

#[test]
fn a_consumer_that_holds_its_message_does_not_hold_the_receipt() {
    let mut w = World::stored(Config::default());
    let (a, b) = (w.client(), w.client());
    w.subscribe(b, "s", "/queue/a", &[INDIVIDUAL]);
    w.send(a, "/queue/a", &[PERSISTENT, ("receipt", "1")], "x");
    w.advance(10);
    assert_eq!(w.receipts(a), ["1"]);
    assert_eq!(w.stored_messages(), 1);
    let got = w.one(b);
    w.ack(b, &got, &[]);
    w.advance(10);
    assert_eq!(w.stored_messages(), 0);
}

#[test]
fn what_is_consumed_while_it_is_being_written_is_deleted_after() {
    let mut w = World::stored(Config::default());
    w.held = true;
    let (a, b) = (w.client(), w.client());
    w.send(a, "/queue/a", &[PERSISTENT, ("receipt", "1")], "x");
    let batch = w.take_batch().expect("a batch");
    w.subscribe(b, "s", "/queue/a", &[INDIVIDUAL]);
    let got = w.one(b);
    w.ack(b, &got, &[("receipt", "2")]);
    assert_eq!(w.receipts(a), ["1"]);
    assert!(w.receipts(b).is_empty());
    w.batch_done(batch);
    assert_eq!(w.stored_messages(), 1);
    w.flush();
    assert_eq!(w.receipts(b), ["2"]);
    assert_eq!(w.stored_messages(), 0);
}

#[test]
fn producers_share_a_batch() {
    let mut w = World::stored(Config::default());
    w.held = true;
    let clients: Vec<_> = (0..20).map(|_| w.client()).collect();
    w.send(clients[0], "/queue/a", &[PERSISTENT], "first");
    let first = w.take_batch().expect("a batch");
    for client in &clients {
        w.send(*client, "/queue/a", &[PERSISTENT, ("receipt", "r")], "x");
    }
    assert!(w.take_batch().is_none(), "one at a time");
    w.batch_done(first);
    let second = w.take_batch().expect("a second");
    assert_eq!(puts(&second), 20);
    w.batch_done(second);
    for client in &clients {
        assert_eq!(w.receipts(*client), ["r"]);
    }
}

#[test]
fn a_restart_keeps_order_and_redelivery_counts() {
    let mut w = World::stored(Config::default());
    let a = w.client();
    for (body, priority) in [("2", "4"), ("3", "4"), ("1", "9")] {
        w.send(a, "/queue/a", &[PERSISTENT, ("priority", priority)], body);
    }
    w.subscribe(a, "s", "/queue/a", &[INDIVIDUAL, ("prefetch-count", "1")]);
    let got = w.one(a);
    w.nack(a, &got, &[]);
    let got = w.one(a);
    w.nack(a, &got, &[]);
    w.advance(100);
    w.restart();
    let a = w.client();
    w.subscribe(a, "s", "/queue/a", &[INDIVIDUAL, ("x-delivery-limit", "3")]);
    let got = w.take(a);
    let seen: Vec<_> = got.iter().map(|g| (&*g.body, g.redeliveries)).collect();
    assert_eq!(seen, [("1", 2), ("2", 0), ("3", 0)]);
    w.nack(a, &got[0], &[]);
    assert!(w.take(a).is_empty(), "the third time is the last");
    assert_eq!(w.error(a), None);
    w.send(a, "/queue/a", &[], "4");
    assert_eq!(w.bodies(a), ["4"], "numbers go on");
}

#[test]
fn message_ids_are_not_used_again() {
    let mut w = World::stored(Config::default());
    let a = w.client();
    w.send(a, "/queue/a", &[PERSISTENT], "1");
    w.restart();
    let a = w.client();
    w.send(a, "/queue/a", &[PERSISTENT], "2");
    w.subscribe(a, "s", "/queue/a", &[]);
    let got = w.take(a);
    assert_eq!(got.len(), 2);
    assert!(got[0].sequence < got[1].sequence);
}

#[test]
fn a_full_store_refuses_producers_and_lets_consumers_drain() {
    let mut w = World::stored(Config::default());
    let (a, b, c) = (w.client(), w.client(), w.client());
    for body in ["1", "2"] {
        w.send(a, "/queue/a", &[PERSISTENT], body);
    }
    w.advance(100);
    w.fault = Some(Fault::Full);
    w.send(a, "/queue/a", &[PERSISTENT, ("receipt", "r")], "3");
    assert_eq!(
        w.events(a),
        [Event::Error("storage-full", Some("r".into()))]
    );
    w.send(b, "/queue/a", &[PERSISTENT, ("receipt", "r")], "4");
    assert_eq!(
        w.events(b),
        [Event::Error("storage-full", Some("r".into()))]
    );
    w.send(c, "/queue/t", &[("receipt", "t")], "transient");
    assert_eq!(w.receipts(c), ["t"]);
    w.subscribe(c, "s", "/queue/a", &[INDIVIDUAL]);
    let got = w.take(c);
    assert_eq!(got.len(), 2, "what was refused is not there");
    for got in &got {
        w.ack(c, got, &[("receipt", "done")]);
    }
    w.advance(10);
    assert_eq!(w.receipts(c), ["done", "done"]);
    assert_eq!(w.stored_messages(), 0);
    // It recovers by itself.
    w.fault = None;
    w.advance(1000);
    w.send(c, "/queue/a", &[PERSISTENT, ("receipt", "r")], "5");
    w.advance(10);
    assert_eq!(w.receipts(c), ["r"]);
    assert_eq!(w.bodies(c), ["5"]);
}

#[test]
fn an_error_comes_after_the_receipts_of_what_is_being_stored() {
    let mut w = World::stored(Config::default());
    w.held = true;
    let a = w.client();
    for receipt in ["1", "2"] {
        w.send(a, "/queue/a", &[PERSISTENT, ("receipt", receipt)], receipt);
    }
    w.send(a, "/dsub/x", &[("receipt", "3")], "wrong");
    // Nothing more is done for it.
    w.send(a, "/queue/a", &[("receipt", "4")], "4");
    assert_eq!(w.events(a), []);
    w.flush();
    assert_eq!(
        w.events(a),
        [
            Event::Receipt("1".into()),
            Event::Receipt("2".into()),
            Event::Error("invalid-destination", Some("3".into())),
        ]
    );
    assert_eq!(w.stored_messages(), 2);
}

#[test]
fn a_consumer_is_not_told_that_a_producer_found_no_room() {
    let mut w = World::stored(Config::default());
    let (a, b) = (w.client(), w.client());
    w.send(a, "/queue/a", &[PERSISTENT], "1");
    w.advance(100);
    w.subscribe(b, "s", "/queue/a", &[INDIVIDUAL]);
    let got = w.one(b);
    w.held = true;
    w.fault = Some(Fault::Full);
    w.send(a, "/queue/t", &[PERSISTENT, ("receipt", "r")], "2");
    w.ack(b, &got, &[("receipt", "done")]);
    w.flush();
    assert_eq!(w.error(a), Some("storage-full"));
    w.held = false;
    w.advance(10);
    assert_eq!(w.receipts(b), ["done"]);
    assert_eq!(w.stored_messages(), 0);
}

#[test]
fn a_transaction_without_room_forgets_no_message() {
    let mut w = World::stored(Config::default());
    let a = w.client();
    w.send(a, "/queue/a", &[PERSISTENT], "1");
    w.advance(100);
    w.subscribe(a, "s", "/queue/a", &[INDIVIDUAL]);
    let got = w.one(a);
    w.fault = Some(Fault::Full);
    w.begin(a, "t");
    w.send(a, "/queue/b", &[PERSISTENT, ("transaction", "t")], "2");
    w.ack(a, &got, &[("transaction", "t")]);
    w.commit(a, "t", Some("r"));
    w.advance(1000);
    assert_eq!(w.error(a), Some("storage-full"));
    assert_eq!(w.stored_messages(), 1, "nothing of it happened");
    w.restart();
    let b = w.client();
    w.subscribe(b, "s", "/queue/a,/queue/b", &[]);
    assert_eq!(w.bodies(b), ["1"]);
}

#[test]
fn a_producer_without_receipts_is_told_too() {
    let mut w = World::stored(Config::default());
    let a = w.client();
    w.fault = Some(Fault::Full);
    w.send(a, "/queue/a", &[PERSISTENT], "1");
    w.advance(10);
    assert_eq!(w.events(a), [Event::Error("storage-full", None)]);
}

#[test]
fn what_was_handed_out_when_it_could_not_be_stored_is_not_lost() {
    let mut w = World::stored(Config {
        max_memory: 1_000_000,
        ..Config::default()
    });
    w.held = true;
    let (a, b, p) = (w.client(), w.client(), w.client());
    w.subscribe(b, "s", "/queue/a", &[INDIVIDUAL, ("prefetch-count", "1")]);
    w.send(a, "/queue/a", &[PERSISTENT, ("receipt", "r")], "x");
    w.fault = Some(Fault::Full);
    w.now += 10;
    w.flush();
    assert_eq!(w.error(a), Some("storage-full"));
    w.fault = None;
    let got = w.one(b);
    // Memory gets short, and what is in the store leaves it.
    w.held = false;
    for _ in 0..1500 {
        w.send(p, "/queue/a", &[], &"y".repeat(400));
    }
    w.unsubscribe(b, "s", &[]);
    w.advance(1000);
    w.subscribe(b, "s", "/queue/a", &[]);
    let all = w.take(b);
    assert_eq!(all[0].sequence, got.sequence);
    assert_eq!(all.len(), 1501);
}

#[test]
fn definitions_that_there_was_no_room_for_are_written_later() {
    let mut w = World::stored(Config::default());
    let a = w.client();
    w.fault = Some(Fault::Full);
    w.subscribe(a, "s", "/topic/a", &[("durable", "true")]);
    w.advance(100);
    w.fault = None;
    w.advance(2000);
    w.restart();
    let a = w.client();
    w.send(a, "/topic/a", &[PERSISTENT], "x");
    w.subscribe(a, "s", "/topic/a", &[("durable", "true")]);
    assert_eq!(w.bodies(a), ["x"]);
}

#[test]
fn a_limit_of_bytes_is_a_full_store() {
    let store = MemoryStore::new().with_max_bytes(2000);
    let mut w = World::on(Config::default(), store);
    let (a, b) = (w.client(), w.client());
    let body = "x".repeat(1000);
    w.send(a, "/queue/a", &[PERSISTENT, ("receipt", "1")], &body);
    w.send(a, "/queue/a", &[PERSISTENT, ("receipt", "2")], &body);
    let events = w.events(a);
    assert_eq!(events[0], Event::Receipt("1".into()));
    assert_eq!(events[1], Event::Error("storage-full", Some("2".into())));
    w.subscribe(b, "s", "/queue/a", &[]);
    assert_eq!(w.take(b).len(), 1);
    w.advance(1000);
    w.send(b, "/queue/a", &[PERSISTENT, ("receipt", "3")], &body);
    assert_eq!(w.receipts(b), ["3"]);
}

#[test]
fn after_a_failed_write_nothing_is_pretended() {
    let mut w = World::stored(Config::default());
    let (a, b, c) = (w.client(), w.client(), w.client());
    w.send(a, "/queue/a", &[PERSISTENT], "1");
    w.advance(100);
    w.fault = Some(Fault::Poisoned);
    w.send(a, "/queue/a", &[PERSISTENT, ("receipt", "r")], "2");
    assert_eq!(
        w.events(a),
        [Event::Error("store-failed", Some("r".into()))]
    );
    w.fault = None;
    w.advance(10_000);
    w.send(b, "/queue/a", &[PERSISTENT, ("receipt", "r")], "3");
    assert_eq!(
        w.events(b),
        [Event::Error("store-failed", Some("r".into()))]
    );
    // So it is in transactions.
    let b = w.client();
    w.begin(b, "t");
    for _ in 0..2 {
        w.send(b, "/queue/b", &[PERSISTENT, ("transaction", "t")], "4");
    }
    w.commit(b, "t", Some("r"));
    assert_eq!(w.error(b), Some("store-failed"));
    // Consumers and transient messages go on.
    w.subscribe(c, "s", "/queue/a", &[INDIVIDUAL]);
    let got = w.one(c);
    assert_eq!(got.body, "1");
    w.ack(c, &got, &[]);
    w.send(c, "/queue/a", &[("receipt", "r")], "5");
    assert_eq!(w.receipts(c), ["r"]);
    assert_eq!(w.bodies(c), ["5"]);
}

#[test]
fn a_queue_larger_than_memory_comes_back_in_order() {
    for persistent in ["true", "false"] {
        let mut w = World::stored(Config {
            max_memory: 1_000_000,
            ..Config::default()
        });
        let (a, b) = (w.client(), w.client());
        let body = |at: usize| format!("{at:>400}");
        for at in 0..5000 {
            w.send(a, "/queue/a", &[("persistent", persistent)], &body(at));
            assert_eq!(w.error(a), None, "{at} {persistent}: {}", w.error_text(a));
        }
        assert!(w.broker.memory() < 1_000_000);
        w.subscribe(
            b,
            "s",
            "/queue/a",
            &[("ack", "client"), ("prefetch-count", "100")],
        );
        let mut seen = 0;
        while let Some(last) = {
            let got = w.take(b);
            for got in &got {
                assert_eq!(got.body, body(seen));
                seen += 1;
            }
            got.into_iter().last()
        } {
            w.ack(b, &last, &[]);
        }
        assert_eq!(seen, 5000);
        w.advance(1000);
        assert_eq!(w.stored_messages(), 0);
        assert_eq!(w.broker.memory(), 0);
    }
}

#[test]
fn a_selector_reads_a_paged_queue_too() {
    let mut w = World::stored(Config {
        max_memory: 1_000_000,
        ..Config::default()
    });
    let (a, b) = (w.client(), w.client());
    for at in 0..3000_u32 {
        let kind = if at % 2 == 0 { "even" } else { "odd" };
        w.send(
            a,
            "/queue/a",
            &[PERSISTENT, ("kind", kind)],
            &format!("{at:>400}"),
        );
    }
    w.subscribe(b, "s", "/queue/a", &[("selector", "kind = 'odd'")]);
    let got = w.take(b);
    assert_eq!(got.len(), 1500);
    assert!(got.iter().all(|it| it.header("kind") == Some("odd")));
    assert!(got.is_sorted_by_key(|it| it.sequence));
    w.subscribe(b, "t", "/queue/a", &[]);
    assert_eq!(w.take(b).len(), 1500);
}

#[test]
fn what_dies_while_it_is_paged_out_leaves_a_dead_letter() {
    let dead = [
        PERSISTENT,
        ("x-dead-letter-exchange", ""),
        ("x-dead-letter-routing-key", "dead"),
    ];
    for (header, value) in [("x-message-ttl", "60000"), ("x-max-length", "1990")] {
        let mut w = World::stored(Config {
            max_memory: 1_000_000,
            ..Config::default()
        });
        let p = w.client();
        let declared: Vec<_> = dead.into_iter().chain([(header, value)]).collect();
        let body = |at: usize| format!("{at} {}", "x".repeat(400));
        for at in 0..2000 {
            w.send(p, "/queue/a", &declared, &body(at));
            if at % 100 == 0 {
                w.advance(10);
            }
        }
        w.advance(120_000);
        let all: Vec<_> = match header {
            "x-message-ttl" => (0..2000).map(body).collect(),
            _ => (0..10).map(body).collect(),
        };
        let a = w.client();
        w.subscribe(a, "s", "/queue/dead", &[]);
        w.advance(1000);
        let mut got = w.bodies(a);
        got.sort();
        let mut expected = all;
        expected.sort();
        assert_eq!(got, expected, "{header}");
    }
}

#[test]
fn what_is_paged_out_and_transient_does_not_survive() {
    let mut w = World::stored(Config {
        max_memory: 500_000,
        ..Config::default()
    });
    let a = w.client();
    for at in 0..2000 {
        let kept = if at == 1999 { "true" } else { "false" };
        w.send(a, "/queue/a", &[("persistent", kept)], &"x".repeat(400));
    }
    w.advance(100);
    assert!(w.stored_messages() > 1);
    w.restart();
    let a = w.client();
    w.subscribe(a, "s", "/queue/a", &[]);
    assert_eq!(w.take(a).len(), 1);
}

#[test]
fn streams_keep_their_positions() {
    let mut w = World::stored(Config::default());
    let (a, b) = (w.client(), w.client());
    let stream = [
        PERSISTENT,
        ("x-queue-type", "stream"),
        ("x-max-length", "5"),
    ];
    for at in 1..=8 {
        w.send(a, "/queue/log", &stream, &at.to_string());
    }
    let read = [INDIVIDUAL, ("x-stream-offset", "first")];
    w.subscribe(b, "s", "/queue/log", &read);
    let before: Vec<_> = w
        .take(b)
        .iter()
        .map(|g| (g.position, g.body.clone()))
        .collect();
    assert_eq!(before.len(), 5);
    w.advance(100);
    w.restart();
    let (a, b) = (w.client(), w.client());
    w.subscribe(b, "s", "/queue/log", &read);
    let after: Vec<_> = w
        .take(b)
        .iter()
        .map(|g| (g.position, g.body.clone()))
        .collect();
    assert_eq!(after, before);
    w.send(a, "/queue/log", &stream, "9");
    let got = w.one(b);
    assert_eq!((got.position, &*got.body), (9, "9"));
    w.subscribe(b, "t", "/queue/log", &[("x-stream-offset", "next")]);
    assert!(w.take(b).is_empty());
}

#[test]
fn a_stream_knows_when_its_messages_came() {
    let mut w = World::stored(Config::default());
    let a = w.client();
    let stream = [PERSISTENT, ("x-queue-type", "stream"), ("x-max-age", "1h")];
    let mut second = 0;
    for body in ["1", "2", "3"] {
        second = w.now / 1000;
        w.send(a, "/queue/log", &stream, body);
        w.advance(1_000_000);
    }
    w.restart();
    for (from, expected) in [
        (format!("timestamp={second}"), &["3"][..]),
        (format!("timestamp={}", second - 1000), &["2", "3"]),
        ("offset=0".into(), &["1", "2", "3"]),
    ] {
        let b = w.client();
        w.subscribe(
            b,
            "s",
            "/queue/log",
            &[("ack", "client"), ("x-stream-offset", &from)],
        );
        assert_eq!(w.bodies(b), expected, "{from}");
        w.unsubscribe(b, "s", &[]);
    }
    // An hour after the first it is too old, though the broker was started again meanwhile.
    w.advance(1_000_000);
    let a = w.client();
    w.send(a, "/queue/log", &stream, "4");
    w.subscribe(
        a,
        "s",
        "/queue/log",
        &[("ack", "client"), ("x-stream-offset", "first")],
    );
    assert_eq!(w.bodies(a), ["2", "3", "4"]);
}

#[test]
fn a_stream_that_is_still_read_from_the_store_begins_where_it_should() {
    let mut w = World::stored(Config::default());
    let a = w.client();
    let stream = [PERSISTENT, ("x-queue-type", "stream")];
    for at in 1..=3 {
        w.send(a, "/queue/log", &stream, &at.to_string());
    }
    w.advance(100);
    w.restart();
    // `restart` reads the store at once; a second time it is done by hand.
    let (a, b) = (w.client(), w.client());
    w.send(a, "/queue/log", &stream, "4");
    w.subscribe(b, "s", "/queue/log", &[("from-seq", "2")]);
    assert_eq!(w.bodies(b), ["2", "3", "4"]);
}

#[test]
fn retained_and_scheduled_messages_survive_if_they_are_persistent() {
    let mut w = World::stored(Config::default());
    let a = w.client();
    let receipt = ("receipt", "r");
    w.send(
        a,
        "/topic/kept",
        &[PERSISTENT, ("retain", "set"), receipt],
        "kept",
    );
    w.send(a, "/topic/lost", &[("retain", "set")], "lost");
    w.send(a, "/topic/gone", &[PERSISTENT, ("retain", "set")], "gone");
    w.send(a, "/topic/gone", &[PERSISTENT, ("retain", "remove")], "");
    w.send(
        a,
        "/queue/kept",
        &[PERSISTENT, ("x-delay", "1000"), receipt],
        "kept",
    );
    w.send(a, "/queue/lost", &[("x-delay", "1000")], "lost");
    let again = [
        PERSISTENT,
        ("AMQ_SCHEDULED_DELAY", "10"),
        ("AMQ_SCHEDULED_PERIOD", "1000"),
        ("AMQ_SCHEDULED_REPEAT", "2"),
    ];
    w.send(a, "/queue/again", &again, "again");
    assert_eq!(w.receipts(a), ["r", "r"]);
    w.advance(100);
    w.restart();
    let b = w.client();
    w.subscribe(b, "t", "/topic/>", &[]);
    for name in ["kept", "lost", "gone"] {
        w.subscribe(b, name, &format!("/topic/{name}"), &[]);
    }
    let mut got = w.bodies(b);
    got.sort_unstable();
    assert_eq!(got, ["kept", "kept"]);
    w.subscribe(b, "q", "/queue/kept,/queue/lost,/queue/again", &[]);
    // The one that was sent before the restart was transient in nothing: it is in its queue.
    assert_eq!(w.bodies(b), ["again"]);
    w.advance(5000);
    let mut got = w.bodies(b);
    got.sort_unstable();
    assert_eq!(got, ["again", "again", "kept"]);
    w.advance(100);
    w.restart();
    let b = w.client();
    w.subscribe(b, "q", "/queue/kept,/queue/again", &[]);
    w.advance(10_000);
    assert!(w.bodies(b).is_empty(), "each once");
}

#[test]
fn an_acknowledged_scheduled_message_does_not_come_back() {
    let mut w = World::stored(Config::default());
    let (a, b) = (w.client(), w.client());
    w.send(a, "/queue/a", &[PERSISTENT, ("x-delay", "1000")], "x");
    w.subscribe(b, "s", "/queue/a", &[INDIVIDUAL]);
    w.advance(100);
    w.held = true;
    w.advance(1000);
    let got = w.one(b);
    w.ack(b, &got, &[("receipt", "1")]);
    assert!(w.receipts(b).is_empty(), "it is still scheduled on disk");
    w.flush();
    assert_eq!(w.receipts(b), ["1"]);
    w.restart();
    let b = w.client();
    w.subscribe(b, "s", "/queue/a", &[]);
    w.advance(5000);
    assert!(w.bodies(b).is_empty());
}

#[test]
fn a_receipt_waits_until_the_dead_letter_is_stored() {
    let mut w = World::stored(Config::default());
    w.held = true;
    let (a, b) = (w.client(), w.client());
    w.subscribe(b, "s", "/queue/a", &[INDIVIDUAL]);
    w.send(a, "/queue/a", &[PERSISTENT, ("receipt", "1")], "x");
    let got = w.one(b);
    w.nack(b, &got, &[("requeue", "false")]);
    assert!(
        w.receipts(a).is_empty(),
        "it is neither stored nor consumed"
    );
    let c = w.client();
    w.subscribe(c, "d", "/queue/DLQ.a", &[INDIVIDUAL]);
    let letter = w.one(c);
    w.ack(c, &letter, &[("receipt", "2")]);
    assert!(w.receipts(c).is_empty(), "what it was is not gone yet");
    w.flush();
    assert_eq!(w.receipts(a), ["1"]);
    assert_eq!(w.receipts(c), ["2"]);
    assert_eq!(w.stored_messages(), 0);
}

#[test]
fn queues_of_a_connection_need_no_store() {
    let mut w = World::stored(Config::default());
    let a = w.client();
    w.stall(a);
    w.subscribe(
        a,
        "s",
        "/temp-queue/x",
        &[INDIVIDUAL, ("prefetch-count", "1")],
    );
    for _ in 0..3 {
        w.send(a, "/temp-queue/x", &[PERSISTENT, ("receipt", "r")], "x");
    }
    assert_eq!(w.receipts(a), ["r", "r", "r"]);
    w.advance(100);
    assert_eq!(w.stored_messages(), 0);
    w.restart();
    assert_eq!(w.broker.queue_stats().count(), 0);
}

#[test]
fn damaged_messages_do_not_stop_a_queue() {
    let mut w = World::stored(Config::default());
    let a = w.client();
    for body in ["1", "2", "3"] {
        w.send(a, "/queue/a", &[PERSISTENT], body);
    }
    w.advance(100);
    w.restart_with(|data| {
        if data.ends_with(b"2\0") {
            *data = Bytes::from_static(b"nonsense");
        }
    });
    let a = w.client();
    w.subscribe(a, "s", "/queue/a", &[]);
    assert_eq!(w.bodies(a), ["1", "3"]);
}

#[test]
fn a_receipt_of_what_dies_at_once_is_given_once() {
    let mut w = World::stored(Config::default());
    let (a, b) = (w.client(), w.client());
    w.subscribe(b, "s", "/queue/a", &[]);
    w.send(
        a,
        "/queue/a",
        &[PERSISTENT, ("ttl", "0"), ("receipt", "1")],
        "x",
    );
    w.quit(a, Some("bye"));
    let expected = [Event::Receipt("1".into()), Event::Bye(Some("bye".into()))];
    assert_eq!(w.events(a), expected);
}

#[test]
fn the_receipt_of_a_refused_message_is_nobody_elses() {
    let mut w = World::stored(Config::default());
    w.held = true;
    let (a, b) = (w.client(), w.client());
    let full = [("x-max-length", "0"), ("x-overflow", "reject-publish")];
    w.send(a, "/queue/full", &full, "x");
    let a = w.client();
    let composite = [PERSISTENT, ("receipt", "1")];
    w.send(a, "/queue/a,/queue/full", &composite, "x");
    assert_eq!(w.error(a), Some("queue-full"));
    let first = w.take_batch();
    w.send(b, "/queue/b", &[PERSISTENT, ("receipt", "2")], "y");
    if let Some(first) = first {
        w.batch_done(first);
    }
    assert!(w.receipts(b).is_empty(), "it is not written yet");
    w.flush();
    assert_eq!(w.receipts(b), ["2"]);
}

#[test]
fn the_end_of_a_durable_subscription_is_stored_before_its_receipt() {
    let mut w = World::stored(Config::default());
    let a = w.client();
    let durable = [("durable", "true"), ("receipt", "r")];
    w.subscribe(a, "s", "/topic/a", &durable);
    w.send(a, "/topic/a", &[PERSISTENT], "x");
    w.advance(100);
    assert_eq!(w.receipts(a), ["r"]);
    w.held = true;
    w.unsubscribe(a, "s", &durable);
    assert!(w.receipts(a).is_empty());
    w.flush();
    assert_eq!(w.receipts(a), ["r"]);
    w.restart();
    let a = w.client();
    w.subscribe(a, "s", "/dsub/s", &[]);
    assert_eq!(w.error(a), Some("no-such-destination"));
}

#[test]
fn a_message_that_waits_for_room_in_the_store_is_forgotten_when_it_is_consumed() {
    let mut w = World::stored(Config::default());
    let (a, b) = (w.client(), w.client());
    let later = [PERSISTENT, ("AMQ_SCHEDULED_DELAY", "100")];
    w.send(a, "/queue/a", &later, "1");
    w.advance(50);
    w.subscribe(b, "s", "/queue/a", &[INDIVIDUAL]);
    w.fault = Some(Fault::Full);
    w.advance(100);
    let got = w.one(b);
    w.ack(b, &got, &[("receipt", "done")]);
    w.advance(100);
    w.fault = None;
    w.advance(1000);
    assert_eq!(w.receipts(b), ["done"]);
    assert_eq!(w.stored_messages(), 0);
}

#[test]
fn what_a_failed_store_would_bring_again_is_not_acknowledged_for_good() {
    let mut w = World::stored(Config::default());
    let (a, b, c) = (w.client(), w.client(), w.client());
    let later = [PERSISTENT, ("AMQ_SCHEDULED_DELAY", "100")];
    w.send(a, "/queue/later", &later, "1");
    w.send(a, "/queue/a", &[PERSISTENT], "2");
    w.advance(50);
    w.fault = Some(Fault::Poisoned);
    w.send(a, "/queue/b", &[PERSISTENT], "3");
    w.advance(100);
    w.subscribe(b, "s", "/queue/later", &[INDIVIDUAL]);
    let got = w.one(b);
    assert_eq!(got.body, "1");
    w.ack(b, &got, &[("receipt", "done")]);
    assert_eq!(w.error(b), Some("store-failed"));
    // And so with a dead letter.
    w.subscribe(c, "s", "/queue/a", &[INDIVIDUAL]);
    let got = w.one(c);
    w.nack(c, &got, &[("requeue", "false")]);
    w.subscribe(c, "d", "/queue/DLQ.a", &[INDIVIDUAL]);
    let letter = w.one(c);
    w.ack(c, &letter, &[("receipt", "done")]);
    assert_eq!(w.error(c), Some("store-failed"));
}

#[test]
fn a_transaction_of_one_step_promises_nothing_after_the_store_has_failed() {
    let mut w = World::stored(Config::default());
    let a = w.client();
    w.send(a, "/queue/a", &[PERSISTENT], "1");
    w.advance(100);
    w.subscribe(a, "s", "/queue/a", &[INDIVIDUAL]);
    let got = w.one(a);
    w.fault = Some(Fault::Poisoned);
    let b = w.client();
    w.send(b, "/queue/b", &[PERSISTENT], "2");
    w.advance(100);
    w.begin(a, "t");
    w.ack(a, &got, &[("transaction", "t")]);
    w.commit(a, "t", Some("r"));
    assert_eq!(w.error(a), Some("store-failed"));
}

#[test]
fn a_full_store_gets_no_new_durable_subscriptions_and_keeps_the_old_ones() {
    let mut w = World::stored(Config::default());
    let (a, b, c) = (w.client(), w.client(), w.client());
    let durable = [("durable-subscription-name", "d")];
    w.subscribe(a, "s", "/topic/a", &durable);
    w.unsubscribe(a, "s", &[]);
    w.send(b, "/topic/a", &[PERSISTENT], "x");
    w.advance(100);
    w.fault = Some(Fault::Full);
    w.send(c, "/queue/a", &[PERSISTENT], "y");
    w.advance(10);
    assert_eq!(w.error(c), Some("storage-full"));
    let other = [durable[0], ("selector", "a = 1")];
    w.subscribe(b, "s", "/topic/a", &other);
    assert_eq!(w.error(b), Some("storage-full"));
    w.subscribe(a, "s", "/topic/a", &durable);
    assert_eq!(w.bodies(a), ["x"]);
}
