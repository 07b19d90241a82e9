//! Certificates, and clients over each of the four transports.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::{SinkExt as _, StreamExt as _};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use stompbox_server::Tls;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_websockets::{ClientBuilder, Message, WebSocketStream};

use crate::common::{LIMIT, TestServer};

/// A root of its own, and its files in a folder that is removed in the end.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("stompbox-tls-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        fs::write(folder.join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A certificate for `localhost` that is valid until the end of the given year.
    pub(crate) fn issue(&self, name: &str, until: i32) -> Tls {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 12, 31);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        let tls = Tls {
            cert: self.path(&format!("{name}.pem")),
            key: self.path(&format!("{name}.key")),
            client_ca: None,
        };
        fs::write(&tls.cert, cert.pem()).unwrap();
        fs::write(&tls.key, key.serialize_pem()).unwrap();
        tls
    }

    /// A client's TLS that trusts this root, with a certificate or without.
    pub(crate) fn connector(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        own: Option<&Tls>,
    ) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match own {
            None => builder.with_no_client_auth(),
            Some(own) => builder
                .with_client_auth_cert(certificates(&own.cert), key(&own.key))
                .unwrap(),
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        TlsConnector::from(Arc::new(config))
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn certificates(path: &Path) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(path)
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

fn key(path: &Path) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_file(path).unwrap()
}

pub(crate) async fn handshake(
    connector: &TlsConnector,
    address: SocketAddr,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    timeout(LIMIT, connector.connect(name, stream))
        .await
        .expect("a hand-shake")
}

pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

/// A client over one of the transports.
pub(crate) enum Peer {
    Stream(Box<dyn Duplex>, Vec<u8>),
    Socket(Box<WebSocketStream<Box<dyn Duplex>>>),
}

/// TCP, TLS, WS and WSS.
pub(crate) const TRANSPORTS: usize = 4;

impl Peer {
    /// Connects over a transport, by its number.
    pub(crate) async fn connect(
        server: &TestServer,
        connector: &TlsConnector,
        transport: usize,
    ) -> Self {
        let stream: Box<dyn Duplex> = match transport {
            0 => Box::new(TcpStream::connect(server.stomp).await.unwrap()),
            1 => Box::new(handshake(connector, server.stomp_tls[0]).await.unwrap()),
            2 => Box::new(TcpStream::connect(server.http).await.unwrap()),
            _ => Box::new(handshake(connector, server.https[0]).await.unwrap()),
        };
        if transport < 2 {
            return Self::Stream(stream, Vec::new());
        }
        let builder = ClientBuilder::from_uri("ws://localhost/stomp".parse().unwrap());
        Self::Socket(Box::new(builder.connect_on(stream).await.unwrap().0))
    }

    pub(crate) async fn send(&mut self, frame: &str) {
        match self {
            Self::Stream(stream, _) => {
                stream.write_all(frame.as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
            }
            Self::Socket(socket) => {
                let message = Message::text(frame.to_owned());
                socket.send(message).await.unwrap();
            }
        }
    }

    /// The next frame without its NUL; none: the server has closed.
    pub(crate) async fn frame(&mut self) -> Option<String> {
        let next = async {
            match self {
                Self::Stream(stream, buffer) => loop {
                    if let Some(end) = buffer.iter().position(|octet| *octet == 0) {
                        let frame: Vec<u8> = buffer.drain(..=end).collect();
                        return Some(frame);
                    }
                    // A TLS stream that ends without close_notify is an error here.
                    if stream.read_buf(buffer).await.expect("an orderly end") == 0 {
                        return None;
                    }
                },
                Self::Socket(socket) => {
                    let message = socket.next().await?.unwrap();
                    let is_close = message.is_close();
                    (!is_close).then(|| message.as_payload().to_vec())
                }
            }
        };
        let frame = timeout(LIMIT, next).await.expect("an answer")?;
        let frame = String::from_utf8(frame).unwrap();
        Some(frame.trim_start_matches('\n').trim_end_matches('\0').into())
    }

    pub(crate) async fn login(&mut self, login: &str, passcode: &str) -> String {
        self.send(&format!(
            "CONNECT\naccept-version:1.2\nhost:x\nlogin:{login}\npasscode:{passcode}\n\n\0"
        ))
        .await;
        self.frame().await.expect("an answer to CONNECT")
    }
}
