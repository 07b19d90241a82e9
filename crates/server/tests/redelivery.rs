//! What becomes of messages that are refused or come back.

mod common;

use common::{TestServer, header};
use stompbox_server::Config;

fn ack_of(message: &str, version: &str) -> String {
    match version {
        "1.2" => format!("id:{}", header(message, "ack").unwrap()),
        _ => format!(
            "message-id:{}\nsubscription:{}",
            header(message, "message-id").unwrap(),
            header(message, "subscription").unwrap()
        ),
    }
}

#[tokio::test]
async fn a_refused_message_is_a_dead_letter_that_tells_of_its_death() {
    let server = TestServer::start().await;
    for version in ["1.1", "1.2"] {
        for mode in ["client", "client-individual"] {
            let mut client = server.client(version).await;
            client
                .done(
                    &format!("SUBSCRIBE\nid:1\ndestination:/queue/a\nack:{mode}"),
                    "",
                )
                .await;
            client
                .send("SEND\ndestination:/queue/a\ncolour:red\npriority:7\n\npoison\0")
                .await;
            let message = client.message("poison").await;
            let target = ack_of(&message, version);
            client
                .done(&format!("NACK\n{target}\nrequeue:false"), "")
                .await;
            client
                .done("SUBSCRIBE\nid:dead\ndestination:/queue/DLQ.a", "")
                .await
                .into_iter()
                .for_each(drop);
            client.done("UNSUBSCRIBE\nid:dead", "").await;
            client.done("SEND\ndestination:/queue/DLQ.a", "").await;
            client.done("UNSUBSCRIBE\nid:1", "").await;
        }
    }
    let mut client = server.client("1.2").await;
    client
        .done(
            "SUBSCRIBE\nid:1\ndestination:/queue/b\nack:client-individual",
            "",
        )
        .await;
    client
        .send("SEND\ndestination:/queue/b\ncolour:red\n\npoison\0")
        .await;
    let message = client.message("poison").await;
    client
        .done(
            &format!("NACK\n{}\nrequeue:false", ack_of(&message, "1.2")),
            "",
        )
        .await;
    client
        .send("SUBSCRIBE\nid:dead\ndestination:/queue/DLQ.b\n\n\0")
        .await;
    let dead = client.message("poison").await;
    for (name, value) in [
        ("x-death-reason", "rejected"),
        ("x-death-queue", "/queue/b"),
        ("x-death-count", "1"),
        ("original-destination", "/queue/b"),
        ("colour", "red"),
    ] {
        assert_eq!(header(&dead, name), Some(value), "{name}: {dead}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_message_that_is_refused_too_often_is_a_dead_letter() {
    let server = TestServer::start().await;
    for (limit, deliveries) in [
        ("x-delivery-limit:2", 2),
        ("activemq.maximumRedeliveries:1", 2),
    ] {
        let mut client = server.client("1.2").await;
        client
            .done(
                &format!("SUBSCRIBE\nid:1\ndestination:/queue/a\nack:client-individual\n{limit}"),
                "",
            )
            .await;
        client
            .done("SUBSCRIBE\nid:dead\ndestination:/queue/DLQ.a", "")
            .await;
        client.send("SEND\ndestination:/queue/a\n\nx\0").await;
        for delivery in 0..deliveries {
            let message = client.message("x").await;
            assert_eq!(header(&message, "subscription"), Some("1"));
            let count = (delivery > 0).then(|| delivery.to_string());
            assert_eq!(header(&message, "x-delivery-count"), count.as_deref());
            assert_eq!(
                header(&message, "redelivered"),
                (delivery > 0).then_some("true")
            );
            client
                .send(&format!("NACK\n{}\n\n\0", ack_of(&message, "1.2")))
                .await;
        }
        let dead = client.message("x").await;
        assert_eq!(header(&dead, "subscription"), Some("dead"), "{dead}");
        assert_eq!(header(&dead, "x-death-reason"), Some("delivery-limit"));
    }
    server.stop().await;
}

#[tokio::test]
async fn expired_and_overflowing_messages_are_dead_letters_where_a_queue_says_so() {
    let server = TestServer::start().await;
    let mut client = server.client("1.2").await;
    client
        .done("SUBSCRIBE\nid:dead\ndestination:/queue/morgue", "")
        .await;
    client
        .done("SUBSCRIBE\nid:topic\ndestination:/topic/morgue", "")
        .await;
    let declared = "x-dead-letter-exchange:\nx-dead-letter-routing-key:morgue";
    for body in ["1", "2"] {
        client
            .send(&format!(
                "SEND\ndestination:/queue/a\nx-max-length:1\n{declared}\n\n{body}\0"
            ))
            .await;
    }
    let dead = client.message("1").await;
    assert_eq!(header(&dead, "subscription"), Some("dead"));
    assert_eq!(header(&dead, "x-death-reason"), Some("maxlen"));
    client
        .send(
            "SEND\ndestination:/queue/b\nx-message-ttl:1\nx-dead-letter-exchange:amq.topic\n\
             x-dead-letter-routing-key:morgue\n\nold\0",
        )
        .await;
    let dead = client.message("old").await;
    assert_eq!(header(&dead, "subscription"), Some("topic"));
    assert_eq!(header(&dead, "x-death-reason"), Some("expired"));
    server.stop().await;
}

#[tokio::test]
async fn what_a_lost_connection_had_comes_again_in_order() {
    let server = TestServer::start().await;
    let mut producer = server.client("1.2").await;
    for body in ["1", "2", "3"] {
        producer.done("SEND\ndestination:/queue/a", body).await;
    }
    for round in 0..3 {
        let mut client = server.client("1.2").await;
        client
            .send("SUBSCRIBE\nid:1\ndestination:/queue/a\nack:client\n\n\0")
            .await;
        for body in ["1", "2", "3"] {
            let message = client.message(body).await;
            assert_eq!(
                header(&message, "redelivered"),
                (round > 0).then_some("true"),
                "{message}"
            );
        }
        drop(client);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_delay_before_redelivery_lets_others_pass() {
    let server = TestServer::start().await;
    let mut client = server.client("1.2").await;
    client
        .done(
            "SUBSCRIBE\nid:1\ndestination:/queue/a\nack:client-individual\n\
             activemq.initialRedeliveryDelay:200\nactivemq.redeliveryDelay:200",
            "",
        )
        .await;
    client.send("SEND\ndestination:/queue/a\n\n1\0").await;
    let first = client.message("1").await;
    client
        .send(&format!("NACK\n{}\n\n\0", ack_of(&first, "1.2")))
        .await;
    client.send("SEND\ndestination:/queue/a\n\n2\0").await;
    client.message("2").await;
    client.message("1").await;
    server.stop().await;
}

#[tokio::test]
async fn an_acknowledgement_of_nothing_is_an_error() {
    let server = TestServer::start().await;
    for (version, frame) in [
        ("1.2", "ACK\nid:1"),
        ("1.2", "NACK\nid:none"),
        ("1.1", "ACK\nmessage-id:x\nsubscription:1"),
        ("1.0", "ACK\nmessage-id:x"),
    ] {
        let mut client = server.client(version).await;
        client
            .done("SUBSCRIBE\nid:1\ndestination:/queue/a\nack:client", "")
            .await;
        client.send(&format!("{frame}\nreceipt:r\n\n\0")).await;
        let error = client.error("unknown-message").await;
        assert_eq!(header(&error, "receipt-id"), Some("r"));
    }
    server.stop().await;
}

#[tokio::test]
async fn transactions_do_all_or_nothing() {
    let server = TestServer::with(Config::default()).await;
    let mut client = server.client("1.2").await;
    let mut other = server.client("1.2").await;
    other
        .done("SUBSCRIBE\nid:1\ndestination:/queue/out", "")
        .await;
    client.done("SEND\ndestination:/queue/in", "job").await;
    client
        .send("SUBSCRIBE\nid:1\ndestination:/queue/in\nack:client-individual\n\n\0")
        .await;
    for end in ["ABORT", "COMMIT"] {
        let job = match end {
            "ABORT" => client.message("job").await,
            _ => {
                // The aborted ACK did nothing: it is still this client's.
                client.done("UNSUBSCRIBE\nid:1", "").await;
                client
                    .send("SUBSCRIBE\nid:1\ndestination:/queue/in\nack:client-individual\n\n\0")
                    .await;
                client.message("job").await
            }
        };
        client.done("BEGIN\ntransaction:t", "").await;
        client
            .done(&format!("ACK\n{}\ntransaction:t", ack_of(&job, "1.2")), "")
            .await;
        client
            .done("SEND\ndestination:/queue/out\ntransaction:t", "result")
            .await;
        other.nothing().await;
        client.done(&format!("{end}\ntransaction:t"), "").await;
        match end {
            "ABORT" => other.nothing().await,
            _ => {
                let message = other.message("result").await;
                assert_eq!(header(&message, "transaction"), None);
            }
        }
    }
    client.done("UNSUBSCRIBE\nid:1", "").await;
    client
        .done("SUBSCRIBE\nid:1\ndestination:/queue/in", "")
        .await;
    client.nothing().await;
    for frame in [
        "COMMIT\ntransaction:t",
        "ABORT\ntransaction:none",
        "SEND\ndestination:/queue/a\ntransaction:x",
    ] {
        let mut client = server.client("1.2").await;
        client.send(&format!("{frame}\nreceipt:r\n\n\0")).await;
        let error = client.error("unknown-transaction").await;
        assert_eq!(header(&error, "receipt-id"), Some("r"));
    }
    server.stop().await;
}
