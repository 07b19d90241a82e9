//! A broker's socket, which can be left alone for a while.

use std::{
    io::{self, Read as _, Write as _},
    net::Shutdown,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use super::servers::Io;

/// A socket. Those that doze are not watched: what arrives wakes nobody, and is found by the next read.
#[derive(Debug)]
pub(super) enum Socket {
    Awake(TcpStream),
    Dozing(std::net::TcpStream),
    /// It could not be had again.
    Lost,
}

impl Socket {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self::Awake(stream)
    }

    /// The socket, watched again.
    fn awake(&mut self) -> io::Result<&mut TcpStream> {
        if let Self::Dozing(_) = self
            && let Self::Dozing(stream) = std::mem::replace(self, Self::Lost)
        {
            *self = Self::Awake(TcpStream::from_std(stream)?);
        }
        match self {
            Self::Awake(stream) => Ok(stream),
            Self::Dozing(_) | Self::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl Io for Socket {
    fn doze(&mut self) -> io::Result<()> {
        if let Self::Awake(_) = self
            && let Self::Awake(stream) = std::mem::replace(self, Self::Lost)
        {
            *self = Self::Dozing(stream.into_std()?);
        }
        Ok(())
    }
}

impl Io for TlsStream<Socket> {
    fn doze(&mut self) -> io::Result<()> {
        self.get_mut().0.doze()
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Self::Dozing(stream) = &mut *self {
            match stream.read(buffer.initialize_unfilled()) {
                Ok(count) => {
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if is_for_later(&error) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Pin::new(self.awake()?).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Self::Dozing(stream) = &mut *self {
            match stream.write(bytes) {
                Err(error) if is_for_later(&error) => {}
                result => return Poll::Ready(result),
            }
        }
        Pin::new(self.awake()?).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Awake(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Dozing(stream) => Poll::Ready(stream.shutdown(Shutdown::Write)),
            Self::Lost => Poll::Ready(Ok(())),
        }
    }
}

fn is_for_later(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    async fn pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
        (Socket::new(near.expect("connected")), far.expect("one").0)
    }

    #[tokio::test]
    async fn a_dozing_socket_reads_writes_and_ends() {
        let (mut near, mut far) = pair().await;
        near.doze().expect("it dozes");
        let mut bytes = [0; 5];
        let (read, wrote) = tokio::join!(near.read_exact(&mut bytes), far.write_all(b"hello"));
        read.expect("read");
        wrote.expect("written");
        assert_eq!(&bytes, b"hello");
        near.doze().expect("it dozes again");
        near.write_all(b"there").await.expect("written");
        far.read_exact(&mut bytes).await.expect("read");
        assert_eq!(&bytes, b"there");
        near.shutdown().await.expect("shut down");
        assert_eq!(far.read(&mut bytes).await.expect("the end"), 0);
        drop(far);
        near.doze().expect("it dozes");
        assert_eq!(near.read(&mut bytes).await.expect("the end"), 0);
    }

    #[tokio::test]
    async fn a_dozing_socket_that_is_full_is_woken_when_it_is_not() {
        let (mut near, mut far) = pair().await;
        near.doze().expect("it dozes");
        let all = vec![7; 32 << 20];
        let reader = tokio::spawn(async move {
            let mut seen = Vec::new();
            far.read_to_end(&mut seen).await.expect("read");
            seen.len()
        });
        near.write_all(&all).await.expect("written");
        near.shutdown().await.expect("shut down");
        assert_eq!(reader.await.expect("read"), all.len());
    }
}
