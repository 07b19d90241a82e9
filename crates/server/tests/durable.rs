//! Durable subscriptions, under all brokers' spellings.

mod common;

use common::{Raw, TestServer, header};

const SPELLINGS: [&str; 7] = [
    "activemq.subscriptionName:news",
    "activemq.subcriptionName:news",
    "durable-subscription-name:news",
    "durable-subscriber-name:news",
    "durable:true\nauto-delete:false",
    "persistent:true",
    "durable:true\nauto-delete:false\nx-queue-name:news-queue",
];

async fn connect(server: &TestServer, version: &str, client_id: &str) -> Raw {
    server
        .client_as(version, &format!("client-id:{client_id}\n"))
        .await
}

async fn bye(mut client: Raw) {
    client.send("DISCONNECT\nreceipt:bye\n\n\0").await;
    while header(&client.frame().await, "receipt-id") != Some("bye") {}
    client.end().await;
}

#[tokio::test]
async fn all_spellings_keep_messages_until_they_are_removed() {
    let server = TestServer::start().await;
    let mut publisher = server.client("1.2").await;
    for (number, spelling) in SPELLINGS.into_iter().enumerate() {
        for version in ["1.1", "1.2"] {
            for away in [false, true] {
                let topic = format!("/topic/t{number}");
                let subscribe = format!("SUBSCRIBE\nid:mine\ndestination:{topic}\n{spelling}");
                let send = format!("SEND\ndestination:{topic}");
                let mut client = connect(&server, version, "ann").await;
                client.done(&subscribe, "").await;
                publisher.done(&send, "1").await;
                let message = client.message("1").await;
                assert_eq!(header(&message, "destination"), Some(&*topic));
                bye(client).await;
                publisher.done(&send, "2").await;
                // Another client's of the same name is another.
                if !spelling.contains("x-queue-name") {
                    let mut other = connect(&server, version, "bob").await;
                    other.done(&subscribe, "").await;
                    other.nothing().await;
                    let remove = format!("UNSUBSCRIBE\nid:mine\n{spelling}");
                    other.done(&remove, "").await;
                    bye(other).await;
                }
                let mut client = connect(&server, version, "ann").await;
                if !away {
                    client.send(&format!("{subscribe}\n\n\0")).await;
                    client.message("2").await;
                }
                let remove = format!("UNSUBSCRIBE\nid:mine\n{spelling}");
                client.done(&remove, "").await;
                client.nothing().await;
                publisher.done(&send, "3").await;
                assert!(client.done(&subscribe, "").await.is_empty());
                client.nothing().await;
                client.done(&remove, "").await;
                bye(client).await;
            }
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_plain_unsubscribe_leaves_it() {
    let server = TestServer::start().await;
    let mut client = connect(&server, "1.2", "ann").await;
    let subscribe = "SUBSCRIBE\nid:1\ndestination:/topic/t\ndurable-subscription-name:n";
    client.done(subscribe, "").await;
    client.done("UNSUBSCRIBE\nid:1", "").await;
    client.done("SEND\ndestination:/topic/t", "kept").await;
    client
        .send("SUBSCRIBE\nid:2\ndestination:/dsub/ann.n\n\n\0")
        .await;
    client.message("kept").await;
    client.done("UNSUBSCRIBE\nid:2", "").await;
    // Artemis wants no id.
    client
        .done("UNSUBSCRIBE\ndurable-subscription-name:n", "")
        .await;
    client
        .send("SUBSCRIBE\nid:2\ndestination:/dsub/ann.n\n\n\0")
        .await;
    client.error("no-such-destination").await;
    server.stop().await;
}

#[tokio::test]
async fn one_that_is_in_use_is_not_removed() {
    let server = TestServer::start().await;
    let mut one = connect(&server, "1.2", "ann").await;
    let subscribe = "SUBSCRIBE\nid:1\ndestination:/topic/t\ndurable-subscription-name:n";
    one.done(subscribe, "").await;
    let mut two = connect(&server, "1.2", "ann").await;
    two.send("UNSUBSCRIBE\nid:1\ndurable-subscription-name:n\nreceipt:r\n\n\0")
        .await;
    let error = two.error("durable-subscription").await;
    assert_eq!(header(&error, "receipt-id"), Some("r"));
    one.send("SEND\ndestination:/topic/t\n\nstill\0").await;
    one.message("still").await;
    server.stop().await;
}

/// `x-queue-name` names any queue, but only a durable subscription's own is removed by it.
#[tokio::test]
async fn an_unsubscribe_removes_no_plain_queue() {
    let server = TestServer::start().await;
    let mut client = server.client("1.2").await;
    client
        .done("SEND\ndestination:/queue/orders", "precious")
        .await;
    client
        .done("UNSUBSCRIBE\nid:1\ndurable:true\nx-queue-name:orders", "")
        .await;
    client
        .send("SUBSCRIBE\nid:1\ndestination:/queue/orders\n\n\0")
        .await;
    client.message("precious").await;
    server.stop().await;
}

#[tokio::test]
async fn a_durable_subscription_has_a_selector_and_acknowledgements() {
    let server = TestServer::start().await;
    let subscribe = "SUBSCRIBE\nid:1\ndestination:/topic/t.*\ndurable-subscription-name:n\n\
        selector:n > 1\nack:client-individual";
    let mut client = connect(&server, "1.2", "ann").await;
    client.done(subscribe, "").await;
    bye(client).await;
    let mut client = connect(&server, "1.2", "ann").await;
    for n in ["1", "2", "3"] {
        client
            .done(&format!("SEND\ndestination:/topic/t.x\nn:{n}"), n)
            .await;
    }
    client.send(&format!("{subscribe}\n\n\0")).await;
    let two = client.message("2").await;
    client.message("3").await;
    let ack = header(&two, "ack").unwrap();
    client.done(&format!("ACK\nid:{ack}"), "").await;
    bye(client).await;
    let mut client = connect(&server, "1.2", "ann").await;
    client.send(&format!("{subscribe}\n\n\0")).await;
    let three = client.message("3").await;
    assert_eq!(header(&three, "redelivered"), Some("true"));
    client.nothing().await;
    server.stop().await;
}
