//! Our gateway before a broker.

use std::fs;

use super::{broker::Broker, process::Server, results::Column, running::Running};
use crate::tools::{Failure, target};

/// A gateway, and where clients connect to it.
pub(crate) struct Gateway {
    _server: Server,
    pub(crate) url: String,
}

/// Starts the gateway of a column; none where the column has none.
pub(crate) fn start(
    broker: &Broker,
    running: &Running,
    column: Column,
) -> Result<Option<Gateway>, Failure> {
    let mode = match column {
        Column::Passthrough => "passthrough",
        Column::Pooled => "pooled",
        _ => return Ok(None),
    };
    let mut options: Vec<String> = Vec::new();
    let mut option = |name: &str, value: &str| options.extend([name.to_owned(), value.to_owned()]);
    option("--upstream", &running.tcp);
    option("--upstream-kind", &broker.gateway_kind);
    option("--mode", mode);
    if let Some(host) = running.host.as_ref().or(broker.host.as_ref()) {
        option("--upstream-host", host);
    }
    if let (Some(login), Some(passcode)) = (&running.login, &running.passcode) {
        let file = target().join("interop/passcode");
        fs::create_dir_all(target().join("interop"))?;
        fs::write(&file, format!("{passcode}\n"))?;
        option("--upstream-login", login);
        option("--upstream-passcode-file", &file.to_string_lossy());
    }
    let server = Server::start("gateway", &options)?;
    Ok(Some(Gateway {
        url: server.ws.clone(),
        _server: server,
    }))
}
