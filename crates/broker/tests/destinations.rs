//! What names of destinations mean.

mod common;

use common::{Event, Header, World};
use stompbox_broker::{BareDestination, BrokerDialect, Config, Identity};

/// Sends `body` to one name and says what a subscriber of another gets, if anything.
fn reaches(world: &mut World, sent: &str, subscribed: &str) -> Vec<String> {
    let (producer, consumer) = (world.client(), world.client());
    world.subscribe(consumer, "s", subscribed, &[]);
    assert_eq!(
        world.error(consumer),
        None,
        "{}",
        world.error_text(consumer)
    );
    world.send(producer, sent, &[], "x");
    assert_eq!(
        world.error(producer),
        None,
        "{}",
        world.error_text(producer)
    );
    let got = world.take(consumer);
    for got in &got {
        assert_eq!(got.destination(), sent, "as the SEND spelt it");
    }
    world.close(producer);
    world.close(consumer);
    got.into_iter().map(|got| got.body).collect()
}

#[test]
fn a_queue_gives_each_message_to_one_and_a_topic_to_all() {
    let mut w = World::new();
    let (a, b) = (w.client(), w.client());
    for client in [a, b] {
        w.subscribe(client, "q", "/queue/a", &[]);
        w.subscribe(client, "t", "/topic/a", &[]);
    }
    for body in ["1", "2"] {
        w.send(a, "/queue/a", &[], body);
    }
    assert_eq!(
        (w.bodies(a), w.bodies(b)),
        (vec!["1".into()], vec!["2".into()])
    );
    w.send(a, "/topic/a", &[], "3");
    assert_eq!(
        (w.bodies(a), w.bodies(b)),
        (vec!["3".into()], vec!["3".into()])
    );
}

#[test]
fn a_queue_keeps_what_nobody_takes_and_a_topic_does_not() {
    let mut w = World::new();
    let a = w.client();
    w.send(a, "/queue/a", &[], "1");
    w.send(a, "/topic/a", &[], "2");
    w.subscribe(a, "q", "/queue/a", &[]);
    w.subscribe(a, "t", "/topic/a", &[]);
    assert_eq!(w.bodies(a), ["1"]);
}

#[test]
fn aliases_are_the_same_destination() {
    let cases = [
        ("/exchange/amq.topic/a.b", "/topic/a.b", true),
        ("/topic/a.b", "/exchange/amq.topic/a.b", true),
        ("/exchange/amq.topic/a.b", "/topic/a.*", true),
        ("/topic/a.b", "/exchange/amq.topic/a.#", true),
        ("/exchange/amq.direct/k", "/exchange/amq.direct/k", true),
        ("/exchange/amq.direct/k", "/exchange/amq.direct/l", false),
        ("/exchange/amq.fanout", "/exchange/amq.fanout", true),
        ("/topic/a.b.c", "/topic/a.>", true),
        ("/topic/a/b/c", "/topic/a/**", true),
        ("/topic/a/b", "/topic/a.*", true),
        ("/topic/a", "/topic/a.#", true),
        ("/topic/a", "/topic/a.*", false),
        ("/topic/a.b", "/topic/b.*", false),
        ("/queue/a.b", "/queue/a.*", true),
        ("/queue/a/b/c", "/queue/a/>", true),
        ("/queue/b", "/queue/a.*", false),
    ];
    for (sent, subscribed, arrives) in cases {
        let mut w = World::new();
        let got = reaches(&mut w, sent, subscribed);
        assert_eq!(got.len(), usize::from(arrives), "{sent} {subscribed}");
    }
}

#[test]
fn a_wildcard_of_queues_takes_from_those_that_are_there_and_those_that_come() {
    let mut w = World::new();
    let (a, b) = (w.client(), w.client());
    w.send(a, "/queue/a.1", &[], "1");
    w.subscribe(b, "s", "/queue/a.*", &[("ack", "client-individual")]);
    w.send(a, "/queue/a.2", &[], "2");
    w.send(a, "/queue/b.1", &[], "3");
    assert_eq!(w.bodies(b), ["1", "2"]);
    w.unsubscribe(b, "s", &[]);
    w.subscribe(a, "s", "/queue/a.2", &[]);
    assert_eq!(w.one(a).redeliveries, 1);
}

#[test]
fn percent_signs_are_decoded_for_those_who_come_from_brokers_that_do() {
    let send = "/queue/a%2Fb%C3%A9";
    for (all, own, key) in [
        (BrokerDialect::Auto, None, send),
        (BrokerDialect::Activemq, None, send),
        (BrokerDialect::Rabbitmq, None, "/queue/a/b\u{e9}"),
        (BrokerDialect::Apollo, None, "/queue/a/b\u{e9}"),
        (
            BrokerDialect::Auto,
            Some(BrokerDialect::Rabbitmq),
            "/queue/a/b\u{e9}",
        ),
        (BrokerDialect::Rabbitmq, Some(BrokerDialect::Auto), send),
    ] {
        let mut w = World::with(Config {
            dialect: all,
            ..Config::default()
        });
        let other = w.client();
        let a = w.connect_as(Identity {
            dialect: own,
            ..Identity::default()
        });
        w.send(a, send, &[], "x");
        w.subscribe(a, "t", "/topic/100%,%2C/>", &[]);
        w.send(a, "/topic/100%,%2C/a", &[], "y");
        assert_eq!(w.bodies(a), ["y"], "{all} {own:?}");
        w.subscribe(a, "s", send, &[]);
        let got = w.one(a);
        // What was sent is what comes, whatever it means.
        assert_eq!(got.destination(), send);
        w.unsubscribe(a, "s", &[]);
        w.send(a, send, &[], "z");
        let reader = w.connect_as(Identity {
            dialect: Some(BrokerDialect::Auto),
            ..Identity::default()
        });
        w.subscribe(reader, "s", key, &[]);
        assert_eq!(w.bodies(reader), ["z"], "{all} {own:?}");
        assert_eq!(w.error(other), None);
    }
    let mut w = World::new();
    let a = w.connect_as(Identity {
        dialect: Some(BrokerDialect::Apollo),
        ..Identity::default()
    });
    w.send(a, "/queue/%FF", &[], "x");
    assert!(w.error_text(a).contains("UTF-8"), "{}", w.error_text(a));
}

#[test]
fn wrong_names_are_refused_with_what_would_be_right() {
    let sends = [
        ("/queue/", "invalid-destination"),
        ("/topic/", "invalid-destination"),
        ("orders", "invalid-destination"),
        ("/foo/a", "invalid-destination"),
        ("/queue/a.*", "invalid-destination"),
        ("/topic/a.>", "invalid-destination"),
        ("/exchange/amq.topic/a.#", "invalid-destination"),
        ("/exchange/mine/k", "invalid-destination"),
        ("/exchange/amq.headers", "invalid-destination"),
        ("/dsub/a", "invalid-destination"),
        ("/amq/queue/none", "no-such-destination"),
        ("/temp-queue/none", "no-such-destination"),
        ("/reply-queue/none", "invalid-destination"),
        ("/user/queue/x", "invalid-destination"),
        ("/user/bob", "invalid-destination"),
        ("/queue/a\nb", "invalid-destination"),
        ("/topic/a\rb", "invalid-destination"),
    ];
    for (name, code) in sends {
        let mut w = World::new();
        let a = w.client();
        w.send(a, name, &[("receipt", "r")], "x");
        assert_eq!(
            w.events(a),
            [Event::Error(code, Some("r".into()))],
            "{name}"
        );
    }
    let subscribes = [
        ("/queue/", "invalid-destination"),
        ("orders", "invalid-destination"),
        ("/dsub/none", "no-such-destination"),
        ("/amq/queue/none", "no-such-destination"),
        ("/reply-queue/a/b", "invalid-destination"),
        ("/user/bob/queue/x", "access-denied"),
        ("/exchange/mine", "invalid-destination"),
        ("/queue/a\nb", "invalid-destination"),
    ];
    for (name, code) in subscribes {
        let mut w = World::new();
        let a = w.user("alice");
        w.subscribe(a, "s", name, &[]);
        assert_eq!(w.error(a), Some(code), "{name}");
    }
    let mut w = World::new();
    let a = w.client();
    w.send(a, "/exchange/mine/k", &[], "");
    assert!(w.error_text(a).contains("/exchange/amq.topic/KEY"));
}

#[test]
fn an_existing_queue_can_be_named_as_such() {
    let mut w = World::new();
    let (a, b) = (w.client(), w.client());
    w.send(a, "/queue/a", &[], "1");
    w.send(a, "/amq/queue/a", &[], "2");
    w.subscribe(b, "s", "/amq/queue/a", &[]);
    let got = w.take(b);
    assert_eq!(got[1].destination(), "/amq/queue/a");
    assert_eq!(got.len(), 2);
}

#[test]
fn a_comma_list_is_several_destinations() {
    let mut w = World::new();
    let (a, b) = (w.client(), w.client());
    w.subscribe(b, "s", "/queue/a,/topic/b, /topic/c", &[]);
    w.send(a, "/queue/a,/topic/b", &[], "1");
    w.send(a, "/topic/c,/topic/d", &[], "2");
    let got = w.take(b);
    assert_eq!(got.len(), 3);
    assert_eq!(got[0].destination(), "/queue/a,/topic/b");
    // One part that is none makes all of it one name.
    w.subscribe(b, "t", "/topic/x,y", &[]);
    w.send(a, "/topic/x,y", &[], "3");
    assert_eq!(w.one(b).destination(), "/topic/x,y");
}

#[test]
fn a_list_tells_by_which_of_its_parts_a_message_came() {
    let list = "/queue/a,/topic/b,/exchange/amq.topic/c";
    for in_transaction in [false, true] {
        let mut w = World::new();
        let (p, a) = (w.client(), w.client());
        for (id, name) in [("1", "/queue/a"), ("2", "/topic/b"), ("3", "/topic/*")] {
            w.subscribe(a, id, name, &[]);
        }
        let headers: &[Header<'_>] = match in_transaction {
            true => &[("transaction", "t"), ("priority", "7"), ("k", "v")],
            false => &[("priority", "7"), ("k", "v")],
        };
        if in_transaction {
            w.begin(p, "t");
        }
        w.send(p, list, headers, "x");
        if in_transaction {
            w.commit(p, "t", None);
        }
        let mut parts: Vec<_> = w
            .take(a)
            .iter()
            .map(|got| {
                assert_eq!(got.destination(), list);
                assert_eq!(got.header("k"), Some("v"));
                got.header("original-destination").map(str::to_owned)
            })
            .collect();
        parts.sort();
        let name = |name: &str| Some(name.to_owned());
        let expected = ["/queue/a", "/topic/b", "/topic/b", "/topic/c"].map(name);
        assert_eq!(parts, expected);
        w.send(p, "/queue/a", &[], "y");
        assert_eq!(w.one(a).header("original-destination"), None);
    }
}

#[test]
fn a_name_twice_in_a_list_is_there_once() {
    let mut w = World::new();
    let (a, b) = (w.client(), w.client());
    w.subscribe(b, "s", "/topic/a,/topic/a,/topic/>", &[]);
    w.send(a, "/topic/a", &[], "1");
    assert_eq!(w.bodies(b), ["1"]);
    w.send(a, "/topic/new", &[], "2");
    assert_eq!(w.bodies(b), ["2"]);
    w.unsubscribe(b, "s", &[]);
    w.send(a, "/topic/a", &[], "3");
    assert!(w.bodies(b).is_empty());
}

#[test]
fn rabbitmq_has_commas_in_names() {
    let mut w = World::with(Config {
        dialect: BrokerDialect::Rabbitmq,
        ..Config::default()
    });
    let a = w.client();
    w.subscribe(a, "s", "/topic/a,/topic/b", &[]);
    w.send(a, "/topic/a", &[], "1");
    w.send(a, "/topic/a,/topic/b", &[], "2");
    assert_eq!(w.bodies(a), ["2"]);
}

#[test]
fn a_list_with_one_wrong_part_does_nothing() {
    let mut w = World::new();
    let (a, b) = (w.client(), w.client());
    w.send(a, "/queue/a,/amq/queue/none", &[], "1");
    assert_eq!(w.error(a), Some("no-such-destination"));
    w.subscribe(b, "s", "/queue/a", &[]);
    assert!(w.bodies(b).is_empty());
}

#[test]
fn bare_names_are_what_is_configured_or_what_the_header_says() {
    let bare = |bare| {
        World::with(Config {
            bare_destination: bare,
            ..Config::default()
        })
    };
    let mut w = bare(BareDestination::Queue);
    assert_eq!(reaches(&mut w, "orders", "/queue/orders"), ["x"]);
    assert_eq!(reaches(&mut w, "/queue/orders", "orders"), ["x"]);
    let mut w = bare(BareDestination::Topic);
    assert_eq!(reaches(&mut w, "orders", "/topic/orders"), ["x"]);
    assert_eq!(reaches(&mut w, "a.b", "a.*"), ["x"]);
    assert_eq!(reaches(&mut w, "/topic/a.b", "a.#"), ["x"]);

    let mut w = World::new();
    let (a, b) = (w.client(), w.client());
    w.subscribe(b, "1", "orders", &[("subscription-type", "MULTICAST")]);
    w.subscribe(b, "2", "orders", &[("subscription-type", "ANYCAST")]);
    w.send(a, "orders", &[("destination-type", "MULTICAST")], "t");
    w.send(a, "orders", &[("destination-type", "ANYCAST")], "q");
    let got = w.take(b);
    let got: Vec<_> = got.iter().map(|g| (&*g.subscription, &*g.body)).collect();
    assert_eq!(got, [("1", "t"), ("2", "q")]);
}

#[test]
fn a_temporary_queue_is_its_connections_and_others_answer_to_it() {
    let mut w = World::new();
    let (a, b) = (w.client(), w.client());
    // As ActiveMQ has it: subscribe first.
    w.subscribe(a, "replies", "/temp-queue/x", &[]);
    w.subscribe(b, "s", "/queue/work", &[]);
    w.send(a, "/queue/work", &[("reply-to", "/temp-queue/x")], "ask");
    let asked = w.one(b);
    let reply = asked.header("reply-to").expect("a name").to_owned();
    assert!(reply.starts_with("/reply-queue/"), "{reply}");
    w.send(b, &reply, &[], "answer");
    let answer = w.one(a);
    assert_eq!(
        (&*answer.subscription, &*answer.body),
        ("replies", "answer")
    );
    // Its own name is its own.
    w.send(a, "/temp-queue/x", &[], "own");
    assert_eq!(w.bodies(a), ["own"]);
    w.close(a);
    // Who asked is gone, which is not the fault of whoever answers.
    w.send(b, &reply, &[("receipt", "r")], "late");
    assert_eq!(w.events(b), [Event::Receipt("r".into())]);
}

#[test]
fn a_reply_to_opens_a_queue_and_subscribes_to_it() {
    let mut w = World::new();
    let (a, b) = (w.client(), w.client());
    w.subscribe(b, "s", "/queue/work", &[]);
    w.send(a, "/queue/work", &[("reply-to", "/temp-queue/x")], "ask");
    let reply = w.one(b).header("reply-to").expect("a name").to_owned();
    w.send(b, &reply, &[], "answer");
    let answer = w.one(a);
    assert_eq!(answer.subscription, "/temp-queue/x");
    // The same again makes no second one.
    w.send(a, "/queue/work", &[("reply-to", "/temp-queue/x")], "ask");
    assert_eq!(w.one(b).header("reply-to"), Some(&*reply));
    w.send(b, &reply, &[], "answer");
    assert_eq!(w.bodies(a), ["answer"]);
    // A subscription of the client's own takes over.
    w.subscribe(a, "mine", "/temp-queue/x", &[]);
    for _ in 0..2 {
        w.send(b, &reply, &[], "answer");
    }
    assert!(w.take(a).iter().all(|got| got.subscription == "mine"));
}

#[test]
fn a_reply_to_works_in_a_transaction_and_with_a_delay() {
    for stored in [false, true] {
        let mut w = if stored {
            World::stored(Config::default())
        } else {
            World::new()
        };
        let (a, b) = (w.client(), w.client());
        w.subscribe(b, "s", "/queue/work", &[]);
        w.begin(a, "t");
        let headers = [
            ("reply-to", "/temp-queue/x"),
            ("persistent", "true"),
            ("transaction", "t"),
        ];
        w.send(a, "/queue/work", &headers, "ask");
        w.send(a, "/queue/work", &headers, "ask");
        w.commit(a, "t", None);
        let headers = [("reply-to", "/temp-queue/y"), ("x-delay", "100")];
        w.send(a, "/queue/work", &headers, "ask");
        w.advance(100);
        let asked = w.take(b);
        assert_eq!(asked.len(), 3, "{}", w.error_text(a));
        for asked in asked {
            let reply = asked.header("reply-to").expect("a name").to_owned();
            w.send(b, &reply, &[], "answer");
            assert_eq!(w.bodies(a), ["answer"], "{}", w.error_text(b));
        }
    }
}

#[test]
fn a_temporary_topic_reaches_its_subscribers() {
    let mut w = World::new();
    let (a, b) = (w.client(), w.client());
    w.subscribe(a, "1", "/temp-topic/x", &[]);
    w.subscribe(a, "2", "/temp-topic/x", &[]);
    w.subscribe(b, "s", "/queue/work", &[]);
    w.send(a, "/queue/work", &[("reply-to", "/temp-topic/x")], "ask");
    let reply = w.one(b).header("reply-to").expect("a name").to_owned();
    w.send(b, &reply, &[], "answer");
    assert_eq!(w.bodies(a), ["answer", "answer"]);
    // Another's of the same name is another.
    w.subscribe(b, "t", "/temp-topic/x", &[]);
    w.send(b, "/temp-topic/x", &[], "own");
    assert!(w.bodies(a).is_empty());
    assert_eq!(w.bodies(b), ["own"]);
}

#[test]
fn user_destinations_reach_all_sessions_of_the_user() {
    let mut w = World::new();
    let (a1, a2, b) = (w.user("alice"), w.user("alice"), w.user("bob"));
    for client in [a1, a2, b] {
        w.subscribe(client, "s", "/user/queue/news", &[]);
    }
    w.send(b, "/user/alice/queue/news", &[], "hi");
    assert_eq!(w.one(a1).destination(), "/user/alice/queue/news");
    assert_eq!(w.bodies(a2), ["hi"]);
    assert!(w.bodies(b).is_empty());
    w.send(a1, "/user/queue/news", &[], "self");
    assert_eq!(w.bodies(a1), ["self"]);
    w.subscribe(a1, "t", "/user/alice/queue/news", &[]);
    w.send(b, "/user/alice/queue/news", &[], "twice");
    assert_eq!(w.bodies(a1), ["twice", "twice"]);
}

#[test]
fn the_destination_arrives_byte_for_byte() {
    for name in [
        "/queue/a b",
        "/queue/a%20b",
        "/queue/ä/ö",
        "/queue/a:b\\c",
        "/topic/x.y//z",
        "/exchange/amq.topic/a.b",
    ] {
        let mut w = World::new();
        assert_eq!(reaches(&mut w, name, name), ["x"], "{name}");
    }
}

#[test]
fn as_many_destinations_as_are_allowed() {
    let mut w = World::with(Config {
        max_destinations: 3,
        ..Config::default()
    });
    let a = w.client();
    for name in ["a", "b", "c"] {
        w.send(a, &format!("/queue/{name}"), &[], "x");
    }
    w.send(a, "/queue/d", &[], "x");
    assert_eq!(w.error(a), Some("too-many"));
    // Topics that only remember their last messages make room for others.
    let b = w.client();
    for name in ["a", "b", "c", "d", "e"] {
        w.send(b, &format!("/topic/{name}"), &[], "x");
    }
    assert_eq!(w.error(b), None, "{}", w.error_text(b));
    w.subscribe(b, "s", "/topic/f,/topic/g,/topic/h", &[]);
    assert_eq!(w.error(b), None);
    w.send(b, "/topic/h", &[], "x");
    assert_eq!(w.bodies(b), ["x"]);
    w.subscribe(b, "t", "/topic/i", &[]);
    assert_eq!(w.error(b), Some("too-many"));
}
