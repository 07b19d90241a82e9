//! `stompbox config`.

use std::io::Write as _;

use clap::ArgMatches;

use crate::{
    Failure,
    args::ConfigCommand,
    settings::{Settings, limits::LIMITS},
};

/// Checks or prints the configuration.
pub(crate) fn run(command: &ConfigCommand, matches: &ArgMatches) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    match command {
        ConfigCommand::Init { file } => {
            let new = std::fs::File::create_new(file);
            let wrong = |error| format!("can't make {}: {error}", file.display());
            new.map_err(wrong)?
                .write_all(template().as_bytes())
                .map_err(wrong)?;
            writeln!(out, "wrote {}", file.display())?;
        }
        ConfigCommand::Check(options) => {
            let config = Settings::resolve(options, matches)?.config;
            config.validate()?;
            writeln!(
                out,
                "ok: {} listeners, {} users, {} rules",
                config.listen.len(),
                config.users.len(),
                config.acl.rules().len()
            )?;
        }
        ConfigCommand::Show(options) => {
            write!(out, "{}", Settings::resolve(options, matches)?)?;
        }
    }
    Ok(())
}

/// A file that says nothing, and shows all that can be said.
pub(crate) fn template() -> String {
    let mut text = String::from(TEMPLATE);
    let defaults = stompbox_server::Config::default();
    for limit in LIMITS {
        let value = limit.unit.format((limit.get)(&defaults));
        text.push_str(&format!("#{} = \"{value}\"\n", limit.name));
    }
    text
}

const TEMPLATE: &str = r#"# Configuration of stompbox: every key with its default, commented out. docs/configuration.md tells
# what they mean; `stompbox config check --config FILE` says whether the server could start.

#log = "warn"
# Without a directory everything is in memory.
#data = "stompbox-data"
# Default: half of the processors, at most 4.
#threads = 1
# auto, rabbitmq, activemq, artemis or apollo
#dialect = "auto"
# What a name without a prefix is: error, queue or topic.
#bare_destination = "error"
#heart_beat = "10000,10000"
# Beyond loopback there must be users, or this.
#allow_anonymous = false
# Of pages on other hosts, as "https://app.example.com".
#allowed_origins = []
# Compress WebSocket messages of a KiB or more for clients that want it.
#websocket_compression = false
# Below it there is SockJS, as "/sockjs"; without it nowhere.
#sockjs = "/sockjs"

#[[listen]]
#bind = "127.0.0.1:61613"
# "stomp", "http", or both on one port.
#protocols = ["stomp"]

#[[listen]]
#bind = "127.0.0.1:61614"
#protocols = ["http"]
#tls = { cert = "tls.crt", key = "tls.key" }
# Load balancers that say by the PROXY protocol whose connection they pass on; nobody else may connect.
#proxy_protocol = ["10.0.0.0/8"]

# Programs on this machine.
#[[listen]]
#bind = "unix:/run/stompbox.sock"
#mode = "0660"
#protocols = ["stomp"]

# `stompbox passwd LOGIN --file stompbox.toml` adds one.
#[[user]]
#login = "ann"
#hash = "$argon2id$..."
#groups = ["traders"]
# And role = "viewer", "operator" or "admin", for the admin listener.

#[[acl]]
#who = "group:traders"
#allow = ["read /topic/price.**", "write /queue/orders"]
#deny = []

#[admin]
# An address, or "off".
#listen = "127.0.0.1:61680"
# With the certificate of the first listener that has one.
#tls = false
# Names of the host, beside localhost and IP addresses.
#hosts = []
#metrics_login = false
#metrics_destinations = 100
#max_connections = 64
#proxy_protocol = ["10.0.0.0/8"]

# Brokers behind this front, instead of the embedded one: docs/gateway.md.
#[gateway]
#upstream = ["stomp://localhost:61613"]
# generic, rabbitmq, activemq, artemis or hornetq
#kind = "generic"
# auto, passthrough or pooled
#mode = "auto"
#login = "web"
#passcode_file = "web.passcode"
#host = "/"
#ca = "brokers.pem"
#connections = 4
#max_own_connections = 10000
#prefetch = 100
# hold or close
#on_loss = "hold"
#hold_timeout = "30s"
#max_held = "8MiB"
#max_waiting = "8MiB"
#max_message = "64MiB"
#connect_timeout = "10s"
#heart_beat = "10000,10000"
#text_for = ["text/*", "application/json"]

[limits]
"#;
