use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use stompbox::transport;
use thiserror::Error;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time,
};
use tracing::{info, warn};

use crate::{
    Config,
    connection::{self, Shared},
    http,
    hub::Hub,
};

/// A server that can't start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// An address beyond loopback was asked for, and not permitted.
    #[error("{address} can be reached from other machines; --allow-remote permits that")]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// An address can't be listened on.
    #[error("can't listen on {address} for {what}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
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
    stomp: Vec<TcpListener>,
    http: Vec<TcpListener>,
}

/// What a listener's connections speak.
#[derive(Clone, Copy)]
enum Protocol {
    Stomp,
    Http,
}

impl Server {
    /// Binds the configured addresses. Port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// See [`ServeError`].
    pub async fn bind(config: Config) -> Result<Self, ServeError> {
        let all = config.stomp.iter().chain(&config.http);
        if let Some(address) = all
            .copied()
            .find(|a| !config.allow_remote && !a.ip().is_loopback())
        {
            return Err(ServeError::NotLoopback { address });
        }
        let stomp = bind(&config.stomp, "--stomp").await?;
        let http = bind(&config.http, "--http").await?;
        Ok(Self {
            config,
            stomp,
            http,
        })
    }

    /// The addresses of STOMP over TCP, with the ports that port 0 became.
    pub fn stomp_addrs(&self) -> Vec<SocketAddr> {
        self.stomp
            .iter()
            .filter_map(|listener| listener.local_addr().ok())
            .collect()
    }

    /// The addresses of HTTP and WebSocket, with the ports that port 0 became.
    pub fn http_addrs(&self) -> Vec<SocketAddr> {
        self.http
            .iter()
            .filter_map(|listener| listener.local_addr().ok())
            .collect()
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
        let shared = Arc::new(Shared {
            hub: Hub::new(self.config.broker.clone()),
            config: self.config,
            epoch: Instant::now(),
            run: format!("{:x}", started.as_millis()),
            stopping,
        });
        let mut listeners = JoinSet::new();
        for (protocol, sockets) in [(Protocol::Stomp, self.stomp), (Protocol::Http, self.http)] {
            for socket in sockets {
                let (shared, connections) = (Arc::clone(&shared), Arc::clone(&connections));
                listeners.spawn(listen(shared, socket, protocol, connections));
            }
        }
        shutdown.await;
        info!("stopping");
        // No receiver is left if nobody is connected.
        let _ = stop.send(true);
        listeners.shutdown().await;
        let all = u32::try_from(most).unwrap_or(u32::MAX);
        if time::timeout(drain_timeout, connections.acquire_many(all))
            .await
            .is_err()
        {
            warn!("some connections did not end in time");
        }
    }
}

async fn bind(
    addresses: &[SocketAddr],
    what: &'static str,
) -> Result<Vec<TcpListener>, ServeError> {
    let mut listeners = Vec::with_capacity(addresses.len());
    for &address in addresses {
        let listener = TcpListener::bind(address).await;
        listeners.push(listener.map_err(|source| ServeError::Bind {
            address,
            what,
            source,
        })?);
    }
    Ok(listeners)
}

async fn listen(
    shared: Arc<Shared>,
    listener: TcpListener,
    protocol: Protocol,
    connections: Arc<Semaphore>,
) {
    loop {
        // Before accepting: beyond the limit clients wait in the system's queue.
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                // Frames are written whole; waiting for more of them only delays.
                let _ = stream.set_nodelay(true);
                tokio::spawn(serve(Arc::clone(&shared), stream, protocol, permit));
            }
            Err(error) => {
                // Most likely out of file descriptors: give connections time to end.
                warn!(%error, "can't accept a connection");
                time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(
    shared: Arc<Shared>,
    stream: TcpStream,
    protocol: Protocol,
    permit: OwnedSemaphorePermit,
) {
    match protocol {
        Protocol::Stomp => {
            let (reader, writer) = transport::tcp(stream);
            connection::serve(shared, reader, writer, None).await;
            drop(permit);
        }
        Protocol::Http => http::serve(shared, stream, permit).await,
    }
}
