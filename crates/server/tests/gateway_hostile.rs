//! Clients that try to harm others, or the gateway, by what they write in their frames.

#[path = "common/broker.rs"]
mod broker;
mod common;
#[path = "common/gateway.rs"]
mod gateway;

use broker::{Broker, V1_2};
use common::{LIMIT, TestServer, header};
use gateway::{BOTH, config, with};
use std::time::Duration;

use stompbox_server::{Config, GatewayMode, UpstreamKind, User};
use tokio::time::{sleep, timeout};

/// The next `SEND`; what the gateway asks for itself is answered.
async fn sent(wire: &mut broker::Wire) -> String {
    loop {
        let frame = wire.frame().await;
        if frame.starts_with("SEND\n") {
            return frame;
        }
        if header(&frame, "receipt").is_some() {
            wire.confirm(&frame).await;
        }
    }
}

#[tokio::test]
async fn what_is_a_brokers_to_write_is_not_taken_from_clients() {
    for mode in BOTH {
        let mock = Broker::start().await;
        let gateway = with(config(mode, &[mock.address])).await;
        let mut client = gateway.raw().await;
        client
            .send(
                "CONNECT\naccept-version:1.2\nhost:x\n\n\0SEND\ndestination:/queue/a\nsubscription:1\nack:1\n\
                 message-id:1\nredelivered:true\nJMSXUserID:root\nJMSXDeliveryCount:9\nmine:yes\n\nx\0",
            )
            .await;
        let mut wire = mock.accept(V1_2).await;
        let frame = sent(&mut wire).await;
        assert_eq!(header(&frame, "mine"), Some("yes"), "{frame}");
        for name in [
            "subscription",
            "ack",
            "message-id",
            "redelivered",
            "JMSXUserID",
            "JMSXDeliveryCount",
        ] {
            assert_eq!(header(&frame, name), None, "{frame}");
        }
        gateway.stop().await;
    }
}

/// To some brokers the last entry of a header counts; the rules have seen the first.
#[tokio::test]
async fn of_a_repeated_header_only_the_first_goes_on() {
    for mode in BOTH {
        let mock = Broker::start().await;
        let gateway = with(config(mode, &[mock.address])).await;
        let mut client = gateway.raw().await;
        client
            .send(
                "CONNECT\naccept-version:1.2\nhost:x\n\n\0SEND\ndestination:/queue/a\ndestination:/queue/b\n\
                 persistent:true\npersistent:false\n\nbody\0",
            )
            .await;
        let mut wire = mock.accept(V1_2).await;
        let frame = sent(&mut wire).await;
        for (line, count) in [
            ("\ndestination:", 1),
            ("\ndestination:/queue/a\n", 1),
            ("\npersistent:true\n", 1),
            ("\npersistent:", 1),
        ] {
            assert_eq!(frame.matches(line).count(), count, "{line:?} in {frame:?}");
        }
        client
            .send("SUBSCRIBE\nid:1\ndestination:/queue/a\ndestination:/queue/b\nid:2\n\n\0")
            .await;
        let frame = wire.expect("SUBSCRIBE").await;
        for (line, count) in [
            ("\ndestination:/queue/a\n", 1),
            ("\ndestination:", 1),
            ("\nid:", 1),
        ] {
            assert_eq!(frame.matches(line).count(), count, "{line:?} in {frame:?}");
        }
        gateway.stop().await;
    }
}

/// Before 1.2 an `ack` header is a producer's.
#[tokio::test]
async fn a_producers_ack_header_acknowledges_nothing() {
    let mock = Broker::start().await;
    let mut pooled = config(GatewayMode::Pooled, &[mock.address]);
    pooled.kind = UpstreamKind::Rabbitmq;
    let gateway = with(pooled).await;
    let mut wire = mock.accept("CONNECTED\nversion:1.1\n\n").await;
    let mut client = gateway.client("1.2").await;
    client
        .send("SUBSCRIBE\nid:1\ndestination:/queue/a\nack:client\n\n\0")
        .await;
    let subscribe = wire.expect("SUBSCRIBE").await;
    wire.confirm(&subscribe).await;
    let id = header(&subscribe, "id").unwrap();
    wire.say(&format!(
        "MESSAGE\nsubscription:{id}\nmessage-id:real\ndestination:/queue/a\nack:spoof\n\nx"
    ))
    .await;
    client.message("x").await;
    drop(client);
    wire.expect("UNSUBSCRIBE").await;
    let parked = wire.expect("SUBSCRIBE").await;
    wire.confirm(&parked).await;
    wire.expect("BEGIN").await;
    let last = wire.expect("ABORT").await;
    wire.confirm(&last).await;
    let nack = wire.expect("NACK").await;
    assert_eq!(header(&nack, "message-id"), Some("real"), "{nack}");
    gateway.stop().await;
}

/// Artemis writes a producer's before its own, and takes one of another subscription too.
#[tokio::test]
async fn of_two_ack_headers_the_brokers_counts() {
    let mock = Broker::start().await;
    let mut pooled = config(GatewayMode::Pooled, &[mock.address]);
    pooled.kind = UpstreamKind::Artemis;
    let gateway = with(pooled).await;
    let mut wire = mock.accept(V1_2).await;
    let mut client = gateway.client("1.2").await;
    for ack in ["auto", "client"] {
        client
            .send(&format!(
                "SUBSCRIBE\nid:{ack}\ndestination:/queue/a\nack:{ack}\n\n\0"
            ))
            .await;
        let subscribe = wire.expect("SUBSCRIBE").await;
        wire.confirm(&subscribe).await;
        let id = header(&subscribe, "id").unwrap();
        wire.say(&format!(
            "MESSAGE\nsubscription:{id}\nmessage-id:1\ndestination:a\nack:spoof\nack:76,80\n\nx"
        ))
        .await;
        let message = client.message("x").await;
        if ack == "client" {
            let ack = header(&message, "ack").unwrap();
            client.send(&format!("ACK\nid:{ack}\n\n\0")).await;
        }
        let ack = wire.expect("ACK").await;
        assert_eq!(header(&ack, "id"), Some("76,80"), "{ack}");
    }
    gateway.stop().await;
}

/// RabbitMQ never gives the receipts of what is undone: its client would wait for them, and in the end
/// not be read any more.
#[tokio::test]
async fn an_aborted_transaction_owes_no_receipts() {
    for mode in BOTH {
        let mock = Broker::start().await;
        let gateway = with(config(mode, &[mock.address])).await;
        let (mut client, mut wire) = mock.client(&gateway).await;
        let receipt = "r".repeat(4000);
        // More than a client may wait for.
        for round in 0..600 {
            client
                .send(&format!(
                    "BEGIN\ntransaction:t\n\n\0SEND\ndestination:/queue/a\ntransaction:t\nreceipt:{receipt}\n\n\0\
                     ABORT\ntransaction:t\nreceipt:{round}\n\n\0"
                ))
                .await;
            wire.expect("BEGIN").await;
            wire.expect("SEND").await;
            let abort = wire.expect("ABORT").await;
            let frame = client.frame().await;
            assert_eq!(header(&frame, "receipt-id"), Some(&*receipt));
            wire.confirm(&abort).await;
            let frame = client.frame().await;
            assert_eq!(header(&frame, "receipt-id"), Some(&*round.to_string()));
        }
        gateway.stop().await;
    }
}

/// Some brokers of 1.0 take blanks around a header's name for nothing: it would be another's name.
#[tokio::test]
async fn a_name_with_blanks_does_not_become_another() {
    let mock = Broker::start().await;
    let gateway = with(config(GatewayMode::Pooled, &[mock.address])).await;
    let mut wire = mock.accept("CONNECTED\nsession:1\n\n").await;
    let mut client = gateway.client("1.2").await;
    client
        .send("SEND\ndestination:/queue/a\n receipt:7\n\nx\0")
        .await;
    client.error("invalid-request").await;
    let mut other = gateway.client("1.2").await;
    other.send("SEND\ndestination:/queue/a\n\nthe next\0").await;
    let frame = wire.expect("SEND").await;
    assert_eq!(common::body(&frame), "the next");
    gateway.stop().await;
}

/// Each makes a queue at RabbitMQ, and a subscription here.
#[tokio::test]
async fn destinations_for_replies_are_bounded() {
    let mock = Broker::start().await;
    let mut passing = config(GatewayMode::Passthrough, &[mock.address]);
    passing.kind = UpstreamKind::Rabbitmq;
    let gateway = with(passing).await;
    let (mut client, mut wire) = mock.client(&gateway).await;
    for number in 0..=1024 {
        client
            .send(&format!(
                "SEND\ndestination:/queue/a\nreply-to:/temp-queue/{number}\n\nx\0"
            ))
            .await;
        if number < 1024 {
            wire.expect("SEND").await;
        }
    }
    let error = client.error("invalid-request").await;
    assert!(error.contains("1024"), "{error}");
    gateway.stop().await;
}

/// Browsers' libraries call subscriptions the same everywhere, and RabbitMQ calls queues by them.
#[tokio::test]
async fn durable_subscriptions_are_each_users_own() {
    let mock = Broker::start().await;
    let mut pooled = config(GatewayMode::Pooled, &[mock.address]);
    pooled.kind = UpstreamKind::Rabbitmq;
    let gateway = TestServer::with(Config {
        users: vec![User::with_passcode("ann", "secret").expect("a user")],
        gateway: Some(pooled),
        ..Config::default()
    })
    .await;
    let _shared = mock.accept(V1_2).await;
    let mut ann = gateway
        .client_as("1.2", "login:ann\npasscode:secret\n")
        .await;
    let durable = "durable:true\nauto-delete:false\n";
    ann.send(&format!(
        "SUBSCRIBE\nid:sub-0\ndestination:/topic/a\n{durable}\n\0"
    ))
    .await;
    let mut own = mock.accept(V1_2).await;
    let subscribe = own.expect("SUBSCRIBE").await;
    assert_eq!(header(&subscribe, "id"), Some("ann.sub-0"), "{subscribe}");
    own.confirm(&subscribe).await;
    own.say("MESSAGE\nsubscription:ann.sub-0\nmessage-id:1\ndestination:/topic/a\n\nx")
        .await;
    let message = ann.message("x").await;
    assert_eq!(header(&message, "subscription"), Some("sub-0"), "{message}");
    for _ in 0..2 {
        // The second is of one that another connection has left.
        ann.send(&format!("UNSUBSCRIBE\nid:sub-0\n{durable}\n\0"))
            .await;
        let unsubscribe = own.expect("UNSUBSCRIBE").await;
        assert_eq!(header(&unsubscribe, "id"), Some("ann.sub-0"));
    }
    gateway.stop().await;
}

/// Who shares a connection with others is not seen, while its broker takes nothing.
#[tokio::test]
async fn who_goes_while_the_broker_takes_nothing_is_noticed() {
    let mock = Broker::start().await;
    let mut impatient = config(GatewayMode::Pooled, &[mock.address]);
    impatient.hold_timeout = Duration::from_millis(100);
    let gateway = with(impatient).await;
    let _wire = mock.accept(V1_2).await;
    let mut idle = gateway.client("1.2").await;
    idle.send("SEND\ndestination:/queue/a\n\nx\0").await;
    let flood = gateway.client("1.2").await;
    let (_reads, mut writes) = flood.stream.into_split();
    let flood = tokio::spawn(async move {
        let frame = format!("SEND\ndestination:/queue/a\n\n{}\0", "x".repeat(60_000));
        use tokio::io::AsyncWriteExt as _;
        loop {
            writes.write_all(frame.as_bytes()).await.unwrap();
        }
    });
    let clients = |wanted: usize| {
        let monitor = gateway.gateway.clone().expect("a gateway");
        async move {
            while monitor.status().connections[0].clients != wanted {
                sleep(Duration::from_millis(5)).await;
            }
        }
    };
    timeout(LIMIT, clients(2)).await.expect("both");
    // Until the broker takes nothing more this would be seen in any case.
    sleep(Duration::from_secs(1)).await;
    idle.send("SEND\ndestination:/queue/a\n\nx\0").await;
    drop(idle);
    timeout(LIMIT, clients(1)).await.expect("one is gone");
    flood.abort();
    gateway.stop().await;
}
