//! How a broker spells things: the files `brokers/KIND.json`.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;

use crate::seen::{Outcome, Seen};

/// Headers; `{}` in a value stands for a name of the check's own.
type Headers = BTreeMap<String, String>;

/// How a broker spells things. What only the runner needs is left out here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Broker {
    /// The `host` header that it wants.
    pub(crate) host: Option<String>,
    /// Whether only one version may be offered.
    pub(crate) one_version: bool,
    /// The versions to offer where a check doesn't care.
    pub(crate) versions: Option<String>,
    /// The most bytes of a WebSocket's message, where that differs from the client's default. (The
    /// JavaScript client's is beside it, in characters.)
    pub(crate) split: Split,
    /// A queue's name, with `{}` for its own part.
    pub(crate) queue: String,
    /// A topic's name, likewise.
    pub(crate) topic: String,
    /// What makes a durable subscription.
    pub(crate) durable: Durable,
    /// Where a message ends up that was refused, if it does not come again.
    pub(crate) dead_letters: Option<String>,
    /// How to make a destination, if it has to be there before it is named.
    pub(crate) declare: Option<Declare>,
}

/// Where frames are cut.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Split {
    pub(crate) rust: Option<usize>,
}

/// The headers that make a durable subscription, and end it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Durable {
    pub(crate) connect: Headers,
    pub(crate) subscribe: Headers,
    pub(crate) unsubscribe: Headers,
}

/// The message that makes a destination; `{}` is its own part of the name.
#[derive(Debug, Deserialize)]
pub(crate) struct Declare {
    pub(crate) to: String,
    pub(crate) headers: Headers,
    pub(crate) queue: String,
    pub(crate) topic: String,
}

impl Broker {
    /// The file of a kind. Behind a gateway destinations are the gateway's.
    pub(crate) fn read(folder: &Path, kind: &str, gateway: bool) -> Outcome<Self> {
        let path = folder.join(format!("{kind}.json"));
        let text = fs::read_to_string(&path)
            .map_err(|error| Seen(format!("can't read {}: {error}", path.display())))?;
        let broker: Self = serde_json::from_str(&text)
            .map_err(|error| Seen(format!("{}: {error}", path.display())))?;
        Ok(if gateway {
            broker.behind_gateway()
        } else {
            broker
        })
    }

    fn behind_gateway(self) -> Self {
        Self {
            one_version: false,
            versions: None,
            split: Split::default(),
            queue: "/queue/{}".into(),
            topic: "/topic/{}".into(),
            ..self
        }
    }
}

/// Headers for a name.
pub(crate) fn named(headers: &Headers, name: &str) -> Vec<(String, String)> {
    let value = |value: &String| value.replace("{}", name);
    headers.iter().map(|(n, v)| (n.clone(), value(v))).collect()
}
