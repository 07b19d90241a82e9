//! Clients that read slowly or not at all, and memory that runs short.

mod common;

use common::{LIMIT, Raw, TestServer, body, header};
use stompbox_server::Config;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

/// Sends that many messages with bodies of 10,000 bytes that begin with their number.
async fn produce(client: &mut Raw, destination: &str, count: usize, last: bool) {
    let filler = "x".repeat(10_000);
    for number in 0..count {
        let receipt = if last && number + 1 == count {
            "receipt:last\n"
        } else {
            ""
        };
        client
            .send(&format!(
                "SEND\ndestination:{destination}\n{receipt}\n{number} {filler}\0"
            ))
            .await;
    }
}

fn number(frame: &str) -> usize {
    assert!(frame.starts_with("MESSAGE\n"), "{}", frame.escape_debug());
    let (number, _) = body(frame).split_once(' ').unwrap();
    number.parse().unwrap()
}

#[tokio::test]
async fn a_topic_subscriber_that_stops_reading_is_let_go_and_delays_nobody() {
    let server = TestServer::start().await;
    let mut slow = server.client("1.2").await;
    slow.done("SUBSCRIBE\nid:1\ndestination:/topic/a", "").await;
    let mut quick = server.client("1.2").await;
    quick
        .done("SUBSCRIBE\nid:1\ndestination:/topic/a", "")
        .await;
    let mut producer = server.client("1.2").await;
    let count = 5_000;
    let filler = "x".repeat(10_000);
    for first in (0..count).step_by(50) {
        // However busy the machine is, the quick one is never behind by more than this.
        for number in first..first + 50 {
            let frame = format!("SEND\ndestination:/topic/a\n\n{number} {filler}\0");
            producer.send(&frame).await;
        }
        for wanted in first..first + 50 {
            assert_eq!(number(&quick.frame().await), wanted);
        }
    }
    // It gets what was on its way, in order, and then is told why it ends.
    let mut next = 0;
    loop {
        let Some(frame) = slow.try_frame().await else {
            break;
        };
        if frame.starts_with("ERROR") {
            assert_eq!(header(&frame, "x-error-code"), Some("slow-consumer"));
            slow.end().await;
            break;
        }
        assert_eq!(number(&frame), next);
        next += 1;
    }
    assert!(next < count, "it was let go");
    server.stop().await;
}

#[tokio::test]
async fn overflow_policies_keep_the_subscriber() {
    let server = TestServer::start().await;
    for policy in [
        "overflow:drop-head",
        "overflow:drop-tail",
        "activemq.maximumPendingMessageLimit:10",
    ] {
        let mut slow = server.client("1.2").await;
        slow.done(
            &format!("SUBSCRIBE\nid:1\ndestination:/topic/a\n{policy}"),
            "",
        )
        .await;
        let mut producer = server.client("1.2").await;
        let count = 3_000;
        produce(&mut producer, "/topic/a", count, true).await;
        assert_eq!(header(&producer.frame().await, "receipt-id"), Some("last"));
        producer.done("SEND\ndestination:/queue/end", "end").await;
        slow.send("SUBSCRIBE\nid:2\ndestination:/queue/end\n\n\0")
            .await;
        let mut seen = Vec::new();
        loop {
            let frame = slow.frame().await;
            if body(&frame) == "end" {
                break;
            }
            seen.push(number(&frame));
        }
        assert!(
            seen.is_sorted() && seen.len() < count,
            "{policy}: {}",
            seen.len()
        );
        // It is a subscriber still.
        let mut end = slow.settled("").await;
        end.retain(|frame| frame.starts_with("MESSAGE"));
        seen.extend(end.iter().map(|frame| number(frame)));
        if policy != "overflow:drop-tail" {
            assert_eq!(seen.last(), Some(&(count - 1)), "{policy}");
        }
        slow.done("UNSUBSCRIBE\nid:1", "").await;
        slow.done("UNSUBSCRIBE\nid:2", "").await;
    }
    server.stop().await;
}

#[tokio::test]
async fn a_queue_keeps_what_a_consumer_does_not_read() {
    let server = TestServer::start().await;
    let mut slow = server.client("1.2").await;
    slow.done("SUBSCRIBE\nid:1\ndestination:/queue/a", "").await;
    let mut producer = server.client("1.2").await;
    let count = 2_000;
    produce(&mut producer, "/queue/a", count, true).await;
    assert_eq!(header(&producer.frame().await, "receipt-id"), Some("last"));
    for wanted in 0..count {
        assert_eq!(number(&slow.frame().await), wanted);
    }
    server.stop().await;
}

#[tokio::test]
async fn producers_wait_while_memory_is_short_and_nothing_is_lost() {
    let mut config = Config::default();
    config.broker.max_memory = 2 << 20;
    let server = TestServer::with(config).await;
    let mut producers = Vec::new();
    let count = 1_000;
    for number in 0..3 {
        let mut producer = server.client("1.2").await;
        producers.push(tokio::spawn(async move {
            // Five times what memory there is.
            produce(&mut producer, &format!("/queue/{number}"), count, true).await;
            producer.frame().await
        }));
    }
    // Whoever consumes is heard all the same, also one that sends.
    let mut consumer = server.client("1.2").await;
    for queue in 0..3 {
        consumer
            .send(&format!(
                "SUBSCRIBE\nid:{queue}\ndestination:/queue/{queue}\nack:client-individual\n\n\0"
            ))
            .await;
    }
    consumer.send("SEND\ndestination:/topic/nobody\n\n\0").await;
    let mut next = [0; 3];
    while next != [count; 3] {
        let frame = consumer.frame().await;
        let queue: usize = header(&frame, "subscription").unwrap().parse().unwrap();
        assert_eq!(number(&frame), next[queue]);
        next[queue] += 1;
        let ack = header(&frame, "ack").unwrap();
        consumer.send(&format!("ACK\nid:{ack}\n\n\0")).await;
    }
    for producer in producers {
        let receipt = producer.await.unwrap();
        assert_eq!(header(&receipt, "receipt-id"), Some("last"), "{receipt}");
    }
    server.stop().await;
}

#[tokio::test]
async fn who_sends_while_memory_is_short_may_subscribe_behind_that() {
    let mut config = Config::default();
    config.broker.max_memory = 2 << 20;
    let server = TestServer::with(config).await;
    let mut producer = server.client("1.2").await;
    let count = 1_000;
    let task = tokio::spawn(async move {
        // Five times what memory there is.
        produce(&mut producer, "/queue/a", count, true).await;
        producer.frame().await
    });
    // These are connected, and have sent something, before anybody consumes.
    let mut others = Vec::new();
    for number in 0..3 {
        let mut other = server.client("1.2").await;
        let mut frames = "SEND\ndestination:/queue/b\n\nbefore\0".repeat(20);
        frames += match number {
            0 => "SUBSCRIBE\nid:9\ndestination:/queue/none\n\n\0",
            1 => "BEGIN\ntransaction:t\n\n\0",
            _ => "",
        };
        other.send(&frames).await;
        others.push(other);
    }
    let mut consumer = server.client("1.2").await;
    let (mut next, mut step) = (0, 0);
    // One that never sent anything takes the first, so that it is known that memory is short.
    consumer
        .send(
            "SUBSCRIBE\nid:1\ndestination:/queue/a\nack:client-individual\nprefetch-count:1\n\n\0",
        )
        .await;
    while next < count {
        let frame = consumer.frame().await;
        assert_eq!(number(&frame), next);
        next += 1;
        let ack = header(&frame, "ack").unwrap();
        let mut frames = format!("ACK\nid:{ack}\n\n\0");
        if next % 250 == 0 && step < 3 {
            // Another takes over: its SUBSCRIBE is behind what it sends.
            frames += "UNSUBSCRIBE\nid:1\nreceipt:over\n\n\0";
            consumer.send(&frames).await;
            while header(&consumer.frame().await, "receipt-id") != Some("over") {}
            consumer = others.pop().unwrap();
            frames = "SEND\ndestination:/queue/c\n\nx\0".repeat(10);
            frames += "SUBSCRIBE\nid:1\ndestination:/queue/a\nack:client-individual\nprefetch-count:1\n\n\0";
            step += 1;
        }
        consumer.send(&frames).await;
    }
    let receipt = task.await.unwrap();
    assert_eq!(header(&receipt, "receipt-id"), Some("last"), "{receipt}");
    server.stop().await;
}

/// Nobody else is there to make room, and what would is too far behind.
#[tokio::test]
async fn who_waits_for_itself_is_told_that_memory_is_full() {
    let mut config = Config::default();
    config.broker.max_memory = 400_000;
    let server = TestServer::with(config).await;
    let mut client = server.client("1.2").await;
    let (frames, subscribe) = (
        format!("SEND\ndestination:/queue/a\n\n{}\0", "x".repeat(10_000)).repeat(100),
        "SUBSCRIBE\nid:1\ndestination:/queue/a\n\n\0",
    );
    // The server may close before it has read all.
    let (mut read, mut write) = client.stream.into_split();
    let sender = tokio::spawn(async move {
        let _ = write.write_all(frames.as_bytes()).await;
        let _ = write.write_all(subscribe.as_bytes()).await;
        write
    });
    let mut answer = Vec::new();
    let ends = read.read_to_end(&mut answer);
    timeout(LIMIT, ends).await.expect("an end").unwrap_or(0);
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("ERROR\n"), "{answer}");
    assert_eq!(header(&answer, "x-error-code"), Some("memory-full"));
    sender.abort();
    // What it had sent before is there for others.
    client = server.client("1.2").await;
    client.send(subscribe).await;
    for _ in 0..30 {
        assert!(client.frame().await.starts_with("MESSAGE\n"));
    }
    server.stop().await;
}

#[tokio::test]
async fn receipts_come_in_order_and_the_last_is_the_disconnects() {
    let directory = tempfile::tempdir().unwrap();
    for data in [None, Some(directory.path().to_owned())] {
        let server = TestServer::with(Config {
            data,
            ..Config::default()
        })
        .await;
        let mut client = server.client("1.2").await;
        let mut frames = String::new();
        for number in 0..500 {
            let persistent = if number % 3 == 0 {
                "persistent:true\n"
            } else {
                ""
            };
            frames += &format!("SEND\ndestination:/queue/a\n{persistent}receipt:{number}\n\nx\0");
        }
        frames += "DISCONNECT\nreceipt:bye\n\n\0SEND\ndestination:/queue/a\n\nignored\0";
        client.send(&frames).await;
        let mut receipts = Vec::new();
        while let Some(frame) = client.try_frame().await {
            receipts.push(header(&frame, "receipt-id").unwrap().to_owned());
        }
        assert_eq!(receipts.pop().as_deref(), Some("bye"));
        let mut numbers: Vec<usize> = receipts.iter().map(|it| it.parse().unwrap()).collect();
        let persistent: Vec<_> = numbers.iter().filter(|it| *it % 3 == 0).collect();
        assert!(persistent.is_sorted());
        numbers.sort_unstable();
        assert_eq!(numbers, (0..500).collect::<Vec<_>>());
        server.stop().await;
    }
}

#[tokio::test]
async fn receipts_of_what_came_before_a_wrong_frame_come_before_its_error() {
    let directory = tempfile::tempdir().unwrap();
    let server = TestServer::with(Config {
        data: Some(directory.path().to_owned()),
        ..Config::default()
    })
    .await;
    for wrong in ["BOGUS\nreceipt:w\n\n\0", "SEND\nreceipt:w\n\n\0"] {
        let mut client = server.client("1.2").await;
        client
            .send(&format!(
                "SEND\ndestination:/queue/a\npersistent:true\nreceipt:1\n\nx\0{wrong}\
                 SEND\ndestination:/queue/never\nreceipt:2\n\nx\0"
            ))
            .await;
        let receipt = client.frame().await;
        assert_eq!(
            header(&receipt, "receipt-id"),
            Some("1"),
            "{wrong}: {receipt}"
        );
        let error = client.frame().await;
        assert!(error.starts_with("ERROR\n"), "{error}");
        assert_eq!(header(&error, "receipt-id"), Some("w"), "{error}");
        client.end().await;
    }
    let mut client = server.client("1.2").await;
    client
        .done("SUBSCRIBE\nid:1\ndestination:/queue/never", "")
        .await;
    client.nothing().await;
    server.stop().await;
}
