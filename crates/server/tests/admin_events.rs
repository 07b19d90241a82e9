//! Events: over HTTP, and to subscribers of `/$SYS/events/KIND`.

mod common;
#[path = "common/http.rs"]
mod http;

use common::{TestServer, body, header};
use http::{Http, with_admin};
use serde_json::{Value, json};
use stompbox_server::{Acl, Config, Rule, User};

async fn server() -> (TestServer, Http) {
    let server = TestServer::with(with_admin(Config::default())).await;
    let http = Http::new(server.admin);
    (server, http)
}

#[tokio::test]
async fn what_happens_is_told() {
    let (server, http) = server().await;
    let mut feed = http.follow("").await;
    let mut ann = server.client_as("1.2", "login:ann\n").await;
    let connected = feed.next_of("connected").await;
    assert_eq!(connected["user"], "ann");
    assert_eq!(connected["transport"], "tcp");
    assert_eq!(connected["version"], "1.2");
    assert!(connected["at"].as_u64().is_some());
    let id = connected["connection"].clone();

    ann.done(
        "SUBSCRIBE\nid:s\ndestination:/queue/a\nack:client-individual",
        "",
    )
    .await;
    let created = feed.next_of("destination-created").await;
    assert_eq!(created["destination"], "/queue/a");
    let subscribed = feed.next_of("subscribed").await;
    assert_eq!(subscribed["connection"], id);
    assert_eq!(subscribed["destination"], "/queue/a");
    ann.send("SEND\ndestination:/queue/a\n\nx\0").await;
    let frame = ann.message("x").await;
    let ack = header(&frame, "ack").unwrap().to_owned();
    ann.done(&format!("NACK\nid:{ack}\nrequeue:false"), "")
        .await;
    let letter = feed.next_of("dead-letter").await;
    assert_eq!(letter["origin"], "/queue/a");
    assert_eq!(letter["reason"], "rejected");
    assert_eq!(letter["message_id"], header(&frame, "message-id").unwrap());
    ann.done("UNSUBSCRIBE\nid:s", "").await;
    assert_eq!(feed.next_of("unsubscribed").await["subscription"], "s");
    ann.send("SEND\ndestination:nowhere\n\n\0").await;
    let error = feed.next_of("error").await;
    assert_eq!(error["code"], "invalid-destination");
    assert_eq!(error["connection"], id);
    let gone = feed.next_of("disconnected").await;
    assert_eq!((&gone["connection"], &gone["user"]), (&id, &json!("ann")));
    drop(ann);

    let bob = server.client("1.2").await;
    drop(bob);
    let gone = feed.next_of("disconnected").await;
    assert_eq!(gone["reason"], "the connection was lost");
    let removed = feed.next_of("destination-removed").await;
    assert_eq!(removed["destination"], "/queue/a");

    // Nobody else's events come, and then the end.
    let mut few = http.follow("?kinds=draining,login-refused").await;
    server.stop().await;
    assert_eq!(few.next().await.unwrap()["kind"], "draining");
    assert_eq!(few.next().await, None);
    feed.next_of("draining").await;
}

#[tokio::test]
async fn a_reader_that_takes_nothing_misses_what_comes() {
    let (server, http) = server().await;
    let mut ann = server.client("1.2").await;
    let mut slow = http.follow("?kinds=subscribed").await;
    // More than the buffers of the sockets and of the server hold.
    let long = "a".repeat(7000);
    for round in 0..20 {
        let mut frames = String::new();
        for number in 0..100 {
            let id = format!("{round}-{number}");
            frames += &format!("SUBSCRIBE\nid:{id}\ndestination:/topic/{long}\n\n\0");
            frames += &format!("UNSUBSCRIBE\nid:{id}\n\n\0");
        }
        ann.settled(&frames).await;
    }
    let mut seen = 0;
    let missed = loop {
        // On a machine that is busy it is cut off before all that is done: it took nothing for 10 s.
        let Some(event) = slow.next().await else {
            break false;
        };
        if event["kind"] == "missed" {
            assert!(event["count"].as_u64().unwrap() > 0);
            break true;
        }
        seen += 1;
        assert!(seen < 2000, "nothing was missed");
    };
    if missed {
        // It goes on behind the gap.
        ann.done("SUBSCRIBE\nid:last\ndestination:/topic/last", "")
            .await;
        while slow.next_of("subscribed").await["subscription"] != "last" {}
    }
    ann.nothing().await;
    server.stop().await;
}

#[tokio::test]
async fn only_so_many_follow() {
    let (server, http) = server().await;
    let mut feeds = Vec::new();
    for _ in 0..16 {
        feeds.push(http.follow("").await);
    }
    http.get("/api/v1/events")
        .await
        .fault(503, "too-many-readers");
    http.get("/api/v1/overview").await.ok();
    server.stop().await;
}

#[tokio::test]
async fn subscribers_are_told_too() {
    let (server, http) = server().await;
    let mut watcher = server.client("1.2").await;
    watcher
        .done("SUBSCRIBE\nid:w\ndestination:/$SYS/events/*", "")
        .await;
    let told = |frame: &str| -> Value { serde_json::from_str(body(frame)).expect("JSON") };
    let mut ann = server.client_as("1.2", "login:ann\n").await;
    let frame = loop {
        let frame = watcher.frame().await;
        if header(&frame, "destination") == Some("/$SYS/events/connected") {
            break frame;
        }
    };
    assert_eq!(header(&frame, "content-type"), Some("application/json"));
    assert_eq!(told(&frame)["user"], "ann");
    ann.done("SEND\ndestination:/queue/new", "").await;
    let frame = watcher.frame().await;
    assert_eq!(
        header(&frame, "destination"),
        Some("/$SYS/events/destination-created")
    );
    assert_eq!(told(&frame)["destination"], "/queue/new");
    // Nobody may say that it is the server.
    ann.send("SEND\ndestination:/$SYS/events/connected\n\n\0")
        .await;
    ann.error("invalid-destination").await;
    drop(http);
    server.stop().await;
}

#[tokio::test]
async fn it_takes_a_rule_of_its_own_to_read_them() {
    let users = ["ann", "root"].map(|login| User::with_passcode(login, "secret").unwrap());
    let allow = |text: &str| vec![text.parse().unwrap()];
    let rule = |who: &str, text: &str| Rule {
        who: who.parse().unwrap(),
        allow: allow(text),
        deny: Vec::new(),
    };
    let rules = vec![
        rule("ann", "read,write **"),
        rule("root", "read /$SYS/events/**"),
    ];
    for (rules, may) in [(Vec::new(), [false, false]), (rules, [false, true])] {
        let server = TestServer::with(Config {
            users: users.to_vec(),
            acl: Acl::new(rules),
            ..Config::default()
        })
        .await;
        for (login, may) in ["ann", "root"].into_iter().zip(may) {
            for name in [
                "/$SYS/events/connected",
                "/$SYS/**",
                "/queue/a,/$SYS/events/connected",
                "/%24SYS/events/connected",
                "/%24S%59S/events/connected",
            ] {
                let headers = format!("login:{login}\npasscode:secret\nx-dialect:apollo\n");
                let mut client = server.client_as("1.2", &headers).await;
                client
                    .send(&format!(
                        "SUBSCRIBE\nid:s\ndestination:{name}\nreceipt:r\n\n\0"
                    ))
                    .await;
                let frame = client.frame().await;
                let covered = may && name != "/$SYS/**" && !name.starts_with("/queue/");
                let expected = if covered { "RECEIPT\n" } else { "ERROR\n" };
                assert!(frame.starts_with(expected), "{login} {name}: {frame}");
            }
        }
        server.stop().await;
    }
}
