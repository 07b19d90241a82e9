//! `stompbox tap`.

use std::{
    io::{Write as _, stdout},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::SystemTime,
};

use stompbox_proto::{Command, Decoder, Dialect, Limits, Version};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinSet,
};

use crate::{args::Tap, exit::Failure, frames::line};

/// Stands between clients and a broker.
pub(crate) async fn run(args: Tap) -> Result<(), Failure> {
    let target = args
        .target
        .strip_prefix("stomp://")
        .or_else(|| args.target.strip_prefix("tcp://"));
    let target: Arc<str> = target.unwrap_or(&args.target).into();
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|error| format!("can't listen on {}: {error}", args.listen))?;
    eprintln!("listening on {}, for {target}", listener.local_addr()?);
    let mut tasks = JoinSet::new();
    let mut number = 0;
    while args.connections.is_none_or(|most| number < most) {
        let (client, peer) = tokio::select! {
            accepted = listener.accept() => accepted?,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        number += 1;
        let target = Arc::clone(&target);
        let shown = Shown {
            number,
            bodies: args.bodies,
            heart_beats: args.heart_beats,
        };
        note(number, "--", &format!("{peer} connects"));
        tasks.spawn(async move {
            match TcpStream::connect(&*target).await {
                Ok(server) => serve(client, server, shown).await,
                Err(error) => note(number, "--", &format!("can't connect to {target}: {error}")),
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    Ok(())
}

#[derive(Clone, Copy)]
struct Shown {
    number: u64,
    bodies: usize,
    heart_beats: bool,
}

async fn serve(client: TcpStream, server: TcpStream, shown: Shown) {
    // The version that CONNECTED says, which tells how headers are escaped.
    let version = Arc::new(AtomicU8::new(0));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let up = pass(from_client, to_server, "C>", shown, Arc::clone(&version));
    let down = pass(from_server, to_client, "S<", shown, version);
    tokio::join!(up, down);
    note(shown.number, "--", "ends");
}

/// Passes bytes on as they are, and shows what they say.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    side: &str,
    shown: Shown,
    version: Arc<AtomicU8>,
) {
    let limits = Limits::default().with_body(1 << 30);
    let mut decoder = Some(Decoder::new(limits));
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let mut bytes = &buffer[..length];
        if shown.heart_beats && bytes.iter().all(|octet| matches!(octet, b'\n' | b'\r')) {
            note(shown.number, side, "heart-beat");
        }
        while let Some(reader) = &mut decoder {
            let dialect = match version.load(Ordering::Relaxed) {
                10 => Dialect::V1_0,
                11 => Dialect::V1_1,
                12 => Dialect::V1_2,
                _ => Dialect::Handshake,
            };
            match reader.decode(&mut bytes, dialect) {
                Ok(Some(frame)) => {
                    if frame.command() == Command::Connected {
                        let agreed = frame.header("version");
                        let agreed = agreed.as_deref().and_then(|it| it.parse().ok());
                        let number = match agreed.unwrap_or(Version::V1_0) {
                            Version::V1_0 => 10,
                            Version::V1_1 => 11,
                            Version::V1_2 => 12,
                        };
                        version.store(number, Ordering::Relaxed);
                    }
                    note(shown.number, side, &line(&frame, shown.bodies));
                }
                Ok(None) => break,
                Err(error) => {
                    note(
                        shown.number,
                        side,
                        &format!("is no STOMP from here on: {error}"),
                    );
                    decoder = None;
                }
            }
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

fn note(number: u64, side: &str, text: &str) {
    let now = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    let clock = now.get(11..23).unwrap_or_default();
    let mut out = stdout().lock();
    // Who reads this may have gone; the clients go on.
    let _ = writeln!(out, "{clock} {number} {side} {text}");
    let _ = out.flush();
}
