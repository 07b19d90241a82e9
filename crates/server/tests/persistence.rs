//! What survives the server.

mod common;

use std::path::Path;

use common::{TestServer, header};
use stompbox_server::Config;

async fn start(data: &Path) -> TestServer {
    TestServer::with(Config {
        data: Some(data.to_owned()),
        ..Config::default()
    })
    .await
}

#[tokio::test]
async fn persistent_messages_survive_in_order_with_all_their_headers() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path()).await;
    let mut client = server.client("1.2").await;
    for (headers, body) in [
        ("persistent:true\nodd\\cname:a\\nb\\\\c", "1"),
        ("delivery-mode:2", "2"),
        ("persistent:false", "transient"),
        ("persistent:true\nexpires:1", "expired"),
        ("persistent:true\npriority:9", "first"),
        ("persistent:true\nexpiration:600000", "3"),
    ] {
        client
            .done(&format!("SEND\ndestination:/queue/a\n{headers}"), body)
            .await;
    }
    server.stop().await;
    for round in 0..2 {
        let server = start(directory.path()).await;
        let mut client = server.client("1.2").await;
        client
            .send("SUBSCRIBE\nid:1\ndestination:/queue/a\nack:client-individual\n\n\0")
            .await;
        client.message("first").await;
        let one = client.message("1").await;
        assert_eq!(header(&one, "odd\\cname"), Some("a\\nb\\\\c"), "{one}");
        client.message("2").await;
        client.message("3").await;
        client.nothing().await;
        if round == 1 {
            let ack = header(&one, "ack").unwrap();
            client.done(&format!("ACK\nid:{ack}"), "").await;
        }
        server.stop().await;
    }
    let server = start(directory.path()).await;
    let mut client = server.client("1.2").await;
    client
        .send("SUBSCRIBE\nid:1\ndestination:/queue/a\n\n\0")
        .await;
    for body in ["first", "2", "3"] {
        client.message(body).await;
    }
    client.nothing().await;
    server.stop().await;
}

#[tokio::test]
async fn durable_subscriptions_retained_messages_and_schedules_survive() {
    let directory = tempfile::tempdir().unwrap();
    let subscribe = "SUBSCRIBE\nid:1\ndestination:/topic/t.*\nselector:n > 1\n\
        durable-subscription-name:news";
    let server = start(directory.path()).await;
    let mut ann = server.client_as("1.2", "client-id:ann\n").await;
    ann.done(subscribe, "").await;
    ann.done(
        "SEND\ndestination:/topic/r\npersistent:true\nretain:set",
        "kept",
    )
    .await;
    ann.done(
        "SEND\ndestination:/queue/s\npersistent:true\nAMQ_SCHEDULED_DELAY:1500",
        "late",
    )
    .await;
    ann.done(
        "SEND\ndestination:/queue/d\npersistent:true\nx-max-length:1\nx-overflow:drop-head",
        "1",
    )
    .await;
    server.stop().await;

    let server = start(directory.path()).await;
    let mut client = server.client("1.2").await;
    for n in ["1", "2"] {
        client
            .done(
                &format!("SEND\ndestination:/topic/t.x\npersistent:true\nn:{n}"),
                n,
            )
            .await;
    }
    // The queue is still as it was declared.
    client
        .done("SEND\ndestination:/queue/d\npersistent:true", "2")
        .await;
    server.stop().await;

    let server = start(directory.path()).await;
    let mut ann = server.client_as("1.2", "client-id:ann\n").await;
    ann.send(&format!("{subscribe}\n\n\0")).await;
    ann.message("2").await;
    ann.send("SUBSCRIBE\nid:r\ndestination:/topic/r\n\n\0")
        .await;
    ann.message("kept").await;
    ann.send("SUBSCRIBE\nid:d\ndestination:/queue/d\n\n\0")
        .await;
    let left = ann.message("2").await;
    assert_eq!(header(&left, "subscription"), Some("d"));
    ann.send("SUBSCRIBE\nid:s\ndestination:/queue/s\n\n\0")
        .await;
    ann.message("late").await;
    ann.nothing().await;
    ann.done("UNSUBSCRIBE\nid:1\ndurable-subscription-name:news", "")
        .await;
    server.stop().await;

    let server = start(directory.path()).await;
    let mut ann = server.client_as("1.2", "client-id:ann\n").await;
    ann.send("SUBSCRIBE\nid:1\ndestination:/dsub/ann.news\n\n\0")
        .await;
    ann.error("no-such-destination").await;
    server.stop().await;
}

#[tokio::test]
async fn transactions_and_dead_letters_survive_whole() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path()).await;
    let mut client = server.client("1.2").await;
    for body in ["a", "b", "c"] {
        client
            .done("SEND\ndestination:/queue/in\npersistent:true", body)
            .await;
    }
    client
        .send("SUBSCRIBE\nid:1\ndestination:/queue/in\nack:client-individual\n\n\0")
        .await;
    let mut acks = Vec::new();
    for body in ["a", "b", "c"] {
        let message = client.message(body).await;
        acks.push(header(&message, "ack").unwrap().to_owned());
    }
    for (id, ack) in ["committed", "open"].into_iter().zip(&acks) {
        client.done(&format!("BEGIN\ntransaction:{id}"), "").await;
        client
            .done(&format!("ACK\nid:{ack}\ntransaction:{id}"), "")
            .await;
        client
            .done(
                &format!("SEND\ndestination:/queue/out\npersistent:true\ntransaction:{id}"),
                id,
            )
            .await;
    }
    client.done("COMMIT\ntransaction:committed", "").await;
    client
        .done(&format!("NACK\nid:{}\nrequeue:false", acks[2]), "")
        .await;
    server.stop().await;

    let server = start(directory.path()).await;
    let mut client = server.client("1.2").await;
    for (queue, body) in [("in", "b"), ("out", "committed"), ("DLQ.in", "c")] {
        client
            .send(&format!(
                "SUBSCRIBE\nid:{queue}\ndestination:/queue/{queue}\n\n\0"
            ))
            .await;
        client.message(body).await;
        client.nothing().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn a_queue_larger_than_memory_is_all_there() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = Config {
        data: Some(directory.path().to_owned()),
        ..Config::default()
    };
    config.broker.max_memory = 4 << 20;
    let server = TestServer::with(config).await;
    let mut client = server.client("1.2").await;
    let filler = "x".repeat(10_000);
    let count = 1_000;
    for number in 0..count {
        client
            .send(&format!(
                "SEND\ndestination:/queue/a\npersistent:true\n\n{number} {filler}\0"
            ))
            .await;
    }
    client
        .done("SEND\ndestination:/queue/a\npersistent:true", "end ")
        .await;
    let mut consumer = server.client("1.2").await;
    consumer
        .send("SUBSCRIBE\nid:1\ndestination:/queue/a\n\n\0")
        .await;
    for number in 0..count {
        let frame = consumer.frame().await;
        assert!(
            common::body(&frame).starts_with(&format!("{number} ")),
            "{number}"
        );
    }
    consumer.message("end ").await;
    server.stop().await;
}

#[tokio::test]
async fn a_full_store_refuses_producers_and_serves_consumers() {
    let directory = tempfile::tempdir().unwrap();
    let server = TestServer::with(Config {
        data: Some(directory.path().to_owned()),
        max_store: Some(1 << 20),
        ..Config::default()
    })
    .await;
    let filler = "x".repeat(50_000);
    let mut accepted = 0;
    let mut producer = server.client("1.2").await;
    let error = loop {
        producer
            .send(&format!(
                "SEND\ndestination:/queue/a\npersistent:true\nreceipt:r\n\n{filler}\0"
            ))
            .await;
        let frame = producer.frame().await;
        if frame.starts_with("ERROR") {
            break frame;
        }
        accepted += 1;
        assert!(accepted < 1_000, "the limit counts");
    };
    assert_eq!(
        header(&error, "x-error-code"),
        Some("storage-full"),
        "{error}"
    );
    assert_eq!(header(&error, "receipt-id"), Some("r"));
    producer.end().await;
    let mut consumer = server.client("1.2").await;
    consumer
        .send("SUBSCRIBE\nid:1\ndestination:/queue/a\nack:client-individual\n\n\0")
        .await;
    for _ in 0..accepted {
        let message = consumer.message(&filler).await;
        let ack = header(&message, "ack").unwrap();
        consumer.send(&format!("ACK\nid:{ack}\n\n\0")).await;
    }
    consumer.nothing().await;
    server.stop().await;
}
