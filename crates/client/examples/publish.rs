//! Sends a message and waits until the broker has it.
//!
//! cargo run --example publish

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = stompbox::connect("stomp://localhost:61613").await?;
    client
        .send("/queue/test")
        .header("priority", "9")
        .body("Hello, STOMP")
        .receipt()
        .await?;
    client.disconnect().await?;
    Ok(())
}
