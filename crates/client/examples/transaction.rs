//! Moves a message from one queue to another: both or neither.
//!
//! cargo run --example transaction -- stomp://localhost:61613

use futures_util::StreamExt;
use stompbox::AckMode;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let url = std::env::args().nth(1);
    let client = stompbox::connect(url.as_deref().unwrap_or("stomp://localhost:61613")).await?;
    client.send("/queue/in").body("goods").await?;
    let subscribe = client.subscribe("/queue/in").ack(AckMode::ClientIndividual);
    let message = subscribe.await?.next().await.ok_or("the end")??;
    let mut out = client.subscribe("/queue/out").await?;

    // As a closure: committed if it succeeds.
    let moved: Outcome<()> = client
        .transaction(async |tx| {
            tx.send("/queue/out").body(message.body().clone()).await?;
            Ok(())
        })
        .await;
    moved?;
    println!("moved: {:?}", out.next().await.ok_or("the end")??.text());

    // As a value: aborted if it is dropped.
    let tx = client.begin().await?;
    tx.send("/queue/out").body("never").await?;
    drop(tx);
    client.send("/queue/out").body("next").await?;
    println!("then: {:?}", out.next().await.ok_or("the end")??.text());
    Ok(())
}
