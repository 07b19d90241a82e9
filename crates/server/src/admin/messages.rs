//! Messages: to look at, to send, and to move about in any number.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{Request, Response};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use stompbox_broker::{Broker, BrokerError, Browsed, Message, Progress, Transfer, public_name};
use tokio::time::{self, Instant};

use super::{
    State,
    answer::{self, Body, Fault},
    destinations::missing,
    request::{self, Query, cut},
};

/// How long to wait for what is only on disk, or is to be there.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often to look whether it is.
const AGAIN: Duration = Duration::from_millis(5);

/// Bytes of messages after which an answer has no more of them.
const MOST_BYTES: usize = 1 << 20;

pub(super) async fn browse(state: &State, mut query: Query) -> Result<Response<Body>, Fault> {
    let name = query.needed("destination")?;
    let limit = query.limit(20, 200)?;
    let after = query.parse("after", "a number")?.unwrap_or(0);
    query.end()?;
    let end = Instant::now() + PATIENCE;
    let hub = &state.shared.hub;
    let found = loop {
        let found = hub.store(|broker, now| broker.browse(&name, after, limit, MOST_BYTES, now))?;
        match found {
            Some(found) => break found,
            None if Instant::now() > end => return Err(not_read()),
            None => time::sleep(AGAIN).await,
        }
    };
    let last = found.messages.last().filter(|_| found.more);
    let last = last.map(|it| it.place);
    let run = &state.shared.run;
    let items: Vec<Value> = found.messages.iter().map(|it| message(run, it)).collect();
    Ok(answer::json(&json!({ "items": items, "next": last })))
}

fn not_read() -> Fault {
    let message = "The messages could not be read from the store in time.";
    Fault::unavailable("not-read", message)
}

fn message(run: &str, it: &Browsed) -> Value {
    let headers: Vec<Value> = it
        .message
        .headers()
        // It may have the part of a temporary destination that only those know who were told.
        .map(|(name, value)| json!([name, public_name(&value)]))
        .collect();
    let mut item = json!({
        "seq": it.place,
        "message_id": format!("{run}-{}", it.sequence),
        "headers": headers,
        "stored_at": it.time,
        "redelivered": it.redelivered,
    });
    let body = it.message.body();
    if let Some(item) = item.as_object_mut() {
        match std::str::from_utf8(body) {
            Ok(text) => item.insert("body".into(), text.into()),
            Err(_) => item.insert("body_base64".into(), BASE64_STANDARD.encode(body).into()),
        };
    }
    item
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Purge {
    destination: String,
    selector: Option<String>,
    limit: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    destination: String,
    to: String,
    selector: Option<String>,
    limit: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Replay {
    destination: String,
    to: Option<String>,
    selector: Option<String>,
    limit: Option<u64>,
}

/// Bytes of a request that names destinations and a selector.
const MOST_REQUEST: usize = 64 << 10;

pub(super) async fn purge(
    state: &State,
    query: Query,
    request: Request<Incoming>,
) -> Result<Response<Body>, Fault> {
    query.end()?;
    let it: Purge = request::body(request, MOST_REQUEST).await?;
    let done = transfer(state, "purged", it.selector, it.limit, |broker| {
        Transfer::drop_from(broker, &it.destination)
    });
    let done = done.await?;
    Ok(answer::json(&json!({ "purged": done.done() })))
}

pub(super) async fn relocate(
    state: &State,
    query: Query,
    request: Request<Incoming>,
) -> Result<Response<Body>, Fault> {
    query.end()?;
    let it: Move = request::body(request, MOST_REQUEST).await?;
    let done = transfer(state, "moved", it.selector, it.limit, |broker| {
        Transfer::move_to(broker, &it.destination, &it.to)
    });
    let done = done.await?;
    Ok(answer::json(&json!({ "moved": done.done() })))
}

pub(super) async fn replay(
    state: &State,
    query: Query,
    request: Request<Incoming>,
) -> Result<Response<Body>, Fault> {
    query.end()?;
    let it: Replay = request::body(request, MOST_REQUEST).await?;
    let done = transfer(state, "replayed", it.selector, it.limit, |broker| {
        Transfer::replay(broker, &it.destination, it.to.as_deref())
    });
    let done = done.await?;
    let run = &state.shared.run;
    let skipped: Vec<Value> = done
        .skipped()
        .iter()
        .map(|it| json!({ "message_id": format!("{run}-{}", it.sequence), "why": it.why }))
        .collect();
    Ok(answer::json(&json!({
        "replayed": done.done(),
        "skipped": skipped,
        "skipped_count": done.skipped_count(),
    })))
}

/// Does something to a queue's messages, in turns, and waits until a restart would know of it. Who
/// asks and goes ends it: what was done stays done.
async fn transfer(
    state: &State,
    what: &'static str,
    selector: Option<String>,
    limit: Option<u64>,
    make: impl FnOnce(&mut Broker) -> Result<Transfer, BrokerError>,
) -> Result<Transfer, Fault> {
    let hub = &state.shared.hub;
    let mut transfer = hub.store(|broker, _| {
        let transfer = make(broker)?;
        match &selector {
            Some(selector) => transfer.select(broker, selector),
            None => Ok(transfer),
        }
    })?;
    if let Some(limit) = limit {
        transfer = transfer.at_most(limit);
    }
    let mut end = Instant::now() + PATIENCE;
    loop {
        let progress = hub.store(|broker, now| broker.transfer(&mut transfer, now));
        match progress {
            Ok(Progress::Done) => break,
            Ok(Progress::More) => {
                end = Instant::now() + PATIENCE;
                tokio::task::yield_now().await;
            }
            Ok(Progress::Waits) if Instant::now() > end => {
                return Err(not_read().after(what, transfer.done()));
            }
            Ok(Progress::Waits) => time::sleep(AGAIN).await,
            Err(error) => return Err(Fault::from(error).after(what, transfer.done())),
        }
    }
    match settle(state).await {
        Ok(()) => Ok(transfer),
        Err(fault) => Err(fault.after(what, transfer.done())),
    }
}

/// Waits until a restart would know of all that was done so far.
pub(super) async fn settle(state: &State) -> Result<(), Fault> {
    let hub = &state.shared.hub;
    let settlement = hub.store(|broker, _| broker.settlement());
    let end = Instant::now() + PATIENCE;
    while !hub.inspect(|broker, _| broker.is_settled(settlement))? {
        if Instant::now() > end {
            let message = "It is done, but not yet on disk: a crash now could undo it.";
            return Err(Fault::unavailable("not-stored", message));
        }
        time::sleep(AGAIN).await;
    }
    Ok(())
}

/// Removes a destination. Gives how many messages went with it.
pub(super) async fn remove(state: &State, name: &str, if_empty: bool) -> Result<u64, Fault> {
    let check = |broker: &mut Broker| broker.check_removal(name, if_empty).map(drop);
    let dropped = match if_empty {
        true => 0,
        false => thin_out(state, name, check).await?,
    };
    let hub = &state.shared.hub;
    let removed = hub.store(|broker, now| broker.remove_destination(name, if_empty, now));
    let removed = removed.map_err(|error| named(name, error))?;
    settle(state).await?;
    Ok(dropped + removed.messages)
}

fn named(name: &str, error: BrokerError) -> Fault {
    match error {
        BrokerError::NoSuchDestination { .. } => missing(name),
        error => error.into(),
    }
}

/// How many messages may go in one turn with what they are in.
const FEW: u64 = 1000;

/// Drops messages of a queue that is to go, in turns, until there are few, as long as it still may go.
/// Gives how many were dropped.
pub(super) async fn thin_out(
    state: &State,
    queue: &str,
    check: impl Fn(&mut Broker) -> Result<(), BrokerError>,
) -> Result<u64, Fault> {
    let mut dropped = 0;
    loop {
        let turn = state.shared.hub.store(|broker, now| {
            check(broker)?;
            let depth = broker.destination(queue).map_or(0, |it| it.info.depth);
            let Ok(transfer) = Transfer::drop_from(broker, queue) else {
                // A topic keeps few.
                return Ok(None);
            };
            if depth <= FEW {
                return Ok(None);
            }
            let mut transfer = transfer.at_most(FEW);
            let progress = broker.transfer(&mut transfer, now)?;
            Ok(Some((transfer.done(), progress)))
        });
        match turn.map_err(|error| named(queue, error).after("dropped", dropped))? {
            None => return Ok(dropped),
            Some((count, Progress::Waits)) => {
                dropped += count;
                time::sleep(AGAIN).await;
            }
            Some((count, _)) => {
                dropped += count;
                tokio::task::yield_now().await;
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Publish {
    destination: String,
    #[serde(default)]
    headers: Map<String, Value>,
    body: Option<String>,
    body_base64: Option<String>,
}

pub(super) async fn publish(
    state: &State,
    query: Query,
    request: Request<Incoming>,
) -> Result<Response<Body>, Fault> {
    query.end()?;
    let limits = &state.shared.config.limits;
    let most = limits
        .body
        .saturating_mul(2)
        .saturating_add(limits.head + MOST_REQUEST);
    let it: Publish = request::body(request, most).await?;
    let body = match (it.body, it.body_base64) {
        (Some(_), Some(_)) => {
            let message = "There is both a \"body\" and a \"body_base64\".";
            return Err(Fault::bad("body", message));
        }
        (Some(text), None) => text.into_bytes(),
        (None, Some(encoded)) => BASE64_STANDARD
            .decode(encoded)
            .map_err(|error| Fault::bad("body", format!("body_base64: {error}.")))?,
        (None, None) => Vec::new(),
    };
    if body.len() > limits.body {
        let (length, limit) = (body.len(), limits.body);
        let message = format!("The body has {length} bytes, the limit max_body is {limit}.");
        return Err(Fault::new(
            http::StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            message,
        ));
    }
    let headers = headers(state, &it.headers)?;
    if it.destination.is_empty() || it.destination.contains(['\0', '\n', '\r']) {
        let name = cut(&it.destination);
        let message = format!("{name:?} can't be a destination.");
        return Err(Fault::bad("invalid-destination", message));
    }
    let message = Message::new(&it.destination, &headers, &body, state.shared.hub.now())?;
    let sequence = state
        .shared
        .hub
        .store(|broker, now| broker.inject(message, now))?;
    settle(state).await?;
    let id = format!("{}-{sequence}", state.shared.run);
    Ok(answer::json(&json!({ "message_id": id })))
}

/// Headers that a message may have from anybody, within the limits of a frame.
fn headers<'h>(
    state: &State,
    headers: &'h Map<String, Value>,
) -> Result<Vec<(&'h str, &'h str)>, Fault> {
    let limits = &state.shared.config.limits;
    let mut total = 0;
    let mut all = Vec::with_capacity(headers.len());
    if headers.len() > limits.headers {
        let (count, limit) = (headers.len(), limits.headers);
        let message = format!("There are {count} headers, the limit max_headers is {limit}.");
        return Err(Fault::bad("header", message));
    }
    for (name, value) in headers {
        let bad = |reason: &str| {
            let name = cut(name);
            Err(Fault::bad(
                "header",
                format!("The header {name:?} {reason}."),
            ))
        };
        let Some(value) = value.as_str() else {
            return bad("is not a text");
        };
        if name.is_empty() || name.contains('\0') || value.contains('\0') {
            return bad("is empty, or has a NUL in it");
        }
        if Message::is_reserved_header(name) {
            return bad("is the server's own");
        }
        let length = name.len() + value.len() + 1;
        total += length;
        if length > limits.header_line || total > limits.head {
            return bad("is beyond max_header_line or max_head");
        }
        all.push((&**name, value));
    }
    Ok(all)
}
