//! Looking at a broker again and again.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::super::{
    api::{Api, query, segment},
    model::{Amount, Connection, Destination, Gateway, Overview, listing, read},
    show::{print_connection, print_destination},
};
use crate::exit::Failure;

/// No more destinations are looked at: those that come first by what they are sorted by.
const DESTINATIONS: usize = 1000;
/// No more connections are looked at: the API has no order for them but their age.
const CONNECTIONS: usize = 5000;

/// What to look at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) interval: Duration,
    pub(crate) is_paused: bool,
    /// As the API's `sort`.
    pub(crate) sort: &'static str,
    pub(crate) destinations: String,
    pub(crate) connections: String,
    pub(crate) detail: Option<Thing>,
}

/// What can be looked at in detail.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Thing {
    Destination(String),
    Connection(String),
}

/// What there was at a moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shot {
    pub(crate) overview: Overview,
    /// None of a broker.
    pub(crate) gateway: Option<Gateway>,
    /// None at the first look.
    pub(crate) rates: Option<Total>,
    pub(crate) destinations: Vec<Destination>,
    pub(crate) connections: Vec<Peer>,
    /// There are more than were looked at.
    pub(crate) is_cut: [bool; 2],
    /// What the thing that was wanted in detail is, line by line, and its name.
    pub(crate) detail: Option<(Thing, Vec<String>)>,
    /// All of it, as the API tells it.
    pub(crate) raw: Value,
}

/// Of all connections, a second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Total {
    pub(crate) received: f64,
    pub(crate) sent: f64,
    pub(crate) acknowledged: f64,
    pub(crate) bytes_received: f64,
    pub(crate) bytes_sent: f64,
}

/// A connection with its rates.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peer {
    pub(crate) it: Connection,
    pub(crate) rates: Option<PeerRates>,
}

/// A second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct PeerRates {
    pub(crate) received: f64,
    pub(crate) sent: f64,
    pub(crate) bytes_received: f64,
    pub(crate) bytes_sent: f64,
}

/// What rates are counted from.
struct Base {
    at: Instant,
    overview: Overview,
    peers: HashMap<String, (Amount, Amount)>,
}

/// Looks, and remembers what there was.
pub(crate) struct Watch {
    api: Api,
    base: Option<Base>,
    rates: Option<Total>,
    peers: HashMap<String, PeerRates>,
}

impl Watch {
    pub(crate) fn new(api: Api) -> Self {
        Self {
            api,
            base: None,
            rates: None,
            peers: HashMap::new(),
        }
    }

    pub(crate) fn url(&self) -> &str {
        self.api.url()
    }

    /// Looks once.
    pub(crate) async fn look(&mut self, wanted: &Wanted) -> Result<Shot, Failure> {
        let overview = self.api.get("/overview").await?;
        let now = Instant::now();
        let gateway = match self.api.get("/gateway").await {
            // A broker that was not yet to be a gateway.
            Err(error) if error.is_missing() => Value::Null,
            gateway => gateway?,
        };
        // With a slash it would be a pattern, and fit nothing until it is typed to its end.
        let pattern = &wanted.destinations;
        let pattern = (!pattern.is_empty() && !pattern.contains('/')).then_some(&**pattern);
        let pairs = [("pattern", pattern), ("sort", Some(wanted.sort))];
        let (destinations, more) =
            listing(&mut self.api, "/destinations", &pairs, DESTINATIONS).await?;
        let filter = Some(&*wanted.connections).filter(|it| !it.is_empty());
        let pairs = [("filter", filter)];
        let (mut connections, more_connections) =
            listing(&mut self.api, "/connections", &pairs, CONNECTIONS).await?;
        let mut shot = Shot {
            overview: read(&overview)?,
            gateway: read(&gateway)?,
            is_cut: [more, more_connections],
            ..Shot::default()
        };
        for it in &destinations {
            shot.destinations.push(read(it)?);
        }
        for it in &connections {
            let it = read(it)?;
            shot.connections.push(Peer { it, rates: None });
        }
        self.rate(&mut shot, now, wanted.interval / 2);
        if let Some(thing) = &wanted.detail {
            shot.detail = Some((thing.clone(), self.detail(thing).await?));
        }
        for (peer, object) in shot.connections.iter().zip(&mut connections) {
            if let (Some(rates), Some(object)) = (peer.rates, object.as_object_mut()) {
                let rates = json!({
                    "in": { "messages": round(rates.received), "bytes": round(rates.bytes_received) },
                    "out": { "messages": round(rates.sent), "bytes": round(rates.bytes_sent) },
                });
                object.insert("rates".into(), rates);
            }
        }
        let rates = shot.rates.map(|rates| {
            json!({
                "messages": {
                    "in": round(rates.received),
                    "out": round(rates.sent),
                    "acknowledged": round(rates.acknowledged),
                },
                "bytes": { "in": round(rates.bytes_received), "out": round(rates.bytes_sent) },
            })
        });
        shot.raw = json!({
            "overview": overview,
            "gateway": gateway,
            "rates": rates,
            "destinations": destinations,
            "connections": connections,
        });
        Ok(shot)
    }

    /// Fills in what is counted between two looks. One that follows too fast keeps the rates of the
    /// one before: those of so short a time would jump.
    fn rate(&mut self, shot: &mut Shot, now: Instant, shortest: Duration) {
        let elapsed = self.base.as_ref().map(|base| now - base.at);
        if elapsed.is_none_or(|elapsed| elapsed >= shortest) {
            if let (Some(base), Some(elapsed)) = (&self.base, elapsed) {
                let seconds = elapsed.as_secs_f64().max(1e-3);
                // A broker that started anew counts from 0 again.
                let per = |now: u64, then: u64| now.saturating_sub(then) as f64 / seconds;
                let (new, old) = (&shot.overview, &base.overview);
                self.rates = Some(Total {
                    received: per(new.messages.received, old.messages.received),
                    sent: per(new.messages.sent, old.messages.sent),
                    acknowledged: per(new.messages.acknowledged, old.messages.acknowledged),
                    bytes_received: per(new.bytes.received, old.bytes.received),
                    bytes_sent: per(new.bytes.sent, old.bytes.sent),
                });
                let rates = shot.connections.iter().filter_map(|Peer { it, .. }| {
                    let (received, sent) = base.peers.get(&it.id)?;
                    let rates = PeerRates {
                        received: per(it.received.messages, received.messages),
                        sent: per(it.sent.messages, sent.messages),
                        bytes_received: per(it.received.bytes, received.bytes),
                        bytes_sent: per(it.sent.bytes, sent.bytes),
                    };
                    Some((it.id.clone(), rates))
                });
                self.peers = rates.collect();
            }
            let peers = shot.connections.iter();
            self.base = Some(Base {
                at: now,
                overview: shot.overview.clone(),
                peers: peers
                    .map(|Peer { it, .. }| (it.id.clone(), (it.received, it.sent)))
                    .collect(),
            });
        }
        shot.rates = self.rates;
        for peer in &mut shot.connections {
            peer.rates = self.peers.get(&peer.it.id).copied();
        }
    }

    async fn detail(&mut self, thing: &Thing) -> Result<Vec<String>, Failure> {
        let path = match thing {
            Thing::Destination(name) => query("/destination", &[("name", Some(name))]),
            Thing::Connection(id) => format!("/connections/{}", segment(id)),
        };
        let object = match self.api.get(&path).await {
            Ok(object) => object,
            Err(error) if error.is_missing() => return Ok(vec!["It is gone.".into()]),
            Err(error) => return Err(error.into()),
        };
        let mut text = Vec::new();
        match thing {
            Thing::Destination(_) => print_destination(&mut text, &read(&object)?)?,
            Thing::Connection(_) => print_connection(&mut text, &read(&object)?)?,
        }
        let text = String::from_utf8_lossy(&text);
        Ok(text.lines().map(str::to_owned).collect())
    }
}

/// Digits that mean something.
fn round(rate: f64) -> f64 {
    (rate * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{args::Admin, commands::admin::model::Flow};

    fn watch() -> Watch {
        let admin = Admin {
            admin: Some("http://127.0.0.1:1".into()),
            context: None,
            user: None,
            passcode: None,
            passcode_file: None,
            token_file: None,
            ca: None,
            cert: None,
            key: None,
            insecure: false,
            tls_name: None,
            timeout: Duration::from_secs(1),
        };
        Watch::new(Api::of(&admin).unwrap())
    }

    fn shot(messages: u64, bytes: u64, id: &str) -> Shot {
        let mut shot = Shot::default();
        shot.overview.messages.received = messages;
        shot.overview.bytes = Flow {
            received: bytes,
            sent: 0,
        };
        let mut it = Connection {
            id: id.into(),
            ..Connection::default()
        };
        it.sent.messages = messages;
        shot.connections.push(Peer { it, rates: None });
        shot
    }

    #[test]
    fn rates_are_counted_between_looks() {
        let mut watch = watch();
        let half = Duration::from_millis(500);
        let begun = Instant::now();
        let mut at = |milliseconds, mut shot: Shot| {
            watch.rate(&mut shot, begun + Duration::from_millis(milliseconds), half);
            shot
        };
        let first = at(0, shot(100, 1000, "1"));
        assert!(first.rates.is_none() && first.connections[0].rates.is_none());
        let second = at(2000, shot(140, 1000, "1"));
        let rates = second.rates.unwrap();
        assert_eq!((rates.received, rates.bytes_received), (20.0, 0.0));
        assert_eq!(second.connections[0].rates.unwrap().sent, 20.0);
        // Too soon for rates of its own.
        let third = at(2100, shot(1000, 1000, "1"));
        assert_eq!(third.rates.unwrap().received, 20.0);
        // The broker started anew, and has another connection.
        let fourth = at(3000, shot(5, 10, "2"));
        assert_eq!(fourth.rates.unwrap().received, 0.0);
        assert!(fourth.connections[0].rates.is_none());
    }
}
