//! A WebSocket: mostly a message for each frame, text if the frame is UTF-8.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use futures_core::Stream as _;
use futures_util::Sink as _;
use tokio_websockets::{CloseCode, Error, Message, Payload, WebSocketStream};

use super::{Incoming, Io, Transport, messages::Cutter};
use crate::batch::Batch;

/// Frames over a WebSocket.
pub(crate) struct WebSocket {
    socket: WebSocketStream<Box<dyn Io>>,
    /// Whether messages were given to the socket since it was last flushed.
    is_dirty: bool,
    owed: usize,
    /// What came after messages that were read together.
    held: Option<io::Result<Incoming>>,
    cutter: Cutter,
}

/// What is read together at most: a message, or half of a frame, is little by itself.
const MESSAGES: usize = 256;
const READ: usize = 64 << 10;

/// What a pong takes up beside its payload, at most.
const PONG_OVERHEAD: usize = 128;

impl WebSocket {
    pub(crate) fn new(socket: WebSocketStream<Box<dyn Io>>, split: Option<usize>) -> Self {
        Self {
            socket,
            is_dirty: false,
            owed: 0,
            held: None,
            cutter: Cutter::new(split),
        }
    }

    /// Waits for one message.
    fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut BytesMut,
    ) -> Poll<io::Result<Incoming>> {
        let incoming = match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
            None => Incoming::End,
            // The socket answers it when it is closed.
            Some(Ok(message)) if message.is_close() => match message.as_close() {
                Some((CloseCode::NORMAL_CLOSURE, _)) => Incoming::Farewell,
                _ => Incoming::End,
            },
            Some(Ok(message)) => {
                // Pings are answered by the socket; any sign of life counts for heart-beats.
                if message.is_text() || message.is_binary() {
                    into.extend_from_slice(message.as_payload());
                } else if message.is_ping() {
                    self.owed += message.as_payload().len() + PONG_OVERHEAD;
                }
                Incoming::Bytes
            }
            Some(Err(Error::PayloadTooLong { .. })) => Incoming::TooBig,
            Some(Err(Error::Io(error))) => return Poll::Ready(Err(error)),
            Some(Err(error)) => {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
            }
        };
        Poll::Ready(Ok(incoming))
    }
}

impl Transport for WebSocket {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut BytesMut,
    ) -> Poll<io::Result<Incoming>> {
        if let Some(held) = self.held.take() {
            return Poll::Ready(held);
        }
        for read in 0..MESSAGES {
            match self.poll_message(cx, into) {
                Poll::Ready(Ok(Incoming::Bytes)) if into.len() < READ => {}
                Poll::Ready(Ok(Incoming::Bytes)) => break,
                Poll::Pending if read > 0 => break,
                Poll::Ready(other) if read > 0 => {
                    self.held = Some(other);
                    break;
                }
                only => return only,
            }
        }
        Poll::Ready(Ok(Incoming::Bytes))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>> {
        while let Some(frame) = batch.frame() {
            // Only a sink that is ready gets the message, so that none is lost half-way.
            ready!(Pin::new(&mut self.socket).poll_ready(cx)).map_err(io::Error::other)?;
            let (part, is_text) = self.cutter.cut(frame);
            let payload = Payload::from(Bytes::copy_from_slice(part));
            let message = if is_text {
                Message::text(payload)
            } else {
                Message::binary(payload)
            };
            let length = part.len();
            Pin::new(&mut self.socket)
                .start_send(message)
                .map_err(io::Error::other)?;
            self.is_dirty = true;
            batch.advance(length);
        }
        if self.is_dirty || self.owed > 0 {
            ready!(Pin::new(&mut self.socket).poll_flush(cx)).map_err(io::Error::other)?;
            self.is_dirty = false;
            self.owed = 0;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.socket).poll_close(cx).map(drop)
    }

    fn owed(&self) -> usize {
        self.owed
    }
}
