//! SockJS, as its protocol 0.3.3 has it, by requests and WebSockets of bytes.

mod common;
#[path = "common/http.rs"]
mod requests;

use common::{LIMIT, TestServer};
use futures_util::{SinkExt as _, StreamExt as _};
use http::Uri;
use requests::{Answer, Http};
use serde_json::json;
use stompbox_server::Config;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_websockets::{ClientBuilder, CloseCode, Message};

const CONNECT: &str = "CONNECT\naccept-version:1.2\nhost:x\n\n\0";

async fn server() -> TestServer {
    TestServer::with(Config {
        sockjs: Some("/sockjs".into()),
        ..Config::default()
    })
    .await
}

fn http(server: &TestServer) -> Http {
    Http::new(Some(server.http))
}

async fn post(server: &TestServer, path: &str, body: &str) -> Answer {
    http(server).ask("POST", path, body).await
}

/// A JSON list of strings.
fn list(strings: &[&str]) -> String {
    json!(strings).to_string()
}

/// A body, which may come in chunks.
fn unchunked(answer: &Answer) -> String {
    if answer.header("transfer-encoding") != Some("chunked") {
        return answer.body.clone();
    }
    let (mut rest, mut out) = (&*answer.body, String::new());
    while let Some((size, more)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a chunk's size");
        out.push_str(&more[..size]);
        rest = &more[size + 2..];
    }
    out
}

/// What a poll gives.
async fn poll(server: &TestServer, session: &str) -> String {
    let answer = post(server, &format!("/sockjs/000/{session}/xhr"), "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    unchunked(&answer)
}

/// The messages that a poll gives, as one text.
async fn messages(server: &TestServer, session: &str) -> String {
    let frame = poll(server, session).await;
    let list = frame.strip_prefix('a').expect("messages");
    serde_json::from_str::<Vec<String>>(list).unwrap().concat()
}

async fn send(server: &TestServer, session: &str, body: &str) -> Answer {
    post(server, &format!("/sockjs/000/{session}/xhr_send"), body).await
}

/// Begins a session that is connected.
async fn connect(server: &TestServer, session: &str) {
    assert_eq!(poll(server, session).await, "o\n");
    let sent = send(server, session, &list(&[CONNECT])).await;
    assert_eq!(sent.status, 204, "{sent:?}");
    let connected = messages(server, session).await;
    assert!(
        connected.starts_with("CONNECTED\nversion:1.2\n"),
        "{connected}"
    );
}

#[tokio::test]
async fn it_greets_and_tells_of_itself() {
    let server = server().await;
    for path in ["/sockjs", "/sockjs/"] {
        let answer = http(&server).get(path).await;
        assert_eq!(
            (answer.status, &*answer.body),
            (200, "Welcome to SockJS!\n")
        );
    }
    let info = http(&server).get("/sockjs/info").await;
    let (one, other) = (info.ok(), http(&server).get("/sockjs/info").await.ok());
    assert_eq!(one["websocket"], true);
    assert_eq!(one["cookie_needed"], false);
    assert_eq!(one["origins"], json!(["*:*"]));
    assert_ne!(one["entropy"], other["entropy"]);
    assert!(info.header("cache-control").unwrap().contains("no-store"));
    assert_eq!(http(&server).get("/sockjs/000/a/xhr").await.status, 405);
    assert_eq!(http(&server).get("/sockjs/000/a.b/xhr").await.status, 404);
    assert_eq!(http(&server).get("/sockjs/000/a/jsonp").await.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn it_is_nowhere_unless_asked_for() {
    let server = TestServer::start().await;
    assert_eq!(http(&server).get("/sockjs/info").await.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn only_pages_that_may_get_in() {
    let server = TestServer::with(Config {
        sockjs: Some("/sockjs".into()),
        allowed_origins: vec!["https://app.example.com".into()],
        ..Config::default()
    })
    .await;
    let evil = http(&server).with("Origin", "https://evil.example.com");
    for (method, path) in [
        ("GET", "/sockjs/info"),
        ("OPTIONS", "/sockjs/000/a/xhr"),
        ("POST", "/sockjs/000/a/xhr"),
        ("POST", "/sockjs/000/a/xhr_send"),
        ("GET", "/sockjs/000/a/eventsource"),
    ] {
        let answer = evil.ask(method, path, "").await;
        assert_eq!(answer.status, 403, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
    }
    let page = http(&server).with("Origin", "https://app.example.com");
    let info = page.get("/sockjs/info").await;
    let shared = info.header("access-control-allow-origin");
    assert_eq!(shared, Some("https://app.example.com"));
    assert_eq!(
        info.header("access-control-allow-credentials"),
        Some("true")
    );
    let preflight = page
        .with("Access-Control-Request-Headers", "content-type")
        .ask("OPTIONS", "/sockjs/000/a/xhr_send", "")
        .await;
    assert_eq!(preflight.status, 204);
    assert_eq!(
        preflight.header("access-control-allow-methods"),
        Some("OPTIONS, POST")
    );
    assert_eq!(
        preflight.header("access-control-allow-headers"),
        Some("content-type")
    );
    server.stop().await;
}

#[tokio::test]
async fn messages_go_both_ways_by_polling() {
    let server = server().await;
    connect(&server, "p").await;
    let frames = [
        "SUBSCRIBE\nid:s\ndestination:/queue/a\n\n\0",
        "SEND\ndestination:/queue/a\n\nGr\u{fc}\u{df}e \u{1f980} \"\\\0",
    ];
    assert_eq!(send(&server, "p", &list(&frames)).await.status, 204);
    let message = messages(&server, "p").await;
    assert!(
        message.ends_with("\n\nGr\u{fc}\u{df}e \u{1f980} \"\\\0"),
        "{message:?}"
    );
    // One message cut in two, in one list and over two.
    let cut = list(&["SEND\ndestination:/que", "ue/a\n\ncut"]);
    assert_eq!(send(&server, "p", &cut).await.status, 204);
    assert_eq!(send(&server, "p", &list(&["\0"])).await.status, 204);
    assert!(messages(&server, "p").await.ends_with("\n\ncut\0"));
    let bye = list(&["DISCONNECT\nreceipt:r\n\n\0"]);
    assert_eq!(send(&server, "p", &bye).await.status, 204);
    assert_eq!(messages(&server, "p").await, "RECEIPT\nreceipt-id:r\n\n\0");
    assert_eq!(poll(&server, "p").await, "c[1000,\"\"]\n");
    // As often as it is asked for.
    assert_eq!(poll(&server, "p").await, "c[1000,\"\"]\n");
    assert_eq!(send(&server, "p", &bye).await.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_list_of_strings_is_refused_and_costs_nothing() {
    let server = server().await;
    connect(&server, "b").await;
    let expect = |answer: Answer, body: &str| {
        assert_eq!((answer.status, &*answer.body), (500, body));
    };
    expect(send(&server, "b", "").await, "Payload expected.");
    expect(send(&server, "b", "[\"SEND").await, "Broken JSON encoding.");
    expect(
        send(&server, "b", "{\"a\":1}").await,
        "Broken JSON encoding.",
    );
    assert_eq!(send(&server, "none", &list(&["a"])).await.status, 404);
    let begin = list(&["BEGIN\ntransaction:t\nreceipt:r\n\n\0"]);
    assert_eq!(send(&server, "b", &begin).await.status, 204);
    assert_eq!(messages(&server, "b").await, "RECEIPT\nreceipt-id:r\n\n\0");
    server.stop().await;
}

#[tokio::test]
async fn a_long_request_that_breaks_off_ends_its_session() {
    let server = server().await;
    connect(&server, "l").await;
    let body = "x".repeat(200_000);
    let frame = format!("SEND\ndestination:/queue/long\n\n{body}\0");
    assert_eq!(send(&server, "l", &list(&[&frame])).await.status, 204);
    let whole = list(&[&frame]);
    let broken = send(&server, "l", &whole[..whole.len() - 10]).await;
    assert_eq!(broken.status, 500);
    assert_eq!(
        poll(&server, "l").await,
        "c[1002,\"Connection interrupted\"]\n"
    );
    let mut other = server.client("1.2").await;
    other
        .send("SUBSCRIBE\nid:s\ndestination:/queue/long\n\n\0")
        .await;
    other.message(&body).await;
    other.nothing().await;
    server.stop().await;
}

#[tokio::test]
async fn an_error_comes_before_the_end() {
    let server = server().await;
    connect(&server, "e").await;
    assert_eq!(
        send(&server, "e", &list(&["NONSENSE\n\n\0"])).await.status,
        204
    );
    let error = messages(&server, "e").await;
    assert!(error.starts_with("ERROR\n"), "{error}");
    assert!(poll(&server, "e").await.starts_with("c[1002,"));
    server.stop().await;
}

#[tokio::test]
async fn one_request_at_a_time_receives() {
    let server = server().await;
    connect(&server, "t").await;
    let host = server.http;
    let request = format!(
        "POST /sockjs/000/t/xhr_streaming HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n"
    );
    let mut first = http(&server).open(&request).await;
    // The head comes when the request is at work.
    read_until(&mut first, &mut String::new(), "200 OK").await;
    let taken = "c[2010,\"Another connection still open\"]\n";
    assert_eq!(poll(&server, "t").await, taken);
    // Whoever hangs up may have lost something.
    drop(first);
    let frame = timeout(LIMIT, async {
        loop {
            let frame = poll(&server, "t").await;
            if frame != taken {
                return frame;
            }
        }
    });
    assert_eq!(frame.await.unwrap(), "c[1002,\"Connection interrupted\"]\n");
    server.stop().await;
}

#[tokio::test]
async fn streams_go_on_until_they_are_long() {
    let server = server().await;
    for (session, path, method, prelude, wrap) in [
        (
            "x",
            "xhr_streaming",
            "POST",
            format!("{}\n", "h".repeat(2048)),
            ("", "\n"),
        ),
        (
            "v",
            "eventsource",
            "GET",
            "\r\n".to_owned(),
            ("data: ", "\r\n\r\n"),
        ),
    ] {
        let host = server.http;
        let request = format!(
            "{method} /sockjs/000/{session}/{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        let mut stream = http(&server).open(&request).await;
        let mut got = String::new();
        read_until(&mut stream, &mut got, &prelude).await;
        read_until(&mut stream, &mut got, &format!("{}o{}", wrap.0, wrap.1)).await;
        let sent = send(&server, session, &list(&[CONNECT])).await;
        assert_eq!(sent.status, 204);
        read_until(&mut stream, &mut got, "CONNECTED\\nversion:1.2").await;
        let body = "y".repeat(70_000);
        let frames = list(&[
            "SUBSCRIBE\nid:s\ndestination:/topic/long\n\n\0",
            &format!("SEND\ndestination:/topic/long\n\n{body}\0"),
            &format!("SEND\ndestination:/topic/long\n\n{body}\0"),
        ]);
        assert_eq!(send(&server, session, &frames).await.status, 204);
        // At the end of 128 KiB the response ends, and the session goes on.
        let end = timeout(LIMIT, stream.read_to_string(&mut got)).await;
        end.expect("the response's end").unwrap();
        assert_eq!(got.matches(&body).count(), 2);
        let begin = list(&["BEGIN\ntransaction:t\nreceipt:r\n\n\0"]);
        assert_eq!(send(&server, session, &begin).await.status, 204);
        assert_eq!(
            messages(&server, session).await,
            "RECEIPT\nreceipt-id:r\n\n\0"
        );
    }
    server.stop().await;
}

async fn read_until(stream: &mut TcpStream, got: &mut String, wanted: &str) {
    while !got.contains(wanted) {
        let mut chunk = [0; 4096];
        let read = timeout(LIMIT, stream.read(&mut chunk)).await;
        let length = read
            .unwrap_or_else(|_| panic!("no {wanted:?} in {got:?}"))
            .unwrap();
        assert!(length > 0, "the end before {wanted:?}: {got:?}");
        got.push_str(std::str::from_utf8(&chunk[..length]).unwrap());
    }
}

#[tokio::test]
async fn a_session_that_nobody_asks_for_ends() {
    let server = server().await;
    connect(&server, "i").await;
    let held = list(&["SUBSCRIBE\nid:s\ndestination:/queue/held\nack:client-individual\n\n\0"]);
    assert_eq!(send(&server, "i", &held).await.status, 204);
    let mut other = server.client("1.2").await;
    other.done("SEND\ndestination:/queue/held", "mine?").await;
    // What was on its way to it is another's.
    other
        .send("SUBSCRIBE\nid:s\ndestination:/queue/held\n\n\0")
        .await;
    other.message("mine?").await;
    assert_eq!(send(&server, "i", &held).await.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_is_no_text_arrives_as_text() {
    let server = server().await;
    connect(&server, "u").await;
    let subscribe = list(&["SUBSCRIBE\nid:s\ndestination:/topic/u\nreceipt:r\n\n\0"]);
    assert_eq!(send(&server, "u", &subscribe).await.status, 204);
    assert_eq!(messages(&server, "u").await, "RECEIPT\nreceipt-id:r\n\n\0");
    let mut other = server.client("1.2").await;
    let frame = b"SEND\ndestination:/topic/u\ncontent-length:3\n\na\xffb\0";
    other.stream.write_all(frame).await.unwrap();
    let message = messages(&server, "u").await;
    assert!(message.contains("\ncontent-length:5\n"), "{message:?}");
    assert!(message.ends_with("\n\na\u{fffd}b\0"), "{message:?}");
    server.stop().await;
}

type Socket = tokio_websockets::WebSocketStream<tokio_websockets::MaybeTlsStream<TcpStream>>;

async fn websocket(server: &TestServer, path: &str) -> Socket {
    let uri: Uri = format!("ws://{}{path}", server.http).parse().unwrap();
    ClientBuilder::from_uri(uri).connect().await.unwrap().0
}

/// The next message, which is to be text.
async fn text(socket: &mut Socket) -> String {
    let next = timeout(LIMIT, socket.next()).await.expect("a message");
    let message = next.expect("not the end").unwrap();
    message
        .as_text()
        .unwrap_or_else(|| panic!("{message:?}"))
        .to_owned()
}

#[tokio::test]
async fn messages_go_both_ways_by_a_websocket() {
    let server = server().await;
    let mut socket = websocket(&server, "/sockjs/000/w/websocket").await;
    assert_eq!(text(&mut socket).await, "o");
    // An empty message is nothing; one string is as good as a list.
    for message in [String::new(), list(&[]), json!(CONNECT).to_string()] {
        socket.send(Message::text(message)).await.unwrap();
    }
    let connected = text(&mut socket).await;
    assert!(
        connected.starts_with("a[\"CONNECTED\\nversion:1.2"),
        "{connected}"
    );
    let body = "z".repeat(300_000);
    let frames = [
        "SUBSCRIBE\nid:s\ndestination:/queue/w\n\n\0",
        &format!("SEND\ndestination:/queue/w\n\n{body}\0"),
    ];
    socket.send(Message::text(list(&frames))).await.unwrap();
    let message = text(&mut socket).await;
    assert!(message.ends_with(&format!("\\n\\n{body}\\u0000\"]")));
    socket.send(Message::ping("still here?")).await.unwrap();
    let pong = timeout(LIMIT, socket.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(pong.is_pong() && pong.as_payload()[..] == *b"still here?");
    let bye = list(&["DISCONNECT\nreceipt:r\n\n\0"]);
    socket.send(Message::text(bye)).await.unwrap();
    assert_eq!(
        text(&mut socket).await,
        "a[\"RECEIPT\\nreceipt-id:r\\n\\n\\u0000\"]"
    );
    assert_eq!(text(&mut socket).await, "c[1000,\"\"]");
    let end = timeout(LIMIT, socket.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(end.as_close().unwrap().0, CloseCode::NORMAL_CLOSURE);
    server.stop().await;
}

#[tokio::test]
async fn a_websocket_that_sends_no_json_is_closed() {
    let server = server().await;
    for text in ["nonsense", "[1]", "\"a\",", "[\"a\" \"b\"]"] {
        let mut socket = websocket(&server, "/sockjs/000/n/websocket").await;
        socket.send(Message::text(text)).await.unwrap();
        let mut last = None;
        while let Some(message) = timeout(LIMIT, socket.next()).await.expect("the end") {
            let Ok(message) = message else { break };
            last = message.as_close().map(|(code, _)| code).or(last);
        }
        assert_eq!(last, Some(CloseCode::PROTOCOL_ERROR), "{text}");
    }
    server.stop().await;
}

#[tokio::test]
async fn the_bare_websocket_has_no_frames() {
    let server = server().await;
    let mut socket = websocket(&server, "/sockjs/websocket").await;
    socket.send(Message::text(CONNECT)).await.unwrap();
    assert!(text(&mut socket).await.starts_with("CONNECTED\n"));
    server.stop().await;
}

#[tokio::test]
async fn whoever_waits_hears_of_the_servers_stop() {
    let server = server().await;
    connect(&server, "z").await;
    let host = server.http;
    let request = format!(
        "POST /sockjs/000/z/xhr_streaming HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n"
    );
    let mut stream = http(&server).open(&request).await;
    let mut got = String::new();
    read_until(&mut stream, &mut got, "hhhh").await;
    server.stop().await;
    read_until(&mut stream, &mut got, "c[1001,").await;
}
