//! Headers that are a producer's own in 1.1 and 1.2, and the server's for a 1.0 consumer, who takes
//! blanks around names for padding.

mod common;

use common::{TestServer, body};

#[tokio::test]
async fn a_padded_name_of_the_servers_reaches_no_1_0_consumer() {
    let server = TestServer::start().await;
    let mut consumer = server.client("1.0").await;
    consumer
        .settled("SUBSCRIBE\nid:1\ndestination:/topic/t\n\n\0")
        .await;
    let mut producer = server.client("1.2").await;
    for name in [
        "content-length ",
        " content-length",
        "message-id ",
        " subscription ",
    ] {
        producer
            .settled(&format!("SEND\ndestination:/topic/t\n{name}:30\n\n\0"))
            .await;
        let message = consumer.frame().await;
        assert!(message.starts_with("MESSAGE\n"), "{message}");
        assert!(!message.contains(&format!("{name}:30")), "{message}");
        assert_eq!(body(&message), "");
    }
}
