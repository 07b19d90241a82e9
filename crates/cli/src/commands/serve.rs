//! `stompbox serve`.

use std::{future::Future, io::Write as _, pin::pin};

use stompbox_server::{Config, HeartBeat, Limits, Server, User};
use tokio::signal::unix::{SignalKind, signal};

use crate::{Failure, args::Serve};

/// Runs the broker until a signal.
pub(crate) async fn run(args: Serve) -> Result<(), Failure> {
    let filter = tracing_subscriber::EnvFilter::try_new(&args.log)
        .map_err(|error| format!("--log {:?}: {error}", args.log))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    // Before the socket is open: a signal from then on must not be lost.
    let stop = stop_signal()?;
    let server = Server::bind(config(args)?).await?;
    let mut out = std::io::stdout().lock();
    for address in server.stomp_addrs() {
        writeln!(out, "STOMP      stomp://{address}")?;
    }
    for address in server.http_addrs() {
        writeln!(out, "WebSocket  ws://{address}/stomp")?;
        writeln!(out, "Pages      http://{address}/")?;
        writeln!(out, "Chat       http://{address}/chat/")?;
    }
    out.flush()?;
    drop(out);
    server.run(stop).await;
    Ok(())
}

fn config(args: Serve) -> Result<Config, Failure> {
    let heart_beat = HeartBeat::parse(&args.heart_beat)
        .map_err(|error| format!("--heart-beat {:?}: {error}", args.heart_beat))?;
    let users = args.user.iter().map(|user| match user.split_once(':') {
        Some((login, passcode)) if !login.is_empty() => Ok(User {
            login: login.into(),
            passcode: passcode.into(),
        }),
        _ => Err("--user is not LOGIN:PASSCODE".to_owned()),
    });
    Ok(Config {
        stomp: args.stomp,
        http: args.http,
        allow_remote: args.allow_remote,
        allowed_origins: args.allow_origin,
        users: users.collect::<Result<_, _>>()?,
        limits: Limits::default().with_body(args.max_body),
        heart_beat,
        ..Config::default()
    })
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
