//! Connecting as the options and the context say.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, stdin},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use stompbox::{
    AckError, Client, Closed, ConnectOptions, HeartBeat, InFlight, Message, ReceiptError,
    Reconnect, ServerUrl, TlsOptions, Versions,
};

use crate::{
    args::{Connect, Secret},
    contexts::{Context, Contexts},
    events,
    exit::{Exit, Failure, NO_CONNECTION, code_of},
    frames::verbose,
    settings::units::Unit,
};

const DEFAULT: &str = "stomp://127.0.0.1:61613";

/// Where to connect, and as whom.
#[derive(Clone, Default)]
pub(crate) struct Target {
    /// The servers' URLs.
    pub(crate) servers: Vec<String>,
    pub(crate) user: Option<String>,
    pub(crate) passcode: Option<Secret>,
    pub(crate) context: Context,
    /// Nobody has named a server.
    pub(crate) is_default: bool,
}

impl Target {
    /// What the options say, then the context.
    pub(crate) fn of(args: &Connect) -> Result<Self, Failure> {
        let context = context(args.context.as_deref(), !args.server.is_empty())?;
        let servers = match (&args.server[..], &context.server[..]) {
            ([], []) => vec![DEFAULT.to_owned()],
            ([], servers) | (servers, _) => servers.iter().map(|it| with_scheme(it)).collect(),
        };
        // What is wrong with one is told though another would do.
        for server in &servers {
            server.parse::<ServerUrl>()?;
        }
        let files = [
            &args.passcode_file,
            &args.token_file,
            &context.passcode_file,
            &context.token_file,
        ];
        let passcode = secret(args.passcode.as_ref(), files)?;
        Ok(Self {
            is_default: args.server.is_empty() && context.server.is_empty(),
            servers,
            user: args.user.clone().or_else(|| context.user.clone()),
            passcode,
            context,
        })
    }

    /// The options of a connection.
    pub(crate) fn options(&self, args: &Connect) -> Result<ConnectOptions, Failure> {
        let mut options = ConnectOptions::failover(self.servers.clone())
            .connect_timeout(args.timeout)
            .receipt_timeout(args.timeout.max(Duration::from_secs(1)))
            .heart_beat(heart_beat(&args.heart_beat)?);
        if let Some(user) = &self.user {
            options = options.login(user);
        }
        if let Some(passcode) = &self.passcode {
            options = options.passcode(&passcode.0);
        }
        if let Some(vhost) = args.vhost.as_ref().or(self.context.vhost.as_ref()) {
            options = options.host(vhost);
        }
        if let Some(id) = args.client_id.as_ref().or(self.context.client_id.as_ref()) {
            options = options.client_id(id);
        }
        for (name, value) in headers("--connect-header", &args.connect_header)? {
            options = options.header(name, value);
        }
        if !args.stomp.is_empty() {
            options = options.versions(Versions::parse_accept(&args.stomp.join(",")));
        }
        for (name, value) in headers("--http-header", &args.http_header)? {
            options = options.http_header(name, value.trim_start());
        }
        if let Some(origin) = &args.origin {
            options = options.origin(origin);
        }
        if let Some(proxy) = &args.proxy {
            options = options.proxy(proxy);
        }
        if args.verbose > 0 {
            options = options.inspect(verbose(args.verbose));
        }
        if args.retry {
            let policy = Reconnect::default().first_connect(true);
            options = options.reconnect(policy).in_flight(InFlight::Retry);
        }
        Ok(options.tls(self.tls(args)))
    }

    /// Connects with such options.
    pub(crate) async fn connect(&self, options: ConnectOptions) -> Result<Client, Failure> {
        let error = match options.connect().await {
            Ok(client) => return Ok(client),
            Err(error) => error,
        };
        if self.is_default && code_of(&error) == NO_CONNECTION {
            // Whoever is new here has not started it.
            let text = Exit::text_of(&error);
            let text =
                format!("{text}: stompbox serve starts a broker there, and -s names another");
            return Err(Exit::failure(NO_CONNECTION, text));
        }
        Err(error.into())
    }

    fn tls(&self, args: &Connect) -> TlsOptions {
        let mut tls = TlsOptions::new();
        if let Some(ca) = args.ca.as_ref().or(self.context.ca.as_ref()) {
            tls = tls.roots_file(ca);
        }
        if let (Some(cert), Some(key)) = (&args.cert, &args.key) {
            tls = tls.identity_files(cert, key);
        }
        if let Some(name) = &args.tls_name {
            tls = tls.server_name(name);
        }
        if args.insecure {
            tls = tls.config(Arc::new(trusting()));
        }
        tls
    }
}

/// The context of that name, or the selected one.
pub(crate) fn context(name: Option<&str>, is_server_named: bool) -> Result<Context, Failure> {
    match name {
        Some(name) => Ok(Contexts::load()?.get(name)?.clone()),
        // A server that is named is meant, not one that was selected some day.
        None if is_server_named => Ok(Context::default()),
        None => {
            let contexts = Contexts::load_if_any()?;
            match &contexts.selected {
                Some(name) => Ok(contexts.get(name)?.clone()),
                None => Ok(Context::default()),
            }
        }
    }
}

/// The passcode that was given, or what the first of the files has.
pub(crate) fn secret(
    passcode: Option<&Secret>,
    files: [&Option<PathBuf>; 4],
) -> Result<Option<Secret>, Failure> {
    match (passcode, files.into_iter().flatten().next()) {
        (Some(passcode), _) => Ok(Some(passcode.clone())),
        (None, Some(path)) => first_line(path).map(Some),
        (None, None) => Ok(None),
    }
}

/// Connects.
pub(crate) async fn connect(args: &Connect) -> Result<Client, Failure> {
    let target = Target::of(args)?;
    let client = target.connect(target.options(args)?).await?;
    if args.retry {
        events::tell(&client);
    }
    Ok(client)
}

/// Acknowledges or refuses a message. False: its connection is lost, and since another is to be
/// made the message will come again.
pub(crate) async fn acknowledge(
    args: &Connect,
    message: &Message,
    consumed: bool,
) -> Result<bool, Failure> {
    let result = match consumed {
        true => message.ack().await,
        false => message.nack().await,
    };
    match result {
        Ok(()) => Ok(true),
        Err(AckError::ConnectionLost) if args.retry => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Takes leave of a server that owes nothing more. Some (RabbitMQ's WebSocket) close the connection
/// before the receipt of DISCONNECT: that is a leave too.
pub(crate) async fn leave(client: &Client) -> Result<(), Failure> {
    match client.disconnect().await {
        Ok(_) | Err(ReceiptError::Closed(Closed::ByServer | Closed::Io(_))) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Takes leave where it ends in another way than it should: acknowledgements that are under way are
/// to arrive, and nobody is to wait long for it.
pub(crate) async fn leave_soon(client: &Client) {
    // What it ends with is told already.
    let _ = tokio::time::timeout(Duration::from_secs(2), leave(client)).await;
}

/// `HOST:PORT` alone is TCP; some schemes are others by the names that people know.
fn with_scheme(server: &str) -> String {
    if server.starts_with("unix:") {
        return server.to_owned();
    }
    let Some((scheme, rest)) = server.split_once("://") else {
        return format!("stomp://{server}");
    };
    let scheme = match scheme {
        "http" => "ws",
        "https" => "wss",
        "tls" | "ssl" => "stomp+tls",
        scheme => scheme,
    };
    format!("{scheme}://{rest}")
}

/// Splits `NAME:VALUE`.
pub(crate) fn headers<'a>(
    option: &str,
    headers: &'a [String],
) -> Result<Vec<(&'a str, &'a str)>, Failure> {
    headers
        .iter()
        .map(|header| match header.split_once(':') {
            Some((name, value)) if !name.is_empty() => Ok((name, value)),
            _ => Err(format!("{option} {header:?} is not NAME:VALUE").into()),
        })
        .collect()
}

fn first_line(path: &Path) -> Result<Secret, Failure> {
    let wrong = |error| format!("can't read {}: {error}", path.display());
    let mut line = String::new();
    match path.to_str() {
        Some("-") => stdin().lock().read_line(&mut line).map_err(wrong)?,
        _ => {
            let file = File::open(path).map_err(wrong)?;
            BufReader::new(file).read_line(&mut line).map_err(wrong)?
        }
    };
    let secret = line.trim_end_matches(['\n', '\r']);
    if secret.is_empty() {
        return Err(format!("{}: its first line is empty", path.display()).into());
    }
    Ok(Secret(secret.to_owned()))
}

fn heart_beat(text: &str) -> Result<HeartBeat, Failure> {
    let wrong = || format!("--heart-beat {text:?} is not two times, as 10s,10s");
    let (send, receive) = text.split_once(',').ok_or_else(wrong)?;
    let read = |text: &str| {
        let time = Unit::Time.parse(text.trim()).map_err(|_| wrong())?;
        u32::try_from(time).map_err(|_| wrong())
    };
    Ok(HeartBeat::new(read(send)?, read(receive)?))
}

/// TLS with whoever answers.
pub(crate) fn trusting() -> ClientConfig {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(Trusting(Arc::clone(&provider)));
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    // The provider has all that the default versions need.
    builder
        .expect("ring speaks TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth()
}

#[derive(Debug)]
struct Trusting(Arc<CryptoProvider>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
