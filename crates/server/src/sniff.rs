//! What a client speaks, by its first bytes: an HTTP request begins with a method and a space, and no
//! frame does.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

/// `PRI` begins HTTP/2. `CONNECT` is a frame's: nobody gets a tunnel here.
const METHODS: [&[u8]; 9] = [
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"OPTIONS ",
    b"PATCH ",
    b"TRACE ",
    b"PRI ",
];

/// Bytes of the longest.
const MOST: usize = 8;

/// Whether it is HTTP. `None`: more bytes are needed, which there are always of a request.
fn is_http(first: &[u8]) -> Option<bool> {
    let mut methods = METHODS.iter();
    if methods.clone().any(|method| first.starts_with(method)) {
        return Some(true);
    }
    match methods.any(|method| method.starts_with(first)) {
        true => None,
        false => Some(false),
    }
}

/// Reads until it is known whether this is HTTP, and gives what was read.
///
/// # Errors
///
/// The stream's; its end too.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(bool, Vec<u8>)> {
    let mut first = Vec::with_capacity(MOST);
    loop {
        if let Some(is_http) = is_http(&first) {
            return Ok((is_http, first));
        }
        let left = MOST.saturating_sub(first.len()) as u64;
        if (&mut *stream).take(left).read_buf(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// A stream of which the first bytes were read already.
#[derive(Debug)]
pub(crate) struct Rewound<S> {
    first: Vec<u8>,
    stream: S,
}

impl<S> Rewound<S> {
    pub(crate) fn new(first: Vec<u8>, stream: S) -> Self {
        Self { first, stream }
    }

    /// The stream, and those of its first bytes that were not read again.
    pub(crate) fn into_parts(self) -> (Vec<u8>, S) {
        (self.first, self.stream)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let count = self.first.len().min(buffer.remaining());
        let rest = self.first.split_off(count);
        buffer.put_slice(&self.first);
        self.first = rest;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_and_frames_are_told_apart_by_their_first_bytes() {
        for (text, expected) in [
            ("GET / HTTP/1.1\r\n", true),
            ("OPTIONS * HTTP/1.1\r\n", true),
            ("PRI * HTTP/2.0\r\n", true),
            ("CONNECT\naccept-version:1.2\n", false),
            ("CONNECT\r\n", false),
            ("CONNECT example.com:443 HTTP/1.1\r\n", false),
            ("STOMP\n", false),
            ("\nCONNECT\n", false),
            ("\r\nGET / HTTP/1.1\r\n", false),
            ("GETTER\n", false),
            ("get / HTTP/1.1\r\n", false),
            ("\0", false),
            ("\u{16}\u{3}\u{1}", false),
        ] {
            let mut input = text.as_bytes();
            let (is_http, first) = read(&mut input).await.unwrap();
            assert_eq!(is_http, expected, "{text:?}");
            assert!(first.len() <= MOST);
            let mut whole = String::new();
            let mut stream = Rewound::new(first, input);
            stream.read_to_string(&mut whole).await.unwrap();
            assert_eq!(whole, text);
        }
        for text in ["", "G", "OPTIONS", "P"] {
            let error = read(&mut text.as_bytes()).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{text:?}");
        }
        assert_eq!(METHODS.iter().map(|method| method.len()).max(), Some(MOST));
    }
}
