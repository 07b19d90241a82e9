//! Listeners behind load balancers that speak the PROXY protocol.

mod common;
#[path = "common/gateway.rs"]
mod gateway;
#[path = "common/http.rs"]
mod http;
#[path = "common/tls.rs"]
mod tls;

use std::{net::SocketAddr, time::Duration};

use common::{LIMIT, Raw, TestServer};
use http::{Http, with_admin};
use rustls::pki_types::ServerName;
use stompbox_server::{Config, Listen, ServeError, Server, User};
use tls::{Authority, Duplex, Peer};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_websockets::ClientBuilder;

const CONNECT: &str = "CONNECT\naccept-version:1.2\nhost:x\nlogin:LOGIN\n\n\0";

fn free() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// Believes load balancers of those networks.
fn behind(mut listen: Listen, networks: &[&str]) -> Listen {
    listen.proxy_protocol = networks.iter().map(|it| it.parse().unwrap()).collect();
    listen
}

/// For STOMP and HTTP, behind a load balancer on this machine.
fn config() -> Config {
    with_admin(Config {
        listen: vec![
            behind(Listen::stomp(free()), &["10.0.0.0/8", "127.0.0.1"]),
            behind(Listen::http(free()), &["127.0.0.0/8"]),
        ],
        allow_anonymous: true,
        ..Config::default()
    })
}

/// A header of version 2.
fn binary(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [
        b"\r\n\r\n\0\r\nQUIT\n",
        &[command, family][..],
        &length,
        body,
    ]
    .concat()
}

/// 192.0.2.7:4567, as load balancers on Amazon's network say it: with a checksum, padding, and a
/// field of their own.
fn binary_4() -> Vec<u8> {
    let addresses = [192, 0, 2, 7, 10, 0, 0, 1, 0x11, 0xd7, 0xf0, 0xad];
    let fields = b"\x03\0\x04\x01\x02\x03\x04\x04\0\x02\0\0\xea\0\x04\x01vpc";
    binary(0x21, 0x11, &[&addresses[..], fields].concat())
}

/// The addresses that the admin API knows, by login.
async fn remote_of(server: &TestServer, login: &str) -> String {
    let admin = Http::new(server.admin);
    let path = format!("/api/v1/connections?filter={login}");
    let answer = admin.get(&path).await.ok();
    let [connection] = &answer["items"].as_array().unwrap()[..] else {
        panic!("{answer}");
    };
    connection["remote"].as_str().unwrap().to_owned()
}

async fn welcome(peer: &mut Peer, login: &str) {
    let connected = peer.login(login, "").await;
    assert!(connected.starts_with("CONNECTED\n"), "{connected}");
}

#[tokio::test]
async fn the_address_in_the_header_is_the_clients() {
    let authority = Authority::new();
    let tls = authority.issue("server", 2099);
    let connector = authority.connector(rustls::DEFAULT_VERSIONS, None);
    let mut config = config();
    for listen in [Listen::stomp(free()), Listen::http(free())] {
        let listen = behind(listen.with_tls(tls.clone()), &["127.0.0.1/32"]);
        config.listen.push(listen);
    }
    let server = TestServer::with(config).await;
    let ip_6 = [&[0; 15][..], &[1], &[0; 16], &[0, 80, 0, 1]].concat();
    let headers = [
        (
            b"PROXY TCP4 192.0.2.7 10.0.0.1 4567 61613\r\n".to_vec(),
            Some("192.0.2.7:4567"),
        ),
        (
            b"PROXY TCP6 2001:db8::7 ::1 4567 61613\r\n".to_vec(),
            Some("[2001:db8::7]:4567"),
        ),
        (b"PROXY UNKNOWN\r\n".to_vec(), None),
        (binary_4(), Some("192.0.2.7:4567")),
        (binary(0x21, 0x21, &ip_6), Some("[::1]:80")),
        (binary(0x20, 0x00, b""), None),
    ];
    let mut peers = Vec::new();
    for (number, (header, expected)) in headers.iter().enumerate() {
        for transport in 0..tls::TRANSPORTS {
            let address = [
                server.more_stomp[0],
                server.stomp_tls[0],
                server.more_http[0],
                server.https[0],
            ][transport];
            let mut stream = TcpStream::connect(address).await.unwrap();
            let own = stream.local_addr().unwrap().to_string();
            stream.write_all(header).await.unwrap();
            let stream: Box<dyn Duplex> = match transport % 2 {
                0 => Box::new(stream),
                _ => {
                    let name = ServerName::try_from("localhost").unwrap();
                    Box::new(connector.connect(name, stream).await.unwrap())
                }
            };
            let mut peer = match transport < 2 {
                true => Peer::Stream(stream, Vec::new()),
                false => {
                    let builder = ClientBuilder::from_uri("ws://localhost/stomp".parse().unwrap());
                    Peer::Socket(Box::new(builder.connect_on(stream).await.unwrap().0))
                }
            };
            let login = format!("peer-{number}-{transport}");
            welcome(&mut peer, &login).await;
            let expected = expected.unwrap_or(&own);
            assert_eq!(remote_of(&server, &login).await, expected, "{login}");
            peers.push(peer);
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn events_and_the_filter_know_the_clients_address() {
    let user = User::with_passcode("ann", "secret").unwrap();
    let user = user.with_role(Some(stompbox_server::Role::Viewer));
    let mut config = config();
    config.users = vec![user];
    let server = TestServer::with(config).await;
    let admin = Http::new(server.admin).login("ann", "secret");
    let mut events = admin.follow("").await;
    let mut refused = Raw::at(server.more_stomp[0]).await;
    refused
        .send("PROXY TCP4 192.0.2.9 10.0.0.1 9 61613\r\n")
        .await;
    refused.send(&CONNECT.replace("LOGIN", "eve")).await;
    refused.error("refused").await;
    let event = events.next_of("login-refused").await;
    assert_eq!(event["remote"], "192.0.2.9:9", "{event}");
    let mut client = Raw::at(server.more_stomp[0]).await;
    let login = CONNECT.replace("LOGIN", "ann\npasscode:secret");
    // All in one packet.
    let text = format!("PROXY TCP4 192.0.2.8 10.0.0.1 8 61613\r\n{login}");
    client.send(&text).await;
    assert!(client.frame().await.starts_with("CONNECTED\n"));
    let event = events.next_of("connected").await;
    assert_eq!(event["remote"], "192.0.2.8:8", "{event}");
    let found = admin.get("/api/v1/connections?filter=192.0.2.8").await.ok();
    assert_eq!(found["items"].as_array().unwrap().len(), 1, "{found}");
}

#[tokio::test]
async fn a_header_may_come_in_pieces() {
    let server = TestServer::with(config()).await;
    for header in [
        b"PROXY TCP4 192.0.2.7 10.0.0.1 4567 61613\r\n".to_vec(),
        binary_4(),
    ] {
        let mut client = Raw::at(server.more_stomp[0]).await;
        client.stream.set_nodelay(true).unwrap();
        for octet in &header {
            client.stream.write_all(&[*octet]).await.unwrap();
            tokio::task::yield_now().await;
        }
        client.send(&CONNECT.replace("LOGIN", "pieces")).await;
        assert!(client.frame().await.starts_with("CONNECTED\n"));
        assert_eq!(remote_of(&server, "pieces").await, "192.0.2.7:4567");
        client.done("DISCONNECT", "").await;
        client.end().await;
    }
}

/// What comes back, where the peer sends that and waits for the end.
async fn answer(address: SocketAddr, sent: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // It may be closed already.
    let _ = stream.write_all(sent).await;
    let mut answer = Vec::new();
    let end = timeout(LIMIT, stream.read_to_end(&mut answer)).await;
    let _ = end.expect("the server closes");
    answer
}

#[tokio::test]
async fn a_connection_without_a_whole_header_gets_nothing() {
    let mut config = config();
    config.connect_timeout = Duration::from_millis(200);
    let server = TestServer::with(config).await;
    let long = format!("PROXY UNKNOWN {}\r\n{CONNECT}", "1".repeat(100));
    for address in [server.more_stomp[0], server.more_http[0]] {
        for sent in [
            &b""[..],
            CONNECT.as_bytes(),
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 4567",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 4567 61613\n",
            long.as_bytes(),
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11",
            &binary(0x21, 0x11, &[0; 12])[..20],
            &binary(0x21, 0x11, &[0; 11]),
            &binary(0x31, 0x11, &[0; 12]),
        ] {
            let answer = answer(address, sent).await;
            assert!(answer.is_empty(), "{sent:?}: {answer:?}");
        }
    }
    // Others go on.
    let mut client = server.client("1.2").await;
    client.nothing().await;
}

#[tokio::test]
async fn nobody_but_the_load_balancer_may_connect() {
    let mut config = config();
    config.listen = vec![
        behind(Listen::stomp(free()), &["10.0.0.0/8", "::1"]),
        behind(Listen::http(free()), &["127.0.0.2"]),
    ];
    let server = TestServer::with(config).await;
    let header = b"PROXY TCP4 10.0.0.7 10.0.0.1 4567 61613\r\n";
    for address in [server.more_stomp[0], server.more_http[0]] {
        for start in [&header[..], b""] {
            for request in [CONNECT, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
                let sent = [start, request.as_bytes()].concat();
                assert_eq!(answer(address, &sent).await, b"", "{request}");
            }
        }
    }
}

#[tokio::test]
async fn a_header_where_none_is_expected_changes_nothing() {
    let server = TestServer::with(with_admin(Config::default())).await;
    let header = "PROXY TCP4 10.0.0.7 10.0.0.1 4567 61613\r\n";
    let mut client = server.raw().await;
    client.send(&format!("{header}{CONNECT}")).await;
    assert!(client.frame().await.starts_with("ERROR\n"));
    let request = format!("{header}GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = answer(server.http, request.as_bytes()).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[tokio::test]
async fn a_gateway_knows_its_clients_too() {
    let broker = TestServer::start().await;
    for mode in gateway::BOTH {
        let mut config = config();
        config.gateway = Some(gateway::config(mode, &[broker.stomp]));
        let gateway = TestServer::with(config).await;
        let mut client = Raw::at(gateway.more_stomp[0]).await;
        client.stream.write_all(&binary_4()).await.unwrap();
        client.send(&CONNECT.replace("LOGIN", "through")).await;
        assert!(client.frame().await.starts_with("CONNECTED\n"));
        client
            .send("SUBSCRIBE\nid:1\ndestination:/queue/through\n\n\0")
            .await;
        client
            .send("SEND\ndestination:/queue/through\n\nhello\0")
            .await;
        client.message("hello").await;
        assert_eq!(remote_of(&gateway, "through").await, "192.0.2.7:4567");
        client.done("DISCONNECT", "").await;
        gateway.stop().await;
    }
}

#[tokio::test]
async fn who_waits_for_a_header_does_not_hold_up_the_end() {
    let server = TestServer::with(config()).await;
    let mut silent = Raw::at(server.more_stomp[0]).await;
    silent.send("PROXY ").await;
    let mut client = server.client("1.2").await;
    client.nothing().await;
    server.stop().await;
    silent.end().await;
}

#[tokio::test]
async fn a_loopback_address_behind_a_load_balancer_is_not_for_anybody() {
    let listen = behind(Listen::stomp(free()), &["127.0.0.1"]);
    let mut config = Config {
        listen: vec![listen],
        ..Config::default()
    };
    let error = Server::bind(config.clone()).await.unwrap_err();
    assert!(matches!(error, ServeError::BehindProxy { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("proxy_protocol") && text.contains("passwd"),
        "{text}"
    );
    config.users = vec![User::with_passcode("ann", "secret").unwrap()];
    Server::bind(config).await.unwrap();
}

#[tokio::test]
async fn the_admin_listener_slows_down_clients_and_not_their_load_balancer() {
    let mut config = with_admin(Config::default());
    config.admin.as_mut().unwrap().proxy_protocol = vec!["127.0.0.1".parse().unwrap()];
    let error = Server::bind(config.clone()).await.unwrap_err();
    assert!(
        matches!(error, ServeError::AdminNotLoopback { .. }),
        "{error}"
    );
    let user = User::with_passcode("ann", "secret").unwrap();
    config.users = vec![user.with_role(Some(stompbox_server::Role::Viewer))];
    let server = TestServer::with(config.clone()).await;
    let address = server.admin.unwrap();
    let ask = async |from: &str, login: &str| {
        let request = format!(
            "PROXY TCP4 {from} 10.0.0.1 9 80\r\nGET /api/v1/overview HTTP/1.1\r\n\
             Host: localhost\r\nAuthorization: Basic {login}\r\nConnection: close\r\n\r\n"
        );
        let answer = answer(address, request.as_bytes()).await;
        let status = answer.get(9..12).unwrap_or_default().to_vec();
        String::from_utf8(status).unwrap()
    };
    // ann:secret, and ann:wrong.
    let (right, wrong) = ("YW5uOnNlY3JldA==", "YW5uOndyb25n");
    for _ in 0..10 {
        assert_eq!(ask("192.0.2.1", wrong).await, "401");
    }
    assert_eq!(ask("192.0.2.1", right).await, "429");
    assert_eq!(ask("192.0.2.2", right).await, "200");
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(answer(address, request).await, b"");
    server.stop().await;

    let trusted = vec!["10.0.0.0/8".parse().unwrap()];
    config.admin.as_mut().unwrap().proxy_protocol = trusted;
    let server = TestServer::with(config.clone()).await;
    let request = [b"PROXY UNKNOWN\r\n", &request[..]].concat();
    assert_eq!(answer(server.admin.unwrap(), &request).await, b"");
    config.admin.as_mut().unwrap().proxy_protocol = vec!["unix:".parse().unwrap()];
    let error = config.validate().unwrap_err().to_string();
    assert!(error.contains("addresses or networks"), "{error}");
}
