//! SockJS over a WebSocket: its frames are messages, and the session is the socket.

use std::{
    future::{Future, poll_fn},
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream},
    sync::mpsc,
    time,
};
use tracing::debug;

use super::{
    frames::{self, Messages, Next},
    receive::HEART_BEAT,
    session::PIPE,
    strings::Strings,
};
use crate::{
    connection::{self, Shared},
    peer::Via,
    websocket::{CloseCode, Received, WebSocket, put_close, put_message},
};

/// How a socket ends: the frame that closes the session, and the socket's own code.
struct End {
    frame: Option<(u16, String)>,
    code: CloseCode,
    reason: &'static str,
}

impl End {
    fn by(code: CloseCode, reason: &'static str) -> Self {
        Self {
            frame: None,
            code,
            reason,
        }
    }
}

/// Serves a client on a WebSocket with SockJS's frames.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send>(
    shared: Arc<Shared>,
    stream: S,
    via: Via,
) {
    let (near, far) = tokio::io::duplex(PIPE);
    let limit = shared.config.write_timeout;
    let pumping = pump(stream, far, limit);
    let ((), result) = tokio::join!(
        connection::serve(shared, near, via, None, Vec::new()),
        pumping
    );
    if let Err(error) = result {
        debug!(%error, "a SockJS connection failed");
    }
}

/// Carries messages both ways until one side ends.
async fn pump<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    far: DuplexStream,
    limit: Duration,
) -> io::Result<()> {
    let (reader, mut writer) = tokio::io::split(stream);
    let (from, to) = tokio::io::split(far);
    let (pongs, answers) = mpsc::channel(1);
    let in_frame = AtomicBool::new(false);
    let end = tokio::select! {
        end = incoming(reader, to, pongs) => end?,
        end = outgoing(&mut writer, from, answers, limit, &in_frame) => end?,
    };
    if in_frame.load(Ordering::Relaxed) {
        // Nothing can come behind half a frame.
        return Ok(());
    }
    let mut out = Vec::new();
    if let Some((code, reason)) = &end.frame {
        put_text(&mut out, &frames::close(*code, reason));
    }
    put_close(&mut out, end.code, end.reason);
    within(limit, async {
        writer.write_all(&out).await?;
        writer.shutdown().await
    })
    .await
}

/// From the client to its connection.
async fn incoming(
    mut reader: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    pongs: mpsc::Sender<Vec<u8>>,
) -> io::Result<End> {
    // As long as anything may be: it is taken as it comes, and the connection looks at its limits.
    let mut socket = WebSocket::of_any_length();
    let mut strings = Strings::default();
    let mut room = vec![0; 8192];
    let mut text = Vec::new();
    loop {
        let count = reader.read(&mut room).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut rest = &mut room[..count];
        let end = loop {
            match socket.receive(rest) {
                Received::Nothing => break None,
                Received::Close(code, reason) => break Some(End::by(code, reason)),
                Received::Deflated { .. } => {
                    break Some(End::by(
                        CloseCode::Protocol,
                        "compression was not agreed on",
                    ));
                }
                Received::Bytes { used, payload } => {
                    if strings.decode(&rest[payload], &mut text).is_err() {
                        break Some(End::by(CloseCode::Protocol, "not a JSON list of strings"));
                    }
                    rest = &mut rest[used..];
                }
            }
        };
        let mut pong = Vec::new();
        socket.take_pongs(&mut pong);
        if !pong.is_empty() {
            // While one still waits to go out, others need no answer (RFC 6455, section 5.5.3).
            let _ = pongs.try_send(pong);
        }
        let Ok(frame) = frames::take_masked(&mut text) else {
            return Ok(End::by(CloseCode::InvalidText, "text is not UTF-8"));
        };
        to.write_all(&frame).await?;
        if let Some(end) = end {
            return Ok(end);
        }
        if text.is_empty() {
            // An idle client holds little.
            text = Vec::new();
        }
    }
}

/// From the connection to its client.
async fn outgoing(
    writer: &mut (impl AsyncWrite + Unpin),
    from: impl AsyncRead + Unpin,
    mut pongs: mpsc::Receiver<Vec<u8>>,
    limit: Duration,
    in_frame: &AtomicBool,
) -> io::Result<End> {
    let mut messages = Messages::new(from);
    let mut out = Vec::new();
    put_text(&mut out, frames::OPEN);
    loop {
        in_frame.store(true, Ordering::Relaxed);
        within(limit, async {
            writer.write_all(&out).await?;
            writer.flush().await
        })
        .await?;
        in_frame.store(false, Ordering::Relaxed);
        out = Vec::new();
        tokio::select! {
            next = poll_fn(|cx| messages.poll_next(cx)) => match next {
                Next::Texts(texts) => {
                    put_text(&mut out, &frames::messages(&texts));
                }
                Next::Close(Some((code, reason))) => {
                    let mut end = End::by(CloseCode::Normal, "");
                    end.frame = Some((code, reason));
                    return Ok(end);
                }
                // It took its client for lost.
                Next::Close(None) => return Err(io::ErrorKind::ConnectionAborted.into()),
            },
            Some(pong) = pongs.recv() => out = pong,
            () = time::sleep(HEART_BEAT) => {
                put_text(&mut out, frames::HEART_BEAT);
            }
        }
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_message(out, text.as_bytes(), false, false);
}

async fn within(limit: Duration, work: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    match time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}
