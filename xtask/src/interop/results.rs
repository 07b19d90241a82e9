//! What was found: `docs/interop.json`. There are no times in it, so that it changes only with what
//! works.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::tools::{Failure, root};

/// A client, and the way from it to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Column {
    RustTcp,
    RustWs,
    JsTcp,
    JsWs,
    Passthrough,
    Pooled,
}

impl Column {
    pub(crate) const ALL: [Self; 6] = [
        Self::RustTcp,
        Self::RustWs,
        Self::JsTcp,
        Self::JsWs,
        Self::Passthrough,
        Self::Pooled,
    ];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::RustTcp => "Rust, TCP",
            Self::RustWs => "Rust, WebSocket",
            Self::JsTcp => "JavaScript, TCP",
            Self::JsWs => "JavaScript, WebSocket",
            Self::Passthrough => "JavaScript, gateway, passthrough",
            Self::Pooled => "JavaScript, gateway, pooled",
        }
    }

    pub(crate) fn is_gateway(self) -> bool {
        matches!(self, Self::Passthrough | Self::Pooled)
    }
}

/// What became of a capability.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Cell {
    /// It works.
    Works,
    /// It does not: what was seen.
    Fails(String),
    /// It does at times: what is seen at others.
    Sometimes(String),
}

/// A broker's cells in a column, by the capabilities' names.
pub(crate) type Cells = BTreeMap<String, Cell>;

/// What one run of a probe found.
pub(crate) struct Found {
    /// What the broker calls itself; empty if it doesn't.
    pub(crate) server: String,
    pub(crate) cells: Cells,
}

/// What was found with a broker.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// What the broker calls itself.
    pub(crate) server: String,
    pub(crate) columns: BTreeMap<Column, Cells>,
}

/// All that was found, by the brokers' kinds.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Results(pub(crate) BTreeMap<String, Row>);

impl Results {
    /// What was found before; nothing if there is no file.
    pub(crate) fn read() -> Result<Self, Failure> {
        let path = file();
        if !path.is_file() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(&path)?;
        Ok(serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?)
    }

    pub(crate) fn write(&self) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self)?;
        Ok(fs::write(file(), text + "\n")?)
    }

    /// Notes what was found in a column, instead of what was found there before.
    pub(crate) fn set(&mut self, kind: &str, column: Column, found: Found) {
        let row = self.0.entry(kind.to_owned()).or_default();
        // The gateway may say what it is, and not what is behind it.
        if !column.is_gateway() {
            row.server = found.server;
        }
        row.columns.insert(column, found.cells);
    }
}

fn file() -> PathBuf {
    root().join("docs/interop.json")
}
