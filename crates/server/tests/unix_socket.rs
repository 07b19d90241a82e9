//! Listeners on Unix sockets, and their files.

mod common;
#[path = "common/http.rs"]
mod http;
#[path = "common/tls.rs"]
mod tls;

use std::{
    fs, io,
    os::unix::{fs::PermissionsExt as _, net::UnixListener},
    path::{Path, PathBuf},
};

use common::{LIMIT, TestServer};
use http::{Http, with_admin};
use stompbox_server::{Address, Config, Listen, Protocol, ServeError, Server, UnixSocket, User};
use tempfile::TempDir;
use tls::{Authority, Peer};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    time::timeout,
};
use tokio_websockets::ClientBuilder;

fn on(path: &Path, protocol: Protocol) -> Config {
    with_admin(Config {
        listen: vec![Listen::new(Address::unix(path), protocol)],
        ..Config::default()
    })
}

fn place() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.sock");
    (folder, path)
}

async fn peer(path: &Path) -> Peer {
    let stream = UnixStream::connect(path).await.unwrap();
    Peer::Stream(Box::new(stream), Vec::new())
}

async fn welcome(peer: &mut Peer, login: &str) {
    let connected = peer.login(login, "").await;
    assert!(connected.starts_with("CONNECTED\n"), "{connected}");
}

async fn remote_of(server: &TestServer, login: &str) -> String {
    let path = format!("/api/v1/connections?filter={login}");
    let answer = Http::new(server.admin).get(&path).await.ok();
    answer["items"][0]["remote"].as_str().unwrap().to_owned()
}

async fn refusal(config: Config) -> String {
    Server::bind(config).await.unwrap_err().to_string()
}

#[tokio::test]
async fn stomp_is_spoken_there_until_the_server_stops() {
    let (_folder, path) = place();
    let server = TestServer::with(on(&path, Protocol::Stomp)).await;
    let mut here = peer(&path).await;
    welcome(&mut here, "here").await;
    assert_eq!(remote_of(&server, "here").await, "unix");
    here.send("SUBSCRIBE\nid:1\ndestination:/queue/a\nreceipt:1\n\n\0")
        .await;
    assert!(here.frame().await.unwrap().starts_with("RECEIPT\n"));
    // Those who come by TCP are at the same broker.
    let mut there = server.client("1.2").await;
    there.done("SEND\ndestination:/queue/a", "hello").await;
    let message = here.frame().await.unwrap();
    assert!(message.ends_with("\n\nhello"), "{message}");
    server.stop().await;
    assert_eq!(here.frame().await, None);
    assert!(!path.exists());
}

#[tokio::test]
async fn http_and_websocket_are_spoken_there() {
    let (_folder, path) = place();
    let server = TestServer::with(on(&path, Protocol::Http)).await;
    let mut stream = UnixStream::connect(&path).await.unwrap();
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    let read = timeout(LIMIT, stream.read_to_string(&mut answer));
    read.await.expect("an answer").unwrap();
    assert!(answer.ends_with("\r\n\r\nok\n"), "{answer}");

    let stream: Box<dyn tls::Duplex> = Box::new(UnixStream::connect(&path).await.unwrap());
    let builder = ClientBuilder::from_uri("ws://localhost/stomp".parse().unwrap());
    let mut peer = Peer::Socket(Box::new(builder.connect_on(stream).await.unwrap().0));
    welcome(&mut peer, "web").await;
    assert_eq!(remote_of(&server, "web").await, "unix");
    server.stop().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_file_that_is_left_over_is_replaced_and_nothing_else_is() {
    let (folder, path) = place();
    // Whoever made it is gone.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let server = TestServer::with(on(&path, Protocol::Stomp)).await;
    let mut first = peer(&path).await;
    welcome(&mut first, "first").await;

    let error = refusal(on(&path, Protocol::Stomp)).await;
    let name = format!("can't listen on unix:{}", path.display());
    assert!(error.starts_with(&name), "{error}");
    assert!(error.contains("another program listens there"), "{error}");
    let mut second = peer(&path).await;
    welcome(&mut second, "second").await;
    server.stop().await;

    fs::write(&path, "precious").unwrap();
    let error = refusal(on(&path, Protocol::Stomp)).await;
    assert!(error.contains("no socket"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"precious");

    let nowhere = folder.path().join("nowhere/a.sock");
    let error = refusal(on(&nowhere, Protocol::Stomp)).await;
    assert!(error.contains("nowhere/a.sock"), "{error}");
    let long = folder.path().join("a".repeat(200));
    let error = refusal(on(&long, Protocol::Stomp)).await;
    assert!(error.contains("can't listen on"), "{error}");
}

#[tokio::test]
async fn the_file_of_another_server_stays() {
    let (_folder, path) = place();
    let old = Server::bind(on(&path, Protocol::Stomp)).await.unwrap();
    assert_eq!(old.unix_sockets(), [(path.clone(), Protocol::Stomp)]);
    fs::remove_file(&path).unwrap();
    let new = TestServer::with(on(&path, Protocol::Stomp)).await;
    drop(old);
    let mut peer = peer(&path).await;
    welcome(&mut peer, "new").await;
    new.stop().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn the_mode_is_that_of_the_file() {
    for mode in [0o600, 0o660, 0o666] {
        let (_folder, path) = place();
        let socket = UnixSocket {
            path: path.clone(),
            mode: Some(mode),
        };
        let mut config = on(&path, Protocol::Stomp);
        config.listen = vec![Listen::new(Address::Unix(socket), Protocol::Stomp)];
        let server = TestServer::with(config).await;
        let file = fs::metadata(&path).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, mode);
        let mut peer = peer(&path).await;
        welcome(&mut peer, "a").await;
        server.stop().await;
    }
}

#[tokio::test]
async fn a_load_balancer_may_come_by_it() {
    let (_folder, path) = place();
    let mut config = on(&path, Protocol::Stomp);
    config.listen[0].proxy_protocol = vec!["unix:".parse().unwrap()];
    // Who is behind it may be anywhere.
    let error = Server::bind(config.clone()).await.unwrap_err();
    assert!(matches!(error, ServeError::BehindProxy { .. }), "{error}");
    assert!(!path.exists());
    config.allow_anonymous = true;
    let server = TestServer::with(config).await;
    for (header, expected) in [
        (
            "PROXY TCP4 192.0.2.7 10.0.0.1 4567 61613\r\n",
            "192.0.2.7:4567",
        ),
        ("PROXY UNKNOWN\r\n", "unix"),
    ] {
        let mut peer = peer(&path).await;
        peer.send(header).await;
        welcome(&mut peer, expected).await;
        assert_eq!(remote_of(&server, expected).await, expected);
    }
}

#[tokio::test]
async fn what_it_can_not_be_is_named() {
    let (_folder, path) = place();
    let authority = Authority::new();
    let mut tls = on(&path, Protocol::Stomp);
    tls.listen[0].tls = Some(authority.issue("server", 2099));
    let mut networks = on(&path, Protocol::Stomp);
    networks.listen[0].proxy_protocol = vec!["10.0.0.0/8".parse().unwrap()];
    let mut address = networks.clone();
    address.listen = vec![Listen::stomp("127.0.0.1:0".parse().unwrap())];
    address.listen[0].proxy_protocol = vec!["unix:".parse().unwrap()];
    for (mut config, part) in [
        (tls, "has no TLS"),
        (networks, "proxy_protocol is [\"unix:\"]"),
        (address, "addresses or networks"),
    ] {
        config.users = vec![User::with_passcode("ann", "secret").unwrap()];
        let error = config.validate().unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
        assert_eq!(refusal(config).await, error);
        assert_eq!(
            fs::metadata(&path).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
