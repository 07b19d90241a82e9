//! Bad input: an ERROR that names it, the end of that connection, and nobody else disturbed.

mod common;

use common::{TestServer, body, header};
use stompbox_server::{Config, Limits};
use tokio::io::AsyncWriteExt as _;

#[tokio::test]
async fn bad_frames_are_named_and_others_go_on() {
    let server = TestServer::start().await;
    let mut witness = server.client("1.2").await;
    witness
        .settled("SUBSCRIBE\nid:1\ndestination:/queue/a\n\n\0")
        .await;
    for (code, bytes) in [
        (
            "undefined-escape",
            &b"SEND\ndestination:/queue/a\nx:\\t\n\nx\0"[..],
        ),
        (
            "missing-nul",
            b"SEND\ndestination:/queue/a\ncontent-length:1\n\nxx\0",
        ),
        (
            "invalid-content-length",
            b"SEND\ndestination:/queue/a\ncontent-length:-1\n\nx\0",
        ),
        (
            "content-length-conflict",
            b"SEND\ncontent-length:1\ncontent-length:2\n\nx\0",
        ),
        ("missing-colon", b"SEND\ndestination\n\nx\0"),
        ("empty-header-name", b"SEND\n:x\n\nx\0"),
        ("nul-in-head", b"SEND\ndestination:/queue/a\0"),
        ("invalid-utf8", b"SEND\ndestination:\xff\n\nx\0"),
        ("missing-header", b"SEND\n\nx\0"),
        ("invalid-header", b"SEND\ndestination:\n\nx\0"),
        ("invalid-destination", b"SEND\ndestination:/nowhere\n\nx\0"),
        (
            "invalid-destination",
            b"SUBSCRIBE\nid:1\ndestination:/queue/\n\n\0",
        ),
        ("missing-header", b"SUBSCRIBE\ndestination:/queue/a\n\n\0"),
        (
            "invalid-header",
            b"SUBSCRIBE\nid:1\ndestination:/queue/a\nack:no\n\n\0",
        ),
        ("unknown-subscription", b"UNSUBSCRIBE\nid:1\n\n\0"),
        ("unknown-transaction", b"COMMIT\ntransaction:t\n\n\0"),
        ("unknown-command", b"HELLO\n\n\0"),
        ("unexpected-command", b"MESSAGE\n\n\0"),
        ("body-not-allowed", b"BEGIN\ntransaction:t\n\nx\0"),
        ("invalid-command", b"\x16\x03\x01 TLS\n"),
        (
            "body-too-long",
            b"SEND\ndestination:/queue/a\ncontent-length:4611686018427387904\n\n",
        ),
    ] {
        let mut bad = server.client("1.2").await;
        bad.stream.write_all(bytes).await.unwrap();
        let error = bad.error(code).await;
        assert!(!body(&error).is_empty(), "{error}");
    }
    let frames = witness
        .settled("SEND\ndestination:/queue/a\n\nstill here\0")
        .await;
    assert_eq!(
        frames.iter().map(|f| body(f)).collect::<Vec<_>>(),
        ["still here"]
    );
}

#[tokio::test]
async fn an_error_names_the_receipt_of_its_frame() {
    let server = TestServer::start().await;
    let mut bad = server.client("1.2").await;
    bad.send("SEND\ndestination:/nowhere\nreceipt:r1\n\nx\0")
        .await;
    let error = bad.error("invalid-destination").await;
    assert_eq!(header(&error, "receipt-id"), Some("r1"));
}

#[tokio::test]
async fn http_on_the_stomp_port_is_refused_at_once() {
    let server = TestServer::start().await;
    let mut raw = server.raw().await;
    raw.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    raw.error("invalid-command").await;
}

#[tokio::test]
async fn limits_hold_before_and_after_connect() {
    let limits = Limits::default().with_body(10).with_handshake(200);
    let server = TestServer::with(Config {
        limits,
        ..Config::default()
    })
    .await;
    let mut raw = server.raw().await;
    raw.send(&format!("CONNECT\nlogin:{}", "x".repeat(300)))
        .await;
    raw.error("handshake-too-long").await;
    let mut raw = server.client("1.2").await;
    raw.settled("SEND\ndestination:/queue/a\n\n1234567890\0")
        .await;
    raw.send("SEND\ndestination:/queue/a\n\n12345678901\0")
        .await;
    raw.error("body-too-long").await;
}

#[tokio::test]
async fn subscriptions_and_transactions_are_bounded() {
    let server = TestServer::start().await;
    let mut raw = server.client("1.2").await;
    let all: String = (0..257)
        .map(|n| format!("SUBSCRIBE\nid:{n}\ndestination:/topic/{n}\n\n\0"))
        .collect();
    raw.send(&all).await;
    raw.error("too-many").await;
    let mut raw = server.client("1.2").await;
    let all: String = (0..17)
        .map(|n| format!("BEGIN\ntransaction:{n}\n\n\0"))
        .collect();
    raw.send(&all).await;
    raw.error("too-many").await;
}

#[tokio::test]
async fn a_slow_subscriber_of_a_topic_is_told_to_go_and_others_are_not_delayed() {
    let broker = stompbox_broker_config(200_000);
    let server = TestServer::with(Config {
        broker,
        ..Config::default()
    })
    .await;
    // Never reads: first the system's buffers fill, then the server's.
    let mut slow = server.client("1.2").await;
    slow.settled("SUBSCRIBE\nid:1\ndestination:/topic/t\n\n\0")
        .await;
    let mut quick = server.client("1.2").await;
    quick
        .settled("SUBSCRIBE\nid:1\ndestination:/topic/t\n\n\0")
        .await;
    let mut producer = server.client("1.2").await;
    let message = format!("SEND\ndestination:/topic/t\n\n{}\0", "x".repeat(50_000));
    for _ in 0..400 {
        producer.settled(&message).await;
        assert_eq!(body(&quick.frame().await).len(), 50_000);
    }
    let mut last = String::new();
    while let Some(frame) = slow.try_frame().await {
        last = frame;
    }
    // The end may be cut off by a reset, as the specification's "Connection Lingering" says.
    assert!(
        last.starts_with("ERROR\n") || last.starts_with("MESSAGE\n"),
        "{last:.100}"
    );
    let mut after = 0;
    for _ in 0..20 {
        producer.settled(&message).await;
        after += body(&quick.frame().await).len();
    }
    assert_eq!(after, 20 * 50_000);
}

fn stompbox_broker_config(max_outstanding: usize) -> stompbox_broker::Config {
    stompbox_broker::Config {
        max_outstanding,
        ..stompbox_broker::Config::default()
    }
}

#[tokio::test]
async fn a_queues_messages_wait_for_a_slow_consumer() {
    let broker = stompbox_broker_config(100_000);
    let server = TestServer::with(Config {
        broker,
        ..Config::default()
    })
    .await;
    let mut slow = server.client("1.2").await;
    slow.settled("SUBSCRIBE\nid:1\ndestination:/queue/q\n\n\0")
        .await;
    let mut producer = server.client("1.2").await;
    let message = format!("SEND\ndestination:/queue/q\n\n{}\0", "x".repeat(20_000));
    for _ in 0..500 {
        producer.send(&message).await;
    }
    producer.settled("").await;
    for _ in 0..500 {
        assert_eq!(body(&slow.frame().await).len(), 20_000);
    }
}
