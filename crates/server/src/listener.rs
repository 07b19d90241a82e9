use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::json;
use stompbox_broker::Broker;
use stompbox_store::{DiskStore, Recovery};
use thiserror::Error;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::{self, JoinSet},
    time,
};
use tracing::{error, info, warn};

use crate::{
    Address, Config, GatewayMode, Listen, Protocol, TlsError, UpstreamTlsError, UserError,
    accept::{Kind, Listener, Socket},
    admin,
    connection::{Lobby, Shared},
    gateway::{Gateway, GatewayMonitor},
    hub::Hub,
    peer::Census,
    sockjs::Sessions,
    storage,
    users::Users,
};

/// How long a gateway's connections may take to end, however long its clients took.
const LAST_WORDS: Duration = Duration::from_millis(500);

const NO_UNIX: &str =
    "nobody comes by a Unix socket here: proxy_protocol has addresses or networks";

/// A server that can't start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// An address beyond loopback was asked for, and anybody could log in.
    #[error(
        "{address} can be reached from other machines, where anybody could log in: make users by \
         `stompbox passwd`, or permit it by --allow-anonymous"
    )]
    NotLoopback {
        /// The address.
        address: Address,
    },
    /// A load balancer passes connections on to an address of the loopback, and anybody could log in.
    #[error(
        "{address} is behind a load balancer (proxy_protocol), by which anybody could log in: make \
         users by `stompbox passwd`, or permit it by --allow-anonymous"
    )]
    BehindProxy {
        /// The address.
        address: Address,
    },
    /// A listener can't be as it is configured.
    #[error("{address}: {problem}")]
    Listen {
        /// The address.
        address: Address,
        /// What is wrong.
        problem: &'static str,
    },
    /// The admin listener can be reached from other machines, and there is nobody who could log in.
    #[error(
        "the admin listener {address} can be reached from other machines, and there are no users: \
         give one a role in the configuration, or listen on 127.0.0.1"
    )]
    AdminNotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// Where SockJS is to be is no path.
    #[error(
        "sockjs is {path:?}: give a path as \"/sockjs\", that begins with a slash and does not end with one"
    )]
    SockJs {
        /// What it was to be.
        path: String,
    },
    /// The users can't be as they are configured.
    #[error(transparent)]
    User(#[from] UserError),
    /// A listener's TLS can't be had.
    #[error("TLS of {address}: {source}")]
    Tls {
        /// The listener's address.
        address: Address,
        /// What is wrong with its files.
        source: TlsError,
    },
    /// The store can't be opened.
    #[error(transparent)]
    Store(#[from] stompbox_store::OpenError),
    /// A gateway has nothing to go to, or a store too.
    #[error("a gateway can't be as it is configured: {problem}")]
    Gateway {
        /// What is wrong.
        problem: &'static str,
    },
    /// A gateway can't check who its brokers are.
    #[error(transparent)]
    UpstreamTls(#[from] UpstreamTlsError),
    /// An address can't be listened on.
    #[error("can't listen on {address} for {what}: {source}")]
    Bind {
        /// The address.
        address: Address,
        /// The option that names it.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// The listening sockets of a server that is about to run.
#[derive(Debug)]
pub struct Server {
    config: Config,
    users: Users,
    listeners: Vec<Listener>,
    admin: Option<admin::Listener>,
    store: Option<(DiskStore, Recovery)>,
    gateway: Option<Arc<Gateway>>,
}

impl Server {
    /// Binds the configured addresses. Port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// See [`ServeError`].
    pub async fn bind(config: Config) -> Result<Self, ServeError> {
        let users = config.check()?;
        let mut listeners = Vec::with_capacity(config.listen.len());
        for listen in &config.listen {
            let address = listen.bind.clone();
            let tls = listen.tls.as_ref().map(|tls| tls.acceptor(listen.protocol));
            let tls = tls.transpose().map_err(|source| ServeError::Tls {
                address: address.clone(),
                source,
            })?;
            if tls.is_none() && !address.is_loopback() && !config.users.is_empty() {
                warn!(%address, "passcodes cross the network in plain text: this listener has no TLS");
            }
            let socket = match &address {
                Address::Tcp(address) => TcpListener::bind(address).await.map(Socket::Tcp),
                Address::Unix(socket) => {
                    let bound = socket.bind().await;
                    bound.map(|(socket, file)| Socket::Unix(socket, file))
                }
            };
            let socket = socket.map_err(|source| ServeError::Bind {
                address,
                what: match (listen.protocol, &tls) {
                    (Protocol::Stomp, None) => "--stomp",
                    (Protocol::Stomp, Some(_)) => "--stomp-tls",
                    (Protocol::Http, None) => "--http",
                    (Protocol::Http, Some(_)) => "--https",
                    (Protocol::Both, None) => "--both",
                    (Protocol::Both, Some(_)) => "--both-tls",
                },
                source,
            })?;
            let kind = Kind {
                protocol: listen.protocol,
                tls,
                proxies: listen.proxy_protocol.clone(),
            };
            listeners.push(Listener { socket, kind });
        }
        let admin = match &config.admin {
            Some(admin) => match admin::Listener::bind(admin, &config).await {
                Err(error @ ServeError::Bind { .. }) if !admin.required => {
                    info!(%error, "there is no admin listener");
                    None
                }
                bound => Some(bound?),
            },
            None => None,
        };
        let store = config.data.as_deref().map(|data| open(data, &config));
        let gateway = config
            .gateway
            .clone()
            .map(|gateway| Gateway::new(gateway, config.limits.clone()));
        Ok(Self {
            gateway: gateway.transpose()?.map(Arc::new),
            store: store.transpose()?,
            config,
            users,
            listeners,
            admin,
        })
    }

    /// The addresses of STOMP over TCP, with the ports that port 0 became.
    pub fn stomp_addrs(&self) -> Vec<SocketAddr> {
        self.addrs(Protocol::Stomp, false)
    }

    /// The addresses of HTTP and WebSocket, with the ports that port 0 became.
    pub fn http_addrs(&self) -> Vec<SocketAddr> {
        self.addrs(Protocol::Http, false)
    }

    /// The addresses of STOMP over TLS, with the ports that port 0 became.
    pub fn stomp_tls_addrs(&self) -> Vec<SocketAddr> {
        self.addrs(Protocol::Stomp, true)
    }

    /// The addresses of HTTP and WebSocket over TLS, with the ports that port 0 became.
    pub fn https_addrs(&self) -> Vec<SocketAddr> {
        self.addrs(Protocol::Http, true)
    }

    /// The address of the admin listener, with the port that port 0 became.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin.as_ref().and_then(admin::Listener::addr)
    }

    fn addrs(&self, protocol: Protocol, tls: bool) -> Vec<SocketAddr> {
        self.listeners
            .iter()
            .filter(|l| l.kind.protocol.has(protocol) && l.kind.tls.is_some() == tls)
            .filter_map(|listener| match &listener.socket {
                Socket::Tcp(socket) => socket.local_addr().ok(),
                Socket::Unix(..) => None,
            })
            .collect()
    }

    /// The Unix sockets, and what is spoken there.
    pub fn unix_sockets(&self) -> Vec<(PathBuf, Protocol)> {
        self.listeners
            .iter()
            .filter_map(|listener| match &listener.socket {
                Socket::Unix(_, file) => Some((file.path().into(), listener.kind.protocol)),
                Socket::Tcp(_) => None,
            })
            .collect()
    }

    /// Tells how the gateway is doing, if this is one.
    pub fn gateway_monitor(&self) -> Option<GatewayMonitor> {
        self.gateway.clone().map(GatewayMonitor)
    }

    /// Serves until `shutdown` is ready, then ends the connections in order, within the
    /// configured `drain_timeout`.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let (stop, stopping) = watch::channel(false);
        let drain_timeout = self.config.drain_timeout;
        let connections = Arc::new(Semaphore::new(self.config.max_connections));
        let most = self.config.max_connections;
        let started = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let run = format!("{:x}", started.as_millis());
        let mut broker = self.config.broker.clone();
        if self.gateway.is_some() {
            // Last messages are the brokers' to keep.
            broker.topic_log_messages = 0;
        }
        let (store, recovery) = self.store.unzip();
        let hides_system =
            !self.users.is_empty() || !self.config.listen.iter().all(Listen::is_local);
        let shared = Arc::new(Shared {
            hub: Hub::new(
                |now| match recovery {
                    Some(it) => {
                        let (definitions, messages) = (it.definitions, &it.messages);
                        Broker::with_store(broker, &run, now, definitions, messages, it.next_id)
                    }
                    None => Broker::new(broker, &run, now),
                },
                store.is_some(),
            ),
            users: self.users,
            acl: Arc::new(self.config.acl.clone().hiding_system(hides_system)),
            gateway: self.gateway,
            config: self.config,
            epoch: Instant::now(),
            run,
            census: Census::default(),
            started: u64::try_from(started.as_millis()).unwrap_or(u64::MAX),
            draining: AtomicBool::new(false),
            lobby: Lobby::default(),
            sockjs: Sessions::default(),
            stopping,
        });
        let storing = store.map(|store| storage::start(Arc::clone(&shared), Box::new(store)));
        let ticking = tokio::spawn(tick(Arc::clone(&shared)));
        let links = shared
            .gateway
            .as_ref()
            .map(|gateway| gateway.start(&shared));
        let mut listeners = JoinSet::new();
        for listener in self.listeners {
            let (shared, connections) = (Arc::clone(&shared), Arc::clone(&connections));
            listeners.spawn(listener.run(shared, connections));
        }
        let mut admin = JoinSet::new();
        if let Some(listener) = self.admin {
            admin.spawn(listener.run(Arc::clone(&shared)));
        }
        shutdown.await;
        info!("stopping");
        // Whoever sends clients here is to know first.
        shared.draining.store(true, Ordering::Relaxed);
        shared.hub.tell("draining", || json!({}));
        // Listeners first: a client that connects again at once is refused, and not taken and dropped.
        listeners.shutdown().await;
        // No receiver is left if nobody is connected.
        let _ = stop.send(true);
        let stopped = Instant::now();
        shared.hub.stop();
        shared.lobby.stop();
        let all = u32::try_from(most).unwrap_or(u32::MAX);
        if time::timeout(drain_timeout, connections.acquire_many(all))
            .await
            .is_err()
        {
            warn!("some connections did not end in time");
        }
        admin.shutdown().await;
        ticking.abort();
        if let (Some(gateway), Some(links)) = (&shared.gateway, links) {
            // What clients were told has arrived has, but what they left unsaid may still wait.
            let left = drain_timeout.saturating_sub(stopped.elapsed());
            gateway.stop(links, left.max(LAST_WORDS)).await;
        }
        shared.hub.signal.stop();
        match storing {
            Some(Ok(storing)) => drop(task::spawn_blocking(move || storing.join()).await),
            Some(Err(error)) => error!(%error, "the store's thread could not be started"),
            None => {}
        }
    }
}

/// Opens the store, and says what of it was damaged.
fn open(data: &Path, config: &Config) -> Result<(DiskStore, Recovery), ServeError> {
    let mut options = stompbox_store::Options::default();
    if let Some(most) = config.max_store {
        options = options.with_max_bytes(most);
    }
    let (store, recovery) = DiskStore::open(data, options)?;
    for damage in &recovery.report {
        warn!(%damage, "the store was damaged");
    }
    info!(messages = recovery.messages.len(), "the store is open");
    Ok((store, recovery))
}

/// Has the broker do what is due.
async fn tick(shared: Arc<Shared>) {
    loop {
        let rescheduled = shared.hub.rescheduled.notified();
        match shared.hub.tick() {
            Some(at) => {
                let wait = Duration::from_millis(at.saturating_sub(shared.hub.now()).max(1));
                let _ = time::timeout(wait, rescheduled).await;
            }
            None => rescheduled.await,
        }
    }
}

impl Config {
    /// Checks all that can be without a socket: what [`Server::bind`] would refuse is refused here.
    ///
    /// # Errors
    ///
    /// See [`ServeError`].
    pub fn validate(&self) -> Result<(), ServeError> {
        self.check()?;
        let listen = self.listen.iter().map(|it| (it.bind.clone(), &it.tls));
        let admin = self.admin.iter().map(|it| (it.bind.into(), &it.tls));
        for (address, tls) in listen.chain(admin) {
            if let Some(tls) = tls {
                tls.check()
                    .map_err(|source| ServeError::Tls { address, source })?;
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<Users, ServeError> {
        if let Some(gateway) = &self.gateway {
            let problem = match () {
                () if gateway.upstreams.is_empty() => Some("it has no upstream"),
                () if self.data.is_some() => {
                    Some("it keeps nothing itself: data and upstream exclude each other")
                }
                () => None,
            };
            if let Some(problem) = problem {
                return Err(ServeError::Gateway { problem });
            }
        }
        for listen in &self.listen {
            let is_unix = matches!(listen.bind, Address::Unix(_));
            let mut proxies = listen.proxy_protocol.iter();
            let problem = match is_unix {
                true if listen.tls.is_some() => "a Unix socket has no TLS",
                true if !proxies.all(|it| it.is_unix()) => {
                    "who comes by a Unix socket has no address: proxy_protocol is [\"unix:\"] there"
                }
                false if proxies.any(|it| it.is_unix()) => NO_UNIX,
                _ => continue,
            };
            let address = listen.bind.clone();
            return Err(ServeError::Listen { address, problem });
        }
        let admin = self.admin.as_ref();
        if let Some(admin) = admin.filter(|it| it.proxy_protocol.iter().any(|it| it.is_unix())) {
            return Err(ServeError::Listen {
                address: admin.bind.into(),
                problem: NO_UNIX,
            });
        }
        if let Some(path) = &self.sockjs {
            let plain = |part: &str| !part.is_empty() && !part.contains(['?', '#', '%', ' ']);
            let is_path = path
                .strip_prefix('/')
                .is_some_and(|rest| rest.split('/').all(plain));
            if !is_path {
                return Err(ServeError::SockJs { path: path.clone() });
            }
        }
        // Who is passed through logs in at a broker.
        let passes = |gateway: &crate::GatewayConfig| gateway.mode == GatewayMode::Passthrough;
        let closed = self.allow_anonymous
            || !self.users.is_empty()
            || self.gateway.as_ref().is_some_and(passes);
        let remote = self.listen.iter().find(|listen| !listen.is_local());
        if let Some(listen) = remote.filter(|_| !closed) {
            let address = listen.bind.clone();
            return Err(match address.is_loopback() {
                true => ServeError::BehindProxy { address },
                false => ServeError::NotLoopback { address },
            });
        }
        if let Some(admin) = &self.admin
            && (!admin.bind.ip().is_loopback() || !admin.proxy_protocol.is_empty())
            && self.users.is_empty()
        {
            let address = admin.bind;
            return Err(ServeError::AdminNotLoopback { address });
        }
        Ok(Users::new(&self.users)?)
    }
}
