//! What becomes of subscriptions, messages and transactions when the connection is lost.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::{Peer, Script, TestServer, soon};
use futures_util::StreamExt as _;
use stompbox::{
    AckError, AckMode, Client, Closed, ConnectError, ConnectOptions, Credentials, Event, Events,
    InFlight, ReceiptError, Reconnect, SendError, TransactionError, Unavailable,
};

fn policy() -> Reconnect {
    Reconnect::default()
        .shortest(Duration::from_millis(1))
        .longest(Duration::from_millis(20))
}

fn options(url: &str) -> ConnectOptions {
    ConnectOptions::new(url).reconnect(policy())
}

/// A client and its server, connected in 1.2.
async fn pair(options: ConnectOptions, script: &Script) -> (Client, Peer) {
    let (client, peer) = tokio::join!(soon(options.connect()), script.accept("1.2"));
    (client.unwrap(), peer)
}

async fn until(events: &mut Events, wanted: impl Fn(&Event) -> bool) -> Event {
    loop {
        let event = soon(events.next()).await.expect("the event");
        if wanted(&event) {
            return event;
        }
    }
}

async fn lost(events: &mut Events) {
    until(events, |event| matches!(event, Event::Disconnected { .. })).await;
}

#[tokio::test]
async fn subscriptions_are_restored_once_each_before_what_is_queued() {
    let script = Script::new().await;
    let (client, mut peer) = pair(options(&script.url), &script).await;
    let mut events = client.events();
    let mut a = client
        .subscribe("/queue/a")
        .header("selector", "x > 1")
        .await
        .unwrap();
    let b = client.subscribe("/queue/b").id("durable-1").await.unwrap();
    let gone = client.subscribe("/queue/c").await.unwrap();
    for expected in [
        "SUBSCRIBE /queue/a",
        "SUBSCRIBE /queue/b",
        "SUBSCRIBE /queue/c",
    ] {
        assert_eq!(peer.short().await, expected);
    }
    drop(gone);
    assert!(peer.short().await.starts_with("UNSUBSCRIBE"));
    drop(peer);
    lost(&mut events).await;
    assert!(!client.is_connected());
    client.send("/queue/a").body("one").await.unwrap();
    client.send("/queue/a").body("two").await.unwrap();
    let late = client.subscribe("/queue/d").await.unwrap();
    let mut peer = script.accept("1.2").await;
    let first = peer.frame().await;
    assert_eq!(first.header("destination"), Some("/queue/a"));
    assert_eq!(first.header("selector"), Some("x > 1"));
    assert_eq!(first.header("id"), Some(a.id()));
    let second = peer.frame().await;
    assert_eq!(second.header("id"), Some("durable-1"));
    for expected in ["SUBSCRIBE /queue/d", "SEND one", "SEND two"] {
        assert_eq!(peer.short().await, expected);
    }
    let event = until(&mut events, |event| {
        matches!(event, Event::Connected { .. })
    })
    .await;
    assert!(
        matches!(
            event,
            Event::Connected {
                subscriptions: 3,
                messages: 2,
                ..
            }
        ),
        "{event:?}"
    );
    // The stream goes on where it was.
    let message = format!("MESSAGE\nsubscription:{}\nmessage-id:1\n\nhello\0", a.id());
    peer.send(&message).await;
    let message = soon(a.next()).await.unwrap().unwrap();
    assert_eq!(message.text(), Some("hello"));
    drop((b, late));
    client.send("/queue/a").body("three").await.unwrap();
    for expected in ["UNSUBSCRIBE durable-1", "UNSUBSCRIBE", "SEND three"] {
        assert!(peer.short().await.starts_with(expected), "{expected}");
    }
}

#[tokio::test]
async fn messages_under_way_fail_or_are_sent_again_as_chosen() {
    for choice in [InFlight::Fail, InFlight::Retry] {
        let script = Script::new().await;
        let (client, mut peer) = pair(options(&script.url).in_flight(choice), &script).await;
        let mut events = client.events();
        let mut receipts = Vec::new();
        for body in ["one", "two", "three"] {
            receipts.push(
                client
                    .send("/queue/a")
                    .body(body)
                    .pending_receipt()
                    .await
                    .unwrap(),
            );
        }
        let one = peer.frame().await;
        peer.receipt(&one).await;
        assert_eq!(peer.short().await, "SEND two");
        soon(receipts.remove(0).wait()).await.unwrap();
        assert_eq!(peer.short().await, "SEND three");
        drop(peer);
        lost(&mut events).await;
        let queued = client
            .send("/queue/a")
            .body("four")
            .pending_receipt()
            .await
            .unwrap();
        let mut peer = script.accept("1.2").await;
        if choice == InFlight::Fail {
            for receipt in receipts {
                let error = soon(receipt.wait()).await.unwrap_err();
                assert!(
                    matches!(error, ReceiptError::ConnectionLost(_)),
                    "{error:?}"
                );
            }
        } else {
            for (expected, receipt) in ["two", "three"].into_iter().zip(receipts) {
                let frame = peer.frame().await;
                assert_eq!(frame.body, expected.as_bytes());
                peer.receipt(&frame).await;
                soon(receipt.wait()).await.unwrap();
            }
        }
        let frame = peer.frame().await;
        assert_eq!(frame.body, b"four");
        peer.receipt(&frame).await;
        soon(queued.wait()).await.unwrap();
    }
}

#[tokio::test]
async fn a_message_that_is_refused_is_not_sent_again() {
    let script = Script::new().await;
    let (client, mut peer) = pair(options(&script.url).in_flight(InFlight::Retry), &script).await;
    let bad = client
        .send("/nowhere")
        .body("bad")
        .pending_receipt()
        .await
        .unwrap();
    let good = client
        .send("/queue/a")
        .body("good")
        .pending_receipt()
        .await
        .unwrap();
    let frame = peer.frame().await;
    let id = frame.header("receipt").unwrap();
    peer.send(&format!(
        "ERROR\nreceipt-id:{id}\nmessage:no such place\n\n\0"
    ))
    .await;
    let error = soon(bad.wait()).await.unwrap_err();
    assert!(
        matches!(error, ReceiptError::Refused(Closed::ServerError { .. })),
        "{error:?}"
    );
    drop(peer);
    let mut peer = script.accept("1.2").await;
    let frame = peer.frame().await;
    assert_eq!(frame.body, b"good");
    peer.receipt(&frame).await;
    soon(good.wait()).await.unwrap();
}

#[tokio::test]
async fn what_belongs_to_the_lost_connection_fails_by_name() {
    let script = Script::new().await;
    let (client, mut peer) = pair(options(&script.url), &script).await;
    let mut events = client.events();
    let mut messages = client
        .subscribe("/queue/a")
        .ack(AckMode::ClientIndividual)
        .await
        .unwrap();
    let transaction = client.begin().await.unwrap();
    let other = client.begin().await.unwrap();
    for _ in 0..3 {
        peer.frame().await;
    }
    for number in 1..=2 {
        peer.send(&format!(
            "MESSAGE\nsubscription:{}\nmessage-id:{number}\nack:{number}\n\n\0",
            messages.id()
        ))
        .await;
    }
    let message = soon(messages.next()).await.unwrap().unwrap();
    drop(peer);
    lost(&mut events).await;
    assert!(matches!(message.ack().await, Err(AckError::ConnectionLost)));
    let error = transaction.send("/queue/a").await.unwrap_err();
    assert!(matches!(error, SendError::NoTransaction(_)), "{error:?}");
    let mut peer = script.accept("1.2").await;
    assert_eq!(peer.short().await, "SUBSCRIBE /queue/a");
    assert!(matches!(message.ack().await, Err(AckError::ConnectionLost)));
    let error = message.ack_in(&other).await.unwrap_err();
    assert!(matches!(error, AckError::ConnectionLost), "{error:?}");
    let error = transaction.commit().await.unwrap_err();
    assert!(
        matches!(error, TransactionError::ConnectionLost),
        "{error:?}"
    );
    drop(other);
    // The second was never given out: the server gives it again.
    let again = format!(
        "MESSAGE\nsubscription:{}\nmessage-id:2\nack:again\n\n\0",
        messages.id()
    );
    peer.send(&again).await;
    let message = soon(messages.next()).await.unwrap().unwrap();
    assert_eq!(message.header("ack"), Some("again"));
    message.ack().await.unwrap();
    assert_eq!(peer.short().await, "ACK again");
}

#[tokio::test]
async fn a_commit_without_its_receipt_is_of_unknown_outcome() {
    let script = Script::new().await;
    let (client, mut peer) = pair(options(&script.url), &script).await;
    let work = client.transaction(async |tx| {
        tx.send("/queue/a")
            .body("one")
            .await
            .map_err(|_| TransactionError::ConnectionLost)
    });
    let serve = async {
        for expected in ["BEGIN", "SEND one", "COMMIT"] {
            assert_eq!(peer.short().await, expected);
        }
        drop(peer);
        script.accept("1.2").await
    };
    let (outcome, _peer) = tokio::join!(soon(work), serve);
    assert!(
        matches!(outcome, Err(TransactionError::Unknown(_))),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn it_ends_when_the_login_is_refused_or_the_attempts_are_used_up() {
    let script = Script::new().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let options = options(&script.url).credentials(move || {
        let number = count.fetch_add(1, Ordering::SeqCst);
        async move { Ok(Credentials::new("ann", format!("token-{number}"))) }
    });
    let serve = async {
        let mut peer = script.accept_raw().await;
        assert_eq!(peer.frame().await.header("passcode"), Some("token-0"));
        peer.connected("1.2").await;
        drop(peer);
        let mut peer = script.accept_raw().await;
        assert_eq!(peer.frame().await.header("passcode"), Some("token-1"));
        peer.send("ERROR\nmessage:Access refused\n\n\0").await;
        peer
    };
    let (client, _peer) = tokio::join!(soon(options.connect()), serve);
    let client = client.unwrap();
    let mut messages = client.subscribe("/queue/a").await;
    if let Ok(messages) = &mut messages {
        let end = soon(messages.next()).await.unwrap().unwrap_err();
        let Closed::NotReconnected {
            attempts: 1,
            source,
        } = end
        else {
            panic!("{end:?}");
        };
        assert!(source.is_refused(), "{source:?}");
        assert!(messages.next().await.is_none());
    }
    let error = client.send("/queue/a").await.unwrap_err();
    let SendError::Closed(Unavailable::Closed(Closed::NotReconnected { .. })) = error else {
        panic!("{error:?}");
    };

    let script = Script::new().await;
    let options = ConnectOptions::new(&script.url).reconnect(policy().attempts(3));
    let (client, peer) = pair(options, &script).await;
    let mut events = client.events();
    drop((peer, script));
    let end = until(&mut events, |event| matches!(event, Event::Closed { .. })).await;
    let Event::Closed {
        reason: Closed::NotReconnected {
            attempts: 3,
            source,
        },
    } = end
    else {
        panic!("{end:?}");
    };
    assert!(matches!(*source, ConnectError::Io { .. }), "{source:?}");
    assert!(soon(events.next()).await.is_none());
}

#[tokio::test]
async fn several_servers_are_tried_in_turn() {
    let (first, second) = (Script::new().await, Script::new().await);
    let dead = "stomp://127.0.0.1:1".to_owned();
    let urls = [dead.clone(), first.url.clone(), second.url.clone()];
    let options = ConnectOptions::failover(urls).reconnect(policy());
    let (client, peer) = pair(options, &first).await;
    let mut events = client.events();
    drop((peer, first));
    let _peer = second.accept("1.2").await;
    let event = until(&mut events, |event| {
        matches!(event, Event::Connected { .. })
    })
    .await;
    assert!(matches!(event, Event::Connected { server, .. } if server == second.url));
    let error = ConnectOptions::failover([dead.clone(), dead])
        .connect()
        .await
        .unwrap_err();
    assert!(
        matches!(&error, ConnectError::AllServers(errors) if errors.len() == 2),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_is_queued_is_written_anew_for_another_version() {
    let script = Script::new().await;
    let (client, peer) = pair(options(&script.url), &script).await;
    let mut events = client.events();
    drop(peer);
    lost(&mut events).await;
    let send = client
        .send("/queue/a")
        .header("x", "a\rb")
        .body("not in 1.1");
    let bad = send.pending_receipt().await.unwrap();
    client
        .send("/queue/a")
        .header("x:y", "a\nb")
        .body("b\0dy")
        .await
        .unwrap();
    let mut peer = script.accept("1.1").await;
    let frame = peer.frame().await;
    assert_eq!(frame.header("x:y"), Some("a\nb"));
    assert_eq!(frame.body, b"b\0dy");
    let error = soon(bad.wait()).await.unwrap_err();
    assert!(
        matches!(error, ReceiptError::Send(SendError::Invalid(_))),
        "{error:?}"
    );
    until(&mut events, |event| {
        matches!(event, Event::Discarded { .. })
    })
    .await;
}

#[tokio::test]
async fn disconnecting_and_dropping_end_the_attempts() {
    let script = Script::new().await;
    let (client, peer) = pair(options(&script.url), &script).await;
    let mut events = client.events();
    drop((peer, script));
    lost(&mut events).await;
    assert!(client.disconnect().await.is_err());
    until(&mut events, |event| {
        matches!(
            event,
            Event::Closed {
                reason: Closed::Disconnected
            }
        )
    })
    .await;

    let script = Script::new().await;
    let (client, peer) = pair(options(&script.url), &script).await;
    let mut events = client.events();
    drop((peer, script, client));
    until(&mut events, |event| {
        matches!(
            event,
            Event::Closed {
                reason: Closed::Disconnected
            }
        )
    })
    .await;
}

#[tokio::test]
async fn the_first_connect_waits_for_a_server_if_it_is_to() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let options = ConnectOptions::new(&format!("stomp://{address}"));
    let connect = options
        .clone()
        .reconnect(policy().first_connect(true))
        .connect();
    let serve = async {
        let error = options.connect().await.unwrap_err();
        assert!(matches!(error, ConnectError::Io { .. }));
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"CONNECTED\nversion:1.2\n\n\0")
            .await
            .unwrap();
        stream
    };
    let (client, _stream) = tokio::join!(soon(connect), soon(serve));
    assert!(client.unwrap().is_connected());
}

/// Passes bytes on, and cuts after so many from the client.
async fn relay(upstream: String, cuts: usize) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("stomp://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        for number in 0.. {
            let (client, _) = listener.accept().await.unwrap();
            let server = tokio::net::TcpStream::connect(upstream.trim_start_matches("stomp://"));
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.await.unwrap().into_split();
            let down = tokio::spawn(async move {
                let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
            });
            // Not at frames: anywhere.
            let most = if number < cuts {
                3_001 + 977 * number
            } else {
                usize::MAX
            };
            let mut passed = 0;
            let mut chunk = [0; 1024];
            while passed < most {
                let Ok(count @ 1..) = from_client.read(&mut chunk).await else {
                    break;
                };
                let count = count.min(most - passed);
                if to_server.write_all(&chunk[..count]).await.is_err() {
                    break;
                }
                passed += count;
            }
            down.abort();
        }
    });
    url
}

#[tokio::test]
async fn every_receipted_message_arrives_over_a_link_that_breaks_again_and_again() {
    const COUNT: usize = 500;
    let server = TestServer::start().await;
    let url = relay(server.stomp.clone(), 8).await;
    let producer = options(&url)
        .in_flight(InFlight::Retry)
        .connect()
        .await
        .unwrap();
    let mut receipts = Vec::new();
    for number in 0..COUNT {
        let send = producer.send("/queue/a").body(number.to_string());
        receipts.push(soon(send.pending_receipt()).await.unwrap());
    }
    for receipt in receipts {
        soon(receipt.wait()).await.unwrap();
    }
    let consumer = stompbox::connect(&server.stomp).await.unwrap();
    let mut messages = consumer.subscribe("/queue/a").await.unwrap();
    let mut seen = vec![false; COUNT];
    while seen.contains(&false) {
        let message = soon(messages.next()).await.unwrap().unwrap();
        seen[message.text().unwrap().parse::<usize>().unwrap()] = true;
    }
}
