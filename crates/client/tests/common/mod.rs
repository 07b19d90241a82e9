//! Servers for tests: a real one, and one that follows a script.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{future::Future, time::Duration};

use futures_util::FutureExt as _;
use stompbox::Limits;
use stompbox_proto::{Decoder, Dialect, Frame};
use stompbox_server::{Config, Listen, Server};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::timeout,
};

/// To end a hang.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// Runs something that must come to an end.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(LIMIT, future).await.expect("no hang")
}

/// A real server, which ends with this value.
pub(crate) struct TestServer {
    pub(crate) stomp: String,
    pub(crate) ws: String,
    _stop: oneshot::Sender<()>,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let free = "127.0.0.1:0".parse().unwrap();
        let server = Server::bind(Config {
            listen: vec![Listen::stomp(free), Listen::http(free)],
            ..config
        })
        .await
        .unwrap();
        let stomp = format!("stomp://{}", server.stomp_addrs()[0]);
        let ws = format!("ws://{}/stomp", server.http_addrs()[0]);
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(server.run(stopped.map(drop)));
        Self {
            stomp,
            ws,
            _stop: stop,
        }
    }
}

/// A server that does what the test says.
pub(crate) struct Script {
    listener: TcpListener,
    pub(crate) url: String,
}

impl Script {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("stomp://{}", listener.local_addr().unwrap());
        Self { listener, url }
    }

    /// The next connection, without an answer to its CONNECT.
    pub(crate) async fn accept_raw(&self) -> Peer {
        let (stream, _) = soon(self.listener.accept()).await.unwrap();
        Peer::new(stream)
    }

    /// The next connection, answered in a version.
    pub(crate) async fn accept(&self, version: &str) -> Peer {
        let mut peer = self.accept_raw().await;
        let connect = peer.frame().await;
        assert_eq!(connect.command.as_str(), "CONNECT");
        peer.connected(version).await;
        peer
    }
}

/// A client, as its server sees it.
pub(crate) struct Peer {
    stream: TcpStream,
    decoder: Decoder,
    dialect: Dialect,
    input: Vec<u8>,
}

impl Peer {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            decoder: Decoder::new(Limits::default()),
            dialect: Dialect::Handshake,
            input: Vec::new(),
        }
    }

    pub(crate) async fn connected(&mut self, version: &str) {
        self.send(&format!(
            "CONNECTED\nversion:{version}\nserver:Script/1\n\n\0"
        ))
        .await;
        self.dialect = match version {
            "1.0" => Dialect::V1_0,
            "1.1" => Dialect::V1_1,
            _ => Dialect::V1_2,
        };
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// The next frame; none after the client has gone.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            let mut rest: &[u8] = &self.input;
            let frame = self.decoder.decode(&mut rest, self.dialect).unwrap();
            let frame = frame.map(|frame| frame.to_frame());
            let used = self.input.len() - rest.len();
            self.input.drain(..used);
            if frame.is_some() {
                return frame;
            }
            let mut chunk = [0; 4096];
            match soon(self.stream.read(&mut chunk)).await {
                Ok(count @ 1..) => self.input.extend_from_slice(&chunk[..count]),
                _ => return None,
            }
        }
    }

    pub(crate) async fn frame(&mut self) -> Frame {
        self.next().await.expect("a frame")
    }

    /// The next frame in short: its command, and what tells it from others.
    pub(crate) async fn short(&mut self) -> String {
        let frame = self.frame().await;
        let header = |name| frame.header(name).unwrap_or_default().to_owned();
        let what = match frame.command.as_str() {
            "SEND" => String::from_utf8_lossy(&frame.body).into_owned(),
            "SUBSCRIBE" => header("destination"),
            "ACK" | "NACK" | "UNSUBSCRIBE" => header("id"),
            _ => String::new(),
        };
        format!("{} {what}", frame.command.as_str())
            .trim()
            .to_owned()
    }

    /// Answers a frame's `receipt`.
    pub(crate) async fn receipt(&mut self, frame: &Frame) {
        let id = frame.header("receipt").expect("a receipt is asked for");
        self.send(&format!("RECEIPT\nreceipt-id:{id}\n\n\0")).await;
    }
}
