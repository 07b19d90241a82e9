//! What is bounded, and who waits for whom.

mod common;

use common::{Event, Header, World};
use stompbox_broker::Config;

const INDIVIDUAL: Header<'static> = ("ack", "client-individual");

#[test]
fn memory_presses_on_producers_before_it_is_full_and_not_for_each_message() {
    let mut w = World::with(Config {
        max_memory: 100_000,
        ..Config::default()
    });
    let (p, a) = (w.client(), w.client());
    let body = "x".repeat(1000);
    let mut count = 0;
    while !w.broker.is_pressed() {
        w.send(p, "/queue/a", &[], &body);
        count += 1;
        assert!(count < 100, "it is never pressed");
    }
    assert!(w.broker.memory() > 90_000);
    w.subscribe(a, "s", "/queue/a", &[INDIVIDUAL, ("prefetch-count", "1")]);
    // Between the two marks nothing changes.
    let mut pressed = true;
    while let Some(got) = w.take(a).pop() {
        w.ack(a, &got, &[]);
        let memory = w.broker.memory();
        if memory > 82_000 {
            assert!(w.broker.is_pressed(), "{memory}");
        } else if memory < 80_000 {
            assert!(!w.broker.is_pressed(), "{memory}");
        }
        assert!(pressed || !w.broker.is_pressed());
        pressed = w.broker.is_pressed();
    }
    assert_eq!(w.broker.memory(), 0);
}

#[test]
fn what_is_too_much_is_refused_and_nothing_is_lost() {
    let mut w = World::with(Config {
        max_memory: 3000,
        ..Config::default()
    });
    let (p, a) = (w.client(), w.client());
    w.send(p, "/queue/a", &[], &"x".repeat(2000));
    w.send(p, "/queue/a", &[("receipt", "r")], &"y".repeat(2000));
    assert_eq!(w.events(p), [Event::Error("memory-full", Some("r".into()))]);
    assert!(w.error_text(p).contains("3000"));
    w.subscribe(a, "s", "/queue/a", &[]);
    assert_eq!(w.take(a).len(), 1);
    w.send(a, "/queue/a", &[("receipt", "r")], &"y".repeat(2000));
    assert_eq!(w.receipts(a), ["r"]);
}

#[test]
fn a_consumer_that_is_full_loses_its_turn_and_no_message() {
    let mut w = World::with(Config {
        max_unacked: 1,
        ..Config::default()
    });
    let (a, b) = (w.client(), w.client());
    for client in [a, b] {
        w.subscribe(client, "s", "/queue/a", &[("ack", "client")]);
    }
    for body in ["a", "b", "c", "d"] {
        w.send(a, "/queue/a", &[], body);
    }
    assert_eq!(w.bodies(a), ["a"]);
    let got = w.one(b);
    w.ack(b, &got, &[]);
    assert_eq!(w.bodies(b), ["c"]);
    w.close(a);
    w.close(b);
    let c = w.client();
    w.subscribe(c, "s", "/queue/a", &[]);
    let rest = w.take(c);
    let rest: Vec<_> = rest.iter().map(|g| (&*g.body, g.redeliveries)).collect();
    assert_eq!(rest, [("a", 1), ("c", 1), ("d", 0)]);
}

#[test]
fn bytes_on_their_way_hold_a_queue_back_until_they_are_written() {
    let mut w = World::with(Config {
        max_outstanding: 1,
        ..Config::default()
    });
    let (a, b) = (w.client(), w.client());
    w.subscribe(a, "s", "/queue/a", &[]);
    w.stall(a);
    w.send(b, "/queue/a", &[], "1");
    w.send(b, "/queue/a", &[], "2");
    // Another gets what the first has no room for.
    w.subscribe(b, "s", "/queue/a", &[]);
    assert_eq!(w.bodies(b), ["2"]);
    w.unstall(a);
    assert_eq!(w.bodies(a), ["1"]);
}

#[test]
fn a_producer_pauses_for_a_topics_subscriber_that_is_slow_and_not_for_one_that_is_stuck() {
    let mut w = World::with(Config {
        max_outstanding: 1,
        ..Config::default()
    });
    let (p, a) = (w.client(), w.client());
    w.subscribe(a, "s", "/topic/a", &[]);
    w.send(p, "/topic/a", &[], "1");
    w.stall(a);
    w.send(p, "/topic/a", &[], "2");
    w.send(p, "/topic/a", &[], "3");
    assert!(w.events(p).contains(&Event::Pause));
    w.advance(10_000);
    w.send(p, "/topic/a", &[], "4");
    assert!(w.events(p).is_empty());
    w.unstall(a);
    assert_eq!(w.bodies(a), ["1", "2", "3", "4"]);
}

#[test]
fn all_memory_comes_back() {
    for stored in [false, true] {
        let mut w = if stored {
            World::stored(Config::default())
        } else {
            World::new()
        };
        let (p, a) = (w.client(), w.client());
        let slowly = [INDIVIDUAL, ("activemq.redeliveryDelay", "1000")];
        w.subscribe(a, "s", "/queue/a", &slowly);
        w.subscribe(a, "t", "/topic/a", &slowly);
        for kept in ["true", "false"] {
            w.send(p, "/queue/a", &[("persistent", kept)], "x");
            w.send(
                p,
                "/topic/a",
                &[("persistent", kept), ("retain", "set")],
                "x",
            );
            w.send(
                p,
                "/queue/a",
                &[("persistent", kept), ("x-delay", "100")],
                "x",
            );
        }
        w.send(p, "/topic/a", &[("retain", "remove")], "x");
        let got = w.take(a);
        for got in &got[..2] {
            w.nack(a, got, &[]);
        }
        w.close(a);
        w.advance(5000);
        let b = w.client();
        w.subscribe(b, "s", "/queue/a", &[]);
        assert_eq!(w.take(b).len(), 4);
        assert_eq!(w.broker.memory(), 0, "{stored}");
        w.close(b);
        w.close(p);
        w.advance(60_000);
        assert_eq!(w.broker.queue_stats().count(), 0);
        assert_eq!(w.stored_messages(), 0);
        assert_eq!(w.broker.connections(), 0);
    }
}

#[test]
fn what_waits_for_a_commit_takes_up_memory() {
    let mut w = World::stored(Config {
        max_memory: 100_000,
        ..Config::default()
    });
    let p = w.client();
    let body = "x".repeat(2000);
    w.held = true;
    w.begin(p, "t");
    let persistent = ("persistent", "true");
    for _ in 0..2 {
        w.send(p, "/queue/a", &[persistent, ("transaction", "t")], &body);
    }
    w.commit(p, "t", Some("r"));
    assert!(w.broker.memory() > 4000, "the transaction");
    let mut count = 0;
    while !w.broker.is_pressed() {
        w.send(p, "/topic/nobody", &[], &body);
        count += 1;
        assert!(count < 100, "it is never pressed");
    }
    w.flush();
    assert_eq!(w.receipts(p), ["r"]);
    assert!(!w.broker.is_pressed());
    w.close(p);
    let a = w.client();
    w.subscribe(a, "s", "/queue/a", &[]);
    assert_eq!(w.take(a).len(), 2);
    assert_eq!(w.broker.memory(), 0);
}

#[test]
fn what_waited_for_a_commit_of_a_client_that_is_gone_takes_up_no_memory() {
    let mut w = World::stored(Config::default());
    let p = w.client();
    w.held = true;
    w.begin(p, "t");
    for body in ["1", "2"] {
        let headers = [("persistent", "true"), ("transaction", "t")];
        w.send(p, "/queue/a", &headers, body);
    }
    w.commit(p, "t", None);
    w.send(p, "/topic/a", &[], "3");
    w.close(p);
    w.flush();
    let a = w.client();
    w.subscribe(a, "s", "/queue/a", &[]);
    assert_eq!(w.bodies(a), ["1", "2"]);
    assert_eq!(w.broker.memory(), 0);
}
