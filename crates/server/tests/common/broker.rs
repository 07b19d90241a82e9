//! A broker behind a gateway that does what a test tells it.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::common::{LIMIT, Raw, TestServer, header};

/// What a broker of STOMP 1.2 says first.
pub(crate) const V1_2: &str = "CONNECTED\nversion:1.2\n\n";

/// Takes connections.
pub(crate) struct Broker {
    socket: TcpListener,
    pub(crate) address: SocketAddr,
}

impl Broker {
    pub(crate) async fn start() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        Self { socket, address }
    }

    /// The gateway's next connection, of which nothing is read yet.
    pub(crate) async fn take(&self) -> Wire {
        let accepted = timeout(LIMIT, self.socket.accept()).await;
        let (stream, _) = accepted.expect("a connection").unwrap();
        Wire {
            stream,
            bytes: Vec::new(),
        }
    }

    /// The gateway's next connection, which is let in.
    pub(crate) async fn accept(&self, connected: &str) -> Wire {
        let mut wire = self.take().await;
        let connect = wire.expect("CONNECT").await;
        assert!(connect.contains("accept-version"), "{connect}");
        wire.say(connected).await;
        wire
    }

    /// A client of a gateway's that is connected, and the gateway's next connection, which is let in.
    pub(crate) async fn client(&self, gateway: &TestServer) -> (Raw, Wire) {
        tokio::join!(gateway.client("1.2"), self.accept(V1_2))
    }
}

/// The broker's side of a connection.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    bytes: Vec<u8>,
}

impl Wire {
    /// Sends a frame without its NUL.
    pub(crate) async fn say(&mut self, frame: &str) {
        self.send(format!("{frame}\0").as_bytes()).await;
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next frame, without its NUL and what is between frames. `None`: the gateway has closed.
    pub(crate) async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.bytes.iter().position(|byte| *byte == 0) {
                let frame: Vec<u8> = self.bytes.drain(..=end).collect();
                let text = String::from_utf8_lossy(&frame[..end]).into_owned();
                return Some(text.trim_start_matches('\n').to_owned());
            }
            let mut chunk = [0; 4096];
            let read = timeout(LIMIT, self.stream.read(&mut chunk)).await;
            match read.expect("a frame of the gateway's") {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.bytes.extend_from_slice(&chunk[..count]),
            }
        }
    }

    pub(crate) async fn frame(&mut self) -> String {
        self.next().await.expect("a frame before the end")
    }

    /// A frame of that kind, and nothing before it.
    pub(crate) async fn expect(&mut self, command: &str) -> String {
        let frame = self.frame().await;
        assert!(frame.starts_with(&format!("{command}\n")), "{frame}");
        frame
    }

    /// Gives the receipt that a frame asked for.
    pub(crate) async fn confirm(&mut self, frame: &str) {
        let receipt = header(frame, "receipt").expect("a receipt");
        self.say(&format!("RECEIPT\nreceipt-id:{receipt}\n\n"))
            .await;
    }
}
