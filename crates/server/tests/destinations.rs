//! What names of destinations mean, and how MESSAGE spells them.

mod common;

use common::{TestServer, header};
use stompbox_server::Config;

/// Sends to one spelling what is received by another; both see the sender's spelling.
#[tokio::test]
async fn spellings_of_one_destination_meet() {
    let server = TestServer::start().await;
    let mut number = 0;
    for version in ["1.0", "1.1", "1.2"] {
        for (subscribed, sent) in [
            ("/queue/a", "/queue/a"),
            ("/queue/a/b.c", "/queue/a/b.c"),
            ("/queue/a", "/amq/queue/a"),
            ("/amq/queue/a", "/queue/a"),
            ("/topic/a.b", "/topic/a.b"),
            ("/topic/a.b", "/exchange/amq.topic/a.b"),
            ("/exchange/amq.topic/a.b", "/topic/a.b"),
            ("/exchange/amq.topic/a.*", "/exchange/amq.topic/a.b"),
            ("/exchange/amq.direct/key", "/exchange/amq.direct/key"),
            ("/exchange/amq.fanout", "/exchange/amq.fanout"),
            ("/temp-queue/t", "/temp-queue/t"),
            ("/temp-topic/t", "/temp-topic/t"),
            ("/queue/with space ", "/queue/with space "),
            ("/queue/%2Fä,ö", "/queue/%2Fä,ö"),
            ("/topic/a.*", "/topic/a.b"),
            ("/topic/a/*", "/topic/a/b"),
            ("/topic/a.**", "/topic/a.b/c"),
            ("/topic/a.#", "/topic/a"),
            ("/topic/#.b", "/topic/a.b"),
            ("/topic/>", "/topic/a.b"),
            ("/queue/w.*", "/queue/w.1"),
            ("/queue/w/**", "/queue/w/1/2"),
            ("/topic/a,/topic/b", "/topic/b"),
            ("/topic/a,/queue/b", "/queue/b"),
        ] {
            number += 1;
            let mut client = server.client(version).await;
            let padding = version == "1.0" && sent.ends_with(' ');
            if !sent.contains("/temp-") {
                client
                    .send(&format!("SEND\ndestination:{sent}\n\nearly\0"))
                    .await;
            }
            let must_exist = sent.starts_with("/amq/") || subscribed.starts_with("/amq/");
            if must_exist {
                // It was made by nobody.
                let mut maker = server.client(version).await;
                maker
                    .done("SUBSCRIBE\nid:1\ndestination:/queue/a", "")
                    .await;
                client = server.client(version).await;
                maker.settled("").await;
            }
            let head = format!("SUBSCRIBE\nid:s{number}\ndestination:{subscribed}");
            let before = client.done(&head, "").await;
            drop(before);
            let mut body = String::new();
            while body != "late" {
                client
                    .send(&format!("SEND\ndestination:{sent}\n\nlate\0"))
                    .await;
                let frame = client.frame().await;
                assert!(
                    frame.starts_with("MESSAGE\n"),
                    "{subscribed} {sent} {frame}"
                );
                body = common::body(&frame).to_owned();
                let wanted = if padding { sent.trim_end() } else { sent };
                assert_eq!(
                    header(&frame, "destination"),
                    Some(wanted),
                    "{version} {subscribed}: {frame}"
                );
                assert_eq!(
                    header(&frame, "subscription"),
                    Some(&*format!("s{number}")),
                    "{frame}"
                );
            }
            client.send("DISCONNECT\nreceipt:bye\n\n\0").await;
            while header(&client.frame().await, "receipt-id") != Some("bye") {}
            client.end().await;
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn escapes_in_a_destination_come_back_as_each_version_writes_them() {
    let server = TestServer::start().await;
    let spelling = |version| match version {
        "1.0" => "/queue/c:d",
        _ => "/queue/c\\cd",
    };
    for from in ["1.0", "1.1", "1.2"] {
        for to in ["1.0", "1.1", "1.2"] {
            let mut sender = server.client(from).await;
            let mut receiver = server.client(to).await;
            let (sent, seen) = (spelling(from), spelling(to));
            receiver
                .done(&format!("SUBSCRIBE\nid:1\ndestination:{seen}"), "")
                .await;
            sender.done(&format!("SEND\ndestination:{sent}"), "x").await;
            let message = receiver.message("x").await;
            assert_eq!(header(&message, "destination"), Some(seen), "{message}");
            receiver.done("UNSUBSCRIBE\nid:1", "").await;
        }
    }
    let mut client = server.client("1.2").await;
    let name = "/queue/back\\\\slash\\\\c";
    client
        .done(&format!("SUBSCRIBE\nid:1\ndestination:{name}"), "")
        .await;
    let sent = client.done(&format!("SEND\ndestination:{name}"), "x").await;
    let message = match sent.into_iter().next() {
        Some(message) => message,
        None => client.message("x").await,
    };
    assert_eq!(header(&message, "destination"), Some(name), "{message}");
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_destination_is_an_error() {
    let server = TestServer::start().await;
    for (command, destination, code) in [
        ("SEND", "bare", "invalid-destination"),
        ("SUBSCRIBE\nid:1", "bare", "invalid-destination"),
        ("SEND", "/queue/", "invalid-destination"),
        ("SEND", "/nowhere/a", "invalid-destination"),
        ("SEND", "/topic/a.*", "invalid-destination"),
        ("SEND", "/queue/>", "invalid-destination"),
        ("SEND", "/dsub/a", "invalid-destination"),
        ("SEND", "/exchange/mine/key", "invalid-destination"),
        ("SEND", "/exchange/amq.topic/*", "invalid-destination"),
        ("SUBSCRIBE\nid:1", "/exchange/mine", "invalid-destination"),
        ("SUBSCRIBE\nid:1", "/reply-queue/a/b", "invalid-destination"),
        ("SEND", "/amq/queue/none", "no-such-destination"),
        ("SUBSCRIBE\nid:1", "/amq/queue/none", "no-such-destination"),
        ("SUBSCRIBE\nid:1", "/dsub/none", "no-such-destination"),
        ("SEND", "/queue/a,/nowhere", "x"),
    ] {
        let mut client = server.client("1.2").await;
        client
            .send(&format!(
                "{command}\ndestination:{destination}\nreceipt:r\n\n\0"
            ))
            .await;
        if code == "x" {
            // No list, but a name with a comma.
            assert_eq!(header(&client.frame().await, "receipt-id"), Some("r"));
            continue;
        }
        let error = client.error(code).await;
        assert_eq!(header(&error, "receipt-id"), Some("r"), "{error}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_list_sends_to_each_and_tells_the_whole() {
    let server = TestServer::start().await;
    let mut client = server.client("1.2").await;
    for (id, destination) in [("a", "/queue/a"), ("b", "/topic/b"), ("c", "/queue/c.*")] {
        client
            .done(
                &format!("SUBSCRIBE\nid:{id}\ndestination:{destination}"),
                "",
            )
            .await;
    }
    let list = "/queue/a, /topic/b,/queue/c.1";
    let mut seen = client
        .settled(&format!("SEND\ndestination:{list}\n\nx\0"))
        .await;
    seen.sort();
    let of = |id: &str| {
        let line = format!("\nsubscription:{id}\n");
        seen.iter().find(|it| it.contains(&line)).expect(id)
    };
    assert_eq!(seen.len(), 3, "{seen:?}");
    for id in ["a", "b", "c"] {
        let message = of(id);
        assert!(
            header(message, "destination") == Some(list)
                || header(message, "original-destination") == Some(list),
            "{message}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn bare_names_are_what_is_configured_or_the_headers_say() {
    for (configured, kind) in [("topic", "/topic/"), ("queue", "/queue/")] {
        let mut config = Config::default();
        config.broker.bare_destination = configured.parse().unwrap();
        let server = TestServer::with(config).await;
        let mut client = server.client("1.2").await;
        client
            .done(&format!("SUBSCRIBE\nid:1\ndestination:{kind}jms.a"), "")
            .await;
        client.send("SEND\ndestination:jms.a\n\nx\0").await;
        let message = client.message("x").await;
        assert_eq!(header(&message, "destination"), Some("jms.a"), "{message}");
        server.stop().await;
    }
    let server = TestServer::start().await;
    let mut one = server.client("1.2").await;
    let mut two = server.client("1.2").await;
    for client in [&mut one, &mut two] {
        let any = "SUBSCRIBE\nid:q\ndestination:addr\nsubscription-type:ANYCAST";
        client.done(any, "").await;
        let multi = "SUBSCRIBE\nid:t\ndestination:addr\nsubscription-type:MULTICAST";
        client.done(multi, "").await;
    }
    one.send("SEND\ndestination:addr\ndestination-type:MULTICAST\n\nall\0")
        .await;
    for client in [&mut one, &mut two] {
        let message = client.message("all").await;
        assert_eq!(header(&message, "subscription"), Some("t"), "{message}");
    }
    for body in ["1", "2"] {
        one.send(&format!(
            "SEND\ndestination:addr\ndestination-type:ANYCAST\n\n{body}\0"
        ))
        .await;
    }
    for client in [&mut one, &mut two] {
        let message = client.frame().await;
        assert_eq!(header(&message, "subscription"), Some("q"), "{message}");
    }
    server.stop().await;
}

#[tokio::test]
async fn replies_come_by_a_subscription_or_without_one() {
    let server = TestServer::start().await;
    for version in ["1.0", "1.1", "1.2"] {
        for (subscribes, kind) in [(true, "queue"), (true, "topic"), (false, "queue")] {
            let mut service = server.client(version).await;
            let mut caller = server.client(version).await;
            service
                .done("SUBSCRIBE\nid:s\ndestination:/queue/service", "")
                .await;
            let own = format!("/temp-{kind}/x");
            if subscribes {
                caller
                    .done(&format!("SUBSCRIBE\nid:mine\ndestination:{own}"), "")
                    .await;
            }
            caller
                .done(
                    &format!("SEND\ndestination:/queue/service\nreply-to:{own}\ncorrelation-id:7"),
                    "ask",
                )
                .await;
            let ask = service.message("ask").await;
            let reply = header(&ask, "reply-to").unwrap().to_owned();
            assert!(reply.starts_with("/reply-"), "{ask}");
            service
                .done(
                    &format!("SEND\ndestination:{reply}\ncorrelation-id:7"),
                    "answer",
                )
                .await;
            let answer = caller.message("answer").await;
            let wanted = if subscribes { "mine" } else { &*own };
            assert_eq!(header(&answer, "subscription"), Some(wanted), "{answer}");
            assert_eq!(header(&answer, "correlation-id"), Some("7"));
            // The service, which knows the name, may not listen in.
            service
                .send(&format!("SUBSCRIBE\nid:spy\ndestination:{reply}\n\n\0"))
                .await;
            service.error("invalid-destination").await;
            drop(caller);
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn an_implicit_reply_subscription_can_be_ended_and_needs_no_ack() {
    let server = TestServer::start().await;
    let mut client = server.client("1.2").await;
    client
        .done("SUBSCRIBE\nid:s\ndestination:/queue/service", "")
        .await;
    client
        .send("SEND\ndestination:/queue/service\nreply-to:/temp-queue/x\n\nask\0")
        .await;
    let ask = client.message("ask").await;
    let reply = header(&ask, "reply-to").unwrap().to_owned();
    client
        .send(&format!("SEND\ndestination:{reply}\n\n1\0"))
        .await;
    let first = client.message("1").await;
    assert_eq!(header(&first, "ack"), None, "{first}");
    // Many requests share it.
    client
        .send("SEND\ndestination:/queue/service\nreply-to:/temp-queue/x\n\nagain\0")
        .await;
    client.message("again").await;
    client
        .send(&format!("SEND\ndestination:{reply}\n\n2\0"))
        .await;
    client.message("2").await;
    client.nothing().await;
    client.done("UNSUBSCRIBE\nid:/temp-queue/x", "").await;
    client
        .send(&format!("SEND\ndestination:{reply}\n\n3\0"))
        .await;
    client.nothing().await;
    // A name that has to be escaped.
    client
        .send("SEND\ndestination:/queue/service\nreply-to:/temp-queue/a\\cb\\\\c\n\nask\0")
        .await;
    let ask = client.message("ask").await;
    let reply = header(&ask, "reply-to").unwrap().to_owned();
    client
        .send(&format!("SEND\ndestination:{reply}\n\n4\0"))
        .await;
    let answer = client.message("4").await;
    let id = header(&answer, "subscription");
    assert_eq!(id, Some("/temp-queue/a\\cb\\\\c"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn temporary_destinations_end_with_their_connection() {
    let server = TestServer::start().await;
    let mut service = server.client("1.2").await;
    service
        .done("SUBSCRIBE\nid:s\ndestination:/queue/service", "")
        .await;
    let mut caller = server.client("1.2").await;
    caller
        .done(
            "SEND\ndestination:/queue/service\nreply-to:/temp-queue/x",
            "ask",
        )
        .await;
    let ask = service.message("ask").await;
    let reply = header(&ask, "reply-to").unwrap().to_owned();
    caller.send("DISCONNECT\nreceipt:bye\n\n\0").await;
    assert_eq!(header(&caller.frame().await, "receipt-id"), Some("bye"));
    caller.end().await;
    // Whatever becomes of it, it does not come to the next who is called the same.
    let mut other = server.client("1.2").await;
    other
        .done("SUBSCRIBE\nid:1\ndestination:/temp-queue/x", "")
        .await;
    service
        .send(&format!("SEND\ndestination:{reply}\nreceipt:r\n\nlost\0"))
        .await;
    assert_eq!(header(&service.frame().await, "receipt-id"), Some("r"));
    other.nothing().await;
    server.stop().await;
}
