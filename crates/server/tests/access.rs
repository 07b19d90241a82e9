//! Rules hold for every way in which a destination can be named.

mod common;

use common::{Raw, TestServer, header};
use stompbox_server::{Acl, Config, Rule, User};

async fn start() -> TestServer {
    let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    TestServer::with(Config {
        users: vec![
            User::with_passcode("ann", "a").unwrap(),
            User::with_passcode("bob", "b").unwrap(),
        ],
        acl: Acl::new(vec![Rule {
            who: "*".parse().unwrap(),
            allow: parse(&[
                "read,write /queue/open.**",
                "read,write /topic/open.**",
                "write /user/bob/**",
            ]),
            deny: parse(&[
                "read,write /queue/open.secret.**",
                "read,write /topic/open.secret.**",
            ]),
        }]),
        ..Config::default()
    })
    .await
}

async fn ann(server: &TestServer) -> Raw {
    server.client_as("1.2", "login:ann\npasscode:a\n").await
}

#[tokio::test]
async fn no_other_spelling_is_a_way_around_a_rule() {
    let server = start().await;
    for frame in [
        "SEND\ndestination:/queue/closed",
        "SEND\ndestination:/queue/open.secret.a",
        "SEND\ndestination:/queue/open/secret/a",
        "SEND\ndestination:/amq/queue/closed",
        "SEND\ndestination:/exchange/amq.topic/closed",
        "SEND\ndestination:/exchange/amq.topic/open.secret.a",
        "SEND\ndestination:/exchange/amq.direct/closed",
        "SEND\ndestination:/exchange/amq.fanout",
        "SEND\ndestination:/queue/open.a,/queue/closed",
        "SEND\ndestination:/queue/open.a, /queue/closed",
        "SEND\ndestination:closed\ndestination-type:ANYCAST",
        "SEND\ndestination:open.secret.a\ndestination-type:MULTICAST",
        "SEND\ndestination:/user/eve/queue/x",
        "SEND\ndestination:/queue/open.a\nx-dead-letter-exchange:\nx-dead-letter-routing-key:closed",
        "SEND\ndestination:/queue/open.a\nx-dead-letter-exchange:amq.topic\nx-dead-letter-routing-key:closed",
        "SEND\ndestination:/queue/open.a\nx-dead-letter-routing-key:/queue/closed",
        "SUBSCRIBE\nid:1\ndestination:/queue/closed",
        "SUBSCRIBE\nid:1\ndestination:/amq/queue/closed",
        "SUBSCRIBE\nid:1\ndestination:/exchange/amq.topic/#",
        "SUBSCRIBE\nid:1\ndestination:/exchange/amq.topic/open.#",
        "SUBSCRIBE\nid:1\ndestination:/topic/open.*.a",
        "SUBSCRIBE\nid:1\ndestination:/topic/>",
        "SUBSCRIBE\nid:1\ndestination:/queue/**",
        "SUBSCRIBE\nid:1\ndestination:/topic/open.a,/queue/closed",
        "SUBSCRIBE\nid:1\ndestination:closed\nsubscription-type:MULTICAST",
        "SUBSCRIBE\nid:1\ndestination:/dsub/bob.news",
        "SUBSCRIBE\nid:1\ndestination:/user/bob/queue/x",
        "SUBSCRIBE\nid:1\ndestination:/topic/open.a\ndurable:true\nauto-delete:false\nx-queue-name:closed",
        "UNSUBSCRIBE\nid:1\ndurable:true\nauto-delete:false\nx-queue-name:closed",
    ] {
        let mut client = ann(&server).await;
        client.send(&format!("{frame}\nreceipt:r\n\n\0")).await;
        let error = client.frame().await;
        let code = header(&error, "x-error-code");
        assert_eq!(code, Some("access-denied"), "{frame}: {error}");
        assert_eq!(header(&error, "receipt-id"), Some("r"));
        client.end().await;
    }
    for frame in [
        "SEND\ndestination:/queue/open.a",
        "SEND\ndestination:/exchange/amq.topic/open.a",
        "SEND\ndestination:/queue/open.a,/topic/open.b",
        "SEND\ndestination:/user/bob/queue/x",
        "SEND\ndestination:open.a\ndestination-type:ANYCAST",
        "SEND\ndestination:/queue/open.c\nx-dead-letter-routing-key:open.d",
        "SUBSCRIBE\nid:1\ndestination:/topic/open.a",
        "SUBSCRIBE\nid:2\ndestination:/user/queue/x",
        "SUBSCRIBE\nid:3\ndestination:/user/ann/queue/x",
        "SUBSCRIBE\nid:4\ndestination:/temp-queue/x",
        "SUBSCRIBE\nid:5\ndestination:/topic/open.b\ndurable:true\nauto-delete:false\nx-queue-name:open.q",
    ] {
        let mut client = ann(&server).await;
        client.done(frame, "").await;
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_sent_to_a_user_reaches_all_sessions_of_that_user_alone() {
    let server = start().await;
    let mut sessions = Vec::new();
    for _ in 0..2 {
        let mut bob = server.client_as("1.2", "login:bob\npasscode:b\n").await;
        bob.done("SUBSCRIBE\nid:1\ndestination:/user/queue/x", "")
            .await;
        sessions.push(bob);
    }
    let mut client = ann(&server).await;
    client
        .done("SUBSCRIBE\nid:1\ndestination:/user/queue/x", "")
        .await;
    client
        .done("SEND\ndestination:/user/bob/queue/x", "for bob")
        .await;
    for bob in &mut sessions {
        let message = bob.message("for bob").await;
        assert_eq!(header(&message, "destination"), Some("/user/bob/queue/x"));
    }
    // A receipt of a topic that is allowed shows that nothing came before.
    client.done("SEND\ndestination:/topic/open.fence", "").await;
    client
        .done("SEND\ndestination:/user/queue/x", "own")
        .await
        .into_iter()
        .for_each(|message| assert!(message.ends_with("own"), "{message}"));
    server.stop().await;
}

#[tokio::test]
async fn a_durable_subscription_is_read_and_ended_by_its_owner_alone() {
    let server = start().await;
    let name = "durable-subscription-name:news";
    let mut client = ann(&server).await;
    let subscribe = format!("SUBSCRIBE\nid:1\ndestination:/topic/open.a\n{name}");
    client.done(&subscribe, "").await;
    client.done("UNSUBSCRIBE\nid:1", "").await;
    client.done("SEND\ndestination:/topic/open.a", "kept").await;
    // The same client-id, and all that it may be called.
    for (headers, destination) in [
        ("", "/dsub/ann.news"),
        ("client-id:ann\n", "/dsub/ann.news"),
        ("client-id:ann\n", "/dsub/news"),
    ] {
        let login = format!("login:bob\npasscode:b\n{headers}");
        let mut bob = server.client_as("1.2", &login).await;
        bob.send(&format!("SUBSCRIBE\nid:1\ndestination:{destination}\n\n\0"))
            .await;
        bob.error("access-denied").await;
        let mut bob = server.client_as("1.2", &login).await;
        bob.done(&format!("UNSUBSCRIBE\nid:1\n{name}"), "").await;
        bob.done(&subscribe, "").await;
        bob.done(&format!("UNSUBSCRIBE\nid:1\n{name}"), "").await;
    }
    // Nobody's rules say that she may.
    client
        .send("SUBSCRIBE\nid:2\ndestination:/dsub/ann.news\n\n\0")
        .await;
    client.message("kept").await;
    server.stop().await;
}
