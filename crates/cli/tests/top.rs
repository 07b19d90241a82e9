//! `stompbox top`, on a terminal and off it.

#[path = "common/broker.rs"]
mod broker;
mod common;

use broker::{Broker, Terminal, eventually};
use common::{run, stompbox};
use serde_json::Value;

#[test]
fn once_it_prints_what_there_is() {
    let broker = Broker::plain();
    broker.send("/queue/orders", 3);
    let _reader = broker.subscriber(&["/topic/news"]);
    eventually("the subscriber", || {
        broker
            .admin(&["ls", "--connections"])
            .1
            .contains("127.0.0.1")
            .then_some(())
    });
    let out = broker.good(&["top", "--once", "-i", "200ms"]);
    for part in [
        "stompbox ",
        "connections 1: 1 tcp; 1 STOMP 1.2",
        "queues 1",
        "in 0/s",
        "/queue/orders",
        "/topic/news",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let json = broker.json(&["top", "--once", "-i", "200ms", "--filter", "orders"]);
    assert_eq!(json["overview"]["connections"]["total"], 1);
    assert_eq!(json["destinations"].as_array().unwrap().len(), 1);
    assert_eq!(json["destinations"][0]["depth"], 3);
    assert_eq!(json["rates"]["messages"]["in"], 0.0);
    let out = broker.good(&["top", "-o", "ndjson", "-n", "3", "-i", "100ms"]);
    let shots: Vec<Value> = out
        .lines()
        .map(|it| serde_json::from_str(it).unwrap())
        .collect();
    assert_eq!(shots.len(), 3);
    assert!(
        shots
            .iter()
            .all(|it| it["connections"][0]["rates"]["in"]["messages"].is_number())
    );
}

#[test]
fn of_a_gateway_it_tells_what_is_behind() {
    let broker = Broker::plain();
    let gateway = Broker::start_as(
        "gateway",
        &[
            "--admin",
            "127.0.0.1:0",
            "--upstream",
            &broker.stomp,
            "--upstream",
            "stomp://127.0.0.1:1",
        ],
    );
    let args = ["top", "--admin", &*gateway.admin, "-i", "100ms"];
    let mut terminal = Terminal::run(&args, 24, 120, &[]);
    terminal.shows(&[
        "brokers up 1 of 2",
        "DOWN stomp://127.0.0.1:1",
        "Connections 0",
    ]);
    terminal.press("q");
    assert!(terminal.ends().success());
    let shot = gateway.json(&["top", "--once", "-i", "100ms"]);
    assert_eq!(shot["gateway"]["upstreams"][0]["up"], true);
    assert!(broker.json(&["top", "--once", "-i", "100ms"])["gateway"].is_null());
}

#[test]
fn without_a_terminal_it_says_what_to_do() {
    let broker = Broker::plain();
    let (code, out, errors) = broker.admin(&["top"]);
    assert!(
        code == Some(1) && out.is_empty() && errors.contains("--once"),
        "{errors}"
    );
    let (code, _, errors) = broker.admin(&["top", "-i", "10ms"]);
    assert!(code == Some(1) && errors.contains("100ms"), "{errors}");
    let (code, ..) = run(&["top", "--once", "--admin", "http://127.0.0.1:1"]);
    assert_eq!(code, Some(2));
}

#[test]
fn on_a_terminal_it_is_alive() {
    let broker = Broker::plain();
    broker.send("/queue/orders", 3);
    broker.send("/queue/\u{e4}pfel", 1);
    let _reader = broker.subscriber(&["/topic/news"]);
    let args = ["top", "--admin", &broker.admin, "-i", "100ms"];
    let mut terminal = Terminal::run(&args, 24, 80, &[]);
    let first = [
        "Destinations 3  by DEPTH",
        "/queue/orders",
        "Connections 1  by OUT/S",
        "127.0.0.1:",
        "q quit",
    ];
    terminal.shows(&first);
    assert!(terminal.is_taken() && terminal.has_color());
    // What comes is seen.
    broker.send("/queue/more", 7);
    terminal.shows(&["Destinations 4", "/queue/more                    7"]);
    terminal.press("/or\r");
    terminal.shows(&["Destinations 2  by DEPTH  filter \"or\""]);
    terminal.press("\x1b");
    terminal.shows(&["Destinations 4"]);
    terminal.press("<<");
    terminal.shows(&["by NAME"]);
    terminal.press("r");
    terminal.shows(&["by NAME, reversed"]);
    terminal.press("?");
    terminal.shows(&["Keys", "q, Ctrl-C       quit"]);
    terminal.press("x\t\r");
    terminal.shows(&["Details", "subscriptions   1", "/topic/news"]);
    terminal.press("q");
    terminal.shows(&["\u{25b6}Connections 1"]);
    terminal.press("z");
    eventually("one list alone", || {
        (!terminal.text().contains("Destinations")).then_some(())
    });
    terminal.resize(12, 120);
    terminal.shows(&["CLIENT-ID"]);
    terminal.press("q");
    assert!(terminal.ends().success());
    eventually("the terminal is given back", || {
        (!terminal.is_taken()).then_some(())
    });
}

#[test]
fn it_goes_on_when_the_broker_is_gone_and_comes_back() {
    let broker = Broker::plain();
    let address = broker.admin.strip_prefix("http://").unwrap().to_owned();
    let args = ["top", "--admin", &*broker.admin, "-i", "100ms"];
    let mut terminal = Terminal::run(&args, 24, 80, &[("NO_COLOR", "1")]);
    terminal.shows(&["connections 0"]);
    drop(broker);
    terminal.shows(&["LOST, trying again"]);
    assert!(!terminal.has_color());
    // Others may have got the port meanwhile.
    let mut again = stompbox(&[
        "serve",
        "--stomp",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
        "--admin",
        &address,
    ]);
    let mut again = broker::Running(again.spawn().unwrap());
    eventually("the broker again", || {
        let text = terminal.text();
        (!text.contains("LOST") || again.0.try_wait().unwrap().is_some()).then_some(())
    });
    terminal.press("\x03");
    assert!(terminal.ends().success());
}

#[test]
fn a_signal_gives_the_terminal_back() {
    let broker = Broker::plain();
    let args = ["top", "--admin", &*broker.admin, "--no-color"];
    let mut terminal = Terminal::run(&args, 24, 80, &[]);
    terminal.shows(&["connections 0"]);
    assert!(terminal.is_taken() && !terminal.has_color());
    terminal.terminate();
    assert!(terminal.ends().success());
    eventually("the terminal is given back", || {
        (!terminal.is_taken()).then_some(())
    });
    // Who may not look is told before anything is drawn.
    let mut terminal = Terminal::run(&["top", "--admin", "http://127.0.0.1:1"], 24, 80, &[]);
    assert_eq!(terminal.ends().code(), Some(2));
    terminal.shows(&["can't connect to http://127.0.0.1:1"]);
    assert!(!terminal.is_taken());
}
