//! From options to a connection: dialling, proxies, TLS, the upgrade, and `CONNECT`.

#[cfg(not(target_arch = "wasm32"))]
mod dial;
#[cfg(all(feature = "proxy", not(target_arch = "wasm32")))]
mod environment;
pub(crate) mod handshake;
#[cfg(all(feature = "proxy", not(target_arch = "wasm32")))]
mod proxy;

use std::{sync::Arc, time::Duration};

use bytes::BytesMut;
use stompbox_proto::{Decoder, Version, client::Session};

#[cfg(all(feature = "proxy", not(target_arch = "wasm32")))]
use crate::options::ProxyChoice;
use crate::{
    Client, ConnectError, ConnectOptions, Reconnect,
    driver::Driver,
    log,
    options::{Server, Source},
    runtime::{self, Instant},
    shared::{Handle, Settings, Shared},
    state::Core,
    transport::{Inspected, Traffic, Transport},
};

/// A connection on which `CONNECTED` has come.
pub(crate) struct Connected {
    pub(crate) transport: Box<dyn Transport>,
    pub(crate) session: Session,
    pub(crate) decoder: Decoder,
    /// What came after `CONNECTED`.
    pub(crate) input: BytesMut,
    /// When the session's time began.
    pub(crate) epoch: Instant,
    pub(crate) version: Version,
    /// The headers of `CONNECTED`.
    pub(crate) info: Vec<(String, String)>,
    /// For messages.
    pub(crate) server: String,
}

/// Makes connections, again and again.
pub(crate) struct Connector {
    options: ConnectOptions,
    servers: Vec<Server>,
    /// The server that is tried first.
    first: usize,
    #[cfg(all(feature = "tls", not(target_arch = "wasm32")))]
    tls: Option<Arc<rustls::ClientConfig>>,
    #[cfg(all(feature = "proxy", not(target_arch = "wasm32")))]
    proxy: Option<(proxy::Proxy, environment::Exceptions)>,
}

impl Connector {
    /// Checks all that can be checked before there is a connection.
    pub(crate) fn new(options: ConnectOptions) -> Result<Self, ConnectError> {
        if let Some((option, problem)) = &options.invalid {
            return Err(ConnectError::Option {
                option,
                problem: problem.clone(),
            });
        }
        let servers = options.urls.iter().map(|url| Server::parse(url));
        let servers = servers.collect::<Result<Vec<_>, _>>()?;
        if servers.is_empty() {
            return Err(ConnectError::Option {
                option: "failover",
                problem: "names no server".into(),
            });
        }
        if cfg!(target_arch = "wasm32") && !options.http_headers.is_empty() {
            return Err(ConnectError::Option {
                option: "http_header",
                problem: "and origin are not for a page to set".into(),
            });
        }
        // What can't be written needs no connection to be found.
        check_passcode(options.config.passcode.as_deref())?;
        Session::new(options.config.clone(), Duration::ZERO)?;
        #[cfg(all(feature = "proxy", not(target_arch = "wasm32")))]
        let proxy = match &options.proxy {
            ProxyChoice::None => None,
            ProxyChoice::Url(url) => Some((
                proxy::Proxy::parse(url, "proxy")?,
                environment::Exceptions::default(),
            )),
            ProxyChoice::Environment => environment::read(|name| std::env::var(name).ok())?,
        };
        #[cfg(all(feature = "tls", not(target_arch = "wasm32")))]
        let tls = {
            let wanted = servers.iter().any(|server| server.tls);
            #[cfg(feature = "proxy")]
            let wanted = wanted || proxy.as_ref().is_some_and(|(proxy, _)| proxy.is_tls());
            wanted.then(|| options.tls.build()).transpose()?
        };
        Ok(Self {
            servers,
            first: 0,
            #[cfg(all(feature = "tls", not(target_arch = "wasm32")))]
            tls,
            #[cfg(all(feature = "proxy", not(target_arch = "wasm32")))]
            proxy,
            options,
        })
    }

    /// The proxy by which a server is connected to.
    #[cfg(all(feature = "proxy", not(target_arch = "wasm32")))]
    fn proxy_for(&self, host: &str) -> Option<&proxy::Proxy> {
        let (proxy, exceptions) = self.proxy.as_ref()?;
        (!exceptions.hold(host)).then_some(proxy)
    }

    pub(crate) fn policy(&self) -> Option<&Reconnect> {
        self.options.reconnect.as_ref()
    }

    /// Tries each server once, from the last good one on.
    pub(crate) async fn connect(&mut self) -> Result<Connected, ConnectError> {
        let mut errors = Vec::new();
        for step in 0..self.servers.len() {
            let at = (self.first + step) % self.servers.len();
            match self.attempt(at).await {
                Ok(connected) => {
                    self.first = at;
                    return Ok(connected);
                }
                Err(error) => {
                    log::debug!(error = %error, "no connection");
                    errors.push(error);
                }
            }
        }
        match errors.pop() {
            Some(last) if errors.is_empty() => Err(last),
            last => {
                errors.extend(last);
                Err(ConnectError::AllServers(errors))
            }
        }
    }

    async fn attempt(&self, at: usize) -> Result<Connected, ConnectError> {
        let Some(server) = self.servers.get(at) else {
            return Err(ConnectError::AllServers(Vec::new()));
        };
        if let Some(inspector) = &self.options.inspector {
            inspector.see(Traffic::Connecting(&server.url));
        }
        let attempt = async {
            let transport = self.open(server).await?;
            self.handshake(transport, server).await
        };
        runtime::timeout(self.options.connect_timeout, attempt)
            .await
            .unwrap_or(Err(ConnectError::Timeout))
    }

    #[cfg(target_arch = "wasm32")]
    async fn open(&self, server: &Server) -> Result<Box<dyn Transport>, ConnectError> {
        let protocols = self.subprotocols();
        let ConnectOptions { limits, split, .. } = &self.options;
        crate::transport::WebSocket::open(server, &protocols, limits, *split).await
    }

    /// Connects over a stream that is open.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) async fn connect_on(
        &mut self,
        io: Box<dyn crate::transport::Io>,
    ) -> Result<Connected, ConnectError> {
        let Some(server) = self.servers.first() else {
            return Err(ConnectError::AllServers(Vec::new()));
        };
        let transport = Box::new(crate::transport::Stream::new(io));
        runtime::timeout(
            self.options.connect_timeout,
            self.handshake(transport, server),
        )
        .await
        .unwrap_or(Err(ConnectError::Timeout))
    }

    /// The WebSocket sub-protocols of the versions, the best first.
    #[cfg(any(feature = "ws", target_arch = "wasm32"))]
    fn subprotocols(&self) -> Vec<&'static str> {
        let versions = self.options.config.versions.iter();
        let mut protocols: Vec<_> = versions.map(|v| v.subprotocol()).collect();
        protocols.reverse();
        protocols
    }

    /// Sends `CONNECT` and waits for `CONNECTED`.
    async fn handshake(
        &self,
        transport: Box<dyn Transport>,
        server: &Server,
    ) -> Result<Connected, ConnectError> {
        let mut config = self.options.config.clone();
        if let Source::Callback(callback) = &self.options.source {
            let credentials = callback.ask().await.map_err(ConnectError::Credentials)?;
            config.login = Some(credentials.login);
            config.passcode = Some(credentials.passcode);
        }
        check_passcode(config.passcode.as_deref())?;
        let transport = match &self.options.inspector {
            Some(inspector) => Box::new(Inspected {
                inner: transport,
                inspector: inspector.clone(),
            }),
            None => transport,
        };
        let host = server.place.host();
        config.host.get_or_insert_with(|| host.to_owned());
        handshake::handshake(transport, config, &self.options.limits, &server.url).await
    }
}

/// Of a header that can't be written the error quotes the value.
fn check_passcode(passcode: Option<&str>) -> Result<(), ConnectError> {
    match passcode {
        Some(passcode) if passcode.contains(['\0', '\r', '\n']) => Err(ConnectError::Passcode),
        _ => Ok(()),
    }
}

/// Starts the task of a first connection.
pub(crate) fn start(connected: Connected, connector: Connector, settings: Settings) -> Client {
    let Connected {
        transport,
        session,
        decoder,
        input,
        epoch,
        version,
        info,
        server,
    } = connected;
    log::debug!(server = %server, version = %version, "connected");
    // Named only where something is told.
    let _ = server;
    let core = Core::new(session, version, info, &settings);
    let shared = Arc::new(Shared::new(core, settings));
    let handle = Arc::new(Handle {
        shared: Arc::clone(&shared),
    });
    let driver = Driver::new(
        shared,
        Arc::downgrade(&handle),
        connector,
        (transport, decoder, input, epoch),
    );
    runtime::spawn(driver.run());
    Client { handle }
}
