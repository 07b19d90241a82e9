//! A real server on free ports, and clients that speak raw bytes.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{net::SocketAddr, time::Duration};

use stompbox_server::{Config, GatewayMonitor, Listen, Server};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

/// Long enough for the slowest machine; only a hang takes so long.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) struct TestServer {
    pub(crate) stomp: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) stomp_tls: Vec<SocketAddr>,
    pub(crate) https: Vec<SocketAddr>,
    /// The configuration's own listeners without TLS, beside the two that every server has.
    pub(crate) more_stomp: Vec<SocketAddr>,
    pub(crate) more_http: Vec<SocketAddr>,
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) gateway: Option<GatewayMonitor>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::with(Config::default()).await
    }

    /// With both plain listeners on free ports, and the configuration's other ones.
    pub(crate) async fn with(config: Config) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), config).await
    }

    /// The same, with STOMP at that address.
    pub(crate) async fn at(stomp: SocketAddr, mut config: Config) -> Self {
        let free = "127.0.0.1:0".parse().unwrap();
        let usual = Config::default().listen;
        config.listen.retain(|listen| !usual.contains(listen));
        config.listen.insert(0, Listen::stomp(stomp));
        config.listen.insert(1, Listen::http(free));
        let server = Server::bind(config).await.unwrap();
        let (stomp_tls, https) = (server.stomp_tls_addrs(), server.https_addrs());
        let (mut more_stomp, mut more_http) = (server.stomp_addrs(), server.http_addrs());
        let (stomp, http) = (more_stomp.remove(0), more_http.remove(0));
        let admin = server.admin_addr();
        let gateway = server.gateway_monitor();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self {
            stomp,
            http,
            stomp_tls,
            https,
            more_stomp,
            more_http,
            admin,
            gateway,
            stop: Some(stop),
            task,
        }
    }

    pub(crate) async fn stop(mut self) {
        let _ = self.stop.take().unwrap().send(());
        timeout(LIMIT, self.task)
            .await
            .expect("the server stops")
            .unwrap();
    }

    /// A client that has sent nothing.
    pub(crate) async fn raw(&self) -> Raw {
        Raw::at(self.stomp).await
    }

    /// A client connected in a version.
    pub(crate) async fn client(&self, version: &str) -> Raw {
        self.client_as(version, "").await
    }

    /// A client connected in a version, with more headers, each with its line's end.
    pub(crate) async fn client_as(&self, version: &str, headers: &str) -> Raw {
        let mut raw = self.raw().await;
        raw.send(&format!(
            "CONNECT\naccept-version:{version}\nhost:localhost\n{headers}\n\0"
        ))
        .await;
        let connected = raw.frame().await;
        assert!(connected.starts_with("CONNECTED\n"), "{connected}");
        assert_eq!(header(&connected, "version"), Some(version));
        raw
    }
}

/// A client of raw bytes.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

impl Raw {
    pub(crate) async fn at(address: SocketAddr) -> Self {
        Self {
            stream: TcpStream::connect(address).await.unwrap(),
            buffer: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// The next frame without its NUL; heart-beats before it are passed over.
    pub(crate) async fn frame(&mut self) -> String {
        self.try_frame().await.expect("a frame before the end")
    }

    pub(crate) async fn try_frame(&mut self) -> Option<String> {
        loop {
            let start = self.buffer.iter().take_while(|b| **b == b'\n').count();
            let frame = &self.buffer[start..];
            // Tests that send bodies with NULs look at the bytes themselves.
            if let Some(end) = frame.iter().position(|b| *b == 0) {
                let text = String::from_utf8_lossy(&frame[..end]).into_owned();
                self.buffer.drain(..start + end + 1);
                return Some(text);
            }
            let mut chunk = [0; 4096];
            let read = timeout(LIMIT, self.stream.read(&mut chunk))
                .await
                .expect("an answer");
            match read {
                Ok(0) | Err(_) => return None,
                Ok(length) => self.buffer.extend_from_slice(&chunk[..length]),
            }
        }
    }

    /// Sends, and waits until the server has done all of it.
    pub(crate) async fn settled(&mut self, text: &str) -> Vec<String> {
        self.send(text).await;
        self.send("SEND\ndestination:/topic/nobody\nreceipt:settled\n\n\0")
            .await;
        let mut frames = Vec::new();
        loop {
            let frame = self.frame().await;
            if header(&frame, "receipt-id") == Some("settled") {
                return frames;
            }
            frames.push(frame);
        }
    }

    /// Sends a frame, and waits for its RECEIPT. Gives what came before that.
    pub(crate) async fn done(&mut self, head: &str, body: &str) -> Vec<String> {
        self.send(&format!("{head}\nreceipt:done\n\n{body}\0"))
            .await;
        let mut before = Vec::new();
        loop {
            let frame = self.frame().await;
            assert!(!frame.starts_with("ERROR\n"), "{head:?}: {frame}");
            if header(&frame, "receipt-id") == Some("done") {
                return before;
            }
            before.push(frame);
        }
    }

    /// The next frame, which is to be a MESSAGE with that body.
    pub(crate) async fn message(&mut self, wanted: &str) -> String {
        let frame = self.frame().await;
        assert!(frame.starts_with("MESSAGE\n"), "{wanted:?}: {frame}");
        assert_eq!(body(&frame), wanted, "{frame}");
        frame
    }

    /// Expects that nothing is on its way to this client.
    pub(crate) async fn nothing(&mut self) {
        let frames = self.settled("").await;
        assert!(frames.is_empty(), "{frames:?}");
    }

    /// Expects an ERROR with that code, then the end.
    pub(crate) async fn error(&mut self, code: &str) -> String {
        let frame = self.frame().await;
        assert!(frame.starts_with("ERROR\n"), "{frame}");
        assert_eq!(header(&frame, "x-error-code"), Some(code), "{frame}");
        assert!(
            header(&frame, "message").is_some_and(|message| !message.is_empty()),
            "{frame}"
        );
        self.end().await;
        frame
    }

    /// Expects that the server closes, and sends nothing before.
    pub(crate) async fn end(&mut self) {
        assert_eq!(self.try_frame().await, None);
    }
}

/// The first header of that name.
pub(crate) fn header<'f>(frame: &'f str, name: &str) -> Option<&'f str> {
    let (head, _) = frame.split_once("\n\n").unwrap_or((frame, ""));
    head.lines()
        .skip(1)
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

pub(crate) fn body(frame: &str) -> &str {
    frame.split_once("\n\n").map_or("", |(_, body)| body)
}
