//! Queues and topics.

mod common;

use common::{TestServer, body, header};

#[tokio::test]
async fn a_queue_keeps_messages_in_order_while_nobody_consumes() {
    let server = TestServer::start().await;
    let mut producer = server.client("1.2").await;
    for n in 0..100 {
        producer
            .send(&format!(
                "SEND\ndestination:/queue/a\nn:{n}\nn:x\n\nbody {n}\0"
            ))
            .await;
    }
    producer.settled("").await;
    let mut consumer = server.client("1.1").await;
    consumer
        .send("SUBSCRIBE\nid:s\ndestination:/queue/a\n\n\0")
        .await;
    for n in 0..100 {
        let message = consumer.frame().await;
        assert!(message.starts_with("MESSAGE\n"), "{message}");
        assert_eq!(header(&message, "n"), Some(&*n.to_string()));
        assert_eq!(header(&message, "subscription"), Some("s"));
        assert_eq!(header(&message, "destination"), Some("/queue/a"));
        assert_eq!(header(&message, "ack"), None);
        assert_eq!(body(&message), format!("body {n}"));
    }
}

#[tokio::test]
async fn each_message_of_a_queue_goes_to_one_consumer_in_turn() {
    let server = TestServer::start().await;
    let (mut a, mut b) = (server.client("1.2").await, server.client("1.0").await);
    a.settled("SUBSCRIBE\nid:1\ndestination:/queue/a\n\n\0")
        .await;
    b.settled("SUBSCRIBE\ndestination:/queue/a\n\n\0").await;
    let mut producer = server.client("1.2").await;
    let all: String = (0..6)
        .map(|n| format!("SEND\ndestination:/queue/a\n\n{n}\0"))
        .collect();
    producer.settled(&all).await;
    for (n, m) in [(0, 1), (2, 3), (4, 5)] {
        assert_eq!(body(&a.frame().await), n.to_string());
        let message = b.frame().await;
        assert_eq!(body(&message), m.to_string());
        assert_eq!(header(&message, "subscription"), None, "1.0 gave no id");
    }
}

#[tokio::test]
async fn a_topics_message_goes_to_all_and_is_not_kept() {
    let server = TestServer::start().await;
    let mut a = server.client("1.2").await;
    a.settled("SEND\ndestination:/topic/a\n\nlost\0").await;
    a.settled(
        "SUBSCRIBE\nid:1\ndestination:/topic/a\n\n\0SUBSCRIBE\nid:2\ndestination:/topic/a\n\n\0",
    )
    .await;
    let mut b = server.client("1.2").await;
    b.settled("SUBSCRIBE\nid:1\ndestination:/topic/a\n\n\0")
        .await;
    b.settled("SEND\ndestination:/topic/b\n\nelsewhere\0").await;
    let mut producer = server.client("1.2").await;
    producer
        .settled("SEND\ndestination:/topic/a\n\nnews\0")
        .await;
    let mut ids = vec![];
    for _ in 0..2 {
        let message = a.frame().await;
        assert_eq!(body(&message), "news");
        ids.push(header(&message, "subscription").unwrap().to_owned());
    }
    ids.sort();
    assert_eq!(ids, ["1", "2"]);
    assert_eq!(body(&b.frame().await), "news");
}

#[tokio::test]
async fn headers_reach_consumers_of_each_version_as_far_as_it_can_say_them() {
    let server = TestServer::start().await;
    let mut clients = Vec::new();
    for version in ["1.0", "1.1", "1.2"] {
        let mut client = server.client(version).await;
        client
            .settled("SUBSCRIBE\nid:1\ndestination:/topic/h\n\n\0")
            .await;
        clients.push(client);
    }
    let mut producer = server.client("1.2").await;
    producer
        .settled(
            "SEND\ndestination:/topic/h\ncolon:a\\cb\nlines:a\\nb\ncr:a\\rb\nreceipt-not:x\n\
             message-id:forged\nsubscription:forged\nack:forged\n\nx\0",
        )
        .await;
    let expected = [
        (Some("a:b"), None, None),
        (Some("a\\cb"), Some("a\\nb"), None),
        (Some("a\\cb"), Some("a\\nb"), Some("a\\rb")),
    ];
    for (client, (colon, lines, cr)) in clients.iter_mut().zip(expected) {
        let message = client.frame().await;
        assert_eq!(header(&message, "colon"), colon);
        assert_eq!(header(&message, "lines"), lines);
        assert_eq!(header(&message, "cr"), cr);
        assert_eq!(header(&message, "receipt-not"), Some("x"));
        assert_eq!(header(&message, "subscription"), Some("1"));
        assert!(!message.contains("forged"), "{message}");
    }
}

#[tokio::test]
async fn after_unsubscribe_nothing_more_comes() {
    let server = TestServer::start().await;
    let mut a = server.client("1.2").await;
    let subscribe = "SUBSCRIBE\nid:1\ndestination:/queue/a\n\n\0";
    a.settled(&format!("{subscribe}UNSUBSCRIBE\nid:1\n\n\0"))
        .await;
    let frames = a.settled("SEND\ndestination:/queue/a\n\nkept\0").await;
    assert_eq!(frames, Vec::<String>::new());
    let frames = a.settled(subscribe).await;
    assert_eq!(body(&frames[0]), "kept");
}

#[tokio::test]
async fn what_one_sends_to_itself_comes_before_the_last_receipt() {
    let server = TestServer::start().await;
    let mut raw = server.client("1.2").await;
    raw.send(
        "SUBSCRIBE\nid:1\ndestination:/queue/a\n\n\0SEND\ndestination:/queue/a\n\nx\0\
         DISCONNECT\nreceipt:bye\n\n\0",
    )
    .await;
    assert_eq!(body(&raw.frame().await), "x");
    assert_eq!(header(&raw.frame().await, "receipt-id"), Some("bye"));
    raw.end().await;
}
