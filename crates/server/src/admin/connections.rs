//! Connections: to look at, and to end.

use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::{Value, json};
use stompbox_broker::{BrokerError, Command, ConnectionId, ConnectionInfo};
use stompbox_proto::{AckMode, Version};

use super::{
    State,
    answer::{self, Body, Fault},
    request::{self, Query, cut},
};
use crate::{
    events::connection_id,
    hub::Outbox,
    peer::{About, read},
};

/// How many places are looked at in one turn.
const TURN: usize = 128;

/// Most connections of one answer.
const MOST: usize = 1000;

struct Row {
    id: ConnectionId,
    outbox: Arc<Outbox>,
    info: ConnectionInfo,
}

impl Row {
    fn json(&self, run: &str) -> Value {
        let peer = &self.outbox.peer;
        let about = peer.about.get();
        let text = |get: fn(&About) -> &str| {
            let text = about.map(|about| get(about)).unwrap_or_default();
            (!text.is_empty()).then(|| text.to_owned())
        };
        let info = &self.info;
        json!({
            "id": connection_id(run, self.id),
            "user": text(|it| &it.user),
            "client_id": text(|it| &it.client_id),
            "remote": peer.via.remote,
            "transport": peer.via.transport.as_str(),
            "tls": peer.via.secure,
            "version": about.and_then(|it| it.version).map(Version::as_str),
            "agent": peer.via.agent,
            "heart_beat": about.map(|it| it.heart_beat),
            "subscriptions": info.subscriptions,
            "unacknowledged": info.unacknowledged,
            "in": {
                "messages": read(&peer.flow.messages_in),
                "bytes": read(&peer.flow.bytes_in),
            },
            "out": {
                "messages": read(&peer.flow.messages_out),
                "bytes": read(&peer.flow.bytes_out),
            },
            "queued": {
                "messages": info.waiting + self.outbox.len(),
                "bytes": info.waiting_bytes,
            },
            "connected_at": about.map(|it| it.connected_at),
        })
    }
}

/// Whether a text that is looked for is in something that names a connection.
fn is_like(wanted: &str, id: &str, outbox: &Outbox) -> bool {
    let peer = &outbox.peer;
    let has = |text: &str| text.to_lowercase().contains(wanted);
    let about = peer.about.get();
    has(id)
        || about.is_some_and(|it| has(&it.user) || has(&it.client_id))
        || peer.via.remote.is_some_and(|it| has(&it.to_string()))
        || peer.via.agent.as_deref().is_some_and(has)
        || has(peer.via.transport.as_str())
}

pub(super) async fn list(state: &State, mut query: Query) -> Result<Response<Body>, Fault> {
    let limit = query.limit(100, MOST)?;
    let filter = query.text("filter").map(|it| it.to_lowercase());
    let after = query.text("after");
    query.end()?;
    let run = &state.shared.run;
    let mut from = match &after {
        None => 0,
        Some(id) => ConnectionId::index(number(state, id)?) + 1,
    };
    let mut rows: Vec<Row> = Vec::new();
    loop {
        let next = state.shared.hub.inspect(|broker, outboxes| {
            broker.walk_connections(from, TURN, |id, _| {
                // Those of a gateway's own are nobody's, and have not come in.
                let here = outboxes.of(id).filter(|it| it.peer.about.get().is_some());
                let Some(outbox) = here else {
                    return;
                };
                let wanted = filter
                    .as_ref()
                    .is_none_or(|wanted| is_like(wanted, &connection_id(run, id), outbox));
                if !wanted || rows.len() > limit {
                    return;
                }
                if let Some(info) = broker.connection(id) {
                    let outbox = Arc::clone(outbox);
                    rows.push(Row { id, outbox, info });
                }
            })
        });
        match next {
            Some(next) if rows.len() <= limit => from = next,
            _ => break,
        }
        tokio::task::yield_now().await;
    }
    let more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().filter(|_| more);
    Ok(answer::json(&json!({
        "items": rows.iter().map(|row| row.json(run)).collect::<Vec<_>>(),
        "next": last.map(|row| connection_id(run, row.id)),
    })))
}

/// The connection of an id, which may be gone.
fn number(state: &State, id: &str) -> Result<ConnectionId, Fault> {
    id.strip_prefix(&*state.shared.run)
        .and_then(|it| it.strip_prefix('-')?.parse().ok())
        .map(ConnectionId::of_number)
        .ok_or_else(|| missing(id))
}

fn missing(id: &str) -> Fault {
    let id = cut(id);
    Fault::missing(
        "no-such-connection",
        format!("There is no connection {id:?}."),
    )
}

pub(super) fn one(state: &State, id: &str, query: Query) -> Result<Response<Body>, Fault> {
    query.end()?;
    let run = &state.shared.run;
    let number = number(state, id)?;
    let found = state.shared.hub.inspect(|broker, outboxes| {
        let info = broker.connection(number)?;
        let outbox = Arc::clone(outboxes.of(number)?);
        outbox.peer.about.get()?;
        let id = number;
        Some((Row { id, outbox, info }, broker.subscriptions(number)))
    });
    let (row, subscriptions) = found.ok_or_else(|| missing(id))?;
    let subscriptions: Vec<Value> = subscriptions
        .into_iter()
        .map(|it| {
            json!({
                "id": it.id,
                "destination": it.destination,
                "selector": it.selector,
                "ack": ack(it.ack),
                "prefetch": it.prefetch,
                "unacknowledged": it.unacknowledged,
                "durable": it.durable,
            })
        })
        .collect();
    let mut body = row.json(run);
    if let Some(body) = body.as_object_mut() {
        body.insert("subscriptions_list".into(), subscriptions.into());
    }
    Ok(answer::json(&body))
}

pub(super) fn ack(mode: AckMode) -> &'static str {
    match mode {
        AckMode::Auto => "auto",
        AckMode::Client => "client",
        AckMode::ClientIndividual => "client-individual",
    }
}

/// What the client of a connection that is ended is told.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kick {
    reason: Option<String>,
}

/// Most characters of a reason.
const MOST_REASON: usize = 200;

impl Kick {
    async fn read(request: Request<Incoming>) -> Result<String, Fault> {
        let kick: Self = request::body_or_default(request, 4096).await?;
        let reason = kick.reason.unwrap_or_else(|| "no reason given".into());
        if reason.chars().count() > MOST_REASON || reason.contains(char::is_control) {
            let message =
                format!("The reason has more than {MOST_REASON} characters, or a line break.");
            return Err(Fault::bad("reason", message));
        }
        Ok(reason)
    }
}

pub(super) async fn kick(
    state: &State,
    id: &str,
    query: Query,
    request: Request<Incoming>,
) -> Result<Response<Body>, Fault> {
    query.end()?;
    let number = number(state, id)?;
    let reason = Kick::read(request).await?;
    let here = state.shared.hub.inspect(|broker, outboxes| {
        let outbox = outboxes
            .of(number)
            .filter(|it| it.peer.about.get().is_some());
        outbox.is_some() && broker.connection(number).is_some()
    });
    if !here {
        return Err(missing(id));
    }
    end(state, number, &reason);
    Ok(answer::json(&json!({ "kicked": 1 })))
}

pub(super) async fn kick_user(
    state: &State,
    mut query: Query,
    request: Request<Incoming>,
) -> Result<Response<Body>, Fault> {
    let user = query.needed("user")?;
    query.end()?;
    let reason = Kick::read(request).await?;
    let (mut from, mut kicked) = (0, 0_usize);
    loop {
        let mut found = Vec::new();
        let next = state.shared.hub.inspect(|broker, outboxes| {
            broker.walk_connections(from, TURN, |id, identity| {
                // Those of a gateway's own have no login either, and all topics come by them.
                let is_client = outboxes
                    .of(id)
                    .is_some_and(|it| it.peer.about.get().is_some());
                if is_client && *identity.login == *user {
                    found.push(id);
                }
            })
        });
        kicked += found.len();
        for id in found {
            end(state, id, &reason);
        }
        match next {
            Some(next) => from = next,
            None => break,
        }
        tokio::task::yield_now().await;
    }
    Ok(answer::json(&json!({ "kicked": kicked })))
}

fn end(state: &State, id: ConnectionId, reason: &str) {
    let error = BrokerError::Kicked {
        reason: reason.to_owned(),
    };
    let receipt = None;
    let mut commands = vec![Command::Refuse { error, receipt }];
    state.shared.hub.submit(id, &mut commands);
}
