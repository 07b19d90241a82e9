//! Sends and takes values as JSON.
//!
//! cargo run --features json --example json -- stomp://localhost:61613

use futures_util::StreamExt;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    id: u32,
    items: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1);
    let client = stompbox::connect(url.as_deref().unwrap_or("stomp://localhost:61613")).await?;
    let mut orders = client.subscribe("/queue/orders").await?;
    let items = vec!["tea".into(), "milk".into()];
    client
        .send("/queue/orders")
        .json(&Order { id: 7, items })?
        .await?;
    let message = orders.next().await.ok_or("the end")??;
    let order: Order = message.json()?;
    println!("order {} of {} items", order.id, order.items.len());
    Ok(())
}
