//! Goes on after the connection is lost, and tells what happens to it; ends after as many messages
//! as the second argument says.
//!
//! cargo run --example reconnect -- stomp://localhost:61613 10

use std::time::Duration;

use futures_util::StreamExt;
use stompbox::{ConnectOptions, Event, InFlight, Reconnect};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let url = args
        .next()
        .unwrap_or_else(|| "stomp://localhost:61613".into());
    let count = args.next().map_or(Ok(usize::MAX), |count| count.parse())?;
    let policy = Reconnect::default()
        .shortest(Duration::from_millis(50))
        .longest(Duration::from_secs(5));
    let client = ConnectOptions::new(&url)
        .reconnect(policy)
        // Rather twice than lost.
        .in_flight(InFlight::Retry)
        .connect()
        .await?;
    let mut events = client.events();
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            match event {
                Event::Disconnected { reason } => eprintln!("lost: {reason}"),
                Event::Reconnecting { attempt, wait, .. } => {
                    eprintln!("attempt {attempt} in {wait:?}");
                }
                Event::Connected { server, .. } => eprintln!("connected to {server}"),
                other => eprintln!("{other:?}"),
            }
        }
    });
    let mut messages = client.subscribe("/queue/reconnect").await?;
    for number in 0..count {
        client
            .send("/queue/reconnect")
            .body(number.to_string())
            .receipt()
            .await?;
        let message = messages.next().await.ok_or("the end")??;
        println!("{}", message.text().unwrap_or_default());
    }
    Ok(())
}
