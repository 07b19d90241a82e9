//! `CONNECT` and its answer.

use std::{future::poll_fn, sync::Arc, time::Duration};

use bytes::{Buf as _, BytesMut};
use stompbox_proto::{
    Decoder, FrameRef, Limits,
    client::{Config, Event, Session},
};

use super::Connected;
use crate::{
    Closed, ConnectError,
    batch::{Batch, Kind},
    runtime::Instant,
    transport::{Incoming, Transport},
};

pub(super) async fn handshake(
    mut transport: Box<dyn Transport>,
    config: Config,
    limits: &Limits,
    server: &str,
) -> Result<Connected, ConnectError> {
    let epoch = Instant::now();
    let mut session = Session::new(config, Duration::ZERO)?;
    let io = |error| ConnectError::Closed(Closed::Io(Arc::new(error)));
    let mut batch = Batch::default();
    while let Some(frame) = session.poll_transmit() {
        batch.push(Kind::Bound, &frame);
    }
    poll_fn(|cx| transport.poll_write(cx, &mut batch))
        .await
        .map_err(io)?;
    let mut decoder = Decoder::new(limits.clone());
    let mut input = BytesMut::new();
    loop {
        let read = poll_fn(|cx| transport.poll_read(cx, &mut input)).await;
        match read.map_err(io)? {
            Incoming::Bytes => {}
            Incoming::End | Incoming::Farewell => {
                return Err(ConnectError::Closed(Closed::ByServer));
            }
            Incoming::TooBig => return Err(broken("a message is beyond the limit")),
        }
        let mut rest: &[u8] = &input;
        let frame = decoder
            .decode(&mut rest, session.dialect())
            .map_err(broken)?;
        let Some(frame) = frame else {
            input.clear();
            continue;
        };
        let event = session.receive(&frame, epoch.elapsed()).map_err(broken)?;
        let (version, info) = match event {
            Event::Connected { version, frame } => {
                let headers = frame.headers();
                let owned = headers.map(|(n, v)| (n.into_owned(), v.into_owned()));
                (version, owned.collect())
            }
            Event::Error { frame } => return Err(ConnectError::Closed(error(&frame))),
            // The session lets nothing else come first.
            _ => return Err(broken("another frame came before CONNECTED")),
        };
        let used = input.len() - rest.len();
        input.advance(used);
        return Ok(Connected {
            transport,
            session,
            decoder,
            input,
            epoch,
            version,
            info,
            server: server.to_owned(),
        });
    }
}

fn broken(problem: impl ToString) -> ConnectError {
    ConnectError::Closed(Closed::Protocol(problem.to_string()))
}

/// What an `ERROR` says.
pub(crate) fn error(frame: &FrameRef<'_>) -> Closed {
    let header = |name| frame.header(name).map(std::borrow::Cow::into_owned);
    Closed::ServerError {
        message: header("message").unwrap_or_default(),
        detail: String::from_utf8_lossy(frame.body()).into_owned(),
        receipt_id: header("receipt-id"),
    }
}
