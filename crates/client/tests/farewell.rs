//! What becomes of `disconnect` where a server closes instead of sending the receipt.

#![cfg(feature = "ws")]

mod common;

use common::{Script, soon};
use futures_util::{SinkExt as _, StreamExt as _};
use stompbox::{
    Client, Closed, ConnectOptions, Farewell, ReceiptError, SendError, Unavailable, connect,
};
use tokio::net::{TcpListener, TcpStream};
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
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        let accepted = ServerBuilder::new().accept(stream).await;
        let mut peer = Peer(accepted.unwrap().1);
        assert_eq!(peer.receipt_of("CONNECT").await, None);
        peer.send("CONNECTED\nversion:1.2\n\n\0".into()).await;
        peer
    };
    let (client, peer) = tokio::join!(soon(connect(&url)), soon(serve));
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
