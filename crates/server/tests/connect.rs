//! CONNECT, versions, logins, heart-beats, time-outs.

mod common;

use std::time::Duration;

use common::{TestServer, header};
use stompbox_server::{Config, HeartBeat, User};

#[tokio::test]
async fn all_versions_and_both_commands() {
    let server = TestServer::start().await;
    for version in ["1.0", "1.1", "1.2"] {
        server.client(version).await;
    }
    let mut raw = server.raw().await;
    raw.send("STOMP\r\naccept-version:1.0,1.2,9.9\r\nhost:x\r\n\r\n\0")
        .await;
    assert_eq!(header(&raw.frame().await, "version"), Some("1.2"));
    let mut raw = server.raw().await;
    raw.send("CONNECT\n\n\0").await;
    assert_eq!(header(&raw.frame().await, "version"), Some("1.0"));
}

#[tokio::test]
async fn no_common_version() {
    let server = TestServer::start().await;
    let mut raw = server.raw().await;
    raw.send("CONNECT\naccept-version:3.1\nhost:x\n\n\0").await;
    let error = raw.error("no-common-version").await;
    assert_eq!(header(&error, "version"), Some("1.0,1.1,1.2"));
}

#[tokio::test]
async fn frames_before_connect_and_a_second_connect() {
    let server = TestServer::start().await;
    let mut raw = server.raw().await;
    raw.send("SEND\ndestination:/queue/a\n\nx\0").await;
    raw.error("not-connected").await;
    let mut raw = server.client("1.2").await;
    raw.send("CONNECT\naccept-version:1.2\nhost:x\n\n\0").await;
    raw.error("already-connected").await;
    // Nothing was stored.
    let mut raw = server.client("1.2").await;
    let frames = raw
        .settled("SUBSCRIBE\nid:1\ndestination:/queue/a\n\n\0")
        .await;
    assert_eq!(frames, Vec::<String>::new());
}

#[tokio::test]
async fn a_client_may_have_a_dialect_of_its_own() {
    let server = TestServer::start().await;
    let mut plain = server.client("1.2").await;
    plain
        .done("SUBSCRIBE\nid:1\ndestination:/queue/a b", "")
        .await;
    let mut rabbit = server.client_as("1.2", "x-dialect:rabbitmq\n").await;
    rabbit.done("SEND\ndestination:/queue/a%20b", "x").await;
    plain.message("x").await;
    rabbit
        .send("SEND\ndestination:/queue/a\nmessage-id:1\n\n\0")
        .await;
    rabbit.error("invalid-header").await;
    let mut unknown = server.raw().await;
    unknown
        .send("CONNECT\naccept-version:1.2\nhost:h\nx-dialect:klingon\n\n\0")
        .await;
    let error = unknown.error("invalid-header").await;
    assert!(
        error.contains("klingon") && error.contains("artemis"),
        "{error}"
    );
    server.stop().await;
}

#[tokio::test]
async fn only_users_may_log_in() {
    let user = User::with_passcode("ann", "a:b").unwrap();
    let server = TestServer::with(Config {
        users: vec![user],
        ..Config::default()
    })
    .await;
    let connect = |login: &str, passcode: &str| {
        format!("CONNECT\naccept-version:1.2\nhost:x\nlogin:{login}\npasscode:{passcode}\n\n\0")
    };
    let mut raw = server.raw().await;
    raw.send(&connect("ann", "a:b")).await;
    assert!(raw.frame().await.starts_with("CONNECTED\n"));
    let mut texts = Vec::new();
    for (login, passcode) in [("ann", "wrong"), ("eve", "a:b"), ("", "")] {
        let mut raw = server.raw().await;
        raw.send(&connect(login, passcode)).await;
        texts.push(raw.error("refused").await);
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "the same words for each: {texts:?}");
}

#[tokio::test]
async fn a_client_that_says_nothing_is_dropped() {
    let config = Config {
        connect_timeout: Duration::from_millis(50),
        ..Config::default()
    };
    let server = TestServer::with(config).await;
    server.raw().await.error("no-connect").await;
}

#[tokio::test]
async fn heart_beats_go_both_ways() {
    let config = Config {
        heart_beat: HeartBeat::new(20, 40),
        ..Config::default()
    };
    let server = TestServer::with(config).await;
    let mut raw = server.raw().await;
    raw.send("CONNECT\naccept-version:1.2\nhost:x\nheart-beat:40,20\n\n\0")
        .await;
    let connected = raw.frame().await;
    assert_eq!(header(&connected, "heart-beat"), Some("20,40"));
    // A client that is silent is told so; until then it hears beats, which `frame` passes over.
    raw.error("heart-beat-lost").await;
}
