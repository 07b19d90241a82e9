//! `stompbox ls`.

use std::io::{Write, stdout};

use clap::ValueEnum as _;
use serde_json::Value;

use super::{
    api::Api,
    model::{Connection, Destination, PAGE, listing, read, whole_listing},
    table::{Column, Table},
    text::{age, at, bytes, count, json, rate},
};
use crate::{
    args::{Kind, List, Listing, SortDestinations},
    exit::{Exit, Failure, NOTHING},
};

/// Lists destinations or connections.
pub(crate) async fn list(args: List) -> Result<(), Failure> {
    let mut api = Api::of(&args.admin)?;
    let (items, table) = match args.connections {
        true => connections(&mut api, &args).await?,
        false => destinations(&mut api, &args).await?,
    };
    if items.is_empty() && args.output != Listing::Json {
        let what = match args.connections {
            true => "connection",
            false => "destination",
        };
        let text = match (&args.pattern, args.kind) {
            (None, None) => format!("there is no {what}"),
            _ => format!("there is no such {what}"),
        };
        return Err(Exit::failure(NOTHING, text));
    }
    print(&items, &table, args.output)?;
    match items.is_empty() {
        true => Err(Exit::failure(NOTHING, "")),
        false => Ok(()),
    }
}

/// Prints objects, or the table of them.
pub(crate) fn print(items: &[Value], table: &Table, output: Listing) -> Result<(), Failure> {
    let mut out = stdout().lock();
    match output {
        Listing::Text | Listing::Table => table.print(&mut out, "")?,
        Listing::Json => writeln!(out, "{}", json(&Value::from(items), true))?,
        Listing::Ndjson => {
            for item in items {
                writeln!(out, "{}", json(item, false))?;
            }
        }
    }
    Ok(())
}

async fn destinations(api: &mut Api, args: &List) -> Result<(Vec<Value>, Table), Failure> {
    let most = args.limit.unwrap_or(usize::MAX);
    let is_one_page = most <= PAGE;
    let kind = args.kind.and_then(|kind: Kind| kind.to_possible_value());
    let sort = args.sort.to_possible_value();
    let mut pairs = vec![
        ("pattern", args.pattern.as_deref()),
        ("kind", kind.as_ref().map(|it| it.get_name())),
    ];
    let items = match is_one_page {
        true => {
            pairs.push(("sort", sort.as_ref().map(|it| it.get_name())));
            listing(api, "/destinations", &pairs, most).await?.0
        }
        // From page to page depths and rates change: what takes more than one is sorted here.
        false => whole_listing(api, "/destinations", &pairs).await?,
    };
    let mut rows = Vec::with_capacity(items.len());
    for item in items {
        rows.push((read::<Destination>(&item)?, item));
    }
    if !is_one_page {
        match args.sort {
            SortDestinations::Name => {}
            SortDestinations::Depth => rows.sort_by_key(|(it, _)| std::cmp::Reverse(it.depth)),
            SortDestinations::Rate => {
                rows.sort_by(|(a, _), (b, _)| busy(b).total_cmp(&busy(a)));
            }
        }
        rows.truncate(most);
    }
    let mut table = Table::new(match args.output {
        Listing::Table => EXACT,
        _ => DESTINATIONS,
    });
    for (it, _) in &rows {
        match args.output {
            Listing::Table => table.row(exact(it)),
            _ => table.row(destination(it)),
        }
    }
    Ok((rows.into_iter().map(|(_, item)| item).collect(), table))
}

/// Messages in and out a second.
pub(crate) fn busy(it: &Destination) -> f64 {
    it.rates.received + it.rates.sent
}

const DESTINATIONS: &[Column] = &[
    Column::Text("NAME"),
    Column::Text("KIND"),
    Column::Number("DEPTH"),
    Column::Number("BYTES"),
    Column::Number("UNACKED"),
    Column::Number("CONSUMERS"),
    Column::Number("OLDEST"),
    Column::Number("IN/S"),
    Column::Number("OUT/S"),
    Column::Number("ACK/S"),
];

fn destination(it: &Destination) -> [String; 10] {
    [
        it.name.clone(),
        it.kind.clone(),
        count(it.depth),
        bytes(it.bytes),
        count(it.unacknowledged),
        count(it.consumers),
        it.oldest_ms.map(age).unwrap_or_default(),
        rate(it.rates.received),
        rate(it.rates.sent),
        rate(it.rates.acknowledged),
    ]
}

const EXACT: &[Column] = &[
    Column::Text("NAME"),
    Column::Text("KIND"),
    Column::Number("DEPTH"),
    Column::Number("BYTES"),
    Column::Number("UNACKED"),
    Column::Number("CONSUMERS"),
    Column::Number("OLDEST_MS"),
    Column::Number("IN/S"),
    Column::Number("OUT/S"),
    Column::Number("ACK/S"),
    Column::Number("IN"),
    Column::Number("OUT"),
    Column::Number("ACKED"),
    Column::Number("REDELIVERED"),
    Column::Number("DEAD"),
    Column::Number("EXPIRED"),
    Column::Number("DROPPED"),
];

fn exact(it: &Destination) -> [String; 17] {
    let number = |number: u64| number.to_string();
    [
        it.name.clone(),
        it.kind.clone(),
        number(it.depth),
        number(it.bytes),
        number(it.unacknowledged),
        number(it.consumers),
        it.oldest_ms.map(number).unwrap_or_default(),
        format!("{:.1}", it.rates.received),
        format!("{:.1}", it.rates.sent),
        format!("{:.1}", it.rates.acknowledged),
        number(it.received),
        number(it.sent),
        number(it.acknowledged),
        number(it.redelivered),
        number(it.dead_lettered),
        number(it.expired),
        number(it.dropped),
    ]
}

async fn connections(api: &mut Api, args: &List) -> Result<(Vec<Value>, Table), Failure> {
    let pairs = [("filter", args.pattern.as_deref())];
    let items = match args.limit {
        Some(most) => listing(api, "/connections", &pairs, most).await?.0,
        None => whole_listing(api, "/connections", &pairs).await?,
    };
    let is_exact = args.output == Listing::Table;
    let mut table = Table::new(CONNECTIONS);
    for item in &items {
        table.row(connection(&read(item)?, is_exact));
    }
    Ok((items, table))
}

const CONNECTIONS: &[Column] = &[
    Column::Text("ID"),
    Column::Text("USER"),
    Column::Text("CLIENT-ID"),
    Column::Text("REMOTE"),
    Column::Text("TRANSPORT"),
    Column::Text("STOMP"),
    Column::Text("AGENT"),
    Column::Number("SUBS"),
    Column::Number("UNACKED"),
    Column::Number("IN"),
    Column::Number("OUT"),
    Column::Number("QUEUED"),
    Column::Text("SINCE"),
];

fn connection(it: &Connection, is_exact: bool) -> [String; 13] {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let number = |number| match is_exact {
        true => u64::to_string(&number),
        false => count(number),
    };
    let queued = match is_exact {
        true => it.queued.bytes.to_string(),
        false => bytes(it.queued.bytes),
    };
    [
        it.id.clone(),
        text(&it.user),
        text(&it.client_id),
        text(&it.remote),
        text(&it.transport),
        text(&it.version),
        text(&it.agent),
        number(it.subscriptions),
        number(it.unacknowledged),
        number(it.received.messages),
        number(it.sent.messages),
        queued,
        it.connected_at.map(at).unwrap_or_default(),
    ]
}
