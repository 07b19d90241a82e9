//! A stream of bytes: TCP, a socket in the file system, or TLS.

use std::{
    future::Future as _,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};

use super::{Incoming, Transport};
use crate::batch::Batch;

/// Both directions of a stream.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Frames over a stream.
pub(crate) struct Stream {
    io: Box<dyn Io>,
    is_dirty: bool,
}

/// What one read takes at most, and what messages of several small reads share.
const READ: usize = 64 << 10;

/// With less room than this a read would not be worth its call.
const LEAST: usize = 16 << 10;

impl Stream {
    pub(crate) fn new(io: Box<dyn Io>) -> Self {
        Self {
            io,
            is_dirty: false,
        }
    }
}

impl Transport for Stream {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut BytesMut,
    ) -> Poll<io::Result<Incoming>> {
        if into.capacity() - into.len() < LEAST {
            into.reserve(READ);
        }
        // It keeps nothing between two polls.
        match ready!(pin!(self.io.read_buf(into)).poll(cx))? {
            0 => Poll::Ready(Ok(Incoming::End)),
            _ => Poll::Ready(Ok(Incoming::Bytes)),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>> {
        while !batch.is_done() {
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, batch.rest()))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            batch.advance(written);
            self.is_dirty = true;
        }
        if self.is_dirty {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.is_dirty = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // The peer may have gone; there is nobody to tell.
        Pin::new(&mut self.io).poll_shutdown(cx).map(drop)
    }
}
