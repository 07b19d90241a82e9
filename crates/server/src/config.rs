use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use stompbox_proto::{HeartBeat, Limits};

use crate::{Acl, Address, GatewayConfig, Tls, TrustedProxy, User};

/// What a [`Server`](crate::Server) listens on, and what it allows.
#[derive(Clone, Debug)]
pub struct Config {
    /// The listening sockets. Default: STOMP on 127.0.0.1:61613, HTTP on 127.0.0.1:61614.
    pub listen: Vec<Listen>,
    /// Permits addresses beyond loopback without any [`users`](Self::users). Default: false.
    pub allow_anonymous: bool,
    /// Origins of pages on other hosts that may connect, as `https://example.com`; `*`: all. A
    /// page's own host always may. Default: none.
    pub allowed_origins: Vec<String>,
    /// WebSocket messages may be compressed, in both directions. Default: false.
    pub websocket_compression: bool,
    /// The path below which there is SockJS, as `/sockjs`; `None`: nowhere. Default: `None`.
    pub sockjs: Option<String>,
    /// Who may log in; empty: everybody. Default: empty.
    pub users: Vec<User>,
    /// What they may do. Default: everything.
    pub acl: Acl,
    /// Limits of frames.
    pub limits: Limits,
    /// The server's side of `heart-beat`. Default: 10,000 ms both ways.
    pub heart_beat: HeartBeat,
    /// How long a connection may take to its `CONNECT`, the HTTP upgrade included. Default: 10 s.
    pub connect_timeout: Duration,
    /// How long a client may take none of the bytes that wait for it. Default: 30 s.
    pub write_timeout: Duration,
    /// How long connections get to end when the server stops. Default: 5 s.
    pub drain_timeout: Duration,
    /// Most connections at a time. Default: 50,000.
    pub max_connections: usize,
    /// The directory of the store; `None`: everything is in memory alone. Default: `None`.
    pub data: Option<PathBuf>,
    /// Bytes of the store from which on messages are refused. Default: only the disk sets a limit.
    pub max_store: Option<u64>,
    /// The listener of those who look after the server; `None`: there is none. Default: `None`.
    pub admin: Option<Admin>,
    /// Brokers that stand behind, instead of the embedded one. Default: `None`.
    pub gateway: Option<GatewayConfig>,
    /// What the broker may hold.
    pub broker: stompbox_broker::Config,
}

/// The listener of those who look after the server: health, metrics, and `docs/admin.md`'s API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Its address; port 0 takes a free one. Beyond loopback it needs [`Config::users`].
    pub bind: SocketAddr,
    /// Where the address is taken the server does not start. `false`: it starts without this
    /// listener, and [`Server::admin_addr`](crate::Server::admin_addr) has none. Default: true.
    pub required: bool,
    /// TLS below; none: plain text.
    pub tls: Option<Tls>,
    /// Names by which it may be asked for, beside `localhost` and IP addresses. A page that has
    /// another name lead here gets nothing.
    pub hosts: Vec<String>,
    /// `/metrics` needs a login too. Default: false.
    pub metrics_login: bool,
    /// For how many destinations `/metrics` has numbers of their own. Default: 100.
    pub metrics_destinations: usize,
    /// Most connections at a time. Default: 64.
    pub max_connections: usize,
    /// As [`Listen::proxy_protocol`]; it needs [`Config::users`] then. Default: none.
    pub proxy_protocol: Vec<TrustedProxy>,
}

impl Admin {
    /// In plain text on an address.
    pub fn new(bind: SocketAddr) -> Self {
        Self {
            bind,
            required: true,
            tls: None,
            hosts: Vec::new(),
            metrics_login: false,
            metrics_destinations: 100,
            max_connections: 64,
            proxy_protocol: Vec::new(),
        }
    }
}

/// A listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Where it is.
    pub bind: Address,
    /// What its connections speak.
    pub protocol: Protocol,
    /// TLS below that; none: plain text.
    pub tls: Option<Tls>,
    /// Load balancers that say, by the PROXY protocol, whose connections they pass on. Unless this
    /// is empty, only they may connect, and each connection has to begin with its header.
    pub proxy_protocol: Vec<TrustedProxy>,
}

/// What a listener's connections speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// STOMP, straight on the stream.
    Stomp,
    /// HTTP: the pages, and WebSocket at `/stomp`, `/stomp/websocket`, `/ws` and `/`.
    Http,
    /// Either of them, as the client's first bytes say.
    Both,
}

impl Protocol {
    /// Whether that is spoken too.
    pub(crate) fn has(self, other: Self) -> bool {
        self == other || self == Self::Both
    }
}

impl Listen {
    /// STOMP in plain text.
    pub fn stomp(bind: SocketAddr) -> Self {
        Self::new(bind.into(), Protocol::Stomp)
    }

    /// HTTP in plain text.
    pub fn http(bind: SocketAddr) -> Self {
        Self::new(bind.into(), Protocol::Http)
    }

    /// Anything in plain text.
    pub fn new(bind: Address, protocol: Protocol) -> Self {
        Self {
            bind,
            protocol,
            tls: None,
            proxy_protocol: Vec::new(),
        }
    }

    /// Whether only this machine reaches it. Whoever comes through a load balancer may come from
    /// anywhere.
    pub(crate) fn is_local(&self) -> bool {
        self.bind.is_loopback() && self.proxy_protocol.is_empty()
    }

    /// Puts TLS below.
    #[must_use]
    pub fn with_tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![
                Listen::stomp((Ipv4Addr::LOCALHOST, 61613).into()),
                Listen::http((Ipv4Addr::LOCALHOST, 61614).into()),
            ],
            allow_anonymous: false,
            allowed_origins: Vec::new(),
            websocket_compression: false,
            sockjs: None,
            users: Vec::new(),
            acl: Acl::default(),
            limits: Limits::default(),
            heart_beat: HeartBeat::new(10_000, 10_000),
            connect_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(5),
            max_connections: 50_000,
            data: None,
            max_store: None,
            admin: None,
            gateway: None,
            broker: stompbox_broker::Config::default(),
        }
    }
}
