//! What the admin listener shows, and what it does to connections and messages.

mod common;
#[path = "common/http.rs"]
mod http;

use common::{TestServer, body, header};
use http::{Http, with_admin};
use serde_json::{Value, json};
use stompbox_server::Config;

async fn server() -> (TestServer, Http) {
    let server = TestServer::with(with_admin(Config::default())).await;
    let http = Http::new(server.admin);
    (server, http)
}

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().expect("items");
    items.iter().filter_map(|it| it["name"].as_str()).collect()
}

#[tokio::test]
async fn health_and_numbers() {
    let (server, http) = server().await;
    let answer = http.get("/healthz").await;
    assert_eq!((answer.status, &*answer.body), (200, "ok\n"));
    assert_eq!(http.get("/readyz").await.ok(), json!({ "ready": true }));

    let mut ann = server.client("1.2").await;
    ann.done(
        "SUBSCRIBE\nid:s\ndestination:/queue/a\nack:client-individual",
        "",
    )
    .await;
    for text in ["one", "two"] {
        ann.done("SEND\ndestination:/queue/a", text).await;
    }
    let overview = http.get("/api/v1/overview").await.ok();
    assert_eq!(overview["connections"]["total"], 1);
    assert_eq!(overview["connections"]["by_transport"]["tcp"], 1);
    assert_eq!(overview["connections"]["by_version"]["1.2"], 1);
    assert_eq!(overview["destinations"]["queues"], 1);
    assert_eq!(overview["messages"]["in"], 2);
    assert_eq!(overview["messages"]["unacknowledged"], 2);
    assert_eq!(overview["store"], Value::Null);
    assert_eq!(overview["server"]["name"], "stompbox");
    assert!(overview["bytes"]["in"].as_u64().unwrap() > 100);

    let metrics = http.get("/metrics").await;
    assert_eq!(metrics.status, 200);
    for line in [
        "stompbox_connections 1",
        "stompbox_messages_in_total 2",
        "stompbox_destination_unacknowledged{destination=\"/queue/a\",kind=\"queue\"} 2",
    ] {
        assert!(metrics.body.lines().any(|it| it == line), "{line}");
    }
    drop(ann);
    server.stop().await;
}

#[tokio::test]
async fn a_connection_is_shown_and_ended() {
    let (server, http) = server().await;
    let mut ann = server
        .client_as("1.2", "login:ann\nclient-id:phone\n")
        .await;
    let mut bob = server.client_as("1.1", "login:bob\n").await;
    ann.done(
        "SUBSCRIBE\nid:s1\ndestination:/topic/news.*\nselector:a = 1",
        "",
    )
    .await;
    bob.settled("").await;
    let list = http.get("/api/v1/connections").await.ok();
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    let found = http.get("/api/v1/connections?filter=ANN").await.ok();
    let [it] = &found["items"].as_array().unwrap()[..] else {
        panic!("{found}");
    };
    assert_eq!(it["user"], "ann");
    assert_eq!(it["client_id"], "phone");
    assert_eq!(it["transport"], "tcp");
    assert_eq!(it["version"], "1.2");
    assert_eq!(it["subscriptions"], 1);
    assert!(it["remote"].as_str().unwrap().starts_with("127.0.0.1:"));
    let id = it["id"].as_str().unwrap();
    let one = http.get(&format!("/api/v1/connections/{id}")).await.ok();
    let subscription = &one["subscriptions_list"][0];
    assert_eq!(subscription["id"], "s1");
    assert_eq!(subscription["destination"], "/topic/news.*");
    assert_eq!(subscription["selector"], "a = 1");
    assert_eq!(subscription["ack"], "auto");

    let path = format!("/api/v1/connections/{id}");
    let kick = http.with("X-Stompbox-Request", "1");
    let kicked = kick
        .ask("DELETE", &path, r#"{"reason":"maintenance: now"}"#)
        .await;
    assert_eq!(kicked.ok(), json!({ "kicked": 1 }));
    let error = ann.error("kicked").await;
    assert!(body(&error).contains("maintenance: now"), "{error}");
    // The id is nobody else's, though the place may be.
    let mut next = server.client("1.2").await;
    next.settled("").await;
    http.get(&path).await.fault(404, "no-such-connection");
    http.delete(&path).await.fault(404, "no-such-connection");

    let kicked = http.delete("/api/v1/connections?user=bob").await.ok();
    assert_eq!(kicked, json!({ "kicked": 1 }));
    bob.error("kicked").await;
    assert_eq!(
        http.delete("/api/v1/connections?user=bob").await.ok()["kicked"],
        0
    );
    next.nothing().await;
    let connections = http.get("/api/v1/overview").await.ok()["connections"].clone();
    assert_eq!(
        connections["by_version"],
        json!({ "1.0": 0, "1.1": 0, "1.2": 1 })
    );
    server.stop().await;
}

#[tokio::test]
async fn connections_come_in_pages() {
    let (server, http) = server().await;
    let mut clients = Vec::new();
    for _ in 0..7 {
        clients.push(server.client("1.2").await);
    }
    let (mut seen, mut path) = (Vec::new(), "/api/v1/connections?limit=3".to_owned());
    loop {
        let page = http.get(&path).await.ok();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 3);
        seen.extend(items.iter().map(|it| it["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/api/v1/connections?limit=3&after={next}");
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 7);
    server.stop().await;
}

#[tokio::test]
async fn a_destination_is_shown() {
    let (server, http) = server().await;
    let mut ann = server.client("1.2").await;
    ann.done(
        "SEND\ndestination:/queue/orders.eu\nx-max-length:10\nx-delivery-limit:1",
        "1",
    )
    .await;
    ann.done("SEND\ndestination:/queue/orders.us", "22").await;
    ann.done("SEND\ndestination:/topic/news", "3").await;
    ann.done(
        "SUBSCRIBE\nid:s\ndestination:/queue/orders.eu\nack:client-individual\nprefetch-count:5",
        "",
    )
    .await;
    let message = ann.message("1").await;
    let ack = header(&message, "ack").unwrap().to_owned();

    let list = http.get("/api/v1/destinations").await.ok();
    assert_eq!(
        names(&list),
        ["/queue/orders.eu", "/queue/orders.us", "/topic/news"]
    );
    let list = http
        .get("/api/v1/destinations?pattern=/queue/orders.*")
        .await
        .ok();
    assert_eq!(names(&list), ["/queue/orders.eu", "/queue/orders.us"]);
    let list = http.get("/api/v1/destinations?pattern=us").await.ok();
    assert_eq!(names(&list), ["/queue/orders.us"]);
    let list = http.get("/api/v1/destinations?kind=topic").await.ok();
    assert_eq!(names(&list), ["/topic/news"]);
    let list = http
        .get("/api/v1/destinations?sort=depth&kind=queue&limit=1")
        .await
        .ok();
    assert_eq!(names(&list), ["/queue/orders.us"]);
    let next = list["next"].as_str().unwrap();
    let path = format!("/api/v1/destinations?sort=depth&kind=queue&limit=1&after={next}");
    assert_eq!(names(&http.get(&path).await.ok()), ["/queue/orders.eu"]);

    let path = "/api/v1/destination?name=/queue/orders.eu";
    let one = http.get(path).await.ok();
    assert_eq!(one["unacknowledged"], 1);
    assert_eq!(one["consumers"], 1);
    assert_eq!((&one["in"], &one["out"]), (&json!(1), &json!(1)));
    assert_eq!(one["arguments"]["x-max-length"], "10");
    assert_eq!(one["dead_letter"], "/queue/DLQ.orders.eu");
    let consumer = &one["consumers_list"][0];
    assert_eq!(consumer["subscription"], "s");
    assert_eq!(consumer["prefetch"], 5);
    assert_eq!(consumer["unacknowledged"], 1);

    ann.done(&format!("NACK\nid:{ack}"), "").await;
    let one = http.get(path).await.ok();
    assert_eq!(
        (&one["unacknowledged"], &one["dead_lettered"]),
        (&json!(0), &json!(1))
    );
    let list = http.get("/api/v1/destinations?kind=dead-letter").await.ok();
    assert_eq!(names(&list), ["/queue/DLQ.orders.eu"]);
    http.get("/api/v1/destination?name=/queue/none")
        .await
        .fault(404, "no-such-destination");
    server.stop().await;
}

#[tokio::test]
async fn a_temporary_destination_is_shown_without_its_secret() {
    let (server, http) = server().await;
    let mut ann = server.client("1.2").await;
    let mut bob = server.client("1.2").await;
    bob.done(
        "SUBSCRIBE\nid:s\ndestination:/queue/work\nack:client-individual",
        "",
    )
    .await;
    ann.done("SEND\ndestination:/queue/work\nreply-to:/temp-queue/r", "?")
        .await;
    let request = bob.frame().await;
    let reply = header(&request, "reply-to").unwrap();
    let token = reply.split('/').nth(2).unwrap();
    bob.done(&format!("SEND\ndestination:{reply}"), "!").await;
    bob.done(
        &format!(
            "NACK\nid:{}\nrequeue:false",
            header(&request, "ack").unwrap()
        ),
        "",
    )
    .await;
    let list = http.get("/api/v1/destinations?pattern=temp").await;
    let list_names = list.ok();
    let name = names(&list_names)[0];
    assert!(name.starts_with("/temp-queue/~"), "{name}");
    let one = http.get(&format!("/api/v1/destination?name={name}")).await;
    assert_eq!(one.ok()["consumers"], 1);
    let letters = http
        .get("/api/v1/messages?destination=/queue/DLQ.work")
        .await;
    assert_eq!(letters.ok()["items"].as_array().unwrap().len(), 1);
    let ids = http.get("/api/v1/connections").await;
    let mut all = format!("{}{}{}{}", list.body, one.body, letters.body, ids.body);
    for it in ids.ok()["items"].as_array().unwrap() {
        let id = it["id"].as_str().unwrap();
        all += &http.get(&format!("/api/v1/connections/{id}")).await.body;
    }
    assert!(!all.contains(token), "{all}");
    server.stop().await;
}

#[tokio::test]
async fn a_purge_takes_what_no_consumer_has() {
    let (server, http) = server().await;
    let mut ann = server.client("1.2").await;
    ann.done(
        "SUBSCRIBE\nid:s\ndestination:/queue/a\nack:client-individual\nprefetch-count:1",
        "",
    )
    .await;
    for kind in ["x", "y"].repeat(300) {
        ann.send(&format!(
            "SEND\ndestination:/queue/a\nkind:{kind}\n\n{kind}\0"
        ))
        .await;
    }
    let first = ann.message("x").await;
    ann.done("SEND\ndestination:/queue/a\nkind:z", "z").await;
    let purge = |what: Value| {
        let http = http.clone();
        async move { http.post("/api/v1/purge", &what).await }
    };
    let it = json!({ "destination": "/queue/a", "selector": "kind = 'y'", "limit": 290 });
    assert_eq!(purge(it).await.ok(), json!({ "purged": 290 }));
    let it = json!({ "destination": "/queue/a", "selector": "kind = 'y'" });
    assert_eq!(purge(it).await.ok(), json!({ "purged": 10 }));
    let it = json!({ "destination": "/queue/a", "selector": "kind <> 'z'" });
    assert_eq!(purge(it).await.ok(), json!({ "purged": 299 }));
    let ack = header(&first, "ack").unwrap();
    ann.send(&format!("ACK\nid:{ack}\n\n\0")).await;
    ann.message("z").await;
    assert_eq!(
        purge(json!({ "destination": "/queue/a" })).await.ok()["purged"],
        0
    );
    purge(json!({ "destination": "/queue/a", "selector": "x = = 1" }))
        .await
        .fault(400, "invalid-selector");
    purge(json!({ "destination": "/queue/b" }))
        .await
        .fault(404, "no-such-destination");
    purge(json!({ "destination": "/queue/a", "limt": 1 }))
        .await
        .fault(400, "json");
    server.stop().await;
}

#[tokio::test]
async fn messages_are_moved_and_consumed_there() {
    let (server, http) = server().await;
    let mut ann = server.client("1.2").await;
    for number in 0..600 {
        ann.send(&format!(
            "SEND\ndestination:/queue/a\nn:{number}\n\n{number}\0"
        ))
        .await;
    }
    ann.settled("").await;
    let it = json!({ "destination": "/queue/a", "to": "/queue/b", "selector": "n >= 300" });
    assert_eq!(
        http.post("/api/v1/move", &it).await.ok(),
        json!({ "moved": 300 })
    );
    ann.send("SUBSCRIBE\nid:b\ndestination:/queue/b\n\n\0")
        .await;
    for number in 300..600 {
        let frame = ann.message(&number.to_string()).await;
        assert_eq!(header(&frame, "destination"), Some("/queue/b"));
        assert_eq!(header(&frame, "n"), Some(&*number.to_string()));
    }
    let post = |to: &str| {
        let (http, it) = (http.clone(), json!({ "destination": "/queue/a", "to": to }));
        async move { http.post("/api/v1/move", &it).await }
    };
    for to in [
        "/queue/a",
        "/queue/*",
        "queue",
        "/temp-queue/x",
        "/queue/c,/queue/d",
        "/user/a/queue/b",
        "/amq/queue/b",
        "",
    ] {
        let answer = post(to).await;
        assert!(matches!(answer.status, 400 | 404), "{to:?}: {answer:?}");
    }
    // A goal without room ends it, and nothing is lost.
    ann.done("SEND\ndestination:/queue/small\nx-max-length:3", "")
        .await;
    let full = post("/queue/small").await.fault(409, "queue-full");
    assert_eq!(full["moved"], 2);
    let left = http.get("/api/v1/destination?name=/queue/a").await.ok();
    assert_eq!(left["depth"], 298);
    server.stop().await;
}

#[tokio::test]
async fn dead_letters_go_back_to_where_they_died() {
    let (server, http) = server().await;
    let mut ann = server.client("1.2").await;
    ann.done(
        "SUBSCRIBE\nid:s\ndestination:/queue/a\nack:client-individual",
        "",
    )
    .await;
    for text in ["1", "2"] {
        ann.send(&format!("SEND\ndestination:/queue/a\nkept:yes\n\n{text}\0"))
            .await;
    }
    for text in ["1", "2"] {
        let frame = ann.message(text).await;
        let ack = header(&frame, "ack").unwrap();
        ann.send(&format!("NACK\nid:{ack}\nrequeue:false\n\n\0"))
            .await;
    }
    ann.done("UNSUBSCRIBE\nid:s", "").await;
    // Neither of these died there.
    ann.done("SEND\ndestination:/queue/DLQ.a", "none").await;
    ann.done(
        "SEND\ndestination:/queue/DLQ.a\nx-death-queue:/queue/secret",
        "forged",
    )
    .await;
    let it = json!({ "destination": "/queue/DLQ.a" });
    let answer = http.post("/api/v1/replay", &it).await.ok();
    assert_eq!(
        (&answer["replayed"], &answer["skipped_count"]),
        (&json!(2), &json!(2))
    );
    let why = answer["skipped"][1]["why"].as_str().unwrap();
    assert!(why.contains("/queue/secret"), "{why}");
    ann.send("SUBSCRIBE\nid:t\ndestination:/queue/a\n\n\0")
        .await;
    for text in ["1", "2"] {
        let frame = ann.message(text).await;
        assert_eq!(header(&frame, "kept"), Some("yes"));
        assert_eq!(header(&frame, "destination"), Some("/queue/a"));
        assert!(
            !frame.contains("x-death") && !frame.contains("original-destination"),
            "{frame}"
        );
        assert_eq!(header(&frame, "redelivered"), None);
    }
    let it = json!({ "destination": "/queue/DLQ.a", "to": "/queue/b", "limit": 1 });
    assert_eq!(http.post("/api/v1/replay", &it).await.ok()["replayed"], 1);
    server.stop().await;
}

#[tokio::test]
async fn messages_are_looked_at_and_sent() {
    let (server, http) = server().await;
    let send = |it: Value| {
        let http = http.clone();
        async move { http.post("/api/v1/publish", &it).await }
    };
    for number in 0..5 {
        let it = json!({
            "destination": "/queue/a",
            "headers": { "n": number.to_string(), "priority": (9 - number).to_string(), "odd:name": "a\nb" },
            "body": format!("body {number}"),
        });
        let id = send(it).await.ok();
        assert!(id["message_id"].as_str().unwrap().contains('-'));
    }
    send(json!({ "destination": "/queue/a", "body_base64": "/wA=" }))
        .await
        .ok();
    let (mut seen, mut after) = (Vec::new(), 0);
    loop {
        let path = format!("/api/v1/messages?destination=/queue/a&limit=4&after={after}");
        let page = http.get(&path).await.ok();
        seen.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_u64() else {
            break;
        };
        after = next;
    }
    assert_eq!(seen.len(), 6);
    assert_eq!(seen[0]["body"], "body 0");
    let headers = seen[0]["headers"].as_array().unwrap();
    assert!(
        headers.contains(&json!(["odd:name", "a\nb"])),
        "{headers:?}"
    );
    assert_eq!(seen[5]["body_base64"], "/wA=");
    let mut ann = server.client("1.2").await;
    ann.send("SUBSCRIBE\nid:a\ndestination:/queue/a\n\n\0")
        .await;
    ann.message("body 0").await;

    ann.done("SEND\ndestination:/topic/t", "logged").await;
    let page = http.get("/api/v1/messages?destination=/topic/t").await.ok();
    assert_eq!(page["items"][0]["body"], "logged");
    for (it, code) in [
        (json!({ "destination": "/queue/*" }), "invalid-destination"),
        (json!({ "destination": "nowhere" }), "invalid-destination"),
        (json!({ "destination": "" }), "invalid-destination"),
        (
            json!({ "destination": "/queue/a\n" }),
            "invalid-destination",
        ),
        (
            json!({ "destination": "/queue/a", "headers": { "message-id": "1" } }),
            "header",
        ),
        (
            json!({ "destination": "/queue/a", "headers": { "a": 1 } }),
            "header",
        ),
        (
            json!({ "destination": "/queue/a", "headers": { "a": "\0" } }),
            "header",
        ),
        (
            json!({ "destination": "/queue/a", "headers": { "expires": "soon" } }),
            "invalid-header",
        ),
        (
            json!({ "destination": "/queue/a", "body": "", "body_base64": "" }),
            "body",
        ),
        (
            json!({ "destination": "/queue/a", "body_base64": "?" }),
            "body",
        ),
        (
            json!({ "destination": "/$SYS/events/connected" }),
            "invalid-destination",
        ),
    ] {
        send(it).await.fault(400, code);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_destination_that_nobody_uses_is_removed() {
    let (server, http) = server().await;
    let mut ann = server.client("1.2").await;
    ann.done("SEND\ndestination:/queue/a", "1").await;
    ann.done("SUBSCRIBE\nid:b\ndestination:/queue/b", "").await;
    ann.done("SUBSCRIBE\nid:t\ndestination:/topic/t", "").await;
    ann.done("SEND\ndestination:/topic/u\nretain:set", "kept")
        .await;
    let path = |name: &str| format!("/api/v1/destination?name={name}");
    let empty = format!("{}&if_empty=true", path("/queue/a"));
    http.delete(&empty).await.fault(409, "in-use");
    http.delete(&path("/queue/b")).await.fault(409, "in-use");
    http.delete(&path("/topic/t")).await.fault(409, "in-use");
    http.delete(&path("/queue/c"))
        .await
        .fault(404, "no-such-destination");
    let gone = json!({ "deleted": true, "messages": 1 });
    assert_eq!(http.delete(&path("/queue/a")).await.ok(), gone);
    http.get(&path("/queue/a"))
        .await
        .fault(404, "no-such-destination");
    assert_eq!(http.delete(&path("/topic/u")).await.ok()["deleted"], true);
    ann.done("SUBSCRIBE\nid:u\ndestination:/topic/u", "").await;
    ann.nothing().await;
    server.stop().await;
}

#[tokio::test]
async fn durable_subscriptions_are_listed_and_ended() {
    let (server, http) = server().await;
    let mut ann = server.client_as("1.2", "client-id:phone\n").await;
    ann.done(
        "SUBSCRIBE\nid:news\ndestination:/topic/news\ndurable:true\nselector:a = 1",
        "",
    )
    .await;
    let list = http.get("/api/v1/durable-subscriptions").await.ok();
    let it = &list["items"][0];
    assert_eq!(it["destination"], "/topic/news");
    assert_eq!(it["owner"], "phone");
    assert_eq!(it["name"], "news");
    assert_eq!(it["selector"], "a = 1");
    assert_eq!(it["connected"], true);
    let path = format!(
        "/api/v1/durable-subscriptions/{}",
        it["key"].as_str().unwrap()
    );
    http.delete(&path).await.fault(409, "durable-subscription");
    ann.done("DISCONNECT", "").await;
    ann.end().await;
    let mut bob = server.client("1.2").await;
    bob.done("SEND\ndestination:/topic/news\na:1", "x").await;
    let list = http.get("/api/v1/durable-subscriptions").await.ok();
    assert_eq!(list["items"][0]["depth"], 1);
    assert_eq!(list["items"][0]["connected"], false);
    assert!(list["items"][0]["last_seen"].as_u64().is_some());
    assert_eq!(http.delete(&path).await.ok(), json!({ "deleted": true }));
    http.delete(&path)
        .await
        .fault(404, "no-such-durable-subscription");
    let list = http.get("/api/v1/durable-subscriptions").await.ok();
    assert_eq!(list, json!({ "items": [], "next": null }));
    server.stop().await;
}
