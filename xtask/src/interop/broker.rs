//! The files in `tests/interop`: brokers, how they spell things, and what can't work with them.

use std::{fs, path::Path};

use serde::{Deserialize, de::DeserializeOwned};

use super::{folder, results::Column};
use crate::tools::Failure;

/// Something that may work or not.
#[derive(Debug, Deserialize)]
pub(crate) struct Capability {
    /// As the probes call it.
    pub(crate) name: String,
    /// As the page does.
    pub(crate) title: String,
    /// What has to be seen.
    pub(crate) what: String,
}

impl Capability {
    /// All, in the order of the page.
    pub(crate) fn all() -> Result<Vec<Self>, Failure> {
        read(&folder().join("capabilities.json"))
    }
}

/// A broker. What only the probes need is left out here.
#[derive(Debug, Deserialize)]
pub(crate) struct Broker {
    /// The name of its file.
    #[serde(skip)]
    pub(crate) kind: String,
    /// As the page calls it.
    pub(crate) title: String,
    /// The `host` header that it wants.
    pub(crate) host: Option<String>,
    /// What the gateway is told that it is.
    pub(crate) gateway_kind: String,
    /// What a client has to know of it, for the page.
    #[serde(default)]
    pub(crate) needs: Vec<String>,
    /// What can't work with it.
    #[serde(default)]
    pub(crate) cannot: Vec<Cannot>,
}

/// Something that can't work, or not always.
#[derive(Debug, Deserialize)]
pub(crate) struct Cannot {
    /// Names of capabilities; `*` is all.
    pub(crate) capabilities: Vec<String>,
    /// Where; without it everywhere.
    pub(crate) columns: Option<Vec<Column>>,
    /// Whether it may work all the same.
    #[serde(default)]
    pub(crate) sometimes: bool,
    /// Parts, of which what a probe says of it has to have one; in any case of letters.
    pub(crate) seen: Vec<String>,
    /// Why it can't, for the page.
    pub(crate) why: String,
}

impl Cannot {
    /// Whether this is what was seen.
    pub(crate) fn explains(&self, seen: &str) -> bool {
        let seen = seen.to_lowercase();
        self.seen.iter().any(|it| seen.contains(&it.to_lowercase()))
    }

    /// Whether this is about a cell.
    pub(crate) fn is_of(&self, column: Column, capability: &str) -> bool {
        let is_here = |columns: &Vec<Column>| columns.contains(&column);
        self.columns.as_ref().is_none_or(is_here)
            && self
                .capabilities
                .iter()
                .any(|it| it == "*" || it == capability)
    }
}

/// The rows of the page.
const KINDS: [&str; 7] = [
    "stompbox", "rabbitmq", "activemq", "artemis", "hornetq", "apollo", "stilts",
];

impl Broker {
    /// All, in the order of the page.
    pub(crate) fn all() -> Result<Vec<Self>, Failure> {
        KINDS
            .into_iter()
            .map(|kind| {
                let path = folder().join(format!("brokers/{kind}.json"));
                let broker: Self = read(&path)?;
                Ok(Self {
                    kind: kind.to_owned(),
                    ..broker
                })
            })
            .collect()
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let name = path.display();
    let text = fs::read_to_string(path).map_err(|error| format!("can't read {name}: {error}"))?;
    Ok(serde_json::from_str(&text).map_err(|error| format!("{name}: {error}"))?)
}
