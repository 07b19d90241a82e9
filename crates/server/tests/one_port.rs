//! Listeners where STOMP and HTTP are spoken on one port.

mod common;
#[path = "common/http.rs"]
mod http;
#[path = "common/tls.rs"]
mod tls;

use std::{net::SocketAddr, time::Duration};

use common::{LIMIT, Raw, TestServer, header};
use http::{Http, with_admin};
use stompbox_server::{Address, Config, Listen, Protocol};
use tempfile::TempDir;
use tls::{Authority, Duplex, Peer, handshake};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tokio_websockets::ClientBuilder;

fn both() -> Listen {
    let free: SocketAddr = "127.0.0.1:0".parse().unwrap();
    Listen::new(free.into(), Protocol::Both)
}

async fn start(listen: Listen) -> TestServer {
    TestServer::with(with_admin(Config {
        listen: vec![listen],
        allow_anonymous: true,
        connect_timeout: Duration::from_millis(500),
        ..Config::default()
    }))
    .await
}

/// All that is spoken on a port; each stream is a connection to it.
async fn all_of_it(server: &TestServer, streams: [Box<dyn Duplex>; 3], transports: [&str; 2]) {
    let [stomp, web, mut pages] = streams;
    let mut stomp = Peer::Stream(stomp, Vec::new());
    let builder = ClientBuilder::from_uri("ws://localhost/stomp".parse().unwrap());
    let mut web = Peer::Socket(Box::new(builder.connect_on(web).await.unwrap().0));
    for (peer, login) in [(&mut stomp, "stomp"), (&mut web, "web")] {
        let connected = peer.login(login, "").await;
        assert!(connected.starts_with("CONNECTED\n"), "{connected}");
    }
    for (login, transport) in ["stomp", "web"].into_iter().zip(transports) {
        let path = format!("/api/v1/connections?filter={login}");
        let answer = Http::new(server.admin).get(&path).await.ok();
        assert_eq!(answer["items"][0]["transport"], transport, "{answer}");
    }
    let body = "0123456789".repeat(50_000);
    stomp
        .send("SUBSCRIBE\nid:1\ndestination:/queue/a\n\n\0")
        .await;
    web.send(&format!("SEND\ndestination:/queue/a\n\n{body}\0"))
        .await;
    let message = stomp.frame().await.unwrap();
    assert!(message.ends_with(&body), "{} bytes", message.len());
    // A connection of HTTP may be used again.
    for (request, status) in [
        ("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        ("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        (
            "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            405,
        ),
    ] {
        pages.write_all(request.as_bytes()).await.unwrap();
        pages.flush().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let octet = timeout(LIMIT, pages.read_u8()).await.expect("an answer");
            head.push(octet.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        if status == 200 && request.starts_with("GET") {
            let mut body = [0; 3];
            pages.read_exact(&mut body).await.unwrap();
            assert_eq!(&body, b"ok\n");
        }
    }
}

#[tokio::test]
async fn all_is_spoken_in_plain_text() {
    let server = start(both()).await;
    let address = server.more_stomp[0];
    assert_eq!(server.more_http, [address]);
    let mut streams: Vec<Box<dyn Duplex>> = Vec::new();
    for _ in 0..3 {
        streams.push(Box::new(TcpStream::connect(address).await.unwrap()));
    }
    let streams = streams.try_into().ok().unwrap();
    all_of_it(&server, streams, ["tcp", "ws"]).await;
    server.stop().await;
}

#[tokio::test]
async fn all_is_spoken_below_tls() {
    let authority = Authority::new();
    let server = start(both().with_tls(authority.issue("server", 2099))).await;
    let address = server.stomp_tls[0];
    assert_eq!(server.https, [address]);
    let connector = authority.connector(rustls::DEFAULT_VERSIONS, None);
    let mut streams: Vec<Box<dyn Duplex>> = Vec::new();
    for _ in 0..3 {
        let stream = handshake(&connector, address).await.unwrap();
        let alpn = stream.get_ref().1.alpn_protocol();
        assert_eq!(alpn, Some(&b"http/1.1"[..]));
        streams.push(Box::new(stream));
    }
    let streams = streams.try_into().ok().unwrap();
    all_of_it(&server, streams, ["tls", "wss"]).await;
    server.stop().await;
}

#[tokio::test]
async fn all_is_spoken_on_a_unix_socket() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.sock");
    let server = start(Listen::new(Address::unix(&path), Protocol::Both)).await;
    let mut streams: Vec<Box<dyn Duplex>> = Vec::new();
    for _ in 0..3 {
        streams.push(Box::new(UnixStream::connect(&path).await.unwrap()));
    }
    let streams = streams.try_into().ok().unwrap();
    all_of_it(&server, streams, ["tcp", "ws"]).await;
    server.stop().await;
}

#[tokio::test]
async fn every_way_to_begin_a_session_is_a_frame() {
    let mut listen = both();
    listen.proxy_protocol = vec!["127.0.0.1".parse().unwrap()];
    let behind = start(listen).await;
    let plain = start(both()).await;
    for (start, version) in [
        ("CONNECT\naccept-version:1.2\n", "1.2"),
        ("CONNECT\r\naccept-version:1.2\n", "1.2"),
        ("STOMP\naccept-version:1.1\n", "1.1"),
        ("\nSTOMP\naccept-version:1.2\n", "1.2"),
        ("\r\n\nCONNECT\naccept-version:1.2\n", "1.2"),
    ] {
        for (server, first) in [(&plain, ""), (&behind, "PROXY UNKNOWN\r\n")] {
            let mut client = Raw::at(server.more_stomp[0]).await;
            client.stream.set_nodelay(true).unwrap();
            for octet in format!("{first}{start}host:x\n\n\0").into_bytes() {
                client.stream.write_all(&[octet]).await.unwrap();
                tokio::task::yield_now().await;
            }
            let connected = client.frame().await;
            assert!(connected.starts_with("CONNECTED\n"), "{connected}");
            assert_eq!(header(&connected, "version"), Some(version));
        }
    }
}

#[tokio::test]
async fn what_is_neither_gets_an_error_frame() {
    let server = start(both()).await;
    for text in [
        "CONNECT example.com:443 HTTP/1.1\r\n\r\n\0",
        "SEND\ndestination:/queue/a\n\n\0",
        "GETTER\n\n\0",
        "\u{16}\u{3}\u{1}\n\n\0",
    ] {
        let mut client = Raw::at(server.more_stomp[0]).await;
        client.send(text).await;
        let error = client.frame().await;
        assert!(error.starts_with("ERROR\n"), "{text:?}: {error}");
        client.end().await;
    }
}

#[tokio::test]
async fn who_says_nothing_in_time_is_closed() {
    let authority = Authority::new();
    let mut listen = both();
    let tls = start(listen.clone().with_tls(authority.issue("server", 2099))).await;
    let connector = authority.connector(rustls::DEFAULT_VERSIONS, None);
    let mut secure = handshake(&connector, tls.stomp_tls[0]).await.unwrap();
    let plain = start(listen.clone()).await;
    listen.proxy_protocol = vec!["127.0.0.1".parse().unwrap()];
    let behind = start(listen).await;
    let mut waiting = Vec::new();
    for text in ["", "G", "OPTIONS"] {
        for (server, first) in [(&plain, ""), (&behind, "PROXY UNKNOWN\r\n")] {
            let mut client = Raw::at(server.more_stomp[0]).await;
            client.send(&format!("{first}{text}")).await;
            waiting.push(client);
        }
    }
    for mut client in waiting {
        client.end().await;
    }
    let mut rest = Vec::new();
    let end = timeout(LIMIT, secure.read_to_end(&mut rest)).await;
    let _ = end.expect("the server closes");
    assert!(rest.is_empty());
}
