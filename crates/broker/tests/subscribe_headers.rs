//! What the headers of `SUBSCRIBE` and `UNSUBSCRIBE` do.

mod common;

use common::{Client, Event, Header, World};
use stompbox_broker::{BrokerDialect, Config, Identity};

const INDIVIDUAL: Header<'static> = ("ack", "client-individual");

#[test]
fn a_selector_chooses_on_queues_and_topics() {
    for name in ["/queue/a", "/topic/a"] {
        let mut w = World::new();
        let (p, a, b) = (w.client(), w.client(), w.client());
        w.subscribe(a, "s", name, &[("selector", "room = 'x' AND n > 1")]);
        w.subscribe(b, "s", name, &[("selector", "NOT (room = 'x' AND n > 1)")]);
        for (room, n) in [("x", "1"), ("x", "2"), ("y", "2"), ("x", "3")] {
            w.send(p, name, &[("room", room), ("n", n)], &format!("{room}{n}"));
        }
        assert_eq!(w.bodies(a), ["x2", "x3"], "{name}");
        assert_eq!(w.bodies(b), ["x1", "y2"], "{name}");
    }
    let mut w = World::new();
    let a = w.client();
    w.subscribe(a, "s", "/queue/a", &[("selector", "room = ")]);
    assert_eq!(w.error(a), Some("invalid-selector"));
}

#[test]
fn what_no_selector_takes_stays_for_another() {
    let mut w = World::new();
    let (p, a, b) = (w.client(), w.client(), w.client());
    for n in ["1", "2", "3"] {
        w.send(p, "/queue/a", &[("n", n)], n);
    }
    w.subscribe(a, "s", "/queue/a", &[INDIVIDUAL, ("selector", "n = 2")]);
    let got = w.one(a);
    w.subscribe(b, "s", "/queue/a", &[("selector", "n <> 2")]);
    assert_eq!(w.bodies(b), ["1", "3"]);
    w.nack(a, &got, &[]);
    assert_eq!(w.one(a).body, "2", "it looks again at what came back");
}

/// How many of ten messages of 1000 bytes a subscription holds unacknowledged.
fn held(headers: &[Header<'_>], dialect: BrokerDialect) -> usize {
    let mut w = World::with(Config {
        prefetch_messages: 7,
        prefetch_bytes: 1 << 20,
        dialect,
        ..Config::default()
    });
    let a = w.client();
    let mut all = vec![INDIVIDUAL];
    all.extend(headers);
    w.subscribe(a, "s", "/queue/a", &all);
    assert_eq!(w.error(a), None, "{}", w.error_text(a));
    let body = "x".repeat(1000);
    for _ in 0..10 {
        w.send(a, "/queue/a", &[], &body);
    }
    let got = w.take(a);
    // One acknowledgement makes room for one more.
    if got.len() < 10 {
        w.ack(a, &got[0], &[]);
        assert_eq!(w.take(a).len(), 1, "{headers:?}");
    }
    got.len()
}

#[test]
fn credit_in_every_spelling() {
    let auto = BrokerDialect::Auto;
    let cases: [(&[Header<'_>], usize); 13] = [
        (&[], 7),
        (&[("prefetch-count", "3")], 3),
        (&[("prefetch-count", "0")], 10),
        (&[("activemq.prefetchSize", "3")], 3),
        (&[("credit", "3")], 3),
        (&[("credit", "9,2000")], 2),
        (&[("credit", "2,200000")], 2),
        (&[("consumer-window-size", "2000")], 2),
        (&[("consumer-window-size", "1")], 1),
        (&[("consumer-window-size", "0")], 1),
        (
            &[("consumer-window-size", "-1"), ("prefetch-count", "0")],
            10,
        ),
        (&[("prefetch-count", "0"), ("credit", "4")], 4),
        (
            &[("prefetch-count", "5"), ("activemq.prefetchSize", "2")],
            2,
        ),
    ];
    for (headers, expected) in cases {
        assert_eq!(held(headers, auto), expected, "{headers:?}");
    }
    let bytes = [("activemq.prefetchSize", "2000")];
    assert_eq!(held(&bytes, BrokerDialect::Artemis), 2);
    let mut w = World::new();
    let a = w.client();
    w.subscribe(a, "s", "/queue/a", &[("activemq.prefetchSize", "0")]);
    assert_eq!(w.error(a), Some("invalid-header"));
}

/// A durable subscription hears what was sent while nobody was there, until it is removed.
fn is_durable(
    dialect: BrokerDialect,
    connect: impl Fn(&mut World) -> Client,
    headers: &[Header<'_>],
) {
    let mut w = World::stored(Config {
        dialect,
        ..Config::default()
    });
    let p = w.client();
    let a = connect(&mut w);
    let mut all = headers.to_vec();
    all.push(("receipt", "r"));
    w.subscribe(a, "s", "/topic/a", &all);
    assert_eq!(w.receipts(a), ["r"], "{}", w.error_text(a));
    w.send(p, "/topic/a", &[], "1");
    assert_eq!(w.bodies(a), ["1"]);
    w.unsubscribe(a, "s", &[]);
    w.close(a);
    w.send(p, "/topic/a", &[("persistent", "true")], "2");
    w.send(p, "/topic/b", &[("persistent", "true")], "other");
    w.advance(100);
    w.restart();
    let p = w.client();
    w.send(p, "/topic/a", &[("persistent", "true")], "3");
    let a = connect(&mut w);
    w.subscribe(a, "s", "/topic/a", headers);
    assert_eq!(w.bodies(a), ["2", "3"], "{headers:?}");
    w.unsubscribe(a, "s", &all);
    assert_eq!(w.receipts(a), ["r"]);
    w.send(p, "/topic/a", &[], "4");
    w.subscribe(a, "s", "/topic/a", headers);
    assert!(w.bodies(a).is_empty(), "it was removed");
}

#[test]
fn durable_subscriptions_in_every_spelling() {
    let auto = BrokerDialect::Auto;
    let user = |w: &mut World| w.user("alice");
    let client = |w: &mut World| w.connect("", "c1", false);
    is_durable(auto, user, &[("durable", "true"), ("auto-delete", "false")]);
    is_durable(auto, user, &[("persistent", "true")]);
    is_durable(BrokerDialect::Apollo, user, &[("persistent", "true")]);
    for name in [
        "activemq.subscriptionName",
        "activemq.subcriptionName",
        "durable-subscription-name",
        "durable-subscriber-name",
    ] {
        is_durable(auto, client, &[(name, "news")]);
    }
    let named = [("durable", "true"), ("x-queue-name", "mine")];
    is_durable(auto, user, &named);
    is_durable(auto, |w| w.client(), &[("durable", "true")]);
}

#[test]
fn durable_subscriptions_keep_what_their_selector_takes() {
    let mut w = World::new();
    let (p, a) = (w.client(), w.user("alice"));
    let durable = [("durable", "true"), ("selector", "n > 1")];
    w.subscribe(a, "s", "/topic/a.*", &durable);
    w.close(a);
    for n in ["1", "2", "3"] {
        w.send(p, "/topic/a.b", &[("n", n)], n);
    }
    let (a, b) = (w.user("alice"), w.user("bob"));
    w.subscribe(a, "s", "/topic/a.*", &durable);
    assert_eq!(w.bodies(a), ["2", "3"]);
    w.subscribe(b, "s", "/topic/a.*", &durable);
    assert!(w.bodies(b).is_empty(), "another's");
    // In use it is not changed, and shared.
    let c = w.user("alice");
    w.subscribe(c, "s", "/topic/other", &[("durable", "true")]);
    assert_eq!(w.error(c), Some("durable-subscription"));
    let c = w.user("alice");
    w.subscribe(c, "s", "/topic/a.*", &durable);
    for n in ["4", "5"] {
        w.send(p, "/topic/a.b", &[("n", n)], n);
    }
    assert_eq!((w.take(a).len(), w.take(c).len()), (1, 1));
    // Otherwise another topic makes it another one.
    w.send(p, "/topic/a.b", &[("n", "6")], "6");
    w.close(a);
    w.close(c);
    let a = w.user("alice");
    w.subscribe(a, "s", "/topic/other", &[("durable", "true")]);
    assert!(w.error(a).is_none());
    w.send(p, "/topic/a.b", &[("n", "7")], "7");
    w.send(p, "/topic/other", &[], "8");
    assert!(w.bodies(a).contains(&"8".into()));
}

#[test]
fn a_durable_subscription_is_a_destination() {
    let mut w = World::new();
    let (p, a) = (w.client(), w.user("alice"));
    w.subscribe(a, "news", "/topic/a", &[("persistent", "true")]);
    w.unsubscribe(a, "news", &[]);
    w.send(p, "/topic/a", &[], "1");
    w.subscribe(a, "s", "/dsub/news", &[("ack", "client")]);
    assert_eq!(w.one(a).destination(), "/topic/a");
    w.subscribe(a, "t", "/dsub/alice.news", &[]);
    assert_eq!(w.error(a), None);
}

#[test]
fn no_two_owners_share_a_durable_subscription() {
    // Each of these is another client, or another subscription of one.
    let unproven = [
        ("", "", "b.c"),
        ("", "b", "c"),
        ("", "a", "b.c"),
        ("", "a.b", "c"),
        ("", "a%2Eb", "c"),
        ("", "a/b", "c"),
    ];
    let proven = [
        ("a", "", "b.c"),
        ("a.b", "", "c"),
        ("a", "b", "c"),
        ("b", "a", "c"),
        ("a/b", "", "c"),
        ("a", "b.c", "d"),
        ("a", "b", "c.d"),
    ];
    for (is_proven, all) in [(false, &unproven[..]), (true, &proven[..])] {
        let mut w = World::new();
        let p = w.client();
        let connect = |w: &mut World, login: &str, client_id: &str| {
            w.connect_as(Identity {
                login: login.into(),
                client_id: client_id.into(),
                proven: is_proven,
                ..Identity::default()
            })
        };
        for (number, (login, client_id, name)) in all.iter().enumerate() {
            let client = connect(&mut w, login, client_id);
            let headers = [("durable-subscription-name", *name)];
            w.subscribe(client, "s", &format!("/topic/{number}"), &headers);
            assert_eq!(w.error(client), None, "{login:?} {client_id:?} {name:?}");
            w.unsubscribe(client, "s", &[]);
        }
        for number in 0..all.len() {
            let body = number.to_string();
            w.send(p, &format!("/topic/{number}"), &[], &body);
        }
        for (number, (login, client_id, name)) in all.iter().enumerate() {
            let client = connect(&mut w, login, client_id);
            w.subscribe(client, "s", &format!("/dsub/{name}"), &[]);
            assert_eq!(
                w.bodies(client),
                [number.to_string()],
                "{login:?} {client_id:?} {name:?}"
            );
        }
    }
}

#[test]
fn what_a_proven_login_keeps_is_no_other_logins() {
    let mut w = World::new();
    let p = w.client();
    let connect = |w: &mut World, login: &str, client_id: &str, reads_others| {
        w.connect_as(Identity {
            login: login.into(),
            client_id: client_id.into(),
            proven: true,
            reads_others,
            ..Identity::default()
        })
    };
    let name = [("durable-subscription-name", "news")];
    let ann = connect(&mut w, "ann", "", false);
    w.subscribe(ann, "s", "/topic/a", &name);
    w.unsubscribe(ann, "s", &[]);
    // A client-id is no proof of anything.
    let bob = connect(&mut w, "bob", "ann", false);
    w.subscribe(bob, "s", "/topic/b", &name);
    w.unsubscribe(bob, "s", &name);
    w.send(p, "/topic/a", &[], "1");
    for other in ["/dsub/ann.news", "/dsub/ann/x.news"] {
        let bob = connect(&mut w, "bob", "", false);
        w.subscribe(bob, "s", other, &[]);
        assert_eq!(w.error(bob), Some("access-denied"), "{other}");
    }
    let auditor = connect(&mut w, "auditor", "", true);
    w.subscribe(auditor, "s", "/dsub/ann.news", &[("ack", "client")]);
    assert_eq!(w.bodies(auditor), ["1"]);
    w.unsubscribe(auditor, "s", &[]);
    let ann = connect(&mut w, "ann", "", false);
    w.subscribe(ann, "s", "/dsub/ann.news", &[]);
    assert_eq!(w.bodies(ann), ["1"]);
}

#[test]
fn removing_one_removes_no_ordinary_queue_and_none_that_is_in_use() {
    let mut w = World::new();
    let (a, b) = (w.user("alice"), w.user("alice"));
    w.send(a, "/queue/orders", &[], "kept");
    let headers = [("durable", "true"), ("x-queue-name", "orders")];
    w.unsubscribe(b, "s", &headers);
    w.subscribe(b, "q", "/queue/orders", &[]);
    assert_eq!(w.bodies(b), ["kept"]);
    w.subscribe(a, "s", "/topic/a", &[("durable", "true")]);
    w.unsubscribe(b, "s", &[("durable", "true")]);
    assert_eq!(w.error(b), Some("durable-subscription"));
    w.send(a, "/topic/a", &[], "x");
    assert_eq!(w.bodies(a), ["x"]);
}

#[test]
fn an_exclusive_consumer_has_the_queue_alone() {
    for name in ["exclusive", "activemq.exclusive"] {
        let mut w = World::new();
        let (p, a, b) = (w.client(), w.client(), w.client());
        w.subscribe(a, "s", "/queue/a", &[]);
        w.subscribe(b, "s", "/queue/a", &[(name, "true")]);
        for body in ["1", "2"] {
            w.send(p, "/queue/a", &[], body);
        }
        assert!(w.bodies(a).is_empty());
        assert_eq!(w.bodies(b), ["1", "2"]);
        w.close(b);
        w.send(p, "/queue/a", &[], "3");
        assert_eq!(w.bodies(a), ["3"]);
    }
}

#[test]
fn consumers_of_a_higher_priority_come_first() {
    for name in ["activemq.priority", "x-priority"] {
        let mut w = World::new();
        let (p, a, b) = (w.client(), w.client(), w.client());
        w.subscribe(a, "s", "/queue/a", &[INDIVIDUAL, (name, "1")]);
        let high = [INDIVIDUAL, (name, "5"), ("prefetch-count", "2")];
        w.subscribe(b, "s", "/queue/a", &high);
        for body in ["1", "2", "3"] {
            w.send(p, "/queue/a", &[], body);
        }
        assert_eq!((w.bodies(a), w.bodies(b).len()), (vec!["3".into()], 2));
    }
}

#[test]
fn no_echo_of_ones_own_on_topics() {
    for name in ["no-local", "activemq.noLocal"] {
        let mut w = World::new();
        let (a, b) = (w.client(), w.client());
        w.subscribe(a, "s", "/topic/a", &[(name, "true")]);
        w.send(a, "/topic/a", &[], "own");
        w.send(b, "/topic/a", &[], "other");
        assert_eq!(w.bodies(a), ["other"]);
    }
}

#[test]
fn a_browser_reads_and_takes_nothing() {
    let mut w = World::new();
    let (p, a, b) = (w.client(), w.client(), w.client());
    for n in ["1", "2", "3"] {
        w.send(p, "/queue/a", &[("n", n)], n);
    }
    w.subscribe(a, "s", "/queue/a", &[("browser", "true"), ("receipt", "r")]);
    assert_eq!(w.bodies(a), ["1", "2", "3"]);
    let end = [Event::Receipt("r".into()), Event::BrowserEnd("s".into())];
    assert_eq!(w.events(a), end);
    w.send(p, "/queue/a", &[("n", "4")], "4");
    assert!(w.bodies(a).is_empty(), "it has seen all");
    let some = [("browser", "true"), ("selector", "n > 2")];
    w.subscribe(a, "t", "/queue/a", &some);
    assert_eq!(w.bodies(a), ["3", "4"]);
    let stays = [("browser", "true"), ("browser-end", "false")];
    w.subscribe(a, "u", "/queue/a", &stays);
    assert_eq!(w.take(a).len(), 4);
    w.send(p, "/queue/a", &[], "5");
    assert_eq!(w.bodies(a), ["5"]);
    w.events(a);
    w.subscribe(b, "s", "/queue/a", &[]);
    assert_eq!(w.take(b).len(), 5);
    w.subscribe(b, "t", "/queue/empty", &[("browser", "true")]);
    assert_eq!(w.events(b), [Event::BrowserEnd("t".into())]);
}

#[test]
fn topics_remember_their_last_messages_for_those_who_ask() {
    let cases = [
        ("activemq.retroactive", "true", "2345"),
        ("from-seq", "0", "2345"),
        ("from-seq", "4", "45"),
        ("from-seq", "1", "2345"),
        ("from-seq", "-1", ""),
        ("x-stream-offset", "first", "2345"),
        ("x-stream-offset", "last", "5"),
        ("x-stream-offset", "next", ""),
        ("x-stream-offset", "timestamp=1000000003", "45"),
    ];
    for (name, value, expected) in cases {
        let mut w = World::with(Config {
            topic_log_messages: 4,
            ..Config::default()
        });
        let (p, a) = (w.client(), w.client());
        for body in ["1", "2", "3", "4", "5"] {
            w.send(p, "/topic/a", &[], body);
            w.advance(1000);
        }
        w.subscribe(a, "s", "/topic/a", &[(name, value)]);
        assert_eq!(w.bodies(a).concat(), expected, "{name}:{value}");
        w.send(p, "/topic/a", &[], "6");
        let next = w.one(a);
        assert_eq!((&*next.body, next.position), ("6", 6));
    }
}

#[test]
fn a_stream_is_read_by_everybody_from_where_they_want() {
    let mut w = World::new();
    let p = w.client();
    let stream = [("x-queue-type", "stream")];
    for body in ["1", "2", "3"] {
        w.send(p, "/queue/log", &stream, body);
    }
    let cases = [
        ("x-stream-offset", "first", "123"),
        ("x-stream-offset", "last", "3"),
        ("x-stream-offset", "next", ""),
        ("x-stream-offset", "offset=0", "123"),
        ("x-stream-offset", "offset=1", "23"),
        ("x-stream-offset", "offset=2", "3"),
        ("x-stream-offset", "offset=3", ""),
        ("from-seq", "2", "23"),
        ("from-seq", "99", ""),
        ("ack", "client", ""),
    ];
    for (name, value, expected) in cases {
        let a = w.client();
        w.subscribe(a, "s", "/queue/log", &[(name, value)]);
        let got = w.take(a);
        let bodies: String = got.iter().map(|it| &*it.body).collect();
        assert_eq!(bodies, expected, "{name}:{value}");
        for it in got {
            assert_eq!(it.position.to_string(), it.body);
        }
        w.close(a);
    }
    let a = w.client();
    let read = [
        ("ack", "client"),
        ("prefetch-count", "1"),
        ("from-seq", "0"),
    ];
    w.subscribe(a, "s", "/queue/log", &read);
    for body in ["1", "2", "3"] {
        let got = w.one(a);
        assert_eq!(got.body, body);
        w.ack(a, &got, &[]);
    }
    w.send(p, "/queue/log", &[], "4");
    assert_eq!(w.bodies(a), ["4"]);
}

#[test]
fn a_streams_limits_and_filters() {
    let mut w = World::new();
    let (p, a, b) = (w.client(), w.client(), w.client());
    let stream = [("x-queue-type", "stream"), ("x-max-length", "3")];
    for value in ["x", "y", "x", "z"] {
        let mut headers = stream.to_vec();
        headers.push(("x-stream-filter-value", value));
        w.send(p, "/queue/log", &headers, value);
    }
    w.send(p, "/queue/log", &[], "-");
    let filter = [("from-seq", "0"), ("x-stream-filter", "x,y")];
    w.subscribe(a, "s", "/queue/log", &filter);
    assert_eq!(w.bodies(a), ["x"]);
    let filter = [
        ("from-seq", "0"),
        ("x-stream-filter", "z"),
        ("x-stream-match-unfiltered", "true"),
    ];
    w.subscribe(b, "s", "/queue/log", &filter);
    assert_eq!(w.bodies(b), ["z", "-"]);
    let old = [("x-queue-type", "stream"), ("x-max-age", "10s")];
    w.send(p, "/queue/old", &old, "1");
    w.advance(11_000);
    w.send(p, "/queue/old", &[], "2");
    w.subscribe(a, "t", "/queue/old", &[("from-seq", "0")]);
    assert_eq!(w.bodies(a), ["2"]);
}

/// What a subscriber that reads nothing for a while has in the end, of nine messages.
fn slow(headers: &[Header<'_>], keys: &[&str]) -> (Vec<String>, Option<&'static str>) {
    let mut w = World::with(Config {
        max_outstanding: 1,
        max_waiting: 700,
        ..Config::default()
    });
    let (p, a, fast) = (w.client(), w.client(), w.client());
    w.subscribe(fast, "s", "/topic/a", &[]);
    w.subscribe(a, "s", "/topic/a", headers);
    w.stall(a);
    for (at, key) in keys.iter().enumerate() {
        w.send(p, "/topic/a", &[("key", key)], &format!("{at}{key}"));
    }
    assert_eq!(w.take(fast).len(), keys.len(), "others are not delayed");
    w.unstall(a);
    (w.bodies(a), w.error(a))
}

#[test]
fn slow_subscribers_are_dealt_with_as_they_asked() {
    let keys = ["a", "b", "a", "b", "a", "b", "a", "b", "c"];
    assert_eq!(slow(&[], &keys).1, Some("slow-consumer"));
    assert_eq!(
        slow(&[("overflow", "disconnect")], &keys).1,
        Some("slow-consumer")
    );
    let (got, error) = slow(&[("overflow", "drop-head")], &keys);
    assert_eq!((got[0].as_str(), error), ("0a", None));
    assert_eq!(got.last().map(String::as_str), Some("8c"));
    assert!(got.len() < 9);
    for name in ["drop-tail", "reject"] {
        let (got, _) = slow(&[("overflow", name)], &keys);
        assert_eq!(got[..2], ["0a", "1b"]);
        assert!(got.len() < 9);
    }
    let conflate = [("overflow", "conflate"), ("conflate-key", "key")];
    assert_eq!(slow(&conflate, &keys).0, ["0a", "6a", "7b", "8c"]);
    assert_eq!(slow(&[("overflow", "conflate")], &keys).0, ["0a", "8c"]);
    let two = [("activemq.maximumPendingMessageLimit", "2")];
    assert_eq!(slow(&two, &keys).0, ["0a", "7b", "8c"]);
    let none = [("activemq.maximumPendingMessageLimit", "0")];
    assert_eq!(slow(&none, &keys).0, ["0a"]);
}

#[test]
fn a_slow_consumer_of_a_queue_loses_nothing() {
    let mut w = World::with(Config {
        max_outstanding: 1,
        max_waiting: 1,
        ..Config::default()
    });
    let (p, a) = (w.client(), w.client());
    w.subscribe(a, "s", "/queue/a", &[]);
    w.stall(a);
    for _ in 0..100 {
        w.send(p, "/queue/a", &[], "x");
    }
    w.unstall(a);
    assert_eq!(w.take(a).len(), 100);
}

#[test]
fn what_several_topics_remember_comes_in_order() {
    let mut w = World::new();
    let (p, a) = (w.client(), w.client());
    for (name, body) in [("a", "1"), ("b", "2"), ("a", "3"), ("c", "4"), ("b", "5")] {
        w.send(p, &format!("/topic/{name}"), &[], body);
    }
    w.subscribe(a, "s", "/topic/>", &[("activemq.retroactive", "true")]);
    assert_eq!(w.bodies(a).concat(), "12345");
}

#[test]
fn one_browser_or_reader_reads_one_queue() {
    let mut w = World::new();
    let p = w.client();
    w.send(p, "/queue/log", &[("x-queue-type", "stream")], "1");
    let cases: [(&str, &[Header<'_>]); 4] = [
        ("/queue/a,/queue/b", &[("browser", "true")]),
        ("/queue/*", &[("browser", "true")]),
        ("/queue/a,/queue/log", &[]),
        ("/topic/a,/queue/b", &[("browser", "true")]),
    ];
    for (name, headers) in cases {
        let a = w.client();
        w.subscribe(a, "s", name, headers);
        assert_eq!(w.error(a), Some("invalid-destination"), "{name}");
    }
}
