/// What a peer may make this end hold, checked before it is held.
///
/// A connection's memory is at most about [`head`](Self::head) plus [`body`](Self::body), and
/// before the handshake [`handshake`](Self::handshake).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Length of the command, in bytes. Default: 32.
    pub command: usize,
    /// Length of one header line without its end, in bytes. Default: 8192.
    pub header_line: usize,
    /// Number of header lines of a frame, repeated ones included. Default: 128.
    pub headers: usize,
    /// Length of command and headers together, in bytes. Default: 65,536.
    pub head: usize,
    /// Length of a body, in bytes. Default: 4,194,304.
    pub body: usize,
    /// Length of the whole first frame (`CONNECT`, `CONNECTED` or `ERROR`), in bytes. Default:
    /// 32,768. One header line of it may be as long, since tokens come in `passcode`.
    pub handshake: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            command: 32,
            header_line: 8 * 1024,
            headers: 128,
            head: 64 * 1024,
            body: 4 * 1024 * 1024,
            handshake: 32 * 1024,
        }
    }
}

impl Limits {
    /// Sets [`command`](Self::command).
    #[must_use]
    pub fn with_command(mut self, bytes: usize) -> Self {
        self.command = bytes;
        self
    }

    /// Sets [`header_line`](Self::header_line).
    #[must_use]
    pub fn with_header_line(mut self, bytes: usize) -> Self {
        self.header_line = bytes;
        self
    }

    /// Sets [`headers`](Self::headers).
    #[must_use]
    pub fn with_headers(mut self, count: usize) -> Self {
        self.headers = count;
        self
    }

    /// Sets [`head`](Self::head).
    #[must_use]
    pub fn with_head(mut self, bytes: usize) -> Self {
        self.head = bytes;
        self
    }

    /// Sets [`body`](Self::body).
    #[must_use]
    pub fn with_body(mut self, bytes: usize) -> Self {
        self.body = bytes;
        self
    }

    /// Sets [`handshake`](Self::handshake).
    #[must_use]
    pub fn with_handshake(mut self, bytes: usize) -> Self {
        self.handshake = bytes;
        self
    }
}
