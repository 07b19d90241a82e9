//! `stompbox sub`.

use std::{
    io::{Write as _, stdout},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures_util::{StreamExt as _, stream::select_all};
use serde_json::{Map, Value, json};
use stompbox::{AckMode, Message};

use super::{connect, parse_headers};
use crate::{
    Failure,
    args::{Output, Subscribe},
};

/// Prints messages until there are enough, the connection ends, or Ctrl-C.
pub(crate) async fn run(args: Subscribe) -> Result<(), Failure> {
    let headers = parse_headers(&args.headers)?;
    let ack: AckMode = args.ack.parse()?;
    let timeout = match args.timeout.map(Duration::try_from_secs_f64) {
        None => None,
        Some(Ok(timeout)) => Some(timeout),
        Some(Err(error)) => return Err(format!("--timeout: {error}").into()),
    };
    let client = connect(&args.connect).await?;
    let mut subscriptions = Vec::new();
    for destination in &args.destinations {
        let mut subscribe = client.subscribe(destination).ack(ack);
        for (name, value) in &headers {
            subscribe = subscribe.header(name, value);
        }
        subscriptions.push(subscribe.await?);
    }
    let mut messages = select_all(subscriptions);
    let mut left = args.count;
    while left != Some(0) {
        let next = tokio::select! {
            next = messages.next() => next,
            () = silence(timeout) => return Err("no message came in time".into()),
            _ = tokio::signal::ctrl_c() => break,
        };
        let Some(message) = next else {
            return Err("the connection has ended".into());
        };
        let message = message?;
        print(&message, args.output)?;
        if ack != AckMode::Auto {
            message.ack().await?;
        }
        left = left.map(|left| left - 1);
    }
    drop(messages);
    client.disconnect().await?;
    Ok(())
}

async fn silence(timeout: Option<Duration>) {
    match timeout {
        Some(timeout) => tokio::time::sleep(timeout).await,
        None => std::future::pending().await,
    }
}

fn print(message: &Message, output: Output) -> Result<(), std::io::Error> {
    let mut out = stdout().lock();
    match output {
        Output::Raw => {
            out.write_all(message.body())?;
            out.write_all(b"\n")?;
        }
        Output::Json => {
            // First wins where a header is repeated.
            let mut headers = Map::new();
            for (name, value) in message.headers() {
                headers.entry(name).or_insert_with(|| value.into());
            }
            let body = match message.text() {
                Some(text) => ("body", Value::from(text)),
                None => (
                    "body_base64",
                    Value::from(BASE64_STANDARD.encode(message.body())),
                ),
            };
            let mut object = json!({ "destination": message.destination(), "headers": headers });
            object[body.0] = body.1;
            writeln!(out, "{object}")?;
        }
        Output::Frame => {
            writeln!(out, "MESSAGE")?;
            for (name, value) in message.headers() {
                writeln!(out, "{name}:{value}")?;
            }
            writeln!(out)?;
            out.write_all(message.body())?;
            out.write_all(b"\0\n")?;
        }
    }
    out.flush()
}
