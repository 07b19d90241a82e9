//! What `ConnectOptions::inspect` shows.
#![cfg(feature = "ws")]

mod common;

use std::sync::{Arc, Mutex};

use common::TestServer;
use stompbox::{ConnectOptions, Traffic};

/// What moves over a connection can be looked at, whichever way it goes.
#[tokio::test]
async fn traffic_is_shown() {
    let server = TestServer::start().await;
    for url in [server.stomp.clone(), server.ws.clone()] {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&seen);
        let options = ConnectOptions::new(&url).inspect(move |traffic| {
            let (what, bytes) = match traffic {
                Traffic::Connecting(url) => ('?', url.as_bytes()),
                Traffic::Received(bytes) => ('<', bytes),
                Traffic::Sent(bytes) => ('>', bytes),
                _ => return,
            };
            told.lock().unwrap().push((what, bytes.to_vec()));
        });
        let client = options.connect().await.unwrap();
        client
            .send("/topic/a")
            .body("hello")
            .receipt()
            .await
            .unwrap();
        client.disconnect().await.unwrap();
        let of = |which| {
            let seen = seen.lock().unwrap();
            let parts = seen.iter().filter(|(what, _)| *what == which);
            let bytes: Vec<u8> = parts.flat_map(|(_, bytes)| bytes.clone()).collect();
            String::from_utf8(bytes).unwrap()
        };
        assert_eq!(of('?'), url);
        let sent = of('>');
        assert!(
            sent.starts_with("CONNECT\n") && sent.contains("\n\nhello\0"),
            "{sent}"
        );
        assert!(sent.contains("DISCONNECT\n"), "{sent}");
        let received = of('<');
        assert!(received.starts_with("CONNECTED\n"), "{received}");
        assert_eq!(received.matches("RECEIPT\n").count(), 2, "{received}");
    }
}
