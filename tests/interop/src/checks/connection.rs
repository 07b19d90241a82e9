//! What a connection is agreed to be, and how it ends.

use std::time::Duration;

use stompbox::{Farewell, HeartBeat, Version, Versions};

use crate::{
    seen::{Outcome, expect},
    session::{Target, next_text},
};

/// For how long nothing but heart-beats goes over a connection that has agreed on one a second:
/// longer than any broker waits for them.
const IDLE: Duration = Duration::from_secs(7);

/// A client that knows no later version than this speaks it, and gets its own message.
pub(super) async fn version(target: &Target, version: Version) -> Outcome {
    let known = [Version::V1_0, Version::V1_1, Version::V1_2];
    let known: Vec<_> = known.into_iter().filter(|it| *it <= version).collect();
    let offer = if target.broker.one_version {
        Versions::only(version)
    } else {
        Versions::of(&known)
    };
    let client = target.options().versions(offer).connect().await?;
    let spoken = client.version();
    expect(spoken == version, format!("the broker chose {spoken}"))?;
    let queue = target.queue(&format!("version-{version}")).await?;
    let mut messages = client.subscribe(&queue).receipt().await?;
    client.send(&queue).body("hello").receipt().await?;
    let text = next_text(&mut messages).await?;
    expect(text == "hello", format!("the message came as {text:?}"))
}

/// `RECEIPT` for a SUBSCRIBE, and for many SENDs that don't wait for each other.
pub(super) async fn receipts(target: &Target) -> Outcome {
    const MANY: usize = 100;
    let client = target.connect().await?;
    let queue = target.queue("receipts").await?;
    let mut messages = client.subscribe(&queue).receipt().await?;
    let mut receipts = Vec::new();
    for number in 0..MANY {
        let send = client.send(&queue).body(number.to_string());
        receipts.push(send.pending_receipt().await?);
    }
    for receipt in receipts {
        receipt.wait().await?;
    }
    for number in 0..MANY {
        let text = next_text(&mut messages).await?;
        expect(
            text == number.to_string(),
            format!("message {number} came as {text:?}"),
        )?;
    }
    Ok(())
}

/// DISCONNECT is confirmed, so that the client knows that all before it has arrived.
pub(super) async fn disconnect(target: &Target) -> Outcome {
    let client = target.connect().await?;
    let queue = target.queue("disconnect").await?;
    client.send(&queue).body("the last").await?;
    expect(
        client.disconnect().await? == Farewell::Receipt,
        "the broker closed the connection without the receipt",
    )
}

/// Both ends agree on heart-beats, and keep a silent connection alive by them.
pub(super) async fn heart_beats(target: &Target) -> Outcome {
    let options = target.options().heart_beat(HeartBeat::new(1000, 1000));
    let client = options.connect().await?;
    let offer = client.connected_header("heart-beat").unwrap_or_default();
    let agreed = HeartBeat::parse(&offer).unwrap_or_default();
    expect(
        agreed.send > 0 && agreed.receive > 0,
        format!("the broker offers {offer:?}"),
    )?;
    let queue = target.queue("heart-beats").await?;
    tokio::time::sleep(IDLE).await;
    Ok(client.send(&queue).body("still here").receipt().await?)
}
