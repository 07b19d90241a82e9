use std::time::Duration;

use stompbox_proto::{
    AckMode, Command, ContentLength, Decoder, Dialect, FrameRef, HeartBeat, Limits, Version,
    Versions,
    client::{AckRef, Config, Event, RequestError, Session, Timeout},
    encode,
};

use crate::fields::Fields;

/// One connection of the host's: a session and the bytes that came.
#[derive(Debug)]
pub struct Connection {
    /// None: only frames are read, as `Stomp.Frame.unmarshall` does.
    session: Option<Session>,
    decoder: Decoder,
    input: Vec<u8>,
    used: usize,
    /// A frame beside the session's.
    unsubscribe: Option<Vec<u8>>,
}

/// What came of the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// What it is: see [`Kind`].
    pub kind: Kind,
    /// Command, names and values of the frame, a NUL after each; for an error its text.
    pub head: Vec<u8>,
    /// The frame's body.
    pub body: Vec<u8>,
}

/// Kinds of [`Received`]; the numbers are the host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// `CONNECTED`.
    Connected = 1,
    /// `MESSAGE` of a known subscription.
    Message = 2,
    /// `MESSAGE` of none.
    UnknownMessage = 3,
    /// `RECEIPT`.
    Receipt = 4,
    /// `RECEIPT` of `DISCONNECT`.
    Disconnected = 5,
    /// `ERROR`.
    Error = 6,
    /// A frame that no version defines.
    Unhandled = 7,
    /// The server broke the protocol.
    Failure = 8,
    /// A frame of a connection that only reads frames.
    Frame = 9,
}

/// Requests; the numbers are the host's.
pub(crate) mod request {
    pub(crate) const SEND: u32 = 1;
    pub(crate) const SUBSCRIBE: u32 = 2;
    pub(crate) const UNSUBSCRIBE: u32 = 3;
    pub(crate) const ACK: u32 = 4;
    pub(crate) const NACK: u32 = 5;
    pub(crate) const BEGIN: u32 = 6;
    pub(crate) const COMMIT: u32 = 7;
    pub(crate) const ABORT: u32 = 8;
    pub(crate) const DISCONNECT: u32 = 9;
}

/// What a JavaScript host may hold; it has no listener to protect, only its own memory.
fn limits() -> Limits {
    Limits::default()
        .with_body(256 << 20)
        .with_header_line(64 << 10)
        .with_head(256 << 10)
}

impl Connection {
    /// A connection with `CONNECT` queued. The list: versions (as `1.0,1.1`), heart-beat out and in
    /// (milliseconds), tolerance (percent), then names and values of further headers.
    ///
    /// # Errors
    ///
    /// `CONNECT` can't be written; the text tells why.
    pub fn open(list: &[u8], now: Duration) -> Result<Self, String> {
        let mut fields = Fields::new(list);
        let config = Config {
            versions: Versions::parse_accept(fields.text()),
            heart_beat: HeartBeat::new(fields.number(), fields.number()),
            tolerance_percent: fields.number(),
            connect_timeout: None,
            headers: fields
                .pairs()
                .iter()
                .map(|(n, v)| ((*n).into(), (*v).into()))
                .collect(),
            ..Config::default()
        };
        let session = Session::new(config, now).map_err(|error| error.to_string())?;
        Ok(Self {
            session: Some(session),
            ..Self::reader()
        })
    }

    /// A connection that only reads frames.
    pub fn reader() -> Self {
        Self {
            session: None,
            decoder: Decoder::new(limits()),
            input: Vec::new(),
            used: 0,
            unsubscribe: None,
        }
    }

    /// Takes bytes from the socket.
    pub fn feed(&mut self, bytes: Vec<u8>, now: Duration) {
        if let Some(session) = &mut self.session {
            session.heard(now);
        }
        if self.used == self.input.len() {
            self.input = bytes;
        } else {
            self.input.drain(..self.used);
            self.input.extend_from_slice(&bytes);
        }
        self.used = 0;
    }

    /// What the bytes hold next.
    pub fn next(&mut self, now: Duration) -> Option<Received> {
        let dialect = match &self.session {
            Some(session) if session.is_closing() => return None,
            Some(session) => session.dialect(),
            None => Dialect::V1_0,
        };
        let mut rest = &self.input[self.used..];
        let decoded = self.decoder.decode(&mut rest, dialect);
        let received = match decoded {
            Ok(None) => None,
            Ok(Some(frame)) => {
                let kind = match &mut self.session {
                    None => Ok(Kind::Frame),
                    Some(session) => session.receive(&frame, now).map(|event| kind_of(&event)),
                };
                Some(match kind {
                    Ok(kind) => Received {
                        kind,
                        head: head_of(&frame),
                        body: frame.body().to_vec(),
                    },
                    Err(error) => failure(&error.to_string()),
                })
            }
            Err(error) => {
                if let Some(session) = &mut self.session {
                    session.close();
                }
                Some(failure(&error.to_string()))
            }
        };
        self.used = self.input.len() - rest.len();
        if received
            .as_ref()
            .is_none_or(|received| received.kind == Kind::Failure)
        {
            self.input = Vec::new();
            self.used = 0;
        }
        received
    }

    /// Makes a request. Its list depends on the kind; names and values of headers end it.
    ///
    /// # Errors
    ///
    /// Nothing is sent; the text tells why.
    pub fn request(&mut self, kind: u32, list: &[u8], body: &[u8]) -> Result<(), String> {
        let session = self.session.as_mut().ok_or("not a session")?;
        let mut fields = Fields::new(list);
        let result = match kind {
            request::SEND => {
                let destination = fields.text();
                let length = match fields.text() {
                    "never" => ContentLength::Never,
                    _ => ContentLength::Auto,
                };
                session.send(destination, &fields.pairs(), body, length)
            }
            request::SUBSCRIBE => {
                let (id, destination) = (fields.text(), fields.text());
                let ack: AckMode = fields.text().parse().map_err(|e| format!("ack: {e}"))?;
                session.subscribe(id, destination, ack, &fields.pairs())
            }
            request::UNSUBSCRIBE => {
                let id = fields.text();
                let headers = fields.pairs();
                match session.unsubscribe(id, &headers) {
                    // Programs of stomp.js give a destination here, or come twice: what follows
                    // this call in their callback has to run, so the server is the judge.
                    Err(RequestError::UnknownSubscription(_)) if session.is_connected() => {
                        let all = std::iter::once(("id", id))
                            .chain(headers.into_iter().filter(|(name, _)| *name != "id"));
                        let mut frame = Vec::new();
                        let (dialect, length) = (session.dialect(), ContentLength::Auto);
                        encode(&mut frame, dialect, Command::Unsubscribe, all, b"", length)
                            .map_err(|error| error.to_string())?;
                        self.unsubscribe = Some(frame);
                        Ok(())
                    }
                    result => result,
                }
            }
            request::ACK | request::NACK => {
                let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
                let message = AckRef {
                    ack: given(fields.text()),
                    message_id: fields.text().to_owned(),
                    subscription: given(fields.text()),
                };
                let headers = fields.pairs();
                if kind == request::ACK {
                    session.ack(&message, &headers)
                } else {
                    session.nack(&message, &headers)
                }
            }
            request::BEGIN => session.begin(fields.text(), &fields.pairs()),
            request::COMMIT => session.commit(fields.text(), &fields.pairs()),
            request::ABORT => session.abort(fields.text(), &fields.pairs()),
            request::DISCONNECT => session.disconnect(None, &fields.pairs()),
            _ => return Err(format!("no request {kind}")),
        };
        result.map_err(|error| error.to_string())
    }

    /// The next frame to send.
    pub fn transmit(&mut self) -> Option<Vec<u8>> {
        let next = self.session.as_mut()?.poll_transmit();
        next.or_else(|| self.unsubscribe.take())
    }

    /// Queues a heart-beat.
    pub fn beat(&mut self, now: Duration) {
        if let Some(session) = &mut self.session {
            session.beat(now);
        }
    }

    /// Whether the server has been silent for too long; the session is then over.
    pub fn is_silent(&mut self, now: Duration) -> bool {
        self.session
            .as_mut()
            .is_some_and(|session| session.handle_timeout(now) == Some(Timeout::PeerSilent))
    }

    /// The agreed heart-beats in milliseconds, out and in; 0: none.
    pub fn heart_beat(&self) -> (u32, u32) {
        let (send, expect) = self
            .session
            .as_ref()
            .map(Session::heart_beat)
            .unwrap_or_default();
        let milliseconds = |every: Option<Duration>| {
            every.map_or(0, |every| {
                u32::try_from(every.as_millis()).unwrap_or(u32::MAX)
            })
        };
        (milliseconds(send), milliseconds(expect))
    }

    /// The negotiated version: 10, 11 or 12; 0: none yet.
    pub fn version(&self) -> u32 {
        match self.session.as_ref().and_then(Session::version) {
            None => 0,
            Some(Version::V1_0) => 10,
            Some(Version::V1_1) => 11,
            Some(Version::V1_2) => 12,
        }
    }
}

fn kind_of(event: &Event<'_>) -> Kind {
    match event {
        Event::Connected { .. } => Kind::Connected,
        // Without the header the host knows best which subscription it is.
        Event::Message { known: true, .. }
        | Event::Message {
            subscription: None, ..
        } => Kind::Message,
        Event::Message { .. } => Kind::UnknownMessage,
        Event::Receipt { .. } => Kind::Receipt,
        Event::Disconnected { .. } => Kind::Disconnected,
        Event::Error { .. } => Kind::Error,
        Event::Unhandled { .. } => Kind::Unhandled,
    }
}

fn head_of(frame: &FrameRef<'_>) -> Vec<u8> {
    let mut head = Vec::with_capacity(256);
    head.extend_from_slice(frame.command_text().as_bytes());
    for (name, value) in frame.headers() {
        for text in [name, value] {
            head.push(0);
            head.extend_from_slice(text.as_bytes());
        }
    }
    head
}

fn failure(text: &str) -> Received {
    Received {
        kind: Kind::Failure,
        head: text.as_bytes().to_vec(),
        body: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn connected() -> Connection {
        let list = b"1.0,1.1\x001000\x002000\x00200\x00login\x00guest\x00";
        let mut connection = Connection::open(list, NOW).unwrap();
        let connect = String::from_utf8(connection.transmit().unwrap()).unwrap();
        assert_eq!(
            connect,
            "CONNECT\naccept-version:1.0,1.1\nheart-beat:1000,2000\nlogin:guest\n\n\0"
        );
        connection.feed(
            b"CONNECTED\nversion:1.1\nheart-beat:500,3000\n\n\0".to_vec(),
            NOW,
        );
        assert_eq!(connection.next(NOW).unwrap().kind, Kind::Connected);
        assert_eq!(connection.next(NOW), None);
        connection
    }

    #[test]
    fn a_connection_negotiates() {
        let connection = connected();
        assert_eq!(connection.version(), 11);
        assert_eq!(connection.heart_beat(), (3000, 2000));
    }

    #[test]
    fn messages_come_with_unescaped_heads_whole_or_in_pieces() {
        let mut connection = connected();
        connection
            .request(request::SUBSCRIBE, b"s\0/queue/a\0auto\0", b"")
            .unwrap();
        let subscribe = connection.transmit().unwrap();
        assert_eq!(
            subscribe,
            b"SUBSCRIBE\nid:s\ndestination:/queue/a\nack:auto\n\n\0"
        );
        let bytes = b"\nMESSAGE\nsubscription:s\nmessage-id:7\nx:a\\nb\n\nhi\0MESSAGE\n".to_vec();
        connection.feed(bytes, NOW);
        let message = connection.next(NOW).unwrap();
        assert_eq!(message.kind, Kind::Message);
        assert_eq!(
            message.head,
            b"MESSAGE\0subscription\0s\0message-id\x007\0x\0a\nb"
        );
        assert_eq!(message.body, b"hi");
        assert_eq!(connection.next(NOW), None);
        connection.feed(b"subscription:gone\n\n\0".to_vec(), NOW);
        assert_eq!(connection.next(NOW).unwrap().kind, Kind::UnknownMessage);
    }

    #[test]
    fn nonsense_is_a_failure_and_the_end() {
        let mut connection = connected();
        connection.feed(b"GARBAGE OF SORTS\n".to_vec(), NOW);
        assert_eq!(connection.next(NOW).unwrap().kind, Kind::Failure);
        assert_eq!(connection.next(NOW), None);
        assert!(
            connection
                .request(request::SEND, b"/queue/a\0auto\0", b"")
                .is_err()
        );
    }

    #[test]
    fn unknown_subscriptions_are_left_to_the_server() {
        let mut connection = connected();
        connection
            .request(request::UNSUBSCRIBE, b"/queue/a:b\0receipt\x001\0", b"")
            .unwrap();
        assert_eq!(
            connection.transmit().unwrap(),
            b"UNSUBSCRIBE\nid:/queue/a\\cb\nreceipt:1\n\n\0"
        );
        assert_eq!(connection.transmit(), None);
    }

    #[test]
    fn requests_that_make_no_sense_are_refused_with_a_text() {
        let mut connection = connected();
        assert!(connection.request(99, b"", b"").unwrap_err().contains("99"));
        assert!(
            connection
                .request(request::COMMIT, b"tx\0", b"")
                .unwrap_err()
                .contains("tx")
        );
        assert!(
            connection
                .request(request::SUBSCRIBE, b"s\0/a\0never\0", b"")
                .is_err()
        );
    }
}
