//! `stompbox show`.

use std::io::{self, Write, stdout};

use serde_json::Value;

use super::{
    api::{Api, query},
    model::{Connection, Destination, connection, read},
    table::{Column, Table},
    text::{age, at, bytes, json, plain, rate},
};
use crate::{
    args::{Report, Show},
    exit::{Exit, Failure, NOTHING},
};

/// Shows a destination or a connection.
pub(crate) async fn show(args: Show) -> Result<(), Failure> {
    let mut api = Api::of(&args.admin)?;
    let (object, is_connection) = find(&mut api, &args.what).await?;
    let mut out = stdout().lock();
    match (args.output, is_connection) {
        (Report::Json, _) => writeln!(out, "{}", json(&object, true))?,
        (Report::Ndjson, _) => writeln!(out, "{}", json(&object, false))?,
        (Report::Text, true) => print_connection(&mut out, &read(&object)?)?,
        (Report::Text, false) => print_destination(&mut out, &read(&object)?)?,
    }
    Ok(())
}

/// IDs of connections have no slash. Names of destinations need none, where the broker takes bare ones.
async fn find(api: &mut Api, what: &str) -> Result<(Value, bool), Failure> {
    if !what.contains('/')
        && let Some(object) = connection(api, what).await?
    {
        return Ok((object, true));
    }
    match api
        .get(&query("/destination", &[("name", Some(what))]))
        .await
    {
        Ok(object) => return Ok((object, false)),
        Err(error) if error.is_missing() => {}
        Err(error) => return Err(error.into()),
    }
    let text = match what.contains('/') {
        true => format!("there is no destination {}", plain(what)),
        false => format!("there is no connection and no destination {}", plain(what)),
    };
    Err(Exit::failure(NOTHING, text))
}

/// A line of what is known about something.
fn line(out: &mut dyn Write, name: &str, value: &str) -> io::Result<()> {
    match value.is_empty() {
        true => Ok(()),
        false => writeln!(out, "{name:<16}{}", plain(value)),
    }
}

pub(crate) fn print_destination(out: &mut dyn Write, it: &Destination) -> io::Result<()> {
    writeln!(out, "{}", plain(&it.name))?;
    let kind = match (it.durable, it.paused) {
        (true, false) => format!("{}, durable", it.kind),
        (false, true) => format!("{}, paused", it.kind),
        (true, true) => format!("{}, durable, paused", it.kind),
        (false, false) => it.kind.clone(),
    };
    line(out, "kind", &kind)?;
    let oldest = it
        .oldest_ms
        .map(|ms| format!(", the oldest {} old", age(ms)));
    let depth = format!(
        "{} ({}){}",
        it.depth,
        bytes(it.bytes),
        oldest.unwrap_or_default()
    );
    line(out, "depth", &depth)?;
    line(out, "unacknowledged", &it.unacknowledged.to_string())?;
    let rates = format!(
        "in {}/s, out {}/s, acknowledged {}/s",
        rate(it.rates.received),
        rate(it.rates.sent),
        rate(it.rates.acknowledged)
    );
    line(out, "rates", &rates)?;
    let totals = format!(
        "in {}, out {}, acknowledged {}",
        it.received, it.sent, it.acknowledged
    );
    line(out, "totals", &totals)?;
    let failures = format!(
        "redelivered {}, dead-lettered {}, expired {}, dropped {}",
        it.redelivered, it.dead_lettered, it.expired, it.dropped
    );
    line(out, "failures", &failures)?;
    if let Some(dead_letter) = &it.dead_letter {
        line(out, "dead letters to", &short(dead_letter))?;
    }
    for (name, value) in &it.arguments {
        line(out, "argument", &format!("{name}: {}", short(value)))?;
    }
    line(out, "consumers", &it.consumers.to_string())?;
    if it.consumers_list.is_empty() {
        return Ok(());
    }
    let mut table = Table::new([
        Column::Text("CONNECTION"),
        Column::Text("SUBSCRIPTION"),
        Column::Text("ACK"),
        Column::Number("PREFETCH"),
        Column::Number("UNACKED"),
        Column::Number("PRIORITY"),
        Column::Text("SELECTOR"),
    ]);
    for consumer in &it.consumers_list {
        table.row([
            consumer.connection.clone(),
            consumer.subscription.clone(),
            consumer.ack.clone().unwrap_or_default(),
            prefetch(consumer.prefetch),
            consumer.unacknowledged.to_string(),
            consumer
                .priority
                .map(|it| it.to_string())
                .unwrap_or_default(),
            consumer.selector.clone().unwrap_or_default(),
        ]);
    }
    table.print(out, "  ")
}

pub(crate) fn print_connection(out: &mut dyn Write, it: &Connection) -> io::Result<()> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    writeln!(out, "connection {}", plain(&it.id))?;
    line(out, "user", &text(&it.user))?;
    line(out, "client-id", &text(&it.client_id))?;
    line(out, "remote", &text(&it.remote))?;
    let tls = if it.tls { ", TLS" } else { "" };
    line(out, "transport", &format!("{}{tls}", text(&it.transport)))?;
    line(out, "STOMP", &text(&it.version))?;
    line(out, "agent", &text(&it.agent))?;
    if let Some((send, receive)) = it.heart_beat {
        let beats = format!("out every {}, in every {}", beat(send), beat(receive));
        line(out, "heart-beats", &beats)?;
    }
    line(
        out,
        "connected",
        &it.connected_at.map(at).unwrap_or_default(),
    )?;
    for (name, amount) in [("in", it.received), ("out", it.sent), ("queued", it.queued)] {
        let amount = format!("{} messages, {}", amount.messages, bytes(amount.bytes));
        line(out, name, &amount)?;
    }
    line(out, "unacknowledged", &it.unacknowledged.to_string())?;
    line(out, "subscriptions", &it.subscriptions.to_string())?;
    if it.subscriptions_list.is_empty() {
        return Ok(());
    }
    let mut table = Table::new([
        Column::Text("ID"),
        Column::Text("DESTINATION"),
        Column::Text("ACK"),
        Column::Number("PREFETCH"),
        Column::Number("UNACKED"),
        Column::Text("DURABLE"),
        Column::Text("SELECTOR"),
    ]);
    for subscription in &it.subscriptions_list {
        table.row([
            subscription.id.clone(),
            subscription.destination.clone(),
            subscription.ack.clone().unwrap_or_default(),
            prefetch(subscription.prefetch),
            subscription.unacknowledged.to_string(),
            match &subscription.durable {
                Value::Null | Value::Bool(false) => "no".into(),
                Value::Bool(true) => "yes".into(),
                name => short(name),
            },
            subscription.selector.clone().unwrap_or_default(),
        ]);
    }
    table.print(out, "  ")
}

/// 0 is no limit.
fn prefetch(most: Option<u64>) -> String {
    match most {
        None => String::new(),
        Some(0) => "none".into(),
        Some(most) => most.to_string(),
    }
}

/// How often, or never.
fn beat(milliseconds: u64) -> String {
    match milliseconds {
        0 => "(never)".into(),
        milliseconds => age(milliseconds),
    }
}

/// A text without quotes, anything else as JSON.
fn short(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
