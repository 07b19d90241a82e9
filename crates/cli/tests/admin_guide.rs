//! The commands of the documentation's section on looking after a broker, as they stand.

#[path = "common/broker.rs"]
mod broker;
mod common;

use broker::{Broker, Terminal, eventually};

const GUIDE: &str = include_str!("../../../docs/command-line.md");

/// The words of a command; quotes keep them together.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for c in line.chars() {
        match c {
            '\'' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words
}

/// What each of the commands needs to find.
fn prepare(broker: &Broker) -> broker::Running {
    let durable = ["/topic/news", "--durable", "reader", "--client-id", "ann"];
    let subscriber = broker.subscriber(&durable);
    eventually("the durable subscription", || {
        (broker.admin(&["sub", "ls"]).0 == Some(0)).then_some(())
    });
    drop(subscriber);
    eventually("its subscriber's end", || {
        (broker.json(&["sub", "ls"])[0]["connected"] == false).then_some(())
    });
    broker.send("/queue/test", 1);
    broker.send("/queue/orders", 1);
    let refuser = broker.subscriber(&["/queue/orders", "--exec", "false"]);
    eventually("the dead letter", || {
        (broker.admin(&["show", "/queue/DLQ.orders"]).0 == Some(0)).then_some(())
    });
    drop(refuser);
    let large = [
        "pub",
        "/queue/orders",
        "x",
        "-H",
        "size:2000",
        "-s",
        &*broker.stomp,
    ];
    common::good(&large);
    broker.send("/queue/orders.eu", 1);
    let ann = broker.subscriber(&["/topic/news", "-u", "ann"]);
    eventually("the user", || {
        (broker.admin(&["ls", "--connections", "ann"]).0 == Some(0)).then_some(())
    });
    ann
}

#[test]
fn its_commands_work() {
    let limits = ["--admin", "127.0.0.1:0", "--limit", "delivery_limit=1"];
    let broker = Broker::start(&limits);
    let _ann = prepare(&broker);
    let (_, section) = GUIDE
        .split_once("\n## Looking after a running broker\n")
        .unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let (_, block) = section.split_once("```sh\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let mut verbs = 0;
    for line in block.lines() {
        let words = words(line.strip_prefix("stompbox ").unwrap());
        let args: Vec<&str> = words.iter().map(|it| &**it).collect();
        let variables = [("STOMPBOX_ADMIN_URL", &*broker.admin)];
        let mut terminal = Terminal::run(&args, 24, 160, &variables);
        match args[0] {
            "top" => {
                terminal.shows(&["/queue/orders", "127.0.0.1:", "q quit"]);
                terminal.press("q");
            }
            "events" => {
                // One comes when a message dies.
                eventually("an event", || {
                    broker.send("/queue/orders", 1);
                    let args = ["sub", "/queue/orders", "-C", "1", "--exec", "false", "-s"];
                    common::good(&[&args[..], &[&*broker.stomp]].concat());
                    terminal.text().contains("Z dead-letter ").then_some(())
                });
                terminal.press("\x03");
                assert_eq!(terminal.ends().code(), Some(130), "{line}");
                continue;
            }
            "purge" | "sub" if args.get(1) != Some(&"ls") => {
                terminal.shows(&["[y/N]"]);
                terminal.press("y\r");
            }
            _ => {}
        }
        let status = terminal.ends();
        assert!(status.success(), "{line}: {}", terminal.text());
        verbs += 1;
    }
    assert_eq!(verbs, 10);
}
