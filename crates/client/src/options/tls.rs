use std::{fmt, fs, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};

use crate::{ConnectError, error::BoxError};

/// Whom to trust within TLS, and who to be. TLS 1.2 and 1.3, by rustls.
#[derive(Clone, Default)]
pub struct TlsOptions {
    roots: Vec<Vec<u8>>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
    pub(crate) server_name: Option<String>,
    config: Option<Arc<ClientConfig>>,
    unread: Option<String>,
}

/// Leaves out the key.
impl fmt::Debug for TlsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsOptions")
            .field("roots", &self.roots.len())
            .field("has_identity", &self.identity.is_some())
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

impl TlsOptions {
    /// Trusts the system's roots.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts the certificates of this PEM, and the system's roots no more. May be called again.
    #[must_use]
    pub fn roots_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots.push(pem.into());
        self
    }

    /// As [`roots_pem`](Self::roots_pem), from a file. That it can't be read is told by connecting.
    #[must_use]
    pub fn roots_file(mut self, path: impl AsRef<Path>) -> Self {
        let pem = self.read(path.as_ref());
        self.roots.extend(pem);
        self
    }

    /// Shows this certificate, with its chain, and proves it by this key; both PEM.
    #[must_use]
    pub fn identity_pem(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.identity = Some((chain.into(), key.into()));
        self
    }

    /// As [`identity_pem`](Self::identity_pem), from files.
    #[must_use]
    pub fn identity_files(mut self, chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Self {
        let (chain, key) = (self.read(chain.as_ref()), self.read(key.as_ref()));
        self.identity = chain.zip(key);
        self
    }

    /// The name that the certificate must have, and that is told to the server (SNI). Default: the
    /// URL's host.
    #[must_use]
    pub fn server_name(mut self, name: &str) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// rustls's own configuration, in place of all of the above but the name.
    #[must_use]
    pub fn config(mut self, config: Arc<ClientConfig>) -> Self {
        self.config = Some(config);
        self
    }

    fn read(&mut self, path: &Path) -> Option<Vec<u8>> {
        match fs::read(path) {
            Ok(pem) => Some(pem),
            Err(error) => {
                let problem = format!("can't read {}: {error}", path.display());
                self.unread.get_or_insert(problem);
                None
            }
        }
    }

    /// The name of a server at `host`.
    pub(crate) fn name(&self, host: &str) -> Result<ServerName<'static>, BoxError> {
        let name = self.server_name.as_deref().unwrap_or(host);
        Ok(ServerName::try_from(name.to_owned())?)
    }

    pub(crate) fn build(&self) -> Result<Arc<ClientConfig>, ConnectError> {
        if let Some(config) = &self.config {
            return Ok(Arc::clone(config));
        }
        let wrong = |problem: String| ConnectError::Option {
            option: "tls",
            problem,
        };
        if let Some(problem) = &self.unread {
            return Err(wrong(problem.clone()));
        }
        let mut roots = RootCertStore::empty();
        for pem in &self.roots {
            let before = roots.len();
            for root in CertificateDer::pem_slice_iter(pem) {
                let root = root.map_err(|e| wrong(format!("has a root that is no PEM: {e}")))?;
                roots
                    .add(root)
                    .map_err(|e| wrong(format!("has a root that can't be used: {e}")))?;
            }
            if roots.len() == before {
                return Err(wrong("has roots without a certificate".into()));
            }
        }
        if self.roots.is_empty() {
            let system = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(system.certs);
            if roots.is_empty() {
                let why = system.errors.first().map(ToString::to_string);
                let why = why.unwrap_or_else(|| "there are none".into());
                return Err(wrong(format!("finds none of the system's roots: {why}")));
            }
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(error.to_string()))?
            .with_root_certificates(roots);
        let config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
                let chain = chain.map_err(|e| wrong(format!("has no certificate: {e}")))?;
                let key = PrivateKeyDer::from_pem_slice(key)
                    .map_err(|e| wrong(format!("has no private key: {e}")))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|e| wrong(format!("has an identity that can't be used: {e}")))?
            }
        };
        Ok(Arc::new(config))
    }
}
