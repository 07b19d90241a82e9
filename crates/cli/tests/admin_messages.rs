//! The verbs that remove and move messages, each against a broker of ours.

#[path = "common/broker.rs"]
mod broker;
mod common;

use broker::{Broker, Terminal, eventually};
use common::good;
use serde_json::Value;

#[test]
fn purge_removes_what_was_there() {
    let broker = Broker::plain();
    broker.send("/queue/a", 2500);
    // Nobody can be asked.
    let (code, out, errors) = broker.admin(&["purge", "/queue/a"]);
    assert_eq!((code, &*out), (Some(1), ""));
    assert!(
        errors.contains("Purge the 2500 messages in /queue/a") && errors.contains("--yes"),
        "{errors}"
    );
    assert_eq!(broker.depth("/queue/a"), 2500);
    let out = broker.good(&["purge", "/queue/a", "--selector", "n < 3", "--yes"]);
    assert_eq!(out, "purged 3 messages of /queue/a\n");
    let out = broker.json(&["purge", "/queue/a", "--limit", "7", "-y"]);
    assert_eq!(out["purged"], 7);
    // What a consumer has stays. More than a batch goes.
    let _reader = broker.subscriber(&[
        "/queue/a",
        "--ack",
        "client",
        "--prefetch",
        "5",
        "-C",
        "5",
        "--exec",
        "sleep 60",
    ]);
    eventually("the consumer", || {
        let it = broker.json(&["show", "/queue/a"]);
        (it["unacknowledged"].as_u64() > Some(0)).then_some(())
    });
    let held = broker.json(&["show", "/queue/a"])["unacknowledged"]
        .as_u64()
        .unwrap();
    let out = broker.json(&["purge", "/queue/a", "-y"]);
    assert_eq!(out["purged"], 2490 - held);
    assert_eq!(broker.json(&["show", "/queue/a"])["unacknowledged"], held);
    let (code, _, errors) = broker.admin(&["purge", "/queue/a", "--yes"]);
    assert_eq!(
        (code, &*errors),
        (Some(6), "stompbox: nothing in /queue/a was purged\n")
    );
    let (code, _, errors) = broker.admin(&["purge", "/queue/none", "--yes"]);
    assert!(
        code == Some(6) && errors.contains("/queue/none"),
        "{errors}"
    );
    broker.send("/queue/b", 1);
    let (code, _, errors) = broker.admin(&["purge", "/queue/b", "--selector", "= 1", "--yes"]);
    assert!(code == Some(1), "{errors}");
    assert_eq!(broker.depth("/queue/b"), 1);
}

#[test]
fn on_a_terminal_it_is_asked() {
    let broker = Broker::plain();
    broker.send("/queue/a", 3);
    let args = [
        "purge",
        "/queue/a",
        "--limit",
        "2",
        "--admin",
        &*broker.admin,
    ];
    for (answer, code, depth) in [("n\r", 1, 3), ("\r", 1, 3), ("yes\r", 0, 1)] {
        let mut terminal = Terminal::run(&args, 24, 200, &[]);
        terminal.shows(&[
            "Purge 2 of the 3 messages in /queue/a, at http://127.0.0.1:",
            "[y/N]",
        ]);
        terminal.press(answer);
        assert_eq!(terminal.ends().code(), Some(code));
        let end = if code == 0 {
            "purged 2 messages of /queue/a"
        } else {
            "nothing was done"
        };
        terminal.shows(&[end]);
        assert_eq!(broker.depth("/queue/a"), depth);
    }
}

#[test]
fn what_takes_long_shows_how_far_it_is() {
    let broker = Broker::plain();
    let args = |more: &[&'static str]| -> Vec<&str> {
        [
            &["purge", "/queue/a", "--yes", "--admin", &*broker.admin],
            more,
        ]
        .concat()
    };
    for (more, is_shown) in [(&[][..], true), (&["--quiet"][..], false)] {
        broker.send("/queue/a", 2500);
        let mut terminal = Terminal::run(&args(more), 24, 100, &[]);
        assert!(terminal.ends().success());
        terminal.shows(&["purged 2500 messages of /queue/a"]);
        assert_eq!(terminal.showed("1000/2500"), is_shown);
        assert!(!terminal.text().contains("1000/2500"));
    }
}

#[test]
fn move_moves_in_order() {
    let broker = Broker::plain();
    broker.send("/queue/a", 1500);
    let out = broker.good(&["move", "/queue/a", "/queue/b", "--yes"]);
    assert_eq!(out, "moved 1500 messages of /queue/a to /queue/b\n");
    let expected: Vec<String> = (0..1500).map(|n| n.to_string()).collect();
    assert_eq!(broker.receive("/queue/b", 1500), expected);
    broker.send("/queue/a", 10);
    let args = [
        "move",
        "/queue/a",
        "/queue/c",
        "--selector",
        "n >= 4",
        "-n",
        "2",
        "-y",
        "-o",
        "ndjson",
    ];
    assert_eq!(broker.good(&args), "{\"moved\":2}\n");
    assert_eq!(broker.receive("/queue/c", 2), ["4", "5"]);
    let (code, _, errors) = broker.admin(&["move", "/queue/a", "/queue/a", "-y"]);
    assert!(code == Some(1) && !errors.is_empty(), "{errors}");
    assert_eq!(broker.depth("/queue/a"), 8);
}

/// Makes dead letters: a consumer refuses all it gets.
fn bury(broker: &Broker, queue: &str, count: usize) {
    broker.send(queue, count);
    let letters = queue.replace("/queue/", "/queue/DLQ.");
    let _refuser = broker.subscriber(&[queue, "--exec", "false"]);
    eventually("the dead letters", || {
        let (_, out, _) = broker.admin(&["show", &letters, "-o", "json"]);
        let it: Value = serde_json::from_str(&out).unwrap_or_default();
        (it["depth"] == count).then_some(())
    });
}

#[test]
fn replay_sends_dead_letters_home() {
    let broker = Broker::start(&["--admin", "127.0.0.1:0", "--limit", "delivery_limit=1"]);
    bury(&broker, "/queue/a", 5);
    let listed = broker.json(&["ls", "--kind", "dead-letter"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["name"], "/queue/DLQ.a");
    let out = broker.good(&["replay", "/queue/DLQ.a", "--selector", "n < 2", "--yes"]);
    assert_eq!(
        out,
        "replayed 2 messages of /queue/DLQ.a to where they came from\n"
    );
    let args = [
        "sub",
        "/queue/a",
        "-C",
        "2",
        "-F",
        "%b %H{x-death-reason}.\\n",
        "-s",
        &*broker.stomp,
    ];
    assert_eq!(good(&args), "0 .\n1 .\n");
    let out = broker.json(&[
        "replay",
        "/queue/DLQ.a",
        "--to",
        "/queue/b",
        "-n",
        "2",
        "-y",
    ]);
    assert_eq!(
        (&out["replayed"], &out["skipped_count"]),
        (&2.into(), &0.into())
    );
    assert_eq!(broker.receive("/queue/b", 2), ["2", "3"]);
    // What did not die can't go back.
    broker.send("/queue/DLQ.a", 1);
    let (code, out, errors) = broker.admin(&["replay", "/queue/DLQ.a", "-y", "-o", "ndjson"]);
    let out: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &out["replayed"], &out["skipped_count"]),
        (Some(4), &1.into(), &1.into())
    );
    assert!(
        errors.contains(" stays: ") && errors.contains("1 message could not be replayed"),
        "{errors}"
    );
    assert_eq!(broker.depth("/queue/DLQ.a"), 1);
}
