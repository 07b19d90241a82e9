//! Sends a message and waits until the broker has it.
//!
//! cargo run --example publish -- stomp://localhost:61613

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1);
    let url = url.as_deref().unwrap_or("stomp://localhost:61613");
    let client = stompbox::connect(url).await?;
    client
        .send("/queue/test")
        .header("priority", "9")
        .persistent()
        .body("Hello, STOMP")
        .receipt()
        .await?;
    client.disconnect().await?;
    println!("the broker has it");
    Ok(())
}
