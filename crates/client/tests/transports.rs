//! TLS, WebSocket within TLS, sockets in the file system, headers of the upgrade, and proxies.
#![cfg(all(feature = "tls", feature = "ws", feature = "proxy"))]

mod common;

use std::{fs, path::PathBuf, sync::Arc};

use common::{LIMIT, TestServer, soon};
use futures_util::{FutureExt as _, StreamExt as _};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use stompbox::{Client, ConnectError, ConnectOptions, TlsOptions};
use stompbox_server::{Config, Listen, Server, Tls};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    io::{BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
};

/// A root of its own, and files of certificates in a folder that goes with it.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A certificate and its key.
    fn issue(&self, host: &str) -> Tls {
        let params = CertificateParams::new([host.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        let tls = Tls {
            cert: self.path(&format!("{host}.pem")),
            key: self.path(&format!("{host}.key")),
            client_ca: None,
        };
        fs::write(&tls.cert, cert.pem()).unwrap();
        fs::write(&tls.key, key.serialize_pem()).unwrap();
        tls
    }

    fn trusted(&self) -> TlsOptions {
        TlsOptions::new().roots_file(self.path("ca.pem"))
    }
}

/// A server with TLS on both kinds of listeners: the ports of `stomp+tls` and `wss`.
async fn serve(tls: &Tls) -> ([String; 2], oneshot::Sender<()>) {
    let free = "127.0.0.1:0".parse().unwrap();
    let server = Server::bind(Config {
        listen: vec![
            Listen::stomp(free).with_tls(tls.clone()),
            Listen::http(free).with_tls(tls.clone()),
        ],
        ..Config::default()
    })
    .await
    .unwrap();
    let urls = [
        format!(
            "stomp+tls://localhost:{}",
            server.stomp_tls_addrs()[0].port()
        ),
        format!("wss://localhost:{}/stomp", server.https_addrs()[0].port()),
    ];
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(server.run(stopped.map(drop)));
    (urls, stop)
}

/// Sends a message to itself.
async fn works(client: Client) {
    let mut messages = client.subscribe("/queue/a").await.unwrap();
    client
        .send("/queue/a")
        .body("x".repeat(200_000))
        .await
        .unwrap();
    let message = soon(messages.next()).await.unwrap().unwrap();
    assert_eq!(message.body().len(), 200_000);
    soon(client.disconnect()).await.unwrap();
}

#[tokio::test]
async fn tls_is_for_those_who_trust_the_root_and_the_name() {
    let authority = Authority::new();
    let (urls, _stop) = serve(&authority.issue("localhost")).await;
    for url in &urls {
        let options = |tls: TlsOptions| ConnectOptions::new(url).tls(tls);
        works(options(authority.trusted()).connect().await.unwrap()).await;
        // Another root, and another name.
        let stranger = Authority::new().trusted();
        let other = authority.trusted().server_name("example.com");
        for tls in [stranger, other] {
            let error = options(tls).connect().await.unwrap_err();
            assert!(matches!(error, ConnectError::Tls { .. }), "{error:?}");
        }
        let missing = TlsOptions::new().roots_file("/does/not/exist.pem");
        let error = options(missing).connect().await.unwrap_err().to_string();
        assert!(error.contains("/does/not/exist.pem"), "{error}");
        let empty = TlsOptions::new().roots_pem("no certificate");
        let error = options(empty).connect().await.unwrap_err();
        assert!(
            matches!(error, ConnectError::Option { option: "tls", .. }),
            "{error:?}"
        );
    }
    // By its address, if the name is told.
    let url = urls[0].replace("localhost", "127.0.0.1");
    let tls = authority.trusted().server_name("localhost");
    works(ConnectOptions::new(&url).tls(tls).connect().await.unwrap()).await;
}

#[tokio::test]
async fn a_client_shows_its_certificate() {
    let authority = Authority::new();
    let server = Tls {
        client_ca: Some(authority.path("ca.pem")),
        ..authority.issue("localhost")
    };
    let (urls, _stop) = serve(&server).await;
    let own = authority.issue("ann");
    for url in &urls {
        let tls = authority.trusted().identity_files(&own.cert, &own.key);
        works(ConnectOptions::new(url).tls(tls).connect().await.unwrap()).await;
        let without = ConnectOptions::new(url).tls(authority.trusted());
        assert!(without.connect().await.is_err());
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_socket_in_the_file_system_is_a_server_too() {
    let server = TestServer::start().await;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("stomp.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let upstream = server.stomp.trim_start_matches("stomp://").to_owned();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut server = TcpStream::connect(upstream).await.unwrap();
        let _ = copy_bidirectional(&mut stream, &mut server).await;
    });
    works(
        stompbox::connect(&format!("unix:{}", path.display()))
            .await
            .unwrap(),
    )
    .await;
    let error = stompbox::connect("unix:/does/not/exist").await.unwrap_err();
    assert!(error.to_string().contains("/does/not/exist"), "{error}");
}

/// Reads the head of an HTTP request.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut reader = BufReader::with_capacity(1, stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).await.unwrap(), 0);
    }
    head
}

#[tokio::test]
async fn headers_and_origin_are_in_the_upgrade() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/stomp", listener.local_addr().unwrap());
    let connect = ConnectOptions::new(&url)
        .http_header("authorization", "Bearer t0ken")
        .origin("https://example.com")
        .connect();
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = head(&mut stream).await.to_lowercase();
        for line in [
            "authorization: bearer t0ken",
            "origin: https://example.com",
            "sec-websocket-protocol: v12.stomp, v11.stomp, v10.stomp",
        ] {
            assert!(head.contains(line), "{head}");
        }
        stream
            .write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n")
            .await
            .unwrap();
        stream
    };
    let (outcome, _stream) = tokio::join!(soon(connect), soon(serve));
    let error = outcome.unwrap_err();
    assert!(matches!(error, ConnectError::WebSocket { .. }), "{error:?}");
    let bad = ConnectOptions::new(&url).http_header("x", "a\nb").connect();
    let error = bad.await.unwrap_err();
    assert!(
        matches!(
            error,
            ConnectError::Option {
                option: "http_header",
                ..
            }
        ),
        "{error:?}"
    );
    let debug = format!(
        "{:?}",
        ConnectOptions::new(&url).http_header("cookie", "s3cret")
    );
    assert!(!debug.contains("s3cret"), "{debug}");
}

/// What a proxy was asked for.
type Asked = mpsc::UnboundedReceiver<String>;

/// An HTTP proxy, within TLS or not, that lets in whoever logs in as `ann:p@ss`.
async fn http_proxy(tls: Option<&Authority>) -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, asked) = mpsc::unbounded_channel();
    let acceptor = tls.map(|authority| {
        use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
        let files = authority.issue("localhost");
        let cert = CertificateDer::from_pem_file(&files.cert).unwrap();
        let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert], key)
            .unwrap();
        tokio_rustls::TlsAcceptor::from(Arc::new(config))
    });
    let scheme = if tls.is_some() { "https" } else { "http" };
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            match &acceptor {
                None => tunnel(stream, &tell).await,
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        tunnel(stream, &tell).await;
                    }
                }
            }
        }
    });
    (
        format!("{scheme}://ann:p%40ss@localhost:{}", address.port()),
        asked,
    )
}

async fn tunnel(
    mut stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    tell: &mpsc::UnboundedSender<String>,
) {
    let head = head(&mut stream).await;
    let _ = tell.send(head.clone());
    // "ann:p@ss"
    if !head.contains("Proxy-Authorization: Basic YW5uOnBAc3M=") {
        let refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n";
        let _ = stream.write_all(refusal).await;
        return;
    }
    let target = head.split(' ').nth(1).unwrap().to_owned();
    let mut server = TcpStream::connect(target).await.unwrap();
    let _ = stream
        .write_all(b"HTTP/1.1 200 OK\r\nVia: test\r\n\r\n")
        .await;
    tokio::spawn(async move { copy_bidirectional(&mut stream, &mut server).await });
}

#[tokio::test]
async fn http_proxies_make_tunnels() {
    let authority = Authority::new();
    let plain = TestServer::start().await;
    let (urls, _stop) = serve(&authority.issue("localhost")).await;
    for secured in [None, Some(&authority)] {
        let (proxy, mut asked) = http_proxy(secured).await;
        for url in [&plain.stomp, &plain.ws, &urls[0], &urls[1]] {
            let options = ConnectOptions::new(url)
                .tls(authority.trusted())
                .proxy(&proxy);
            works(soon(options.connect()).await.unwrap()).await;
            let head = asked.recv().await.unwrap();
            let place = url.split("://").nth(1).unwrap().split('/').next().unwrap();
            assert!(
                head.starts_with(&format!("CONNECT {place} HTTP/1.1\r\n")),
                "{head}"
            );
        }
        let wrong = proxy.replace("p%40ss", "wrong");
        let options = ConnectOptions::new(&plain.stomp)
            .tls(authority.trusted())
            .proxy(&wrong);
        let error = soon(options.connect()).await.unwrap_err();
        let ConnectError::Proxy { proxy, source, .. } = &error else {
            panic!("{error:?}");
        };
        assert!(source.to_string().contains("407"), "{source}");
        assert!(!proxy.contains("wrong"), "{proxy}");
    }
}

#[tokio::test]
async fn socks_proxies_look_the_name_up() {
    let server = TestServer::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("socks5://ann:secret@{}", listener.local_addr().unwrap());
    let url = server.stomp.replace("127.0.0.1", "localhost");
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        // RFC 1928: version 5, and the methods, among which is that by login.
        let mut methods = vec![0; 2];
        stream.read_exact(&mut methods).await.unwrap();
        let mut list = vec![0; methods[1].into()];
        stream.read_exact(&mut list).await.unwrap();
        assert!(list.contains(&2));
        stream.write_all(&[5, 2]).await.unwrap();
        // RFC 1929.
        let mut login = [0; 12];
        stream.read_exact(&mut login).await.unwrap();
        assert_eq!(&login, b"\x01\x03ann\x06secret");
        stream.write_all(&[1, 0]).await.unwrap();
        let mut request = [0; 5 + 9 + 2];
        stream.read_exact(&mut request).await.unwrap();
        assert_eq!(request[..14], *b"\x05\x01\x00\x03\x09localhost");
        let port = u16::from_be_bytes([request[14], request[15]]);
        let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream
            .write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])
            .await
            .unwrap();
        let _ = copy_bidirectional(&mut stream, &mut server).await;
    };
    let connect = async {
        works(
            ConnectOptions::new(&url)
                .proxy(&proxy)
                .connect()
                .await
                .unwrap(),
        )
        .await;
    };
    let both = async { tokio::join!(serve, connect) };
    tokio::time::timeout(LIMIT, both).await.expect("no hang");
    for bad in ["ftp://h", "nonsense", "http://"] {
        let error = ConnectOptions::new(&url)
            .proxy(bad)
            .connect()
            .await
            .unwrap_err();
        assert!(
            matches!(
                error,
                ConnectError::Option {
                    option: "proxy",
                    ..
                }
            ),
            "{error:?}"
        );
    }
}

/// A SOCKS4 proxy for one connection to the server on that port, which says what it was asked for.
async fn socks4_proxy(port: u16) -> (String, oneshot::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (tell, asked) = oneshot::channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 8];
        stream.read_exact(&mut request).await.unwrap();
        // 0.0.0.x: a name follows the login.
        let ends = if request[4..7] == [0; 3] { 2 } else { 1 };
        for _ in 0..ends {
            loop {
                let octet = stream.read_u8().await.unwrap();
                request.push(octet);
                if octet == 0 {
                    break;
                }
            }
        }
        tell.send(request).unwrap();
        stream.write_all(&[0, 90, 0, 0, 0, 0, 0, 0]).await.unwrap();
        let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let _ = copy_bidirectional(&mut stream, &mut server).await;
    });
    (address, asked)
}

#[tokio::test]
async fn socks4_proxies_get_an_address_and_those_of_4a_the_name() {
    let server = TestServer::start().await;
    let port: u16 = server.stomp.rsplit(':').next().unwrap().parse().unwrap();
    let url = server.stomp.replace("127.0.0.1", "localhost");
    for (scheme, rest) in [
        ("socks4", &b"\x7f\0\0\x01ann\0"[..]),
        ("socks4a", b"\0\0\0\x01ann\0localhost\0"),
    ] {
        let (proxy, asked) = socks4_proxy(port).await;
        let options = ConnectOptions::new(&url).proxy(&format!("{scheme}://ann@{proxy}"));
        works(soon(options.connect()).await.unwrap()).await;
        let asked = soon(asked).await.unwrap();
        let [high, low] = port.to_be_bytes();
        assert_eq!(asked[..4], [4, 1, high, low]);
        // tokio-socks sends 0.0.0.255 or 0.0.0.1: only that it is not 0 matters.
        let mut got = asked[4..].to_vec();
        if got[..3] == [0; 3] {
            assert_ne!(got[3], 0);
            got[3] = 1;
        }
        assert_eq!(got, rest, "{scheme}");
    }
}

/// The environment is that of the process, so this test runs itself again.
#[tokio::test]
async fn the_environment_names_a_proxy_for_those_who_ask_it_to() {
    if let Ok(url) = std::env::var("STOMPBOX_TEST_BY_ENV") {
        let options = ConnectOptions::new(&url).proxy_from_env();
        return works(soon(options.connect()).await.unwrap()).await;
    }
    let server = TestServer::start().await;
    let (proxy, mut asked) = http_proxy(None).await;
    let url = server.stomp.replace("127.0.0.1", "localhost");
    for (exceptions, is_asked) in [("example.com", true), ("localhost", false)] {
        let name = "the_environment_names_a_proxy_for_those_who_ask_it_to";
        let run = tokio::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env("STOMPBOX_TEST_BY_ENV", &url)
            .env("ALL_PROXY", &proxy)
            .env("NO_PROXY", exceptions)
            .env_remove("HTTPS_PROXY")
            .env_remove("https_proxy")
            .env_remove("all_proxy")
            .env_remove("no_proxy")
            .output();
        let output = soon(run).await.unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(asked.try_recv().is_ok(), is_asked, "{exceptions}");
    }
    // Without the option it is not asked for anything.
    works(soon(ConnectOptions::new(&url).connect()).await.unwrap()).await;
    assert!(asked.try_recv().is_err());
}
