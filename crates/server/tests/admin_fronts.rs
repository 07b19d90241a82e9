//! The admin listener below TLS, and that of a gateway.

mod common;
#[path = "common/http.rs"]
mod http;
#[path = "common/tls.rs"]
mod tls;

use common::{LIMIT, TestServer, header};
use http::{Http, with_admin};
use serde_json::{Value, json};
use stompbox_server::{Config, GatewayConfig, GatewayMode};
use tls::{Authority, handshake};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

#[tokio::test]
async fn it_speaks_tls_where_it_is_to() {
    let authority = Authority::new();
    let mut config = with_admin(Config::default());
    if let Some(admin) = &mut config.admin {
        admin.tls = Some(authority.issue("admin", 2099));
    }
    let server = TestServer::with(config).await;
    let connector = authority.connector(&[&rustls::version::TLS13], None);
    let address = server.admin.unwrap();
    for (origin, expected) in [
        ("https://localhost", "HTTP/1.1 200"),
        // What is below TLS is another origin than what is not.
        ("http://localhost", "HTTP/1.1 403"),
    ] {
        let mut stream = handshake(&connector, address).await.unwrap();
        let request = format!(
            "GET /api/v1/overview HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\n\
             Connection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(LIMIT, stream.read_to_string(&mut answer))
            .await
            .expect("an answer")
            .unwrap();
        assert!(answer.starts_with(expected), "{origin}: {answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_gateway_is_looked_after_too() {
    let broker = TestServer::start().await;
    let upstream = broker.stomp.to_string().parse().expect("an upstream");
    let mut gateway = GatewayConfig::new([upstream]);
    gateway.mode = GatewayMode::Pooled;
    gateway.connections = 1;
    let front = TestServer::with(with_admin(Config {
        gateway: Some(gateway),
        ..Config::default()
    }))
    .await;
    let http = Http::new(front.admin);
    let mut ann = front.client_as("1.2", "login:ann\n").await;
    ann.done("SUBSCRIBE\nid:s\ndestination:/queue/a", "").await;
    ann.send("SEND\ndestination:/queue/a\n\nx\0").await;
    ann.message("x").await;
    let status = http.get("/api/v1/gateway").await.ok();
    assert_eq!(status["upstreams"][0]["up"], true);
    assert_eq!(status["connections"][0]["clients"], 1);
    assert_eq!(http.get("/readyz").await.status, 200);
    let list = http.get("/api/v1/connections").await.ok();
    let it = &list["items"][0];
    assert_eq!(
        (&it["in"]["messages"], &it["out"]["messages"]),
        (&json!(1), &json!(1))
    );
    let id = it["id"].as_str().unwrap();
    let kicked = http.delete(&format!("/api/v1/connections/{id}")).await.ok();
    assert_eq!(kicked["kicked"], 1);
    ann.error("kicked").await;

    // Without a broker behind it nobody should be sent here.
    broker.stop().await;
    let lost = async {
        while http.get("/readyz").await.status == 200 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, lost).await.expect("it is known to be lost");
    http.get("/readyz").await.fault(503, "upstream-unavailable");
    let metrics = http.get("/metrics").await.body;
    assert!(
        metrics.contains("stompbox_gateway_shared_connections_up 0\n"),
        "{metrics}"
    );
    front.stop().await;
}

#[tokio::test]
async fn a_broker_is_no_gateway() {
    let server = TestServer::with(with_admin(Config::default())).await;
    let http = Http::new(server.admin);
    assert_eq!(http.get("/api/v1/gateway").await.ok(), Value::Null);
    let mut ann = server.client("1.2").await;
    let settled = ann.settled("").await;
    assert!(settled.iter().all(|it| header(it, "message").is_none()));
    server.stop().await;
}
