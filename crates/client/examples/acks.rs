//! Acknowledges each message once it is dealt with, and refuses one, which comes again.
//!
//! cargo run --example acks -- stomp://localhost:61613

use futures_util::StreamExt;
use stompbox::AckMode;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1);
    let client = stompbox::connect(url.as_deref().unwrap_or("stomp://localhost:61613")).await?;
    let subscribe = client
        .subscribe("/queue/acks")
        .ack(AckMode::ClientIndividual);
    let mut messages = subscribe.await?;
    client.send("/queue/acks").body("work").await?;
    let message = messages.next().await.ok_or("the end")??;
    message.nack().await?;
    let again = messages.next().await.ok_or("the end")??;
    println!("again: {}", again.text().unwrap_or_default());
    again.ack().await?;
    client.disconnect().await?;
    Ok(())
}
