//! Acknowledgement and transactions.

mod common;

use common::{Raw, TestServer, body, header};

async fn fill(server: &TestServer, count: usize) {
    let mut producer = server.client("1.2").await;
    let all: String = (0..count)
        .map(|n| format!("SEND\ndestination:/queue/a\n\n{n}\0"))
        .collect();
    producer.settled(&all).await;
}

async fn bodies(client: &mut Raw, count: usize) -> Vec<String> {
    let mut bodies = Vec::new();
    for _ in 0..count {
        bodies.push(body(&client.frame().await).to_owned());
    }
    bodies
}

/// What is left in the queue, with whether it was delivered before.
async fn left(server: &TestServer) -> Vec<(String, bool)> {
    let mut client = server.client("1.2").await;
    let frames = client
        .settled("SUBSCRIBE\nid:1\ndestination:/queue/a\n\n\0")
        .await;
    let seen = |f: &String| (body(f).to_owned(), header(f, "redelivered") == Some("true"));
    frames.iter().map(seen).collect()
}

#[tokio::test]
async fn client_mode_is_cumulative() {
    for version in ["1.0", "1.1", "1.2"] {
        let server = TestServer::start().await;
        fill(&server, 4).await;
        let mut client = server.client(version).await;
        client
            .send("SUBSCRIBE\nid:s\ndestination:/queue/a\nack:client\n\n\0")
            .await;
        let mut messages = Vec::new();
        for _ in 0..4 {
            messages.push(client.frame().await);
        }
        let third = &messages[2];
        let ack = match version {
            "1.2" => format!("ACK\nid:{}\n\n\0", header(third, "ack").unwrap()),
            "1.1" => {
                format!(
                    "ACK\nmessage-id:{}\nsubscription:s\n\n\0",
                    header(third, "message-id").unwrap()
                )
            }
            _ => format!(
                "ACK\nmessage-id:{}\n\n\0",
                header(third, "message-id").unwrap()
            ),
        };
        client.settled(&ack).await;
        client.send("DISCONNECT\nreceipt:bye\n\n\0").await;
        client.frame().await;
        client.end().await;
        assert_eq!(left(&server).await, [("3".to_owned(), true)], "{version}");
    }
}

#[tokio::test]
async fn individual_mode_is_not_cumulative_and_what_is_left_returns_in_order() {
    let server = TestServer::start().await;
    fill(&server, 4).await;
    let mut client = server.client("1.2").await;
    client
        .send("SUBSCRIBE\nid:s\ndestination:/queue/a\nack:client-individual\n\n\0")
        .await;
    let mut acks = Vec::new();
    for _ in 0..4 {
        acks.push(header(&client.frame().await, "ack").unwrap().to_owned());
    }
    client.settled(&format!("ACK\nid:{}\n\n\0", acks[2])).await;
    client.settled("UNSUBSCRIBE\nid:s\n\n\0").await;
    let expected = ["0", "1", "3"].map(|body| (body.to_owned(), true));
    assert_eq!(left(&server).await, expected);
}

#[tokio::test]
async fn a_vanished_consumers_messages_go_to_another() {
    let server = TestServer::start().await;
    fill(&server, 2).await;
    let mut first = server.client("1.2").await;
    first
        .send("SUBSCRIBE\nid:s\ndestination:/queue/a\nack:client\n\n\0")
        .await;
    assert_eq!(bodies(&mut first, 2).await, ["0", "1"]);
    let mut second = server.client("1.2").await;
    second
        .settled("SUBSCRIBE\nid:s\ndestination:/queue/a\nack:client\n\n\0")
        .await;
    drop(first);
    assert_eq!(bodies(&mut second, 2).await, ["0", "1"]);
}

#[tokio::test]
async fn nack_puts_back() {
    let server = TestServer::start().await;
    fill(&server, 1).await;
    let mut client = server.client("1.1").await;
    client
        .send("SUBSCRIBE\nid:s\ndestination:/queue/a\nack:client-individual\n\n\0")
        .await;
    let message = client.frame().await;
    let id = header(&message, "message-id").unwrap();
    client
        .send(&format!("NACK\nmessage-id:{id}\nsubscription:s\n\n\0"))
        .await;
    let again = client.frame().await;
    assert_eq!(header(&again, "message-id"), Some(id));
    assert_eq!(header(&again, "redelivered"), Some("true"));
}

#[tokio::test]
async fn what_waits_for_no_ack_can_not_be_acknowledged() {
    let server = TestServer::start().await;
    for (version, ack) in [
        ("1.2", "ACK\nid:77\n\n\0"),
        ("1.2", "NACK\nid:none\n\n\0"),
        ("1.1", "ACK\nmessage-id:77\nsubscription:s\n\n\0"),
    ] {
        let mut client = server.client(version).await;
        client.send(ack).await;
        client.error("unknown-message").await;
    }
}

#[tokio::test]
async fn a_transaction_is_all_or_nothing_and_its_receipts_come_at_once() {
    let server = TestServer::start().await;
    fill(&server, 1).await;
    let mut client = server.client("1.2").await;
    client
        .send("SUBSCRIBE\nid:s\ndestination:/queue/a\nack:client\n\n\0")
        .await;
    let ack = header(&client.frame().await, "ack").unwrap().to_owned();
    let work = format!(
        "BEGIN\ntransaction:t\n\n\0ACK\nid:{ack}\ntransaction:t\n\n\0\
         SEND\ndestination:/queue/b\ntransaction:t\nreceipt:r\n\nb\0"
    );
    let frames = client.settled(&work).await;
    assert_eq!(header(&frames[0], "receipt-id"), Some("r"));
    let mut other = server.client("1.2").await;
    let none = other
        .settled("SUBSCRIBE\nid:b\ndestination:/queue/b\n\n\0")
        .await;
    assert_eq!(none, Vec::<String>::new(), "not before COMMIT");
    client.settled("ABORT\ntransaction:t\n\n\0").await;
    // The ACK was not made: it can be made again.
    client.settled(&work).await;
    client.settled("COMMIT\ntransaction:t\n\n\0").await;
    let message = other.frame().await;
    assert_eq!(body(&message), "b");
    assert_eq!(header(&message, "transaction"), None);
    drop(client);
    assert_eq!(left(&server).await, []);
}

#[tokio::test]
async fn a_lost_connection_aborts() {
    let server = TestServer::start().await;
    let mut client = server.client("1.2").await;
    client
        .settled("BEGIN\ntransaction:t\n\n\0SEND\ndestination:/queue/a\ntransaction:t\n\nx\0")
        .await;
    client.send("DISCONNECT\nreceipt:bye\n\n\0").await;
    client.frame().await;
    client.end().await;
    assert_eq!(left(&server).await, []);
}
