//! Durable subscriptions.

use stompbox::{Client, Subscription};

use crate::{
    broker::named,
    seen::{Outcome, expect},
    session::{Target, leave, next_text},
};

/// What is sent to a topic while its durable subscriber is away comes when it is back.
pub(super) async fn durable(target: &Target) -> Outcome {
    let name = target.name("durable");
    let topic = target.topic("durable").await?;
    let (first, messages) = subscriber(target, &name, &topic).await?;
    leave(first).await;
    drop(messages);
    let producer = target.connect().await?;
    producer
        .send(&topic)
        .body("kept")
        .persistent()
        .receipt()
        .await?;
    let (second, mut messages) = subscriber(target, &name, &topic).await?;
    second
        .send(&topic)
        .body("later")
        .persistent()
        .receipt()
        .await?;
    let text = next_text(&mut messages).await?;
    let headers = named(&target.broker.durable.unsubscribe, &name);
    let headers: Vec<_> = headers.iter().map(|(n, v)| (&**n, &**v)).collect();
    messages.unsubscribe(&headers);
    leave(second).await;
    expect(
        text == "kept",
        "a message that was sent while the subscriber was away is gone",
    )
}

async fn subscriber(target: &Target, name: &str, topic: &str) -> Outcome<(Client, Subscription)> {
    let durable = &target.broker.durable;
    let mut options = target.options();
    for (header, value) in named(&durable.connect, name) {
        options = options.header(&header, &value);
    }
    let client = options.connect().await?;
    let mut subscribe = client.subscribe(topic).id(name);
    for (header, value) in named(&durable.subscribe, name) {
        subscribe = subscribe.header(&header, &value);
    }
    let messages = subscribe.receipt().await?;
    Ok((client, messages))
}
