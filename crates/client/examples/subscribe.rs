//! Prints the messages of a queue, until there are as many as the second argument says.
//!
//! cargo run --example subscribe -- stomp://localhost:61613 10

use futures_util::StreamExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let url = args
        .next()
        .unwrap_or_else(|| "stomp://localhost:61613".into());
    let count = args.next().map_or(Ok(usize::MAX), |count| count.parse())?;
    let client = stompbox::connect(&url).await?;
    let mut messages = client.subscribe("/queue/test").await?.take(count);
    while let Some(message) = messages.next().await {
        println!("{}", message?.text().unwrap_or("(no text)"));
    }
    Ok(())
}
