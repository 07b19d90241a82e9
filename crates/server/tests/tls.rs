//! TLS itself: versions, client certificates, hand-shakes that never end, and files that won't do.

mod common;
#[path = "common/tls.rs"]
mod tls;

use std::{fs, time::Duration};

use common::{LIMIT, TestServer};
use stompbox_server::{Config, Listen, Tls};
use tls::{Authority, Peer, handshake};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

async fn start(tls: Tls) -> TestServer {
    let free = "127.0.0.1:0".parse().unwrap();
    TestServer::with(Config {
        listen: vec![
            Listen::stomp(free).with_tls(tls.clone()),
            Listen::http(free).with_tls(tls),
        ],
        connect_timeout: Duration::from_millis(500),
        ..Config::default()
    })
    .await
}

#[tokio::test]
async fn both_versions_are_spoken_and_http_is_agreed_on() {
    let authority = Authority::new();
    let server = start(authority.issue("server", 2099)).await;
    for (version, expected) in [
        (&rustls::version::TLS12, rustls::ProtocolVersion::TLSv1_2),
        (&rustls::version::TLS13, rustls::ProtocolVersion::TLSv1_3),
    ] {
        let connector = authority.connector(&[version], None);
        let mut stream = handshake(&connector, server.https[0]).await.unwrap();
        let session = stream.get_ref().1;
        assert_eq!(session.protocol_version(), Some(expected));
        assert_eq!(session.alpn_protocol(), Some(&b"http/1.1"[..]));
        let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        timeout(LIMIT, stream.read_to_string(&mut answer))
            .await
            .expect("an answer")
            .unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let mut peer = Peer::connect(&server, &connector, 1).await;
        assert!(peer.login("", "").await.starts_with("CONNECTED\n"));
    }
}

#[tokio::test]
async fn big_messages_come_through_whole() {
    let authority = Authority::new();
    let server = start(authority.issue("server", 2099)).await;
    let connector = authority.connector(rustls::DEFAULT_VERSIONS, None);
    let body = "0123456789".repeat(100_000);
    for transport in [1, 3] {
        let mut peer = Peer::connect(&server, &connector, transport).await;
        peer.login("", "").await;
        let queue = format!("/queue/big.{transport}");
        peer.send(&format!("SUBSCRIBE\nid:1\ndestination:{queue}\n\n\0"))
            .await;
        for _ in 0..3 {
            peer.send(&format!("SEND\ndestination:{queue}\n\n{body}\0"))
                .await;
            let message = peer.frame().await.unwrap();
            assert!(message.ends_with(&body), "{} bytes", message.len());
        }
    }
}

#[tokio::test]
async fn a_client_without_the_asked_certificate_is_turned_away() {
    let authority = Authority::new();
    let mut tls = authority.issue("server", 2099);
    tls.client_ca = Some(authority.path("ca.pem"));
    let server = start(tls).await;
    let client = authority.issue("client", 2099);
    let elsewhere = Authority::new();
    let stranger = elsewhere.issue("stranger", 2099);
    for (own, welcome) in [
        (Some(&client), true),
        (Some(&stranger), false),
        (None, false),
    ] {
        let connector = authority.connector(&[&rustls::version::TLS12], own);
        let stream = handshake(&connector, server.stomp_tls[0]).await;
        assert_eq!(stream.is_ok(), welcome, "{own:?}");
    }
}

#[tokio::test]
async fn a_hand_shake_that_does_not_come_or_is_none_ends() {
    let authority = Authority::new();
    let server = start(authority.issue("server", 2099)).await;
    for address in [server.stomp_tls[0], server.https[0]] {
        for sent in [&b""[..], b"CONNECT\naccept-version:1.2\nhost:x\n\n\0"] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(sent).await.unwrap();
            let mut answer = Vec::new();
            let end = timeout(LIMIT, stream.read_to_end(&mut answer)).await;
            let _ = end.expect("the server closes");
            assert!(!answer.starts_with(b"CONNECTED"), "{answer:?}");
        }
    }
}

#[test]
fn files_that_will_not_do_are_named() {
    let authority = Authority::new();
    let good = authority.issue("good", 2099);
    good.check().unwrap();
    let other = authority.issue("other", 2099);
    let expired = authority.issue("expired", 2021);
    let empty = authority.path("empty.pem");
    fs::write(&empty, "").unwrap();
    let encrypted = authority.path("encrypted.key");
    let text = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    fs::write(&encrypted, text).unwrap();
    let garbled = authority.path("garbled.pem");
    fs::write(
        &garbled,
        fs::read_to_string(&good.cert)
            .unwrap()
            .replace("MII", "AII"),
    )
    .unwrap();
    let missing = authority.path("missing.pem");
    for (cert, key, client_ca, parts) in [
        (&missing, &good.key, None, ["missing.pem", "can't read"]),
        (&good.cert, &missing, None, ["missing.pem", "can't read"]),
        (
            &good.cert,
            &good.key,
            Some(&missing),
            ["missing.pem", "can't read"],
        ),
        (&empty, &good.key, None, ["empty.pem", "no certificate"]),
        (&good.cert, &empty, None, ["empty.pem", "no private key"]),
        (&good.key, &good.cert, None, ["good.key", "no certificate"]),
        (
            &good.cert,
            &encrypted,
            None,
            ["encrypted.key", "is encrypted"],
        ),
        (&garbled, &good.key, None, ["garbled.pem", "certificate"]),
        (&good.cert, &other.key, None, ["other.key", "not that of"]),
        (
            &expired.cert,
            &expired.key,
            None,
            ["expired.pem", "2021-12-31"],
        ),
    ] {
        let tls = Tls {
            cert: cert.clone(),
            key: key.clone(),
            client_ca: client_ca.cloned(),
        };
        let error = tls.check().unwrap_err().to_string();
        assert!(
            parts.iter().all(|part| error.contains(part)),
            "{parts:?}: {error}"
        );
    }
}
