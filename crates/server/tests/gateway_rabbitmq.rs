//! The gateway in front of real RabbitMQs, which the tests start:
//! `cargo test -p stompbox-server --test gateway_rabbitmq -- --ignored`.

mod common;

use std::{collections::BTreeMap, time::Duration};

use common::{LIMIT, Raw, TestServer, body, header};
use stompbox_rabbitmq::Rabbit;
use stompbox_server::{Config, GatewayConfig, GatewayMode, UpstreamKind};
use tokio::time::{sleep, timeout};

async fn gateway(mode: GatewayMode, rabbits: &[&Rabbit]) -> TestServer {
    let upstreams = rabbits.iter().map(|rabbit| rabbit.tcp().parse().unwrap());
    let mut gateway = GatewayConfig::new(upstreams);
    gateway.kind = UpstreamKind::Rabbitmq;
    gateway.mode = mode;
    gateway.connections = 2;
    gateway.login = Some("guest".into());
    gateway.passcode = Some("guest".into());
    TestServer::with(Config {
        gateway: Some(gateway),
        ..Config::default()
    })
    .await
}

const LOGIN: &str = "login:guest\npasscode:guest\n";

/// Sends without waiting, for what comes back may come before the receipt.
async fn subscribe(client: &mut Raw, id: &str, destination: &str, more: &str) {
    client
        .send(&format!(
            "SUBSCRIBE\nid:{id}\ndestination:{destination}\n{more}receipt:sub-{id}\n\n\0"
        ))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs rabbitmq-server"]
async fn one_node_serves_what_browsers_ask() {
    let rabbit = Rabbit::start().unwrap();
    for mode in [GatewayMode::Pooled, GatewayMode::Passthrough] {
        let gateway = gateway(mode, &[&rabbit]).await;
        what_is_left_goes_back(&gateway, mode).await;
        names_are_as_clients_know_them(&gateway, mode).await;
        selectors_choose_from_topics(&gateway).await;
        requests_are_answered(&gateway).await;
        errors_are_whose_fault_they_are(&gateway).await;
        if mode == GatewayMode::Pooled {
            one_frame_ends_nobody_elses_connection(&gateway, &rabbit).await;
        }
        users_are_by_themselves(&gateway).await;
        acknowledging_is_each_clients_own(&gateway, mode).await;
        dead_tabs_leave_nothing(&gateway, &rabbit).await;
        gateway.stop().await;
    }
    nodes_share_users_and_topics(&rabbit).await;
}

/// RabbitMQ itself keeps what an ended subscription holds for as long as the connection lives.
async fn what_is_left_goes_back(gateway: &TestServer, mode: GatewayMode) {
    let queue = format!("/queue/left.{mode}");
    let mut client = gateway.client_as("1.2", LOGIN).await;
    client
        .done(
            &format!(
                "SUBSCRIBE\nid:1\ndestination:{queue}\nack:client-individual\nprefetch-count:2"
            ),
            "",
        )
        .await;
    for text in ["a", "b", "c"] {
        client
            .send(&format!("SEND\ndestination:{queue}\n\n{text}\0"))
            .await;
    }
    let a = client.message("a").await;
    client.message("b").await;
    // No more than it asked for is handed to it.
    client
        .send(&format!("ACK\nid:{}\n\n\0", header(&a, "ack").unwrap()))
        .await;
    client.message("c").await;
    client.done("UNSUBSCRIBE\nid:1", "").await;
    let mut other = gateway.client_as("1.1", LOGIN).await;
    subscribe(&mut other, "2", &queue, "ack:client\n").await;
    let mut seen = Vec::new();
    if mode == GatewayMode::Passthrough {
        // There RabbitMQ's own rule holds: they go back with the connection.
        drop(client);
    }
    while seen.len() < 2 {
        let frame = other.frame().await;
        if frame.starts_with("MESSAGE\n") {
            assert_eq!(header(&frame, "redelivered"), Some("true"), "{frame}");
            seen.push(body(&frame).to_owned());
        }
    }
    seen.sort();
    assert_eq!(seen, ["b", "c"]);
    // And by a tab that dies.
    drop(other);
    let mut last = gateway.client_as("1.2", LOGIN).await;
    subscribe(&mut last, "3", &queue, "").await;
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let frame = last.frame().await;
        if frame.starts_with("MESSAGE\n") {
            seen.push(body(&frame).to_owned());
        }
    }
    seen.sort();
    assert_eq!(seen, ["b", "c"]);
    last.send("DISCONNECT\nreceipt:bye\n\n\0").await;
    while last.try_frame().await.is_some() {}
}

async fn names_are_as_clients_know_them(gateway: &TestServer, mode: GatewayMode) {
    let mut client = gateway.client_as("1.2", LOGIN).await;
    for (destination, pattern) in [
        (format!("/queue/ä b/{mode}"), None),
        (format!("/topic/a.b.{mode}"), Some("/topic/a.>")),
        ("/topic/x.y".to_owned(), Some("/topic/x.*")),
    ] {
        let from = pattern.unwrap_or(&destination);
        client
            .done(&format!("SUBSCRIBE\nid:1\ndestination:{from}"), "")
            .await;
        client
            .send(&format!("SEND\ndestination:{destination}\n\nhello\0"))
            .await;
        let message = client.message("hello").await;
        assert_eq!(header(&message, "destination"), Some(&*destination));
        client.done("UNSUBSCRIBE\nid:1", "").await;
    }
}

async fn selectors_choose_from_topics(gateway: &TestServer) {
    let mut client = gateway.client_as("1.2", LOGIN).await;
    client
        .done(
            "SUBSCRIBE\nid:1\ndestination:/topic/rooms\nselector:room = 'x' AND priority > 3",
            "",
        )
        .await;
    for (room, text) in [("y", "no"), ("x", "yes")] {
        client
            .send(&format!(
                "SEND\ndestination:/topic/rooms\nroom:{room}\npriority:5\n\n{text}\0"
            ))
            .await;
    }
    client.message("yes").await;
    client
        .send("SUBSCRIBE\nid:2\ndestination:/queue/rooms\nselector:room = 'x'\nreceipt:r\n\n\0")
        .await;
    let error = client.error("invalid-request").await;
    assert!(error.contains("RabbitMQ has no selectors"), "{error}");
}

async fn requests_are_answered(gateway: &TestServer) {
    let mut worker = gateway.client_as("1.2", LOGIN).await;
    worker
        .done("SUBSCRIBE\nid:w\ndestination:/queue/work", "")
        .await;
    // As our broker and ActiveMQ have it, and as RabbitMQ has it.
    for subscribes in [true, false] {
        let mut client = gateway.client_as("1.2", LOGIN).await;
        if subscribes {
            client
                .done("SUBSCRIBE\nid:mine\ndestination:/temp-queue/answers", "")
                .await;
        }
        client
            .send("SEND\ndestination:/queue/work\nreply-to:/temp-queue/answers\n\n2+2\0")
            .await;
        let request = worker.message("2+2").await;
        let to = header(&request, "reply-to").expect("where to answer");
        worker.done(&format!("SEND\ndestination:{to}"), "4").await;
        let answer = client.message("4").await;
        let wanted = if subscribes {
            "mine"
        } else {
            "/temp-queue/answers"
        };
        assert_eq!(header(&answer, "subscription"), Some(wanted), "{answer}");
    }
}

async fn errors_are_whose_fault_they_are(gateway: &TestServer) {
    let mut innocent = gateway.client_as("1.2", LOGIN).await;
    innocent
        .done(
            "SUBSCRIBE\nid:1\ndestination:/queue/innocent\nack:client",
            "",
        )
        .await;
    for frame in [
        "SEND\ndestination:/exchange/no.such/key\nreceipt:r\n\nx\0",
        "SUBSCRIBE\nid:1\ndestination:/amq/queue/no.such\nreceipt:r\n\n\0",
        "SEND\ndestination:/no/such\nreceipt:r\n\nx\0",
    ] {
        let mut guilty = gateway.client_as("1.2", LOGIN).await;
        guilty.send(frame).await;
        let error = guilty.frame().await;
        assert!(error.starts_with("ERROR\n"), "{frame}: {error}");
        assert_eq!(
            header(&error, "x-error-code"),
            Some("upstream-error"),
            "{error}"
        );
    }
    innocent
        .send("SEND\ndestination:/queue/innocent\n\nstill here\0")
        .await;
    innocent.message("still here").await;
}

/// What RabbitMQ closes a connection for costs nobody else anything.
async fn one_frame_ends_nobody_elses_connection(gateway: &TestServer, rabbit: &Rabbit) {
    let mut innocent = gateway.client_as("1.2", LOGIN).await;
    innocent.done("BEGIN\ntransaction:t", "").await;
    let declare = "rabbit_amqqueue:declare(rabbit_misc:r(<<\"/\">>, queue, <<\"other\">>), true, false, \
         [{<<\"x-max-length\">>, long, 5}], none, <<\"test\">>).";
    rabbit.control(&["eval", declare]).unwrap();
    let losses = |gateway: &TestServer| -> u64 {
        let status = gateway.gateway.as_ref().unwrap().status();
        status.connections.iter().map(|it| it.losses).sum()
    };
    let before = losses(gateway);
    for frame in [
        "SEND\ndestination:/topic/x\nexpiration:abc\nreceipt:r\n\nx\0",
        "SEND\ndestination:/topic/x\nuser-id:bob\nreceipt:r\n\nx\0",
        "SEND\ndestination:/topic/x\nmessage-id:abc\nreceipt:r\n\nx\0",
        "SEND\ndestination:/topic/x\npriority:abc\nreceipt:r\n\nx\0",
        "SEND\ndestination:/topic/x\nCC:abc\nreceipt:r\n\nx\0",
        "SEND\ndestination:/topic/x\nBCC:abc\nreceipt:r\n\nx\0",
        "SUBSCRIBE\nid:1\ndestination:/queue/a\\nb\nreceipt:r\n\n\0",
        "SUBSCRIBE\nid:1\ndestination:/queue/a\\rb\nack:client\nreceipt:r\n\n\0",
        "SEND\ndestination:/queue/innocent\nx-max-length:5\nreceipt:r\n\nx\0",
        "SEND\ndestination:/queue/amq.x\nreceipt:r\n\nx\0",
        "SUBSCRIBE\nid:1\ndestination:/queue/innocent\nx-max-length:5\nreceipt:r\n\n\0",
        "SUBSCRIBE\nid:1\ndestination:/queue/innocent\ndurable:false\nreceipt:r\n\n\0",
    ] {
        let mut guilty = gateway.client_as("1.2", LOGIN).await;
        guilty.send(frame).await;
        let answer = guilty.frame().await;
        assert!(answer.starts_with("ERROR\n"), "{frame}: {answer}");
    }
    assert_eq!(losses(gateway), before, "no shared connection was lost");
    // Its receipt would come with that of the COMMIT.
    innocent
        .send("SEND\ndestination:/queue/innocent.tx\ntransaction:t\n\nx\0")
        .await;
    innocent.done("COMMIT\ntransaction:t", "").await;
    // Nor for a queue that a client of the gateway made otherwise.
    for (made, queue) in [
        (
            "SEND\ndestination:/queue/odd/1\nx-max-length:5",
            "/queue/odd/1",
        ),
        (
            "SUBSCRIBE\nid:1\ndestination:/queue/odd2\nauto-delete:true",
            "/queue/odd2",
        ),
        (
            "SUBSCRIBE\nid:1\ndestination:/topic/x\nx-queue-name:odd/3\nauto-delete:true",
            "/queue/odd/3",
        ),
    ] {
        let mut maker = gateway.client_as("1.2", LOGIN).await;
        maker.done(made, "").await;
        // It has been noted before this is answered.
        maker
            .done("SEND\ndestination:/topic/x\nuser-id:guest", "")
            .await;
        for frame in ["SUBSCRIBE\nid:1", "SEND"] {
            let mut guilty = gateway.client_as("1.2", LOGIN).await;
            guilty
                .send(&format!("{frame}\ndestination:{queue}\nreceipt:r\n\n\0"))
                .await;
            let answer = guilty.frame().await;
            assert!(answer.starts_with("ERROR\n"), "{queue}: {answer}");
        }
    }
    assert_eq!(losses(gateway), before, "no shared connection was lost");
    // What nobody can know before costs a connection once, and then its client alone.
    for _ in 0..4 {
        let mut guilty = gateway.client_as("1.2", LOGIN).await;
        guilty
            .send("SUBSCRIBE\nid:1\ndestination:/queue/other\nreceipt:r\n\n\0")
            .await;
        let answer = guilty.frame().await;
        assert!(answer.starts_with("ERROR\n"), "{answer}");
    }
    assert!(losses(gateway) <= before + 1, "{}", losses(gateway));
}

async fn users_are_by_themselves(gateway: &TestServer) {
    let mut ann = gateway
        .client_as("1.2", "login:guest\npasscode:guest\n")
        .await;
    ann.done("SUBSCRIBE\nid:u\ndestination:/user/queue/p", "")
        .await;
    let mut spy = gateway.client_as("1.2", LOGIN).await;
    spy.done("SUBSCRIBE\nid:1\ndestination:/topic/#", "").await;
    ann.send("SEND\ndestination:/user/queue/p\n\nsecret\0")
        .await;
    ann.message("secret").await;
    spy.send("SEND\ndestination:/topic/open\n\nopen\0").await;
    spy.message("open").await;
    for frame in [
        "SUBSCRIBE\nid:2\ndestination:/topic/stompbox.user.guest.queue.p\n\n\0",
        "SEND\ndestination:/exchange/amq.topic/stompbox.user.guest.queue.p\n\n\0",
    ] {
        let mut spy = gateway.client_as("1.2", LOGIN).await;
        spy.send(frame).await;
        spy.error("invalid-request").await;
    }
}

/// RabbitMQ takes a cumulative `ACK` for all that its connection got.
async fn acknowledging_is_each_clients_own(gateway: &TestServer, mode: GatewayMode) {
    let (slow, quick) = (
        format!("/queue/slow.{mode}"),
        format!("/queue/quick.{mode}"),
    );
    let mut clients = Vec::new();
    // As many as there are connections and more, so that two are on the same.
    for _ in 0..3 {
        let mut client = gateway.client_as("1.2", LOGIN).await;
        client
            .done(
                &format!("SUBSCRIBE\nid:s\ndestination:{slow}\nack:client\nprefetch-count:1"),
                "",
            )
            .await;
        client
            .done(
                &format!("SUBSCRIBE\nid:q\ndestination:{quick}\nack:client"),
                "",
            )
            .await;
        clients.push(client);
    }
    let mut producer = gateway.client_as("1.2", LOGIN).await;
    for _ in 0..3 {
        producer
            .done(&format!("SEND\ndestination:{slow}"), "unacknowledged")
            .await;
    }
    for client in &mut clients {
        client.message("unacknowledged").await;
    }
    for number in 0..6 {
        producer
            .done(&format!("SEND\ndestination:{quick}"), &number.to_string())
            .await;
    }
    if mode == GatewayMode::Passthrough {
        // A connection is one client's, which may not mix what it acknowledges.
        return;
    }
    for client in &mut clients {
        let mut last = client.frame().await;
        let more = timeout(Duration::from_millis(300), client.frame()).await;
        if let Ok(frame) = more {
            last = frame;
        }
        let id = header(&last, "ack").unwrap();
        client.done(&format!("ACK\nid:{id}"), "").await;
    }
    drop(clients);
    let mut other = gateway.client_as("1.2", LOGIN).await;
    subscribe(&mut other, "o", &slow, "").await;
    let mut left = 0;
    while left < 3 {
        let frame = other.frame().await;
        left += usize::from(frame.starts_with("MESSAGE\n"));
    }
}

async fn dead_tabs_leave_nothing(gateway: &TestServer, rabbit: &Rabbit) {
    let temporary = || {
        let queues = rabbit.control(&["list_queues", "name", "durable"]).unwrap();
        queues
            .lines()
            .filter(|line| line.ends_with("false"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let mut clients = Vec::new();
    for number in 0..5 {
        let mut client = gateway.client_as("1.2", LOGIN).await;
        client
            .done(
                &format!("SUBSCRIBE\nid:1\ndestination:/topic/tab.{number}"),
                "",
            )
            .await;
        clients.push(client);
    }
    assert!(temporary().len() >= 5);
    drop(clients);
    let wait = async {
        while !temporary().is_empty() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(LIMIT, wait)
        .await
        .unwrap_or_else(|_| panic!("{:?}", temporary()));
}

async fn nodes_share_users_and_topics(rabbit: &Rabbit) {
    let one = gateway(GatewayMode::Pooled, &[rabbit]).await;
    let two = gateway(GatewayMode::Pooled, &[rabbit]).await;
    let mut ann = one.client_as("1.2", "login:ann\npasscode:x\n").await;
    ann.done("SUBSCRIBE\nid:u\ndestination:/user/queue/inbox", "")
        .await;
    ann.done("SUBSCRIBE\nid:t\ndestination:/topic/all", "")
        .await;
    let mut bob = two.client_as("1.2", "login:bob\npasscode:x\n").await;
    bob.done("SEND\ndestination:/user/ann/queue/inbox", "to ann")
        .await;
    let message = ann.message("to ann").await;
    assert_eq!(
        header(&message, "destination"),
        Some("/user/ann/queue/inbox")
    );
    bob.done("SEND\ndestination:/topic/all", "to all").await;
    ann.message("to all").await;
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs rabbitmq-server"]
async fn a_cluster_may_lose_a_node() {
    let [one, mut two] = Rabbit::cluster().unwrap();
    let gateway = gateway(GatewayMode::Pooled, &[&one, &two]).await;
    // Shared connections go to both nodes, and each client to either.
    let mut clients = Vec::new();
    for number in 0..4 {
        let mut client = gateway.client_as("1.2", LOGIN).await;
        client
            .done(
                &format!("SUBSCRIBE\nid:t\ndestination:/topic/c.{number}"),
                "",
            )
            .await;
        clients.push(client);
    }
    for number in 0..4 {
        let (left, right) = clients.split_at_mut(2);
        let (from, to) = match number < 2 {
            true => (&mut right[0], &mut left[number]),
            false => (&mut left[0], &mut right[number - 2]),
        };
        from.done(&format!("SEND\ndestination:/topic/c.{number}"), "both")
            .await;
        to.message("both").await;
    }
    two.kill().unwrap();
    let monitor = gateway.gateway.clone().unwrap();
    let wait = async {
        while !(monitor.status().connections.iter().all(|it| it.up)
            && monitor.status().connections.iter().any(|it| it.losses > 0))
        {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, wait)
        .await
        .expect("all on the node that is left");
    let mut producer = gateway.client_as("1.2", LOGIN).await;
    for (number, client) in clients.iter_mut().enumerate() {
        producer
            .done(&format!("SEND\ndestination:/topic/c.{number}"), "one")
            .await;
        // A subscription that was just made again may not be there for the first of them.
        let wait = async {
            loop {
                let next = timeout(Duration::from_millis(200), client.frame()).await;
                if next.is_ok() {
                    return;
                }
                producer
                    .done(&format!("SEND\ndestination:/topic/c.{number}"), "one")
                    .await;
            }
        };
        timeout(LIMIT, wait).await.expect("a message");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs rabbitmq-server"]
async fn nothing_is_lost_when_the_broker_is_killed_under_load() {
    let mut rabbit = Rabbit::start().unwrap();
    let gateway = gateway(GatewayMode::Pooled, &[&rabbit]).await;
    let mut confirmed = 0u32;
    let mut next = 0u32;
    let mut received: BTreeMap<u32, u32> = BTreeMap::new();
    let mut producer = gateway.client_as("1.2", LOGIN).await;
    let mut consumer = gateway.client_as("1.2", LOGIN).await;
    subscribe(&mut consumer, "c", "/queue/load", "ack:client-individual\n").await;
    // Both are told at a loss only if something of theirs is open; then they come again.
    let mut killed = false;
    let run = async {
        while confirmed < 400 {
            producer
                .send(&format!(
                    "SEND\ndestination:/queue/load\npersistent:true\nreceipt:{next}\n\n{next}\0"
                ))
                .await;
            match producer.try_frame().await {
                Some(frame)
                    if header(&frame, "receipt-id") == Some(&*next.to_string())
                        && !frame.starts_with("ERROR") =>
                {
                    confirmed += 1;
                    next += 1;
                }
                Some(frame) if frame.starts_with("ERROR") => {
                    assert_eq!(header(&frame, "x-retry"), Some("now"), "{frame}");
                    producer = gateway.client_as("1.2", LOGIN).await;
                }
                _ => producer = gateway.client_as("1.2", LOGIN).await,
            }
            if confirmed == 200 && !killed {
                killed = true;
                rabbit.kill().unwrap();
                rabbit.run().unwrap();
            }
        }
        while received.len() < next as usize {
            let frame = consumer.frame().await;
            if frame.starts_with("MESSAGE\n") {
                *received.entry(body(&frame).parse().unwrap()).or_default() += 1;
                let id = header(&frame, "ack").unwrap();
                consumer.send(&format!("ACK\nid:{id}\n\n\0")).await;
            }
        }
    };
    timeout(Duration::from_secs(180), run)
        .await
        .expect("all that was confirmed arrives");
    assert!(received.keys().copied().eq(0..next));
    gateway.stop().await;
}
