//! The listener of those who look after the server: health, metrics, and an API of JSON over HTTP.
//! What it says and takes is in `docs/admin.md`.
//!
//! What a request asks of the broker is done in turns that are short, so that messages flow
//! meanwhile; see [`inspect`](crate::hub::Hub::inspect).

mod answer;
mod connections;
mod destinations;
mod durable;
mod feed;
mod gate;
mod health;
mod messages;
mod metrics;
mod overview;
mod patient;
mod request;
mod route;

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use gate::Throttle;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use patient::Patient;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time,
};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use crate::{Admin, Config, Protocol, ServeError, connection::Shared, peer::Remote, proxy};

/// How long a client may take to send the head of a request, and then its body, and how long it may
/// take nothing of an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Most who follow events at a time; the other connections are left for everybody else.
const MOST_FOLLOWERS: usize = 16;

/// The listening socket.
pub(crate) struct Listener {
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
    admin: Admin,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener")
            .field("admin", &self.admin)
            .finish_non_exhaustive()
    }
}

/// What all requests share.
struct State {
    shared: Arc<Shared>,
    admin: Admin,
    throttle: Throttle,
    followers: Arc<Semaphore>,
}

impl Listener {
    /// Binds the configured address.
    pub(crate) async fn bind(admin: &Admin, config: &Config) -> Result<Self, ServeError> {
        let address = admin.bind;
        let tls = admin.tls.as_ref().map(|tls| tls.acceptor(Protocol::Http));
        let tls = tls.transpose().map_err(|source| ServeError::Tls {
            address: address.into(),
            source,
        })?;
        if tls.is_none() && !address.ip().is_loopback() && !config.users.is_empty() {
            warn!(%address, "passcodes cross the network in plain text: the admin listener has no TLS");
        }
        let socket = TcpListener::bind(address).await;
        let socket = socket.map_err(|source| ServeError::Bind {
            address: address.into(),
            what: "--admin",
            source,
        })?;
        Ok(Self {
            socket,
            tls,
            admin: admin.clone(),
        })
    }

    pub(crate) fn addr(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()
    }

    /// Serves until it is dropped, and ends all its connections then.
    pub(crate) async fn run(self, shared: Arc<Shared>) {
        let permits = Arc::new(Semaphore::new(self.admin.max_connections.max(1)));
        let state = Arc::new(State {
            shared,
            admin: self.admin,
            throttle: Throttle::default(),
            followers: Arc::new(Semaphore::new(MOST_FOLLOWERS)),
        });
        let mut connections = JoinSet::new();
        loop {
            // Before accepting: beyond the limit clients wait in the system's queue.
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
                return;
            };
            while connections.try_join_next().is_some() {}
            match self.socket.accept().await {
                Ok((stream, remote)) => {
                    let _ = stream.set_nodelay(true);
                    let (state, tls) = (Arc::clone(&state), self.tls.clone());
                    connections.spawn(async move {
                        serve(state, stream, tls, remote).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    warn!(%error, "can't accept a connection");
                    time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

async fn serve(
    state: Arc<State>,
    mut stream: TcpStream,
    tls: Option<TlsAcceptor>,
    mut remote: SocketAddr,
) {
    let proxies = &state.admin.proxy_protocol;
    if !proxies.is_empty() {
        if !proxies.iter().any(|it| it.has(Remote::At(remote))) {
            return debug!(%remote, "refused: it is not of the addresses of admin.proxy_protocol");
        }
        match time::timeout(PATIENCE, proxy::read(&mut stream)).await {
            Ok(Ok(client)) => remote = client.unwrap_or(remote),
            Ok(Err(error)) => return debug!(%remote, %error, "PROXY header failed"),
            Err(_) => return debug!(%remote, "no PROXY header in time"),
        }
    }
    let Some(tls) = tls else {
        return speak(state, Patient::new(stream, PATIENCE), false, remote).await;
    };
    match time::timeout(PATIENCE, tls.accept(stream)).await {
        Ok(Ok(stream)) => speak(state, Patient::new(stream, PATIENCE), true, remote).await,
        Ok(Err(error)) => debug!(%error, "TLS hand-shake failed"),
        Err(_) => debug!("no TLS hand-shake in time"),
    }
}

async fn speak(
    state: Arc<State>,
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    secure: bool,
    remote: SocketAddr,
) {
    let service = service_fn(move |request| {
        let state = Arc::clone(&state);
        async move {
            let from = gate::From { secure, remote };
            Ok::<_, Infallible>(route::respond(&state, from, request).await)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        debug!(%error, "admin connection failed");
    }
}
