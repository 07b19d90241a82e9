//! A transport that shows what it moves.

use std::{
    fmt, io,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::BytesMut;

use super::{Incoming, Transport};
use crate::batch::Batch;

/// What moves over a connection: see [`ConnectOptions::inspect`](crate::ConnectOptions::inspect).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Traffic<'a> {
    /// A server is about to be connected to; its URL, without a login and passcode.
    Connecting(&'a str),
    /// Bytes of STOMP have come. They may begin and end anywhere in a frame.
    Received(&'a [u8]),
    /// Bytes of STOMP have left, the passcode among them.
    Sent(&'a [u8]),
}

type See = dyn Fn(Traffic<'_>) + Send + Sync;

/// Who looks.
#[derive(Clone)]
pub(crate) struct Inspector(Arc<See>);

impl Inspector {
    pub(crate) fn new(see: impl Fn(Traffic<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(see))
    }

    pub(crate) fn see(&self, traffic: Traffic<'_>) {
        (self.0)(traffic);
    }
}

impl fmt::Debug for Inspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspector").finish_non_exhaustive()
    }
}

/// Another transport, and who looks at it.
pub(crate) struct Inspected {
    pub(crate) inner: Box<dyn Transport>,
    pub(crate) inspector: Inspector,
}

impl Transport for Inspected {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut BytesMut,
    ) -> Poll<io::Result<Incoming>> {
        let before = into.len();
        let result = self.inner.poll_read(cx, into);
        if let Some(bytes @ [_, ..]) = into.get(before..) {
            self.inspector.see(Traffic::Received(bytes));
        }
        result
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>> {
        let before = batch.pending();
        let result = self.inner.poll_write(cx, batch);
        if let bytes @ [_, ..] = batch.last_sent(before - batch.pending()) {
            self.inspector.see(Traffic::Sent(bytes));
        }
        result
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.inner.poll_close(cx)
    }

    fn owed(&self) -> usize {
        self.inner.owed()
    }
}
