//! Runs a probe and reads what it found.

use std::process::{Command, Stdio};

use serde::Deserialize;

use super::{
    broker::{Broker, Capability},
    folder, gateway,
    results::{Cell, Cells, Column, Found},
    running::Running,
};
use crate::tools::{Failure, target};

/// A line of a probe.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Server {
        server: String,
    },
    Works {
        capability: String,
        ok: bool,
        seen: Option<String>,
    },
}

/// Runs the probe of a column against a broker.
pub(crate) fn run(
    broker: &Broker,
    running: &Running,
    column: Column,
    capabilities: &[Capability],
) -> Result<Found, Failure> {
    let gateway = gateway::start(broker, running, column)?;
    let url = match (&gateway, column) {
        (Some(gateway), _) => &gateway.url,
        (None, Column::RustTcp | Column::JsTcp) => &running.tcp,
        (None, _) => &running.ws,
    };
    let mut probe = match column {
        Column::RustTcp | Column::RustWs => Command::new(target().join("debug/stompbox-interop")),
        _ => {
            let mut node = Command::new("node");
            node.arg(folder().join("js/probe.mjs"));
            node
        }
    };
    probe.arg(url).args(["--kind", &broker.kind]);
    probe.arg("--brokers").arg(folder().join("brokers"));
    if gateway.is_some() {
        probe.args(["--gateway", &running.tcp]);
    }
    for (name, value) in [
        ("--login", &running.login),
        ("--passcode", &running.passcode),
        ("--host", &running.host),
    ] {
        if let Some(value) = value {
            probe.args([name, value]);
        }
    }
    let output = probe.stdin(Stdio::null()).stderr(Stdio::piped()).output()?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!("the probe of {url} failed: {}", errors.trim()).into());
    }
    read(&String::from_utf8_lossy(&output.stdout), capabilities)
}

/// Takes a probe's lines, which have to tell of each capability.
fn read(text: &str, capabilities: &[Capability]) -> Result<Found, Failure> {
    let (mut server, mut cells) = (String::new(), Cells::new());
    for line in text.lines() {
        let read = serde_json::from_str(line);
        match read.map_err(|error| format!("the probe said {line:?}: {error}"))? {
            Line::Server { server: name } => server = name,
            Line::Works {
                capability,
                ok: true,
                ..
            } => {
                cells.insert(capability, Cell::Works);
            }
            Line::Works {
                capability, seen, ..
            } => {
                cells.insert(capability, Cell::Fails(seen.unwrap_or_default()));
            }
        }
    }
    for Capability { name, .. } in capabilities {
        if !cells.contains_key(name) {
            return Err(format!("the probe said nothing of {name}").into());
        }
    }
    match cells
        .keys()
        .find(|name| capabilities.iter().all(|it| it.name != **name))
    {
        Some(name) => {
            Err(format!("the probe told of {name}, which capabilities.json lacks").into())
        }
        None => Ok(Found { server, cells }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_has_to_tell_of_everything() {
        let capability = |name: &str| Capability {
            name: name.into(),
            title: String::new(),
            what: String::new(),
        };
        let known = [capability("queue"), capability("topic")];
        let all = "{\"server\":\"S/1\"}\n{\"capability\":\"queue\",\"ok\":true}\n\
                   {\"capability\":\"topic\",\"ok\":false,\"seen\":\"nothing\"}\n";
        let found = read(all, &known).unwrap();
        assert_eq!(found.server, "S/1");
        assert_eq!(found.cells["queue"], Cell::Works);
        assert_eq!(found.cells["topic"], Cell::Fails("nothing".into()));
        assert!(read(all, &known[..1]).is_err());
        let missing = [capability("queue"), capability("topic"), capability("nack")];
        assert!(read(all, &missing).is_err());
        assert!(read("it broke", &known).is_err());
    }
}
