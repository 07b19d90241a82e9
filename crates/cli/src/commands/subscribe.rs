//! `stompbox sub`.

use std::{
    fs,
    io::stdout,
    path::Path,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream::select_all};
use stompbox::{AckMode, Client, Message, Subscription};

use crate::{
    args::Subscribe,
    execute::execute,
    exit::{Exit, Failure, TIMEOUT},
    render::Printer,
    target::{acknowledge, connect, headers, leave, leave_soon},
};

/// Prints messages until there are enough, the connection ends, or Ctrl-C.
pub(crate) async fn run(args: Subscribe) -> Result<(), Failure> {
    let ack = match &args.ack {
        Some(ack) => ack_mode(ack)?,
        // What the broker hands out beyond the last in auto mode would be lost.
        None if args.count.is_some() || args.exec.is_some() => AckMode::ClientIndividual,
        None => AckMode::Auto,
    };
    let mut printer = Printer::new(args.output, args.format.as_deref(), args.headers_only)?;
    if let Some(dir) = &args.save {
        fs::create_dir_all(dir)
            .map_err(|error| format!("can't make {}: {error}", dir.display()))?;
    }
    let headers = subscribe_headers(&args)?;
    let client = connect(&args.connect).await?;
    let mut subscriptions = Vec::new();
    for destination in &args.destinations {
        subscriptions.push(subscribe(&client, &args, destination, ack, &headers).await?);
    }
    let mut messages = select_all(subscriptions);
    let begun = Instant::now();
    let mut seen = 0;
    let mut number = 0;
    while args.count.is_none_or(|count| seen < count) {
        if let Some(rate) = args.rate {
            let due = begun + Duration::from_secs_f64(number as f64 / rate);
            tokio::time::sleep_until(due.into()).await;
        }
        let next = tokio::select! {
            next = messages.next() => next,
            () = silence(args.wait) => {
                leave_soon(&client).await;
                return Err(Exit::failure(TIMEOUT, "no message came in time"));
            }
            _ = tokio::signal::ctrl_c() => {
                leave_soon(&client).await;
                return Err(Exit::interrupted());
            }
        };
        let Some(message) = next else {
            return Err("the connection has ended".into());
        };
        let message = message?;
        number += 1;
        let handled = match (&args.exec, &args.save) {
            (Some(command), _) => {
                let done = execute(command, &message).await?;
                let mut out = stdout().lock();
                std::io::Write::write_all(&mut out, &done.output)?;
                done.success
            }
            (None, Some(dir)) => {
                save(dir, number, &message)?;
                true
            }
            (None, None) => {
                printer.print(&mut stdout().lock(), &message)?;
                true
            }
        };
        // One that will come again is counted then.
        let done = ack == AckMode::Auto || acknowledge(&args.connect, &message, handled).await?;
        seen += u64::from(done);
    }
    drop(messages);
    leave(&client).await?;
    Ok(())
}

pub(crate) fn ack_mode(text: &str) -> Result<AckMode, Failure> {
    Ok(match text {
        "individual" => AckMode::ClientIndividual,
        text => text.parse()?,
    })
}

async fn subscribe(
    client: &Client,
    args: &Subscribe,
    destination: &str,
    ack: AckMode,
    headers: &[(String, String)],
) -> Result<Subscription, Failure> {
    let mut subscribe = client.subscribe(destination).ack(ack);
    if let (Some(name), 1) = (&args.durable, args.destinations.len()) {
        // RabbitMQ and Apollo know it by the subscription's id.
        subscribe = subscribe.id(name);
    }
    if let Some(prefetch) = args.prefetch {
        subscribe = subscribe.buffer(prefetch.max(1) as usize);
    }
    for (name, value) in headers {
        subscribe = subscribe.header(name, value);
    }
    Ok(subscribe.await?)
}

/// The headers that options stand for, in the spellings of all brokers, and those that were given.
fn subscribe_headers(args: &Subscribe) -> Result<Vec<(String, String)>, Failure> {
    let mut all = Vec::new();
    let mut add = |name: &str, value: &str| all.push((name.to_owned(), value.to_owned()));
    if let Some(prefetch) = args.prefetch {
        add("prefetch-count", &prefetch.to_string());
        if prefetch > 0 {
            add("activemq.prefetchSize", &prefetch.to_string());
        }
    }
    if let Some(selector) = &args.selector {
        add("selector", selector);
    }
    if let Some(name) = &args.durable {
        if args.destinations.len() > 1 {
            return Err("--durable is for one destination".into());
        }
        add("durable", "true");
        add("auto-delete", "false");
        add("activemq.subscriptionName", name);
        add("durable-subscription-name", name);
    }
    if let Some(from) = &args.from {
        match (from.as_str(), from.split_once('=')) {
            ("first" | "last" | "next", _) => add("x-stream-offset", from),
            (_, Some(("seq", number))) if number.parse::<u64>().is_ok() => add("from-seq", number),
            (_, Some(("time", time))) if time.parse::<u64>().is_ok() => {
                add("x-stream-offset", &format!("timestamp={time}"));
            }
            _ => {
                let wrong =
                    format!("--from {from:?} is not first, last, next, seq=N or time=SECONDS");
                return Err(wrong.into());
            }
        }
    }
    for (name, value) in headers("--header", &args.headers)? {
        add(name, value);
    }
    Ok(all)
}

async fn silence(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

/// Saves a body under the message's number and id.
fn save(dir: &Path, number: u64, message: &Message) -> Result<(), Failure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let id: String = message
        .id()
        .chars()
        .map(|c| if plain(c) { c } else { '_' })
        .take(100)
        .collect();
    let path = dir.join(format!("{number:06}-{id}"));
    fs::write(&path, message.body())
        .map_err(|error| format!("can't write {}: {error}", path.display()).into())
}
