//! Where and how to connect.

mod credentials;
mod reconnect;
#[cfg(all(feature = "tls", not(target_arch = "wasm32")))]
mod tls;
mod url;

use std::{fmt, future::Future, time::Duration};

use http::{HeaderName, HeaderValue};
use stompbox_proto::{HeartBeat, Limits, Versions, client};

pub use credentials::Credentials;
pub(crate) use credentials::{Callback, Source};
pub use reconnect::{InFlight, Reconnect};
#[cfg(all(feature = "tls", not(target_arch = "wasm32")))]
pub use tls::TlsOptions;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use url::Place;
pub use url::ServerUrl;
pub(crate) use url::{Server, without_userinfo};

use crate::{
    Client, ConnectError,
    connect::{self, Connector},
    error::BoxError,
    runtime::{self, MaybeSend},
    shared::Settings,
    transport::{Inspector, Traffic},
};

/// Connects with the defaults: see [`ConnectOptions`].
///
/// # Errors
///
/// See [`ConnectError`].
pub async fn connect(url: &str) -> Result<Client, ConnectError> {
    ConnectOptions::new(url).connect().await
}

/// Where and how to connect.
///
/// The URL is one of
///
/// - `stomp://HOST[:PORT]`, port 61613; `tcp://` is the same
/// - `stomp+tls://HOST[:PORT]`, port 61612, with the feature `tls`; `stomp+ssl://` is the same
/// - `ws://HOST[:PORT]/PATH` and, with the feature `tls`, `wss://HOST[:PORT]/PATH`
/// - `unix:PATH`, a socket in the file system
///
/// In a browser there are `ws://` and `wss://` only.
#[derive(Clone)]
#[must_use = "nothing happens until connect() is awaited"]
pub struct ConnectOptions {
    pub(crate) urls: Vec<String>,
    pub(crate) config: client::Config,
    pub(crate) source: Source,
    pub(crate) limits: Limits,
    pub(crate) http_headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) split: Option<usize>,
    pub(crate) reconnect: Option<Reconnect>,
    #[cfg(all(feature = "tls", not(target_arch = "wasm32")))]
    pub(crate) tls: TlsOptions,
    #[cfg(all(feature = "proxy", not(target_arch = "wasm32")))]
    pub(crate) proxy: ProxyChoice,
    pub(crate) connect_timeout: Duration,
    pub(crate) invalid: Option<(&'static str, String)>,
    pub(crate) inspector: Option<Inspector>,
    settings: Settings,
}

/// Which proxy to connect by.
#[cfg(all(feature = "proxy", not(target_arch = "wasm32")))]
#[derive(Clone)]
pub(crate) enum ProxyChoice {
    None,
    Url(String),
    Environment,
}

/// Leaves out passcodes, also those in URLs, and the values of headers, which may be tokens.
impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls: Vec<_> = self.urls.iter().map(|url| without_userinfo(url)).collect();
        let headers: Vec<_> = self.http_headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("ConnectOptions")
            .field("urls", &urls)
            .field("config", &self.config)
            .field("limits", &self.limits)
            .field("http_headers", &headers)
            .field("reconnect", &self.reconnect)
            .field("connect_timeout", &self.connect_timeout)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl ConnectOptions {
    /// Options for a URL.
    pub fn new(url: &str) -> Self {
        Self::failover([url])
    }

    /// Options for several servers of one kind. They are tried in turn; after a loss the last good
    /// one is the first.
    pub fn failover<I>(urls: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let limits = Limits::default().with_body(64 << 20);
        Self {
            urls: urls.into_iter().map(Into::into).collect(),
            config: client::Config {
                // The time limit of an attempt includes it.
                connect_timeout: None,
                ..client::Config::default()
            },
            source: Source::Fixed,
            limits: limits.clone(),
            http_headers: Vec::new(),
            split: None,
            reconnect: None,
            #[cfg(all(feature = "tls", not(target_arch = "wasm32")))]
            tls: TlsOptions::default(),
            #[cfg(all(feature = "proxy", not(target_arch = "wasm32")))]
            proxy: ProxyChoice::None,
            connect_timeout: Duration::from_secs(10),
            invalid: None,
            inspector: None,
            settings: Settings {
                receipt_timeout: Duration::from_secs(30),
                request_timeout: Duration::from_secs(30),
                send_buffer: 1 << 20,
                in_flight: InFlight::Fail,
                limits,
                reply_queue: None,
            },
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

    /// Asks for the login and passcode before each attempt to connect, such as for a token that
    /// expires. It counts into [`connect_timeout`](Self::connect_timeout).
    pub fn credentials<F, R>(mut self, ask: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<Credentials, BoxError>> + MaybeSend + 'static,
    {
        self.source = Source::Callback(Callback::new(move || Box::pin(ask())));
        self
    }

    /// The `host` header. Default: the URL's host; of a socket in the file system `localhost`.
    pub fn host(mut self, host: &str) -> Self {
        self.config.host = Some(host.into());
        self
    }

    /// The `client-id` header, by which a broker finds a durable subscriber again.
    pub fn client_id(self, id: &str) -> Self {
        self.header("client-id", id)
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

    /// How long the server may be silent, in percent of the agreed interval; at least 100. To that
    /// comes half an interval, or 500 ms if that is less, for the way: ActiveMQ leaves out the
    /// heart-beat after a frame, and so is silent for twice the interval. Default: 200.
    pub fn heart_beat_tolerance(mut self, percent: u32) -> Self {
        self.config.tolerance_percent = percent;
        self
    }

    /// Adds an HTTP header to the request that opens a WebSocket, such as `authorization` or
    /// `cookie`. A browser lets nobody do so.
    pub fn http_header(mut self, name: &str, value: &str) -> Self {
        let parsed = name
            .parse()
            .map_err(|_| ())
            .and_then(|name| Ok((name, HeaderValue::from_str(value).map_err(drop)?)));
        match parsed {
            Ok(header) => self.http_headers.push(header),
            Err(()) => {
                let problem = format!("of the name {name:?} can't be written");
                self.invalid.get_or_insert(("http_header", problem));
            }
        }
        self
    }

    /// The `Origin` of the request that opens a WebSocket, as `https://example.com`.
    pub fn origin(self, origin: &str) -> Self {
        self.http_header("origin", origin)
    }

    /// Cuts what is sent into WebSocket messages of at most so many bytes (and not fewer than 4), as
    /// brokers want it that have a limit for a message and not for a frame of STOMP: 16,384 for
    /// ActiveMQ Apollo, 65,536 for HornetQ. Others take a whole frame from each message alone.
    /// Default: a message for each frame.
    pub fn websocket_split(mut self, bytes: usize) -> Self {
        self.split = Some(bytes);
        self
    }

    /// Whom to trust, and who to be, where the URL asks for TLS. Default: the system's roots.
    #[cfg(all(feature = "tls", not(target_arch = "wasm32")))]
    pub fn tls(mut self, tls: TlsOptions) -> Self {
        self.tls = tls;
        self
    }

    /// Connects by a proxy: `http://[LOGIN:PASSCODE@]HOST[:PORT]` (CONNECT, port 8080), `https://…`
    /// (the same within TLS, port 443), `socks5://[LOGIN:PASSCODE@]HOST[:PORT]`, or
    /// `socks4a://[LOGIN@]HOST[:PORT]` (port 1080). The proxy looks up the server's name, but with
    /// `socks4://`, which knows addresses of IPv4 alone. Default: none, whatever the environment
    /// says.
    #[cfg(all(feature = "proxy", not(target_arch = "wasm32")))]
    pub fn proxy(mut self, url: &str) -> Self {
        self.proxy = ProxyChoice::Url(url.into());
        self
    }

    /// Connects by the proxy that the environment names when [`connect`](Self::connect) is called,
    /// if it names one: `HTTPS_PROXY`, since that is the one for tunnels, or else `ALL_PROXY`; a URL
    /// as for [`proxy`](Self::proxy), or `HOST:PORT` of an HTTP proxy. `NO_PROXY` lists what is
    /// connected to without it, with commas between: names, which stand for all below them too,
    /// addresses, nets such as `10.0.0.0/8`, or `*`. Small letters do as well, and come first.
    #[cfg(all(feature = "proxy", not(target_arch = "wasm32")))]
    pub fn proxy_from_env(mut self) -> Self {
        self.proxy = ProxyChoice::Environment;
        self
    }

    /// Connects again after a loss, and restores the subscriptions. Default: a loss is the end.
    pub fn reconnect(mut self, policy: Reconnect) -> Self {
        self.reconnect = Some(policy);
        self
    }

    /// What becomes of messages whose receipts have not come when the connection is lost, if there
    /// is a policy to reconnect. Default: [`InFlight::Fail`].
    pub fn in_flight(mut self, choice: InFlight) -> Self {
        self.settings.in_flight = choice;
        self
    }

    /// How long an attempt to connect to one server may take, all in all. Default: 10 s.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// How long a receipt may take. Default: 30 s.
    pub fn receipt_timeout(mut self, limit: Duration) -> Self {
        self.settings.receipt_timeout = limit;
        self
    }

    /// How long a request may wait for room in the buffer, or for the next connection. Default:
    /// 30 s.
    pub fn request_timeout(mut self, limit: Duration) -> Self {
        self.settings.request_timeout = limit;
        self
    }

    /// How many bytes may wait to be sent, beyond which requests wait for room. As many more may be
    /// on their way into the socket. Default: 1 MiB.
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        self.settings.send_buffer = bytes.max(1);
        self
    }

    /// The queue for the replies to [`Client::request`], where the broker has no `/temp-queue/`, such
    /// as Artemis. No other client may have the same.
    pub fn reply_queue(mut self, destination: &str) -> Self {
        self.settings.reply_queue = Some(destination.into());
        self
    }

    /// Limits of what the server sends. Default: those of [`Limits`], but bodies up to 64 MiB.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits.clone();
        self.settings.limits = limits;
        self
    }

    /// Shows what moves over the connections, for whoever looks for what is wrong: what was sent
    /// holds passcodes and tokens. The function is called between two reads or writes, and holds
    /// them up as long as it takes.
    pub fn inspect(mut self, see: impl Fn(Traffic<'_>) + Send + Sync + 'static) -> Self {
        self.inspector = Some(Inspector::new(see));
        self
    }

    /// Connects. Dropped before it is done, there is no connection.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`].
    pub async fn connect(self) -> Result<Client, ConnectError> {
        let first = self.reconnect.clone().filter(|policy| policy.first);
        let settings = self.settings.clone();
        let mut connector = Connector::new(self)?;
        let mut attempt = 1;
        loop {
            match connector.connect().await {
                Ok(connected) => return Ok(connect::start(connected, connector, settings)),
                Err(error) => {
                    let wait = first.as_ref().and_then(|p| p.next(attempt, &error));
                    runtime::sleep(wait.ok_or(error)?).await;
                    attempt += 1;
                }
            }
        }
    }

    /// Connects over a stream that is already open, such as an SSH channel or a test's pipe, without
    /// a thought for the URL but as the `host` header. It can't be made again.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`].
    #[cfg(not(target_arch = "wasm32"))]
    pub async fn connect_on<S>(self, stream: S) -> Result<Client, ConnectError>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    {
        let settings = self.settings.clone();
        let mut connector = Connector::new(Self {
            reconnect: None,
            ..self
        })?;
        let connected = connector.connect_on(Box::new(stream)).await?;
        Ok(connect::start(connected, connector, settings))
    }
}
