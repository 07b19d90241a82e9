//! Errors: what they say, and their causes; heart-beats, limits, and servers that break the rules.

mod common;

use std::{error::Error as _, time::Duration};

use common::{Script, TestServer, soon};
use futures_util::StreamExt as _;
use stompbox::{
    AckError, Closed, ConnectError, ConnectOptions, HeartBeat, Limits, ReceiptError, Reconnect,
    SendError, SubscribeError, Unavailable, Version, Versions,
};

#[tokio::test]
async fn what_can_not_be_written_is_refused_and_the_connection_goes_on() {
    let server = TestServer::start().await;
    let client = stompbox::connect(&server.stomp).await.unwrap();
    let error = client.send("/queue/a").header("", "x").await.unwrap_err();
    assert!(
        matches!(error, SendError::Invalid(_)) && error.source().is_some(),
        "{error:?}"
    );
    let error = client
        .send("/queue/a")
        .header("transaction", "none")
        .await
        .unwrap_err();
    assert!(matches!(error, SendError::NoTransaction(id) if id == "none"));
    let _one = client.subscribe("/queue/a").id("1").await.unwrap();
    let error = client.subscribe("/queue/b").id("1").await.unwrap_err();
    assert!(matches!(error, SubscribeError::DuplicateId(id) if id == "1"));
    soon(client.send("/queue/a").receipt()).await.unwrap();
}

#[tokio::test]
async fn acknowledgements_that_can_not_be_are_named() {
    let server = TestServer::start().await;
    let options = ConnectOptions::new(&server.stomp).versions(Versions::only(Version::V1_0));
    let old = options.connect().await.unwrap();
    let mut messages = old.subscribe("/queue/a").await.unwrap();
    old.send("/queue/a").await.unwrap();
    let message = soon(messages.next()).await.unwrap().unwrap();
    let error = message.nack().await.unwrap_err();
    assert!(
        matches!(
            error,
            AckError::NotInVersion {
                version: Version::V1_0,
                ..
            }
        ),
        "{error:?}"
    );
    let client = stompbox::connect(&server.stomp).await.unwrap();
    let mut messages = client.subscribe("/queue/b").await.unwrap();
    client.send("/queue/b").await.unwrap();
    let message = soon(messages.next()).await.unwrap().unwrap();
    let error = message.ack().await.unwrap_err();
    assert!(
        matches!(error, AckError::NotWanted { header: "ack" }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let script = Script::new().await;
    let options = ConnectOptions::new(&script.url)
        .heart_beat(HeartBeat::new(0, 20))
        .heart_beat_tolerance(150);
    let serve = async {
        let mut peer = script.accept_raw().await;
        let connect = peer.frame().await;
        assert_eq!(connect.header("heart-beat"), Some("0,20"));
        peer.send("CONNECTED\nversion:1.2\nheart-beat:20,0\n\n\0")
            .await;
        peer
    };
    let (client, _peer) = tokio::join!(soon(options.connect()), serve);
    let mut messages = client.unwrap().subscribe("/queue/a").await.unwrap();
    let end = soon(messages.next()).await.unwrap().unwrap_err();
    assert!(matches!(end, Closed::HeartBeatLost), "{end:?}");
}

#[tokio::test]
async fn each_wait_has_its_limit() {
    let script = Script::new().await;
    let short = Duration::from_millis(20);
    // A server that accepts and says nothing.
    let options = ConnectOptions::new(&script.url).connect_timeout(short);
    let (outcome, _peer) = tokio::join!(soon(options.connect()), script.accept_raw());
    assert!(matches!(outcome, Err(ConnectError::Timeout)), "{outcome:?}");
    // One that gives no receipts.
    let options = ConnectOptions::new(&script.url).receipt_timeout(short);
    let (client, peer) = tokio::join!(soon(options.connect()), script.accept("1.2"));
    let error = client
        .unwrap()
        .send("/queue/a")
        .receipt()
        .await
        .unwrap_err();
    assert!(matches!(error, ReceiptError::Timeout), "{error:?}");
    drop(peer);
    // One that reads nothing: the socket fills, then the buffer.
    let options = ConnectOptions::new(&script.url).request_timeout(short);
    let (client, _peer) = tokio::join!(soon(options.connect()), script.accept("1.2"));
    let client = client.unwrap();
    let body = vec![b'x'; 1 << 20];
    let error = loop {
        if let Err(error) = client.send("/queue/a").body(body.clone()).await {
            break error;
        }
    };
    assert!(
        matches!(error, SendError::Closed(Unavailable::Timeout)),
        "{error:?}"
    );
}

#[tokio::test]
async fn servers_that_break_the_rules_end_the_connection_and_nothing_else() {
    let script = Script::new().await;
    for (bytes, part) in [
        ("CONNECTED\nversion:1.2\n\n\0", "CONNECTED"),
        ("MESSAGE\nbroken\n\n\0", ""),
        ("MESSAGE\nx:\\q\n\n\0", ""),
        (
            "MESSAGE\ncontent-length:99999999999999999999\n\n\0",
            "content-length",
        ),
        ("MESSAGE\ncontent-length:1000\n\n", "1000"),
        ("RECEIPT\n\n\0", "receipt-id"),
        ("SEND\ndestination:/queue/a\n\n\0", "SEND"),
    ] {
        let options = ConnectOptions::new(&script.url).limits(Limits::default().with_body(100));
        let (client, mut peer) = tokio::join!(soon(options.connect()), script.accept("1.2"));
        let mut messages = client.unwrap().subscribe("/queue/a").await.unwrap();
        peer.send(bytes).await;
        let end = soon(messages.next()).await.unwrap().unwrap_err();
        let Closed::Protocol(problem) = end else {
            panic!("{bytes:?}: {end:?}");
        };
        assert!(problem.contains(part), "{bytes:?}: {problem}");
    }
    for answer in [
        "MESSAGE\n\n\0",
        "CONNECTED\nversion:9.9\n\n\0",
        "HTTP/1.1 400 Bad\r\n\r\n\0",
    ] {
        let connect = stompbox::connect(&script.url);
        let serve = async {
            let mut peer = script.accept_raw().await;
            peer.send(answer).await;
            peer
        };
        let (outcome, _peer) = tokio::join!(soon(connect), serve);
        let error = outcome.unwrap_err();
        assert!(
            matches!(error, ConnectError::Closed(Closed::Protocol(_))),
            "{answer}: {error:?}"
        );
        assert!(error.source().is_some());
    }
}

#[tokio::test]
async fn what_a_server_says_twice_is_shown_once() {
    let script = Script::new().await;
    for (body, expected) in [
        ("no such place\n", "the server reported: no such place"),
        (
            "try /queue/",
            "the server reported: no such place: try /queue/",
        ),
        ("", "the server reported: no such place"),
    ] {
        let connect = stompbox::connect(&script.url);
        let refuse = async {
            let mut peer = script.accept_raw().await;
            peer.frame().await;
            let error = format!("ERROR\nmessage:no such place\n\n{body}\0");
            peer.send(&error).await;
        };
        let (error, ()) = tokio::join!(connect, refuse);
        let error = error.unwrap_err().source().unwrap().to_string();
        assert_eq!(error, expected);
    }
}

/// The RECEIPT of a subscription that is made between two connections would be asked for by no
/// frame: what is restored has none.
#[tokio::test]
async fn a_receipted_subscription_waits_for_the_next_connection() {
    let script = Script::new().await;
    let options = ConnectOptions::new(&script.url)
        .reconnect(Reconnect::default().shortest(Duration::from_millis(1)));
    let (client, peer) = tokio::join!(options.connect(), script.accept("1.2"));
    let client = client.unwrap();
    drop(peer);
    while client.is_connected() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let subscribe = soon(client.subscribe("/queue/a").receipt());
    let answer = async {
        let mut peer = script.accept("1.2").await;
        let frame = peer.frame().await;
        assert_eq!(frame.command.as_str(), "SUBSCRIBE");
        peer.receipt(&frame).await;
        peer
    };
    let (subscription, _peer) = tokio::join!(subscribe, answer);
    subscription.unwrap();
}
