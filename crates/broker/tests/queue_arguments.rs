//! What a queue is declared to be.

mod common;

use common::{Event, Header, World};
use stompbox_broker::Config;

const INDIVIDUAL: Header<'static> = ("ack", "client-individual");

/// The bodies that wait in a queue, read without taking them.
fn waiting(w: &mut World, queue: &str) -> Vec<String> {
    let browser = w.client();
    w.subscribe(browser, "b", queue, &[("browser", "true")]);
    let bodies = w.bodies(browser);
    w.close(browser);
    bodies
}

#[test]
fn messages_live_as_long_as_their_queue_says() {
    let mut w = World::new();
    let a = w.client();
    let arguments = [
        ("x-message-ttl", "100"),
        ("x-dead-letter-routing-key", "old"),
    ];
    w.send(a, "/queue/a", &arguments, "1");
    w.send(a, "/queue/a", &[("ttl", "10")], "2");
    w.advance(10);
    w.subscribe(a, "s", "/queue/a", &[INDIVIDUAL]);
    let got = w.one(a);
    assert_eq!(got.body, "1");
    w.close(a);
    w.advance(2000);
    assert!(waiting(&mut w, "/queue/a").is_empty());
    let a = w.client();
    w.subscribe(a, "s", "/queue/old", &[]);
    let dead = w.take(a);
    assert_eq!(dead.len(), 2);
    assert!(
        dead.iter()
            .all(|it| it.header("x-death-reason") == Some("expired"))
    );
}

#[test]
fn without_dead_letter_headers_expired_messages_are_gone() {
    let mut w = World::new();
    let a = w.client();
    w.send(a, "/queue/a", &[("ttl", "10")], "1");
    w.advance(5000);
    assert!(w.broker.queue_stats().next().is_none());
}

#[test]
fn an_unused_queue_goes_with_its_messages() {
    for name in ["x-expires", "expires"] {
        let mut w = World::new();
        let a = w.client();
        w.subscribe(a, "s", "/queue/a", &[INDIVIDUAL, (name, "5000")]);
        w.send(a, "/queue/a", &[], "1");
        w.advance(60_000);
        assert_eq!(w.broker.queue_stats().count(), 1, "it is used");
        w.close(a);
        w.advance(4000);
        assert_eq!(w.broker.queue_stats().count(), 1);
        w.advance(3000);
        assert_eq!(w.broker.queue_stats().count(), 0, "{name}");
        assert_eq!(w.broker.memory(), 0);
    }
}

#[test]
fn a_full_queue_does_what_it_was_told() {
    let cases = [
        (vec![("x-max-length", "2")], "23", None),
        (
            vec![("x-max-length", "2"), ("x-overflow", "drop-head")],
            "23",
            None,
        ),
        (
            vec![("x-max-length", "2"), ("x-overflow", "reject-publish")],
            "12",
            Some("queue-full"),
        ),
        (vec![("x-max-length-bytes", "600")], "23", None),
        (
            vec![
                ("x-max-length-bytes", "600"),
                ("x-overflow", "reject-publish"),
            ],
            "12",
            Some("queue-full"),
        ),
        (vec![("x-max-length", "0")], "", None),
    ];
    for (arguments, kept, error) in cases {
        let mut w = World::new();
        let a = w.client();
        w.send(a, "/queue/a", &arguments, "1");
        w.send(a, "/queue/a", &[], "2");
        w.send(a, "/queue/a", &[("receipt", "r")], "3");
        match error {
            Some(code) => assert_eq!(w.events(a), [Event::Error(code, Some("r".into()))]),
            None => assert_eq!(w.receipts(a), ["r"]),
        }
        assert_eq!(waiting(&mut w, "/queue/a").concat(), kept, "{arguments:?}");
        assert_eq!(w.broker.queue_stats().count(), 1, "no dead letters");
    }
}

#[test]
fn what_is_handed_out_takes_no_room_in_a_full_queue() {
    let mut w = World::new();
    let (p, a) = (w.client(), w.client());
    let full = [
        INDIVIDUAL,
        ("x-max-length", "1"),
        ("x-overflow", "reject-publish"),
    ];
    w.subscribe(a, "s", "/queue/a", &full);
    for _ in 0..5 {
        w.send(p, "/queue/a", &[], "x");
    }
    assert_eq!(w.take(a).len(), 5);
    assert_eq!(w.error(p), None);
}

#[test]
fn surplus_messages_are_dead_letters_where_the_queue_says_so() {
    for (overflow, dead) in [("drop-head", "1"), ("reject-publish-dlx", "2")] {
        let mut w = World::new();
        let a = w.client();
        let arguments = [
            ("x-max-length", "1"),
            ("x-overflow", overflow),
            ("x-dead-letter-routing-key", "/queue/surplus"),
        ];
        w.send(a, "/queue/a", &arguments, "1");
        w.send(a, "/queue/a", &[], "2");
        let expected = (overflow != "drop-head").then_some("queue-full");
        assert_eq!(w.error(a), expected);
        assert_eq!(waiting(&mut w, "/queue/surplus"), [dead]);
        let b = w.client();
        w.subscribe(b, "s", "/queue/surplus", &[]);
        let letter = w.one(b);
        assert_eq!(letter.header("x-death-reason"), Some("maxlen"));
        assert_eq!(letter.header("x-death-queue"), Some("/queue/a"));
    }
}

#[test]
fn a_full_queue_drops_the_least_important() {
    let mut w = World::new();
    let a = w.client();
    w.send(
        a,
        "/queue/a",
        &[("x-max-length", "2"), ("priority", "1")],
        "low",
    );
    w.send(a, "/queue/a", &[("priority", "9")], "high");
    w.send(a, "/queue/a", &[], "new");
    assert_eq!(waiting(&mut w, "/queue/a"), ["high", "new"]);
}

#[test]
fn priorities_up_to_a_most() {
    let mut w = World::new();
    let a = w.client();
    w.send(
        a,
        "/queue/a",
        &[("x-max-priority", "5"), ("priority", "6")],
        "1",
    );
    w.send(a, "/queue/a", &[("priority", "9")], "2");
    w.send(a, "/queue/a", &[("priority", "5")], "3");
    assert_eq!(waiting(&mut w, "/queue/a").concat(), "123");
}

#[test]
fn dead_letters_go_where_the_queue_says() {
    let key = "x-dead-letter-routing-key";
    let exchange = "x-dead-letter-exchange";
    let cases = [
        (vec![(key, "d")], "/queue/d"),
        (vec![(exchange, ""), (key, "d")], "/queue/d"),
        (vec![(key, "/queue/d")], "/queue/d"),
        (vec![(key, "/topic/d")], "/topic/d"),
        (vec![(exchange, "amq.topic"), (key, "d")], "/topic/d"),
        (vec![(key, "d"), (exchange, "amq.topic")], "/topic/d"),
        (vec![(exchange, "amq.topic")], "/topic/a.b"),
        (vec![(exchange, "")], "/queue/DLQ.a.b"),
        (vec![], "/queue/DLQ.a.b"),
    ];
    for (arguments, target) in cases {
        let mut w = World::stored(Config::default());
        let a = w.client();
        let mut headers = vec![INDIVIDUAL];
        headers.extend(&arguments);
        w.subscribe(a, "s", "/queue/a.b", &headers);
        w.subscribe(a, "d", target, &[]);
        w.send(a, "/queue/a.b", &[("persistent", "true")], "x");
        let got = w.one(a);
        w.nack(a, &got, &[("requeue", "false")]);
        assert_eq!(w.one(a).subscription, "d", "{arguments:?}");
        // The declaration is the same after a restart.
        w.send(a, "/queue/a.b", &[("persistent", "true")], "y");
        w.take(a);
        w.advance(100);
        w.restart();
        let a = w.client();
        w.subscribe(a, "s", "/queue/a.b", &headers);
        assert_eq!(w.error(a), None, "{}", w.error_text(a));
        w.subscribe(a, "d", target, &[]);
        let got = w.one(a);
        w.nack(a, &got, &[("requeue", "false")]);
        assert_eq!(w.one(a).subscription, "d", "{arguments:?}");
    }
}

#[test]
fn dead_letters_that_go_round_come_to_an_end() {
    let mut w = World::new();
    let a = w.client();
    let to = |name| {
        [
            ("x-max-length", "1"),
            ("x-dead-letter-routing-key", name),
            ("persistent", "true"),
        ]
    };
    for body in ["1", "2", "3"] {
        w.send(a, "/queue/self", &to("self"), body);
        w.send(a, "/queue/a", &to("b"), body);
        w.send(a, "/queue/b", &to("a"), body);
    }
    assert_eq!(waiting(&mut w, "/queue/self").len(), 1);
    let expires = [
        ("x-message-ttl", "0"),
        ("x-dead-letter-routing-key", "now"),
        INDIVIDUAL,
    ];
    w.subscribe(a, "s", "/queue/now", &expires);
    w.send(a, "/queue/now", &[], "x");
    w.advance(100_000);
    assert!(w.take(a).is_empty());
    // A refusal begins anew: queues that wait and try again go on as long as they are wanted.
    let (p, c) = (w.client(), w.client());
    let later = [
        ("x-message-ttl", "1000"),
        ("x-dead-letter-routing-key", "work"),
    ];
    w.send(p, "/queue/later", &later, "seed");
    let work = [INDIVIDUAL, ("x-dead-letter-routing-key", "later")];
    w.subscribe(c, "s", "/queue/work", &work);
    for _ in 0..40 {
        w.advance(3000);
        let got = w.one(c);
        w.nack(c, &got, &[("requeue", "false")]);
    }
}

#[test]
fn a_chain_of_full_queues_is_no_deep_recursion() {
    let mut w = World::new();
    let a = w.client();
    for at in 0..5000 {
        let next = format!("q{}", at + 1);
        let arguments = [("x-max-length", "1"), ("x-dead-letter-routing-key", &*next)];
        w.send(a, &format!("/queue/q{at}"), &arguments, "x");
    }
    w.send(a, "/queue/q0", &[], "y");
    assert_eq!(waiting(&mut w, "/queue/q5000"), ["x"]);
}

#[test]
fn a_queues_own_delivery_limit_counts() {
    let mut w = World::new();
    let a = w.client();
    w.send(a, "/queue/a", &[("x-delivery-limit", "2")], "x");
    w.subscribe(a, "s", "/queue/a", &[INDIVIDUAL]);
    for _ in 0..2 {
        let got = w.one(a);
        w.nack(a, &got, &[]);
    }
    assert!(w.take(a).is_empty());
    assert_eq!(waiting(&mut w, "/queue/DLQ.a"), ["x"]);
}

#[test]
fn another_declaration_is_refused_with_both_values() {
    let cases = [
        ("x-message-ttl", "100", "200"),
        ("x-expires", "100000", "200000"),
        ("x-max-length", "1", "2"),
        ("x-max-length-bytes", "1000", "2000"),
        ("x-max-priority", "5", "6"),
        ("x-overflow", "drop-head", "reject-publish"),
        ("x-dead-letter-routing-key", "/queue/a", "/queue/b"),
        ("x-queue-type", "stream", "classic"),
        ("x-max-age", "1000s", "2000s"),
        ("x-single-active-consumer", "true", "false"),
    ];
    for (name, first, second) in cases {
        let mut w = World::new();
        let (a, b) = (w.client(), w.client());
        w.send(a, "/queue/a", &[(name, first)], "1");
        w.send(a, "/queue/a", &[(name, first)], "2");
        w.send(a, "/queue/a", &[], "3");
        assert_eq!(w.error(a), None, "{name}: {}", w.error_text(a));
        w.send(a, "/queue/a", &[(name, second)], "4");
        assert_eq!(w.error(a), Some("precondition-failed"), "{name}");
        let text = w.error_text(a);
        assert!(text.contains(first) && text.contains(second), "{text}");
        w.subscribe(b, "s", "/queue/a", &[("x-max-length", "77")]);
        assert_eq!(w.error(b), Some("precondition-failed"));
        assert!(w.error_text(b).contains("77"));
    }
}

#[test]
fn unknown_arguments_are_user_headers() {
    let mut w = World::new();
    let a = w.client();
    w.subscribe(a, "s", "/queue/a", &[("x-cancel-on-ha-failover", "true")]);
    w.send(a, "/queue/a", &[("x-trace", "7")], "x");
    assert_eq!(w.one(a).header("x-trace"), Some("7"));
}

#[test]
fn an_auto_delete_queue_goes_with_its_last_consumer() {
    for end in ["unsubscribe", "close"] {
        let mut w = World::new();
        let (p, a, b) = (w.client(), w.client(), w.client());
        for client in [a, b] {
            let headers = [INDIVIDUAL, ("auto-delete", "true"), ("prefetch-count", "1")];
            w.subscribe(client, "s", "/queue/a", &headers);
        }
        for body in ["1", "2", "3"] {
            w.send(p, "/queue/a", &[], body);
        }
        w.close(a);
        assert_eq!(w.broker.queue_stats().count(), 1);
        match end {
            "close" => w.close(b),
            _ => w.unsubscribe(b, "s", &[]),
        }
        assert_eq!(w.broker.queue_stats().count(), 0, "{end}");
        assert_eq!(w.broker.memory(), 0);
    }
}

#[test]
fn a_private_queue_is_its_connections_alone() {
    for private in [("durable", "false"), ("auto-delete", "true")] {
        let mut w = World::new();
        let (a, b, c) = (w.client(), w.client(), w.client());
        w.subscribe(c, "w", "/queue/>", &[INDIVIDUAL]);
        w.subscribe(a, "s", "/queue/a", &[("exclusive", "true"), private]);
        w.send(b, "/queue/a", &[], "1");
        w.send(b, "/queue/a", &[], "2");
        assert_eq!(w.bodies(a), ["1", "2"], "wildcards don't see it");
        w.subscribe(b, "s", "/queue/a", &[]);
        assert_eq!(w.error(b), Some("access-denied"));
        w.close(a);
        let d = w.client();
        w.subscribe(d, "s", "/amq/queue/a", &[]);
        assert_eq!(w.error(d), Some("no-such-destination"));
    }
}

#[test]
fn one_consumer_alone_where_the_queue_says_so() {
    let mut w = World::new();
    let (p, a, b) = (w.client(), w.client(), w.client());
    let single = [INDIVIDUAL, ("x-single-active-consumer", "true")];
    w.subscribe(a, "s", "/queue/a", &single);
    w.subscribe(b, "s", "/queue/a", &single);
    for body in ["1", "2"] {
        w.send(p, "/queue/a", &[], body);
    }
    assert_eq!((w.bodies(a).len(), w.bodies(b).len()), (2, 0));
    w.close(a);
    assert_eq!(w.bodies(b), ["1", "2"]);
}

#[test]
fn a_declared_queue_is_the_same_after_a_restart() {
    let mut w = World::stored(Config::default());
    let a = w.client();
    w.subscribe(a, "s", "/queue/a", &[("x-max-length", "1")]);
    w.send(a, "/queue/b", &[("x-queue-type", "stream")], "lost");
    w.advance(100);
    w.restart();
    let a = w.client();
    w.subscribe(a, "s", "/amq/queue/a", &[("x-max-length", "2")]);
    assert_eq!(w.error(a), Some("precondition-failed"));
    let b = w.client();
    w.send(b, "/queue/b", &[("x-queue-type", "classic")], "");
    assert_eq!(w.error(b), Some("precondition-failed"));
}

#[test]
fn what_is_left_of_a_queue_that_is_gone_gets_into_no_other() {
    let mut w = World::new();
    let (p, a, c) = (w.client(), w.client(), w.client());
    w.subscribe(c, "w", "/queue/>", &[INDIVIDUAL]);
    let private = [
        ("exclusive", "true"),
        ("auto-delete", "false"),
        ("durable", "false"),
    ];
    w.subscribe(a, "s", "/queue/private", &private);
    w.unsubscribe(a, "s", &[]);
    w.send(p, "/queue/private", &[], "secret");
    let got = w.one(c);
    w.close(a);
    for name in ["1", "2", "3"] {
        w.send(p, &format!("/queue/{name}"), &[], name);
    }
    let others = w.take(c);
    w.nack(c, &got, &[]);
    w.nack(c, &others[0], &[]);
    assert_eq!(w.bodies(c), ["1"]);
    w.close(c);
    for name in ["1", "2", "3"] {
        assert_eq!(waiting(&mut w, &format!("/queue/{name}")), [name]);
    }
}

#[test]
fn what_was_on_its_way_from_a_durable_subscription_that_was_removed_gets_into_no_queue() {
    let mut w = World::stored(Config::default());
    let (p, a) = (w.client(), w.client());
    let durable = [("durable", "true")];
    w.subscribe(a, "s", "/topic/a", &durable);
    w.stall(a);
    w.send(p, "/topic/a", &[("persistent", "true")], "old");
    w.advance(100);
    w.unsubscribe(a, "s", &durable);
    w.send(p, "/queue/new", &[], "new");
    w.unstall(a);
    assert_eq!(waiting(&mut w, "/queue/new"), ["new"]);
    w.advance(100);
    w.restart();
    w.advance(100);
    assert_eq!(w.stored_messages(), 0);
}
