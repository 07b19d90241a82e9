//! The two ways of moving frames: a TCP stream, and the messages of a WebSocket.
//!
//! Both move whole frames, so that what drives a connection need not know which it is.

use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time,
};
use tokio_websockets::{CloseCode, Error, Message, WebSocketStream};

/// What came of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// Bytes were added to the buffer.
    Bytes,
    /// The client has closed its end.
    End,
    /// The client sent a message beyond the limit.
    TooBig,
}

/// The receiving half. Dropping a `read` before it is done loses nothing.
pub(crate) trait Reader: Send {
    /// Waits for bytes and adds them to `into`.
    fn read(&mut self, into: &mut BytesMut) -> impl Future<Output = io::Result<Incoming>> + Send;
}

/// The sending half. Dropping a `flush` before it is done loses nothing.
pub(crate) trait Writer: Send {
    /// Takes one whole frame; `text`: it is known to be UTF-8.
    fn queue(&mut self, frame: Bytes, text: bool);
    /// Bytes that are taken and not yet sent.
    fn pending(&self) -> usize;
    /// Sends all that is taken.
    fn flush(&mut self) -> impl Future<Output = io::Result<()>> + Send;
    /// Ends the connection after what was flushed.
    fn close(&mut self) -> impl Future<Output = ()> + Send;
}

/// How long a close frame that the socket has made by itself may take to be sent.
const LINGER: Duration = Duration::from_millis(500);

/// The receiving half of a TCP stream.
#[derive(Debug)]
pub(crate) struct TcpReader(OwnedReadHalf);

/// The sending half of a TCP stream.
#[derive(Debug)]
pub(crate) struct TcpWriter {
    half: OwnedWriteHalf,
    buffer: BytesMut,
}

/// Both halves of a TCP stream.
pub(crate) fn tcp(stream: TcpStream) -> (TcpReader, TcpWriter) {
    let (read, write) = stream.into_split();
    (
        TcpReader(read),
        TcpWriter {
            half: write,
            buffer: BytesMut::new(),
        },
    )
}

impl Reader for TcpReader {
    async fn read(&mut self, into: &mut BytesMut) -> io::Result<Incoming> {
        into.reserve(16 * 1024);
        match self.0.read_buf(into).await? {
            0 => Ok(Incoming::End),
            _ => Ok(Incoming::Bytes),
        }
    }
}

impl Writer for TcpWriter {
    fn queue(&mut self, frame: Bytes, _: bool) {
        self.buffer.extend_from_slice(&frame);
    }

    fn pending(&self) -> usize {
        self.buffer.len()
    }

    async fn flush(&mut self) -> io::Result<()> {
        while !self.buffer.is_empty() {
            self.half.write_buf(&mut self.buffer).await?;
        }
        Ok(())
    }

    async fn close(&mut self) {
        // The peer may have gone; there is nobody to tell.
        let _ = self.half.shutdown().await;
    }
}

type Socket<S> = WebSocketStream<S>;

/// The receiving half of a WebSocket: the payloads of its messages, joined.
#[derive(Debug)]
pub(crate) struct WebSocketReader<S> {
    half: SplitStream<Socket<S>>,
    owed: Arc<AtomicUsize>,
}

/// The sending half of a WebSocket: a message for each frame, text if the frame is UTF-8.
#[derive(Debug)]
pub(crate) struct WebSocketWriter<S> {
    half: SplitSink<Socket<S>, Message>,
    queue: VecDeque<Message>,
    pending: usize,
    /// Whether messages were given to the socket since it was last flushed.
    dirty: bool,
    /// Bytes of pongs that the socket has queued by itself. They count as pending, or a peer that
    /// sends pings and reads nothing would make them grow without end.
    owed: Arc<AtomicUsize>,
}

/// What a pong takes up beside its payload, at most.
const PONG_OVERHEAD: usize = 128;

/// Both halves of a WebSocket.
pub(crate) fn websocket<S>(socket: Socket<S>) -> (WebSocketReader<S>, WebSocketWriter<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (half, stream) = socket.split();
    let owed = Arc::new(AtomicUsize::new(0));
    let reader = WebSocketReader {
        half: stream,
        owed: Arc::clone(&owed),
    };
    let writer = WebSocketWriter {
        half,
        queue: VecDeque::new(),
        pending: 0,
        dirty: false,
        owed,
    };
    (reader, writer)
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Reader for WebSocketReader<S> {
    async fn read(&mut self, into: &mut BytesMut) -> io::Result<Incoming> {
        match self.half.next().await {
            None => Ok(Incoming::End),
            Some(Ok(message)) if message.is_close() => {
                self.send_close().await;
                Ok(Incoming::End)
            }
            Some(Ok(message)) => {
                // Pings are answered by the socket; any sign of life counts for heart-beats.
                if message.is_text() || message.is_binary() {
                    into.extend_from_slice(message.as_payload());
                } else if message.is_ping() {
                    let size = message.as_payload().len() + PONG_OVERHEAD;
                    self.owed.fetch_add(size, Ordering::Relaxed);
                }
                Ok(Incoming::Bytes)
            }
            Some(Err(Error::PayloadTooLong { .. })) => Ok(Incoming::TooBig),
            Some(Err(Error::Io(error))) => Err(error),
            Some(Err(error)) => {
                self.send_close().await;
                Err(io::Error::new(io::ErrorKind::InvalidData, error))
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocketReader<S> {
    /// Sends the close frame that the socket has made by itself, as its answer to the peer's or to a
    /// fault: it does so before it gives the end of the stream.
    async fn send_close(&mut self) {
        let _ = time::timeout(LINGER, self.half.next()).await;
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Writer for WebSocketWriter<S> {
    fn queue(&mut self, frame: Bytes, text: bool) {
        self.pending += frame.len();
        let text = text || std::str::from_utf8(&frame).is_ok();
        self.queue.push_back(if text {
            Message::text(tokio_websockets::Payload::from(frame))
        } else {
            Message::binary(frame)
        });
    }

    fn pending(&self) -> usize {
        self.pending + self.owed.load(Ordering::Relaxed)
    }

    async fn flush(&mut self) -> io::Result<()> {
        let sent = self.send_all().await;
        if sent.is_err() {
            // A socket that has closed by itself takes no message, but its close frame may wait.
            let _ = self.half.flush().await;
        }
        sent
    }

    async fn close(&mut self) {
        let message = Message::close(Some(CloseCode::NORMAL_CLOSURE), "");
        let _ = self.half.send(message).await;
        let _ = self.half.flush().await;
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocketWriter<S> {
    async fn send_all(&mut self) -> io::Result<()> {
        while !self.queue.is_empty() {
            // Only a sink that is ready gets the message, so that none is lost half-way.
            poll_fn(|cx| self.half.poll_ready_unpin(cx))
                .await
                .map_err(io::Error::other)?;
            if let Some(message) = self.queue.pop_front() {
                self.half
                    .start_send_unpin(message)
                    .map_err(io::Error::other)?;
                self.dirty = true;
            }
        }
        let owed = self.owed.load(Ordering::Relaxed);
        if self.dirty || owed > 0 {
            self.half.flush().await.map_err(io::Error::other)?;
            self.dirty = false;
            self.owed.fetch_sub(owed, Ordering::Relaxed);
        }
        self.pending = 0;
        Ok(())
    }
}
