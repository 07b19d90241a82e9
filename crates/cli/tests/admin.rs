//! The verbs that look at a running broker and its clients, each against a broker of ours.

#[path = "common/broker.rs"]
mod broker;
mod common;

use std::{
    io::{BufRead as _, BufReader, Read as _},
    thread,
};

use broker::{Broker, Running, Terminal, eventually};
use common::{run, stompbox};
use serde_json::Value;

/// The names in a listing of destinations.
fn names(listing: &Value) -> Vec<&str> {
    let items = listing.as_array().unwrap().iter();
    items.map(|it| it["name"].as_str().unwrap()).collect()
}

#[test]
fn ls_lists_destinations() {
    let broker = Broker::plain();
    let (code, out, errors) = broker.admin(&["ls"]);
    assert_eq!(
        (code, &*out, &*errors),
        (Some(6), "", "stompbox: there is no destination\n")
    );
    let (code, out, _) = broker.admin(&["ls", "-o", "json"]);
    assert_eq!((code, &*out), (Some(6), "[]\n"));
    broker.send("/queue/orders.de", 3);
    broker.send("/queue/orders.fr", 12);
    broker.send("/queue/other", 1);
    let _reader = broker.subscriber(&["/topic/orders"]);
    eventually("the topic", || {
        broker.good(&["ls"]).contains("/topic/orders").then_some(())
    });
    let out = broker.good(&["ls"]);
    let lines: Vec<Vec<&str>> = out
        .lines()
        .map(|it| it.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0][..4], ["NAME", "KIND", "DEPTH", "BYTES"]);
    assert_eq!(lines[1][..3], ["/queue/orders.de", "queue", "3"]);
    assert_eq!(lines.len(), 5, "{out}");
    let all = broker.json(&["ls", "/queue/orders.*", "--sort", "depth"]);
    assert_eq!(names(&all), ["/queue/orders.fr", "/queue/orders.de"]);
    assert_eq!(
        names(&broker.json(&["ls", "orders", "--kind", "topic"])),
        ["/topic/orders"]
    );
    assert_eq!(
        names(&broker.json(&["ls", "--sort", "depth", "-n", "1"])),
        ["/queue/orders.fr"]
    );
    // More than a page, sorted here.
    assert_eq!(
        names(&broker.json(&["ls", "--sort", "depth", "-n", "5000"]))[0],
        "/queue/orders.fr"
    );
    let out = broker.good(&["ls", "other", "-o", "table"]);
    let lines: Vec<Vec<&str>> = out
        .lines()
        .map(|it| it.split_whitespace().collect())
        .collect();
    assert_eq!((lines[0].len(), lines[1].len()), (17, 17), "{out}");
    assert_eq!((lines[0][10], lines[1][10]), ("IN", "1"));
    assert_eq!(broker.good(&["ls", "-o", "ndjson"]).lines().count(), 4);
    let (code, _, errors) = broker.admin(&["ls", "nothing"]);
    assert_eq!(
        (code, &*errors),
        (Some(6), "stompbox: there is no such destination\n")
    );
}

#[test]
fn names_from_the_network_do_nothing_to_a_terminal() {
    let broker = Broker::plain();
    broker.send("/queue/\u{1b}[31mred\u{202e}\u{9b}", 1);
    for verb in [
        &["ls"][..],
        &["ls", "-o", "json"],
        &["ls", "-o", "ndjson"],
        &["top", "--once", "-i", "100ms"],
    ] {
        let out = broker.good(verb);
        assert!(out.contains("red"), "{out}");
        assert!(
            !out.contains(['\u{1b}', '\u{202e}', '\u{9b}']),
            "{verb:?}: {out:?}"
        );
    }
    let name = names(&broker.json(&["ls"]))[0].to_owned();
    assert_eq!(name, "/queue/\u{1b}[31mred\u{202e}\u{9b}");
    let out = broker.good(&["show", &name]);
    assert!(
        out.starts_with("/queue/\\u{1b}[31mred\\u{202e}\\u{9b}\n"),
        "{out:?}"
    );
}

#[test]
fn show_shows_destinations_and_connections() {
    let broker = Broker::plain();
    broker.send("/queue/a", 2);
    let out = broker.good(&["show", "/queue/a"]);
    for line in [
        "/queue/a",
        "kind            queue",
        "depth           2 (",
        "dead letters to /queue/DLQ.a",
        "consumers       0",
    ] {
        assert!(out.contains(line), "{line}: {out}");
    }
    let selector = "price > 10";
    let _reader = broker.subscriber(&[
        "/queue/b",
        "--selector",
        selector,
        "--ack",
        "individual",
        "--prefetch",
        "3",
        "-u",
        "ann",
    ]);
    let connection = eventually("the connection", || {
        let (_, out, _) = broker.admin(&["ls", "--connections", "ann", "-o", "ndjson"]);
        serde_json::from_str::<Value>(&out)
            .ok()
            .filter(|it| it["subscriptions"] == 1)
    });
    let id = connection["id"].as_str().unwrap();
    let (_, number) = id.rsplit_once('-').unwrap();
    for what in [id, number] {
        let out = broker.good(&["show", what]);
        for part in [
            "user            ann",
            "transport       tcp",
            "STOMP           1.2",
            "/queue/b",
            "client-individual",
            selector,
        ] {
            assert!(out.contains(part), "{part}: {out}");
        }
        assert_eq!(broker.json(&["show", what])["id"], id);
    }
    let out = broker.good(&["show", "/queue/b"]);
    assert!(
        out.contains(id) && out.contains(selector) && out.contains("consumers       1"),
        "{out}"
    );
    let out = broker.good(&["ls", "-c"]);
    assert!(out.contains(id) && out.starts_with("ID"), "{out}");
    let (code, _, errors) = broker.admin(&["show", "nobody"]);
    assert_eq!(
        (code, &*errors),
        (
            Some(6),
            "stompbox: there is no connection and no destination nobody\n"
        )
    );
    let (code, _, errors) = broker.admin(&["show", "/queue/none"]);
    assert_eq!(
        (code, &*errors),
        (Some(6), "stompbox: there is no destination /queue/none\n")
    );
}

#[test]
fn kick_ends_connections() {
    let broker = Broker::plain();
    let ids = |user: &str| -> Vec<String> {
        let (_, out, _) = broker.admin(&["ls", "-c", user, "-o", "ndjson"]);
        let items = out
            .lines()
            .map(|it| serde_json::from_str::<Value>(it).unwrap());
        items
            .map(|it| it["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let connected = |user: &str, count: usize| -> Vec<String> {
        eventually("the connections", || {
            Some(ids(user)).filter(|it| it.len() == count)
        })
    };
    let mut one = broker.subscriber(&["/topic/a", "-u", "ann"]);
    let id = connected("ann", 1).remove(0);
    let out = broker.good(&["kick", &id, "--reason", "be gone"]);
    assert_eq!(out, format!("kicked connection {id}\n"));
    assert_eq!(one.0.wait().unwrap().code(), Some(4));
    let mut errors = String::new();
    one.0
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut errors)
        .unwrap();
    assert!(errors.contains("be gone"), "{errors}");
    let (code, _, errors) = broker.admin(&["kick", &id]);
    assert!(
        code == Some(6) && errors.contains("there is no connection"),
        "{errors}"
    );
    // All of a user; somebody with a similar name stays.
    let mut both = [0, 1].map(|_| broker.subscriber(&["/topic/a", "-u", "ann"]));
    let _other = broker.subscriber(&["/topic/a", "-u", "anna"]);
    connected("ann", 3);
    assert_eq!(broker.json(&["kick", "ann"])["kicked"], 2);
    assert!(
        both.iter_mut()
            .all(|it| it.0.wait().unwrap().code() == Some(4))
    );
    let left = connected("ann", 1);
    // A user with the name of a connection.
    let number = left[0].rsplit_once('-').unwrap().1.to_owned();
    let mut twin = broker.subscriber(&["/topic/a", "-u", &number]);
    eventually("the twin", || {
        let out = broker.good(&["ls", "-c", "-o", "ndjson"]);
        (out.lines().count() == 2 && out.contains(&format!("\"user\":\"{number}\""))).then_some(())
    });
    let (code, _, errors) = broker.admin(&["kick", &number]);
    assert!(code == Some(1) && errors.contains("--by"), "{errors}");
    broker.good(&["kick", &number, "--by", "user"]);
    assert_eq!(twin.0.wait().unwrap().code(), Some(4));
    broker.good(&["kick", &number, "--by", "id"]);
    eventually("nobody", || ids("").is_empty().then_some(()));
    let (code, ..) = broker.admin(&["kick", "ann", "--by", "user"]);
    assert_eq!(code, Some(6));
    // Those who are gone are not counted, whatever ended them.
    let overview = &broker.json(&["top", "--once", "-i", "100ms"])["overview"];
    for by in ["by_transport", "by_version"] {
        let counts = overview["connections"][by].as_object().unwrap();
        assert!(counts.values().all(|it| *it == 0), "{overview}");
    }
}

#[test]
fn events_come_as_they_happen() {
    let broker = Broker::plain();
    let events = |args: &[&str]| {
        let args = [&["events", "--admin", &*broker.admin], args].concat();
        Running(stompbox(&args).spawn().unwrap())
    };
    // Until somebody listens, nobody is told.
    let send_until_end = |mut running: Running| {
        eventually("the events", || {
            broker.send("/queue/a", 1);
            running.0.try_wait().unwrap()
        });
        let mut out = String::new();
        running
            .0
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut out)
            .unwrap();
        out
    };
    let out = send_until_end(events(&["connected", "disconnected", "-C", "2"]));
    let all: Vec<Value> = out
        .lines()
        .map(|it| serde_json::from_str(it).unwrap())
        .collect();
    assert_eq!(all.len(), 2);
    assert!(
        all.iter()
            .all(|it| it["at"].is_u64() && it["kind"].as_str().unwrap().ends_with("connected"))
    );
    let out = send_until_end(events(&["connected", "-C", "1", "-o", "text"]));
    assert!(out.contains("Z connected ") && out.contains('='), "{out}");
    let (code, _, errors) = broker.admin(&["events", "nonsense"]);
    assert!(code == Some(1) && errors.contains("nonsense"), "{errors}");
    // On a terminal they are text.
    let mut terminal = Terminal::run(
        &["events", "connected", "--admin", &broker.admin],
        24,
        120,
        &[],
    );
    eventually("the event", || {
        broker.send("/queue/a", 1);
        terminal.text().contains("Z connected ").then_some(())
    });
    terminal.press("\x03");
    assert_eq!(terminal.ends().code(), Some(130));
    // They end with the broker.
    let mut running = events(&["destination-created"]);
    let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
    let mut number = 0;
    let found = thread::scope(|scope| {
        let reading = scope.spawn(|| lines.next());
        eventually("an event", || {
            number += 1;
            broker.send(&format!("/queue/new-{number}"), 1);
            reading.is_finished().then_some(())
        });
        reading.join().unwrap()
    });
    assert!(found.unwrap().unwrap().contains("/queue/new-"));
    drop(broker);
    assert_eq!(running.0.wait().unwrap().code(), Some(2));
}

#[test]
fn durable_subscriptions_are_looked_after() {
    let broker = Broker::plain();
    let (code, ..) = broker.admin(&["sub", "ls"]);
    assert_eq!(code, Some(6));
    let durable = [
        "/topic/news",
        "--durable",
        "reader",
        "--client-id",
        "ann",
        "--selector",
        "n > 0",
    ];
    let subscriber = broker.subscriber(&durable);
    let found = eventually("the durable subscription", || {
        let (_, out, _) = broker.admin(&["sub", "ls", "-o", "ndjson"]);
        serde_json::from_str::<Value>(&out)
            .ok()
            .filter(|it| it["connected"] == true)
    });
    assert_eq!(found["destination"], "/topic/news");
    // Somebody is connected for it.
    let (code, _, errors) = broker.admin(&["sub", "rm", "reader", "--yes"]);
    assert!(code == Some(4) && !errors.is_empty(), "{errors}");
    drop(subscriber);
    eventually("nobody is connected", || {
        let it = broker.json(&["sub", "ls"]);
        (it[0]["connected"] == false).then_some(())
    });
    broker.send("/topic/news", 3);
    let out = broker.good(&["sub", "ls"]);
    let fields: Vec<&str> = out.lines().nth(1).unwrap().split_whitespace().collect();
    assert!(
        out.starts_with("KEY") && fields.contains(&"reader") && fields.contains(&"2"),
        "{out}"
    );
    let (code, _, errors) = broker.admin(&["sub", "rm", "reader"]);
    assert!(
        code == Some(1) && errors.contains("with 2 messages"),
        "{errors}"
    );
    let (code, ..) = broker.admin(&["sub", "rm", "other", "--yes"]);
    assert_eq!(code, Some(6));
    let (code, ..) = broker.admin(&["sub", "rm", "reader", "--owner", "bob", "--yes"]);
    assert_eq!(code, Some(6));
    let removed = broker.json(&["sub", "rm", "reader", "--owner", "ann", "--yes"]);
    assert_eq!(
        (&removed["deleted"], &removed["messages"]),
        (&true.into(), &2.into())
    );
    assert_eq!(broker.admin(&["sub", "ls"]).0, Some(6));
    // What is called as these verbs can be subscribed to.
    for args in [
        &["sub", "-C", "1", "ls"][..],
        &["sub", "-C", "1", "--", "ls"],
    ] {
        let (code, _, errors) = run(&[&["sub", "-s", &*broker.stomp], &args[1..]].concat());
        assert!(code == Some(4) && errors.contains("ls"), "{errors}");
    }
}
