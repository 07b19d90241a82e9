//! `stompbox doctor`.

use std::{
    io::Write as _,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rustls::pki_types::ServerName;
use stompbox::{Client, ConnectError, ServerUrl};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use x509_cert::{Certificate, der::Decode as _};

use crate::{
    args::{Connect, Doctor},
    exit::{Exit, Failure, NO_CONNECTION, code_of},
    frames::printable,
    target::{Target, leave, trusting},
};

/// An origin that no server should know.
const FOREIGN: &str = "http://foreign.invalid";

/// What was found.
#[derive(Default)]
struct Findings {
    failures: usize,
}

impl Findings {
    fn good(&mut self, text: &str) -> Result<(), Failure> {
        Ok(writeln!(std::io::stdout(), "\u{2713} {}", printable(text))?)
    }

    fn bad(&mut self, text: &str, hint: &str) -> Result<(), Failure> {
        self.failures += 1;
        Ok(writeln!(
            std::io::stdout(),
            "\u{2717} {}  \u{2192} {hint}",
            printable(text)
        )?)
    }
}

/// Looks for what is wrong with each server.
pub(crate) async fn run(mut args: Doctor) -> Result<(), Failure> {
    if let Some(url) = args.url {
        args.connect.server = vec![url];
    }
    let args = &args.connect;
    let target = Target::of(args)?;
    let mut findings = Findings::default();
    let mut last = None;
    for server in &target.servers {
        writeln!(std::io::stdout(), "{server}")?;
        if let Err(error) = examine(server, &target, args, &mut findings).await {
            findings.bad(&Exit::text_of(&*error), "nothing more can be asked of it")?;
            last = Some(error);
        }
    }
    match (last, findings.failures) {
        (Some(error), _) => Err(Exit::failure(code_of(&*error), "")),
        (None, 0) => Ok(()),
        (None, count) => Err(Exit::failure(1, format!("{count} findings"))),
    }
}

async fn examine(
    server: &str,
    target: &Target,
    args: &Connect,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let url: ServerUrl = server.parse()?;
    if let (Some(host), Some(port)) = (url.host(), url.port()) {
        way(&url, host, port, args, findings).await?;
    }
    let one = Target {
        servers: vec![server.to_owned()],
        ..target.clone()
    };
    let begun = Instant::now();
    let client = one.options(args)?.connect().await?;
    let software = client.connected_header("server").unwrap_or_default();
    findings.good(&format!(
        "STOMP {} in {:.1} ms, {}",
        client.version(),
        ms(begun),
        if software.is_empty() {
            "which does not say what it is"
        } else {
            &software
        },
    ))?;
    if client.version() != stompbox::Version::V1_2 {
        findings.bad(
            &format!("it speaks STOMP {} and not 1.2", client.version()),
            "its headers can't hold everything; see --stomp",
        )?;
    }
    heart_beats(&client, args, findings)?;
    receipts(&client, findings).await?;
    leave(&client).await?;
    strangers(server, args, is_local(&url), findings).await?;
    if url.is_websocket() {
        origins(&one, args, findings).await?;
    }
    Ok(())
}

/// Whether a server is on this machine.
fn is_local(url: &ServerUrl) -> bool {
    let Some(host) = url.host() else {
        return true;
    };
    let address: Result<std::net::IpAddr, _> = host.parse();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Name, TCP, TLS.
async fn way(
    url: &ServerUrl,
    host: &str,
    port: u16,
    args: &Connect,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let begun = Instant::now();
    let addresses: Vec<_> = lookup_host((host, port))
        .await
        .map_err(|error| Exit::failure(NO_CONNECTION, format!("{host:?} has no address: {error}")))?
        .collect();
    let texts: Vec<_> = addresses.iter().map(|it| it.ip().to_string()).collect();
    findings.good(&format!(
        "the name is {} in {:.1} ms",
        texts.join(", "),
        ms(begun)
    ))?;
    let begun = Instant::now();
    let connecting = TcpStream::connect(&addresses[..]);
    let stream = tokio::time::timeout(args.timeout, connecting).await;
    let address = format!("{host}:{port}");
    let stream = match stream {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            return Err(Exit::failure(
                NO_CONNECTION,
                format!("can't connect to {address}: {error}"),
            ));
        }
        Err(_) => {
            return Err(Exit::failure(
                NO_CONNECTION,
                format!("{address} does not answer in time"),
            ));
        }
    };
    findings.good(&format!("TCP in {:.1} ms", ms(begun)))?;
    if !url.is_tls() {
        if !is_local(url) {
            findings.bad(
                "everybody on the way can read the passcode and the messages",
                "use stomp+tls:// or wss://",
            )?;
        }
        return Ok(());
    }
    // The client checks the certificate later; this one looks at it.
    let name = args.tls_name.as_deref().unwrap_or(host).to_owned();
    let begun = Instant::now();
    let connector = TlsConnector::from(Arc::new(trusting()));
    let tls = connector
        .connect(ServerName::try_from(name)?, stream)
        .await?;
    let (_, session) = tls.get_ref();
    let version = session.protocol_version().map(|it| format!("{it:?}"));
    findings.good(&format!(
        "{} in {:.1} ms",
        version.unwrap_or_default(),
        ms(begun)
    ))?;
    let certificate = session
        .peer_certificates()
        .and_then(|chain| Certificate::from_der(chain.first()?).ok());
    if let Some(certificate) = certificate {
        let validity = certificate.tbs_certificate.validity;
        let end = validity.not_after.to_unix_duration();
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        match end.checked_sub(now) {
            None => findings.bad("the certificate has expired", "renew it")?,
            Some(left) => {
                let days = left.as_secs() / 86_400;
                let text = format!("the certificate expires in {days} days");
                match days {
                    0..14 => findings.bad(&text, "renew it")?,
                    _ => findings.good(&text)?,
                }
            }
        }
    }
    Ok(())
}

fn ms(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e3
}

fn heart_beats(client: &Client, args: &Connect, findings: &mut Findings) -> Result<(), Failure> {
    let theirs = client.connected_header("heart-beat").unwrap_or_default();
    let [send, receive] = match theirs.split_once(',') {
        Some((send, receive)) => [send, receive].map(|it| it.trim().parse().unwrap_or(0_u64)),
        None => [0, 0],
    };
    if args.heart_beat.starts_with("0,") {
        return Ok(());
    }
    match send > 0 && receive > 0 {
        true => findings.good(&format!("heart-beats both ways, it offers {theirs}")),
        false => findings.bad(
            "no heart-beats: a dead connection is noticed late",
            "have the server send and want them",
        ),
    }
}

async fn receipts(client: &Client, findings: &mut Findings) -> Result<(), Failure> {
    let begun = Instant::now();
    client
        .send("/topic/stompbox.doctor")
        .body("")
        .receipt()
        .await?;
    findings.good(&format!("a receipt in {:.1} ms", ms(begun)))
}

/// Whether the server lets in who says nothing of himself, or something wrong.
async fn strangers(
    server: &str,
    args: &Connect,
    is_local: bool,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let nobody = Target {
        servers: vec![server.to_owned()],
        user: None,
        passcode: None,
        ..Target::default()
    };
    let options = nobody
        .options(args)?
        .connect_timeout(Duration::from_secs(5));
    match options.connect().await {
        Ok(client) => {
            leave(&client).await?;
            match is_local {
                true => findings.good("it lets in everybody, on this machine"),
                false => findings.bad("it lets in everybody", "give it users"),
            }
        }
        Err(ConnectError::Closed(_) | ConnectError::Timeout) => {
            findings.good("it lets in nobody without a login")
        }
        Err(_) => Ok(()),
    }
}

/// Whether pages of anybody may connect.
async fn origins(one: &Target, args: &Connect, findings: &mut Findings) -> Result<(), Failure> {
    let options = one.options(args)?.origin(FOREIGN);
    match options.connect().await {
        Ok(client) => {
            leave(&client).await?;
            findings.bad(
                &format!("the origin {FOREIGN} is accepted"),
                "set the origins that may connect",
            )
        }
        Err(_) => findings.good("a foreign origin is refused"),
    }
}
