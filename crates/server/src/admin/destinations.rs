//! Destinations: to look at, and to remove.

use std::str::FromStr;

use http::Response;
use serde_json::{Map, Value, json};
use stompbox_broker::{DestinationInfo, DestinationView, NameFilter};

use super::{
    State,
    answer::{self, Body, Fault},
    connections::ack,
    messages,
    request::{Query, cut},
};
use crate::events::connection_id;

/// How many places are looked at in one turn.
pub(super) const TURN: usize = 256;

/// Most destinations of one answer.
const MOST: usize = 1000;

/// By what a list is sorted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Name,
    Depth,
    Rate,
}

impl FromStr for Sort {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "name" => Ok(Self::Name),
            "depth" => Ok(Self::Depth),
            "rate" => Ok(Self::Rate),
            _ => Err(()),
        }
    }
}

/// Which kind of destination is wanted.
struct Kind(&'static str);

impl FromStr for Kind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let known = ["queue", "topic", "stream", "dead-letter"];
        known.into_iter().find(|it| *it == text).map(Self).ok_or(())
    }
}

/// Where a destination stands in a list: the lower the first.
type Place = (u64, String);

impl Sort {
    fn rank(self, view: &DestinationView<'_>) -> u64 {
        u64::MAX
            - match self {
                Self::Name => 0,
                Self::Depth => view.depth(),
                Self::Rate => {
                    let rates = view.rates();
                    // In thousandths; as much as matters.
                    ((rates.incoming + rates.outgoing) * 1000.0) as u64
                }
            }
    }

    /// What is given back to get what follows.
    fn write(self, (rank, name): &Place) -> String {
        match self {
            Self::Name => name.clone(),
            _ => format!("{},{name}", u64::MAX - rank),
        }
    }

    fn read(self, text: &str) -> Result<Place, Fault> {
        if self == Self::Name {
            return Ok((u64::MAX, text.to_owned()));
        }
        let parts = text.split_once(',');
        let place = parts.and_then(|(value, name)| {
            let value: u64 = value.parse().ok()?;
            Some((u64::MAX - value, name.to_owned()))
        });
        place.ok_or_else(|| {
            let text = cut(text);
            let message = format!("The parameter \"after\" is {text:?}, expected a \"next\".");
            Fault::bad("parameter", message)
        })
    }
}

pub(super) async fn list(state: &State, mut query: Query) -> Result<Response<Body>, Fault> {
    let limit = query.limit(100, MOST)?;
    let filter = query.text("pattern").map(|it| NameFilter::new(&it));
    let kind: Option<Kind> = query.parse("kind", "queue, topic, stream or dead-letter")?;
    let sort = query
        .parse("sort", "name, depth or rate")?
        .unwrap_or(Sort::Name);
    let after = query.text("after").map(|it| sort.read(&it)).transpose()?;
    query.end()?;
    let wanted = |view: &DestinationView<'_>| {
        kind.as_ref()
            .is_none_or(|kind| view.kind().as_str() == kind.0)
            && filter.as_ref().is_none_or(|it| it.matches(&view.name()))
    };
    let mut found = collect(state, limit + 1, |view| {
        if !wanted(view) {
            return None;
        }
        let place = (sort.rank(view), view.name().into_owned());
        after
            .as_ref()
            .is_none_or(|after| place > *after)
            .then_some(place)
    })
    .await;
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| more);
    Ok(answer::json(&json!({
        "items": found.iter().map(|(_, info)| json(info)).collect::<Vec<_>>(),
        "next": last.map(|(place, _)| sort.write(place)),
    })))
}

/// The first so many destinations by the places that they are given, in turns. Those without a place
/// are left out.
pub(super) async fn collect<P: Ord + Clone>(
    state: &State,
    most: usize,
    place: impl Fn(&DestinationView<'_>) -> Option<P>,
) -> Vec<(P, DestinationInfo)> {
    let mut found: Vec<(P, DestinationInfo)> = Vec::new();
    // The last place that can still be among the first.
    let mut bound: Option<P> = None;
    let mut from = 0;
    loop {
        let next = state.shared.hub.inspect(|broker, _| {
            broker.walk_destinations(from, TURN, |view| {
                let Some(place) = place(&view) else { return };
                if bound.as_ref().is_none_or(|bound| place < *bound) {
                    found.push((place, view.info()));
                }
            })
        });
        if found.len() >= most.saturating_mul(2).max(TURN) || next.is_none() {
            found.sort_by(|(a, _), (b, _)| a.cmp(b));
            found.truncate(most);
            if found.len() == most {
                bound = found.last().map(|(place, _)| place.clone());
            }
        }
        match next {
            Some(next) => from = next,
            None => return found,
        }
        tokio::task::yield_now().await;
    }
}

pub(super) fn json(info: &DestinationInfo) -> Value {
    let (counts, rates) = (&info.counts, &info.rates);
    let round = |rate: f64| (rate * 1000.0).round() / 1000.0;
    json!({
        "name": info.name,
        "kind": info.kind.as_str(),
        "depth": info.depth,
        "bytes": info.bytes,
        "unacknowledged": info.unacknowledged,
        "consumers": info.consumers,
        "oldest_ms": info.oldest,
        "in": counts.incoming,
        "out": counts.outgoing,
        "acknowledged": counts.acknowledged,
        "redelivered": counts.redelivered,
        "dead_lettered": counts.dead_lettered,
        "expired": counts.expired,
        "dropped": counts.dropped,
        "durable": info.durable,
        "paused": false,
        "rates": {
            "in": round(rates.incoming),
            "out": round(rates.outgoing),
            "ack": round(rates.acknowledged),
        },
    })
}

pub(super) fn missing(name: &str) -> Fault {
    let name = cut(name);
    Fault::missing(
        "no-such-destination",
        format!("There is no destination {name:?}."),
    )
}

pub(super) fn one(state: &State, mut query: Query) -> Result<Response<Body>, Fault> {
    let name = query.needed("name")?;
    query.end()?;
    let run = &state.shared.run;
    let found = state
        .shared
        .hub
        .inspect(|broker, _| broker.destination(&name));
    let details = found.ok_or_else(|| missing(&name))?;
    let consumers: Vec<Value> = details
        .consumers
        .iter()
        .map(|it| {
            let subscription = &it.subscription;
            json!({
                "connection": connection_id(run, it.connection),
                "subscription": subscription.id,
                "ack": ack(subscription.ack),
                "selector": subscription.selector,
                "priority": subscription.priority,
                "prefetch": subscription.prefetch,
                "unacknowledged": subscription.unacknowledged,
            })
        })
        .collect();
    let arguments: Map<String, Value> = details
        .arguments
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let mut body = json(&details.info);
    if let Some(body) = body.as_object_mut() {
        body.insert("arguments".into(), arguments.into());
        body.insert("consumers_list".into(), consumers.into());
        body.insert("dead_letter".into(), details.dead_letter.into());
    }
    Ok(answer::json(&body))
}

pub(super) async fn remove(state: &State, mut query: Query) -> Result<Response<Body>, Fault> {
    let name = query.needed("name")?;
    let if_empty = query.parse("if_empty", "true or false")?.unwrap_or(false);
    query.end()?;
    let removed = messages::remove(state, &name, if_empty).await?;
    Ok(answer::json(
        &json!({ "deleted": true, "messages": removed }),
    ))
}
