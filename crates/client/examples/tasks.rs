//! Many tasks over one connection, by clones of its handle.
//!
//! cargo run --example tasks -- stomp://localhost:61613

use futures_util::StreamExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1);
    let client = stompbox::connect(url.as_deref().unwrap_or("stomp://localhost:61613")).await?;
    let messages = client.subscribe("/topic/tasks").receipt().await?;
    let tasks = (0..10).map(|number| {
        let client = client.clone();
        tokio::spawn(async move {
            client
                .send("/topic/tasks")
                .body(format!("task {number}"))
                .await
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await??;
    }
    let all: Vec<_> = messages.take(10).collect().await;
    println!("{} messages", all.len());
    Ok(())
}
