//! The gateway: the same front, and behind it brokers that speak plain STOMP.
//!
//! A [`Client`] takes a client's frames to a [`Link`](link::Link): one that many share, whose ids are
//! its own, or one that is the client's alone, where all names are as the client spells them. What
//! comes for a topic that several are subscribed to goes through the embedded engine, which hands it
//! out to all of them; everything else goes as [`Mail`](mail::Mail) straight to its client.

mod client;
mod config;
mod kind;
mod link;
mod mail;
mod pace;
mod quarantine;
mod rules;
mod servers;
mod shared;
mod skip;
mod socket;
mod state;
mod topics;
mod view;

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use stompbox_proto::{Dialect, FrameRef, Limits};
use tokio::{
    sync::{Semaphore, oneshot},
    task::JoinSet,
    time,
};
use tracing::warn;

pub(crate) use client::{Act, Client, Seat};
pub use config::{
    GatewayConfig, GatewayMode, InvalidUpstream, OnLoss, UnknownName, Upstream, UpstreamKind,
};
pub(crate) use mail::{Failure, Item, Mail};
pub(crate) use rules::Rules;
pub use servers::{UpstreamStatus, UpstreamTlsError};

use crate::{
    connection::Shared,
    hub::Outbox,
    users::{Principal, Users},
};
use link::{Identity, Link};
use quarantine::Quarantine;
use servers::Servers;
use topics::Topics;

/// Stands for whatever `host` a client has in its `CONNECT`.
const ANY_HOST: &str = "*";

/// What all clients of a gateway share.
pub(crate) struct Gateway {
    config: GatewayConfig,
    /// Of what brokers send.
    limits: Limits,
    servers: Servers,
    pool: Vec<Arc<Link>>,
    topics: Topics,
    own: Arc<Semaphore>,
    next_member: AtomicU64,
    quarantine: Quarantine,
    /// What the engine's message ids begin with.
    run: OnceLock<Box<str>>,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// How a gateway is doing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GatewayStatus {
    /// The brokers.
    pub upstreams: Vec<UpstreamStatus>,
    /// The connections that clients share.
    pub connections: Vec<ConnectionStatus>,
    /// Connections of clients' own.
    pub own_connections: usize,
    /// Subscriptions to topics that clients share.
    pub shared_topics: usize,
}

/// A connection that clients share.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ConnectionStatus {
    /// It is there.
    pub up: bool,
    /// Clients that use it.
    pub clients: usize,
    /// Subscriptions at the broker.
    pub subscriptions: usize,
    /// How often it was lost.
    pub losses: u64,
}

/// Tells how a gateway is doing, for as long as its server runs.
#[derive(Clone, Debug)]
pub struct GatewayMonitor(pub(crate) Arc<Gateway>);

impl GatewayMonitor {
    /// How it is doing now.
    pub fn status(&self) -> GatewayStatus {
        self.0.status()
    }
}

/// Who may come in, and by which connection.
pub(crate) struct Admitted {
    pub(crate) principal: Principal,
    seat: Seat,
    identity: Identity,
}

/// What a `CONNECT` says.
pub(crate) struct Introduction {
    host: Option<String>,
    login: Option<String>,
    passcode: Option<String>,
    headers: Vec<(String, String)>,
}

impl Introduction {
    pub(crate) fn new(frame: &FrameRef<'_>, login: Option<&str>, passcode: Option<&str>) -> Self {
        let is_own = |name: &str| {
            matches!(
                name,
                "accept-version"
                    | "host"
                    | "heart-beat"
                    | "login"
                    | "passcode"
                    | "x-dialect"
                    | "receipt"
                    | "content-length"
            )
        };
        Self {
            host: frame.header("host").map(std::borrow::Cow::into_owned),
            login: login.map(Into::into),
            passcode: passcode.map(Into::into),
            headers: frame
                .headers()
                .filter(|(name, _)| !is_own(name))
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
        }
    }
}

impl Gateway {
    pub(crate) fn new(config: GatewayConfig, limits: Limits) -> Result<Self, UpstreamTlsError> {
        let most = config.max_own_connections.min(Semaphore::MAX_PERMITS);
        let mut gateway = Self {
            servers: Servers::new(&config)?,
            pool: Vec::new(),
            topics: Topics::default(),
            own: Arc::new(Semaphore::new(most)),
            next_member: AtomicU64::new(1),
            quarantine: Quarantine::default(),
            run: OnceLock::new(),
            limits: upstream_limits(&limits, config.max_message),
            config,
        };
        if gateway.config.mode != GatewayMode::Passthrough {
            let links = 0..gateway.config.connections.max(1);
            gateway.pool = links
                .map(|_| Arc::new(Link::new(&gateway, false)))
                .collect();
        }
        Ok(gateway)
    }

    /// Starts the connections that clients share.
    pub(crate) fn start(self: &Arc<Self>, shared: &Arc<Shared>) -> JoinSet<()> {
        // It starts once.
        let _ = self.run.set(shared.run.as_str().into());
        let mut tasks = JoinSet::new();
        for link in &self.pool {
            let identity = Identity {
                owner: None,
                host: None,
                login: self.config.login.clone(),
                passcode: self.config.passcode.clone(),
                headers: Vec::new(),
            };
            let (gateway, shared) = (Arc::clone(self), Arc::clone(shared));
            tasks.spawn(link::run(
                gateway,
                Arc::clone(link),
                identity,
                None,
                link::Use::Shared(shared),
            ));
        }
        tasks
    }

    /// How long a client that goes waits for the broker to confirm what it sent.
    pub(crate) fn patience(&self) -> Duration {
        self.config.hold_timeout
    }

    /// Lets the connections go, when what was put on them is sent.
    pub(crate) async fn stop(&self, mut links: JoinSet<()>, within: Duration) {
        let end = Instant::now() + within;
        for link in &self.pool {
            link.close();
        }
        let most = self.config.max_own_connections.min(Semaphore::MAX_PERMITS);
        let sent = async {
            while self
                .pool
                .iter()
                .any(|link| link.is_up.load(Ordering::Relaxed))
            {
                if links.join_next().await.is_none() {
                    break;
                }
            }
            // Those of clients end by themselves.
            let all = u32::try_from(most).unwrap_or(u32::MAX);
            drop(self.own.acquire_many(all).await);
        };
        if time::timeout_at(end.into(), sent).await.is_err() {
            warn!("some connections to brokers did not end in time");
        }
        links.shutdown().await;
    }

    /// Whether a message's id is of the engine's making.
    fn names(&self, message_id: &str) -> bool {
        let rest = self
            .run
            .get()
            .and_then(|run| message_id.strip_prefix(&**run));
        rest.is_some_and(|rest| rest.starts_with('-'))
    }

    pub(crate) fn status(&self) -> GatewayStatus {
        let of = |link: &Arc<Link>| {
            let (clients, subscriptions) = link.counts();
            ConnectionStatus {
                up: link.is_up.load(Ordering::Relaxed),
                clients,
                subscriptions,
                losses: link.losses.load(Ordering::Relaxed),
            }
        };
        let most = self.config.max_own_connections.min(Semaphore::MAX_PERMITS);
        GatewayStatus {
            upstreams: self.servers.health(),
            connections: self.pool.iter().map(of).collect(),
            own_connections: most.saturating_sub(self.own.available_permits()),
            shared_topics: self.topics.len(),
        }
    }

    /// Whether a destination has cost a shared connection, and goes by clients' own since.
    fn is_quarantined(&self, destination: &str) -> bool {
        self.quarantine.has(destination)
    }

    /// What the brokers are.
    pub(crate) fn kind(&self) -> UpstreamKind {
        self.config.kind
    }

    fn host(&self, server: usize) -> &str {
        match (&self.config.host, self.config.kind) {
            (Some(host), _) if host != ANY_HOST => host,
            // It is the virtual host there.
            (_, UpstreamKind::Rabbitmq) => "/",
            (_, _) => self.servers.host(server),
        }
    }

    /// Decides how a client is served, and checks its login here or at a broker.
    pub(crate) async fn admit(
        self: Arc<Self>,
        users: &Users,
        introduction: Introduction,
        outbox: Arc<Outbox>,
        dialect: Dialect,
    ) -> Result<Admitted, Failure> {
        let (login, passcode) = (
            introduction.login.as_deref(),
            introduction.passcode.as_deref(),
        );
        let pooled = match self.config.mode {
            GatewayMode::Passthrough => None,
            _ if users.is_empty() => {
                let is_service = login.is_none()
                    || (login == self.config.login.as_deref()
                        && passcode == self.config.passcode.as_deref());
                (is_service || self.config.mode == GatewayMode::Pooled).then(Principal::anonymous)
            }
            mode => match users.verify(login, passcode).await {
                Some(principal) => Some(principal),
                None if mode == GatewayMode::Auto && login.is_some() => None,
                None => return Err(Failure::login()),
            },
        };
        let Some(principal) = pooled else {
            return self.pass_through(introduction, outbox, dialect).await;
        };
        let mut headers = introduction.headers;
        if let Some(user) = principal.login() {
            // All of them have the gateway's login there, so that one's client-id must not be another's.
            for (name, value) in &mut headers {
                if name == "client-id" {
                    *value = format!("{user}.{value}");
                }
            }
        }
        let member = self.next_member.fetch_add(1, Ordering::Relaxed);
        let turn = usize::try_from(member).unwrap_or_default() % self.pool.len().max(1);
        let link = self.pool.get(turn);
        let link = link.ok_or_else(|| Failure::unavailable("there is no connection", None))?;
        Ok(Admitted {
            seat: Seat::take(Arc::clone(link), member, false, &outbox, dialect),
            identity: Identity {
                owner: principal.login().map(Into::into),
                host: None,
                login: self.config.login.clone(),
                passcode: self.config.passcode.clone(),
                headers,
            },
            principal,
        })
    }

    async fn pass_through(
        self: Arc<Self>,
        introduction: Introduction,
        outbox: Arc<Outbox>,
        dialect: Dialect,
    ) -> Result<Admitted, Failure> {
        let identity = Identity {
            owner: None,
            host: introduction
                .host
                .filter(|_| self.config.host.as_deref() == Some(ANY_HOST)),
            login: introduction.login.clone(),
            passcode: introduction.passcode,
            headers: introduction.headers,
        };
        let (first, answer) = oneshot::channel();
        let seat = Self::open_own(&self, identity.clone(), Some(first), &outbox, dialect)?;
        match answer.await {
            Ok(Ok(_)) => {}
            Ok(Err(failure)) => return Err(failure),
            Err(_) => return Err(Failure::unavailable("the gateway is stopping", None)),
        }
        let none: [String; 0] = [];
        let principal = match introduction.login {
            Some(login) => Principal::new(login, none),
            None => Principal::anonymous(),
        };
        Ok(Admitted {
            principal,
            seat,
            identity,
        })
    }

    /// Makes a connection of a client's own.
    fn open_own(
        this: &Arc<Self>,
        identity: Identity,
        first: Option<link::First>,
        outbox: &Arc<Outbox>,
        dialect: Dialect,
    ) -> Result<Seat, Failure> {
        let permit = Arc::clone(&this.own).try_acquire_owned().map_err(|_| {
            let most = this.config.max_own_connections;
            let why = format!("{most} clients have connections of their own, which is the limit (max_own_connections)");
            Failure::unavailable(&why, None)
        })?;
        let link = Arc::new(Link::new(this, true));
        let member = this.next_member.fetch_add(1, Ordering::Relaxed);
        let seat = Seat::take(Arc::clone(&link), member, true, outbox, dialect);
        tokio::spawn(link::run(
            Arc::clone(this),
            link,
            identity,
            first,
            link::Use::Own(permit),
        ));
        Ok(seat)
    }

    /// The client that was admitted.
    pub(crate) fn client(
        self: Arc<Self>,
        admitted: Admitted,
        outbox: Arc<Outbox>,
        user: &str,
        dialect: Dialect,
    ) -> Client {
        Client::new(
            self,
            outbox,
            user,
            dialect,
            admitted.seat,
            admitted.identity,
        )
    }
}

/// What a broker may send. What a client may send comes back with headers of the broker's own, and
/// longer where its version escapes more.
fn upstream_limits(clients: &Limits, max_message: usize) -> Limits {
    clients
        .clone()
        .with_header_line(clients.header_line.saturating_mul(2))
        .with_headers(clients.headers.saturating_add(64))
        .with_head(clients.head.saturating_mul(2).saturating_add(64 << 10))
        .with_body(clients.body.max(max_message))
}
