//! Sends a thousand messages, each with a receipt, without waiting for one after the other.
//!
//! cargo run --example receipts -- stomp://localhost:61613

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1);
    let client = stompbox::connect(url.as_deref().unwrap_or("stomp://localhost:61613")).await?;
    let mut receipts = Vec::new();
    for number in 0..1000 {
        let send = client.send("/topic/receipts").body(number.to_string());
        receipts.push(send.pending_receipt().await?);
    }
    let count = receipts.len();
    for receipt in receipts {
        receipt.wait().await?;
    }
    println!("{count} receipts");
    Ok(())
}
