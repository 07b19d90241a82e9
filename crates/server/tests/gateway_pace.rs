//! The gateway behind a broker that writes many messages, one by one.

mod common;
#[path = "common/gateway.rs"]
mod gateway;

use common::{LIMIT, body, header};
use gateway::{config, with};
use stompbox_server::GatewayMode;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader},
    net::TcpListener,
    time::timeout,
};

const MESSAGES: usize = 20_000;
const SENDS: usize = 200;

/// The next frame that a gateway writes to its broker.
async fn next(from: &mut BufReader<impl AsyncRead + Unpin>) -> String {
    let mut frame = Vec::new();
    let read = timeout(LIMIT, from.read_until(0, &mut frame)).await;
    read.expect("a frame").unwrap();
    assert_eq!(frame.pop(), Some(0), "a whole frame");
    let text = String::from_utf8(frame).unwrap();
    text.trim_start_matches('\n').to_owned()
}

#[tokio::test]
async fn all_comes_in_order_and_the_end_is_noticed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let gateway = with(config(GatewayMode::Passthrough, &[address])).await;
    let (broker, mut client) = tokio::join!(
        async {
            let (stream, _) = listener.accept().await.unwrap();
            let (reader, mut writer) = stream.into_split();
            let mut reader = BufReader::new(reader);
            assert!(next(&mut reader).await.starts_with("CONNECT\n"));
            let connected = b"CONNECTED\nversion:1.2\n\n\0";
            writer.write_all(connected).await.unwrap();
            (reader, writer)
        },
        gateway.client("1.2")
    );
    let (mut reader, mut writer) = broker;
    client
        .send("SUBSCRIBE\nid:a\ndestination:/queue/many\n\n\0")
        .await;
    let subscribe = next(&mut reader).await;
    let id = header(&subscribe, "id").expect("an id").to_owned();
    let writes = async {
        for number in 0..MESSAGES {
            let message = format!(
                "MESSAGE\nsubscription:{id}\nmessage-id:{number}\ndestination:/queue/many\n\n{number}\0"
            );
            writer.write_all(message.as_bytes()).await.unwrap();
            // As other programs would, the gateway gets its turn after each.
            tokio::task::yield_now().await;
        }
    };
    let takes = async {
        for number in 0..MESSAGES {
            let frame = client.frame().await;
            assert_eq!(body(&frame), number.to_string());
            if number % (MESSAGES / SENDS) == 0 {
                let number = number / (MESSAGES / SENDS);
                let send = format!("SEND\ndestination:/queue/back\n\n{number}\0");
                client.send(&send).await;
            }
        }
    };
    let hears = async {
        for number in 0..SENDS {
            let frame = next(&mut reader).await;
            assert_eq!(body(&frame), number.to_string());
        }
    };
    tokio::join!(writes, takes, hears);
    // One alone comes too, and so does the end: the client's subscription is made by another connection.
    let last =
        format!("MESSAGE\nsubscription:{id}\nmessage-id:l\ndestination:/queue/many\n\nlast\0");
    writer.write_all(last.as_bytes()).await.unwrap();
    client.message("last").await;
    drop((reader, writer));
    let again = timeout(LIMIT, listener.accept()).await;
    let (mut stream, _) = again.expect("another connection").unwrap();
    let mut reader = BufReader::new(&mut stream);
    assert!(next(&mut reader).await.starts_with("CONNECT\n"));
}
