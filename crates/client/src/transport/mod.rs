//! The ways of moving frames: a stream of bytes, and the messages of a WebSocket.
//!
//! All are polled, and keep what they have begun in themselves: whoever stops polling loses nothing.

mod inspect;
#[cfg(any(feature = "ws", target_arch = "wasm32"))]
mod messages;
#[cfg(not(target_arch = "wasm32"))]
mod stream;
#[cfg(target_arch = "wasm32")]
mod web;
#[cfg(all(feature = "ws", not(target_arch = "wasm32")))]
mod websocket;

use std::{
    io,
    task::{Context, Poll},
};

use bytes::BytesMut;

pub use inspect::Traffic;
pub(crate) use inspect::{Inspected, Inspector};
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use stream::{Io, Stream};
#[cfg(target_arch = "wasm32")]
pub(crate) use web::WebSocket;
#[cfg(all(feature = "ws", not(target_arch = "wasm32")))]
pub(crate) use websocket::WebSocket;

use crate::{batch::Batch, runtime::MaybeSend};

/// What came of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// Bytes were added to the buffer, or there was another sign of life.
    Bytes,
    /// The server has closed its end.
    End,
    /// It has done so saying that all is done: a WebSocket's close with code 1000.
    #[cfg_attr(not(feature = "ws"), expect(dead_code, reason = "for WebSockets"))]
    Farewell,
    /// The server sent a message beyond the limit.
    #[cfg_attr(not(feature = "ws"), expect(dead_code, reason = "for WebSockets"))]
    TooBig,
}

/// A connection.
pub(crate) trait Transport: MaybeSend {
    /// Waits for bytes and adds them to `into`.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut BytesMut,
    ) -> Poll<io::Result<Incoming>>;

    /// Sends what is left of the batch; ready when all has left, and what the transport owes by
    /// itself too.
    fn poll_write(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>>;

    /// Ends the connection in order.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Bytes of answers that the transport gives by itself, which wait to be sent. A server that
    /// asks for them and reads nothing would make them grow without end.
    fn owed(&self) -> usize {
        0
    }
}
