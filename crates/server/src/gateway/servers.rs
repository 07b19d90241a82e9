//! The brokers: which is tried next, and the sockets to them.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use password_hash::rand_core::{OsRng, RngCore as _};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::Notify,
    time,
};
use tokio_rustls::TlsConnector;

use super::{
    config::{GatewayConfig, Upstream},
    socket::Socket,
};

/// A connection's bytes.
pub(super) trait Io: AsyncRead + AsyncWrite + Unpin + Send {
    /// Nothing is read for a moment: until a read finds nothing, nobody is woken for what comes.
    ///
    /// # Errors
    ///
    /// The socket can't be used any more.
    fn doze(&mut self) -> io::Result<()>;
}

/// Failures in a row from which on a broker is left alone for a while.
const FAILURES: u32 = 3;

/// The longest that it is left alone. Clients are to be served again soon after it is back.
const LONGEST: Duration = Duration::from_secs(3);

/// Certificates that brokers' can't be checked against.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UpstreamTlsError {
    /// The file can't be read, or has none.
    #[error("the file of certificates {path} can't be used: {problem}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The system has none.
    #[error(
        "the system has no certificates that brokers' could be checked against: name a file by upstream_ca"
    )]
    None,
}

/// All brokers of a gateway.
pub(super) struct Servers {
    list: Vec<Server>,
    next: AtomicUsize,
    tls: Option<TlsConnector>,
    /// One that had failed works again.
    back: Notify,
}

struct Server {
    upstream: Upstream,
    health: Mutex<Health>,
}

#[derive(Default)]
struct Health {
    failures: u32,
    /// Nobody tries it until then.
    open_until: Option<Instant>,
    last_error: Option<String>,
}

/// How a broker is doing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UpstreamStatus {
    /// Which one.
    pub upstream: String,
    /// It was there when it was last tried.
    pub up: bool,
    /// Why it was not.
    pub last_error: Option<String>,
}

impl Servers {
    pub(super) fn new(config: &GatewayConfig) -> Result<Self, UpstreamTlsError> {
        let tls = config.upstreams.iter().any(|upstream| upstream.tls);
        let start = usize::try_from(OsRng.next_u32()).unwrap_or_default();
        Ok(Self {
            tls: tls.then(|| connector(config)).transpose()?,
            back: Notify::new(),
            // So that nodes which start together don't all go to the first.
            next: AtomicUsize::new(start % config.upstreams.len().max(1)),
            list: config
                .upstreams
                .iter()
                .map(|upstream| Server {
                    upstream: upstream.clone(),
                    health: Mutex::default(),
                })
                .collect(),
        })
    }

    pub(super) fn health(&self) -> Vec<UpstreamStatus> {
        let of = |server: &Server| {
            let health = lock(&server.health);
            UpstreamStatus {
                upstream: server.upstream.to_string(),
                up: health.failures == 0,
                last_error: health.last_error.clone(),
            }
        };
        self.list.iter().map(of).collect()
    }

    /// The numbers of all brokers, in the order in which they are to be tried now.
    pub(super) fn turn(&self) -> impl Iterator<Item = usize> + use<> {
        let (start, count) = (self.next.fetch_add(1, Ordering::Relaxed), self.list.len());
        (0..count).map(move |step| (start % count + step) % count)
    }

    /// Whether a broker is to be tried; otherwise, why it is left alone. A try that has not ended
    /// `within` that time is given up.
    pub(super) fn may_try(&self, at: usize, within: Duration) -> Result<(), String> {
        let Some(server) = self.list.get(at) else {
            return Err("there is none".to_owned());
        };
        let mut health = lock(&server.health);
        match health.open_until {
            Some(until) if until > Instant::now() => {
                let last = health.last_error.clone();
                Err(last.unwrap_or_else(|| "it is left alone".to_owned()))
            }
            Some(_) => {
                // One tries; if that fails too, the time begins anew.
                health.open_until = Some(Instant::now() + within);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Opens a connection to a broker.
    pub(super) async fn dial(&self, at: usize) -> io::Result<Box<dyn Io>> {
        match self.list.get(at) {
            Some(server) => self.open(&server.upstream).await,
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// The broker has said that the connection is one.
    pub(super) fn works(&self, at: usize) {
        if let Some(server) = self.list.get(at) {
            let before = std::mem::take(&mut *lock(&server.health));
            if before.failures > 0 {
                self.back.notify_waiters();
            }
        }
    }

    /// Waits about that long before the next attempt, or until a broker is found to be back. Then all who
    /// wait come, each at some time `within` that.
    pub(super) async fn wait(&self, wait: Duration, within: Duration) {
        let back = self.back.notified();
        if time::timeout(jittered(wait), back).await.is_ok() {
            time::sleep(within.mul_f64(random())).await;
        }
    }

    /// The broker could not be reached, or took no login.
    pub(super) fn failed(&self, at: usize, error: &str) {
        if let Some(server) = self.list.get(at) {
            let mut health = lock(&server.health);
            health.failures = health.failures.saturating_add(1);
            health.last_error = Some(error.to_owned());
            if health.failures >= FAILURES {
                let exponent = (health.failures - FAILURES).min(2);
                let wait = (Duration::from_secs(1) * 2u32.pow(exponent)).min(LONGEST);
                health.open_until = Some(Instant::now() + jittered(wait));
            }
        }
    }

    /// The name by which a broker is known.
    pub(super) fn name(&self, at: usize) -> String {
        let server = self.list.get(at);
        server.map_or_else(String::new, |server| server.upstream.to_string())
    }

    pub(super) fn host(&self, at: usize) -> &str {
        self.list.get(at).map_or("", |server| &server.upstream.host)
    }

    async fn open(&self, upstream: &Upstream) -> io::Result<Box<dyn Io>> {
        let stream = TcpStream::connect((upstream.host.as_str(), upstream.port)).await?;
        // Frames are written as many as there are; waiting for more of them only delays.
        stream.set_nodelay(true)?;
        let stream = Socket::new(stream);
        if !upstream.tls {
            return Ok(Box::new(stream));
        }
        let tls = self.tls.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        let name = ServerName::try_from(upstream.host.clone()).map_err(io::Error::other)?;
        Ok(Box::new(tls.connect(name, stream).await?))
    }
}

fn connector(config: &GatewayConfig) -> Result<TlsConnector, UpstreamTlsError> {
    let mut roots = RootCertStore::empty();
    match &config.ca {
        Some(path) => {
            let failed = |problem: String| UpstreamTlsError::File {
                path: path.display().to_string(),
                problem,
            };
            let certificates = CertificateDer::pem_file_iter(path)
                .map_err(|error| failed(error.to_string()))?
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| failed(error.to_string()))?;
            for certificate in certificates {
                roots
                    .add(certificate)
                    .map_err(|error| failed(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(failed("it has no certificate".to_owned()));
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                return Err(UpstreamTlsError::None);
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| UpstreamTlsError::None)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Between half of a time and all of it, so that not all come back at once.
pub(super) fn jittered(wait: Duration) -> Duration {
    wait / 2 + wait.mul_f64(random() / 2.0)
}

/// From 0 to 1.
fn random() -> f64 {
    f64::from(OsRng.next_u32()) / f64::from(u32::MAX)
}

fn lock(health: &Mutex<Health>) -> std::sync::MutexGuard<'_, Health> {
    health.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_is_never_left_alone_for_long() {
        let servers = Servers::new(&GatewayConfig::new(["a:1".parse().unwrap()])).unwrap();
        for _ in 0..1000 {
            servers.failed(0, "it is not there");
        }
        assert_eq!(
            servers.may_try(0, Duration::ZERO),
            Err("it is not there".to_owned())
        );
        let until = lock(&servers.list[0].health).open_until.unwrap();
        assert!(until <= Instant::now() + LONGEST);
    }

    #[tokio::test]
    async fn whoever_waits_hears_that_a_broker_is_back() {
        let servers = Servers::new(&GatewayConfig::new(["a:1".parse().unwrap()])).unwrap();
        servers.failed(0, "it is not there");
        let both = async {
            tokio::join!(
                servers.wait(Duration::from_secs(3600), Duration::ZERO),
                async {
                    time::sleep(Duration::from_millis(1)).await;
                    servers.works(0);
                }
            )
        };
        let limit = Duration::from_secs(20);
        time::timeout(limit, both).await.expect("an end of waiting");
    }
}
