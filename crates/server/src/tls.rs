//! TLS below a listener's protocol.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{Error as PemError, PemObject as _},
    },
    server::{NoServerSessionStorage, WebPkiClientVerifier},
};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;
use x509_cert::der::Decode as _;

use crate::config::Protocol;

/// The files of a listener's TLS 1.2 and 1.3, all in PEM. They are read when the server is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate, followed by those between it and the root.
    pub cert: PathBuf,
    /// The certificate's private key, not encrypted: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
    /// Roots that clients must have a certificate of; none: clients need no certificate.
    pub client_ca: Option<PathBuf>,
}

/// Files that TLS can't be had from.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file can't be read.
    #[error("can't read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file does not have what it should.
    #[error("there is no {what} in PEM format in {}", path.display())]
    Missing {
        /// What should be there.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The private key is encrypted.
    #[error("the private key in {} is encrypted; `openssl pkey -in KEY -out PLAIN` decrypts it", path.display())]
    Encrypted {
        /// The file.
        path: PathBuf,
    },
    /// A file is damaged.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No client would accept the certificate now.
    #[error("the certificate in {} is valid from {from} until {until}, which is not now", path.display())]
    NotValid {
        /// The file.
        path: PathBuf,
        /// The first moment, in RFC 3339.
        from: String,
        /// The last moment, in RFC 3339.
        until: String,
    },
    /// The key is another certificate's.
    #[error("the private key in {} is not that of the certificate in {}", key.display(), cert.display())]
    Mismatch {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        cert: PathBuf,
    },
}

impl Tls {
    /// Reads and checks the files, as the server does when it is bound.
    ///
    /// # Errors
    ///
    /// See [`TlsError`].
    pub fn check(&self) -> Result<(), TlsError> {
        self.acceptor(Protocol::Stomp).map(drop)
    }

    pub(crate) fn acceptor(&self, protocol: Protocol) -> Result<TlsAcceptor, TlsError> {
        let chain = certificates(&self.cert)?;
        check_validity(&self.cert, &chain)?;
        let key = private_key(&self.key)?;
        let malformed = |path: &Path, error: &dyn ToString| TlsError::Malformed {
            path: path.into(),
            reason: error.to_string(),
        };
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| malformed(&self.cert, &error))?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for root in certificates(path)? {
                    roots.add(root).map_err(|error| malformed(path, &error))?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .build()
                        .map_err(|error| malformed(path, &error))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => TlsError::Mismatch {
                    key: self.key.clone(),
                    cert: self.cert.clone(),
                },
                error => malformed(&self.key, &error),
            })?;
        // Sessions are resumed by tickets that the clients keep, so that none costs memory here.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = ring::Ticketer::new().map_err(|error| malformed(&self.cert, &error))?;
        config.send_tls13_tickets = 1;
        if protocol.has(Protocol::Http) {
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
        }
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read {
        path: path.into(),
        source,
    })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read(path)?;
    let found: Result<Vec<_>, PemError> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|error| TlsError::Malformed {
        path: path.into(),
        reason: error.to_string(),
    })?;
    if found.is_empty() {
        return Err(TlsError::Missing {
            what: "certificate",
            path: path.into(),
        });
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let pem = read(path)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| {
        let path = path.into();
        let encrypted = [
            &b"BEGIN ENCRYPTED PRIVATE KEY"[..],
            b"Proc-Type: 4,ENCRYPTED",
        ];
        if encrypted
            .iter()
            .any(|mark| pem.windows(mark.len()).any(|part| part == *mark))
        {
            return TlsError::Encrypted { path };
        }
        match error {
            PemError::NoItemsFound => TlsError::Missing {
                what: "private key",
                path,
            },
            error => TlsError::Malformed {
                path,
                reason: error.to_string(),
            },
        }
    })
}

/// Checks the first certificate's dates, which rustls leaves to the clients.
fn check_validity(path: &Path, chain: &[CertificateDer<'_>]) -> Result<(), TlsError> {
    let Some(leaf) = chain.first() else {
        return Ok(());
    };
    let leaf = x509_cert::Certificate::from_der(leaf).map_err(|error| TlsError::Malformed {
        path: path.into(),
        reason: format!("the certificate can't be read: {error}"),
    })?;
    let validity = leaf.tbs_certificate.validity;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let (from, until) = (validity.not_before, validity.not_after);
    if from.to_unix_duration() <= now && now <= until.to_unix_duration() {
        return Ok(());
    }
    Err(TlsError::NotValid {
        path: path.into(),
        from: from.to_date_time().to_string(),
        until: until.to_date_time().to_string(),
    })
}
