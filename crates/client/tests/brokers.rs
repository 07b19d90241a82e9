//! A conversation with brokers of others: those that `STOMPBOX_TEST_BROKERS` names, as URLs with
//! blanks between, where `guest` may log in with the passcode `guest`. Without it there is only
//! our own. `STOMPBOX_TEST_CA`: a file with the root of those within TLS.

mod common;

use common::{LIMIT, TestServer, soon};
use futures_util::StreamExt as _;
use stompbox::{AckMode, Client, ConnectOptions, Farewell, HeartBeat};

async fn connect(url: &str) -> Client {
    soon(options(url).connect()).await.unwrap()
}

fn options(url: &str) -> ConnectOptions {
    // RabbitMQ's virtual host; the others don't mind.
    let options = ConnectOptions::new(url)
        .login("guest")
        .passcode("guest")
        .host("/");
    #[cfg(feature = "tls")]
    let options = match std::env::var_os("STOMPBOX_TEST_CA") {
        Some(root) => options.tls(stompbox::TlsOptions::new().roots_file(root)),
        None => options,
    };
    options
}

async fn converse(url: &str) {
    println!("{url}");
    let client = connect(url).await;
    // RabbitMQ sends text alone over a WebSocket, unless web_stomp.ws_frame is binary: bytes that
    // aren't UTF-8 end the connection.
    let body = if url.starts_with("ws") {
        "\0ä".into()
    } else {
        b"\0\xff".to_vec()
    };
    let queue = format!("/queue/stompbox-{}", std::process::id());
    let subscribe = client.subscribe(&queue).ack(AckMode::ClientIndividual);
    let mut messages = soon(subscribe.receipt()).await.unwrap();
    let send = client
        .send(&queue)
        .header("x", "a:b\\c\n")
        .persistent()
        .body(body.clone());
    soon(send.receipt()).await.unwrap();
    let message = soon(messages.next()).await.unwrap().unwrap();
    assert_eq!(message.header("x"), Some("a:b\\c\n"));
    assert_eq!(message.body()[..], body);
    message.ack().await.unwrap();
    let mut receipts = Vec::new();
    for number in 0..100 {
        let send = client.send(&queue).body(number.to_string());
        receipts.push(send.pending_receipt().await.unwrap());
    }
    for number in 0..100 {
        let message = soon(messages.next()).await.unwrap().unwrap();
        assert_eq!(message.text(), Some(&*number.to_string()));
        message.ack().await.unwrap();
    }
    for receipt in receipts {
        soon(receipt.wait()).await.unwrap();
    }
    let work = client.transaction(async |tx| {
        for text in ["one", "two"] {
            tx.send(&queue).body(text).await.unwrap();
        }
        Ok::<_, stompbox::TransactionError>(())
    });
    soon(work).await.unwrap();
    let aborted = client.begin().await.unwrap();
    aborted.send(&queue).body("never").await.unwrap();
    drop(aborted);
    client.send(&queue).body("three").await.unwrap();
    for expected in ["one", "two", "three"] {
        let message = soon(messages.next()).await.unwrap().unwrap();
        assert_eq!(message.text(), Some(expected));
        message.ack().await.unwrap();
    }
    let worker = connect(url).await;
    let work = format!("{queue}-work");
    let mut requests = soon(worker.subscribe(&work).receipt()).await.unwrap();
    let answer = async {
        for _ in 0..3 {
            let request = soon(requests.next()).await.unwrap().unwrap();
            let text = request.text().unwrap().to_uppercase();
            request
                .reply()
                .expect("a reply-to")
                .body(text)
                .await
                .unwrap();
        }
    };
    let ask = async {
        for (question, answer) in [("a", "A"), ("b", "B"), ("c", "C")] {
            let reply = client.request(&work, question, LIMIT).await.unwrap();
            assert_eq!(reply.text(), Some(answer));
        }
    };
    tokio::join!(answer, ask);
    drop(requests);
    let rabbitmq = client
        .connected_header("server")
        .is_some_and(|server| server.starts_with("RabbitMQ"));
    for client in [worker, client] {
        // Its WebSocket is closed before the receipt of DISCONNECT: rabbitmq-server issue 6737.
        let expected = match rabbitmq && url.starts_with("ws") {
            true => Farewell::Close,
            false => Farewell::Receipt,
        };
        assert_eq!(soon(client.disconnect()).await.unwrap(), expected);
    }
}

/// More at a time than a broker takes in at once, so that it has to push back.
async fn burst(url: &str) {
    let options = options(url).heart_beat(HeartBeat::new(0, 10_000));
    let client = soon(options.connect()).await.unwrap();
    let queue = format!("/queue/stompbox-burst-{}", std::process::id());
    let mut receipts = Vec::new();
    for number in 0..2000 {
        let send = client.send(&queue).body(number.to_string());
        receipts.push(soon(send.pending_receipt()).await.unwrap());
    }
    for receipt in receipts {
        soon(receipt.wait()).await.unwrap();
    }
    let mut messages = client.subscribe(&queue).await.unwrap();
    for number in 0..2000 {
        let message = soon(messages.next()).await.unwrap().unwrap();
        assert_eq!(message.text(), Some(&*number.to_string()));
    }
}

#[tokio::test]
async fn a_conversation_goes_the_same_way_with_each_broker() {
    let own = TestServer::start().await;
    for url in [&own.stomp, &own.ws] {
        converse(url).await;
        burst(url).await;
    }
    match std::env::var("STOMPBOX_TEST_BROKERS") {
        Ok(urls) => {
            for url in urls.split_whitespace() {
                converse(url).await;
                burst(url).await;
            }
        }
        Err(_) => println!("others are skipped: STOMPBOX_TEST_BROKERS names none"),
    }
}
