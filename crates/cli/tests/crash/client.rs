//! A client of its own, so that a fault of ours can't hide behind itself: STOMP 1.2, blocking.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

/// When a frame that must come is given up.
const HANG: Duration = Duration::from_secs(30);
/// How long a look for a frame takes.
const LOOK: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) command: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Frame {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }
}

pub(crate) struct Client {
    stream: TcpStream,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Client {
    /// Connects, with a `client-id` if one is given.
    pub(crate) fn connect(port: u16, client_id: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LOOK))?;
        let mut client = Self {
            stream,
            input: Vec::new(),
            output: Vec::new(),
        };
        let mut headers = vec![("accept-version", "1.2"), ("host", "localhost")];
        if !client_id.is_empty() {
            headers.push(("client-id", client_id));
        }
        client.put("CONNECT", &headers, "");
        client.flush()?;
        let frame = client.wait()?;
        if frame.command == "CONNECTED" {
            return Ok(client);
        }
        Err(io::Error::other(format!("{frame:?} instead of CONNECTED")))
    }

    /// Adds a frame to what [`flush`](Self::flush) writes.
    pub(crate) fn put(&mut self, command: &str, headers: &[(&str, &str)], body: &str) {
        let out = &mut self.output;
        out.extend_from_slice(command.as_bytes());
        out.push(b'\n');
        for (name, value) in headers {
            out.extend_from_slice(format!("{name}:{value}\n").as_bytes());
        }
        out.push(b'\n');
        out.extend_from_slice(body.as_bytes());
        out.push(0);
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.output)?;
        self.output.clear();
        Ok(())
    }

    /// A frame, if one comes within a moment.
    pub(crate) fn look(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.parse() {
                // Of a broker with little memory and a slow disk, which says so and closes.
                if frame.header("x-error-code") == "memory-full" {
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
                if frame.command == "ERROR" {
                    return Err(io::Error::other(format!("{frame:?}")));
                }
                return Ok(Some(frame));
            }
            let mut chunk = [0; 16 << 10];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => self.input.extend_from_slice(&chunk[..read]),
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) =>
                {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// A frame that must come.
    pub(crate) fn wait(&mut self) -> io::Result<Frame> {
        let start = Instant::now();
        while start.elapsed() < HANG {
            if let Some(frame) = self.look()? {
                return Ok(frame);
            }
        }
        Err(io::Error::other(format!("no frame in {HANG:?}")))
    }

    fn parse(&mut self) -> Option<Frame> {
        let blank = self.input.iter().take_while(|byte| **byte == b'\n').count();
        self.input.drain(..blank);
        let head = self.input.windows(2).position(|pair| pair == b"\n\n")?;
        let text = String::from_utf8_lossy(&self.input[..head]).into_owned();
        let mut lines = text.split('\n');
        let command = lines.next()?.to_owned();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let rest = &self.input[head + 2..];
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length = match length {
            Some((_, length)) => length.parse().ok()?,
            None => rest.iter().position(|byte| *byte == 0)?,
        };
        if rest.len() <= length {
            return None;
        }
        let body = String::from_utf8_lossy(&rest[..length]).into_owned();
        self.input.drain(..head + 2 + length + 1);
        Some(Frame {
            command,
            headers,
            body,
        })
    }
}

/// Whether an error is what a client sees of a server that was killed.
pub(crate) fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected
    )
}
