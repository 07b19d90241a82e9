//! A look at a broker in words: what is above the lists, and all of it for `--once`.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use super::{
    super::{
        model::Gateway,
        table::{Column as Plain, Table},
        text::{age, bytes, count, plain, rate},
    },
    columns::{CONNECTIONS, Column, DESTINATIONS},
    look::Shot,
    state::State,
};

/// The broker in five lines of at most 80 columns, unless numbers are very large, and a gateway in
/// one more. The first is its title.
pub(crate) fn overview(shot: &Shot, url: &str) -> Vec<String> {
    let it = &shot.overview;
    let per = |number: Option<f64>| number.map_or_else(|| "-".into(), rate);
    let size = |number: Option<f64>| number.map_or_else(|| "-".into(), |it| bytes(it as u64));
    let rates = shot.rates.as_ref();
    let messages = &it.messages;
    let title = format!(
        "{} {}  up {}  {}",
        plain(&it.server.name),
        plain(&it.server.version),
        age(it.server.uptime_ms),
        plain(url)
    );
    let flow = format!(
        "in {}/s ({}/s)  out {}/s ({}/s)  acknowledged {}/s",
        per(rates.map(|it| it.received)),
        size(rates.map(|it| it.bytes_received)),
        per(rates.map(|it| it.sent)),
        size(rates.map(|it| it.bytes_sent)),
        per(rates.map(|it| it.acknowledged)),
    );
    let peers = format!(
        "connections {}{}{}{}",
        count(it.connections.total),
        parts(": ", "", &it.connections.by_transport),
        parts("; ", "STOMP ", &it.connections.by_version),
        some(&[("refused logins", it.logins.refused)]),
    );
    let held = format!(
        "queues {}  topics {}  streams {}  durable {}  messages {} ({})  unacked {}",
        count(it.destinations.queues),
        count(it.destinations.topics),
        count(it.destinations.streams),
        count(it.destinations.durable_subscriptions),
        count(messages.stored),
        bytes(messages.bytes),
        count(messages.unacknowledged),
    );
    let memory = match it.memory.limit {
        Some(limit) if limit > 0 => format!("{} of {}", bytes(it.memory.used), bytes(limit)),
        _ => bytes(it.memory.used),
    };
    let memory = match it.memory.pressed {
        true => format!("{memory}, PRESSED"),
        false => memory,
    };
    let store = match &it.store {
        None => "none".into(),
        Some(store) if store.poisoned => "FAILED".into(),
        Some(store) => bytes(store.bytes),
    };
    let rest = format!(
        "memory {memory}  store {store}{}",
        some(&[
            ("dropped", messages.dropped),
            ("dead", messages.dead_lettered),
            ("redelivered", messages.redelivered),
            ("expired", messages.expired),
        ]),
    );
    let behind = shot.gateway.as_ref().map(behind);
    let lines = [title, flow, peers, held, rest];
    lines.into_iter().chain(behind).collect()
}

/// The brokers behind a gateway, and why the first that is not there is not.
fn behind(it: &Gateway) -> String {
    let up = it.upstreams.iter().filter(|it| it.up).count();
    let shared = it.connections.iter().filter(|it| it.up).count();
    let mut line = format!(
        "brokers up {up} of {}  connections to them: {shared} shared, {} own",
        it.upstreams.len(),
        count(it.own_connections)
    );
    if let Some(down) = it.upstreams.iter().find(|it| !it.up) {
        let why = down.last_error.as_ref().unwrap_or(&down.upstream);
        line.push_str(&format!("  DOWN {}", plain(why)));
    }
    line
}

/// What there is of it: `  dropped 3  dead 4`.
fn some(of: &[(&str, u64)]) -> String {
    let parts = of.iter().filter(|(_, number)| *number > 0);
    parts
        .map(|(name, number)| format!("  {name} {}", count(*number)))
        .collect()
}

/// `3 tcp, 4 ws`.
fn parts(before: &str, kind: &str, of: &BTreeMap<String, u64>) -> String {
    let parts = of.iter().filter(|(_, number)| **number > 0);
    let parts: Vec<_> = parts
        .map(|(name, number)| format!("{} {kind}{}", count(*number), plain(name)))
        .collect();
    match parts.is_empty() {
        true => String::new(),
        false => format!("{before}{}", parts.join(", ")),
    }
}

/// All of it.
pub(crate) fn print(out: &mut dyn Write, state: &State) -> io::Result<()> {
    for line in overview(&state.shot, &state.url) {
        writeln!(out, "{line}")?;
    }
    writeln!(out)?;
    list(out, &DESTINATIONS, &state.shown_destinations())?;
    cut(out, state.shot.is_cut[0])?;
    writeln!(out)?;
    let connections: Vec<_> = state.shown_connections().iter().collect();
    list(out, &CONNECTIONS, &connections)?;
    cut(out, state.shot.is_cut[1])
}

fn list<T>(out: &mut dyn Write, columns: &[Column<T>], rows: &[&T]) -> io::Result<()> {
    let heads = columns.iter().map(|column| match column.is_number {
        true => Plain::Number(column.name),
        false => Plain::Text(column.name),
    });
    let mut table = Table::new(heads.collect::<Vec<_>>());
    for row in rows {
        table.row(columns.iter().map(|column| (column.cell)(row)));
    }
    table.print(out, "")
}

fn cut(out: &mut dyn Write, is_cut: bool) -> io::Result<()> {
    match is_cut {
        true => writeln!(out, "\u{2026} and more"),
        false => Ok(()),
    }
}
