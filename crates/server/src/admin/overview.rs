//! All in one look.

use http::Response;
use serde_json::{Map, Value, json};
use stompbox_proto::Version;

use super::{
    State,
    answer::{self, Body, Fault},
    request::Query,
};
use crate::{
    Role,
    peer::{Transport, read},
};

pub(super) const VERSIONS: [Version; 3] = [Version::V1_0, Version::V1_1, Version::V1_2];

pub(super) fn answer(state: &State, query: Query) -> Result<Response<Body>, Fault> {
    query.end()?;
    let shared = &state.shared;
    let now = shared.hub.now();
    let (totals, failed) = shared.hub.inspect(|broker, _| {
        let failed = broker
            .check_storage(now)
            .is_err_and(|it| it.code() == "store-failed");
        (broker.totals(), failed)
    });
    let census = &shared.census;
    let by_transport: Map<String, Value> = Transport::ALL
        .into_iter()
        .map(|it| (it.as_str().to_owned(), census.by_transport(it).into()))
        .collect();
    let by_version: Map<String, Value> = VERSIONS
        .into_iter()
        .map(|it| (it.as_str().to_owned(), census.by_version(it).into()))
        .collect();
    let counts = totals.counts;
    let stored = state.shared.config.data.is_some();
    Ok(answer::json(&json!({
        "server": {
            "name": "stompbox",
            "version": env!("CARGO_PKG_VERSION"),
            "started": shared.started,
            "now": now,
            "uptime_ms": now.saturating_sub(shared.started),
        },
        "connections": {
            "total": census.all(),
            "by_transport": by_transport,
            "by_version": by_version,
        },
        "destinations": {
            "queues": totals.queues,
            "topics": totals.topics,
            "durable_subscriptions": totals.durable_subscriptions,
            "streams": totals.streams,
        },
        "messages": {
            "in": read(&census.flow.messages_in),
            "out": read(&census.flow.messages_out),
            "acknowledged": counts.acknowledged,
            "redelivered": counts.redelivered,
            "dead_lettered": counts.dead_lettered,
            "expired": counts.expired,
            "dropped": counts.dropped,
            "stored": totals.waiting,
            "bytes": totals.waiting_bytes,
            "unacknowledged": totals.unacknowledged,
        },
        "bytes": {
            "in": read(&census.flow.bytes_in),
            "out": read(&census.flow.bytes_out),
        },
        "memory": {
            "used": totals.memory,
            "limit": totals.max_memory,
            "pressed": totals.pressed,
        },
        "store": stored.then(|| json!({
            "bytes": read(&census.store.disk),
            "messages": read(&census.store.messages),
            "poisoned": failed,
        })),
        "logins": { "refused": read(&census.logins_refused) },
    })))
}

/// What whoever asks may do.
pub(super) fn me(role: Role, query: Query) -> Result<Response<Body>, Fault> {
    query.end()?;
    Ok(answer::json(&json!({ "role": role.as_str() })))
}

/// How the brokers behind this front are; `null` where there is the embedded one.
pub(super) fn gateway(state: &State, query: Query) -> Result<Response<Body>, Fault> {
    query.end()?;
    let Some(gateway) = &state.shared.gateway else {
        return Ok(answer::json(&Value::Null));
    };
    let status = gateway.status();
    let upstreams: Vec<Value> = status
        .upstreams
        .iter()
        .map(|it| json!({ "upstream": it.upstream, "up": it.up, "last_error": it.last_error }))
        .collect();
    let connections: Vec<Value> = status
        .connections
        .iter()
        .map(|it| {
            json!({
                "up": it.up,
                "clients": it.clients,
                "subscriptions": it.subscriptions,
                "losses": it.losses,
            })
        })
        .collect();
    Ok(answer::json(&json!({
        "upstreams": upstreams,
        "connections": connections,
        "own_connections": status.own_connections,
        "shared_topics": status.shared_topics,
    })))
}
