//! The gateway between a client and a broker where one of them breaks the rules, is silent, or slow.

mod common;

use std::net::SocketAddr;

use common::TestServer;
use stompbox_server::{Acl, Config, GatewayConfig, GatewayMode, Rule, Upstream};

const BOTH: [GatewayMode; 2] = [GatewayMode::Pooled, GatewayMode::Passthrough];

fn config(mode: GatewayMode, upstreams: &[SocketAddr]) -> GatewayConfig {
    let parse = |address: &SocketAddr| -> Upstream { address.to_string().parse().unwrap() };
    let mut gateway = GatewayConfig::new(upstreams.iter().map(parse));
    gateway.mode = mode;
    gateway.connections = 1;
    gateway
}

/// A transaction that is open at the gateway's broker, and a frame in it that is refused.
async fn refused(gateway: &TestServer, broker: &TestServer, queue: &str, bad: &str, code: &str) {
    let mut reader = broker.client("1.2").await;
    reader
        .done(&format!("SUBSCRIBE\nid:q\ndestination:{queue}"), "")
        .await;
    let mut client = gateway.client("1.2").await;
    client
        .send(&format!(
            "BEGIN\ntransaction:t\n\n\0SEND\ndestination:{queue}\ntransaction:t\n\nin part\0{bad}\0\
             COMMIT\ntransaction:t\n\n\0SEND\ndestination:{queue}\n\nbehind\0"
        ))
        .await;
    client.error(code).await;
    // By the same connection to the broker, where there is one for all.
    let mut other = gateway.client("1.2").await;
    other
        .done(&format!("SEND\ndestination:{queue}"), "after")
        .await;
    reader.message("after").await;
}

#[tokio::test]
async fn nothing_behind_a_refused_frame_is_done() {
    let broker = TestServer::start().await;
    for mode in BOTH {
        let rule = Rule {
            who: "*".parse().expect("everybody"),
            allow: vec!["read,write **".parse().expect("a permission")],
            deny: vec!["write /queue/forbidden".parse().expect("a permission")],
        };
        let gateway = TestServer::with(Config {
            acl: Acl::new(vec![rule]),
            gateway: Some(config(mode, &[broker.stomp])),
            ..Config::default()
        })
        .await;
        for (number, (bad, code)) in [
            ("ACK\nid:s99\ntransaction:t\n\n", "invalid-request"),
            (
                "SEND\ndestination:/queue/forbidden\ntransaction:t\n\nx",
                "access-denied",
            ),
        ]
        .into_iter()
        .enumerate()
        {
            let queue = format!("/queue/refused.{mode}.{number}");
            refused(&gateway, &broker, &queue, bad, code).await;
        }
        gateway.stop().await;
    }
    broker.stop().await;
}
