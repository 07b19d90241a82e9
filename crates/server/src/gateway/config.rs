//! What a gateway is told: where the brokers are, what they are, and how they are used.

use std::{fmt, str::FromStr, time::Duration};

use stompbox_proto::HeartBeat;
use thiserror::Error;

/// A broker behind the gateway: `stomp://host:port`, or with TLS `stomp+tls://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// TLS below STOMP.
    pub tls: bool,
}

/// A text that names no broker to go to.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{text:?} is no upstream: {problem}")]
pub struct InvalidUpstream {
    text: String,
    problem: &'static str,
}

impl FromStr for Upstream {
    type Err = InvalidUpstream;

    fn from_str(text: &str) -> Result<Self, InvalidUpstream> {
        let invalid = |problem| InvalidUpstream {
            // A login in it is nobody's to read.
            text: text.rsplit('@').next().unwrap_or_default().to_owned(),
            problem,
        };
        let (scheme, rest) = text.split_once("://").unwrap_or(("stomp", text));
        let tls = match scheme {
            "stomp" | "tcp" => false,
            "stomp+tls" | "stomp+ssl" | "tls" | "ssl" => true,
            _ => return Err(invalid("it begins with neither stomp:// nor stomp+tls://")),
        };
        if rest.contains('@') {
            return Err(invalid(
                "login and passcode are options of their own: --upstream-login, --upstream-passcode-file",
            ));
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let port_of = |text: &str| {
            let port = text.parse::<u16>().ok().filter(|port| *port != 0);
            port.ok_or_else(|| invalid("its port is no number from 1 to 65535"))
        };
        let default = if tls { 61612 } else { 61613 };
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => match rest.split_once(']') {
                Some((host, "")) => (host, default),
                Some((host, port)) => match port.strip_prefix(':') {
                    Some(port) => (host, port_of(port)?),
                    None => return Err(invalid("behind ] comes a port or nothing")),
                },
                None => return Err(invalid("its address has no ]")),
            },
            None => match rest.rsplit_once(':') {
                Some((host, port)) => (host, port_of(port)?),
                None => (rest, default),
            },
        };
        if host.is_empty() || host.contains(['/', ' ', '?']) {
            return Err(invalid("it has no host, or more than a host and a port"));
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            tls,
        })
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "stomp+tls" } else { "stomp" };
        let (open, close) = match self.host.contains(':') {
            true => ("[", "]"),
            false => ("", ""),
        };
        write!(f, "{scheme}://{open}{}{close}:{}", self.host, self.port)
    }
}

/// What the brokers are, which says how destinations and headers are translated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpstreamKind {
    /// Names and headers go as they come.
    #[default]
    Generic,
    /// RabbitMQ.
    Rabbitmq,
    /// ActiveMQ Classic.
    Activemq,
    /// Artemis, with or without prefixes.
    Artemis,
    /// HornetQ, whose destinations have to be there.
    Hornetq,
}

/// How clients share connections to the brokers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GatewayMode {
    /// Clients that bring a login of the brokers' own are passed through with it; the others, which
    /// come without any or as users of the gateway's, are pooled.
    #[default]
    Auto,
    /// A connection for each client, with its own login.
    Passthrough,
    /// All clients over a few connections, with the gateway's login.
    Pooled,
}

/// What becomes of clients while no broker is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLoss {
    /// They stay connected, and their subscriptions are made again when one is back. Those that wait
    /// for a receipt, or have a transaction open, get an `ERROR`.
    #[default]
    Hold,
    /// All get an `ERROR`.
    Close,
}

macro_rules! names {
    ($type:ty, $what:literal, $($name:literal => $value:path),+) => {
        impl FromStr for $type {
            type Err = UnknownName;

            fn from_str(text: &str) -> Result<Self, UnknownName> {
                match text {
                    $($name => Ok($value),)+
                    _ => Err(UnknownName {
                        text: text.chars().take(80).collect(),
                        what: $what,
                        names: concat!($($name, " "),+).trim_end(),
                    }),
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $($value => $name,)+
                })
            }
        }
    };
}

/// A name that stands for nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{text:?} is no {what}: there are {names}")]
pub struct UnknownName {
    text: String,
    what: &'static str,
    names: &'static str,
}

names!(UpstreamKind, "kind of upstream",
    "generic" => Self::Generic, "rabbitmq" => Self::Rabbitmq,
    "activemq" => Self::Activemq, "artemis" => Self::Artemis, "hornetq" => Self::Hornetq);
names!(GatewayMode, "mode",
    "auto" => Self::Auto, "passthrough" => Self::Passthrough, "pooled" => Self::Pooled);
names!(OnLoss, "policy", "hold" => Self::Hold, "close" => Self::Close);

/// A gateway in front of other brokers, instead of the embedded one.
#[derive(Clone)]
pub struct GatewayConfig {
    /// The brokers: one that is not there is passed over.
    pub upstreams: Vec<Upstream>,
    /// What they are. Default: generic.
    pub kind: UpstreamKind,
    /// How connections are shared. Default: auto.
    pub mode: GatewayMode,
    /// Connections that pooled clients share. Default: 4.
    pub connections: usize,
    /// Most connections beside those: of clients that are passed through, or that need one of their
    /// own for durable subscriptions and the like. Default: 10,000.
    pub max_own_connections: usize,
    /// The login of pooled connections.
    pub login: Option<String>,
    /// Its passcode.
    pub passcode: Option<String>,
    /// The `host` header towards the brokers; `*`: of a client that is passed through its own. Default: for
    /// RabbitMQ `/`, for others the name in the URL.
    pub host: Option<String>,
    /// A file of certificates in PEM that the brokers' are checked against. Default: the system's.
    pub ca: Option<std::path::PathBuf>,
    /// The gateway's side of `heart-beat`. Default: 10,000 ms both ways.
    pub heart_beat: HeartBeat,
    /// How long a broker may take to its `CONNECTED`. Then the next is tried. Default: 10 s.
    pub connect_timeout: Duration,
    /// Unacknowledged messages of a pooled client's subscription to a queue, unless it asks for
    /// fewer. Default: 100.
    pub prefetch: u32,
    /// What becomes of clients while no broker is there. Default: hold.
    pub on_loss: OnLoss,
    /// Bytes of what clients send that are kept for a connection while no broker is there; with more
    /// nothing is read from them. Default: 8,388,608.
    pub max_held: usize,
    /// How long that is kept. Then those who sent it get an `ERROR`. Default: 30 s.
    pub hold_timeout: Duration,
    /// Content types whose messages go without `content-length`, for ActiveMQ and Artemis make of one
    /// with it a message of bytes. `text/*` is all of text. Default: `text/*`, `application/json`.
    pub text_for: Vec<String>,
    /// Bytes that may wait for a client, beyond which it is told to go. Default: 8,388,608.
    pub max_waiting: usize,
    /// Bytes of the body of a broker's message, beyond which it is not taken: its client is told. A
    /// message that a client may send is always taken. Default: 67,108,864.
    pub max_message: usize,
}

impl GatewayConfig {
    /// The defaults, for those brokers.
    pub fn new(upstreams: impl IntoIterator<Item = Upstream>) -> Self {
        Self {
            upstreams: upstreams.into_iter().collect(),
            kind: UpstreamKind::default(),
            mode: GatewayMode::default(),
            connections: 4,
            max_own_connections: 10_000,
            login: None,
            passcode: None,
            host: None,
            ca: None,
            heart_beat: HeartBeat::new(10_000, 10_000),
            connect_timeout: Duration::from_secs(10),
            prefetch: 100,
            on_loss: OnLoss::default(),
            max_held: 8 << 20,
            hold_timeout: Duration::from_secs(30),
            text_for: vec!["text/*".into(), "application/json".into()],
            max_waiting: 8 << 20,
            max_message: 64 << 20,
        }
    }

    /// Whether messages of that content type are text to JMS.
    pub(super) fn is_text(&self, content_type: &str) -> bool {
        let media = content_type.split(';').next().unwrap_or_default().trim();
        self.text_for
            .iter()
            .any(|text| match text.strip_suffix('*') {
                Some(prefix) => media
                    .get(..prefix.len())
                    .is_some_and(|it| it.eq_ignore_ascii_case(prefix)),
                None => text.eq_ignore_ascii_case(media),
            })
    }
}

/// Leaves the passcode out.
impl fmt::Debug for GatewayConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayConfig")
            .field("upstreams", &self.upstreams)
            .field("kind", &self.kind)
            .field("mode", &self.mode)
            .field("connections", &self.connections)
            .field("login", &self.login)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_are_read_and_written() {
        for (text, written) in [
            ("stomp://rabbit1:61613", "stomp://rabbit1:61613"),
            ("rabbit1:5", "stomp://rabbit1:5"),
            ("rabbit1", "stomp://rabbit1:61613"),
            (
                "stomp+tls://mq.example.com",
                "stomp+tls://mq.example.com:61612",
            ),
            ("tcp://[::1]:7/", "stomp://[::1]:7"),
        ] {
            let upstream: Upstream = text.parse().expect(text);
            assert_eq!(upstream.to_string(), written);
        }
        for (text, problem) in [
            ("ws://a:1", "begins with neither"),
            ("stomp://", "no host"),
            ("stomp://a:0", "port"),
            ("stomp://a:99999", "port"),
            ("stomp://a:1/x", "port"),
            ("stomp://[::1", "no ]"),
        ] {
            let error = text.parse::<Upstream>().expect_err(text);
            assert!(error.to_string().contains(problem), "{error}");
        }
        let error = "stomp://u:secret@a:1".parse::<Upstream>().unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn names_are_read_and_unknown_ones_told() {
        assert_eq!("artemis".parse(), Ok(UpstreamKind::Artemis));
        assert_eq!(GatewayMode::Pooled.to_string(), "pooled");
        let error = "kafka".parse::<UpstreamKind>().unwrap_err();
        assert!(error.to_string().contains("rabbitmq"), "{error}");
    }

    #[test]
    fn text_is_known_by_its_content_type() {
        let config = GatewayConfig::new([]);
        assert!(config.is_text("text/plain"));
        assert!(config.is_text("TEXT/html; charset=utf-8"));
        assert!(config.is_text("application/json;charset=utf-8"));
        assert!(!config.is_text("application/octet-stream"));
        assert!(!config.is_text("textual/x"));
    }
}
