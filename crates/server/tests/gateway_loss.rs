//! The gateway while its broker goes away, comes back, answers nothing, or speaks old versions.

#[path = "common/broker.rs"]
mod broker;
mod common;
#[path = "common/gateway.rs"]
mod gateway;

use std::{net::SocketAddr, time::Duration};

use broker::Broker;
use common::{LIMIT, TestServer, header};
use gateway::{BOTH, config, with};
use stompbox_server::{Config, GatewayMode, OnLoss};
use tokio::{
    io::AsyncReadExt as _,
    net::TcpListener,
    time::{sleep, timeout},
};

/// Waits until so many shared connections are there.
async fn up(gateway: &TestServer, wanted: usize) {
    let monitor = gateway.gateway.clone().expect("a gateway");
    let wait = async {
        while monitor
            .status()
            .connections
            .iter()
            .filter(|it| it.up)
            .count()
            != wanted
        {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LIMIT, wait).await.expect("connections");
}

/// An address that nobody listens on, below the range for outgoing connections.
async fn free_address() -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    socket.local_addr().unwrap()
}

#[tokio::test]
async fn clients_stay_while_the_broker_restarts() {
    for mode in BOTH {
        let address = free_address().await;
        let broker = TestServer::at(address, Config::default()).await;
        let gateway = with(config(mode, &[address])).await;
        let mut client = gateway.client("1.2").await;
        client
            .done("SUBSCRIBE\nid:t\ndestination:/topic/a", "")
            .await;
        client
            .done(
                "SUBSCRIBE\nid:q\ndestination:/queue/a\nack:client-individual",
                "",
            )
            .await;
        client.send("SEND\ndestination:/queue/a\n\nbefore\0").await;
        let before = client.message("before").await;
        broker.stop().await;
        if mode == GatewayMode::Pooled {
            up(&gateway, 0).await;
            // What is sent meanwhile waits, with its receipt.
            client
                .send("SEND\ndestination:/queue/a\nreceipt:meanwhile\n\nmeanwhile\0")
                .await;
            client
                .send("SUBSCRIBE\nid:m\ndestination:/topic/b\nreceipt:sub\n\n\0")
                .await;
        }
        let broker = TestServer::at(address, Config::default()).await;
        if mode == GatewayMode::Pooled {
            let mut seen = Vec::new();
            for _ in 0..3 {
                let frame = client.frame().await;
                let id = header(&frame, "receipt-id").map(str::to_owned);
                seen.push(id.unwrap_or_else(|| common::body(&frame).to_owned()));
            }
            seen.sort();
            assert_eq!(seen, ["meanwhile", "meanwhile", "sub"]);
        } else {
            let mut watcher = broker.client("1.2").await;
            let wait = async {
                // The subscription is there again when its message arrives.
                loop {
                    watcher.send("SEND\ndestination:/topic/a\n\nprobe\0").await;
                    let probe = timeout(Duration::from_millis(100), client.frame()).await;
                    if probe.is_ok() {
                        break;
                    }
                }
            };
            timeout(LIMIT, wait).await.expect("a subscription");
        }
        // An acknowledgement of what is lost costs nothing.
        let late = header(&before, "ack").expect("an ack");
        client.send(&format!("ACK\nid:{late}\n\n\0")).await;
        let mut producer = broker.client("1.2").await;
        producer.done("SEND\ndestination:/topic/a", "once").await;
        producer.done("SEND\ndestination:/queue/a", "after").await;
        let mut bodies = Vec::new();
        for _ in 0..2 {
            bodies.push(common::body(&client.frame().await).to_owned());
        }
        bodies.sort();
        assert_eq!(bodies, ["after", "once"], "each subscription is there once");
        client.nothing().await;
        gateway.stop().await;
        broker.stop().await;
    }
}

#[tokio::test]
async fn another_broker_of_the_list_is_taken() {
    let nobody = free_address().await;
    let broker = TestServer::start().await;
    for mode in BOTH {
        let gateway = with(config(mode, &[nobody, broker.stomp])).await;
        for _ in 0..8 {
            let mut client = gateway.client("1.2").await;
            client.done("SEND\ndestination:/queue/a", "x").await;
        }
        gateway.stop().await;
    }
    broker.stop().await;
}

#[tokio::test]
async fn receipts_that_can_not_come_any_more_are_told() {
    for mode in BOTH {
        let mock = Broker::start().await;
        let gateway = with(config(mode, &[mock.address])).await;
        let (mut waiting, mut broker) = mock.client(&gateway).await;
        waiting
            .send("SEND\ndestination:/queue/a\nreceipt:mine\n\nx\0")
            .await;
        broker.frame().await;
        drop(broker);
        let error = waiting.error("upstream-lost").await;
        assert_eq!(header(&error, "receipt-id"), Some("mine"), "{error}");
        assert_eq!(header(&error, "x-retry"), Some("now"), "{error}");
        gateway.stop().await;
    }
}

#[tokio::test]
async fn by_policy_all_are_told() {
    let address = free_address().await;
    let broker = TestServer::at(address, Config::default()).await;
    let mut strict = config(GatewayMode::Pooled, &[address]);
    strict.on_loss = OnLoss::Close;
    let gateway = with(strict).await;
    up(&gateway, 1).await;
    let mut client = gateway.client("1.2").await;
    client
        .done("SUBSCRIBE\nid:t\ndestination:/topic/a", "")
        .await;
    broker.stop().await;
    client.error("upstream-lost").await;
    gateway.stop().await;
}

#[tokio::test]
async fn who_waits_too_long_is_told() {
    let address = free_address().await;
    let mut impatient = config(GatewayMode::Pooled, &[address]);
    impatient.hold_timeout = Duration::from_millis(300);
    let gateway = with(impatient).await;
    let mut idle = gateway.client("1.2").await;
    let mut client = gateway.client("1.2").await;
    client
        .send("SEND\ndestination:/queue/a\nreceipt:r\n\nx\0")
        .await;
    let error = client.error("upstream-unavailable").await;
    assert_eq!(header(&error, "receipt-id"), Some("r"), "{error}");
    assert!(error.contains(&address.to_string()), "{error}");
    // Who asks for nothing stays.
    let broker = TestServer::at(address, Config::default()).await;
    // A broker that was away is tried again after more than that.
    up(&gateway, 1).await;
    idle.done("SEND\ndestination:/queue/a", "x").await;
    let mut passing = config(GatewayMode::Passthrough, &[free_address().await]);
    passing.connect_timeout = Duration::from_secs(5);
    let other = with(passing).await;
    let mut raw = other.raw().await;
    raw.send("CONNECT\naccept-version:1.2\nhost:x\n\n\0").await;
    raw.error("upstream-unavailable").await;
    other.stop().await;
    gateway.stop().await;
    broker.stop().await;
}

#[tokio::test]
async fn versions_differ_on_both_sides() {
    // A client of 1.2 before a broker of 1.0, which knows no escapes and no `ack`.
    let mock = Broker::start().await;
    let gateway = with(config(GatewayMode::Passthrough, &[mock.address])).await;
    let mut client = gateway.raw().await;
    client
        .send("CONNECT\naccept-version:1.2\nhost:x\n\n\0")
        .await;
    let mut broker = mock.accept("CONNECTED\nsession:1\n\n").await;
    client.frame().await;
    client
        .send("SUBSCRIBE\nid:s\\c1\ndestination:/queue/a\nack:client\n\n\0")
        .await;
    let subscribe = broker.frame().await;
    assert_eq!(header(&subscribe, "id"), Some("s:1"), "{subscribe}");
    broker
        .say("MESSAGE\nsubscription:s:1\nmessage-id:m:7\ndestination:/queue/a\nx:a\\nb\n\nhi")
        .await;
    let message = client.message("hi").await;
    assert_eq!(header(&message, "subscription"), Some("s\\c1"), "{message}");
    assert_eq!(header(&message, "x"), Some("a\\\\nb"), "{message}");
    let id = header(&message, "ack").expect("an ack").to_owned();
    client.send(&format!("ACK\nid:{id}\n\n\0")).await;
    let ack = broker.frame().await;
    assert_eq!(header(&ack, "message-id"), Some("m:7"), "{ack}");
    // What 1.0 can't write is refused, and costs nobody else anything.
    client
        .send("SEND\ndestination:/queue/a\nx:a\\nb\nreceipt:r\n\n\0")
        .await;
    let error = client.error("invalid-request").await;
    assert_eq!(header(&error, "receipt-id"), Some("r"), "{error}");
    gateway.stop().await;
}

#[tokio::test]
async fn the_gateway_beats_for_silent_clients() {
    let mock = Broker::start().await;
    let mut lively = config(GatewayMode::Passthrough, &[mock.address]);
    lively.heart_beat = stompbox_server::HeartBeat::new(100, 0);
    let gateway = with(lively).await;
    let mut client = gateway.raw().await;
    client
        .send("CONNECT\naccept-version:1.2\nhost:x\nheart-beat:0,0\n\n\0")
        .await;
    let mut broker = mock
        .accept("CONNECTED\nversion:1.2\nheart-beat:0,100\n\n")
        .await;
    client.frame().await;
    let mut beats = [0; 3];
    timeout(LIMIT, broker.stream.read_exact(&mut beats))
        .await
        .expect("beats")
        .unwrap();
    assert_eq!(&beats, b"\n\n\n");
    gateway.stop().await;
}

#[tokio::test]
async fn a_broker_that_says_nothing_is_given_up() {
    let mock = Broker::start().await;
    let mut strict = config(GatewayMode::Pooled, &[mock.address]);
    strict.heart_beat = stompbox_server::HeartBeat::new(0, 100);
    let gateway = with(strict).await;
    let silent = mock
        .accept("CONNECTED\nversion:1.2\nheart-beat:100,0\n\n")
        .await;
    // The next connection is made because this one says nothing.
    let _next = mock
        .accept("CONNECTED\nversion:1.2\nheart-beat:100,0\n\n")
        .await;
    drop(silent);
    gateway.stop().await;
}

#[tokio::test]
async fn a_slow_client_stalls_nobody() {
    let broker = TestServer::start().await;
    let mut small = config(GatewayMode::Pooled, &[broker.stomp]);
    small.max_waiting = 256 << 10;
    small.prefetch = 1000;
    let gateway = with(small).await;
    let mut quick = gateway.client("1.2").await;
    quick
        .done("SUBSCRIBE\nid:t\ndestination:/topic/flood", "")
        .await;
    let mut slow = Vec::new();
    for destination in ["/topic/flood", "/queue/flood"] {
        let mut client = gateway.client("1.2").await;
        client
            .done(&format!("SUBSCRIBE\nid:t\ndestination:{destination}"), "")
            .await;
        slow.push(client);
    }
    let body = "x".repeat(32 << 10);
    let mut producer = broker.client("1.2").await;
    for number in 0..600 {
        for destination in ["/topic/flood", "/queue/flood"] {
            producer
                .send(&format!(
                    "SEND\ndestination:{destination}\n\n{number} {body}\0"
                ))
                .await;
        }
        let message = quick.frame().await;
        assert!(common::body(&message).starts_with(&format!("{number} ")));
    }
    // They are told to go, or find the connection closed behind what they did not read.
    for mut client in slow {
        while client.try_frame().await.is_some() {}
    }
    gateway.stop().await;
    broker.stop().await;
}
