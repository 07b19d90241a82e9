use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use stompbox_proto::{HeartBeat, Limits};

/// What a [`Server`](crate::Server) listens on, and what it allows.
#[derive(Clone, Debug)]
pub struct Config {
    /// Addresses for STOMP over TCP. Default: 127.0.0.1:61613.
    pub stomp: Vec<SocketAddr>,
    /// Addresses for HTTP: the pages, and WebSocket at `/stomp`, `/stomp/websocket`, `/ws` and
    /// `/`. Default: 127.0.0.1:61614.
    pub http: Vec<SocketAddr>,
    /// Permits addresses beyond loopback. Default: false.
    pub allow_remote: bool,
    /// Origins of pages on other hosts that may connect, as `https://example.com`; `*`: all. A
    /// page's own host always may. Default: none.
    pub allowed_origins: Vec<String>,
    /// Who may log in; empty: everybody. Default: empty.
    pub users: Vec<User>,
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
    /// Most connections at a time. Default: 10,000.
    pub max_connections: usize,
    /// What the broker may hold.
    pub broker: stompbox_broker::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            stomp: vec![(Ipv4Addr::LOCALHOST, 61613).into()],
            http: vec![(Ipv4Addr::LOCALHOST, 61614).into()],
            allow_remote: false,
            allowed_origins: Vec::new(),
            users: Vec::new(),
            limits: Limits::default(),
            heart_beat: HeartBeat::new(10_000, 10_000),
            connect_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(5),
            max_connections: 10_000,
            broker: stompbox_broker::Config::default(),
        }
    }
}

/// A login and its passcode.
#[derive(Clone)]
pub struct User {
    /// The `login` header.
    pub login: String,
    /// The `passcode` header.
    pub passcode: String,
}

/// Leaves the passcode out.
impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// Whether the pair may log in. Takes the same time for a wrong login as for a wrong passcode.
    pub(crate) fn admits(&self, login: &str, passcode: &str) -> bool {
        let found = self.users.iter().fold(false, |found, user| {
            let matches = equal(user.login.as_bytes(), login.as_bytes())
                & equal(user.passcode.as_bytes(), passcode.as_bytes());
            found | matches
        });
        found | self.users.is_empty()
    }
}

/// Compares without an early end, so that time does not tell how much of a guess was right.
fn equal(a: &[u8], b: &[u8]) -> bool {
    let mut differences = a.len() ^ b.len();
    for (at, octet) in b.iter().enumerate() {
        differences |= usize::from(octet ^ a.get(at % a.len().max(1)).copied().unwrap_or(0));
    }
    differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_pair_is_admitted() {
        let user = User {
            login: "ann".into(),
            passcode: "secret".into(),
        };
        let config = Config {
            users: vec![user],
            ..Config::default()
        };
        assert!(config.admits("ann", "secret"));
        for (login, passcode) in [
            ("ann", "secre"),
            ("ann", "secretsecret"),
            ("ann", ""),
            ("", ""),
            ("bob", "secret"),
        ] {
            assert!(!config.admits(login, passcode), "{login} {passcode}");
        }
        assert!(Config::default().admits("anybody", "anything"));
    }
}
