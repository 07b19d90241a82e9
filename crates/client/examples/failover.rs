//! Connects to the first of several servers that is there.
//!
//! cargo run --example failover -- stomp://down.example:61613 stomp://localhost:61613

use stompbox::ConnectOptions;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = ConnectOptions::failover(std::env::args().skip(1))
        .connect()
        .await?;
    println!("STOMP {}", client.version());
    client.disconnect().await?;
    Ok(())
}
