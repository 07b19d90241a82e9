//! The gateway between a client and a broker where one of them breaks the rules, is silent, or slow.

#[path = "common/broker.rs"]
mod broker;
mod common;
#[path = "common/gateway.rs"]
mod gateway;

use std::{net::SocketAddr, time::Duration};

use broker::{Broker, V1_2};
use common::{LIMIT, Raw, TestServer, header};
use gateway::{BOTH, config, with};
use stompbox_server::{Acl, Config, GatewayMode, HeartBeat, Rule};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    time::{sleep, timeout},
};

/// Reads to a NUL. Gives how many bytes came.
async fn large_frame(client: &mut Raw) -> usize {
    let (mut count, mut chunk) = (0, vec![0; 64 << 10]);
    loop {
        let read = timeout(LIMIT, client.stream.read(&mut chunk)).await;
        let read = read.expect("more").unwrap();
        assert!(read > 0, "the end after {count} bytes");
        count += read;
        if chunk[..read].contains(&0) {
            return count;
        }
    }
}

/// A transaction that is open at the gateway's broker, and a frame in it that is refused.
async fn refused(gateway: &TestServer, broker: &TestServer, queue: &str, bad: &str, code: &str) {
    let mut reader = broker.client("1.2").await;
    reader
        .done(&format!("SUBSCRIBE\nid:q\ndestination:{queue}"), "")
        .await;
    let mut client = gateway.client("1.2").await;
    client
        .send(&format!(
            "BEGIN\ntransaction:t\n\n\0SEND\ndestination:{queue}\ntransaction:t\n\nin part\0{bad}\0\
             COMMIT\ntransaction:t\n\n\0SEND\ndestination:{queue}\n\nbehind\0"
        ))
        .await;
    client.error(code).await;
    // By the same connection to the broker, where there is one for all.
    let mut other = gateway.client("1.2").await;
    other
        .done(&format!("SEND\ndestination:{queue}"), "after")
        .await;
    reader.message("after").await;
}

#[tokio::test]
async fn nothing_behind_a_refused_frame_is_done() {
    let broker = TestServer::start().await;
    for mode in BOTH {
        let rule = Rule {
            who: "*".parse().expect("everybody"),
            allow: vec!["read,write **".parse().expect("a permission")],
            deny: vec!["write /queue/forbidden".parse().expect("a permission")],
        };
        let gateway = TestServer::with(Config {
            acl: Acl::new(vec![rule]),
            gateway: Some(config(mode, &[broker.stomp])),
            ..Config::default()
        })
        .await;
        for (number, (bad, code)) in [
            ("ACK\nid:s99\ntransaction:t\n\n", "invalid-request"),
            (
                "SEND\ndestination:/queue/forbidden\ntransaction:t\n\nx",
                "access-denied",
            ),
        ]
        .into_iter()
        .enumerate()
        {
            let queue = format!("/queue/refused.{mode}.{number}");
            refused(&gateway, &broker, &queue, bad, code).await;
        }
        gateway.stop().await;
    }
    broker.stop().await;
}

#[tokio::test]
async fn a_message_beyond_the_limits_ends_nobody_elses_connection() {
    for mode in BOTH {
        let mock = Broker::start().await;
        let mut strict = config(mode, &[mock.address]);
        // No less than what a client may send: 4 MiB.
        strict.max_message = 0;
        let gateway = with(strict).await;
        let pooled = mode == GatewayMode::Pooled;
        let mut shared = None;
        let mut other = None;
        if pooled {
            let mut broker = mock.accept(V1_2).await;
            let mut client = gateway.client("1.2").await;
            client.send("SEND\ndestination:/queue/a\n\nx\0").await;
            broker.expect("SEND").await;
            (shared, other) = (Some(broker), Some(client));
        }
        let headers = "x:y\n".repeat(200);
        let line = "y".repeat(20_000);
        let body = "z".repeat(5 << 20);
        for rest in [
            format!("{headers}\nx"),
            format!("x:{line}\n\nx"),
            format!("content-length:{}\n\n{body}", body.len()),
            format!("\n{body}"),
        ] {
            let mut client = gateway.raw().await;
            client
                .send("CONNECT\naccept-version:1.2\nhost:x\n\n\0")
                .await;
            let mut own = None;
            if !pooled {
                own = Some(mock.accept(V1_2).await);
            }
            client.frame().await;
            client
                .send("SUBSCRIBE\nid:1\ndestination:/queue/q\nack:client\n\n\0")
                .await;
            let broker = own.as_mut().or(shared.as_mut()).expect("a broker");
            let subscribe = broker.expect("SUBSCRIBE").await;
            let id = header(&subscribe, "id").expect("an id");
            broker.confirm(&subscribe).await;
            let message = format!(
                "MESSAGE\nsubscription:{id}\nmessage-id:m\nack:a\ndestination:/queue/q\n{rest}\0\n"
            );
            broker.send(message.as_bytes()).await;
            let error = client.error("message-too-long").await;
            assert_eq!(header(&error, "x-retry"), Some("never"), "{error}");
            assert!(error.contains("/queue/q"), "{error}");
            // The broker puts it back when the subscription or the connection ends.
            let last = if pooled { "UNSUBSCRIBE" } else { "DISCONNECT" };
            broker.expect(last).await;
        }
        if let (Some(mut client), Some(mut broker)) = (other, shared) {
            client.send("SEND\ndestination:/queue/a\n\nx\0").await;
            broker.expect("SEND").await;
        }
        gateway.stop().await;
    }
}

#[tokio::test]
async fn a_broker_may_send_more_than_a_client() {
    let mock = Broker::start().await;
    let gateway = with(config(GatewayMode::Pooled, &[mock.address])).await;
    let mut broker = mock.accept(V1_2).await;
    let mut client = gateway.client("1.2").await;
    client
        .send("SUBSCRIBE\nid:1\ndestination:/queue/q\n\n\0")
        .await;
    let subscribe = broker.expect("SUBSCRIBE").await;
    let id = header(&subscribe, "id").expect("an id");
    let first = format!("MESSAGE\nsubscription:{id}\nmessage-id:m\nack:a\ndestination:/queue/q\n");
    // All that a client may send, and what a broker puts beside it.
    let headers = "x:y\n".repeat(140);
    let line = "\\c".repeat(8000);
    for rest in [format!("{headers}\nx\0"), format!("x:{line}\n\nx\0")] {
        broker.send(format!("{first}{rest}").as_bytes()).await;
        client.message("x").await;
        broker.expect("ACK").await;
    }
    // More than may wait for a client, but alone.
    let body = "z".repeat(9 << 20);
    let message = format!("{first}\n{body}\0");
    let (_, count) = tokio::join!(broker.send(message.as_bytes()), large_frame(&mut client));
    assert!(count > body.len(), "{count}");
    broker.expect("ACK").await;
    gateway.stop().await;
}

/// Several connections at once to a broker that is there and one that takes them and says nothing.
#[tokio::test]
async fn a_silent_broker_is_passed_over() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_address = silent.local_addr().unwrap();
    let broker = TestServer::start().await;
    let mut impatient = config(GatewayMode::Passthrough, &[silent_address, broker.stomp]);
    impatient.connect_timeout = Duration::from_millis(500);
    let gateway = with(impatient).await;
    for _ in 0..8 {
        let mut client = gateway.client("1.2").await;
        client.done("SEND\ndestination:/queue/a", "x").await;
    }
    let status = gateway.gateway.as_ref().expect("a gateway").status();
    let found = |wanted: SocketAddr| {
        let mut all = status.upstreams.iter();
        let name = format!("stomp://{wanted}");
        all.find(|it| it.upstream == name).expect("a broker")
    };
    assert!(found(broker.stomp).up);
    let silent = found(silent_address);
    assert!(!silent.up);
    let why = silent.last_error.as_deref().expect("a reason");
    assert!(why.contains("does not answer within 500 ms"), "{why}");
    gateway.stop().await;
    broker.stop().await;
}

#[tokio::test]
async fn a_slow_client_does_not_make_its_broker_silent() {
    const MESSAGES: usize = 512;
    let mock = Broker::start().await;
    let mut strict = config(GatewayMode::Passthrough, &[mock.address]);
    strict.heart_beat = HeartBeat::new(0, 100);
    let gateway = with(strict).await;
    let mut client = gateway.raw().await;
    client
        .send("CONNECT\naccept-version:1.2\nhost:x\n\n\0")
        .await;
    let mut broker = mock
        .accept("CONNECTED\nversion:1.2\nheart-beat:100,0\n\n")
        .await;
    client.frame().await;
    client
        .send("SUBSCRIBE\nid:1\ndestination:/topic/a\n\n\0")
        .await;
    broker.expect("SUBSCRIBE").await;
    let body = "x".repeat(64 << 10);
    let message =
        format!("MESSAGE\nsubscription:1\nmessage-id:m\ndestination:/topic/a\n\n{body}\0");
    let sending = tokio::spawn(async move {
        for _ in 0..MESSAGES {
            broker.send(message.as_bytes()).await;
        }
        broker
    });
    // Far longer than the broker may be silent.
    sleep(Duration::from_millis(1500)).await;
    let (mut count, mut chunk) = (0, vec![0; 256 << 10]);
    while count < MESSAGES {
        let read = timeout(LIMIT, client.stream.read(&mut chunk)).await;
        let read = read.expect("messages").unwrap();
        assert!(read > 0, "the end after {count} messages");
        count += chunk[..read].iter().filter(|byte| **byte == 0).count();
    }
    drop(sending.await.unwrap());
    gateway.stop().await;
}

/// How many bytes of a client's frames come to the broker until it is quiet. `answers`: it gives the
/// receipts.
async fn flood(answers: bool) -> usize {
    let mock = Broker::start().await;
    let gateway = with(config(GatewayMode::Pooled, &[mock.address])).await;
    let mut broker = mock.accept(V1_2).await;
    let mut client = gateway.client("1.2").await;
    let receipt = "r".repeat(7000);
    let frame = format!("SEND\ndestination:/queue/a\nreceipt:{receipt}\n\n\0");
    // It never reads.
    let flooding = tokio::spawn(async move {
        for _ in 0..8000 {
            if client.stream.write_all(frame.as_bytes()).await.is_err() {
                break;
            }
        }
        client
    });
    let mut frames = 0;
    while let Ok(Some(frame)) = timeout(Duration::from_secs(1), broker.next()).await {
        frames += 1;
        if answers {
            broker.confirm(&frame).await;
        }
    }
    flooding.abort();
    gateway.stop().await;
    frames * receipt.len()
}

#[tokio::test]
async fn receipts_are_bounded() {
    // Those that a broker owes: 1 MiB, and what one read has.
    let owed = flood(false).await;
    assert!(owed < 3 << 20, "{owed}");
    // Those that a client does not read: 1 MiB, and what the system has for it.
    let unread = flood(true).await;
    assert!(unread < 24 << 20, "{unread}");
}

#[tokio::test]
async fn a_disconnect_is_answered_in_any_case() {
    for mode in BOTH {
        let mock = Broker::start().await;
        let mut impatient = config(mode, &[mock.address]);
        impatient.hold_timeout = Duration::from_millis(300);
        let gateway = with(impatient).await;
        let (mut client, mut broker) = mock.client(&gateway).await;
        client
            .send("SEND\ndestination:/queue/a\n\nx\0DISCONNECT\nreceipt:z\n\n\0")
            .await;
        broker.expect("SEND").await;
        // It says nothing to that.
        let error = client.error("upstream-unavailable").await;
        assert_eq!(header(&error, "receipt-id"), Some("z"), "{error}");
        gateway.stop().await;
    }
}

#[tokio::test]
async fn who_goes_without_waiting_is_gone() {
    let mock = Broker::start().await;
    let gateway = with(config(GatewayMode::Pooled, &[mock.address])).await;
    let mut broker = mock.accept(V1_2).await;
    let mut client = gateway.client("1.2").await;
    let last = "SEND\ndestination:/queue/a\n\nx\0DISCONNECT\nreceipt:z\n\n\0";
    client.send(last).await;
    // Whoever closes only its own side still gets the receipt.
    client.stream.shutdown().await.unwrap();
    for command in ["SEND", "BEGIN", "ABORT"] {
        let frame = broker.expect(command).await;
        if command == "ABORT" {
            broker.confirm(&frame).await;
        }
    }
    let receipt = client.frame().await;
    assert_eq!(header(&receipt, "receipt-id"), Some("z"), "{receipt}");
    client.end().await;
    let mut client = gateway.client("1.2").await;
    client.send(last).await;
    broker.expect("SEND").await;
    drop(client);
    let monitor = gateway.gateway.clone().expect("a gateway");
    let gone = async {
        while monitor.status().connections.iter().any(|it| it.clients > 0) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LIMIT, gone).await.expect("it is gone");
    gateway.stop().await;
}

#[tokio::test]
async fn what_was_sent_is_answered_before_the_gateway_stops() {
    for mode in BOTH {
        let mock = Broker::start().await;
        let gateway = with(config(mode, &[mock.address])).await;
        let (mut client, mut broker) = mock.client(&gateway).await;
        let mut asked = Vec::new();
        for number in 0..3 {
            client
                .send(&format!(
                    "SEND\ndestination:/queue/a\nreceipt:{number}\n\nx\0"
                ))
                .await;
            asked.push(broker.expect("SEND").await);
        }
        let stopping = tokio::spawn(gateway.stop());
        broker.expect("BEGIN").await;
        let barrier = broker.expect("ABORT").await;
        for frame in asked.iter().chain([&barrier]) {
            broker.confirm(frame).await;
        }
        for number in 0..3 {
            let receipt = client.frame().await;
            let wanted = number.to_string();
            assert_eq!(header(&receipt, "receipt-id"), Some(&*wanted), "{receipt}");
        }
        client.end().await;
        broker.expect("DISCONNECT").await;
        assert_eq!(broker.next().await, None);
        stopping.await.unwrap();
    }
}

#[tokio::test]
async fn acknowledgements_find_their_message_by_its_id_alone() {
    let broker = TestServer::start().await;
    let gateway = with(config(GatewayMode::Pooled, &[broker.stomp])).await;
    let mut client = gateway.raw().await;
    client.send("CONNECT\n\n\0").await;
    client.frame().await;
    for destination in ["/topic/a", "/queue/a"] {
        client
            .done(
                &format!("SUBSCRIBE\ndestination:{destination}\nack:client"),
                "",
            )
            .await;
        client
            .send(&format!("SEND\ndestination:{destination}\n\nhello\0"))
            .await;
        let message = client.message("hello").await;
        let id = header(&message, "message-id").expect("an id");
        client.done(&format!("ACK\nmessage-id:{id}"), "").await;
    }
    client
        .send("SEND\ndestination:/topic/a\n\nagain\0SEND\ndestination:/queue/a\n\nagain\0")
        .await;
    let both = [client.message("again").await, client.message("again").await];
    for message in &both {
        let id = header(message, "message-id").expect("an id");
        client.done(&format!("ACK\nmessage-id:{id}"), "").await;
    }
    gateway.stop().await;
    broker.stop().await;
}

/// The broker may have none.
#[tokio::test]
async fn a_broker_without_selectors_is_chosen_for() {
    let mock = Broker::start().await;
    let gateway = with(config(GatewayMode::Passthrough, &[mock.address])).await;
    let (mut client, mut broker) = mock.client(&gateway).await;
    for (at, ack) in ["auto", "client", "client-individual"].iter().enumerate() {
        client
            .send(&format!(
                "SUBSCRIBE\nid:{at}\ndestination:/topic/a\nack:{ack}\nselector:n > 1\n\n\0"
            ))
            .await;
        let subscribe = broker.expect("SUBSCRIBE").await;
        assert_eq!(header(&subscribe, "selector"), Some("n > 1"), "{subscribe}");
        broker.confirm(&subscribe).await;
        for n in 1..3 {
            broker
                .say(&format!(
                    "MESSAGE\nsubscription:{at}\nmessage-id:{n}\nack:{at}-{n}\ndestination:/topic/a\nn:{n}\n\n{n}"
                ))
                .await;
        }
        client.message("2").await;
        if at > 0 {
            // Nobody else would acknowledge what is left out.
            let left_out = broker.expect("ACK").await;
            assert_eq!(header(&left_out, "id"), Some(&*format!("{at}-1")));
        }
    }
    gateway.stop().await;
}

/// To RabbitMQ a virtual host.
#[tokio::test]
async fn a_client_may_name_its_host() {
    for (host, wanted) in [
        (Some("*"), "mine"),
        (Some("all"), "all"),
        (None, "127.0.0.1"),
    ] {
        let mock = Broker::start().await;
        let mut passing = config(GatewayMode::Passthrough, &[mock.address]);
        passing.host = host.map(Into::into);
        let gateway = with(passing).await;
        let mut client = gateway.raw().await;
        client
            .send("CONNECT\naccept-version:1.2\nhost:mine\nreceipt:1\nclient-id:me\n\n\0")
            .await;
        let connect = mock.take().await.expect("CONNECT").await;
        assert_eq!(header(&connect, "host"), Some(wanted), "{connect}");
        assert_eq!(header(&connect, "client-id"), Some("me"), "{connect}");
        assert_eq!(header(&connect, "receipt"), None, "{connect}");
        gateway.stop().await;
    }
    // Who shares a connection has nothing to say about it.
    let mock = Broker::start().await;
    let mut pooled = config(GatewayMode::Pooled, &[mock.address]);
    pooled.host = Some("*".into());
    let gateway = with(pooled).await;
    let connect = mock.take().await.expect("CONNECT").await;
    assert_eq!(header(&connect, "host"), Some("127.0.0.1"), "{connect}");
    gateway.stop().await;
}
