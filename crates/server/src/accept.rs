//! Accepting connections, and what comes before their protocol: the PROXY header, then TLS.

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time,
};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use crate::{
    Protocol, TrustedProxy,
    connection::{self, Shared},
    http,
    peer::{Transport, Via},
    proxy,
};

/// A socket that listens.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) socket: TcpListener,
    pub(crate) kind: Kind,
}

/// What its connections are served with.
pub(crate) struct Kind {
    pub(crate) protocol: Protocol,
    pub(crate) tls: Option<TlsAcceptor>,
    /// Who has to send a PROXY header. Empty: nobody; otherwise nobody else may connect.
    pub(crate) proxies: Vec<TrustedProxy>,
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, TLS: {}", self.protocol, self.tls.is_some())
    }
}

/// Who has connected.
struct Guest {
    shared: Arc<Shared>,
    remote: SocketAddr,
    permit: OwnedSemaphorePermit,
}

impl Listener {
    /// Accepts until it is dropped; the connections go on.
    pub(crate) async fn run(self, shared: Arc<Shared>, connections: Arc<Semaphore>) {
        let kind = Arc::new(self.kind);
        let warned = AtomicBool::new(false);
        loop {
            // Before accepting: beyond the limit clients wait in the system's queue.
            let Ok(permit) = Arc::clone(&connections).acquire_owned().await else {
                return;
            };
            let (stream, remote) = match self.socket.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Most likely out of file descriptors: give connections time to end.
                    warn!(%error, "can't accept a connection");
                    time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            if !kind.welcomes(remote) {
                refuse(remote, &warned);
                continue;
            }
            // Frames are written whole; waiting for more of them only delays.
            let _ = stream.set_nodelay(true);
            let shared = Arc::clone(&shared);
            let guest = Guest {
                shared,
                remote,
                permit,
            };
            guest.serve(stream, &kind);
        }
    }
}

impl Kind {
    /// Whether somebody with that address may connect.
    fn welcomes(&self, remote: SocketAddr) -> bool {
        self.proxies.is_empty() || self.proxies.iter().any(|proxy| proxy.has(remote.ip()))
    }
}

/// Tells of a connection that is dropped; the first time so that somebody sees it.
fn refuse(remote: SocketAddr, warned: &AtomicBool) {
    const WHY: &str = "refused: this listener is for the addresses of proxy_protocol";
    match warned.swap(true, Ordering::Relaxed) {
        false => warn!(%remote, "{WHY}; later ones are logged as debug"),
        true => debug!(%remote, "{WHY}"),
    }
}

impl Guest {
    /// Serves in a task of its own, which is as large as that kind of connection needs.
    fn serve(self, stream: TcpStream, kind: &Arc<Kind>) {
        match kind.tls.is_none() && kind.proxies.is_empty() {
            true => self.speak(stream, kind.protocol, false),
            false => drop(tokio::spawn(self.receive(stream, Arc::clone(kind)))),
        }
    }

    /// Serves once all is there that comes before the protocol.
    async fn receive(mut self, mut stream: TcpStream, kind: Arc<Kind>) {
        if !kind.proxies.is_empty() {
            let header = self.wait("PROXY header", proxy::read(&mut stream));
            let Some(client) = header.await else {
                return;
            };
            self.remote = client.unwrap_or(self.remote);
        }
        let Some(tls) = &kind.tls else {
            return self.speak(stream, kind.protocol, false);
        };
        if let Some(stream) = self.wait("TLS hand-shake", tls.accept(stream)).await {
            self.speak(stream, kind.protocol, true);
        }
    }

    /// Waits for what a client has to do in time, and before the server stops.
    async fn wait<T>(&self, what: &str, done: impl Future<Output = io::Result<T>>) -> Option<T> {
        let remote = self.remote;
        let mut stopping = self.shared.stopping.clone();
        let limit = self.shared.config.connect_timeout;
        let done = tokio::select! {
            done = time::timeout(limit, done) => done,
            () = connection::stopped(&mut stopping) => return None,
        };
        match done {
            Ok(Ok(done)) => return Some(done),
            Ok(Err(error)) => debug!(%remote, %error, "{what} failed"),
            Err(_) => debug!(%remote, "no {what} in time"),
        }
        None
    }

    fn speak<S>(self, stream: S, protocol: Protocol, secure: bool)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        match protocol {
            Protocol::Stomp => drop(tokio::spawn(self.serve_stomp(stream, secure))),
            Protocol::Http => {
                let served = http::serve(self.shared, stream, secure, self.remote, self.permit);
                drop(tokio::spawn(served));
            }
        }
    }

    async fn serve_stomp<S>(self, stream: S, secure: bool)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let via = Via {
            transport: match secure {
                true => Transport::Tls,
                false => Transport::Tcp,
            },
            remote: Some(self.remote),
            agent: None,
        };
        connection::serve(self.shared, stream, via, None, Vec::new()).await;
        drop(self.permit);
    }
}
