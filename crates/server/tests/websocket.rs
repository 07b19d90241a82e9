//! STOMP over WebSocket, and HTTP beside it.

mod common;

use common::{LIMIT, TestServer, header};
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderName, HeaderValue, Uri};
use stompbox_server::Config;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_websockets::{ClientBuilder, CloseCode, MaybeTlsStream, Message, WebSocketStream};

struct Ws(WebSocketStream<MaybeTlsStream<TcpStream>>, Option<String>);

async fn connect(server: &TestServer, path: &str, protocols: &str) -> Ws {
    let uri: Uri = format!("ws://{}{path}", server.http).parse().unwrap();
    let mut builder = ClientBuilder::from_uri(uri);
    if !protocols.is_empty() {
        let name = HeaderName::from_static("sec-websocket-protocol");
        builder = builder
            .add_header(name, HeaderValue::from_str(protocols).unwrap())
            .unwrap();
    }
    let (socket, response) = builder.connect().await.unwrap();
    let chosen = response.headers().get("sec-websocket-protocol");
    Ws(
        socket,
        chosen.map(|value| value.to_str().unwrap().to_owned()),
    )
}

impl Ws {
    async fn text(&mut self, text: &str) {
        self.0.send(Message::text(text.to_owned())).await.unwrap();
    }

    async fn message(&mut self) -> Message {
        timeout(LIMIT, self.0.next())
            .await
            .expect("an answer")
            .expect("not the end")
            .unwrap()
    }

    async fn frame(&mut self) -> String {
        let message = self.message().await;
        String::from_utf8_lossy(message.as_payload()).into_owned()
    }

    async fn closed(&mut self) -> CloseCode {
        self.message().await.as_close().expect("a close frame").0
    }
}

const CONNECT: &str = "CONNECT\naccept-version:1.0,1.1,1.2\nhost:x\n\n\0";

#[tokio::test]
async fn the_highest_subprotocol_is_answered_and_spoken() {
    let server = TestServer::start().await;
    for (offered, chosen, version) in [
        ("v10.stomp, v11.stomp, v12.stomp", Some("v12.stomp"), "1.2"),
        ("v12.stomp, v11.stomp", Some("v12.stomp"), "1.2"),
        ("v10.stomp,v11.stomp", Some("v11.stomp"), "1.1"),
        ("chat, v10.stomp", Some("v10.stomp"), "1.0"),
        ("chat", None, "1.2"),
        ("", None, "1.2"),
    ] {
        // A client that offered something and is answered nothing may refuse, as browsers do.
        let mut ws = connect(&server, "/stomp", offered).await;
        assert_eq!(ws.1.as_deref(), chosen, "{offered}");
        ws.text(CONNECT).await;
        assert_eq!(
            header(&ws.frame().await, "version"),
            Some(version),
            "{offered}"
        );
    }
}

#[tokio::test]
async fn all_paths_take_a_websocket() {
    let server = TestServer::start().await;
    for path in ["/stomp", "/ws", "/", "/stomp/websocket", "/stomp?token=x"] {
        let mut ws = connect(&server, path, "").await;
        ws.text(CONNECT).await;
        assert!(ws.frame().await.starts_with("CONNECTED\n"));
    }
}

#[tokio::test]
async fn frames_and_messages_need_not_match() {
    let server = TestServer::start().await;
    let mut ws = connect(&server, "/stomp", "v12.stomp").await;
    let stream = format!(
        "{CONNECT}\n\nSUBSCRIBE\nid:1\ndestination:/queue/ä\n\n\0SEND\ndestination:/queue/ä\n\nhällo\0\n"
    );
    // An octet a message, which cuts characters too: binary. Then all in one.
    for octet in stream.bytes() {
        ws.0.send(Message::binary(vec![octet])).await.unwrap();
    }
    assert!(ws.frame().await.starts_with("CONNECTED\n"));
    let message = ws.message().await;
    assert!(message.is_text());
    assert!(message.as_text().unwrap().ends_with("\n\nhällo\0"));
    let mut ws = connect(&server, "/stomp", "v12.stomp").await;
    ws.text(&stream.replace("/queue/ä", "/queue/b")).await;
    assert!(ws.frame().await.starts_with("CONNECTED\n"));
    assert!(ws.frame().await.ends_with("\n\nhällo\0"));
}

#[tokio::test]
async fn what_is_not_utf_8_goes_out_binary() {
    let server = TestServer::start().await;
    let mut ws = connect(&server, "/stomp", "v12.stomp").await;
    ws.text(CONNECT).await;
    ws.frame().await;
    ws.text("SUBSCRIBE\nid:1\ndestination:/queue/a\n\n\0").await;
    let mut send = b"SEND\ndestination:/queue/a\ncontent-length:3\n\n\xff\0\xfe".to_vec();
    send.push(0);
    ws.0.send(Message::binary(send)).await.unwrap();
    let message = ws.message().await;
    assert!(message.is_binary());
    assert!(message.as_payload().ends_with(b"\n\n\xff\0\xfe\0"));
}

#[tokio::test]
async fn who_writes_binary_messages_gets_such() {
    let server = TestServer::start().await;
    let mut ws = connect(&server, "/stomp", "v12.stomp").await;
    let binary = |text: &str| Message::binary(text.as_bytes().to_vec());
    ws.0.send(binary(CONNECT)).await.unwrap();
    assert!(ws.message().await.is_binary());
    // A heart-beat says nothing of the kind.
    ws.text("\n").await;
    let subscribe = "SUBSCRIBE\nid:1\ndestination:/queue/kinds\nreceipt:r\n\n\0";
    ws.0.send(binary(subscribe)).await.unwrap();
    assert!(ws.message().await.is_binary());
    let send = "SEND\ndestination:/queue/kinds\n\ntext\0";
    ws.0.send(binary(send)).await.unwrap();
    assert!(ws.message().await.is_binary());
    ws.text(send).await;
    assert!(ws.message().await.is_text());
    server.stop().await;
}

#[tokio::test]
async fn the_close_code_tells_why() {
    let server = TestServer::start().await;
    for (text, code) in [
        ("DISCONNECT\nreceipt:r\n\n\0", CloseCode::NORMAL_CLOSURE),
        (
            "SEND\ndestination:/queue/a\nx:\\t\n\n\0",
            CloseCode::PROTOCOL_ERROR,
        ),
        (
            "SEND\ndestination:/nowhere\n\n\0",
            CloseCode::PROTOCOL_ERROR,
        ),
        (
            "SEND\ncontent-length:99999999\n\n",
            CloseCode::MESSAGE_TOO_BIG,
        ),
    ] {
        let mut ws = connect(&server, "/stomp", "v12.stomp").await;
        ws.text(CONNECT).await;
        ws.frame().await;
        ws.text(text).await;
        let frame = ws.frame().await;
        assert!(
            frame.starts_with("RECEIPT\n") || frame.starts_with("ERROR\n"),
            "{frame}"
        );
        assert_eq!(ws.closed().await, code, "{text}");
    }
    let mut ws = connect(&server, "/stomp", "v12.stomp").await;
    ws.text(CONNECT).await;
    ws.frame().await;
    server.stop().await;
    assert_eq!(ws.closed().await, CloseCode::GOING_AWAY);
}

async fn http(server: &TestServer, request: &str) -> String {
    let mut stream = TcpStream::connect(server.http).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let length = timeout(LIMIT, stream.read(&mut answer))
        .await
        .expect("an answer")
        .unwrap();
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

fn upgrade(origin: &str) -> String {
    format!(
        "GET /stomp HTTP/1.1\r\nHost: localhost:1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{origin}\r\n"
    )
}

#[tokio::test]
async fn pages_of_other_origins_are_refused() {
    let server = TestServer::start().await;
    let status = |answer: &str| answer.split(' ').nth(1).unwrap().to_owned();
    for (origin, expected) in [
        ("", "101"),
        ("Origin: http://localhost:1\r\n", "101"),
        ("Origin: http://evil.example\r\n", "403"),
        ("Origin: null\r\n", "403"),
    ] {
        assert_eq!(
            status(&http(&server, &upgrade(origin)).await),
            expected,
            "{origin}"
        );
    }
    let config = Config {
        allowed_origins: vec!["https://app.example".into()],
        ..Config::default()
    };
    let server = TestServer::with(config).await;
    let answer = http(&server, &upgrade("Origin: https://app.example\r\n")).await;
    assert_eq!(status(&answer), "101");
    assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
}

#[tokio::test]
async fn http_requests_get_http_answers() {
    let server = TestServer::start().await;
    for (request, expected) in [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200"),
        ("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200"),
        ("GET /none HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404"),
        ("GET /stomp HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 426"),
        (
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 405",
        ),
        (
            "GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
            "HTTP/1.1 404",
        ),
        ("CONNECT\naccept-version:1.2\n\n\0", "HTTP/1.1 400"),
    ] {
        let answer = http(&server, request).await;
        assert!(answer.starts_with(expected), "{request}: {answer}");
    }
}
