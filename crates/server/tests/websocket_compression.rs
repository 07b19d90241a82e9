//! permessage-deflate (RFC 7692) between the server and a client of raw bytes.

mod common;

use std::net::SocketAddr;

use common::{LIMIT, TestServer, body, header};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use stompbox_server::{Config, Limits, User};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

const CONNECT: &str = "CONNECT\naccept-version:1.2\nhost:x\n\n\0";
const TAIL: &[u8] = &[0, 0, 0xff, 0xff];

/// What browsers offer.
const OFFER: &str = "permessage-deflate; client_max_window_bits";
const ANSWER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

async fn start() -> TestServer {
    with(Config::default()).await
}

async fn with(config: Config) -> TestServer {
    TestServer::with(Config {
        websocket_compression: true,
        ..config
    })
    .await
}

/// Compressed, as a message has it.
fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut state = Compress::new(Compression::best(), false);
    let mut out = Vec::with_capacity(bytes.len() + 1000);
    state
        .compress_vec(bytes, &mut out, FlushCompress::Sync)
        .unwrap();
    assert!(out.ends_with(TAIL) && state.total_in() == bytes.len() as u64);
    out.truncate(out.len() - TAIL.len());
    out
}

fn inflate(bytes: &[u8]) -> Vec<u8> {
    let mut state = Decompress::new(false);
    let mut out = Vec::with_capacity(8 << 20);
    let input = [bytes, TAIL].concat();
    state
        .decompress_vec(&input, &mut out, FlushDecompress::None)
        .unwrap();
    assert_eq!(state.total_in(), input.len() as u64);
    out
}

/// A client's frame; `first` is its first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        length @ 0..126 => out.push(0x80 | length as u8),
        length @ 126..0x1_0000 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    let mask = [0x5a, 1, 0xff, 9];
    out.extend_from_slice(&mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
    out
}

const TEXT: u8 = 0xc1;
const BINARY: u8 = 0xc2;

/// A message that is compressed.
fn message(first: u8, text: &str) -> Vec<u8> {
    frame(first, &deflate(text.as_bytes()))
}

struct Client {
    stream: TcpStream,
    extensions: Option<String>,
}

/// A frame of the server's: its first byte, and its payload.
type Frame = (u8, Vec<u8>);

impl Client {
    async fn connect(address: SocketAddr, offer: &str) -> Self {
        Self::at(address, "/stomp", offer).await
    }

    async fn at(address: SocketAddr, path: &str, offer: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let offer = match offer {
            "" => String::new(),
            offer => format!("Sec-WebSocket-Extensions: {offer}\r\n"),
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{offer}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let octet = timeout(LIMIT, stream.read_u8()).await.expect("an answer");
            head.push(octet.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let extensions = head
            .lines()
            .find_map(|line| line.strip_prefix("sec-websocket-extensions: "))
            .map(str::to_owned);
        Self { stream, extensions }
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    async fn next(&mut self) -> Option<Frame> {
        let read = async {
            let first = self.stream.read_u8().await.ok()?;
            let length = match self.stream.read_u8().await.ok()? {
                126 => self.stream.read_u16().await.ok()?.into(),
                127 => self.stream.read_u64().await.ok()?,
                length => length.into(),
            };
            let mut payload = vec![0; length as usize];
            self.stream.read_exact(&mut payload).await.ok()?;
            Some((first, payload))
        };
        timeout(LIMIT, read).await.expect("an answer")
    }

    /// The next frame of STOMP, inflated if need be, with the first byte that it came with.
    async fn stomp(&mut self) -> (u8, String) {
        let (first, payload) = self.next().await.expect("a frame before the end");
        let payload = match first & 0x40 {
            0 => payload,
            _ => inflate(&payload),
        };
        let text = String::from_utf8(payload).unwrap();
        (first, text.trim_end_matches('\0').to_owned())
    }

    async fn login(&mut self) {
        self.send(&message(TEXT, CONNECT)).await;
        let (_, connected) = self.stomp().await;
        assert!(connected.starts_with("CONNECTED\n"), "{connected}");
    }

    /// Expects a close frame of that code, maybe after an ERROR of that code.
    async fn closed(&mut self, error: Option<&str>, code: u16) {
        if let Some(error) = error {
            let (_, frame) = self.stomp().await;
            assert_eq!(header(&frame, "x-error-code"), Some(error), "{frame}");
        }
        let (first, payload) = self.next().await.expect("a close frame");
        assert_eq!(first, 0x88, "{payload:?}");
        assert_eq!(payload.first_chunk(), Some(&code.to_be_bytes()));
    }
}

#[tokio::test]
async fn it_is_agreed_on_where_both_want_it() {
    let (server, without) = (start().await, TestServer::start().await);
    for (address, offer, expected) in [
        (server.http, OFFER, Some(ANSWER)),
        (
            server.http,
            "permessage-deflate; server_max_window_bits=9",
            None,
        ),
        (server.http, "", None),
        (without.http, OFFER, None),
    ] {
        let mut client = Client::connect(address, offer).await;
        assert_eq!(client.extensions.as_deref(), expected, "{offer}");
        match expected {
            Some(_) => client.login().await,
            None => {
                client.send(&message(TEXT, CONNECT)).await;
                client.closed(None, 1002).await;
            }
        }
    }
}

#[tokio::test]
async fn sockjs_has_it_only_where_its_messages_are_frames() {
    let server = with(Config {
        sockjs: Some("/sockjs".into()),
        ..Config::default()
    })
    .await;
    let client = Client::at(server.http, "/sockjs/000/abc/websocket", OFFER).await;
    assert_eq!(client.extensions, None);
    let mut client = Client::at(server.http, "/sockjs/websocket", OFFER).await;
    assert_eq!(client.extensions.as_deref(), Some(ANSWER));
    client.login().await;
}

#[tokio::test]
async fn messages_go_both_ways_and_only_long_ones_compressed() {
    let server = start().await;
    let text = "größer ".repeat(70_000);
    for (first, kind) in [(TEXT, 1), (BINARY, 2)] {
        let mut client = Client::connect(server.http, OFFER).await;
        client.send(&message(first, CONNECT)).await;
        assert!(client.stomp().await.1.starts_with("CONNECTED\n"));
        let queue = format!("/queue/{kind}");
        let subscribe = format!("SUBSCRIBE\nid:1\ndestination:{queue}\n\n\0");
        client.send(&message(first, &subscribe)).await;
        for body_of in [&text[..], "short", &text[..2000]] {
            // Plain messages may stand between, and heart-beats of either kind.
            client.send(&message(TEXT, "\n")).await;
            client.send(&frame(0x81, b"\n")).await;
            let send = format!("SEND\ndestination:{queue}\n\n{body_of}\0");
            client.send(&message(first, &send)).await;
            let (got, answer) = client.stomp().await;
            let expected = match body_of.len() {
                0..1000 => 0x80 | kind,
                _ => 0xc0 | kind,
            };
            assert_eq!(got, expected, "{}", body_of.len());
            assert_eq!(body(&answer), body_of);
        }
        // Who does not compress still gets what is compressed.
        let send = format!("SEND\ndestination:{queue}\n\n{}\0", &text[..7000]);
        client.send(&frame(first & !0x40, send.as_bytes())).await;
        let (got, answer) = client.stomp().await;
        assert_eq!((got, body(&answer)), (0xc0 | kind, &text[..7000]));
        // What can't get smaller, and what would take too long, is sent as it is.
        let long = "0123456789".repeat(120_000);
        let send = format!("SEND\ndestination:{queue}\n\n{long}\0");
        client.send(&message(first, &send)).await;
        let (got, answer) = client.stomp().await;
        assert_eq!((got, body(&answer).len()), (0x80 | kind, long.len()));
    }
}

#[tokio::test]
async fn a_client_without_it_gets_everything_plain() {
    let server = start().await;
    let mut plain = Client::connect(server.http, "").await;
    plain.send(&frame(0x81, CONNECT.as_bytes())).await;
    assert!(plain.stomp().await.1.starts_with("CONNECTED\n"));
    plain
        .send(&frame(
            0x81,
            b"SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:1\n\n\0",
        ))
        .await;
    assert!(plain.stomp().await.1.starts_with("RECEIPT\n"));
    let mut client = Client::connect(server.http, OFFER).await;
    client.login().await;
    let text = "a".repeat(100_000);
    let send = format!("SEND\ndestination:/topic/a\n\n{text}\0");
    client.send(&message(TEXT, &send)).await;
    let (first, answer) = plain.stomp().await;
    assert_eq!((first, body(&answer)), (0x81, &text[..]));
}

#[tokio::test]
async fn messages_may_come_in_fragments_and_pieces() {
    let server = start().await;
    let mut client = Client::connect(server.http, OFFER).await;
    client.stream.set_nodelay(true).unwrap();
    client.login().await;
    let subscribe = "SUBSCRIBE\nid:1\ndestination:/queue/a\n\n\0";
    let text = "öäü".repeat(1000);
    let send = format!("SEND\ndestination:/queue/a\n\n{text}\0");
    // All of it in one message, in frames of a few bytes, with pings between them.
    let wire = deflate(format!("{subscribe}{send}").as_bytes());
    let mut bytes = frame(0x41, b"");
    for piece in wire.chunks(5) {
        bytes.extend(frame(0x00, piece));
        bytes.extend(frame(0x89, b"p"));
    }
    bytes.extend(frame(0x80, b""));
    for octet in &bytes {
        client.send(&[*octet]).await;
    }
    let mut pongs = 0;
    let answer = loop {
        match client.next().await.unwrap() {
            (0x8a, payload) => {
                assert_eq!(payload, b"p");
                pongs += 1;
            }
            (0xc1, payload) => break String::from_utf8(inflate(&payload)).unwrap(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(body(&answer), format!("{text}\0"));
    assert_eq!(pongs, wire.chunks(5).count());
}

#[tokio::test]
async fn a_message_that_comes_to_too_much_is_refused_before_it_is_there() {
    let mut limits = Limits::default();
    limits.body = 1 << 20;
    let server = with(Config {
        limits,
        ..Config::default()
    })
    .await;
    // A thousandth of that on the wire.
    let zeros = "0".repeat(8 << 20);
    let bomb = message(TEXT, &format!("SEND\ndestination:/queue/a\n\n{zeros}\0"));
    assert!(bomb.len() < 10_000);
    let mut client = Client::connect(server.http, OFFER).await;
    client.login().await;
    client.send(&bomb).await;
    client.closed(Some("body-too-long"), 1009).await;
    // A message may have many frames, but no more in all than the longest of them.
    let heart_beats = message(TEXT, &"\n".repeat(8 << 20));
    let mut client = Client::connect(server.http, OFFER).await;
    client.login().await;
    client.send(&heart_beats).await;
    client.closed(Some("message-too-long"), 1009).await;
    // Nor is there anything before CONNECT.
    for first in [bomb, message(TEXT, &format!("CONNECT\nhost:{zeros}\n\n\0"))] {
        let mut client = Client::connect(server.http, OFFER).await;
        client.send(&first).await;
        let (_, error) = client.stomp().await;
        assert!(error.starts_with("ERROR\n"), "{error}");
    }
}

#[tokio::test]
async fn what_breaks_the_rules_is_refused() {
    let server = start().await;
    let text = deflate(b"\n");
    let invalid = deflate(b"\xff\xff\xff\xff");
    let cut = deflate("ö".as_bytes());
    for (bytes, code) in [
        // Compressed continuations, pings, other reserved bits.
        ([frame(0x41, &text), frame(0xc0, b"")].concat(), 1002),
        (frame(0xc9, b""), 1002),
        (frame(0xe1, &text), 1002),
        (frame(0xa1, &text), 1002),
        (frame(0x91, &text), 1002),
        ([frame(0x41, &text), frame(0xc1, &text)].concat(), 1002),
        // What is no compressed text.
        (frame(0xc1, &[0xff; 20]), 1007),
        (frame(0xc1, &invalid), 1007),
        (
            frame(0xc1, &deflate(b"SEND\ndestination:/queue/a\n\n\xc3")),
            1007,
        ),
    ] {
        let mut client = Client::connect(server.http, OFFER).await;
        client.login().await;
        client.send(&bytes).await;
        client.closed(None, code).await;
    }
    // A character may be cut where the frame is.
    let mut client = Client::connect(server.http, OFFER).await;
    client.send(&frame(0x41, &cut[..1])).await;
    client.send(&frame(0x80, &cut[1..])).await;
    assert!(client.stomp().await.1.starts_with("ERROR\n"));
}

#[tokio::test]
async fn everything_behind_a_login_has_its_turn_in_order() {
    let user = User::with_passcode("ann", "secret").unwrap();
    let server = with(Config {
        users: vec![user],
        ..Config::default()
    })
    .await;
    let connect = CONNECT.replace("\n\n", "\nlogin:ann\npasscode:secret\n\n");
    let mut bytes = message(TEXT, &connect);
    bytes.extend(message(TEXT, "SUBSCRIBE\nid:1\ndestination:/queue/a\n\n\0"));
    let text = "x".repeat(100_000);
    let count = 60;
    for number in 0..count {
        let send = format!("SEND\ndestination:/queue/a\nnumber:{number}\n\n{text}\0");
        bytes.extend(message(TEXT, &send));
    }
    bytes.extend(message(TEXT, "DISCONNECT\nreceipt:bye\n\n\0"));
    assert!(bytes.len() < 64 << 10, "one read: {}", bytes.len());
    let mut client = Client::connect(server.http, OFFER).await;
    client.send(&bytes).await;
    assert!(client.stomp().await.1.starts_with("CONNECTED\n"));
    for number in 0..count {
        let (first, answer) = client.stomp().await;
        assert_eq!(first, TEXT);
        let expected = number.to_string();
        assert_eq!(header(&answer, "number"), Some(&*expected));
        assert_eq!(body(&answer).len(), text.len());
    }
    let (_, receipt) = client.stomp().await;
    assert_eq!(header(&receipt, "receipt-id"), Some("bye"));
    client.closed(None, 1000).await;

    // What is in one message with CONNECT has a limit of its own.
    let connect = format!("{connect}{}", "\n".repeat(1 << 20));
    let mut client = Client::connect(server.http, OFFER).await;
    client.send(&message(TEXT, &connect)).await;
    client.closed(Some("message-too-long"), 1009).await;
}
