//! Prints the messages of a queue, and acknowledges each.
//!
//! cargo run --example subscribe

use futures_util::StreamExt;
use stompbox::AckMode;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = stompbox::connect("ws://localhost:61614/stomp").await?;
    let mut messages = client
        .subscribe("/queue/test")
        .ack(AckMode::ClientIndividual)
        .await?;
    while let Some(message) = messages.next().await {
        let message = message?;
        println!("{}", message.text().unwrap_or("(no text)"));
        message.ack().await?;
    }
    Ok(())
}
