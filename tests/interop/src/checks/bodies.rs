//! Bodies that are not short texts.

use crate::{
    seen::{Outcome, expect},
    session::{Target, next},
};

/// Bytes of any value arrive as they were.
pub(super) async fn binary(target: &Target) -> Outcome {
    let body: Vec<u8> = (0..=u8::MAX).chain(0..=u8::MAX).collect();
    there_and_back(target, "binary", "application/octet-stream", body).await
}

/// A text of 1 MiB arrives as it was.
pub(super) async fn large(target: &Target) -> Outcome {
    let body = (b'a'..=b'z').cycle().take(1 << 20).collect();
    there_and_back(target, "large", "text/plain", body).await
}

async fn there_and_back(target: &Target, check: &str, kind: &str, body: Vec<u8>) -> Outcome {
    let client = target.connect().await?;
    let queue = target.queue(check).await?;
    let mut messages = client.subscribe(&queue).receipt().await?;
    let send = client.send(&queue).header("content-type", kind);
    send.body(body.clone()).receipt().await?;
    let message = next(&mut messages).await?;
    let came = message.body();
    expect(
        came.len() == body.len(),
        format!("{} bytes came as {}", body.len(), came.len()),
    )?;
    expect(came[..] == body[..], "the bytes came changed")
}
