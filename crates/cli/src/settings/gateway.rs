//! What a gateway is told: the table `[gateway]` of the file, and options.

use std::{
    fmt::{self, Write as _},
    fs,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use clap::Args as ClapArgs;
use serde::Deserialize;
use stompbox_server::{GatewayConfig, HeartBeat, Upstream};
use toml_edit::{Array, Value};

use super::{Given, Origin, units::Unit};
use crate::args::Secret;

/// Brokers behind this one's front.
#[derive(Debug, Default, ClapArgs)]
#[command(next_help_heading = "Gateway to other brokers")]
pub(crate) struct GatewayOptions {
    /// Broker to stand in front of, instead of being one: stomp://host:port or
    /// stomp+tls://host:port. May be repeated: one that is not there is passed over.
    #[arg(
        long,
        value_name = "URL",
        env = "STOMPBOX_UPSTREAM",
        value_delimiter = ','
    )]
    pub(crate) upstream: Vec<String>,
    /// What the brokers are: generic, rabbitmq, activemq, artemis or hornetq. [default: generic]
    #[arg(long, value_name = "KIND", env = "STOMPBOX_UPSTREAM_KIND")]
    pub(crate) upstream_kind: Option<String>,
    /// How clients share connections to them: auto, passthrough or pooled. [default: auto]
    #[arg(long, value_name = "MODE", env = "STOMPBOX_MODE")]
    pub(crate) mode: Option<String>,
    /// Login of the connections that clients share.
    #[arg(long, value_name = "LOGIN", env = "STOMPBOX_UPSTREAM_LOGIN")]
    pub(crate) upstream_login: Option<String>,
    /// File with its passcode, which ends at the first line's end.
    #[arg(long, value_name = "FILE", env = "STOMPBOX_UPSTREAM_PASSCODE_FILE")]
    pub(crate) upstream_passcode_file: Option<PathBuf>,
    /// The passcode itself. Others on this machine can read options: use the variable or a file.
    #[arg(
        long,
        value_name = "PASSCODE",
        env = "STOMPBOX_UPSTREAM_PASSCODE",
        hide_env_values = true
    )]
    pub(crate) upstream_passcode: Option<Secret>,
    /// The `host` header towards the brokers: RabbitMQ's virtual host. With * each client that is
    /// passed through names its own.
    #[arg(long, value_name = "HOST", env = "STOMPBOX_UPSTREAM_HOST")]
    pub(crate) upstream_host: Option<String>,
    /// Certificates, in PEM, that the brokers' are checked against. [default: the system's]
    #[arg(long, value_name = "FILE", env = "STOMPBOX_UPSTREAM_CA")]
    pub(crate) upstream_ca: Option<PathBuf>,
    /// Connections that pooled clients share. [default: 4]
    #[arg(long, value_name = "NUMBER", env = "STOMPBOX_UPSTREAM_CONNECTIONS")]
    pub(crate) upstream_connections: Option<usize>,
    /// What becomes of clients while no broker is there: hold or close. [default: hold]
    #[arg(long, value_name = "POLICY", env = "STOMPBOX_ON_LOSS")]
    pub(crate) on_loss: Option<String>,
}

/// The table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GatewayTable {
    upstream: Vec<String>,
    kind: Option<String>,
    mode: Option<String>,
    connections: Option<usize>,
    max_own_connections: Option<usize>,
    login: Option<String>,
    passcode_file: Option<PathBuf>,
    host: Option<String>,
    ca: Option<PathBuf>,
    heart_beat: Option<String>,
    connect_timeout: Option<String>,
    prefetch: Option<u32>,
    on_loss: Option<String>,
    max_held: Option<String>,
    hold_timeout: Option<String>,
    max_waiting: Option<String>,
    max_message: Option<String>,
    text_for: Option<Vec<String>>,
}

impl GatewayTable {
    /// Paths count from the file's folder. An error names the key.
    pub(super) fn into_config(self, folder: &Path) -> Result<GatewayConfig, String> {
        let upstreams = self.upstream.iter().map(|url| named("upstream", url));
        let mut config = GatewayConfig::new(upstreams.collect::<Result<Vec<Upstream>, _>>()?);
        set(&mut config.kind, "kind", self.kind.as_deref())?;
        set(&mut config.mode, "mode", self.mode.as_deref())?;
        set(&mut config.on_loss, "on_loss", self.on_loss.as_deref())?;
        if let Some(connections) = self.connections {
            config.connections = connections;
        }
        if let Some(most) = self.max_own_connections {
            config.max_own_connections = most;
        }
        if let Some(prefetch) = self.prefetch {
            if prefetch == 0 {
                return Err("prefetch is 0: with it nothing could be delivered".into());
            }
            config.prefetch = prefetch;
        }
        config.login = self.login;
        if let Some(path) = &self.passcode_file {
            config.passcode = Some(passcode(&folder.join(path))?);
        }
        config.host = self.host;
        config.ca = self.ca.map(|path| folder.join(path));
        if let Some(text) = &self.heart_beat {
            config.heart_beat =
                HeartBeat::parse(text).map_err(|error| format!("heart_beat: {error}"))?;
        }
        for (name, text, value) in [
            (
                "connect_timeout",
                &self.connect_timeout,
                &mut config.connect_timeout,
            ),
            ("hold_timeout", &self.hold_timeout, &mut config.hold_timeout),
        ] {
            if let Some(text) = text {
                let milliseconds = Unit::Time.parse(text);
                *value = Duration::from_millis(
                    milliseconds.map_err(|error| format!("{name}: {error}"))?,
                );
            }
        }
        for (name, text, value) in [
            ("max_held", &self.max_held, &mut config.max_held),
            ("max_waiting", &self.max_waiting, &mut config.max_waiting),
            ("max_message", &self.max_message, &mut config.max_message),
        ] {
            if let Some(text) = text {
                let bytes = Unit::Bytes.parse(text);
                let bytes = bytes.map_err(|error| format!("{name}: {error}"))?;
                *value = usize::try_from(bytes).unwrap_or(usize::MAX);
            }
        }
        if let Some(text_for) = self.text_for {
            config.text_for = text_for;
        }
        check(&config)?;
        Ok(config)
    }
}

impl GatewayOptions {
    /// Lays the options over what the file says. Gives what they said, with where from.
    pub(super) fn lay_over(
        &self,
        gateway: &mut Option<GatewayConfig>,
        given: &Given<'_>,
    ) -> Result<Option<Origin>, String> {
        let mut last = None;
        if let Some(origin) = given.origin("upstream") {
            let upstreams = self
                .upstream
                .iter()
                .map(|url| named(&origin.to_string(), url));
            let upstreams = upstreams.collect::<Result<Vec<Upstream>, _>>()?;
            gateway
                .get_or_insert_with(|| GatewayConfig::new([]))
                .upstreams = upstreams;
            last = Some(origin);
        }
        let others = [
            "upstream_kind",
            "mode",
            "upstream_login",
            "upstream_passcode_file",
            "upstream_host",
            "upstream_ca",
            "upstream_connections",
            "on_loss",
        ];
        let Some(config) = gateway else {
            let typed = others
                .iter()
                .filter_map(|name| given.origin(name))
                .find(|origin| matches!(origin, Origin::Option(_)));
            return match typed {
                Some(origin) => Err(format!("{origin} is for a gateway, which needs --upstream")),
                None => Ok(None),
            };
        };
        for name in others {
            let Some(origin) = given.origin(name) else {
                continue;
            };
            let option = origin.to_string();
            match name {
                "upstream_kind" => set(&mut config.kind, &option, self.upstream_kind.as_deref())?,
                "mode" => set(&mut config.mode, &option, self.mode.as_deref())?,
                "on_loss" => set(&mut config.on_loss, &option, self.on_loss.as_deref())?,
                "upstream_login" => config.login.clone_from(&self.upstream_login),
                "upstream_host" => config.host.clone_from(&self.upstream_host),
                "upstream_ca" => config.ca.clone_from(&self.upstream_ca),
                "upstream_passcode_file" => {
                    let path = self.upstream_passcode_file.as_deref();
                    config.passcode = path.map(passcode).transpose()?;
                }
                _ => {
                    if let Some(connections) = self.upstream_connections {
                        config.connections = connections;
                    }
                }
            }
            last = Some(origin);
        }
        if let Some(secret) = &self.upstream_passcode {
            config.passcode = Some(secret.0.clone());
        }
        check(config)?;
        Ok(last)
    }
}

fn check(config: &GatewayConfig) -> Result<(), String> {
    if !(1..=MAX_CONNECTIONS).contains(&config.connections) {
        let connections = config.connections;
        return Err(format!(
            "connections of the gateway: {connections}, not 1 to {MAX_CONNECTIONS}"
        ));
    }
    Ok(())
}

const MAX_CONNECTIONS: usize = 256;

fn named<T: FromStr<Err: fmt::Display>>(name: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|error| format!("{name}: {error}"))
}

fn set<T: FromStr<Err: fmt::Display>>(
    value: &mut T,
    name: &str,
    text: Option<&str>,
) -> Result<(), String> {
    if let Some(text) = text {
        *value = named(name, text)?;
    }
    Ok(())
}

/// A file's first line.
fn passcode(path: &Path) -> Result<String, String> {
    let text = fs::read_to_string(path)
        .map_err(|error| format!("can't read the passcode in {}: {error}", path.display()))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// The table that says the same, the passcode left out.
pub(super) fn table(config: &GatewayConfig, origin: &Origin) -> Result<String, fmt::Error> {
    let mut out = String::new();
    let time =
        |time: Duration| Unit::Time.format(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    let list = |items: &mut dyn Iterator<Item = String>| Value::from(items.collect::<Array>());
    writeln!(out, "\n[gateway] # {origin}")?;
    let upstreams = &mut config.upstreams.iter().map(ToString::to_string);
    writeln!(out, "upstream = {}", list(upstreams))?;
    let beat = config.heart_beat;
    for (key, value) in [
        ("kind", config.kind.to_string()),
        ("mode", config.mode.to_string()),
        ("on_loss", config.on_loss.to_string()),
        ("heart_beat", format!("{},{}", beat.send, beat.receive)),
        ("connect_timeout", time(config.connect_timeout)),
        ("hold_timeout", time(config.hold_timeout)),
        ("max_held", Unit::Bytes.format(config.max_held as u64)),
        ("max_waiting", Unit::Bytes.format(config.max_waiting as u64)),
        ("max_message", Unit::Bytes.format(config.max_message as u64)),
    ] {
        writeln!(out, "{key} = {}", Value::from(value))?;
    }
    writeln!(out, "connections = {}", config.connections)?;
    writeln!(out, "max_own_connections = {}", config.max_own_connections)?;
    writeln!(out, "prefetch = {}", config.prefetch)?;
    let texts = &mut config.text_for.iter().cloned();
    writeln!(out, "text_for = {}", list(texts))?;
    for (key, value) in [("login", &config.login), ("host", &config.host)] {
        if let Some(value) = value {
            writeln!(out, "{key} = {}", Value::from(value))?;
        }
    }
    if let Some(ca) = &config.ca {
        writeln!(out, "ca = {}", Value::from(ca.display().to_string()))?;
    }
    if config.passcode.is_some() {
        writeln!(out, "# the passcode is not shown")?;
    }
    Ok(out)
}
