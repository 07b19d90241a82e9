//! Queues and topics.

use std::collections::BTreeSet;

use crate::{
    seen::{Outcome, Seen, expect},
    session::{Target, leave, next, next_text, text},
};

/// Of two consumers exactly one gets each message.
pub(super) async fn queue(target: &Target) -> Outcome {
    const MANY: usize = 20;
    let (one, two) = (target.connect().await?, target.connect().await?);
    let queue = target.queue("queue").await?;
    let mut first = one.subscribe(&queue).receipt().await?;
    let mut second = two.subscribe(&queue).receipt().await?;
    let producer = target.connect().await?;
    for number in 0..MANY {
        producer
            .send(&queue)
            .body(number.to_string())
            .receipt()
            .await?;
    }
    let mut seen = BTreeSet::new();
    for _ in 0..MANY {
        let text = tokio::select! {
            message = next(&mut first) => text(&message?),
            message = next(&mut second) => text(&message?),
        };
        if !seen.insert(text.clone()) {
            return Err(Seen("a message came to both of two consumers".into()));
        }
    }
    Ok(())
}

/// A message that is sent while nobody is there comes to who is there later.
pub(super) async fn queue_kept(target: &Target) -> Outcome {
    let queue = target.queue("queue-kept").await?;
    let producer = target.connect().await?;
    producer.send(&queue).body("kept").receipt().await?;
    leave(producer).await;
    let consumer = target.connect().await?;
    let mut messages = consumer.subscribe(&queue).receipt().await?;
    consumer.send(&queue).body("later").receipt().await?;
    let text = next_text(&mut messages).await?;
    expect(
        text == "kept",
        "a message that was sent while nobody consumed is gone",
    )
}

/// All of two subscribers get each message.
pub(super) async fn topic(target: &Target) -> Outcome {
    let (one, two) = (target.connect().await?, target.connect().await?);
    let topic = target.topic("topic").await?;
    let mut first = one.subscribe(&topic).receipt().await?;
    let mut second = two.subscribe(&topic).receipt().await?;
    for number in ["1", "2", "3"] {
        one.send(&topic).body(number).receipt().await?;
        for messages in [&mut first, &mut second] {
            let text = next_text(messages).await?;
            expect(text == number, format!("message {number} came as {text:?}"))?;
        }
    }
    Ok(())
}
