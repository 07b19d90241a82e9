//! The capabilities. Each check has connections and destinations of its own; where nothing is to
//! come, a message that is sent afterwards has to be the next, so that no check waits for silence.

mod acks;
mod bodies;
mod connection;
mod destinations;
mod durable;
mod selectors;
mod transactions;

use stompbox::Version;

use crate::{
    seen::{Outcome, Seen},
    session::Target,
};

/// All, in the order in which they are tried.
pub(crate) const ALL: [&str; 20] = [
    "version-1.0",
    "version-1.1",
    "version-1.2",
    "queue",
    "queue-kept",
    "topic",
    "ack-auto",
    "ack-client",
    "ack-client-individual",
    "nack",
    "transaction-send",
    "transaction-ack",
    "receipts",
    "disconnect",
    "heart-beats",
    "selector-topic",
    "selector-queue",
    "durable",
    "binary",
    "large",
];

/// Tries one.
pub(crate) async fn check(name: &str, target: &Target) -> Outcome {
    match name {
        "version-1.0" => connection::version(target, Version::V1_0).await,
        "version-1.1" => connection::version(target, Version::V1_1).await,
        "version-1.2" => connection::version(target, Version::V1_2).await,
        "queue" => destinations::queue(target).await,
        "queue-kept" => destinations::queue_kept(target).await,
        "topic" => destinations::topic(target).await,
        "ack-auto" => acks::auto(target).await,
        "ack-client" => acks::client(target).await,
        "ack-client-individual" => acks::client_individual(target).await,
        "nack" => acks::nack(target).await,
        "transaction-send" => transactions::send(target).await,
        "transaction-ack" => transactions::ack(target).await,
        "receipts" => connection::receipts(target).await,
        "disconnect" => connection::disconnect(target).await,
        "heart-beats" => connection::heart_beats(target).await,
        "selector-topic" => selectors::topic(target).await,
        "selector-queue" => selectors::queue(target).await,
        "durable" => durable::durable(target).await,
        "binary" => bodies::binary(target).await,
        "large" => bodies::large(target).await,
        other => Err(Seen(format!("there is no check {other:?}"))),
    }
}
