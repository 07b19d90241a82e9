//! The gateway between a client and a broker where one of them breaks the rules, is silent, or slow.

mod common;

use std::net::SocketAddr;

use common::{LIMIT, Raw, TestServer, header};
use stompbox_server::{Acl, Config, GatewayConfig, GatewayMode, Rule, Upstream};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

const BOTH: [GatewayMode; 2] = [GatewayMode::Pooled, GatewayMode::Passthrough];

fn config(mode: GatewayMode, upstreams: &[SocketAddr]) -> GatewayConfig {
    let parse = |address: &SocketAddr| -> Upstream { address.to_string().parse().unwrap() };
    let mut gateway = GatewayConfig::new(upstreams.iter().map(parse));
    gateway.mode = mode;
    gateway.connections = 1;
    gateway
}

async fn with(gateway: GatewayConfig) -> TestServer {
    TestServer::with(Config {
        gateway: Some(gateway),
        ..Config::default()
    })
    .await
}

/// A broker that does what it is told.
struct Mock {
    socket: TcpListener,
    address: SocketAddr,
}

impl Mock {
    async fn start() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        Self { socket, address }
    }

    /// The gateway's next connection, which is let in.
    async fn accept(&self, headers: &str) -> Connection {
        let accepted = timeout(LIMIT, self.socket.accept()).await;
        let (stream, _) = accepted.expect("a connection").unwrap();
        let mut connection = Connection {
            stream,
            buffer: Vec::new(),
        };
        let connect = connection.frame("CONNECT").await;
        assert!(connect.contains("accept-version"), "{connect}");
        let connected = format!("CONNECTED\nversion:1.2\n{headers}\n\0");
        connection.send(connected.as_bytes()).await;
        connection
    }
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next frame, which is to have that command.
    async fn frame(&mut self, command: &str) -> String {
        let frame = self.next().await.expect("a frame before the end");
        assert!(frame.starts_with(&format!("{command}\n")), "{frame}");
        frame
    }

    /// `None`: it was closed.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == 0) {
                let frame: Vec<u8> = self.buffer.drain(..=end).collect();
                let frame = String::from_utf8(frame).unwrap();
                return Some(
                    frame
                        .trim_start_matches('\n')
                        .trim_end_matches('\0')
                        .to_owned(),
                );
            }
            let mut chunk = [0; 4096];
            let read = timeout(LIMIT, self.stream.read(&mut chunk)).await;
            match read.expect("a frame") {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.buffer.extend_from_slice(&chunk[..count]),
            }
        }
    }

    async fn receipt(&mut self, frame: &str) {
        let receipt = header(frame, "receipt").expect("a receipt");
        let frame = format!("RECEIPT\nreceipt-id:{receipt}\n\n\0");
        self.send(frame.as_bytes()).await;
    }
}

/// Reads to a NUL. Gives how many bytes came.
async fn large_frame(client: &mut Raw) -> usize {
    let (mut count, mut chunk) = (0, vec![0; 64 << 10]);
    loop {
        let read = timeout(LIMIT, client.stream.read(&mut chunk)).await;
        let read = read.expect("more").unwrap();
        assert!(read > 0, "the end after {count} bytes");
        count += read;
        if chunk[..read].contains(&0) {
            return count;
        }
    }
}

/// A transaction that is open at the gateway's broker, and a frame in it that is refused.
async fn refused(gateway: &TestServer, broker: &TestServer, queue: &str, bad: &str, code: &str) {
    let mut reader = broker.client("1.2").await;
    reader
        .done(&format!("SUBSCRIBE\nid:q\ndestination:{queue}"), "")
        .await;
    let mut client = gateway.client("1.2").await;
    client
        .send(&format!(
            "BEGIN\ntransaction:t\n\n\0SEND\ndestination:{queue}\ntransaction:t\n\nin part\0{bad}\0\
             COMMIT\ntransaction:t\n\n\0SEND\ndestination:{queue}\n\nbehind\0"
        ))
        .await;
    client.error(code).await;
    // By the same connection to the broker, where there is one for all.
    let mut other = gateway.client("1.2").await;
    other
        .done(&format!("SEND\ndestination:{queue}"), "after")
        .await;
    reader.message("after").await;
}

#[tokio::test]
async fn nothing_behind_a_refused_frame_is_done() {
    let broker = TestServer::start().await;
    for mode in BOTH {
        let rule = Rule {
            who: "*".parse().expect("everybody"),
            allow: vec!["read,write **".parse().expect("a permission")],
            deny: vec!["write /queue/forbidden".parse().expect("a permission")],
        };
        let gateway = TestServer::with(Config {
            acl: Acl::new(vec![rule]),
            gateway: Some(config(mode, &[broker.stomp])),
            ..Config::default()
        })
        .await;
        for (number, (bad, code)) in [
            ("ACK\nid:s99\ntransaction:t\n\n", "invalid-request"),
            (
                "SEND\ndestination:/queue/forbidden\ntransaction:t\n\nx",
                "access-denied",
            ),
        ]
        .into_iter()
        .enumerate()
        {
            let queue = format!("/queue/refused.{mode}.{number}");
            refused(&gateway, &broker, &queue, bad, code).await;
        }
        gateway.stop().await;
    }
    broker.stop().await;
}

#[tokio::test]
async fn a_message_beyond_the_limits_ends_nobody_elses_connection() {
    for mode in BOTH {
        let mock = Mock::start().await;
        let mut strict = config(mode, &[mock.address]);
        // No less than what a client may send: 4 MiB.
        strict.max_message = 0;
        let gateway = with(strict).await;
        let pooled = mode == GatewayMode::Pooled;
        let mut shared = None;
        let mut other = None;
        if pooled {
            let mut broker = mock.accept("").await;
            let mut client = gateway.client("1.2").await;
            client.send("SEND\ndestination:/queue/a\n\nx\0").await;
            broker.frame("SEND").await;
            (shared, other) = (Some(broker), Some(client));
        }
        let headers = "x:y\n".repeat(200);
        let line = "y".repeat(20_000);
        let body = "z".repeat(5 << 20);
        for rest in [
            format!("{headers}\nx"),
            format!("x:{line}\n\nx"),
            format!("content-length:{}\n\n{body}", body.len()),
            format!("\n{body}"),
        ] {
            let mut client = gateway.raw().await;
            client
                .send("CONNECT\naccept-version:1.2\nhost:x\n\n\0")
                .await;
            let mut own = None;
            if !pooled {
                own = Some(mock.accept("").await);
            }
            client.frame().await;
            client
                .send("SUBSCRIBE\nid:1\ndestination:/queue/q\nack:client\n\n\0")
                .await;
            let broker = own.as_mut().or(shared.as_mut()).expect("a broker");
            let subscribe = broker.frame("SUBSCRIBE").await;
            let id = header(&subscribe, "id").expect("an id");
            broker.receipt(&subscribe).await;
            let message = format!(
                "MESSAGE\nsubscription:{id}\nmessage-id:m\nack:a\ndestination:/queue/q\n{rest}\0\n"
            );
            broker.send(message.as_bytes()).await;
            let error = client.error("message-too-long").await;
            assert_eq!(header(&error, "x-retry"), Some("never"), "{error}");
            assert!(error.contains("/queue/q"), "{error}");
            // The broker puts it back when the subscription or the connection ends.
            let last = if pooled { "UNSUBSCRIBE" } else { "DISCONNECT" };
            broker.frame(last).await;
        }
        if let (Some(mut client), Some(mut broker)) = (other, shared) {
            client.send("SEND\ndestination:/queue/a\n\nx\0").await;
            broker.frame("SEND").await;
        }
        gateway.stop().await;
    }
}

#[tokio::test]
async fn a_broker_may_send_more_than_a_client() {
    let mock = Mock::start().await;
    let gateway = with(config(GatewayMode::Pooled, &[mock.address])).await;
    let mut broker = mock.accept("").await;
    let mut client = gateway.client("1.2").await;
    client
        .send("SUBSCRIBE\nid:1\ndestination:/queue/q\n\n\0")
        .await;
    let subscribe = broker.frame("SUBSCRIBE").await;
    let id = header(&subscribe, "id").expect("an id");
    let first = format!("MESSAGE\nsubscription:{id}\nmessage-id:m\nack:a\ndestination:/queue/q\n");
    // All that a client may send, and what a broker puts beside it.
    let headers = "x:y\n".repeat(140);
    let line = "\\c".repeat(8000);
    for rest in [format!("{headers}\nx\0"), format!("x:{line}\n\nx\0")] {
        broker.send(format!("{first}{rest}").as_bytes()).await;
        client.message("x").await;
        broker.frame("ACK").await;
    }
    // More than may wait for a client, but alone.
    let body = "z".repeat(9 << 20);
    let message = format!("{first}\n{body}\0");
    let (_, count) = tokio::join!(broker.send(message.as_bytes()), large_frame(&mut client));
    assert!(count > body.len(), "{count}");
    broker.frame("ACK").await;
    gateway.stop().await;
}
