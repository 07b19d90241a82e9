//! `stompbox serve`.

use std::{future::Future, io::Write as _, pin::pin};

use clap::ArgMatches;
use stompbox_server::{Protocol, Server};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    Failure,
    args::{Gateway, Serve},
    settings::Settings,
    wait_for,
};

/// Runs the broker until a signal.
pub(crate) fn run(args: Serve, matches: &ArgMatches) -> Result<(), Failure> {
    let settings = Settings::resolve(&args.options, matches)?;
    // Nobody needs the passcodes that were typed any more.
    drop(args);
    start(settings)
}

/// Runs a gateway until a signal.
pub(crate) fn gateway(args: Gateway, matches: &ArgMatches) -> Result<(), Failure> {
    let settings = Settings::resolve(&args.options, matches)?;
    drop(args);
    if settings.config.gateway.is_none() {
        return Err(
            "a gateway needs --upstream, or a table [gateway] in the file of --config".into(),
        );
    }
    start(settings)
}

fn start(settings: Settings) -> Result<(), Failure> {
    let log = &settings.log;
    let filter = tracing_subscriber::EnvFilter::try_new(log)
        .map_err(|error| format!("log level {log:?}: {error}"))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    raise_open_files();
    wait_for(settings.threads, serve(settings))
}

async fn serve(settings: Settings) -> Result<(), Failure> {
    // Before the socket is open: a signal from then on must not be lost.
    let stop = stop_signal()?;
    let admin = settings.config.admin.clone();
    let upstreams = settings
        .config
        .gateway
        .as_ref()
        .map(|gateway| gateway.upstreams.clone())
        .unwrap_or_default();
    let sockjs = settings.config.sockjs.clone();
    let server = Server::bind(settings.config).await?;
    let mut out = Vec::new();
    for address in server.stomp_addrs() {
        writeln!(out, "STOMP      stomp://{address}")?;
    }
    for address in server.http_addrs() {
        writeln!(out, "WebSocket  ws://{address}/stomp")?;
        if let Some(path) = &sockjs {
            writeln!(out, "SockJS     http://{address}{path}")?;
        }
        writeln!(out, "Pages      http://{address}/")?;
        writeln!(out, "Chat       http://{address}/chat/")?;
    }
    for address in server.stomp_tls_addrs() {
        writeln!(out, "STOMP      stomp+tls://{address}")?;
    }
    for address in server.https_addrs() {
        writeln!(out, "WebSocket  wss://{address}/stomp")?;
        if let Some(path) = &sockjs {
            writeln!(out, "SockJS     https://{address}{path}")?;
        }
        writeln!(out, "Pages      https://{address}/")?;
        writeln!(out, "Chat       https://{address}/chat/")?;
    }
    for (path, protocol) in server.unix_sockets() {
        let names: &[&str] = match protocol {
            Protocol::Stomp => &["STOMP"],
            Protocol::Http => &["HTTP"],
            Protocol::Both => &["STOMP", "HTTP"],
        };
        for name in names {
            writeln!(out, "{name:<10} unix:{}", path.display())?;
        }
    }
    for upstream in upstreams {
        writeln!(out, "Upstream   {upstream}")?;
    }
    match (admin, server.admin_addr()) {
        (Some(admin), Some(address)) => {
            let scheme = admin.tls.map_or("http", |_| "https");
            writeln!(out, "Admin      {scheme}://{address}/")?;
        }
        (Some(admin), None) => {
            let address = admin.bind;
            writeln!(
                out,
                "Admin      none: {address} is taken, --admin takes another"
            )?;
        }
        (None, _) => {}
    }
    // All at once: who reads only the first of the lines does not make it fail.
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(&out)?;
    stdout.flush()?;
    drop(stdout);
    server.run(stop).await;
    Ok(())
}

/// Lets the process have as many connections as the system permits it; what a shell gives is often
/// a thousand.
fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// Ready at SIGINT or SIGTERM.
fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        let (interrupt, terminate) = (pin!(interrupt.recv()), pin!(terminate.recv()));
        futures_util::future::select(interrupt, terminate).await;
    })
}
