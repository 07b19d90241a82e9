//! What is done on the admin listener survives the server.

mod common;
#[path = "common/http.rs"]
mod http;

use std::path::Path;

use common::{LIMIT, TestServer, header};
use http::{Http, with_admin};
use serde_json::json;
use stompbox_server::Config;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

async fn start(data: &Path, max_memory: Option<usize>) -> (TestServer, Http) {
    let mut config = with_admin(Config {
        data: Some(data.to_owned()),
        ..Config::default()
    });
    if let Some(most) = max_memory {
        config.broker.max_memory = most;
    }
    let server = TestServer::with(config).await;
    let http = Http::new(server.admin);
    (server, http)
}

async fn depth(http: &Http, name: &str) -> u64 {
    let answer = http.get(&format!("/api/v1/destination?name={name}")).await;
    match answer.status {
        404 => 0,
        _ => answer.ok()["depth"].as_u64().unwrap(),
    }
}

#[tokio::test]
async fn what_was_moved_purged_and_sent_is_so_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (server, http) = start(directory.path(), None).await;
    let mut ann = server.client("1.2").await;
    for number in 0..500 {
        ann.send(&format!(
            "SEND\ndestination:/queue/a\npersistent:true\nn:{number}\n\n{number}\0"
        ))
        .await;
    }
    ann.done("SEND\ndestination:/queue/b\npersistent:true", "first")
        .await;
    let it = json!({ "destination": "/queue/a", "to": "/queue/b", "selector": "n < 200" });
    assert_eq!(
        http.post("/api/v1/move", &it).await.ok(),
        json!({ "moved": 200 })
    );
    let it = json!({ "destination": "/queue/a", "selector": "n >= 450" });
    assert_eq!(
        http.post("/api/v1/purge", &it).await.ok(),
        json!({ "purged": 50 })
    );
    let it =
        json!({ "destination": "/queue/b", "headers": { "persistent": "true" }, "body": "last" });
    http.post("/api/v1/publish", &it).await.ok();
    let overview = http.get("/api/v1/overview").await.ok();
    assert_eq!(overview["messages"]["stored"], 452);
    assert_eq!(overview["store"]["poisoned"], false);
    // Not in order: what was answered is on disk.
    drop(ann);
    server.stop().await;

    let (server, http) = start(directory.path(), None).await;
    assert_eq!(depth(&http, "/queue/a").await, 250);
    assert_eq!(depth(&http, "/queue/b").await, 202);
    let page = http
        .get("/api/v1/messages?destination=/queue/b&limit=2")
        .await
        .ok();
    let shown: Vec<_> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["body"].clone())
        .collect();
    assert_eq!(shown, ["first", "0"]);
    let mut bob = server.client("1.2").await;
    bob.send("SUBSCRIBE\nid:b\ndestination:/queue/b\n\n\0")
        .await;
    bob.message("first").await;
    for number in 0..200 {
        let frame = bob.message(&number.to_string()).await;
        assert_eq!(header(&frame, "destination"), Some("/queue/b"));
    }
    bob.message("last").await;
    server.stop().await;
}

#[tokio::test]
async fn what_is_only_on_disk_is_shown_and_moved() {
    let directory = tempfile::tempdir().unwrap();
    let (server, http) = start(directory.path(), Some(1 << 20)).await;
    let mut ann = server.client("1.2").await;
    let body = "x".repeat(1000);
    for number in 0..3000 {
        ann.send(&format!(
            "SEND\ndestination:/queue/a\npersistent:true\nn:{number}\n\n{body}\0"
        ))
        .await;
    }
    ann.settled("").await;
    let (mut seen, mut after) = (0, 0);
    loop {
        let path = format!("/api/v1/messages?destination=/queue/a&limit=200&after={after}");
        let page = http.get(&path).await.ok();
        for it in page["items"].as_array().unwrap() {
            let headers = it["headers"].as_array().unwrap();
            assert!(
                headers.contains(&json!(["n", seen.to_string()])),
                "{headers:?}"
            );
            seen += 1;
        }
        let Some(next) = page["next"].as_u64() else {
            break;
        };
        after = next;
    }
    assert_eq!(seen, 3000);
    let it = json!({ "destination": "/queue/a", "to": "/queue/b", "selector": "n >= 1000" });
    assert_eq!(
        http.post("/api/v1/move", &it).await.ok(),
        json!({ "moved": 2000 })
    );
    server.stop().await;
    let (server, http) = start(directory.path(), None).await;
    assert_eq!(depth(&http, "/queue/a").await, 1000);
    assert_eq!(depth(&http, "/queue/b").await, 2000);
    server.stop().await;
}

#[tokio::test]
async fn letters_and_durable_subscriptions_stay_as_they_were_left() {
    let directory = tempfile::tempdir().unwrap();
    let (server, http) = start(directory.path(), None).await;
    let mut ann = server.client("1.2").await;
    ann.done("SUBSCRIBE\nid:d\ndestination:/topic/t\ndurable:true", "")
        .await;
    ann.done("UNSUBSCRIBE\nid:d", "").await;
    ann.done(
        "SUBSCRIBE\nid:s\ndestination:/queue/a\nack:client-individual",
        "",
    )
    .await;
    ann.send("SEND\ndestination:/queue/a\npersistent:true\n\nx\0")
        .await;
    let frame = ann.message("x").await;
    let ack = header(&frame, "ack").unwrap();
    ann.done(&format!("NACK\nid:{ack}\nrequeue:false"), "")
        .await;
    ann.done("DISCONNECT", "").await;
    server.stop().await;

    let (server, http2) = start(directory.path(), None).await;
    drop(http);
    assert_eq!(depth(&http2, "/queue/DLQ.a").await, 1);
    let it = json!({ "destination": "/queue/DLQ.a" });
    assert_eq!(http2.post("/api/v1/replay", &it).await.ok()["replayed"], 1);
    let list = http2.get("/api/v1/durable-subscriptions").await.ok();
    let it = &list["items"][0];
    assert_eq!((&it["name"], &it["last_seen"]), (&json!("d"), &json!(null)));
    let key = it["key"].as_str().unwrap();
    http2
        .delete(&format!("/api/v1/durable-subscriptions/{key}"))
        .await
        .ok();
    server.stop().await;

    let (server, http) = start(directory.path(), None).await;
    assert_eq!(depth(&http, "/queue/DLQ.a").await, 0);
    assert_eq!(depth(&http, "/queue/a").await, 1);
    let list = http.get("/api/v1/durable-subscriptions").await.ok();
    assert_eq!(list["items"], json!([]));
    server.stop().await;
}

#[tokio::test]
async fn who_sends_clients_here_knows_that_it_stops() {
    let config = Config {
        drain_timeout: LIMIT,
        ..Config::default()
    };
    let server = TestServer::with(with_admin(config)).await;
    let http = Http::new(server.admin);
    assert_eq!(http.get("/readyz").await.status, 200);
    // A request that is not all there keeps the server until it is.
    let mut request = TcpStream::connect(server.http).await.unwrap();
    request.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    // It is one that the server has.
    let mut ann = server.client("1.2").await;
    ann.settled("").await;
    let mut feed = http.follow("?kinds=draining").await;
    let stopping = tokio::spawn(server.stop());
    feed.next_of("draining").await;
    http.get("/readyz").await.fault(503, "draining");
    assert_eq!(http.get("/healthz").await.status, 200);
    drop(request);
    stopping.await.unwrap();
}
