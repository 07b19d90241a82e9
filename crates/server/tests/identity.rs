//! Who may log in, and what they may do, over all four transports.

mod common;
#[path = "common/tls.rs"]
mod tls;

use common::{TestServer, header};
use stompbox_server::{Acl, Config, Listen, Rule, ServeError, Server, User};
use tls::{Authority, Peer, TRANSPORTS};
use tokio_rustls::TlsConnector;

fn rule(who: &str, allow: &[&str], deny: &[&str]) -> Rule {
    let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    Rule {
        who: who.parse().unwrap(),
        allow: parse(allow),
        deny: parse(deny),
    }
}

/// Two users and some rules, on all transports.
async fn start() -> (TestServer, TlsConnector) {
    let authority = Authority::new();
    let tls = authority.issue("server", 2099);
    let free = "127.0.0.1:0".parse().unwrap();
    let ann = User::with_passcode("ann", "anns secret").unwrap();
    let server = TestServer::with(Config {
        listen: vec![
            Listen::stomp(free).with_tls(tls.clone()),
            Listen::http(free).with_tls(tls),
        ],
        users: vec![
            ann.with_groups(["traders"]).unwrap(),
            User::with_passcode("bob", "bobs secret").unwrap(),
        ],
        acl: Acl::new(vec![
            rule("*", &["read,write /queue/public.*"], &[]),
            rule(
                "group:traders",
                &["read /topic/price.**", "write /queue/orders"],
                &["read /topic/price.secret.**"],
            ),
        ]),
        ..Config::default()
    })
    .await;
    let connector = authority.connector(rustls::DEFAULT_VERSIONS, None);
    (server, connector)
}

#[tokio::test]
async fn every_refused_login_reads_the_same() {
    let (server, connector) = start().await;
    let mut texts = Vec::new();
    for transport in 0..TRANSPORTS {
        let mut peer = Peer::connect(&server, &connector, transport).await;
        let connected = peer.login("ann", "anns secret").await;
        assert!(connected.starts_with("CONNECTED\n"), "{connected}");
        for connect in [
            "login:ann\npasscode:bobs secret\n",
            "login:eve\npasscode:anns secret\n",
            "login:ann\n",
            "passcode:anns secret\n",
            "login:\npasscode:\n",
            "",
        ] {
            let mut peer = Peer::connect(&server, &connector, transport).await;
            peer.send(&format!(
                "CONNECT\naccept-version:1.2\nhost:x\n{connect}\n\0"
            ))
            .await;
            texts.push(peer.frame().await.unwrap());
            assert_eq!(peer.frame().await, None, "{connect}");
        }
    }
    assert_eq!(header(&texts[0], "x-error-code"), Some("refused"));
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
}

#[tokio::test]
async fn rules_are_checked_on_each_send_and_subscribe() {
    let (server, connector) = start().await;
    let send = |to: &str| format!("SEND\ndestination:{to}\nreceipt:r\n\nx\0");
    let subscribe = |to: &str| format!("SUBSCRIBE\nid:1\ndestination:{to}\nreceipt:r\n\n\0");
    let ann = ("ann", "anns secret");
    let bob = ("bob", "bobs secret");
    for transport in 0..TRANSPORTS {
        for ((login, passcode), frame, allowed) in [
            (ann, send("/queue/orders"), true),
            (bob, send("/queue/orders"), false),
            (ann, send("/queue/orders.eu"), false),
            (ann, send("/topic/price.dax"), false),
            (bob, send("/queue/public.x"), true),
            (ann, subscribe("/topic/price.dax"), true),
            (bob, subscribe("/topic/price.dax"), false),
            (ann, subscribe("/topic/price.secret.x"), false),
            (ann, subscribe("/topic/price.eu.*"), true),
            (ann, subscribe("/topic/price.**"), false),
            (ann, subscribe("/topic/price/*"), false),
            (ann, subscribe("/topic/>"), false),
            (ann, subscribe("/queue/orders"), false),
        ] {
            let mut peer = Peer::connect(&server, &connector, transport).await;
            let connected = peer.login(login, passcode).await;
            assert!(connected.starts_with("CONNECTED\n"), "{connected}");
            peer.send(&frame).await;
            let answer = peer.frame().await.unwrap();
            if allowed {
                assert!(answer.starts_with("RECEIPT\n"), "{login} {frame}: {answer}");
            } else {
                let code = header(&answer, "x-error-code");
                assert_eq!(code, Some("access-denied"), "{login} {frame}: {answer}");
                assert_eq!(header(&answer, "receipt-id"), Some("r"), "{answer}");
                assert_eq!(peer.frame().await, None);
            }
        }
    }
    // What was denied was not stored either.
    let mut peer = Peer::connect(&server, &connector, 0).await;
    peer.login("bob", "bobs secret").await;
    peer.send(&subscribe("/queue/public.x")).await;
    assert!(peer.frame().await.unwrap().starts_with("RECEIPT\n"));
    for _ in 0..TRANSPORTS {
        let message = peer.frame().await.unwrap();
        assert_eq!(header(&message, "destination"), Some("/queue/public.x"));
    }
}

#[tokio::test]
async fn addresses_beyond_loopback_need_users_or_permission() {
    let anywhere = vec![Listen::stomp("0.0.0.0:0".parse().unwrap())];
    let open = Config {
        listen: anywhere.clone(),
        ..Config::default()
    };
    let error = Server::bind(open.clone()).await.unwrap_err();
    assert!(matches!(error, ServeError::NotLoopback { .. }), "{error}");
    assert!(error.to_string().contains("--allow-anonymous"), "{error}");
    assert!(open.validate().is_err());
    let permitted = Config {
        allow_anonymous: true,
        ..open.clone()
    };
    assert!(Server::bind(permitted).await.is_ok());
    let closed = Config {
        users: vec![User::with_passcode("ann", "x").unwrap()],
        ..open
    };
    assert!(Server::bind(closed).await.is_ok());
}

#[tokio::test]
async fn the_same_login_twice_is_refused() {
    let user = User::with_passcode("ann", "x").unwrap();
    let config = Config {
        users: vec![user.clone(), user],
        ..Config::default()
    };
    let error = Server::bind(config).await.unwrap_err();
    assert!(error.to_string().contains("\"ann\""), "{error}");
}
