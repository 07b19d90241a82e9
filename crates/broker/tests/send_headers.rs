//! What the headers of a `SEND` do.

mod common;

use common::{Event, START, World};
use stompbox_broker::{Config, Message};
use stompbox_proto::Dialect;

#[test]
fn what_is_persistent_survives_a_restart_and_nothing_else() {
    let mut w = World::stored(Config::default());
    let a = w.client();
    w.send(a, "/queue/a", &[("persistent", "true"), ("n", "1")], "1");
    w.send(a, "/queue/a", &[("delivery-mode", "2")], "2");
    w.send(a, "/queue/a", &[("delivery-mode", "1")], "3");
    w.send(a, "/queue/a", &[("persistent", "false")], "4");
    w.send(a, "/queue/a", &[], "5");
    w.advance(10);
    w.restart();
    let a = w.client();
    w.subscribe(a, "s", "/queue/a", &[]);
    let got = w.take(a);
    assert_eq!(got.len(), 2);
    assert_eq!(got[0].header("n"), Some("1"));
    assert_eq!(got[0].header("persistent"), Some("true"));
    assert_eq!(got[1].body, "2");
}

#[test]
fn messages_expire_at_a_time_or_after_a_time_whichever_is_earlier() {
    let at = |ms: u64| (START + ms).to_string();
    let cases = [
        (vec![("expires", at(100))], 100),
        (vec![("expiration", "100".into())], 100),
        (vec![("ttl", "100".into())], 100),
        (vec![("expires", at(500)), ("ttl", "100".into())], 100),
        (vec![("ttl", "500".into()), ("expires", at(100))], 100),
        (
            vec![("expiration", "500".into()), ("ttl", "100".into())],
            100,
        ),
        (vec![("expires", "0".into()), ("ttl", "100".into())], 100),
    ];
    for (headers, lives) in cases {
        let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, &**v)).collect();
        for (wait, arrives) in [(lives - 1, 1), (lives, 0)] {
            let mut w = World::new();
            let a = w.client();
            w.send(a, "/queue/a", &headers, "x");
            w.advance(wait);
            w.subscribe(a, "s", "/queue/a", &[]);
            assert_eq!(w.take(a).len(), arrives, "{headers:?} after {wait}");
        }
    }
    let mut w = World::new();
    let a = w.client();
    w.send(a, "/queue/a", &[("expires", "0")], "x");
    w.advance(1_000_000);
    w.subscribe(a, "s", "/queue/a", &[]);
    assert_eq!(w.bodies(a), ["x"], "0 is never");
}

#[test]
fn what_has_expired_is_swept_out_of_memory() {
    let mut w = World::new();
    let a = w.client();
    for _ in 0..100 {
        w.send(a, "/queue/a", &[("ttl", "10")], "x");
    }
    assert!(w.broker.memory() > 0);
    w.advance(5000);
    assert_eq!(w.broker.memory(), 0);
    assert_eq!(w.broker.queue_stats().count(), 0, "and the queue with it");
    assert_eq!(w.broker.poll_timeout(), None);
}

#[test]
fn higher_priorities_come_first() {
    let mut w = World::new();
    let a = w.client();
    for (priority, body) in [("0", "f"), ("9", "a"), ("4", "c"), ("12", "b"), ("1", "e")] {
        w.send(a, "/queue/a", &[("priority", priority)], body);
    }
    w.send(a, "/queue/a", &[], "d");
    w.subscribe(a, "s", "/queue/a", &[]);
    assert_eq!(w.bodies(a).concat(), "abcdef");
}

#[test]
fn a_group_stays_with_one_consumer_until_it_ends() {
    let mut w = World::new();
    let (p, a, b) = (w.client(), w.client(), w.client());
    for client in [a, b] {
        w.subscribe(client, "s", "/queue/a", &[("ack", "client-individual")]);
    }
    for at in 0..6 {
        let group = ["x", "y"][at % 2];
        w.send(p, "/queue/a", &[("JMSXGroupID", group)], group);
    }
    let (of_a, of_b) = (w.bodies(a).concat(), w.bodies(b).concat());
    let mut both = [&*of_a, &*of_b];
    both.sort_unstable();
    assert_eq!(both, ["xxx", "yyy"]);
    let (mut owner, mut other) = if of_a == "xxx" { (a, b) } else { (b, a) };
    // Messages without a group go to anybody.
    w.send(p, "/queue/a", &[], "-");
    w.send(p, "/queue/a", &[], "-");
    assert_eq!((w.take(a).len(), w.take(b).len()), (1, 1));
    // The last of a group ends it: the next begins one anew, perhaps elsewhere.
    let end = [("JMSXGroupID", "x"), ("JMSXGroupSeq", "-1")];
    w.send(p, "/queue/a", &end, "end");
    assert_eq!(w.bodies(owner), ["end"]);
    w.send(p, "/queue/a", &[("JMSXGroupID", "x")], "new");
    if w.bodies(other) == ["new"] {
        std::mem::swap(&mut owner, &mut other);
    }
    // With its owner a group goes to another, in order.
    w.take(owner);
    w.take(other);
    w.close(owner);
    let got = w.bodies(other);
    assert!(!got.is_empty());
    w.send(p, "/queue/a", &[("JMSXGroupID", "x")], "later");
    assert_eq!(w.bodies(other), ["later"]);
}

#[test]
fn a_groups_messages_come_in_order_after_its_owner_has_gone() {
    let mut w = World::new();
    let (p, a, b) = (w.client(), w.client(), w.client());
    let mode = [("ack", "client-individual"), ("prefetch-count", "2")];
    w.subscribe(a, "s", "/queue/a", &mode);
    for body in ["1", "2", "3", "4"] {
        w.send(p, "/queue/a", &[("JMSXGroupID", "x")], body);
    }
    w.subscribe(b, "s", "/queue/a", &[("ack", "client-individual")]);
    assert_eq!(w.bodies(a), ["1", "2"]);
    assert!(w.bodies(b).is_empty());
    w.close(a);
    assert_eq!(w.bodies(b), ["1", "2", "3", "4"]);
}

#[test]
fn delays_and_repetitions() {
    for header in ["AMQ_SCHEDULED_DELAY", "x-delay"] {
        let mut w = World::new();
        let a = w.client();
        w.subscribe(a, "s", "/queue/a", &[]);
        w.send(a, "/queue/a", &[(header, "100"), ("receipt", "r")], "x");
        assert_eq!(w.receipts(a), ["r"]);
        w.advance(99);
        assert!(w.bodies(a).is_empty());
        w.advance(1);
        let got = w.one(a);
        assert!(got.header("scheduledJobId").is_some());
        assert_eq!(w.broker.memory(), 0);
    }
    let mut w = World::new();
    let a = w.client();
    w.subscribe(a, "s", "/topic/a", &[]);
    let headers = [
        ("AMQ_SCHEDULED_DELAY", "100"),
        ("AMQ_SCHEDULED_PERIOD", "10"),
        ("AMQ_SCHEDULED_REPEAT", "2"),
    ];
    w.send(a, "/topic/a", &headers, "x");
    w.advance(100);
    assert_eq!(w.take(a).len(), 1);
    w.advance(10);
    assert_eq!(w.take(a).len(), 1);
    w.advance(1000);
    assert_eq!(w.take(a).len(), 1, "the first, and two repetitions");
}

#[test]
fn a_calendar_says_when() {
    let mut w = World::new();
    let a = w.client();
    w.subscribe(a, "s", "/queue/a", &[]);
    w.send(
        a,
        "/queue/a",
        &[("AMQ_SCHEDULED_CRON", "*/10 * * * *")],
        "x",
    );
    w.advance(30 * 60_000);
    assert_eq!(w.take(a).len(), 3);
}

#[test]
fn what_the_scheduler_sent_is_not_scheduled_again() {
    let mut w = World::new();
    let a = w.client();
    w.subscribe(a, "s", "/queue/a", &[]);
    let headers = [("AMQ_SCHEDULED_DELAY", "100"), ("scheduledJobId", "ID:1")];
    w.send(a, "/queue/a", &headers, "x");
    assert_eq!(w.bodies(a), ["x"]);
}

#[test]
fn a_delayed_message_does_what_its_other_headers_say() {
    let mut w = World::new();
    let (a, b) = (w.client(), w.client());
    let late = ("x-delay", "100");
    w.subscribe(a, "s", "orders", &[("subscription-type", "MULTICAST")]);
    w.send(a, "orders", &[late, ("destination-type", "MULTICAST")], "t");
    w.send(a, "/topic/last", &[late, ("retain", "set")], "r");
    w.send(a, "/queue/b", &[late, ("x-max-length", "1")], "1");
    w.advance(100);
    assert_eq!(w.bodies(a), ["t"]);
    w.subscribe(b, "s", "/topic/last", &[]);
    assert_eq!(w.bodies(b), ["r"]);
    w.send(a, "/queue/b", &[], "2");
    w.subscribe(b, "q", "/queue/b", &[]);
    assert_eq!(w.bodies(b), ["2"]);
}

#[test]
fn a_delayed_message_is_checked_when_it_is_sent() {
    let mut w = World::new();
    let a = w.client();
    w.send(a, "/nowhere", &[("x-delay", "100"), ("receipt", "r")], "x");
    let error = Event::Error("invalid-destination", Some("r".into()));
    assert_eq!(w.events(a), [error]);
    let mut w = World::with(Config {
        max_scheduled: 1,
        ..Config::default()
    });
    let a = w.client();
    w.send(a, "/queue/a", &[("x-delay", "100")], "1");
    w.send(a, "/queue/a", &[("x-delay", "100")], "2");
    assert_eq!(w.error(a), Some("too-many"));
}

#[test]
fn the_retained_message_comes_first() {
    for value in ["set", "true"] {
        let mut w = World::new();
        let (a, b) = (w.client(), w.client());
        w.send(a, "/topic/a", &[("retain", value)], "1");
        w.send(a, "/topic/a", &[("retain", value)], "2");
        w.send(a, "/topic/a", &[], "3");
        w.subscribe(b, "s", "/topic/a", &[("receipt", "r")]);
        let got = w.one(b);
        assert!(got.retained && got.body == "2");
        w.send(a, "/topic/a", &[], "4");
        assert!(!w.one(b).retained);
        w.subscribe(b, "t", "/topic/>", &[]);
        assert_eq!(w.bodies(b), ["2"]);
        w.subscribe(b, "u", "/topic/a", &[("selector", "n = 1")]);
        assert!(w.bodies(b).is_empty());
        w.send(a, "/topic/a", &[("retain", "remove")], "5");
        w.take(b);
        w.subscribe(b, "v", "/topic/a", &[]);
        assert!(w.bodies(b).is_empty());
    }
}

#[test]
fn a_retained_message_lives_as_long_as_it_may() {
    let mut w = World::new();
    let (a, b) = (w.client(), w.client());
    w.send(
        a,
        "/topic/a",
        &[("retain", "set"), ("retain-ttl", "100")],
        "1",
    );
    w.advance(99);
    w.subscribe(b, "s", "/topic/a", &[]);
    assert_eq!(w.bodies(b), ["1"]);
    w.advance(1);
    w.subscribe(b, "t", "/topic/a", &[]);
    assert!(w.bodies(b).is_empty());
}

#[test]
fn the_servers_headers_are_not_taken_from_a_client() {
    let mut w = World::new();
    let a = w.client();
    let theirs = [
        ("message-id", "1"),
        ("subscription", "x"),
        ("ack", "1"),
        ("redelivered", "true"),
        ("x-delivery-count", "5"),
        ("JMSXUserID", "root"),
        ("JMSXDeliveryCount", "5"),
        ("receipt", "r"),
        ("content-length", "1"),
    ];
    let mut headers = vec![("first", "1")];
    headers.extend(theirs);
    headers.extend([("first", "2"), ("correlation-id", "c"), ("type", "t")]);
    w.subscribe(a, "s", "/queue/a", &[]);
    w.send(a, "/queue/a", &headers, "x");
    let got = w.one(a);
    let names: Vec<_> = got
        .message
        .headers()
        .map(|(n, v)| format!("{n}:{v}"))
        .collect();
    let expected = [
        "destination:/queue/a",
        "first:1",
        "first:2",
        "correlation-id:c",
        "type:t",
        "content-length:1",
    ];
    assert_eq!(names, expected);
}

#[test]
fn headers_with_no_meaning_are_refused() {
    let cases = [
        ("persistent", "maybe"),
        ("priority", "high"),
        ("expires", "tomorrow"),
        ("expiration", "-1"),
        ("x-delay", "soon"),
        ("AMQ_SCHEDULED_REPEAT", "often"),
        ("AMQ_SCHEDULED_CRON", "* * *"),
        ("retain", "often"),
        ("destination-type", "multicast"),
        ("x-overflow", "burst"),
        ("x-queue-type", "fancy"),
        ("x-max-age", "5 days"),
        ("x-dead-letter-exchange", "mine"),
        ("x-dead-letter-routing-key", "/exchange/mine"),
        ("x-dead-letter-routing-key", "/queue/a.*"),
    ];
    let mut w = World::new();
    let a = w.client();
    for (name, value) in cases {
        let error = w.message(a, "/queue/a", &[(name, value)], "x");
        let error = error.expect_err(name);
        assert_eq!(error.code(), "invalid-header", "{name}");
        let text = error.to_string();
        assert!(text.contains(name) && text.contains(value), "{text}");
    }
    for value in ["True", "TRUE", "true ", "False"] {
        let sent = w.message(a, "/queue/a", &[("persistent", value)], "x");
        assert!(sent.is_ok(), "{value}");
    }
}

#[test]
fn each_version_gets_what_it_can_express() {
    let headers = [
        ("a:b", "c\nd"),
        ("plain", "1"),
        ("cr", "x\ry"),
        ("back", "e\\f"),
    ];
    let message = Message::new("/queue/a", &headers, b"body", START).expect("a message");
    let text = |dialect| String::from_utf8(message.wire(dialect).into_owned()).expect("text");
    assert_eq!(
        text(Dialect::V1_2),
        "destination:/queue/a\na\\cb:c\\nd\nplain:1\ncr:x\\ry\nback:e\\\\f\ncontent-length:4\n\nbody\0"
    );
    assert_eq!(
        text(Dialect::V1_1),
        "destination:/queue/a\na\\cb:c\\nd\nplain:1\nback:e\\\\f\ncontent-length:4\n\nbody\0"
    );
    assert_eq!(
        text(Dialect::V1_0),
        "destination:/queue/a\nplain:1\nback:e\\f\ncontent-length:4\n\nbody\0"
    );
    let found: Vec<_> = ["a:b", "cr", "back"]
        .into_iter()
        .filter_map(|name| message.header(name))
        .collect();
    assert_eq!(found, ["c\nd", "x\ry", "e\\f"]);
}
