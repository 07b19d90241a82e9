//! Faults of a WebSocket peer, by raw bytes: each is answered by a close frame that tells which.

mod common;

use std::time::Duration;

use common::{LIMIT, TestServer};
use stompbox_server::Config;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;

struct RawWs(TcpStream);

/// The status line's code, and the open stream.
async fn request(server: &TestServer, headers: &str) -> (String, TcpStream) {
    let mut stream = TcpStream::connect(server.http).await.unwrap();
    let request = format!("GET /stomp HTTP/1.1\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let octet = timeout(LIMIT, stream.read_u8()).await.expect("an answer");
        let Ok(octet) = octet else { break };
        head.push(octet);
    }
    let head = String::from_utf8(head).unwrap();
    let status = head.split(' ').nth(1).unwrap_or("none").to_owned();
    (status, stream)
}

const UPGRADE: &str = "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

impl RawWs {
    async fn open(server: &TestServer) -> Self {
        let (status, stream) = request(server, UPGRADE).await;
        assert_eq!(status, "101");
        Self(stream)
    }

    /// Writes a frame of at most 125 bytes; the mask is zero, so that it changes nothing.
    async fn send(&mut self, first: u8, masked: bool, payload: &[u8]) {
        let length = u8::try_from(payload.len()).unwrap();
        assert!(length < 126);
        let mut frame = vec![first, length | if masked { 0x80 } else { 0 }];
        if masked {
            frame.extend([0; 4]);
        }
        frame.extend(payload);
        self.0.write_all(&frame).await.unwrap();
    }

    async fn frame(&mut self) -> (u8, Vec<u8>) {
        let read = async {
            let first = self.0.read_u8().await?;
            let mut length = u64::from(self.0.read_u8().await?);
            if length == 126 {
                length = u64::from(self.0.read_u16().await?);
            } else if length == 127 {
                length = self.0.read_u64().await?;
            }
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            self.0.read_exact(&mut payload).await?;
            std::io::Result::Ok((first & 15, payload))
        };
        let frame = timeout(LIMIT, read).await.expect("an answer");
        frame.expect("a close frame before the end")
    }

    /// The code of the close frame, and the command of each STOMP frame before it.
    async fn closed(&mut self) -> (u16, Vec<String>) {
        let mut before = Vec::new();
        loop {
            match self.frame().await {
                (CLOSE, payload) => {
                    let code = payload
                        .first_chunk()
                        .map_or(1005, |c| u16::from_be_bytes(*c));
                    return (code, before);
                }
                (_, payload) => {
                    let text = String::from_utf8_lossy(&payload);
                    before.push(text.lines().next().unwrap_or_default().to_owned());
                }
            }
        }
    }
}

#[tokio::test]
async fn broken_framing_is_closed_with_1002() {
    let server = TestServer::start().await;
    for (what, first, masked, payload) in [
        ("unmasked", FIN | TEXT, false, &b"\n"[..]),
        ("reserved bit", FIN | RSV1 | TEXT, true, b"\n"),
        ("reserved opcode", FIN | 3, true, b"\n"),
        ("continuation of nothing", FIN, true, b"\n"),
        ("fragmented ping", PING, true, b""),
        ("close of one byte", FIN | CLOSE, true, b"\x03"),
        (
            "close with a code that is never sent",
            FIN | CLOSE,
            true,
            b"\x03\xed",
        ),
    ] {
        let mut ws = RawWs::open(&server).await;
        ws.send(first, masked, payload).await;
        assert_eq!(ws.closed().await.0, 1002, "{what}");
    }
}

#[tokio::test]
async fn text_that_is_not_utf_8_is_closed_with_1007() {
    let server = TestServer::start().await;
    let mut ws = RawWs::open(&server).await;
    ws.send(FIN | TEXT, true, b"SEND\n\n\xff\0").await;
    assert_eq!(ws.closed().await.0, 1007);
}

#[tokio::test]
async fn a_frame_beyond_the_limit_is_closed_with_1009() {
    let server = TestServer::start().await;
    let mut ws = RawWs::open(&server).await;
    let mut head = vec![FIN | BINARY, 0xff];
    head.extend((1_u64 << 40).to_be_bytes());
    head.extend([0; 4]);
    ws.0.write_all(&head).await.unwrap();
    assert_eq!(ws.closed().await.0, 1009);
}

#[tokio::test]
async fn a_close_is_answered_by_a_close() {
    let server = TestServer::start().await;
    for (payload, code) in [(&b"\x03\xe8bye"[..], 1000), (b"", 1005)] {
        let mut ws = RawWs::open(&server).await;
        ws.send(FIN | CLOSE, true, payload).await;
        assert_eq!(ws.closed().await.0, code);
    }
}

#[tokio::test]
async fn a_ping_is_answered_before_connect_and_within_a_fragmented_message() {
    let server = TestServer::start().await;
    let mut ws = RawWs::open(&server).await;
    ws.send(FIN | PING, true, b"1").await;
    assert_eq!(ws.frame().await, (PONG, b"1".to_vec()));
    ws.send(TEXT, true, b"CONNECT\naccept-ver").await;
    ws.send(FIN | PING, true, b"2").await;
    assert_eq!(ws.frame().await, (PONG, b"2".to_vec()));
    ws.send(FIN, true, b"sion:1.2\nhost:x\n\n\0").await;
    let (opcode, payload) = ws.frame().await;
    assert_eq!(opcode, TEXT);
    assert!(payload.starts_with(b"CONNECTED\n"));
}

#[tokio::test]
async fn pings_of_a_peer_that_reads_nothing_are_bounded() {
    let config = Config {
        write_timeout: Duration::from_secs(1),
        ..Config::default()
    };
    let server = TestServer::with(config).await;
    let mut ws = RawWs::open(&server).await;
    let mut ping = vec![FIN | PING, 0x80 | 125];
    ping.extend([0; 4 + 125]);
    let pings = ping.repeat(1000);
    // Far more than the system's buffers hold: once they are full, nothing more is taken, and a
    // client that takes none of its bytes is closed.
    let mut closed = false;
    for _ in 0..500 {
        let written = timeout(LIMIT, ws.0.write_all(&pings)).await;
        if written.expect("taken or closed").is_err() {
            closed = true;
            break;
        }
    }
    assert!(closed);
}

#[tokio::test]
async fn every_limit_of_a_stomp_frame_is_closed_with_1009() {
    for bytes in [
        "A".repeat(40),
        format!("CONNECT\nx:{}", "x".repeat(110)),
        "CONNECT\na:\nb:\nc:\n".to_owned(),
        "CONNECT\ncontent-length:4294967296\n\n".to_owned(),
    ] {
        let limits = stompbox_server::Limits::default()
            .with_headers(2)
            .with_header_line(100)
            .with_handshake(100);
        let config = Config {
            limits,
            ..Config::default()
        };
        let server = TestServer::with(config).await;
        let mut ws = RawWs::open(&server).await;
        ws.send(FIN | TEXT, true, bytes.as_bytes()).await;
        let closed = ws.closed().await;
        assert_eq!(closed, (1009, vec!["ERROR".to_owned()]), "{bytes}");
    }
}

#[tokio::test]
async fn an_upgrade_that_breaks_rfc_6455_is_a_bad_request() {
    let server = TestServer::start().await;
    for (what, headers) in [
        (
            "key too short",
            UPGRADE.replace("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="),
        ),
        ("key not base64", UPGRADE.replace("dGhl", "d*hl")),
        (
            "no Connection: Upgrade",
            UPGRADE.replace("Connection: Upgrade\r\n", ""),
        ),
        ("no Host", UPGRADE.replace("Host: x\r\n", "")),
    ] {
        let (status, _stream) = request(&server, &headers).await;
        assert_eq!(status, "400", "{what}");
    }
    let several = UPGRADE.replace("Connection: Upgrade", "Connection: keep-alive, Upgrade");
    assert_eq!(request(&server, &several).await.0, "101");
}
