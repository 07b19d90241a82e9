//! The headers of SUBSCRIBE that the broker acts on.

mod common;

use common::{Raw, TestServer, header};

/// How many of five messages come before one is acknowledged.
async fn window(server: &TestServer, headers: &str, size: usize) -> usize {
    let mut client = server.client("1.2").await;
    let body = "x".repeat(size);
    for _ in 0..5 {
        client.done("SEND\ndestination:/queue/w", &body).await;
    }
    let subscribe =
        format!("SUBSCRIBE\nid:1\ndestination:/queue/w\nack:client-individual\n{headers}\n\n\0");
    let messages = client.settled(&subscribe).await;
    for message in &messages {
        assert!(message.starts_with("MESSAGE"), "{headers}: {message}");
    }
    // One more for each that is acknowledged.
    if let Some(first) = messages.first().filter(|_| messages.len() < 5) {
        let ack = header(first, "ack").unwrap();
        let more = client.settled(&format!("ACK\nid:{ack}\n\n\0")).await;
        assert_eq!(more.len(), 1, "{headers}");
    }
    client.done("UNSUBSCRIBE\nid:1", "").await;
    client
        .settled("SUBSCRIBE\nid:2\ndestination:/queue/w\n\n\0")
        .await;
    messages.len()
}

#[tokio::test]
async fn every_name_of_flow_control_limits_what_is_not_acknowledged() {
    let server = TestServer::start().await;
    for (headers, size, wanted) in [
        ("x:y", 10, 5),
        ("prefetch-count:2", 10, 2),
        ("prefetch-count:0", 10, 5),
        ("activemq.prefetchSize:1", 10, 1),
        ("credit:3", 10, 3),
        ("credit:3,100000", 10, 3),
        ("credit:100,2000", 1000, 2),
        ("consumer-window-size:0", 10, 1),
        ("consumer-window-size:-1", 10, 5),
        ("prefetch-count:4\nactivemq.prefetchSize:2\ncredit:3", 10, 2),
    ] {
        let got = window(&server, headers, size).await;
        assert_eq!(got, wanted, "{headers}");
    }
    // Never none: a message larger than the window comes alone.
    assert_eq!(window(&server, "consumer-window-size:10", 1000).await, 1);
    for headers in ["activemq.prefetchSize:0", "prefetch-count:x", "credit:,"] {
        let mut client = server.client("1.2").await;
        client
            .send(&format!(
                "SUBSCRIBE\nid:1\ndestination:/queue/w\n{headers}\n\n\0"
            ))
            .await;
        client.error("invalid-header").await;
    }
    server.stop().await;
}

#[tokio::test]
async fn selectors_choose_and_bad_ones_name_the_place() {
    let server = TestServer::start().await;
    let mut client = server.client("1.2").await;
    let mut rest = server.client("1.2").await;
    client
        .done(
            "SUBSCRIBE\nid:1\ndestination:/queue/a\nselector:colour = 'red' AND n BETWEEN 2 AND 5 \
             AND type IS NULL",
            "",
        )
        .await;
    for (headers, body) in [
        ("colour:red\nn:1", "small"),
        ("colour:red\nn:3", "right"),
        ("colour:blue\nn:3", "blue"),
        ("n:3", "none"),
    ] {
        client
            .send(&format!(
                "SEND\ndestination:/queue/a\n{headers}\n\n{body}\0"
            ))
            .await;
    }
    client.message("right").await;
    client.nothing().await;
    rest.send("SUBSCRIBE\nid:1\ndestination:/queue/a\n\n\0")
        .await;
    for body in ["small", "blue", "none"] {
        rest.message(body).await;
    }
    for (selector, column) in [("colour = = 'red'", "10"), ("a AND", "6"), ("n > 'x", "5")] {
        for destination in ["/queue/a", "/topic/a"] {
            let mut client = server.client("1.2").await;
            client
                .send(&format!(
                    "SUBSCRIBE\nid:1\ndestination:{destination}\nreceipt:r\nselector:{selector}\n\n\0"
                ))
                .await;
            let error = client.error("invalid-selector").await;
            assert_eq!(header(&error, "receipt-id"), Some("r"));
            assert!(
                error.contains(&format!("column {column}")),
                "{selector}: {error}"
            );
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_browser_sees_all_takes_nothing_and_is_told_the_end() {
    let server = TestServer::start().await;
    for version in ["1.0", "1.1", "1.2"] {
        let mut client = server.client(version).await;
        let mut browser = server.client(version).await;
        for body in ["1", "2"] {
            client
                .done("SEND\ndestination:/queue/a\ncolour:red", body)
                .await;
        }
        browser
            .send("SUBSCRIBE\nid:b\ndestination:/queue/a\nbrowser:true\nack:client\n\n\0")
            .await;
        browser.message("1").await;
        browser.message("2").await;
        let end = browser.message("").await;
        assert_eq!(header(&end, "browser"), Some("end"), "{end}");
        assert_eq!(header(&end, "subscription"), Some("b"));
        assert!(header(&end, "message-id").is_some() && header(&end, "destination").is_some());
        // No more comes, whatever is sent.
        client.done("SEND\ndestination:/queue/a", "3").await;
        browser.nothing().await;
        browser.done("UNSUBSCRIBE\nid:b", "").await;
        browser
            .send("SUBSCRIBE\nid:c\ndestination:/queue/a\nbrowser:true\nselector:colour IS NULL\n\n\0")
            .await;
        browser.message("3").await;
        browser.message("").await;
        client
            .send("SUBSCRIBE\nid:1\ndestination:/queue/a\n\n\0")
            .await;
        for body in ["1", "2", "3"] {
            let message = client.message(body).await;
            assert_eq!(header(&message, "redelivered"), None, "{message}");
        }
        browser
            .send("SUBSCRIBE\nid:d\ndestination:/queue/empty\nbrowser:true\n\n\0")
            .await;
        assert_eq!(header(&browser.frame().await, "browser"), Some("end"));
    }
    server.stop().await;
}

#[tokio::test]
async fn an_exclusive_consumer_or_one_of_higher_priority_has_all() {
    let server = TestServer::start().await;
    for header in [
        "activemq.exclusive:true",
        "exclusive:true",
        "activemq.priority:5",
        "x-priority:5",
    ] {
        let mut usual = server.client("1.2").await;
        let mut chosen = server.client("1.2").await;
        usual
            .done("SUBSCRIBE\nid:1\ndestination:/queue/a", "")
            .await;
        chosen
            .done(
                &format!("SUBSCRIBE\nid:1\ndestination:/queue/a\n{header}"),
                "",
            )
            .await;
        for body in ["1", "2", "3"] {
            usual
                .send(&format!("SEND\ndestination:/queue/a\n\n{body}\0"))
                .await;
        }
        for body in ["1", "2", "3"] {
            chosen.message(body).await;
        }
        usual.nothing().await;
        drop(chosen);
    }
    server.stop().await;
}

#[tokio::test]
async fn no_local_keeps_own_messages_away() {
    let server = TestServer::start().await;
    for header in ["no-local:true", "activemq.noLocal:true"] {
        let mut one = server.client("1.2").await;
        let mut two = server.client("1.2").await;
        one.done(
            &format!("SUBSCRIBE\nid:1\ndestination:/topic/a\n{header}"),
            "",
        )
        .await;
        one.done("SEND\ndestination:/topic/a", "own").await;
        one.nothing().await;
        two.done("SEND\ndestination:/topic/a", "other").await;
        one.message("other").await;
    }
    server.stop().await;
}

async fn replay(client: &mut Raw, headers: &str) -> Vec<String> {
    let subscribe = format!("SUBSCRIBE\nid:1\ndestination:/topic/log\n{headers}\n\n\0");
    let messages = client.settled(&subscribe).await;
    client.done("UNSUBSCRIBE\nid:1", "").await;
    messages
        .iter()
        .map(|it| common::body(it).to_owned())
        .collect()
}

#[tokio::test]
async fn a_topic_replays_from_where_the_subscriber_says() {
    let server = TestServer::start().await;
    let mut client = server.client("1.2").await;
    let mut watch = server.client("1.2").await;
    watch
        .done(
            "SUBSCRIBE\nid:w\ndestination:/topic/log\ninclude-seq:seq",
            "",
        )
        .await;
    let mut positions = Vec::new();
    for body in ["1", "2", "3"] {
        client.done("SEND\ndestination:/topic/log", body).await;
        let message = watch.message(body).await;
        positions.push(header(&message, "seq").expect("seq").to_owned());
    }
    for (headers, wanted) in [
        ("x:y".to_owned(), &[][..]),
        ("from-seq:0".into(), &["1", "2", "3"]),
        ("from-seq:-1".into(), &[]),
        ("activemq.retroactive:true".into(), &["1", "2", "3"]),
        ("x-stream-offset:first".into(), &["1", "2", "3"]),
        ("x-stream-offset:last".into(), &["3"]),
        ("x-stream-offset:next".into(), &[]),
        ("x-stream-offset:timestamp=1".into(), &["1", "2", "3"]),
        ("x-stream-offset:timestamp=99999999999".into(), &[]),
        (format!("from-seq:{}", positions[1]), &["2", "3"]),
        ("x-stream-offset:offset=2".into(), &["3"]),
    ] {
        assert_eq!(replay(&mut client, &headers).await, wanted, "{headers}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_stream_is_read_by_many_and_filtered() {
    let server = TestServer::start().await;
    let mut client = server.client("1.2").await;
    for (filter, body) in [
        ("x-stream-filter-value:red", "1"),
        ("x-stream-filter-value:blue", "2"),
        ("a:b", "3"),
    ] {
        client
            .done(
                &format!("SEND\ndestination:/queue/stream\nx-queue-type:stream\n{filter}"),
                body,
            )
            .await;
    }
    for (headers, wanted) in [
        ("x-stream-offset:first", &["1", "2", "3"][..]),
        ("x-stream-offset:last", &["3"]),
        ("x-stream-offset:first\nx-stream-filter:red", &["1"]),
        (
            "x-stream-offset:first\nx-stream-filter:red\nx-stream-match-unfiltered:true",
            &["1", "3"],
        ),
        ("x:next", &[]),
    ] {
        let mut reader = server.client("1.2").await;
        let subscribe = format!(
            "SUBSCRIBE\nid:1\ndestination:/queue/stream\nack:client-individual\nprefetch-count:10\n{headers}\n\n\0"
        );
        let messages = reader.settled(&subscribe).await;
        let bodies: Vec<_> = messages.iter().map(|it| common::body(it)).collect();
        assert_eq!(bodies, wanted, "{headers}");
        for message in &messages {
            assert!(header(message, "x-stream-offset").is_some(), "{message}");
        }
    }
    server.stop().await;
}
