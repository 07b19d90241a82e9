//! Requests and replies, JSON, messages of no subscription, and transactions as closures.

mod common;

use std::time::Duration;

use common::{LIMIT, Script, TestServer, soon};
use futures_util::{FutureExt as _, StreamExt as _};
use stompbox::{AckMode, Event, RequestError, SendError, TransactionError};

#[tokio::test]
async fn requests_find_their_replies_among_each_other() {
    let server = TestServer::start().await;
    let worker = stompbox::connect(&server.ws).await.unwrap();
    let mut work = worker
        .subscribe("/queue/work")
        .ack(AckMode::ClientIndividual)
        .await
        .unwrap();
    tokio::spawn(async move {
        // Two at a time, answered in the other order.
        while let (Some(Ok(one)), Some(Ok(two))) = (work.next().await, work.next().await) {
            for message in [two, one] {
                let body = format!("re: {}", message.text().unwrap());
                message.reply().unwrap().body(body).await.unwrap();
                message.ack().await.unwrap();
            }
        }
    });
    let client = stompbox::connect(&server.stomp).await.unwrap();
    for round in 0..10 {
        let (one, two) = (format!("a{round}"), format!("b{round}"));
        let (first, second) = tokio::join!(
            client.request("/queue/work", one.clone(), LIMIT),
            client
                .send("/queue/work")
                .header("x", "y")
                .body(two.clone())
                .request(LIMIT)
        );
        assert_eq!(first.unwrap().text(), Some(&*format!("re: {one}")));
        assert_eq!(second.unwrap().text(), Some(&*format!("re: {two}")));
    }
}

#[tokio::test]
async fn replies_that_come_too_late_are_told_of() {
    let script = Script::new().await;
    let (client, mut peer) = tokio::join!(stompbox::connect(&script.url), script.accept("1.2"));
    let client = client.unwrap();
    let mut events = client.events();
    let error = client
        .request("/queue/work", "?", Duration::from_millis(1))
        .await
        .unwrap_err();
    assert!(matches!(error, RequestError::Timeout), "{error:?}");
    let subscribe = peer.frame().await;
    let queue = subscribe.header("destination").unwrap().to_owned();
    assert!(queue.starts_with("/temp-queue/"), "{queue}");
    let send = peer.frame().await;
    assert_eq!(send.header("reply-to"), Some(&*queue));
    let id = send.header("correlation-id").unwrap();
    peer.send(&format!(
        "MESSAGE\nsubscription:{queue}\nmessage-id:1\ncorrelation-id:{id}\n\nlate\0"
    ))
    .await;
    let Some(Event::LateReply(message)) = soon(events.next()).await else {
        panic!("a late reply");
    };
    assert_eq!(message.text(), Some("late"));
    peer.send("MESSAGE\nsubscription:nobody's\nmessage-id:2\n\n?\0")
        .await;
    let Some(Event::Unexpected(message)) = soon(events.next()).await else {
        panic!("an unexpected message");
    };
    assert_eq!(message.id(), "2");
    let pending = client.request("/queue/work", "?", LIMIT);
    let (error, ()) = tokio::join!(pending, async { drop(peer) });
    assert!(
        matches!(error, Err(RequestError::ConnectionLost(_))),
        "{error:?}"
    );
}

#[tokio::test]
async fn rabbitmq_subscribes_to_the_reply_queue_by_itself() {
    let script = Script::new().await;
    let serve = async {
        let mut peer = script.accept_raw().await;
        peer.frame().await;
        peer.send("CONNECTED\nversion:1.1\nserver:RabbitMQ/3.10.8\n\n\0")
            .await;
        let send = peer.frame().await;
        assert_eq!(send.command.as_str(), "SEND");
        let (queue, id) = (
            send.header("reply-to").unwrap(),
            send.header("correlation-id").unwrap(),
        );
        peer.send(&format!(
            "MESSAGE\nsubscription:{queue}\nmessage-id:1\ncorrelation-id:{id}\n\nyes\0"
        ))
        .await;
        peer
    };
    let ask = async {
        let client = stompbox::connect(&script.url).await.unwrap();
        client.request("/queue/work", "?", LIMIT).await
    };
    let (reply, _peer) = tokio::join!(soon(ask), serve);
    assert_eq!(reply.unwrap().text(), Some("yes"));
}

#[cfg(feature = "json")]
#[tokio::test]
async fn json_goes_there_and_back() {
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Order {
        id: u32,
        items: Vec<String>,
    }
    let server = TestServer::start().await;
    let client = stompbox::connect(&server.stomp).await.unwrap();
    let mut orders = client.subscribe("/queue/orders").receipt().await.unwrap();
    let order = Order {
        id: 7,
        items: vec!["ä".into(), "b\0".into()],
    };
    client
        .send("/queue/orders")
        .json(&order)
        .unwrap()
        .await
        .unwrap();
    client.send("/queue/orders").body("{").await.unwrap();
    let message = soon(orders.next()).await.unwrap().unwrap();
    assert_eq!(message.header("content-type"), Some("application/json"));
    assert_eq!(message.json::<Order>().unwrap(), order);
    let message = soon(orders.next()).await.unwrap().unwrap();
    let error = message.json::<Order>().unwrap_err();
    assert!(std::error::Error::source(&error).is_some());
    let keys = std::collections::HashMap::from([(vec![1], 1)]);
    assert!(client.send("/queue/orders").json(&keys).is_err());
}

#[derive(Debug)]
enum Failure {
    Mine,
    Other,
}

impl From<TransactionError> for Failure {
    fn from(_: TransactionError) -> Self {
        Self::Other
    }
}

impl From<SendError> for Failure {
    fn from(_: SendError) -> Self {
        Self::Other
    }
}

#[tokio::test]
async fn a_closure_commits_if_it_succeeds_and_aborts_if_not() {
    let server = TestServer::start().await;
    let client = stompbox::connect(&server.stomp).await.unwrap();
    let mut messages = client.subscribe("/queue/a").await.unwrap();
    let outcome = client.transaction(async |tx| {
        tx.send("/queue/a").body("aborted").await?;
        Err::<(), _>(Failure::Mine)
    });
    assert!(matches!(outcome.await, Err(Failure::Mine)));
    let dropped = client.transaction(async |tx| {
        tx.send("/queue/a").body("dropped").await?;
        std::future::pending::<Result<(), Failure>>().await
    });
    assert!(dropped.now_or_never().is_none());
    // It may change threads.
    let other = client.clone();
    let committed = tokio::spawn(async move {
        let work = other.transaction(async |tx| {
            tx.send("/queue/a").body("one").await?;
            tx.send("/queue/a").body("two").await?;
            Ok::<_, Failure>(2)
        });
        work.await
    });
    assert_eq!(committed.await.unwrap().unwrap(), 2);
    for expected in ["one", "two"] {
        let message = soon(messages.next()).await.unwrap().unwrap();
        assert_eq!(message.text(), Some(expected));
    }
    client.disconnect().await.unwrap();
    assert!(messages.next().await.is_none());
}

#[tokio::test]
async fn a_receipt_arrives_though_its_reader_is_slow() {
    // The receipt is behind more messages than the subscription's buffer holds.
    let server = TestServer::start().await;
    let client = stompbox::connect(&server.stomp).await.unwrap();
    for number in 0..100 {
        client
            .send("/queue/a")
            .body(number.to_string())
            .await
            .unwrap();
    }
    let mut messages = client.subscribe("/queue/a").buffer(1).await.unwrap();
    for number in 0..100 {
        let message = soon(messages.next()).await.unwrap().unwrap();
        assert_eq!(message.text(), Some(&*number.to_string()));
        soon(client.send("/queue/b").receipt()).await.unwrap();
    }
}

#[tokio::test]
async fn a_slow_program_is_told_so() {
    let server = TestServer::start().await;
    let client = stompbox::connect(&server.stomp).await.unwrap();
    let mut events = client.events();
    let mut messages = client.subscribe("/queue/a").buffer(2).await.unwrap();
    for _ in 0..5 {
        client.send("/queue/a").await.unwrap();
    }
    let Some(Event::SlowConsumer {
        subscription,
        waiting: 2,
    }) = soon(events.next()).await
    else {
        panic!("a slow consumer");
    };
    assert_eq!(subscription, messages.id());
    for _ in 0..5 {
        soon(messages.next()).await.unwrap().unwrap();
    }
}
