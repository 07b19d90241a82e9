//! The client against a real server, over TCP and WebSocket.

use std::{future::Future, time::Duration};

use futures_util::{FutureExt as _, StreamExt as _, future::join_all};
use stompbox::{
    AckMode, Client, Closed, ConnectError, ConnectOptions, ReceiptError, SendError, Unavailable,
    Versions,
};
use stompbox_server::{Config, Listen, Server, User};
use tokio::{sync::oneshot, time::timeout};

const LIMIT: Duration = Duration::from_secs(30);

struct TestServer {
    urls: [String; 2],
    _stop: oneshot::Sender<()>,
}

async fn start(config: Config) -> TestServer {
    let free = "127.0.0.1:0".parse().unwrap();
    let server = Server::bind(Config {
        listen: vec![Listen::stomp(free), Listen::http(free)],
        ..config
    })
    .await
    .unwrap();
    let urls = [
        format!("stomp://{}", server.stomp_addrs()[0]),
        format!("ws://{}/stomp", server.http_addrs()[0]),
    ];
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(server.run(stopped.map(drop)));
    TestServer { urls, _stop: stop }
}

/// Runs a test over both transports, each on a server of its own.
async fn each<F: Future<Output = ()>>(test: impl Fn(Client) -> F) {
    for transport in 0..2 {
        let server = start(Config::default()).await;
        let client = stompbox::connect(&server.urls[transport]).await.unwrap();
        timeout(LIMIT, test(client)).await.expect("no hang");
    }
}

#[tokio::test]
async fn sends_and_receives_text_and_bytes() {
    each(|client| async move {
        let mut messages = client.subscribe("/queue/a").await.unwrap();
        client
            .send("/queue/a")
            .header("x", "C:\\new\n")
            .body("hällo")
            .await
            .unwrap();
        client
            .send("/queue/a")
            .body(&b"\0\xff\xfe\0"[..])
            .receipt()
            .await
            .unwrap();
        let message = messages.next().await.unwrap().unwrap();
        assert_eq!(message.text(), Some("hällo"));
        assert_eq!(message.header("x"), Some("C:\\new\n"));
        assert_eq!(message.destination(), "/queue/a");
        let message = messages.next().await.unwrap().unwrap();
        assert_eq!(&message.body()[..], b"\0\xff\xfe\0");
        client.disconnect().await.unwrap();
        assert!(messages.next().await.is_none());
    })
    .await;
}

#[tokio::test]
async fn every_version_can_be_asked_for() {
    let server = start(Config::default()).await;
    for version in Versions::ALL.iter() {
        let options = ConnectOptions::new(&server.urls[1]).versions(Versions::only(version));
        assert_eq!(options.connect().await.unwrap().version(), version);
    }
}

#[tokio::test]
async fn ten_thousand_receipts_are_pipelined() {
    each(|client| async move {
        let mut receipts = Vec::new();
        for n in 0..10_000 {
            let send = client.send("/topic/nobody").body(n.to_string());
            receipts.push(send.pending_receipt().await.unwrap());
        }
        for outcome in join_all(receipts.into_iter().map(stompbox::PendingReceipt::wait)).await {
            outcome.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn messages_are_acknowledged_and_refused() {
    each(|client| async move {
        let subscribe = || client.subscribe("/queue/a").ack(AckMode::ClientIndividual);
        let mut messages = subscribe().await.unwrap();
        for body in ["one", "two"] {
            client.send("/queue/a").body(body).await.unwrap();
        }
        let one = messages.next().await.unwrap().unwrap();
        let two = messages.next().await.unwrap().unwrap();
        one.nack().await.unwrap();
        two.ack().await.unwrap();
        let again = messages.next().await.unwrap().unwrap();
        assert_eq!(
            (again.id(), again.header("redelivered")),
            (one.id(), Some("true"))
        );
        // Dropped without an answer: it is there for the next.
        drop(messages);
        let mut messages = subscribe().await.unwrap();
        let third = messages.next().await.unwrap().unwrap();
        assert_eq!(third.text(), Some("one"));
        third.ack().await.unwrap();
        client.disconnect().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn transactions_commit_abort_and_abort_when_dropped() {
    each(|client| async move {
        let mut messages = client.subscribe("/queue/a").await.unwrap();
        let kept = client.begin().await.unwrap();
        kept.send("/queue/a").body("kept").await.unwrap();
        let aborted = client.begin().await.unwrap();
        aborted.send("/queue/a").body("aborted").await.unwrap();
        let dropped = client.begin().await.unwrap();
        dropped.send("/queue/a").body("dropped").await.unwrap();
        aborted.abort().await.unwrap();
        drop(dropped);
        kept.commit().await.unwrap();
        client.send("/queue/a").body("last").await.unwrap();
        for expected in ["kept", "last"] {
            assert_eq!(
                messages.next().await.unwrap().unwrap().text(),
                Some(expected)
            );
        }
    })
    .await;
}

#[tokio::test]
async fn an_error_of_the_server_reaches_everybody_who_waits() {
    each(|client| async move {
        let mut messages = client.subscribe("/queue/a").await.unwrap();
        let error = client.send("/nowhere").receipt().await.unwrap_err();
        let ReceiptError::Refused(Closed::ServerError {
            message,
            receipt_id,
            ..
        }) = error
        else {
            panic!("{error:?}");
        };
        assert!(message.contains("/nowhere"), "{message}");
        assert!(receipt_id.is_some());
        let error = messages.next().await.unwrap().unwrap_err();
        assert!(matches!(error, Closed::ServerError { .. }));
        assert!(messages.next().await.is_none());
        let error = client.send("/queue/a").await.unwrap_err();
        assert!(matches!(
            error,
            SendError::Closed(Unavailable::Closed(Closed::ServerError { .. }))
        ));
    })
    .await;
}

#[tokio::test]
async fn a_slow_program_slows_the_broker_and_loses_nothing() {
    each(|client| async move {
        let mut messages = client.subscribe("/queue/a").buffer(1).await.unwrap();
        let body = "x".repeat(100_000);
        let producer = client.clone();
        let sending = tokio::spawn(async move {
            for n in 0..200 {
                producer
                    .send("/queue/a")
                    .header("n", &n.to_string())
                    .body(body.clone())
                    .await?;
            }
            Ok::<_, SendError>(())
        });
        for n in 0..200 {
            let message = messages.next().await.unwrap().unwrap();
            assert_eq!(message.header("n"), Some(&*n.to_string()));
            assert_eq!(message.body().len(), 100_000);
        }
        sending.await.unwrap().unwrap();
    })
    .await;
}

#[tokio::test]
async fn connecting_fails_with_a_reason() {
    let user = User::with_passcode("ann", "right").unwrap();
    let server = start(Config {
        users: vec![user],
        ..Config::default()
    })
    .await;
    for url in &server.urls {
        let login = |passcode| ConnectOptions::new(url).login("ann").passcode(passcode);
        login("right").connect().await.unwrap();
        let error = login("wrong").connect().await.unwrap_err();
        assert!(
            matches!(error, ConnectError::Closed(Closed::ServerError { .. })),
            "{error}"
        );
        assert!(!format!("{:?}", login("wrong")).contains("wrong"));
    }
    for (url, part) in [
        ("http://x/", "scheme"),
        ("wss://x/", "x"),
        ("nonsense", "nonsense"),
        ("stomp://127.0.0.1:1", "127.0.0.1:1"),
    ] {
        let error = stompbox::connect(url).await.unwrap_err();
        assert!(error.to_string().contains(part), "{url}: {error}");
    }
    let error = ConnectOptions::new(&server.urls[0])
        .login("a\nb")
        .connect()
        .await
        .unwrap_err();
    assert!(matches!(error, ConnectError::Header(_)), "{error}");
}

#[tokio::test]
async fn passcodes_are_in_no_error_and_no_debug_output() {
    let options = ConnectOptions::new("stomp://ann:s3cret@127.0.0.1:1").passcode("oth3r");
    let shown = format!("{options:?}");
    assert!(
        !shown.contains("s3cret") && !shown.contains("oth3r"),
        "{shown}"
    );
    for (url, passcode, expected) in [
        (
            "stomp://ann:s3cret@127.0.0.1:1",
            "",
            "can't connect to \"stomp://127.0.0.1:1\": login and passcode are given by options, not in the URL",
        ),
        (
            "wss://ann:s3cret@127.0.0.1/a@b",
            "",
            "can't connect to \"wss://127.0.0.1/a@b\": login and passcode are given by options, not in the URL",
        ),
        ("ann:s3cret@@", "", "can't connect to \"\": it is not a URL"),
        (
            "stomp://127.0.0.1:1",
            "s3cret\nmore",
            "the passcode has a line end or NUL, which CONNECT can't hold",
        ),
    ] {
        let error = ConnectOptions::new(url)
            .passcode(passcode)
            .connect()
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test]
async fn a_vanished_server_is_noticed() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("stomp://{}", listener.local_addr().unwrap());
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"CONNECTED\nversion:1.2\n\n\0")
            .await
            .unwrap();
        stream
    };
    let (client, stream) = tokio::join!(stompbox::connect(&url), serve);
    let client = client.unwrap();
    let mut messages = client.subscribe("/queue/a").await.unwrap();
    drop(stream);
    let end = timeout(LIMIT, messages.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap_err();
    assert!(matches!(end, Closed::ByServer | Closed::Io(_)), "{end:?}");
}
