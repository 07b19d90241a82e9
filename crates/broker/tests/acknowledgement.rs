//! `ACK`, `NACK`, what comes again, and what is a dead letter.

mod common;

use common::{Event, World};
use stompbox_broker::{Command, Config, Redelivery, Target};

const INDIVIDUAL: common::Header<'static> = ("ack", "client-individual");

#[test]
fn what_is_refused_or_lost_comes_again_and_says_so() {
    let mut w = World::new();
    let (a, b) = (w.client(), w.client());
    w.send(a, "/queue/a", &[], "1");
    w.subscribe(a, "s", "/queue/a", &[INDIVIDUAL]);
    let first = w.one(a);
    assert_eq!(first.redeliveries, 0);
    w.nack(a, &first, &[]);
    let second = w.one(a);
    assert_eq!((second.redeliveries, second.sequence), (1, first.sequence));
    w.subscribe(b, "s", "/queue/a", &[INDIVIDUAL]);
    w.close(a);
    let third = w.one(b);
    assert_eq!(third.redeliveries, 2);
    w.unsubscribe(b, "s", &[]);
    w.subscribe(b, "t", "/queue/a", &[INDIVIDUAL]);
    let fourth = w.one(b);
    assert_eq!(fourth.redeliveries, 3);
    w.ack(b, &fourth, &[("receipt", "r")]);
    assert_eq!(w.receipts(b), ["r"]);
    w.close(b);
    let c = w.client();
    w.subscribe(c, "s", "/queue/a", &[]);
    assert!(w.take(c).is_empty());
    assert_eq!(w.broker.memory(), 0);
}

#[test]
fn client_mode_takes_in_all_earlier_ones_of_the_subscription() {
    let mut w = World::new();
    let (a, b) = (w.client(), w.client());
    w.subscribe(a, "s", "/queue/a", &[("ack", "client")]);
    w.subscribe(a, "t", "/queue/b", &[("ack", "client")]);
    for body in ["1", "2", "3"] {
        w.send(a, "/queue/a", &[], body);
        w.send(a, "/queue/b", &[], body);
    }
    let got = w.take(a);
    let second = got.iter().find(|g| g.subscription == "s" && g.body == "2");
    w.ack(a, second.expect("a second"), &[]);
    w.close(a);
    w.subscribe(b, "s", "/queue/a", &[]);
    assert_eq!(w.bodies(b), ["3"]);
    w.subscribe(b, "t", "/queue/b", &[]);
    assert_eq!(w.bodies(b), ["1", "2", "3"]);
}

#[test]
fn a_nack_in_client_mode_gives_all_back_in_order() {
    let mut w = World::new();
    let (a, b) = (w.client(), w.client());
    w.subscribe(
        a,
        "s",
        "/queue/a",
        &[("ack", "client"), ("prefetch-count", "3")],
    );
    for body in ["1", "2", "3"] {
        w.send(a, "/queue/a", &[], body);
    }
    let got = w.take(a);
    w.subscribe(b, "s", "/queue/a", &[INDIVIDUAL]);
    w.nack(a, &got[2], &[]);
    let mut all = w.take(a);
    all.extend(w.take(b));
    assert_eq!(all.len(), 3);
    for client in [a, b] {
        w.close(client);
    }
    let c = w.client();
    w.subscribe(c, "s", "/queue/a", &[]);
    assert_eq!(w.bodies(c), ["1", "2", "3"]);
}

#[test]
fn what_comes_back_to_a_waiting_consumer_comes_in_order() {
    for end in ["unsubscribe", "close", "nack"] {
        let mut w = World::new();
        let (a, b) = (w.client(), w.client());
        w.subscribe(
            a,
            "s",
            "/queue/a",
            &[("ack", "client"), ("activemq.priority", "1")],
        );
        for body in ["1", "2", "3"] {
            w.send(a, "/queue/a", &[], body);
        }
        w.subscribe(
            b,
            "s",
            "/queue/a",
            &[INDIVIDUAL, ("activemq.priority", "2")],
        );
        match end {
            "unsubscribe" => w.unsubscribe(a, "s", &[]),
            "close" => w.close(a),
            _ => {
                let got = w.take(a);
                w.nack(a, &got[2], &[]);
            }
        }
        assert_eq!(w.bodies(b), ["1", "2", "3"], "{end}");
    }
}

#[test]
fn an_exclusive_consumers_heir_gets_what_it_left_in_order() {
    for end in ["unsubscribe", "close"] {
        let mut w = World::new();
        let (a, b) = (w.client(), w.client());
        let exclusive = [INDIVIDUAL, ("exclusive", "true"), ("prefetch-count", "2")];
        w.subscribe(a, "s", "/queue/a", &exclusive);
        w.subscribe(b, "s", "/queue/a", &[INDIVIDUAL, ("exclusive", "true")]);
        for body in ["1", "2", "3", "4"] {
            w.send(a, "/queue/a", &[], body);
        }
        assert_eq!(w.bodies(a), ["1", "2"]);
        match end {
            "unsubscribe" => w.unsubscribe(a, "s", &[]),
            _ => w.close(a),
        }
        assert_eq!(w.bodies(b), ["1", "2", "3", "4"], "{end}");
    }
}

#[test]
fn old_clients_acknowledge_by_message_id() {
    let mut w = World::new();
    let a = w.old_client();
    for id in ["s", "t"] {
        w.subscribe(a, id, "/topic/a", &[INDIVIDUAL]);
    }
    w.send(a, "/topic/a", &[], "1");
    let got = w.take(a);
    assert_eq!((got.len(), got[0].sequence), (2, got[1].sequence));
    let ack = |subscription: Option<&str>, receipt: &str| Command::Acknowledge {
        target: Target::Message {
            sequence: got[0].sequence,
            subscription: subscription.map(Into::into),
        },
        consumed: true,
        requeue: true,
        transaction: None,
        receipt: Some(receipt.into()),
    };
    w.run(a, vec![ack(Some("t"), "1"), ack(None, "2")]);
    assert_eq!(w.receipts(a), ["1", "2"]);
    w.run(a, vec![ack(None, "3")]);
    let error = Event::Error("unknown-message", Some("3".into()));
    assert_eq!(w.events(a), [error]);
}

#[test]
fn an_acknowledgement_of_nothing_is_an_error() {
    let mut w = World::new();
    let (a, b) = (w.client(), w.client());
    w.send(a, "/queue/a", &[], "1");
    w.subscribe(a, "s", "/queue/a", &[INDIVIDUAL]);
    let got = w.one(a);
    w.ack(b, &got, &[]);
    assert_eq!(w.error(b), Some("unknown-message"), "another's");
    w.ack(a, &got, &[]);
    w.ack(a, &got, &[("receipt", "r")]);
    let error = Event::Error("unknown-message", Some("r".into()));
    assert_eq!(w.events(a), [error], "the second time");
}

#[test]
fn the_limit_makes_a_dead_letter_that_says_why() {
    let mut w = World::with(Config {
        redelivery: Redelivery {
            limit: 3,
            ..Redelivery::default()
        },
        ..Config::default()
    });
    let a = w.client();
    w.subscribe(a, "s", "/queue/orders", &[INDIVIDUAL]);
    w.send(
        a,
        "/queue/orders",
        &[("color", "red"), ("ttl", "100000")],
        "x",
    );
    for failed in 0..3 {
        let got = w.one(a);
        assert_eq!(got.redeliveries, failed);
        w.nack(a, &got, &[]);
    }
    assert!(w.take(a).is_empty());
    w.subscribe(a, "d", "/queue/DLQ.orders", &[INDIVIDUAL]);
    let dead = w.one(a);
    let expected = [
        ("destination", "/queue/DLQ.orders"),
        ("color", "red"),
        ("original-destination", "/queue/orders"),
        ("x-death-queue", "/queue/orders"),
        ("x-death-reason", "delivery-limit"),
        ("x-death-count", "3"),
        ("x-death-time", "1000000000000"),
    ];
    for (name, value) in expected {
        assert_eq!(dead.header(name), Some(value), "{name}");
    }
    assert_eq!(dead.body, "x");
    // Dead letters die no second death, and don't expire.
    w.advance(1_000_000);
    let mut dead = dead;
    for _ in 0..20 {
        w.nack(a, &dead, &[("requeue", "true")]);
        dead = w.one(a);
    }
}

#[test]
fn a_refusal_for_good_makes_a_dead_letter_at_once() {
    let mut w = World::new();
    let a = w.client();
    w.subscribe(a, "s", "/queue/a/b", &[INDIVIDUAL]);
    w.send(a, "/queue/a/b", &[("persistent", "true")], "x");
    let got = w.one(a);
    w.nack(a, &got, &[("requeue", "false"), ("receipt", "r")]);
    assert_eq!(w.receipts(a), ["r"]);
    assert!(w.take(a).is_empty());
    w.subscribe(a, "d", "/queue/DLQ.a/b", &[INDIVIDUAL]);
    let dead = w.one(a);
    assert_eq!(dead.header("x-death-reason"), Some("rejected"));
    assert_eq!(dead.header("persistent"), Some("true"));
    // There it is over.
    w.nack(a, &dead, &[("requeue", "false")]);
    w.close(a);
    assert_eq!(w.broker.memory(), 0);
}

#[test]
fn the_loss_of_a_consumer_is_no_refusal() {
    let mut w = World::new();
    w.broker = stompbox_broker::Broker::new(
        Config {
            redelivery: Redelivery {
                limit: 1,
                ..Redelivery::default()
            },
            ..Config::default()
        },
        "run",
        w.now,
    );
    let p = w.client();
    w.send(p, "/queue/a", &[], "x");
    for _ in 0..5 {
        let a = w.client();
        w.subscribe(a, "s", "/queue/a", &[INDIVIDUAL]);
        assert_eq!(w.bodies(a), ["x"]);
        w.close(a);
    }
}

#[test]
fn subscriptions_say_how_messages_come_again() {
    let mut w = World::new();
    let a = w.client();
    let headers = [
        INDIVIDUAL,
        ("activemq.maximumRedeliveries", "4"),
        ("activemq.initialRedeliveryDelay", "100"),
        ("activemq.redeliveryDelay", "1000"),
        ("activemq.useExponentialBackOff", "true"),
        ("activemq.backOffMultiplier", "2"),
        ("activemq.maximumRedeliveryDelay", "1500"),
    ];
    w.subscribe(a, "s", "/queue/a", &headers);
    w.send(a, "/queue/a", &[], "x");
    let got = w.one(a);
    w.nack(a, &got, &[]);
    for delay in [100, 1000, 1500, 1500] {
        w.advance(delay - 1);
        assert!(w.take(a).is_empty(), "{delay}");
        w.advance(1);
        let got = w.one(a);
        w.nack(a, &got, &[]);
    }
    w.advance(10_000);
    assert!(w.take(a).is_empty(), "four redeliveries");
    w.subscribe(a, "d", "/queue/DLQ.a", &[]);
    assert_eq!(w.one(a).header("x-death-count"), Some("5"));
}

#[test]
fn delivery_limits_in_all_spellings() {
    // How often a message is delivered before it is a dead letter; 0: for ever.
    let cases = [
        ("x-delivery-limit", "2", 2),
        ("x-delivery-limit", "-1", 0),
        ("activemq.maximumRedeliveries", "2", 3),
        ("activemq.maximumRedeliveries", "0", 1),
        ("activemq.maximumRedeliveries", "-1", 0),
    ];
    for (name, value, deliveries) in cases {
        let mut w = World::new();
        let a = w.client();
        w.subscribe(a, "s", "/queue/a", &[INDIVIDUAL, (name, value)]);
        w.send(a, "/queue/a", &[], "x");
        let mut count = 0;
        while let Some(got) = w.take(a).pop() {
            count += 1;
            if count == 50 {
                break;
            }
            w.nack(a, &got, &[]);
        }
        let expected = if deliveries == 0 { 50 } else { deliveries };
        assert_eq!(count, expected, "{name}:{value}");
    }
}

#[test]
fn a_message_that_waits_for_its_redelivery_goes_to_whoever_is_there_then() {
    let mut w = World::new();
    let (a, b) = (w.client(), w.client());
    let slowly = [INDIVIDUAL, ("activemq.redeliveryDelay", "1000")];
    w.subscribe(a, "s", "/queue/a", &slowly);
    w.send(a, "/queue/a", &[], "1");
    let got = w.one(a);
    w.nack(a, &got, &[]);
    w.close(a);
    w.subscribe(b, "s", "/queue/a", &[]);
    w.advance(999);
    assert!(w.take(b).is_empty());
    w.advance(1);
    assert_eq!(w.one(b).redeliveries, 1);
}

#[test]
fn a_topics_refused_message_comes_again_to_its_subscriber_alone() {
    let mut w = World::new();
    let (a, b) = (w.client(), w.client());
    for client in [a, b] {
        w.subscribe(
            client,
            "s",
            "/topic/a",
            &[INDIVIDUAL, ("x-delivery-limit", "2")],
        );
    }
    w.send(a, "/topic/a", &[], "x");
    let got = w.one(a);
    w.take(b);
    w.nack(a, &got, &[]);
    let again = w.one(a);
    assert_eq!(again.redeliveries, 1);
    assert!(w.take(b).is_empty());
    w.nack(a, &again, &[]);
    assert!(w.take(a).is_empty());
    w.subscribe(b, "d", "/queue/DLQ.a", &[]);
    let dead = w.one(b);
    assert_eq!(dead.header("x-death-queue"), Some("/topic/a"));
}

#[test]
fn what_was_not_written_in_auto_mode_goes_to_another_and_is_no_redelivery() {
    for stored in [false, true] {
        let mut w = if stored {
            World::stored(Config::default())
        } else {
            World::new()
        };
        let (p, a, b) = (w.client(), w.client(), w.client());
        w.subscribe(a, "s", "/queue/a", &[]);
        w.stall(a);
        for body in ["1", "2", "3"] {
            w.send(p, "/queue/a", &[("persistent", "true")], body);
        }
        w.subscribe(b, "s", "/queue/a", &[]);
        assert!(w.bodies(b).is_empty());
        w.close(a);
        let got = w.take(b);
        let bodies: Vec<_> = got.iter().map(|g| (&*g.body, g.redeliveries)).collect();
        assert_eq!(bodies, [("1", 0), ("2", 0), ("3", 0)], "{stored}");
    }
}

#[test]
fn what_was_on_its_way_to_an_ended_subscription_goes_back() {
    for mode in ["auto", "client"] {
        let mut w = World::new();
        let (p, a) = (w.client(), w.client());
        w.subscribe(a, "s", "/queue/a", &[("ack", mode)]);
        w.stall(a);
        for body in ["1", "2"] {
            w.send(p, "/queue/a", &[], body);
        }
        w.unsubscribe(a, "s", &[("receipt", "r")]);
        assert_eq!(w.receipts(a), ["r"]);
        w.unstall(a);
        assert!(w.take(a).is_empty(), "nothing after the receipt");
        w.subscribe(p, "s", "/queue/a", &[]);
        assert_eq!(w.bodies(p), ["1", "2"], "{mode}");
    }
}

#[test]
fn room_that_one_subscription_frees_serves_the_others_of_its_connection() {
    let mut w = World::with(Config {
        max_unacked: 1,
        ..Config::default()
    });
    let (p, a) = (w.client(), w.client());
    w.subscribe(a, "s", "/queue/a", &[INDIVIDUAL]);
    w.subscribe(a, "t", "/queue/b", &[INDIVIDUAL]);
    w.send(p, "/queue/a", &[], "1");
    w.send(p, "/queue/b", &[], "2");
    let got = w.one(a);
    w.ack(a, &got, &[]);
    assert_eq!(w.bodies(a), ["2"]);
}

#[test]
fn what_is_refused_together_dies_in_order() {
    let mut w = World::new();
    let (p, c) = (w.client(), w.client());
    for name in ["/queue/a", "/topic/a"] {
        w.subscribe(c, name, name, &[("ack", "client")]);
        for body in ["1", "2", "3"] {
            w.send(p, name, &[], body);
        }
        let got = w.take(c);
        w.nack(c, &got[2], &[("requeue", "false")]);
        let d = w.client();
        w.subscribe(d, "d", "/queue/DLQ.a", &[]);
        assert_eq!(w.bodies(d), ["1", "2", "3"], "{name}");
        w.close(d);
    }
}

#[test]
fn what_comes_back_together_is_shared_among_those_who_wait() {
    for end in ["unsubscribe", "close", "nack"] {
        let mut w = World::new();
        let (a, b, c) = (w.client(), w.client(), w.client());
        w.subscribe(a, "s", "/queue/a", &[("ack", "client")]);
        for body in ["1", "2", "3", "4"] {
            w.send(a, "/queue/a", &[], body);
        }
        let preferred = [INDIVIDUAL, ("activemq.priority", "1")];
        w.subscribe(b, "s", "/queue/a", &preferred);
        w.subscribe(c, "s", "/queue/a", &preferred);
        match end {
            "unsubscribe" => w.unsubscribe(a, "s", &[]),
            "close" => w.close(a),
            _ => {
                let got = w.take(a);
                w.nack(a, &got[3], &[]);
            }
        }
        assert_eq!(w.bodies(b), ["1", "3"], "{end}");
        assert_eq!(w.bodies(c), ["2", "4"], "{end}");
    }
}
