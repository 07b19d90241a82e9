//! `stompbox version`.

use std::io::Write as _;

use serde_json::json;

use crate::{args::VersionArgs, exit::Failure};

/// What there is to connect by.
const TRANSPORTS: [&str; 5] = ["stomp", "stomp+tls", "ws", "wss", "unix"];
const PROXIES: [&str; 3] = ["http", "https", "socks5"];
const VERSIONS: [&str; 3] = ["1.2", "1.1", "1.0"];

/// Prints what this program is.
pub(crate) fn run(args: &VersionArgs) -> Result<(), Failure> {
    let version = env!("CARGO_PKG_VERSION");
    let target = env!("STOMPBOX_TARGET");
    let mut out = std::io::stdout();
    if args.json {
        let object = json!({
            "version": version, "stomp": VERSIONS, "transports": TRANSPORTS, "proxies": PROXIES,
            "target": target,
        });
        writeln!(out, "{object}")?;
        return Ok(());
    }
    writeln!(out, "stompbox {version}")?;
    if args.verbose {
        writeln!(out, "STOMP       {}", VERSIONS.join(", "))?;
        writeln!(out, "transports  {}", TRANSPORTS.join(", "))?;
        writeln!(out, "proxies     {}", PROXIES.join(", "))?;
        writeln!(out, "target      {target}")?;
    }
    Ok(())
}
