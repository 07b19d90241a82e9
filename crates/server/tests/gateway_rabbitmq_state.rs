//! What clients leave behind on shared connections to a real RabbitMQ, which the test starts:
//! `cargo test -p stompbox-server --test gateway_rabbitmq_state -- --ignored`.

mod common;

use std::{collections::BTreeSet, time::Duration};

use common::{LIMIT, Raw, TestServer, body, header};
use stompbox_rabbitmq::Rabbit;
use stompbox_server::{Config, GatewayConfig, GatewayMode, UpstreamKind};
use tokio::time::{sleep, timeout};

const LOGIN: &str = "login:guest\npasscode:guest\n";

async fn gateway(mode: GatewayMode, rabbit: &Rabbit) -> TestServer {
    let mut gateway = GatewayConfig::new([rabbit.tcp().parse().unwrap()]);
    gateway.kind = UpstreamKind::Rabbitmq;
    gateway.mode = mode;
    gateway.connections = 1;
    gateway.login = Some("guest".into());
    gateway.passcode = Some("guest".into());
    TestServer::with(Config {
        gateway: Some(gateway),
        ..Config::default()
    })
    .await
}

fn losses(gateway: &TestServer) -> u64 {
    let status = gateway.gateway.clone().unwrap().status();
    status.connections.iter().map(|it| it.losses).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs rabbitmq-server"]
async fn leaving_and_acknowledging_harm_nobody() {
    let rabbit = Rabbit::start().unwrap();
    let pooled = gateway(GatewayMode::Pooled, &rabbit).await;
    acknowledged_once_in_a_transaction(&pooled).await;
    acknowledged_by_who_has_unsubscribed(&pooled).await;
    a_queue_may_be_left_while_messages_come(&pooled, &rabbit, "auto").await;
    a_queue_may_be_left_while_messages_come(&pooled, &rabbit, "client").await;
    a_topic_may_be_left_while_messages_come(&pooled).await;
    what_is_not_written_yet_comes_once(&pooled).await;
    a_selector_passes_over_what_a_durable_subscription_keeps(&pooled, "pooled").await;
    assert_eq!(
        losses(&pooled),
        0,
        "the shared connection was there all along"
    );
    pooled.stop().await;
    let passing = gateway(GatewayMode::Passthrough, &rabbit).await;
    a_topic_may_be_left_while_messages_come(&passing).await;
    a_selector_passes_over_what_a_durable_subscription_keeps(&passing, "passing").await;
    passing.stop().await;
}

/// Subscribes, and gives the `ack` ids of so many messages.
async fn take(client: &mut Raw, queue: &str, ack: &str, bodies: &[&str]) -> Vec<String> {
    client
        .done(
            &format!("SUBSCRIBE\nid:1\ndestination:{queue}\nack:{ack}"),
            "",
        )
        .await;
    let mut ids = Vec::new();
    for text in bodies {
        client
            .send(&format!("SEND\ndestination:{queue}\n\n{text}\0"))
            .await;
        let message = client.message(text).await;
        ids.push(header(&message, "ack").unwrap().to_owned());
    }
    ids
}

async fn acknowledged_once_in_a_transaction(gateway: &TestServer) {
    let mut client = gateway.client_as("1.2", LOGIN).await;
    let ids = take(&mut client, "/queue/state.tx", "client", &["a", "b", "c"]).await;
    client.send("BEGIN\ntransaction:t\n\n\0").await;
    for id in &ids[..2] {
        client
            .send(&format!("ACK\nid:{id}\ntransaction:t\n\n\0"))
            .await;
    }
    // Outside of it: what it holds is not acknowledged by this.
    client.done(&format!("ACK\nid:{}", ids[2]), "").await;
    client.done("COMMIT\ntransaction:t", "").await;
    // The same delivery twice is refused here, and ends nobody's connection.
    client
        .send("SEND\ndestination:/queue/state.tx\n\nd\0")
        .await;
    let d = client.message("d").await;
    let d = header(&d, "ack").unwrap();
    client.send("BEGIN\ntransaction:u\n\n\0").await;
    for _ in 0..2 {
        client
            .send(&format!("ACK\nid:{d}\ntransaction:u\n\n\0"))
            .await;
    }
    client.error("invalid-request").await;
    let mut other = gateway.client_as("1.2", LOGIN).await;
    other
        .send("SUBSCRIBE\nid:1\ndestination:/queue/state.tx\n\n\0")
        .await;
    other.message("d").await;
}

async fn acknowledged_by_who_has_unsubscribed(gateway: &TestServer) {
    for (end, queue) in [
        ("COMMIT", "/queue/state.kept"),
        ("ABORT", "/queue/state.back"),
    ] {
        let mut client = gateway.client_as("1.2", LOGIN).await;
        let ids = take(&mut client, queue, "client-individual", &["a", "b"]).await;
        client.send("BEGIN\ntransaction:t\n\n\0").await;
        client
            .send(&format!("ACK\nid:{}\ntransaction:t\n\n\0", ids[0]))
            .await;
        client.done("UNSUBSCRIBE\nid:1", "").await;
        let mut other = gateway.client_as("1.2", LOGIN).await;
        other
            .send(&format!("SUBSCRIBE\nid:1\ndestination:{queue}\n\n\0"))
            .await;
        other.message("b").await;
        client.done(&format!("{end}\ntransaction:t"), "").await;
        if end == "ABORT" {
            other.message("a").await;
        }
        other.nothing().await;
    }
}

/// While others use the connection. RabbitMQ then has deliveries for subscriptions that have ended.
async fn a_queue_may_be_left_while_messages_come(gateway: &TestServer, rabbit: &Rabbit, ack: &str) {
    let name = format!("state.busy.{ack}");
    let queue = format!("/queue/{name}");
    let total = 3000;
    let mut producer = gateway.client_as("1.2", LOGIN).await;
    for number in 0..total {
        producer
            .send(&format!("SEND\ndestination:{queue}\n\n{number}\0"))
            .await;
    }
    producer
        .done("SEND\ndestination:/queue/state.end", "")
        .await;
    let mut seen = BTreeSet::new();
    let mut duplicates = 0;
    let mut client = gateway.client_as("1.2", LOGIN).await;
    for round in 0..12 {
        client
            .send(&format!(
                "SUBSCRIBE\nid:{round}\ndestination:{queue}\nack:{ack}\n\n\0"
            ))
            .await;
        for _ in 0..5 {
            let frame = client.frame().await;
            assert!(frame.starts_with("MESSAGE\n"), "{frame}");
            if ack == "auto" {
                duplicates += usize::from(!seen.insert(body(&frame).to_owned()));
            }
        }
        let rest = client.done(&format!("UNSUBSCRIBE\nid:{round}"), "").await;
        // Somebody else's transaction is not to blame for what comes of it.
        producer.send("BEGIN\ntransaction:t\n\n\0").await;
        producer.done("COMMIT\ntransaction:t", "").await;
        if ack == "auto" {
            for frame in rest {
                duplicates += usize::from(!seen.insert(body(&frame).to_owned()));
            }
        }
    }
    let unacknowledged = || {
        let queues = rabbit
            .control(&["list_queues", "name", "messages_unacknowledged"])
            .unwrap();
        let line = queues
            .lines()
            .find_map(|line| line.strip_prefix(&*name)?.trim().parse::<u32>().ok());
        line.expect("the queue")
    };
    let wait = async {
        while unacknowledged() > 0 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    let all_back = timeout(LIMIT, wait).await;
    all_back.unwrap_or_else(|_| panic!("{} left behind", unacknowledged()));
    let mut last = gateway.client_as("1.2", LOGIN).await;
    last.send(&format!("SUBSCRIBE\nid:1\ndestination:{queue}\n\n\0"))
        .await;
    while seen.len() < total {
        let frame = last.frame().await;
        duplicates += usize::from(!seen.insert(body(&frame).to_owned()));
    }
    assert_eq!(duplicates, 0);
    last.nothing().await;
}

async fn a_topic_may_be_left_while_messages_come(gateway: &TestServer) {
    let mut flood = gateway.client_as("1.2", LOGIN).await;
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(gateway.client_as("1.2", LOGIN).await);
    }
    for round in 0..6 {
        let mut client = gateway.client_as("1.2", LOGIN).await;
        client
            .done(
                &format!("SUBSCRIBE\nid:{round}\ndestination:/topic/state.flood"),
                "",
            )
            .await;
        for _ in 0..300 {
            flood
                .send("SEND\ndestination:/topic/state.flood\n\nx\0")
                .await;
        }
        for (number, other) in others.iter_mut().enumerate() {
            other
                .send(&format!("BEGIN\ntransaction:{round}\nreceipt:b\n\n\0"))
                .await;
            other
                .send(&format!(
                    "SEND\ndestination:/queue/state.others.{number}\ntransaction:{round}\n\nx\0"
                ))
                .await;
            other
                .send(&format!("COMMIT\ntransaction:{round}\nreceipt:c\n\n\0"))
                .await;
        }
        client.frame().await;
        client.done(&format!("UNSUBSCRIBE\nid:{round}"), "").await;
        for other in &mut others {
            for receipt in ["b", "c"] {
                let frame = other.frame().await;
                assert_eq!(header(&frame, "receipt-id"), Some(receipt), "{frame}");
                assert!(frame.starts_with("RECEIPT\n"), "{frame}");
            }
        }
        // It goes on for the client, too.
        client.done("SEND\ndestination:/queue/state.end", "").await;
        client.done("SEND\ndestination:/queue/state.end", "").await;
    }
}

/// With `ack:auto`, what lies before a client that does not read goes elsewhere or to the client, not
/// both.
async fn what_is_not_written_yet_comes_once(gateway: &TestServer) {
    let queue = "/queue/state.unwritten";
    let bodies = "x".repeat(100_000);
    let mut producer = gateway.client_as("1.2", LOGIN).await;
    for number in 0..60 {
        producer
            .done(&format!("SEND\ndestination:{queue}\nn:{number}"), &bodies)
            .await;
    }
    let mut slow = gateway.client_as("1.2", LOGIN).await;
    slow.send(&format!("SUBSCRIBE\nid:1\ndestination:{queue}\n\n\0"))
        .await;
    let mut seen = BTreeSet::new();
    let mut take = |frame: &str| {
        let number: u32 = header(frame, "n").unwrap().parse().unwrap();
        assert!(seen.insert(number), "{number} came twice");
        seen.len()
    };
    take(&slow.frame().await);
    for frame in slow.done("UNSUBSCRIBE\nid:1", "").await {
        take(&frame);
    }
    slow.nothing().await;
    let mut other = gateway.client_as("1.2", LOGIN).await;
    other
        .send(&format!("SUBSCRIBE\nid:1\ndestination:{queue}\n\n\0"))
        .await;
    // All of them may have been on their way to the first.
    while seen.len() < 60 {
        let frame = other.frame().await;
        let number: u32 = header(&frame, "n").unwrap().parse().unwrap();
        assert!(seen.insert(number), "{number} came twice");
    }
    other.nothing().await;
}

async fn a_selector_passes_over_what_a_durable_subscription_keeps(
    gateway: &TestServer,
    name: &str,
) {
    let mut client = gateway.client_as("1.2", LOGIN).await;
    let topic = format!("/topic/state.durable.{name}");
    client
        .done(
            &format!(
                "SUBSCRIBE\nid:{name}\ndestination:{topic}\ndurable:true\nauto-delete:false\n\
                 ack:client\nprefetch-count:2\nselector:room = 'x'"
            ),
            "",
        )
        .await;
    let mut producer = gateway.client_as("1.2", LOGIN).await;
    for (room, text) in [
        ("x", "first"),
        ("y", "no"),
        ("y", "no"),
        ("y", "no"),
        ("x", "second"),
    ] {
        producer
            .done(&format!("SEND\ndestination:{topic}\nroom:{room}"), text)
            .await;
    }
    let first = client.message("first").await;
    let second = client.message("second").await;
    // The first is still the client's to acknowledge.
    assert_ne!(header(&first, "ack"), header(&second, "ack"));
    client
        .done(&format!("ACK\nid:{}", header(&second, "ack").unwrap()), "")
        .await;
    client
        .done(&format!("UNSUBSCRIBE\nid:{name}\ndurable:true"), "")
        .await;
}

/// A client is not told to go for messages that RabbitMQ sends faster than it takes them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs rabbitmq-server"]
async fn a_slow_client_gets_large_messages_at_its_pace() {
    const MESSAGES: u32 = 200;
    let rabbit = Rabbit::start().unwrap();
    let mut small = GatewayConfig::new([rabbit.tcp().parse().unwrap()]);
    small.kind = UpstreamKind::Rabbitmq;
    small.mode = GatewayMode::Pooled;
    small.connections = 1;
    small.max_waiting = 256 << 10;
    small.login = Some("guest".into());
    small.passcode = Some("guest".into());
    let gateway = TestServer::with(Config {
        gateway: Some(small),
        ..Config::default()
    })
    .await;
    let bodies = "x".repeat(50_000);
    let mut producer = gateway.client_as("1.2", LOGIN).await;
    for ack in ["auto", "client", "client-individual"] {
        let queue = format!("/queue/state.slow.{ack}");
        for number in 0..MESSAGES {
            producer
                .done(&format!("SEND\ndestination:{queue}\nn:{number}"), &bodies)
                .await;
        }
        let mut slow = gateway.client_as("1.2", LOGIN).await;
        slow.send(&format!(
            "SUBSCRIBE\nid:1\ndestination:{queue}\nack:{ack}\n\n\0"
        ))
        .await;
        // Meanwhile RabbitMQ sends as much as it may.
        sleep(Duration::from_millis(300)).await;
        for number in 0..MESSAGES {
            let frame = slow.frame().await;
            assert!(frame.starts_with("MESSAGE\n"), "{ack}: {frame}");
            assert_eq!(header(&frame, "n"), Some(&*number.to_string()), "{ack}");
            if ack != "auto" {
                slow.send(&format!("ACK\nid:{}\n\n\0", header(&frame, "ack").unwrap()))
                    .await;
            }
        }
        slow.nothing().await;
        slow.done("UNSUBSCRIBE\nid:1", "").await;
        // Nothing is left.
        let mut other = gateway.client_as("1.2", LOGIN).await;
        other
            .done(&format!("SUBSCRIBE\nid:1\ndestination:{queue}"), "")
            .await;
        other.nothing().await;
    }
    assert_eq!(losses(&gateway), 0);
    gateway.stop().await;
}
