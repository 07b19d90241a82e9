//! What the admin listener tells, as far as it is shown to people. What an older broker leaves out is
//! nothing; what a newer one adds is in JSON output only.

use std::collections::BTreeMap;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::api::{Api, query, segment};
use crate::exit::{Exit, Failure, SERVER_ERROR};

/// Most items that are fetched: as many as there is memory for.
const MOST: usize = 1_000_000;

/// Most items of a page.
pub(crate) const PAGE: usize = 1000;

/// The broker as a whole. Counts are since its start.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Overview {
    pub(crate) server: Server,
    pub(crate) connections: Connections,
    pub(crate) destinations: Destinations,
    pub(crate) messages: Messages,
    pub(crate) bytes: Flow,
    pub(crate) memory: Memory,
    /// None without one.
    pub(crate) store: Option<Store>,
    pub(crate) logins: Logins,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Milliseconds since 1970.
    pub(crate) started: u64,
    pub(crate) uptime_ms: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Connections {
    pub(crate) total: u64,
    pub(crate) by_transport: BTreeMap<String, u64>,
    pub(crate) by_version: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Destinations {
    pub(crate) queues: u64,
    pub(crate) topics: u64,
    pub(crate) durable_subscriptions: u64,
    pub(crate) streams: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Messages {
    #[serde(rename = "in")]
    pub(crate) received: u64,
    #[serde(rename = "out")]
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
    pub(crate) redelivered: u64,
    pub(crate) dead_lettered: u64,
    pub(crate) expired: u64,
    pub(crate) dropped: u64,
    /// Now, with their bytes.
    pub(crate) stored: u64,
    pub(crate) bytes: u64,
    /// Now.
    pub(crate) unacknowledged: u64,
}

/// Both ways, as the broker sees it: messages or bytes of clients, and to clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Flow {
    #[serde(rename = "in")]
    pub(crate) received: u64,
    #[serde(rename = "out")]
    pub(crate) sent: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Memory {
    pub(crate) used: u64,
    /// 0 or none: without a limit.
    pub(crate) limit: Option<u64>,
    pub(crate) pressed: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Store {
    pub(crate) bytes: u64,
    pub(crate) messages: u64,
    /// It failed to write, and takes nothing any more.
    pub(crate) poisoned: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Logins {
    pub(crate) refused: u64,
}

/// What a gateway stands in front of.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Gateway {
    pub(crate) upstreams: Vec<Upstream>,
    /// Those that clients share.
    pub(crate) connections: Vec<Shared>,
    /// Those that have a client each.
    pub(crate) own_connections: u64,
}

/// A broker behind a gateway.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Upstream {
    pub(crate) upstream: String,
    pub(crate) up: bool,
    pub(crate) last_error: Option<String>,
}

/// A connection to a broker that clients share.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Shared {
    pub(crate) up: bool,
}

/// A client's connection.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Connection {
    pub(crate) id: String,
    pub(crate) user: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) remote: Option<String>,
    pub(crate) transport: Option<String>,
    pub(crate) tls: bool,
    pub(crate) version: Option<String>,
    pub(crate) agent: Option<String>,
    /// Milliseconds, from the broker and to it. None, as some more, before the login.
    pub(crate) heart_beat: Option<(u64, u64)>,
    pub(crate) subscriptions: u64,
    pub(crate) unacknowledged: u64,
    #[serde(rename = "in")]
    pub(crate) received: Amount,
    #[serde(rename = "out")]
    pub(crate) sent: Amount,
    /// What the client does not read yet.
    pub(crate) queued: Amount,
    /// Milliseconds since 1970.
    pub(crate) connected_at: Option<u64>,
    /// Of `show` only.
    pub(crate) subscriptions_list: Vec<Subscription>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Amount {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    pub(crate) destination: String,
    pub(crate) selector: Option<String>,
    pub(crate) ack: Option<String>,
    pub(crate) prefetch: Option<u64>,
    pub(crate) unacknowledged: u64,
    /// Its name, or whether it is.
    pub(crate) durable: Value,
}

/// A queue, topic or stream. Counts are since the broker's start.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Destination {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) depth: u64,
    pub(crate) bytes: u64,
    pub(crate) unacknowledged: u64,
    pub(crate) consumers: u64,
    pub(crate) oldest_ms: Option<u64>,
    #[serde(rename = "in")]
    pub(crate) received: u64,
    #[serde(rename = "out")]
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
    pub(crate) redelivered: u64,
    pub(crate) dead_lettered: u64,
    pub(crate) expired: u64,
    pub(crate) dropped: u64,
    pub(crate) durable: bool,
    pub(crate) paused: bool,
    pub(crate) rates: Rates,
    /// The rest of `show` only.
    pub(crate) arguments: BTreeMap<String, Value>,
    pub(crate) consumers_list: Vec<Consumer>,
    pub(crate) dead_letter: Option<Value>,
}

/// Messages a second.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Rates {
    #[serde(rename = "in")]
    pub(crate) received: f64,
    #[serde(rename = "out")]
    pub(crate) sent: f64,
    #[serde(rename = "ack")]
    pub(crate) acknowledged: f64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Consumer {
    pub(crate) connection: String,
    pub(crate) subscription: String,
    pub(crate) ack: Option<String>,
    pub(crate) selector: Option<String>,
    pub(crate) priority: Option<i64>,
    pub(crate) prefetch: Option<u64>,
    pub(crate) unacknowledged: u64,
}

/// A durable subscription.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Durable {
    pub(crate) key: String,
    pub(crate) owner: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) name: String,
    pub(crate) destination: String,
    pub(crate) selector: Option<String>,
    pub(crate) depth: u64,
    pub(crate) bytes: u64,
    pub(crate) connected: bool,
    /// Milliseconds since 1970.
    pub(crate) last_seen: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Page {
    items: Vec<Value>,
    next: Value,
}

/// Reads what the listener said.
pub(crate) fn read<T: DeserializeOwned>(value: &Value) -> Result<T, Failure> {
    T::deserialize(value).map_err(|error| {
        let text = format!("the admin listener's answer is not understood: {error}");
        Exit::failure(SERVER_ERROR, text)
    })
}

/// What is told apart in a connection's ID: what is before it is the same for all of a broker's run.
pub(crate) fn short_id(id: &str) -> &str {
    id.rsplit_once('-').map_or(id, |(_, number)| number)
}

/// The connection of an ID, or of the number at its end.
pub(crate) async fn connection(api: &mut Api, id: &str) -> Result<Option<Value>, Failure> {
    match api.get(&format!("/connections/{}", segment(id))).await {
        Ok(object) => return Ok(Some(object)),
        Err(error) if error.is_missing() => {}
        Err(error) => return Err(error.into()),
    }
    if id.is_empty() || !id.bytes().all(|it| it.is_ascii_digit()) {
        return Ok(None);
    }
    let filter = format!("-{id}");
    let pairs = [("filter", Some(&*filter))];
    for one in whole_listing(api, "/connections", &pairs).await? {
        let it: Connection = read(&one)?;
        if short_id(&it.id) == id {
            let whole = api.get(&format!("/connections/{}", segment(&it.id))).await;
            return match whole {
                Err(error) if error.is_missing() => Ok(None),
                whole => Ok(Some(whole?)),
            };
        }
    }
    Ok(None)
}

/// All items of a listing.
pub(crate) async fn whole_listing(
    api: &mut Api,
    path: &str,
    pairs: &[(&str, Option<&str>)],
) -> Result<Vec<Value>, Failure> {
    match listing(api, path, pairs, MOST).await? {
        (items, false) => Ok(items),
        (_, true) => {
            let text = format!("there are more than {MOST}: --limit, or a pattern, makes it fewer");
            Err(text.into())
        }
    }
}

/// Items of a listing, page by page, no more than `most`; and whether there are more.
pub(crate) async fn listing(
    api: &mut Api,
    path: &str,
    pairs: &[(&str, Option<&str>)],
    most: usize,
) -> Result<(Vec<Value>, bool), Failure> {
    let mut items = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let limit = (most - items.len()).min(PAGE).to_string();
        let mut all = pairs.to_vec();
        all.push(("limit", Some(&limit)));
        all.push(("after", after.as_deref()));
        let page: Page = read(&api.get(&query(path, &all)).await?)?;
        let next = match page.next {
            Value::Null => None,
            Value::String(next) => Some(next),
            other => Some(other.to_string()),
        };
        // A page that has nothing, or leads to itself, would be asked for without end.
        let is_last = page.items.is_empty() || next.is_none() || next == after;
        items.extend(page.items);
        if is_last || items.len() >= most {
            let is_more = !is_last || items.len() > most;
            items.truncate(most);
            return Ok((items, is_more));
        }
        after = next;
    }
}
