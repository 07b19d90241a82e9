//! Asks, and is answered by a worker in the same program.
//!
//! cargo run --example request -- stomp://localhost:61613

use std::time::Duration;

use futures_util::StreamExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1);
    let client = stompbox::connect(url.as_deref().unwrap_or("stomp://localhost:61613")).await?;
    let mut work = client.subscribe("/queue/upper").await?;
    tokio::spawn(async move {
        while let Some(Ok(message)) = work.next().await {
            if let Some(reply) = message.reply() {
                let text = message.text().unwrap_or_default().to_uppercase();
                let _ = reply.body(text).await;
            }
        }
    });
    let limit = Duration::from_secs(5);
    let reply = client.request("/queue/upper", "hello", limit).await?;
    println!("{}", reply.text().unwrap_or_default());
    Ok(())
}
