//! Selectors.

use crate::{
    seen::{Outcome, expect},
    session::{Target, next_text},
};

const RED: &str = "color = 'red'";

/// A subscription to a topic gets only what its selector takes.
pub(super) async fn topic(target: &Target) -> Outcome {
    let client = target.connect().await?;
    let topic = target.topic("selector-topic").await?;
    let subscribe = client.subscribe(&topic).header("selector", RED);
    let mut messages = subscribe.receipt().await?;
    for color in ["blue", "red"] {
        let send = client.send(&topic).header("color", color).body(color);
        send.receipt().await?;
    }
    let text = next_text(&mut messages).await?;
    expect(text == "red", "a message came that the selector excludes")
}

/// A consumer of a queue gets only what its selector takes, and the rest stays for others.
pub(super) async fn queue(target: &Target) -> Outcome {
    let client = target.connect().await?;
    let queue = target.queue("selector-queue").await?;
    let subscribe = client.subscribe(&queue).header("selector", RED);
    let mut messages = subscribe.receipt().await?;
    for color in ["blue", "red"] {
        let send = client.send(&queue).header("color", color).body(color);
        send.receipt().await?;
    }
    let text = next_text(&mut messages).await?;
    expect(text == "red", "a message came that the selector excludes")?;
    let other = target.connect().await?;
    let mut rest = other.subscribe(&queue).receipt().await?;
    let text = next_text(&mut rest).await?;
    expect(text == "blue", format!("the rest came as {text:?}"))
}
