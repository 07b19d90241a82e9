//! Durable subscriptions: to look at, and to end.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::Response;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use stompbox_broker::DurableSubscription;

use super::{
    State,
    answer::{self, Body, Fault},
    destinations::TURN,
    messages,
    request::{Query, cut},
};

/// Most of one answer.
const MOST: usize = 1000;

pub(super) async fn list(state: &State, mut query: Query) -> Result<Response<Body>, Fault> {
    let limit = query.limit(100, MOST)?;
    let from = query.parse("after", "a \"next\"")?;
    query.end()?;
    let mut from: Option<usize> = Some(from.unwrap_or(0));
    let mut found = Vec::new();
    while let Some(place) = from.filter(|_| found.len() < limit) {
        let places = TURN.min(limit - found.len());
        from = state.shared.hub.inspect(|broker, _| {
            broker.walk_durable_subscriptions(place, places, |it| found.push(it))
        });
        tokio::task::yield_now().await;
    }
    Ok(answer::json(&json!({
        "items": found.iter().map(item).collect::<Vec<_>>(),
        "next": from.map(|place| place.to_string()),
    })))
}

fn item(it: &DurableSubscription) -> Value {
    let Owner {
        login,
        client_id,
        name,
    } = Owner::of(&it.queue);
    json!({
        "key": BASE64_URL_SAFE_NO_PAD.encode(&it.queue),
        "queue": it.queue,
        "owner": login,
        "client_id": client_id,
        "name": name,
        "destination": it.topic,
        "selector": it.selector,
        "depth": it.depth,
        "bytes": it.bytes,
        "connected": it.connected,
        "last_seen": it.last_seen,
    })
}

/// Whose a durable subscription is, as its queue's name says.
#[derive(Debug, PartialEq, Eq)]
struct Owner {
    login: Option<String>,
    client_id: Option<String>,
    name: String,
}

impl Owner {
    /// `/dsub/LOGIN/CLIENT.NAME`, `/dsub/OWNER.NAME`, `/dsub/NAME`, or any queue.
    fn of(queue: &str) -> Self {
        let nobody = |name: &str| Self {
            login: None,
            client_id: None,
            name: name.to_owned(),
        };
        let text = |part: &str| {
            let decoded = percent_decode_str(part).decode_utf8_lossy().into_owned();
            (!decoded.is_empty()).then_some(decoded)
        };
        let Some(rest) = queue.strip_prefix("/dsub/") else {
            let name = queue.rsplit_once('/').map_or(queue, |(_, name)| name);
            return nobody(name);
        };
        let Some((owner, name)) = rest.split_once('.') else {
            return nobody(rest);
        };
        let (login, client_id) = match owner.split_once('/') {
            Some((login, client)) => (text(login), text(client)),
            None => (text(owner), None),
        };
        Self {
            login,
            client_id,
            name: name.to_owned(),
        }
    }
}

pub(super) async fn remove(
    state: &State,
    key: &str,
    query: Query,
) -> Result<Response<Body>, Fault> {
    query.end()?;
    let missing = || {
        let key = cut(key);
        Fault::missing(
            "no-such-durable-subscription",
            format!("There is no durable subscription {key:?}."),
        )
    };
    let queue = BASE64_URL_SAFE_NO_PAD.decode(key).ok();
    let queue = queue.and_then(|it| String::from_utf8(it).ok());
    let queue = queue.ok_or_else(missing)?;
    let ended = state
        .shared
        .hub
        .store(|broker, now| broker.end_durable_subscription(&queue, now))?;
    if !ended {
        return Err(missing());
    }
    messages::settle(state).await?;
    Ok(answer::json(&json!({ "deleted": true })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_says_whose_it_is() {
        let cases = [
            ("/dsub/ann.news", Some("ann"), None, "news"),
            (
                "/dsub/ann/phone.news.eu",
                Some("ann"),
                Some("phone"),
                "news.eu",
            ),
            ("/dsub/a%2Eb.news", Some("a.b"), None, "news"),
            ("/dsub/.a.b", None, None, "a.b"),
            ("/dsub/news", None, None, "news"),
            ("/queue/inbox", None, None, "inbox"),
        ];
        for (queue, login, client_id, name) in cases {
            let owner = Owner {
                login: login.map(str::to_owned),
                client_id: client_id.map(str::to_owned),
                name: name.to_owned(),
            };
            assert_eq!(Owner::of(queue), owner, "{queue}");
        }
    }
}
