//! `stompbox tap`.

use std::{
    io::{Write as _, stdout},
    sync::Arc,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinSet,
};

use crate::{
    args::Tap,
    exit::Failure,
    frames::{Reader, line, stamped},
};

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
    let [up, down] = Reader::pair();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let up = pass(from_client, to_server, "C>", shown, up);
    let down = pass(from_server, to_client, "S<", shown, down);
    tokio::join!(up, down);
    note(shown.number, "--", "ends");
}

/// Passes bytes on as they are, and shows what they say.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    side: &str,
    shown: Shown,
    mut reader: Reader,
) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let bytes = &buffer[..length];
        if shown.heart_beats && bytes.iter().all(|octet| matches!(octet, b'\n' | b'\r')) {
            note(shown.number, side, "heart-beat");
        }
        reader.read(bytes, |frame| match frame {
            Ok(frame) => note(shown.number, side, &line(frame, shown.bodies)),
            Err(text) => note(shown.number, side, &text),
        });
        if to.write_all(bytes).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

fn note(number: u64, side: &str, text: &str) {
    let mut out = stdout().lock();
    // Who reads this may have gone; the clients go on.
    let _ = out.write_all(stamped(number, side, text).as_bytes());
    let _ = out.flush();
}
