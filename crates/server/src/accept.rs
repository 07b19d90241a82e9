//! Accepting connections, and what comes before their protocol: the PROXY header, TLS, and which
//! protocol it is.

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::{OwnedSemaphorePermit, Semaphore},
    time,
};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use crate::{
    Protocol, TrustedProxy,
    address::SocketFile,
    connection::{self, Shared},
    http,
    peer::{Remote, Transport, Via},
    proxy,
    sniff::{self, Rewound},
};

/// A socket that listens.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) socket: Socket,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
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

trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

/// Who has connected.
struct Guest {
    shared: Arc<Shared>,
    remote: Remote,
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
            let guest = |remote| {
                let welcome =
                    kind.proxies.is_empty() || kind.proxies.iter().any(|it| it.has(remote));
                if !welcome {
                    refuse(remote, &warned);
                }
                let shared = Arc::clone(&shared);
                welcome.then_some(Guest {
                    shared,
                    remote,
                    permit,
                })
            };
            let accepted = match &self.socket {
                Socket::Tcp(socket) => socket.accept().await.map(|(stream, remote)| {
                    // Frames are written whole; waiting for more of them only delays.
                    let _ = stream.set_nodelay(true);
                    if let Some(guest) = guest(Remote::At(remote)) {
                        guest.serve(stream, &kind);
                    }
                }),
                Socket::Unix(socket, _) => socket.accept().await.map(|(stream, _)| {
                    if let Some(guest) = guest(Remote::Unix) {
                        guest.serve(stream, &kind);
                    }
                }),
            };
            if let Err(error) = accepted {
                // Most likely out of file descriptors: give connections time to end.
                warn!(%error, "can't accept a connection");
                time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Tells of a connection that is dropped; the first time so that somebody sees it.
fn refuse(remote: Remote, warned: &AtomicBool) {
    const WHY: &str = "refused: this listener is for the addresses of proxy_protocol";
    match warned.swap(true, Ordering::Relaxed) {
        false => warn!(%remote, "{WHY}; later ones are logged as debug"),
        true => debug!(%remote, "{WHY}"),
    }
}

impl Guest {
    /// Serves in a task of its own, which is as large as that kind of connection needs.
    fn serve<S: Stream>(self, stream: S, kind: &Arc<Kind>) {
        let plain = kind.tls.is_none() && kind.proxies.is_empty();
        match kind.protocol {
            Protocol::Stomp if plain => self.speak_stomp(stream, false, Vec::new()),
            Protocol::Http if plain => self.speak_http(stream, false),
            _ => drop(tokio::spawn(self.receive(stream, Arc::clone(kind)))),
        }
    }

    /// Serves once all is there that comes before the protocol.
    async fn receive<S: Stream>(mut self, mut stream: S, kind: Arc<Kind>) {
        if !kind.proxies.is_empty() {
            let header = self.wait("PROXY header", proxy::read(&mut stream));
            let Some(client) = header.await else {
                return;
            };
            self.remote = client.map_or(self.remote, Remote::At);
        }
        let Some(tls) = &kind.tls else {
            return self.speak(stream, kind.protocol, false).await;
        };
        if let Some(stream) = self.wait("TLS hand-shake", tls.accept(stream)).await {
            self.speak(stream, kind.protocol, true).await;
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

    /// Has that spoken, in a task of its own.
    async fn speak<S: Stream>(self, mut stream: S, protocol: Protocol, secure: bool) {
        match protocol {
            Protocol::Stomp => self.speak_stomp(stream, secure, Vec::new()),
            Protocol::Http => self.speak_http(stream, secure),
            Protocol::Both => match self.wait("first bytes", sniff::read(&mut stream)).await {
                Some((true, first)) => self.speak_http(Rewound::new(first, stream), secure),
                Some((false, first)) => self.speak_stomp(stream, secure, first),
                None => {}
            },
        }
    }

    fn speak_http<S: Stream>(self, stream: S, secure: bool) {
        let served = http::serve(self.shared, stream, secure, self.remote, self.permit);
        drop(tokio::spawn(served));
    }

    fn speak_stomp<S: Stream>(self, stream: S, secure: bool, first: Vec<u8>) {
        let via = Via {
            transport: match secure {
                true => Transport::Tls,
                false => Transport::Tcp,
            },
            secure,
            remote: Some(self.remote),
            ..Via::default()
        };
        let (shared, permit) = (self.shared, self.permit);
        drop(tokio::spawn(async move {
            connection::serve(shared, stream, via, None, first).await;
            drop(permit);
        }));
    }
}
