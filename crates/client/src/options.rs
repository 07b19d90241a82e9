use std::{
    fmt,
    sync::{Arc, OnceLock, atomic::AtomicU64},
    time::Duration,
};

use http::{HeaderName, HeaderValue, Uri};
use stompbox_proto::{HeartBeat, Limits, Versions, client};
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot},
    time,
};
use tokio_websockets::ClientBuilder;

use crate::{
    Client, Closed, ConnectError,
    client::Shared,
    driver::Driver,
    transport::{Reader, Writer, tcp, websocket},
};

/// Connects with the defaults: see [`ConnectOptions`].
///
/// # Errors
///
/// See [`ConnectError`].
pub async fn connect(url: &str) -> Result<Client, ConnectError> {
    ConnectOptions::new(url).connect().await
}

/// A URL without what may be a login and passcode.
fn without_userinfo(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = url.split_at(start);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rfind('@') {
        Some(at) => format!("{scheme}{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

/// Where and how to connect.
#[derive(Clone)]
#[must_use = "nothing happens until connect() is awaited"]
pub struct ConnectOptions {
    url: String,
    config: client::Config,
    limits: Limits,
    connect_timeout: Duration,
    receipt_timeout: Duration,
}

/// Leaves out passcodes, also one in the URL.
impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("url", &without_userinfo(&self.url))
            .field("config", &self.config)
            .field("limits", &self.limits)
            .field("connect_timeout", &self.connect_timeout)
            .field("receipt_timeout", &self.receipt_timeout)
            .finish()
    }
}

impl ConnectOptions {
    /// Options for a URL: `stomp://HOST[:PORT]` (port 61613) or `ws://HOST[:PORT]/PATH`.
    pub fn new(url: &str) -> Self {
        Self {
            url: url.into(),
            config: client::Config::default(),
            limits: Limits::default().with_body(64 << 20),
            connect_timeout: Duration::from_secs(10),
            receipt_timeout: Duration::from_secs(30),
        }
    }

    /// The `login` header.
    pub fn login(mut self, login: &str) -> Self {
        self.config.login = Some(login.into());
        self
    }

    /// The `passcode` header.
    pub fn passcode(mut self, passcode: &str) -> Self {
        self.config.passcode = Some(passcode.into());
        self
    }

    /// The `host` header. Default: the URL's host.
    pub fn host(mut self, host: &str) -> Self {
        self.config.host = Some(host.into());
        self
    }

    /// Adds a header to `CONNECT`.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.config.headers.push((name.into(), value.into()));
        self
    }

    /// The versions to accept. Default: all.
    pub fn versions(mut self, versions: Versions) -> Self {
        self.config.versions = versions;
        self
    }

    /// The client's side of `heart-beat`. Default: 10,000 ms both ways.
    pub fn heart_beat(mut self, heart_beat: HeartBeat) -> Self {
        self.config.heart_beat = heart_beat;
        self
    }

    /// How long all of connecting may take. Default: 10 s.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// How long a receipt may take. Default: 30 s.
    pub fn receipt_timeout(mut self, limit: Duration) -> Self {
        self.receipt_timeout = limit;
        self
    }

    /// Limits of what the server sends. Default: those of [`Limits`], but bodies up to 64 MiB.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`].
    pub async fn connect(self) -> Result<Client, ConnectError> {
        let limit = self.connect_timeout;
        time::timeout(limit, self.dial())
            .await
            .unwrap_or(Err(ConnectError::Timeout))
    }

    async fn dial(mut self) -> Result<Client, ConnectError> {
        let url = |problem| ConnectError::Url {
            url: without_userinfo(&self.url),
            problem,
        };
        // Of a header that can't be written the error quotes the value.
        let passcode = self.config.passcode.as_deref().unwrap_or_default();
        if passcode.contains(['\0', '\r', '\n']) {
            return Err(ConnectError::Passcode);
        }
        let uri: Uri = self.url.parse().map_err(|_| url("it is not a URL"))?;
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| url("it names no host"))?;
        // Ignoring them would connect as somebody else.
        if uri.authority().is_some_and(|a| a.as_str().contains('@')) {
            return Err(url(
                "login and passcode are given by options, not in the URL",
            ));
        }
        // An IPv6 address stands in brackets in a URL, not elsewhere.
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let (port, is_websocket) = match uri.scheme_str() {
            Some("stomp" | "tcp") => (61613, false),
            Some("ws") => (80, true),
            Some("stomp+tls" | "stomp+ssl" | "wss") => {
                return Err(url("TLS is not part of this version"));
            }
            _ => return Err(url("its scheme is neither stomp nor ws")),
        };
        let port = uri.port_u16().unwrap_or(port);
        let address = format!("{host}:{port}");
        self.config.host.get_or_insert_with(|| name.to_owned());
        self.config.connect_timeout = None;
        let failed = |source| ConnectError::Io {
            address: address.clone(),
            source,
        };
        let stream = TcpStream::connect((name, port)).await.map_err(failed)?;
        // Frames are written whole; waiting for more of them only delays.
        stream.set_nodelay(true).map_err(failed)?;
        if !is_websocket {
            let (reader, writer) = tcp(stream);
            return self.start(reader, writer).await;
        }
        let failed = |source| ConnectError::WebSocket {
            address: address.clone(),
            source,
        };
        let offered: Vec<_> = self
            .config
            .versions
            .iter()
            .map(|v| v.subprotocol())
            .collect();
        let offered: Vec<_> = offered.into_iter().rev().collect();
        let offered = HeaderValue::from_str(&offered.join(", "))
            .map_err(|_| url("its sub-protocols can't be written"))?;
        let longest = self.limits.head + self.limits.body + 1;
        let builder = ClientBuilder::from_uri(uri)
            .limits(tokio_websockets::Limits::default().max_payload_len(Some(longest)))
            .add_header(HeaderName::from_static("sec-websocket-protocol"), offered)
            .map_err(failed)?;
        let (socket, _) = builder.connect_on(stream).await.map_err(failed)?;
        let (reader, writer) = websocket(socket);
        self.start(reader, writer).await
    }

    /// Starts the connection's task and waits for `CONNECTED`.
    async fn start(
        self,
        reader: impl Reader + 'static,
        writer: impl Writer + 'static,
    ) -> Result<Client, ConnectError> {
        let (asks, ask_receiver) = mpsc::channel(256);
        let (later, later_receiver) = mpsc::unbounded_channel();
        let (connected, established) = oneshot::channel();
        let shared = Arc::new(Shared {
            version: OnceLock::new(),
            receipt_timeout: self.receipt_timeout,
            closed: OnceLock::new(),
            counter: AtomicU64::new(1),
        });
        let driver = Driver::new(self.config, self.limits, Arc::clone(&shared), connected)?;
        let weak = (asks.downgrade(), later.downgrade());
        tokio::spawn(driver.run(reader, writer, ask_receiver, later_receiver, weak));
        established
            .await
            .unwrap_or(Err(Closed::ByServer))
            .map_err(ConnectError::Closed)?;
        Ok(Client {
            asks,
            later,
            shared,
        })
    }
}
