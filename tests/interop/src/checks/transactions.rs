//! Transactions.

use std::time::Duration;

use stompbox::AckMode;

use crate::{
    seen::{Outcome, Seen, expect},
    session::{Target, leave, next, next_text, next_within},
};

/// How long a message may take to come again, beyond which it is taken for acknowledged.
const AGAIN: Duration = Duration::from_secs(5);

/// What is sent in a transaction comes when it is committed, and never if it is aborted.
pub(super) async fn send(target: &Target) -> Outcome {
    let client = target.connect().await?;
    let queue = target.queue("transaction-send").await?;
    let mut messages = client.subscribe(&queue).receipt().await?;
    let transaction = client.begin().await?;
    transaction.send(&queue).body("one").await?;
    client.send(&queue).body("outside").receipt().await?;
    let text = next_text(&mut messages).await;
    let text = text.map_err(|Seen(seen)| Seen(format!("beside an open transaction {seen}")))?;
    expect(
        text == "outside",
        "a message came before its transaction was committed",
    )?;
    transaction.send(&queue).body("two").await?;
    transaction.commit_receipt().await?;
    for expected in ["one", "two"] {
        let text = next_text(&mut messages).await;
        let text = text.map_err(|Seen(seen)| Seen(format!("after COMMIT {seen}")))?;
        expect(text == expected, format!("{expected} came as {text:?}"))?;
    }
    let transaction = client.begin().await?;
    transaction.send(&queue).body("never").await?;
    transaction.abort().await?;
    client.send(&queue).body("later").receipt().await?;
    let text = next_text(&mut messages).await;
    let text = text.map_err(|Seen(seen)| Seen(format!("after ABORT {seen}")))?;
    expect(
        text == "later",
        "a message came though its transaction was aborted",
    )
}

/// So it is with ACK.
pub(super) async fn ack(target: &Target) -> Outcome {
    let queue = target.queue("transaction-ack").await?;
    let mode = AckMode::ClientIndividual;
    let first = target.connect().await?;
    let mut messages = first.subscribe(&queue).ack(mode).receipt().await?;
    first.send(&queue).body("1").receipt().await?;
    let message = next(&mut messages).await?;
    let transaction = first.begin().await?;
    message.ack_in(&transaction).await?;
    transaction.abort().await?;
    drop(message);
    leave(first).await;
    let second = target.connect().await?;
    let mut messages = second.subscribe(&queue).ack(mode).receipt().await?;
    let message = next_within(&mut messages, AGAIN)
        .await?
        .ok_or_else(|| Seen("the ACK of an aborted transaction took the message".into()))?;
    let transaction = second.begin().await?;
    message.ack_in(&transaction).await?;
    transaction.commit_receipt().await?;
    drop(message);
    leave(second).await;
    let third = target.connect().await?;
    let mut messages = third.subscribe(&queue).receipt().await?;
    third.send(&queue).body("later").receipt().await?;
    let text = next_text(&mut messages).await?;
    expect(
        text == "later",
        "the ACK of a committed transaction left the message",
    )
}
