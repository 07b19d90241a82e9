//! What a server sees of a client's WebSocket: its messages, and their end.

#![cfg(feature = "ws")]

mod common;

use common::{Script, TestServer, soon};
use futures_util::{SinkExt as _, StreamExt as _};
use stompbox::{Client, Closed, ConnectOptions, Farewell, ReceiptError, SendError, Unavailable};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_websockets::{CloseCode, Message, ServerBuilder, WebSocketStream};

/// A client's WebSocket, as its server sees it.
struct Peer(WebSocketStream<TcpStream>);

impl Peer {
    async fn send(&mut self, text: String) {
        soon(self.0.send(Message::text(text))).await.unwrap();
    }

    /// The next frame's `receipt` header.
    async fn receipt_of(&mut self, command: &str) -> Option<String> {
        let message = soon(self.0.next()).await.unwrap().unwrap();
        let frame = message.as_text().expect("a text").to_owned();
        assert!(frame.starts_with(command), "{frame:?}");
        let mut lines = frame.lines();
        let header = lines.find_map(|line| line.strip_prefix("receipt:"));
        header.map(str::to_owned)
    }

    /// Begins to close, and waits until the client has agreed.
    async fn close(mut self, code: CloseCode) {
        let close = Message::close(Some(code), "STOMP died");
        soon(self.0.send(close)).await.unwrap();
        while let Some(Ok(_)) = soon(self.0.next()).await {}
    }
}

/// A client and its peer.
async fn pair() -> (Client, Peer) {
    pair_with(|options| options).await
}

async fn pair_with(more: impl FnOnce(ConnectOptions) -> ConnectOptions) -> (Client, Peer) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    let connect = more(ConnectOptions::new(&url)).connect();
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        let accepted = ServerBuilder::new().accept(stream).await;
        let mut peer = Peer(accepted.unwrap().1);
        assert_eq!(peer.receipt_of("CONNECT").await, None);
        peer.send("CONNECTED\nversion:1.2\n\n\0".into()).await;
        peer
    };
    let (client, peer) = tokio::join!(soon(connect), soon(serve));
    (client.unwrap(), peer)
}

/// Disconnects, with a peer that closes.
async fn closed_with(code: CloseCode) -> Result<Farewell, ReceiptError> {
    let (client, mut peer) = pair().await;
    client.send("/queue/a").body("last").await.unwrap();
    let serve = async {
        assert_eq!(peer.receipt_of("SEND").await, None);
        assert!(peer.receipt_of("DISCONNECT").await.is_some());
        peer.close(code).await;
    };
    tokio::join!(soon(client.disconnect()), serve).0
}

#[tokio::test]
async fn a_close_in_order_is_a_farewell_and_no_receipt() {
    let farewell = closed_with(CloseCode::NORMAL_CLOSURE).await;
    assert_eq!(farewell.unwrap(), Farewell::Close);
    // As from RabbitMQ, it ends the connection as the program wished.
    let (client, mut peer) = pair().await;
    let serve = async {
        peer.receipt_of("DISCONNECT").await;
        peer.close(CloseCode::NORMAL_CLOSURE).await;
    };
    tokio::join!(soon(client.disconnect()), serve).0.unwrap();
    let late = client.send("/queue/a").body("late").await;
    assert!(matches!(
        late,
        Err(SendError::Closed(Unavailable::Closed(Closed::Disconnected)))
    ));
}

#[tokio::test]
async fn a_receipt_before_the_close_counts() {
    let (client, mut peer) = pair().await;
    let serve = async {
        let receipt = peer.receipt_of("DISCONNECT").await.unwrap();
        // In one packet, so that both are read together.
        let frame = format!("RECEIPT\nreceipt-id:{receipt}\n\n\0");
        peer.0.feed(Message::text(frame)).await.unwrap();
        peer.close(CloseCode::NORMAL_CLOSURE).await;
    };
    let farewell = tokio::join!(soon(client.disconnect()), serve).0;
    assert_eq!(farewell.unwrap(), Farewell::Receipt);
}

#[tokio::test]
async fn other_codes_and_no_close_are_a_loss() {
    for code in [CloseCode::GOING_AWAY, CloseCode::INTERNAL_SERVER_ERROR] {
        let error = closed_with(code).await.unwrap_err();
        assert!(
            matches!(error, ReceiptError::Closed(Closed::ByServer)),
            "{error:?}"
        );
    }
    let (client, mut peer) = pair().await;
    let serve = async {
        peer.receipt_of("DISCONNECT").await;
        drop(peer);
    };
    let error = tokio::join!(soon(client.disconnect()), serve).0;
    assert!(matches!(error, Err(ReceiptError::Closed(_))), "{error:?}");
}

#[tokio::test]
async fn who_still_owes_a_receipt_does_not_part_in_order() {
    let (client, mut peer) = pair().await;
    let send = client.send("/queue/a").body("first");
    let pending = send.pending_receipt().await.unwrap();
    let serve = async {
        assert!(peer.receipt_of("SEND").await.is_some());
        assert!(peer.receipt_of("DISCONNECT").await.is_some());
        peer.close(CloseCode::NORMAL_CLOSURE).await;
    };
    let error = tokio::join!(soon(client.disconnect()), serve).0;
    for error in [error.map(drop), soon(pending.wait()).await] {
        assert!(
            matches!(error, Err(ReceiptError::Closed(Closed::ByServer))),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_close_without_disconnect_is_a_loss() {
    let (client, peer) = pair().await;
    let mut events = client.events();
    let (event, ()) = tokio::join!(soon(events.next()), peer.close(CloseCode::NORMAL_CLOSURE));
    assert!(
        matches!(
            event,
            Some(stompbox::Event::Closed {
                reason: Closed::ByServer
            })
        ),
        "{event:?}"
    );
}

#[tokio::test]
async fn the_end_of_a_stream_says_nothing() {
    let script = Script::new().await;
    let connect = ConnectOptions::new(&script.url).connect();
    let (client, mut peer) = tokio::join!(soon(connect), script.accept("1.2"));
    let client = client.unwrap();
    let serve = async {
        assert_eq!(peer.frame().await.command.as_str(), "DISCONNECT");
        drop(peer);
    };
    let error = tokio::join!(soon(client.disconnect()), serve).0;
    assert!(
        matches!(error, Err(ReceiptError::Closed(Closed::ByServer))),
        "{error:?}"
    );
}

/// The messages up to the end of a frame, and whether each is text.
async fn messages(peer: &mut Peer) -> Vec<(Vec<u8>, bool)> {
    let mut messages = Vec::new();
    loop {
        let message = soon(peer.0.next()).await.unwrap().unwrap();
        let bytes = message.as_payload().to_vec();
        let is_last = bytes.ends_with(b"\0");
        messages.push((bytes, message.is_text()));
        if is_last {
            return messages;
        }
    }
}

#[tokio::test]
async fn frames_are_cut_into_messages_for_who_asks() {
    let (client, mut peer) = pair_with(|options| options.websocket_split(1000)).await;
    let text = "a€".repeat(1000);
    for (body, is_text) in [(text.into_bytes(), true), (vec![0xff; 3000], false)] {
        let sent = client.send("/queue/a").body(body.clone()).await;
        sent.unwrap();
        let messages = messages(&mut peer).await;
        assert!(messages.len() > 3);
        assert!(messages.iter().all(|(bytes, _)| bytes.len() <= 1000));
        assert!(messages.iter().all(|(_, is)| *is == is_text));
        let whole: Vec<u8> = messages.into_iter().flat_map(|(bytes, _)| bytes).collect();
        let start = whole.len() - body.len() - 1;
        assert_eq!(whole[start..whole.len() - 1], body);
    }
    client.send("/queue/a").body("short").await.unwrap();
    assert_eq!(messages(&mut peer).await.len(), 1);
}

/// The lengths of a client's WebSocket frames: all are masked.
fn frame_lengths(mut bytes: &[u8]) -> Vec<usize> {
    let mut lengths = Vec::new();
    while let [_, length, rest @ ..] = bytes {
        let (length, rest) = match length & 0x7f {
            126 => (
                u16::from_be_bytes(rest[..2].try_into().unwrap()).into(),
                &rest[2..],
            ),
            127 => {
                let length = u64::from_be_bytes(rest[..8].try_into().unwrap());
                (length.try_into().unwrap(), &rest[8..])
            }
            short => (usize::from(short), rest),
        };
        lengths.push(length);
        bytes = &rest[4 + length..];
    }
    lengths
}

#[tokio::test]
async fn no_frame_of_a_message_is_longer_than_64_kib() {
    let server = TestServer::start().await;
    let address = server.ws["ws://".len()..].split_once('/').unwrap().0;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/stomp", listener.local_addr().unwrap());
    // What goes between them is looked at.
    let relay = async {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = TcpStream::connect(address).await.unwrap();
        let (mut from_client, mut to_client) = near.split();
        let (mut from_server, mut to_server) = far.split();
        let back = tokio::io::copy(&mut from_server, &mut to_client);
        let mut seen = Vec::new();
        let there = async {
            let mut chunk = [0; 4096];
            loop {
                let count = from_client.read(&mut chunk).await.unwrap_or(0);
                if count == 0 {
                    break;
                }
                seen.extend_from_slice(&chunk[..count]);
                to_server.write_all(&chunk[..count]).await.unwrap();
            }
            to_server.shutdown().await.unwrap();
        };
        let _ = tokio::join!(back, there);
        seen
    };
    let work = async {
        let client = stompbox::connect(&url).await.unwrap();
        let mut messages = client.subscribe("/queue/a").await.unwrap();
        let body = "x".repeat(200_000);
        client.send("/queue/a").body(body.clone()).await.unwrap();
        let message = messages.next().await.unwrap().unwrap();
        assert_eq!(message.text(), Some(&*body));
        client.disconnect().await.unwrap();
    };
    let ((), seen) = soon(async { tokio::join!(work, relay) }).await;
    let head = seen.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4;
    let lengths = frame_lengths(&seen[head..]);
    assert!(lengths.iter().sum::<usize>() > 200_000, "{lengths:?}");
    assert_eq!(lengths.iter().max(), Some(&(64 << 10)));
}
