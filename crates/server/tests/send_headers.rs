//! The headers of SEND that the broker acts on, and those that pass.

mod common;

use common::{TestServer, header};

#[tokio::test]
async fn what_is_not_the_servers_passes_through_in_order() {
    let server = TestServer::start().await;
    let headers = "persistent:true\nexpires:99999999999999\npriority:7\ncorrelation-id:c\n\
        reply-to:/queue/elsewhere\ntype:t\nJMSXGroupID:g\nJMSXGroupSeq:3\n\
        content-type:text/plain\ncontent-encoding:x\napp-id:a\nuser-id:u\ntimestamp:1\n\
        amqp-message-id:m\namq-msg-type:text\ntransformation:jms-xml\nx-unknown:y\nx-unknown:z\n";
    for version in ["1.0", "1.1", "1.2"] {
        let mut client = server.client(version).await;
        client
            .done("SUBSCRIBE\nid:1\ndestination:/queue/a", "")
            .await;
        client
            .send(&format!("SEND\ndestination:/queue/a\n{headers}\nx\0"))
            .await;
        let message = client.message("x").await;
        assert!(message.contains(headers), "{message}");
        client.done("UNSUBSCRIBE\nid:1", "").await;
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_the_servers_is_not_taken_from_a_client() {
    let server = TestServer::start().await;
    for destination in ["/queue/a", "/topic/a"] {
        let mut client = server.client("1.2").await;
        let subscribe = format!("SUBSCRIBE\nid:1\ndestination:{destination}");
        client.done(&subscribe, "").await;
        client
            .send(&format!(
                "SEND\ndestination:{destination}\nmessage-id:forged\nsubscription:forged\nack:forged\n\
                 redelivered:true\nJMSXUserID:forged\nJMSXDeliveryCount:9\nx-delivery-count:9\n\
                 kept:1\n\nx\0"
            ))
            .await;
        let message = client.message("x").await;
        assert!(!message.contains("forged"), "{message}");
        for name in [
            "redelivered",
            "x-delivery-count",
            "JMSXDeliveryCount",
            "ack",
        ] {
            assert_eq!(header(&message, name), None, "{message}");
        }
        assert_eq!(header(&message, "kept"), Some("1"));
        client.done("UNSUBSCRIBE\nid:1", "").await;
    }
    server.stop().await;
}

#[tokio::test]
async fn what_has_expired_is_not_delivered() {
    let server = TestServer::start().await;
    let mut client = server.client("1.2").await;
    for (headers, body) in [
        ("expires:1", "gone"),
        ("expires:99999999999999", "absolute"),
        ("expires:0", "never"),
        ("expiration:0", "at once"),
        ("ttl:0", "at once"),
        ("ttl:600000", "own"),
        ("expiration:600000", "relative"),
        ("expires:1\nexpiration:600000", "the earlier"),
    ] {
        client
            .done(&format!("SEND\ndestination:/queue/a\n{headers}"), body)
            .await;
    }
    client
        .send("SUBSCRIBE\nid:1\ndestination:/queue/a\n\n\0")
        .await;
    for body in ["absolute", "never", "own", "relative"] {
        client.message(body).await;
    }
    client.nothing().await;
    for headers in ["expires:soon", "expiration:-1", "ttl:x", "priority:high"] {
        let mut client = server.client("1.2").await;
        client
            .send(&format!("SEND\ndestination:/queue/a\n{headers}\n\nx\0"))
            .await;
        client.error("invalid-header").await;
    }
    server.stop().await;
}

#[tokio::test]
async fn priorities_go_first_and_keep_their_order() {
    let server = TestServer::start().await;
    let mut client = server.client("1.2").await;
    for (priority, body) in [("0", "a"), ("9", "b"), ("4", "c"), ("9", "d"), ("99", "e")] {
        client
            .done(
                &format!("SEND\ndestination:/queue/a\npriority:{priority}"),
                body,
            )
            .await;
    }
    client.done("SEND\ndestination:/queue/a", "f").await;
    client
        .send("SUBSCRIBE\nid:1\ndestination:/queue/a\n\n\0")
        .await;
    for body in ["b", "d", "e", "c", "f", "a"] {
        client.message(body).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn a_group_stays_with_one_consumer_until_that_goes() {
    let server = TestServer::start().await;
    let mut producer = server.client("1.2").await;
    let mut consumers = [server.client("1.2").await, server.client("1.2").await];
    for consumer in &mut consumers {
        let subscribe = "SUBSCRIBE\nid:1\ndestination:/queue/a\nack:client-individual";
        consumer.done(subscribe, "").await;
    }
    for body in ["1", "2", "3", "4"] {
        producer
            .done("SEND\ndestination:/queue/a\nJMSXGroupID:g", body)
            .await;
    }
    let [first, second] = &mut consumers;
    let mut had = first.settled("").await;
    had.extend(second.settled("").await);
    let bodies: Vec<_> = had.iter().map(|it| common::body(it)).collect();
    assert_eq!(bodies, ["1", "2", "3", "4"]);
    let owner_is_first = {
        producer
            .done("SEND\ndestination:/queue/a\nJMSXGroupID:g", "5")
            .await;
        !first.settled("").await.is_empty()
    };
    let [first, second] = consumers;
    let (owner, mut other) = if owner_is_first {
        (first, second)
    } else {
        (second, first)
    };
    drop(owner);
    for body in ["1", "2", "3", "4", "5"] {
        let message = other.message(body).await;
        assert_eq!(header(&message, "redelivered"), Some("true"), "{message}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_delay_delays_and_repeats() {
    let server = TestServer::start().await;
    let mut client = server.client("1.2").await;
    client
        .done("SUBSCRIBE\nid:1\ndestination:/queue/a", "")
        .await;
    for (headers, body) in [
        ("AMQ_SCHEDULED_DELAY:100", "late"),
        ("x-delay:200", "later"),
        (
            "AMQ_SCHEDULED_DELAY:600000\nscheduledJobId:1",
            "sent by a scheduler",
        ),
        (
            "AMQ_SCHEDULED_DELAY:300\nAMQ_SCHEDULED_PERIOD:10\nAMQ_SCHEDULED_REPEAT:2",
            "thrice",
        ),
        ("AMQ_SCHEDULED_CRON:0 0 1 1 *", "in the new year"),
    ] {
        client
            .send(&format!(
                "SEND\ndestination:/queue/a\n{headers}\n\n{body}\0"
            ))
            .await;
    }
    client.send("SEND\ndestination:/queue/a\n\nnow\0").await;
    for body in [
        "sent by a scheduler",
        "now",
        "late",
        "later",
        "thrice",
        "thrice",
        "thrice",
    ] {
        client.message(body).await;
    }
    client.nothing().await;
    for headers in [
        "AMQ_SCHEDULED_CRON:never",
        "AMQ_SCHEDULED_DELAY:x",
        "x-delay:-1",
    ] {
        let mut client = server.client("1.2").await;
        client
            .send(&format!("SEND\ndestination:/queue/a\n{headers}\n\nx\0"))
            .await;
        client.error("invalid-header").await;
    }
    server.stop().await;
}

#[tokio::test]
async fn a_topic_keeps_its_retained_message() {
    let server = TestServer::start().await;
    let mut client = server.client("1.2").await;
    for (retain, wanted) in [("set", Some("1")), ("true", Some("2")), ("remove", None)] {
        let body = wanted.unwrap_or("none");
        client
            .done(
                &format!("SEND\ndestination:/topic/r.a\nretain:{retain}"),
                body,
            )
            .await;
        for name in ["/topic/r.a", "/topic/r.*"] {
            let mut late = server.client("1.2").await;
            late.send(&format!("SUBSCRIBE\nid:1\ndestination:{name}\n\n\0"))
                .await;
            match wanted {
                Some(body) => {
                    let message = late.message(body).await;
                    assert_eq!(header(&message, "destination"), Some("/topic/r.a"));
                    late.nothing().await;
                }
                None => late.nothing().await,
            }
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_declaration_that_contradicts_is_refused_and_limits_hold() {
    let server = TestServer::start().await;
    let mut client = server.client("1.2").await;
    let limited = "SEND\ndestination:/queue/a\nx-max-length:2\nx-overflow:drop-head";
    for body in ["1", "2", "3"] {
        client.done(limited, body).await;
    }
    client
        .send("SUBSCRIBE\nid:1\ndestination:/queue/a\n\n\0")
        .await;
    client.message("2").await;
    client.message("3").await;
    client
        .send("SEND\ndestination:/queue/a\nx-max-length:3\n\nx\0")
        .await;
    let error = client.error("precondition-failed").await;
    assert!(error.contains('2') && error.contains('3'), "{error}");
    let mut client = server.client("1.2").await;
    let limited = "SEND\ndestination:/queue/b\nx-max-length:1\nx-overflow:reject-publish";
    client.done(limited, "1").await;
    client
        .send("SEND\ndestination:/queue/b\nreceipt:r\n\n2\0")
        .await;
    let error = client.error("queue-full").await;
    assert_eq!(header(&error, "receipt-id"), Some("r"));
    server.stop().await;
}

#[tokio::test]
async fn messages_with_one_head_are_each_a_message() {
    let server = TestServer::start().await;
    let mut client = server.client("1.2").await;
    client
        .done("SUBSCRIBE\nid:1\ndestination:/queue/a", "")
        .await;
    client.done("BEGIN\ntransaction:t", "").await;
    for headers in [
        "",
        "a:1\n",
        "a\\c:b:c\n",
        "ttl:60000\n",
        "persistent:true\n",
        "content-length:2\n",
        "transaction:t\n",
        "JMSXGroupID:g\n",
    ] {
        // The same head again and again, in one piece, and bodies of two lengths.
        let frames: String = (10..30)
            .chain(100..103)
            .chain(30..33)
            .filter(|body| *body < 100 || headers != "content-length:2\n")
            .map(|body| format!("SEND\ndestination:/queue/a\n{headers}\n{body}\0\n"))
            .collect();
        client.send(&frames).await;
        if headers == "transaction:t\n" {
            client.send("COMMIT\ntransaction:t\n\n\0").await;
        }
        for body in frames
            .split('\0')
            .filter_map(|frame| frame.rsplit('\n').next())
        {
            if !body.is_empty() {
                let message = client.message(body).await;
                let length = body.len().to_string();
                assert_eq!(header(&message, "content-length"), Some(&*length));
                let own = headers
                    .replace("content-length:2\n", "")
                    .replace("transaction:t\n", "");
                let own = own.replace("b:c", "b\\cc");
                assert!(
                    message.contains(&format!("destination:/queue/a\n{own}")),
                    "{message}"
                );
            }
        }
    }
    // A receipt is given for each.
    let frame = "SEND\ndestination:/queue/a\nreceipt:r\n\nx\0";
    client.send(&frame.repeat(3)).await;
    let mut receipts = 0;
    while receipts < 3 {
        receipts += usize::from(client.frame().await.starts_with("RECEIPT\nreceipt-id:r\n"));
    }
    server.stop().await;
}
