//! What a gateway keeps of its clients, before brokers that do what a test tells them.

#[path = "common/broker.rs"]
mod broker;
mod common;
#[path = "common/gateway.rs"]
mod gateway;

use std::time::Duration;

use broker::{Broker, V1_2};
use common::{LIMIT, TestServer, header};
use gateway::{config, with};
use stompbox_server::{GatewayMode, OnLoss, UpstreamKind};
use tokio::time::{sleep, timeout};

/// Waits until so many clients use the shared connection.
async fn clients(gateway: &TestServer, wanted: usize) {
    let monitor = gateway.gateway.clone().expect("a gateway");
    let wait = async {
        while monitor.status().connections[0].clients != wanted {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LIMIT, wait).await.expect("so many clients");
}

const SUBSCRIBE: &str = "SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:sub\n\n\0";

#[tokio::test]
async fn all_are_told_of_a_shared_topic_that_ends() {
    let broker = Broker::start().await;
    let gateway = with(config(GatewayMode::Pooled, &[broker.address])).await;
    let mut wire = broker.accept(V1_2).await;
    let mut clients = Vec::new();
    for number in 0..3 {
        let mut client = gateway.client("1.2").await;
        client.send(SUBSCRIBE).await;
        if number == 0 {
            let subscribe = wire.expect("SUBSCRIBE").await;
            wire.confirm(&subscribe).await;
            let id = header(&subscribe, "id").unwrap().to_owned();
            clients.push((client, id));
        } else {
            clients.push((client, String::new()));
        }
        let receipt = clients[number].0.frame().await;
        assert_eq!(header(&receipt, "receipt-id"), Some("sub"), "{receipt}");
    }
    let id = clients[0].1.clone();
    // One that has left is not concerned.
    let (mut left, _) = clients.remove(0);
    left.send("UNSUBSCRIBE\nid:1\nreceipt:un\n\n\0").await;
    let receipt = left.frame().await;
    assert_eq!(header(&receipt, "receipt-id"), Some("un"), "{receipt}");
    wire.say(&format!(
        "ERROR\nmessage:Server cancelled subscription\nsubscription:{id}\n\n"
    ))
    .await;
    for (mut client, _) in clients {
        let error = client.error("upstream-error").await;
        assert!(error.contains("Server cancelled subscription"), "{error}");
    }
    // Who comes then makes a new one.
    left.send(SUBSCRIBE).await;
    let subscribe = wire.expect("SUBSCRIBE").await;
    assert_ne!(header(&subscribe, "id"), Some(&*id));
    wire.confirm(&subscribe).await;
    let receipt = left.frame().await;
    assert_eq!(header(&receipt, "receipt-id"), Some("sub"), "{receipt}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_topic_that_is_not_there_again_is_not_confirmed() {
    let broker = Broker::start().await;
    let gateway = with(config(GatewayMode::Pooled, &[broker.address])).await;
    let mut wire = broker.accept(V1_2).await;
    let mut first = gateway.client("1.2").await;
    first.send(SUBSCRIBE).await;
    let subscribe = wire.expect("SUBSCRIBE").await;
    wire.confirm(&subscribe).await;
    first.frame().await;
    drop(wire);
    let mut wire = broker.accept(V1_2).await;
    let again = wire.expect("SUBSCRIBE").await;
    let mut second = gateway.client("1.2").await;
    second.send(SUBSCRIBE).await;
    second
        .send("SEND\ndestination:/queue/a\nreceipt:sent\n\n\0")
        .await;
    let sent = wire.expect("SEND").await;
    wire.confirm(&sent).await;
    let receipt = second.frame().await;
    assert_eq!(header(&receipt, "receipt-id"), Some("sent"), "{receipt}");
    wire.confirm(&again).await;
    let receipt = second.frame().await;
    assert_eq!(header(&receipt, "receipt-id"), Some("sub"), "{receipt}");
    gateway.stop().await;
}

#[tokio::test]
async fn who_leaves_while_no_broker_is_there_leaves_nothing() {
    let broker = Broker::start().await;
    let mut small = config(GatewayMode::Pooled, &[broker.address]);
    small.max_held = 2 << 20;
    let gateway = with(small).await;
    let mut big = gateway.client("1.2").await;
    // The gateway waits for the CONNECTED that this does not say yet.
    let mut wire = broker.take().await;
    let body = "x".repeat(600_000);
    big.send("BEGIN\ntransaction:t\nreceipt:ghost\n\n\0").await;
    for _ in 0..3 {
        big.send(&format!("SEND\ndestination:/queue/a\n\n{body}\0"))
            .await;
    }
    drop(big);
    clients(&gateway, 0).await;
    let mut stays = gateway.client("1.2").await;
    stays.send("BEGIN\ntransaction:t\nreceipt:mine\n\n\0").await;
    let mut other = gateway.client("1.2").await;
    other
        .send(&format!("SEND\ndestination:/queue/a\n\n{body}\0"))
        .await;
    // With what has left that would be more than may wait, and nothing more would be read.
    other.send("SEND\ndestination:/dsub/x\n\n\0").await;
    other.error("invalid-request").await;
    wire.expect("CONNECT").await;
    wire.say(V1_2).await;
    let begin = wire.expect("BEGIN").await;
    assert!(header(&begin, "receipt").is_some(), "{begin}");
    // It names nobody: the oldest that is still there is meant.
    wire.say("ERROR\nmessage:no\n\n").await;
    let error = stays.error("upstream-error").await;
    assert_eq!(header(&error, "receipt-id"), Some("mine"), "{error}");
    gateway.stop().await;
}

#[tokio::test]
async fn an_error_for_who_is_gone_is_nobody_elses() {
    let broker = Broker::start().await;
    let gateway = with(config(GatewayMode::Pooled, &[broker.address])).await;
    let mut wire = broker.accept(V1_2).await;
    let mut client = gateway.client("1.2").await;
    client
        .send("BEGIN\ntransaction:t\nreceipt:mine\n\n\0")
        .await;
    let begin = wire.expect("BEGIN").await;
    for header in ["receipt-id:999999", "subscription:999999"] {
        wire.say(&format!("ERROR\nmessage:no\n{header}\n\n")).await;
    }
    wire.confirm(&begin).await;
    let receipt = client.frame().await;
    assert!(receipt.starts_with("RECEIPT\n"), "{receipt}");
    assert_eq!(header(&receipt, "receipt-id"), Some("mine"), "{receipt}");
    gateway.stop().await;
}

#[tokio::test]
async fn an_unsubscribe_that_the_broker_can_not_read_ends_the_subscription_all_the_same() {
    let broker = Broker::start().await;
    let gateway = with(config(GatewayMode::Passthrough, &[broker.address])).await;
    let mut client = gateway.raw().await;
    client
        .send("CONNECT\naccept-version:1.2\nhost:x\n\n\0")
        .await;
    let mut wire = broker.accept("CONNECTED\nsession:1\n\n").await;
    client.frame().await;
    client
        .send("SUBSCRIBE\nid:1\ndestination:/queue/a\n\n\0")
        .await;
    wire.expect("SUBSCRIBE").await;
    client
        .send("UNSUBSCRIBE\nid:1\nx:a\\nb\nreceipt:un\n\n\0")
        .await;
    let unsubscribe = wire.expect("UNSUBSCRIBE").await;
    assert_eq!(header(&unsubscribe, "id"), Some("1"), "{unsubscribe}");
    wire.confirm(&unsubscribe).await;
    let receipt = client.frame().await;
    assert_eq!(header(&receipt, "receipt-id"), Some("un"), "{receipt}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_shared_broker_hears_nothing_of_an_unsubscribes_headers() {
    let broker = Broker::start().await;
    let gateway = with(config(GatewayMode::Pooled, &[broker.address])).await;
    let mut wire = broker.accept(V1_2).await;
    let mut client = gateway.client("1.2").await;
    client
        .send("SUBSCRIBE\nid:1\ndestination:/queue/a\n\n\0")
        .await;
    wire.expect("SUBSCRIBE").await;
    client.send("UNSUBSCRIBE\nid:1\nx:y\n\n\0").await;
    let unsubscribe = wire.expect("UNSUBSCRIBE").await;
    assert_eq!(header(&unsubscribe, "x"), None, "{unsubscribe}");
    gateway.stop().await;
}

#[tokio::test]
async fn by_policy_a_topics_users_are_told_on_every_connection() {
    let broker = Broker::start().await;
    let mut strict = config(GatewayMode::Pooled, &[broker.address]);
    strict.connections = 2;
    strict.on_loss = OnLoss::Close;
    let gateway = with(strict).await;
    let mut wires = [broker.accept(V1_2).await, broker.accept(V1_2).await];
    let mut clients = [gateway.client("1.2").await, gateway.client("1.2").await];
    clients[0].send(SUBSCRIBE).await;
    let (subscribed, subscribe) = {
        let [one, two] = &mut wires;
        tokio::select! {
            frame = one.frame() => (0, frame),
            frame = two.frame() => (1, frame),
        }
    };
    wires[subscribed].confirm(&subscribe).await;
    clients[0].frame().await;
    // Both use the topic, and one of them nothing else of that connection.
    clients[1].send(SUBSCRIBE).await;
    clients[1].frame().await;
    let [one, two] = wires;
    let (lost, _kept) = if subscribed == 0 {
        (one, two)
    } else {
        (two, one)
    };
    drop(lost);
    for client in &mut clients {
        client.error("upstream-lost").await;
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_refused_subscription_is_told_with_its_receipt() {
    let broker = Broker::start().await;
    let gateway = with(config(GatewayMode::Passthrough, &[broker.address])).await;
    let (mut client, mut wire) = broker.client(&gateway).await;
    client.send(SUBSCRIBE).await;
    let subscribe = wire.expect("SUBSCRIBE").await;
    let receipt = header(&subscribe, "receipt").unwrap();
    wire.say(&format!("ERROR\nreceipt-id:{receipt}\nmessage:no\n\n"))
        .await;
    let error = client.error("upstream-error").await;
    assert_eq!(header(&error, "receipt-id"), Some("sub"), "{error}");
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_before_a_slow_client_is_not_written_after_it_unsubscribed() {
    let broker = Broker::start().await;
    let gateway = with(config(GatewayMode::Pooled, &[broker.address])).await;
    let mut wire = broker.accept(V1_2).await;
    let mut client = gateway.client("1.2").await;
    client
        .send("SUBSCRIBE\nid:1\ndestination:/queue/a\n\n\0")
        .await;
    let subscribe = wire.expect("SUBSCRIBE").await;
    let id = header(&subscribe, "id").unwrap().to_owned();
    let body = "x".repeat(200_000);
    for number in 0..30 {
        wire.say(&format!(
            "MESSAGE\nsubscription:{id}\nmessage-id:{number}\nack:{number}\n\
             destination:/queue/a\n\n{body}"
        ))
        .await;
    }
    // All has been taken when this is answered.
    let mut other = gateway.client("1.2").await;
    other.send("BEGIN\ntransaction:t\nreceipt:r\n\n\0").await;
    loop {
        let frame = wire.frame().await;
        if frame.starts_with("BEGIN\n") {
            wire.confirm(&frame).await;
            break;
        }
    }
    other.frame().await;
    client.send("UNSUBSCRIBE\nid:1\nreceipt:un\n\n\0").await;
    loop {
        let frame = wire.frame().await;
        if frame.starts_with("UNSUBSCRIBE\n") {
            wire.confirm(&frame).await;
            break;
        }
    }
    let mut messages = 0;
    while client.frame().await.starts_with("MESSAGE\n") {
        messages += 1;
    }
    assert!(messages < 30, "the broker has given them to others");
    gateway.stop().await;
}

#[tokio::test]
async fn what_a_transaction_acknowledges_waits_where_the_broker_would_take_it_at_once() {
    for mode in [GatewayMode::Pooled, GatewayMode::Passthrough] {
        let broker = Broker::start().await;
        let mut config = config(mode, &[broker.address]);
        config.kind = UpstreamKind::Artemis;
        let gateway = with(config).await;
        let (mut client, mut wire) = broker.client(&gateway).await;
        client
            .send("SUBSCRIBE\nid:1\ndestination:/queue/a\nack:client\n\n\0")
            .await;
        let subscribe = wire.expect("SUBSCRIBE").await;
        assert_eq!(header(&subscribe, "ack"), Some("client-individual"));
        let id = header(&subscribe, "id").unwrap().to_owned();
        let mut acks = Vec::new();
        for number in 1..=4 {
            wire.say(&format!(
                "MESSAGE\nsubscription:{id}\nmessage-id:m{number}\nack:a{number}\ndestination:a\n\n{number}"
            ))
            .await;
            let message = client.message(&number.to_string()).await;
            acks.push(header(&message, "ack").unwrap().to_owned());
        }
        // It takes in the first too. Undone, both are as before.
        let ack = |at: usize, rest: &str| format!("ACK\nid:{}\n{rest}\n\0", acks[at]);
        let first = ack(1, "transaction:t\nreceipt:r\n");
        client
            .send(&format!("BEGIN\ntransaction:t\n\n\0{first}"))
            .await;
        let receipt = client.frame().await;
        assert_eq!(header(&receipt, "receipt-id"), Some("r"), "{receipt}");
        client.send("ABORT\ntransaction:t\n\n\0").await;
        wire.expect("BEGIN").await;
        wire.expect("ABORT").await;
        let (again, outside) = (ack(1, "transaction:u\n"), ack(2, ""));
        client
            .send(&format!(
                "BEGIN\ntransaction:u\n\n\0{again}{outside}COMMIT\ntransaction:u\nreceipt:c\n\n\0"
            ))
            .await;
        wire.expect("BEGIN").await;
        let outside = wire.expect("ACK").await;
        assert_eq!(header(&outside, "id"), Some("a3"), "{outside}");
        let commit = wire.expect("COMMIT").await;
        for expected in ["a1", "a2"] {
            let ack = wire.expect("ACK").await;
            assert_eq!(header(&ack, "id"), Some(expected), "{ack}");
            assert_eq!(header(&ack, "transaction"), None, "{ack}");
        }
        wire.confirm(&commit).await;
        let receipt = client.frame().await;
        assert_eq!(header(&receipt, "receipt-id"), Some("c"), "{receipt}");
        // What the broker has back is not acknowledged.
        let last = ack(3, "transaction:v\n");
        client
            .send(&format!(
                "BEGIN\ntransaction:v\n\n\0{last}UNSUBSCRIBE\nid:1\n\n\0COMMIT\ntransaction:v\n\n\0\
                 SEND\ndestination:/queue/a\n\nend\0"
            ))
            .await;
        for command in ["BEGIN", "UNSUBSCRIBE", "COMMIT", "SEND"] {
            wire.expect(command).await;
        }
    }
}
