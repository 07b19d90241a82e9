//! `serve`, and what a server can be told.

use std::{fmt, path::PathBuf};

use clap::Args as ClapArgs;
use stompbox_server::{Address, TrustedProxy};

use crate::settings::{AdminAddress, gateway::GatewayOptions};

/// Run the broker with its web pages.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  stompbox serve
  stompbox serve --stomp 127.0.0.1:0 --http 127.0.0.1:8080
  stompbox serve --config stompbox.toml
  stompbox serve --https 0.0.0.0:8443 --tls-cert tls.crt --tls-key tls.key --user ann:secret

An option beats its environment variable, which beats the file, which beats the default. A list
replaces the whole list. Beyond loopback, users are needed, or --allow-anonymous.")]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) options: ServeOptions,
}

/// Stand in front of other brokers, which know only plain STOMP: the same listeners, pages and limits.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  stompbox gateway --upstream stomp://localhost:61613
  stompbox gateway --upstream stomp://rabbit1:61613,stomp://rabbit2:61613 --upstream-kind rabbitmq \
      --upstream-login web --upstream-passcode-file web.passcode
  stompbox gateway --upstream stomp://rabbit:61613 --upstream-kind rabbitmq --mode passthrough

It is `serve` with at least one --upstream. docs/gateway.md tells what the modes and kinds mean.")]
pub(crate) struct Gateway {
    #[command(flatten)]
    pub(crate) options: ServeOptions,
}

/// What a server can be told; `config` and `acl` take the same.
#[derive(Debug, ClapArgs)]
pub(crate) struct ServeOptions {
    /// TOML file with the configuration.
    #[arg(short, long, value_name = "FILE", env = "STOMPBOX_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Directory of the store: what is persistent is there when the server starts again.
    #[arg(long, value_name = "DIR", env = "STOMPBOX_DATA")]
    pub(crate) data: Option<PathBuf>,
    /// Keep everything in memory, whatever else says where the store is. [default without --data]
    #[arg(long, env = "STOMPBOX_MEMORY")]
    pub(crate) memory: bool,
    /// Threads that serve connections. [default: half of the processors, at most 4]
    #[arg(long, value_name = "NUMBER", env = "STOMPBOX_THREADS")]
    pub(crate) threads: Option<usize>,
    /// Whose headers are meant where brokers contradict each other: auto, rabbitmq, activemq,
    /// artemis or apollo. [default: auto]
    #[arg(long, value_name = "BROKER", env = "STOMPBOX_DIALECT")]
    pub(crate) dialect: Option<String>,
    /// What a destination without a known prefix is: error, queue or topic. [default: error]
    #[arg(long, value_name = "KIND", env = "STOMPBOX_BARE_DESTINATION")]
    pub(crate) bare_destination: Option<String>,
    /// Address for STOMP over TCP, or unix:PATH; port 0 takes a free one. May be repeated.
    /// [default: 127.0.0.1:61613]
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "STOMPBOX_STOMP",
        value_delimiter = ','
    )]
    pub(crate) stomp: Vec<Address>,
    /// Address for the pages and WebSocket, or unix:PATH; port 0 takes a free one. May be repeated.
    /// [default: 127.0.0.1:61614]
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "STOMPBOX_HTTP",
        value_delimiter = ','
    )]
    pub(crate) http: Vec<Address>,
    /// Address for STOMP over TLS. May be repeated.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "STOMPBOX_STOMP_TLS",
        value_delimiter = ','
    )]
    pub(crate) stomp_tls: Vec<Address>,
    /// Address for the pages and WebSocket over TLS. May be repeated.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "STOMPBOX_HTTPS",
        value_delimiter = ','
    )]
    pub(crate) https: Vec<Address>,
    /// Address for STOMP, the pages and WebSocket on one port, or unix:PATH. May be repeated.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "STOMPBOX_BOTH",
        value_delimiter = ','
    )]
    pub(crate) both: Vec<Address>,
    /// Address for STOMP, the pages and WebSocket on one port, over TLS. May be repeated.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "STOMPBOX_BOTH_TLS",
        value_delimiter = ','
    )]
    pub(crate) both_tls: Vec<Address>,
    /// Certificate of --stomp-tls, --https and --both-tls with those between it and the root, in PEM.
    #[arg(long, value_name = "FILE", env = "STOMPBOX_TLS_CERT")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's private key, in PEM.
    #[arg(long, value_name = "FILE", env = "STOMPBOX_TLS_KEY")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Roots, in PEM, that clients must have a certificate of.
    #[arg(long, value_name = "FILE", env = "STOMPBOX_TLS_CLIENT_CA")]
    pub(crate) tls_client_ca: Option<PathBuf>,
    /// Load balancer in front of the addresses above, or its network, as 10.0.0.0/8: only these may
    /// connect, and say by the PROXY protocol whose connection they pass on. May be repeated.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "STOMPBOX_PROXY_PROTOCOL",
        value_delimiter = ','
    )]
    pub(crate) proxy_protocol: Vec<TrustedProxy>,
    /// Address of the admin listener, with health, metrics and the API; off: there is none.
    /// [default: 127.0.0.1:61680]
    #[arg(long, value_name = "ADDRESS", env = "STOMPBOX_ADMIN")]
    pub(crate) admin: Option<AdminAddress>,
    /// Permit addresses that other machines can reach though there are no users.
    #[arg(long, env = "STOMPBOX_ALLOW_ANONYMOUS")]
    pub(crate) allow_anonymous: bool,
    /// Origin of pages on other hosts that may connect, as `https://example.com`; * for all. May be
    /// repeated.
    #[arg(
        long,
        value_name = "ORIGIN",
        env = "STOMPBOX_ALLOW_ORIGIN",
        value_delimiter = ','
    )]
    pub(crate) allow_origin: Vec<String>,
    /// Compress WebSocket messages of a KiB or more for clients that want it, as browsers do.
    #[arg(long, env = "STOMPBOX_WEBSOCKET_COMPRESSION")]
    pub(crate) websocket_compression: bool,
    /// Path below which there is SockJS, for pages that no WebSocket gets through to; without a
    /// path /sockjs
    #[arg(
        long,
        value_name = "PATH",
        env = "STOMPBOX_SOCKJS",
        num_args = 0..=1,
        default_missing_value = "/sockjs"
    )]
    pub(crate) sockjs: Option<String>,
    /// Who may log in, with the passcode or its argon2id hash; without users everybody may. Others
    /// on this machine can read options: use the file. May be repeated.
    #[arg(
        long,
        value_name = "LOGIN:PASSCODE",
        env = "STOMPBOX_USER",
        hide_env_values = true
    )]
    pub(crate) user: Vec<Secret>,
    /// Longest body of a message, in bytes or as 4MiB. [default: 4MiB]
    #[arg(long, value_name = "SIZE", env = "STOMPBOX_MAX_BODY")]
    pub(crate) max_body: Option<String>,
    /// A value of the file's section [limits]. May be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) limit: Vec<String>,
    /// Heart-beats that the server can send and would like to get, in milliseconds.
    /// [default: 10000,10000]
    #[arg(long, value_name = "SEND,RECEIVE", env = "STOMPBOX_HEART_BEAT")]
    pub(crate) heart_beat: Option<String>,
    #[command(flatten)]
    pub(crate) gateway: GatewayOptions,
    /// How much to log on standard error. [default: warn]
    #[arg(
        long,
        value_name = "LEVEL",
        env = "STOMPBOX_LOG",
        value_parser = ["error", "warn", "info", "debug", "trace"]
    )]
    pub(crate) log: Option<String>,
}

/// A text that is not to be shown, not even when something goes wrong.
#[derive(Clone)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}
