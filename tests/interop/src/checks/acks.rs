//! Acknowledgement: what a broker keeps of a client's messages when the client has gone.

use std::{collections::BTreeSet, time::Duration};

use stompbox::{AckMode, Client, Message, Subscription};

use crate::{
    seen::{Outcome, Seen, expect},
    session::{Target, leave, next, next_text, next_within, text},
};

/// How long a message that was refused may take to come again before it is looked for elsewhere.
const AGAIN: Duration = Duration::from_secs(5);

/// What was given out in the mode `auto` is consumed.
pub(super) async fn auto(target: &Target) -> Outcome {
    let queue = target.queue("ack-auto").await?;
    let (first, mut messages) = consumer(target, &queue, AckMode::Auto).await?;
    first.send(&queue).body("1").receipt().await?;
    next(&mut messages).await?;
    // Artemis acknowledges behind the message, and gives it again to who has left by then.
    let topic = target.topic("ack-auto").await?;
    first.send(&topic).body("still here").receipt().await?;
    leave(first).await;
    let (second, mut messages) = consumer(target, &queue, AckMode::Auto).await?;
    second.send(&queue).body("later").receipt().await?;
    let text = next_text(&mut messages).await?;
    expect(text == "later", "the message came again")
}

/// An ACK takes in the messages before it, and what was not acknowledged comes again.
pub(super) async fn client(target: &Target) -> Outcome {
    let queue = target.queue("ack-client").await?;
    let (first, mut messages) = consumer(target, &queue, AckMode::Client).await?;
    let [_, second, _] = three(target, &queue, &mut messages).await?;
    second.ack().await?;
    drop(second);
    leave(first).await;
    let (later, mut messages) = consumer(target, &queue, AckMode::ClientIndividual).await?;
    let message = next(&mut messages).await.map_err(|_| lost())?;
    let text = text(&message);
    expect(
        text == "3",
        format!("after the ACK of the second of three, {text} came again"),
    )?;
    message.ack().await?;
    nothing_more(&later, &queue, &mut messages).await
}

/// An ACK takes in its own message alone.
pub(super) async fn client_individual(target: &Target) -> Outcome {
    let queue = target.queue("ack-client-individual").await?;
    let (first, mut messages) = consumer(target, &queue, AckMode::ClientIndividual).await?;
    let [_, second, _] = three(target, &queue, &mut messages).await?;
    second.ack().await?;
    drop(second);
    leave(first).await;
    let (later, mut messages) = consumer(target, &queue, AckMode::ClientIndividual).await?;
    let mut texts = BTreeSet::new();
    for _ in 0..2 {
        let message = next(&mut messages).await.map_err(|_| lost())?;
        texts.insert(text(&message));
        message.ack().await?;
    }
    let all: Vec<_> = texts.iter().map(String::as_str).collect();
    expect(
        all == ["1", "3"],
        format!(
            "after the ACK of the second of three, {} came again",
            all.join(" and ")
        ),
    )?;
    nothing_more(&later, &queue, &mut messages).await
}

/// A message that is refused is not lost: it comes again, or is where dead letters are.
pub(super) async fn nack(target: &Target) -> Outcome {
    let queue = target.queue("nack").await?;
    let (first, mut messages) = consumer(target, &queue, AckMode::ClientIndividual).await?;
    first
        .send(&queue)
        .body(queue.clone())
        .persistent()
        .receipt()
        .await?;
    next(&mut messages).await?.nack().await?;
    if let Some(message) = next_within(&mut messages, AGAIN).await? {
        return Ok(message.ack().await?);
    }
    if let Some(place) = &target.broker.dead_letters {
        let (_, mut letters) = consumer(target, place, AckMode::ClientIndividual).await?;
        while let Some(letter) = next_within(&mut letters, AGAIN).await? {
            if text(&letter) == queue {
                return Ok(letter.ack().await?);
            }
        }
    }
    leave(first).await;
    let (later, mut messages) = consumer(target, &queue, AckMode::ClientIndividual).await?;
    later.send(&queue).body("later").receipt().await?;
    let message = next(&mut messages).await?;
    message.ack().await?;
    expect(
        text(&message) == queue,
        "after its NACK the message is gone",
    )
}

async fn consumer(target: &Target, queue: &str, mode: AckMode) -> Outcome<(Client, Subscription)> {
    let client = target.connect().await?;
    let messages = client.subscribe(queue).ack(mode).receipt().await?;
    Ok((client, messages))
}

/// Three messages that are sent now, as they came.
async fn three(target: &Target, queue: &str, messages: &mut Subscription) -> Outcome<[Message; 3]> {
    let producer = target.connect().await?;
    for number in ["1", "2", "3"] {
        producer.send(queue).body(number).receipt().await?;
    }
    Ok([
        next(messages).await?,
        next(messages).await?,
        next(messages).await?,
    ])
}

async fn nothing_more(client: &Client, queue: &str, messages: &mut Subscription) -> Outcome {
    client.send(queue).body("later").receipt().await?;
    let text = next_text(messages).await?;
    expect(text == "later", format!("{text} came again"))
}

fn lost() -> Seen {
    Seen("what was not acknowledged does not come again".into())
}
