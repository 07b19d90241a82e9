//! The gateway in front of a real broker of ours: what clients see of it.

mod common;

use common::{LIMIT, Raw, TestServer, body, header};
use stompbox_server::{Acl, Config, GatewayConfig, GatewayMode, Rule, Upstream, User};

fn upstream(broker: &TestServer) -> Upstream {
    broker.stomp.to_string().parse().expect("an upstream")
}

fn config(mode: GatewayMode, upstreams: impl IntoIterator<Item = Upstream>) -> GatewayConfig {
    let mut gateway = GatewayConfig::new(upstreams);
    gateway.mode = mode;
    gateway.connections = 2;
    gateway
}

async fn gateway(mode: GatewayMode, broker: &TestServer) -> TestServer {
    with(config(mode, [upstream(broker)])).await
}

async fn with(gateway: GatewayConfig) -> TestServer {
    TestServer::with(Config {
        gateway: Some(gateway),
        ..Config::default()
    })
    .await
}

const BOTH: [GatewayMode; 2] = [GatewayMode::Pooled, GatewayMode::Passthrough];

/// Waits until something holds of the gateway's status.
async fn until(gateway: &TestServer, holds: impl Fn(&stompbox_server::GatewayStatus) -> bool) {
    let monitor = gateway.gateway.clone().expect("a gateway");
    let wait = async {
        while !holds(&monitor.status()) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LIMIT, wait)
        .await
        .unwrap_or_else(|_| panic!("{:?}", monitor.status()));
}

#[tokio::test]
async fn queues_work_in_every_version() {
    let broker = TestServer::start().await;
    for mode in BOTH {
        let gateway = gateway(mode, &broker).await;
        for version in ["1.0", "1.1", "1.2"] {
            let mut consumer = gateway.client(version).await;
            let mut producer = gateway.client("1.2").await;
            let queue = format!("/queue/{mode}.{version}");
            consumer
                .done(
                    &format!("SUBSCRIBE\nid:my sub\ndestination:{queue}\nack:client"),
                    "",
                )
                .await;
            producer
                .done(
                    &format!("SEND\ndestination:{queue}\nx:a b\ncontent-type:text/plain"),
                    "hello",
                )
                .await;
            let message = consumer.message("hello").await;
            assert_eq!(
                header(&message, "subscription"),
                Some("my sub"),
                "{message}"
            );
            assert_eq!(header(&message, "destination"), Some(&*queue), "{message}");
            assert_eq!(header(&message, "x"), Some("a b"), "{message}");
            assert_eq!(header(&message, "content-type"), Some("text/plain"));
            assert_eq!(header(&message, "receipt"), None, "{message}");
            assert_eq!(
                header(&message, "ack").is_some(),
                version == "1.2",
                "{message}"
            );
            consumer.done(&ack("ACK", &message), "").await;
            // Acknowledged, it does not come again to another.
            drop(consumer);
            let mut other = gateway.client(version).await;
            other
                .done(&format!("SUBSCRIBE\nid:1\ndestination:{queue}"), "")
                .await;
            other.nothing().await;
        }
        gateway.stop().await;
    }
    broker.stop().await;
}

/// The `ACK` or `NACK` of a message, as its version has it.
fn ack(verb: &str, message: &str) -> String {
    match header(message, "ack") {
        Some(id) => format!("{verb}\nid:{id}"),
        None => format!(
            "{verb}\nmessage-id:{}\nsubscription:{}",
            header(message, "message-id").expect("a message-id"),
            header(message, "subscription").expect("a subscription"),
        ),
    }
}

#[tokio::test]
async fn what_a_client_leaves_goes_to_others() {
    let broker = TestServer::start().await;
    for mode in BOTH {
        let gateway = gateway(mode, &broker).await;
        let queue = format!("/queue/left.{mode}");
        let mut first = gateway.client("1.2").await;
        first
            .done(
                &format!("SUBSCRIBE\nid:1\ndestination:{queue}\nack:client-individual"),
                "",
            )
            .await;
        for text in ["a", "b", "c"] {
            first
                .send(&format!("SEND\ndestination:{queue}\n\n{text}\0"))
                .await;
        }
        let mut received = Vec::new();
        for _ in 0..3 {
            received.push(first.frame().await);
        }
        first.done(&ack("ACK", &received[1]), "").await;
        drop(first);
        let mut second = gateway.client("1.1").await;
        second
            .done(&format!("SUBSCRIBE\nid:1\ndestination:{queue}"), "")
            .await;
        for text in ["a", "c"] {
            let message = second.message(text).await;
            assert_eq!(header(&message, "redelivered"), Some("true"), "{message}");
        }
        second.nothing().await;
        gateway.stop().await;
    }
    broker.stop().await;
}

#[tokio::test]
async fn unsubscribing_gives_back_what_is_not_acknowledged() {
    let broker = TestServer::start().await;
    for mode in BOTH {
        let gateway = gateway(mode, &broker).await;
        let queue = format!("/queue/back.{mode}");
        let mut client = gateway.client("1.2").await;
        let subscribe = format!("SUBSCRIBE\nid:1\ndestination:{queue}\nack:client-individual");
        client.done(&subscribe, "").await;
        client
            .send(&format!("SEND\ndestination:{queue}\n\nx\0"))
            .await;
        client.message("x").await;
        client.done("UNSUBSCRIBE\nid:1", "").await;
        client.send(&format!("{subscribe}\n\n\0")).await;
        let message = client.message("x").await;
        client
            .send(&format!("{}\n\n\0", ack("NACK", &message)))
            .await;
        let message = client.message("x").await;
        client.done(&ack("ACK", &message), "").await;
        gateway.stop().await;
    }
    broker.stop().await;
}

#[tokio::test]
async fn a_topic_is_subscribed_to_once_for_all() {
    let broker = TestServer::start().await;
    let gateway = gateway(GatewayMode::Pooled, &broker).await;
    let mut clients = Vec::new();
    for number in 0..30 {
        let mut client = gateway.client(["1.0", "1.1", "1.2"][number % 3]).await;
        client
            .done("SUBSCRIBE\nid:t\ndestination:/topic/prices.*", "")
            .await;
        clients.push(client);
    }
    until(&gateway, |status| status.shared_topics == 1).await;
    let mut producer = broker.client("1.2").await;
    producer
        .done("SEND\ndestination:/topic/prices.a\npriority:7", "1")
        .await;
    for client in &mut clients {
        let message = client.message("1").await;
        assert_eq!(header(&message, "subscription"), Some("t"));
        assert_eq!(header(&message, "destination"), Some("/topic/prices.a"));
        assert_eq!(header(&message, "priority"), Some("7"));
    }
    // Two names of which both mean a message: it comes once for each.
    clients[0]
        .done("SUBSCRIBE\nid:u\ndestination:/topic/prices.a", "")
        .await;
    producer
        .done("SEND\ndestination:/topic/prices.a", "2")
        .await;
    let mut subscriptions = Vec::new();
    for _ in 0..2 {
        let message = clients[0].message("2").await;
        subscriptions.push(header(&message, "subscription").map(str::to_owned));
    }
    subscriptions.sort();
    assert_eq!(subscriptions, [Some("t".to_owned()), Some("u".to_owned())]);
    drop(clients);
    until(&gateway, |status| {
        status.shared_topics == 0 && status.connections.iter().all(|it| it.clients == 0)
    })
    .await;
    gateway.stop().await;
    broker.stop().await;
}

#[tokio::test]
async fn topics_are_chosen_from_and_acknowledged_here() {
    let broker = TestServer::start().await;
    let gateway = gateway(GatewayMode::Pooled, &broker).await;
    let mut client = gateway.client("1.2").await;
    client
        .done(
            "SUBSCRIBE\nid:1\ndestination:/topic/rooms\nselector:room = 'x'\nack:client-individual",
            "",
        )
        .await;
    let mut producer = gateway.client("1.2").await;
    producer
        .done("SEND\ndestination:/topic/rooms\nroom:y", "no")
        .await;
    producer
        .done("SEND\ndestination:/topic/rooms\nroom:x", "yes")
        .await;
    let message = client.message("yes").await;
    client.done(&ack("ACK", &message), "").await;
    client
        .send("SUBSCRIBE\nid:2\ndestination:/topic/rooms\nselector:room = \n\n\0")
        .await;
    let error = client.frame().await;
    assert!(error.starts_with("ERROR\n"), "{error}");
    gateway.stop().await;
    broker.stop().await;
}

#[tokio::test]
async fn transactions_are_whole() {
    let broker = TestServer::start().await;
    for mode in BOTH {
        let gateway = gateway(mode, &broker).await;
        let queue = format!("/queue/tx.{mode}");
        let mut one = gateway.client("1.2").await;
        let mut two = gateway.client("1.2").await;
        one.done(
            &format!("SUBSCRIBE\nid:1\ndestination:{queue}\nack:client-individual"),
            "",
        )
        .await;
        // The same name on two clients is two transactions.
        for client in [&mut one, &mut two] {
            client.done("BEGIN\ntransaction:t", "").await;
        }
        two.done(&format!("SEND\ndestination:{queue}\ntransaction:t"), "two")
            .await;
        one.done(&format!("SEND\ndestination:{queue}\ntransaction:t"), "one")
            .await;
        one.done("ABORT\ntransaction:t", "").await;
        one.nothing().await;
        two.done("COMMIT\ntransaction:t", "").await;
        let message = one.message("two").await;
        // An ACK that is undone can be given again.
        one.done("BEGIN\ntransaction:u", "").await;
        one.done(&format!("{}\ntransaction:u", ack("ACK", &message)), "")
            .await;
        one.done("ABORT\ntransaction:u", "").await;
        one.done("BEGIN\ntransaction:v", "").await;
        one.done(&format!("{}\ntransaction:v", ack("ACK", &message)), "")
            .await;
        one.done("COMMIT\ntransaction:v", "").await;
        one.send(&format!("{}\n\n\0", ack("ACK", &message))).await;
        let error = one.error("invalid-request").await;
        assert!(
            header(&error, "message")
                .unwrap_or("")
                .contains("no delivery"),
            "{error}"
        );
        gateway.stop().await;
    }
    broker.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_undoes_its_transaction() {
    let broker = TestServer::start().await;
    let gateway = gateway(GatewayMode::Pooled, &broker).await;
    let mut watcher = gateway.client("1.2").await;
    watcher
        .done("SUBSCRIBE\nid:1\ndestination:/queue/undone", "")
        .await;
    let mut client = gateway.client("1.2").await;
    client.done("BEGIN\ntransaction:t", "").await;
    client
        .done("SEND\ndestination:/queue/undone\ntransaction:t", "never")
        .await;
    drop(client);
    until(&gateway, |status| {
        status
            .connections
            .iter()
            .map(|it| it.clients)
            .sum::<usize>()
            == 1
    })
    .await;
    watcher.nothing().await;
    gateway.stop().await;
    broker.stop().await;
}

#[tokio::test]
async fn all_has_arrived_when_a_disconnect_is_answered() {
    let broker = TestServer::start().await;
    for mode in BOTH {
        let gateway = gateway(mode, &broker).await;
        let queue = format!("/queue/bye.{mode}");
        let mut client = gateway.client("1.2").await;
        for number in 0..100 {
            client
                .send(&format!("SEND\ndestination:{queue}\n\n{number}\0"))
                .await;
        }
        client.send("DISCONNECT\nreceipt:bye\n\n\0").await;
        let receipt = client.frame().await;
        assert_eq!(header(&receipt, "receipt-id"), Some("bye"), "{receipt}");
        client.end().await;
        let mut consumer = broker.client("1.2").await;
        consumer
            .done(&format!("SUBSCRIBE\nid:1\ndestination:{queue}"), "")
            .await;
        for number in 0..100 {
            consumer.message(&number.to_string()).await;
        }
        gateway.stop().await;
    }
    broker.stop().await;
}

#[tokio::test]
async fn an_error_is_whose_fault_it_is() {
    let broker = TestServer::start().await;
    let gateway = gateway(GatewayMode::Pooled, &broker).await;
    let mut innocent = gateway.client("1.2").await;
    innocent
        .done(
            "SUBSCRIBE\nid:1\ndestination:/queue/innocent\nack:client",
            "",
        )
        .await;
    for _ in 0..4 {
        let mut guilty = gateway.client("1.2").await;
        guilty
            .send("SUBSCRIBE\nid:1\ndestination:/queue/g\nselector:((\nreceipt:r\n\n\0")
            .await;
        let error = guilty.frame().await;
        assert!(error.starts_with("ERROR\n"), "{error}");
        assert_eq!(header(&error, "receipt-id"), Some("r"), "{error}");
        guilty.end().await;
    }
    // Our broker closes at an ERROR, as the specification wants: the connection is made again.
    until(&gateway, |status| status.connections.iter().all(|it| it.up)).await;
    innocent
        .send("SEND\ndestination:/queue/innocent\n\nstill here\0")
        .await;
    innocent.message("still here").await;
    gateway.stop().await;
    broker.stop().await;
}

#[tokio::test]
async fn logins_go_where_they_belong() {
    let users = vec![User::with_passcode("upstream", "up").expect("a user")];
    let broker = TestServer::with(Config {
        users,
        ..Config::default()
    })
    .await;
    let mut passing = config(GatewayMode::Auto, [upstream(&broker)]);
    passing.login = Some("upstream".into());
    passing.passcode = Some("up".into());
    let gateway = TestServer::with(Config {
        users: vec![User::with_passcode("ann", "secret").expect("a user")],
        gateway: Some(passing),
        ..Config::default()
    })
    .await;
    let own = |status: &stompbox_server::GatewayStatus, wanted| status.own_connections == wanted;
    // The gateway's user is pooled, the broker's is passed through.
    let mut ann = gateway
        .client_as("1.2", "login:ann\npasscode:secret\n")
        .await;
    ann.done("SUBSCRIBE\nid:1\ndestination:/user/queue/x", "")
        .await;
    until(&gateway, |status| own(status, 0)).await;
    let mut passed = gateway
        .client_as("1.2", "login:upstream\npasscode:up\n")
        .await;
    until(&gateway, |status| own(status, 1)).await;
    passed
        .done("SEND\ndestination:/user/ann/queue/x", "for ann")
        .await;
    let message = ann.message("for ann").await;
    assert_eq!(header(&message, "destination"), Some("/user/ann/queue/x"));
    for wrong in [
        "login:ann\npasscode:wrong\n",
        "login:nobody\npasscode:x\n",
        "",
    ] {
        let mut raw = gateway.raw().await;
        raw.send(&format!("CONNECT\naccept-version:1.2\nhost:x\n{wrong}\n\0"))
            .await;
        let error = raw.error("refused").await;
        assert!(!error.contains("secret"), "{error}");
    }
    drop(passed);
    until(&gateway, |status| own(status, 0)).await;
    gateway.stop().await;
    broker.stop().await;
}

#[tokio::test]
async fn rules_are_the_gateways() {
    let broker = TestServer::start().await;
    let rule = Rule {
        who: "*".parse().expect("everybody"),
        allow: ["read /topic/open.**", "write /queue/mine"]
            .map(|text| text.parse().expect("a permission"))
            .into(),
        deny: Vec::new(),
    };
    let server = TestServer::with(Config {
        acl: Acl::new(vec![rule]),
        gateway: Some(config(GatewayMode::Pooled, [upstream(&broker)])),
        ..Config::default()
    })
    .await;
    for frame in [
        "SEND\ndestination:/topic/open.a\nreceipt:r\n\nx\0",
        "SEND\ndestination:/queue/mine\nx-dead-letter-exchange:amq.topic\nreceipt:r\n\nx\0",
        "SEND\ndestination:/queue/mine\nx-dead-letter-exchange:orders\nreceipt:r\n\nx\0",
        "SEND\ndestination:/queue/mine\nx-dead-letter-routing-key:other\nreceipt:r\n\nx\0",
        "SUBSCRIBE\nid:1\ndestination:/topic/open.a,/queue/q\nreceipt:r\n\n\0",
        "SUBSCRIBE\nid:1\ndestination:queue://q\nreceipt:r\n\n\0",
        "SUBSCRIBE\nid:1\ndestination:/topic/open.a\nx-queue-name:q\nreceipt:r\n\n\0",
        "SUBSCRIBE\nid:1\ndestination:/topic/shut\nreceipt:r\n\n\0",
        "SUBSCRIBE\nid:1\ndestination:/queue/q\nreceipt:r\n\n\0",
    ] {
        let mut client = server.client("1.2").await;
        client.send(frame).await;
        let error = client.error("access-denied").await;
        assert_eq!(header(&error, "receipt-id"), Some("r"), "{error}");
    }
    let mut client = server.client("1.2").await;
    client
        .done("SUBSCRIBE\nid:1\ndestination:/topic/open.a", "")
        .await;
    server.stop().await;
    broker.stop().await;
}

#[tokio::test]
async fn user_destinations_work_across_nodes() {
    let broker = TestServer::start().await;
    let one = gateway(GatewayMode::Pooled, &broker).await;
    let two = gateway(GatewayMode::Pooled, &broker).await;
    let mut ann = one.client_as("1.2", "login:ann@x\npasscode:\n").await;
    ann.done("SUBSCRIBE\nid:1\ndestination:/user/queue/replies", "")
        .await;
    let mut bob = two.client_as("1.1", "login:bob\npasscode:\n").await;
    bob.done("SEND\ndestination:/user/ann@x/queue/replies", "hi ann")
        .await;
    let message = ann.message("hi ann").await;
    assert_eq!(
        header(&message, "destination"),
        Some("/user/ann@x/queue/replies")
    );
    bob.send("SUBSCRIBE\nid:1\ndestination:/user/ann@x/queue/replies\n\n\0")
        .await;
    bob.error("invalid-request").await;
    one.stop().await;
    two.stop().await;
    broker.stop().await;
}

#[tokio::test]
async fn bodies_of_any_bytes_and_size_pass() {
    let broker = TestServer::start().await;
    for mode in BOTH {
        let gateway = gateway(mode, &broker).await;
        let mut client = gateway.client("1.2").await;
        client
            .done("SUBSCRIBE\nid:1\ndestination:/queue/bytes", "")
            .await;
        let large = "0123456789abcdef".repeat(1 << 16);
        client
            .send(&format!("SEND\ndestination:/queue/bytes\n\n{large}\0"))
            .await;
        client.message(&large).await;
        client
            .send("SEND\ndestination:/queue/bytes\ncontent-length:3\n\na\0b\0")
            .await;
        // The tests' reader takes the first NUL for the end.
        let message = client.frame().await;
        assert_eq!(header(&message, "content-length"), Some("3"), "{message}");
        assert_eq!(body(&message), "a");
        assert_eq!(client.frame().await, "b");
        gateway.stop().await;
    }
    broker.stop().await;
}

#[tokio::test]
async fn what_needs_an_own_connection_gets_one() {
    let broker = TestServer::start().await;
    let gateway = gateway(GatewayMode::Pooled, &broker).await;
    let mut client = gateway.client_as("1.2", "client-id:me\n").await;
    client
        .done(
            "SUBSCRIBE\nid:d\ndestination:/topic/news\nactivemq.subscriptionName:n",
            "",
        )
        .await;
    until(&gateway, |status| status.own_connections == 1).await;
    client.done("UNSUBSCRIBE\nid:d", "").await;
    let mut producer = broker.client("1.2").await;
    producer.done("SEND\ndestination:/topic/news", "kept").await;
    client
        .done(
            "SUBSCRIBE\nid:e\ndestination:/topic/news\nactivemq.subscriptionName:n",
            "",
        )
        .await;
    client.message("kept").await;
    // Requests and their answers.
    let mut worker = gateway.client("1.2").await;
    worker
        .done("SUBSCRIBE\nid:w\ndestination:/queue/work", "")
        .await;
    client
        .done("SUBSCRIBE\nid:r\ndestination:/temp-queue/answers", "")
        .await;
    client
        .done(
            "SEND\ndestination:/queue/work\nreply-to:/temp-queue/answers",
            "2+2",
        )
        .await;
    let request = worker.message("2+2").await;
    let to = header(&request, "reply-to").expect("where to answer");
    worker.done(&format!("SEND\ndestination:{to}"), "4").await;
    let answer = client.message("4").await;
    assert_eq!(header(&answer, "subscription"), Some("r"));
    drop((client, worker));
    until(&gateway, |status| status.own_connections == 0).await;
    gateway.stop().await;
    broker.stop().await;
}

#[tokio::test]
async fn more_own_connections_than_allowed_are_refused() {
    let broker = TestServer::start().await;
    let mut few = config(GatewayMode::Passthrough, [upstream(&broker)]);
    few.max_own_connections = 1;
    let gateway = with(few).await;
    let one = gateway.client("1.2").await;
    let mut two = gateway.raw().await;
    two.send("CONNECT\naccept-version:1.2\nhost:x\n\n\0").await;
    let error = two.error("upstream-unavailable").await;
    assert!(error.contains("max_own_connections"), "{error}");
    assert_eq!(header(&error, "x-retry"), Some("later"), "{error}");
    drop(one);
    until(&gateway, |status| status.own_connections == 0).await;
    let _three: Raw = gateway.client("1.2").await;
    gateway.stop().await;
    broker.stop().await;
}
