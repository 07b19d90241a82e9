use stompbox_proto::{Command, Dialect, HeartBeat, Version};

use crate::{
    Fault, Head, Names, WINDOW,
    head::UNSIZED,
    scan::{cut, trim},
};

/// The longest body, in octets.
const MAX_BODY: u32 = 256 << 20;

/// The longest first frame, in octets: whoever answers has not shown yet that it is a broker.
const MAX_HANDSHAKE: u32 = 32 * 1024;

/// What a frame is; the numbers are the host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// `CONNECTED`.
    Connected = 1,
    /// `MESSAGE`.
    Message = 2,
    /// `RECEIPT`.
    Receipt = 4,
    /// `ERROR`.
    Error = 6,
    /// A frame that no version defines.
    Unhandled = 7,
    /// A frame of a connection that only reads frames.
    Frame = 9,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    // Zero, as all of a free place: zeros take no room in the module.
    Free,
    /// `CONNECTED` is to come.
    Connecting,
    Connected,
    /// Frames are read, whatever they mean.
    Reading,
}

/// One connection of the host's, from `CONNECT` to its close.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    state: State,
    /// The negotiated version, once there is one.
    version: Version,
    /// The versions that were offered: bit 0 for 1.0, 1 for 1.1, 2 for 1.2.
    versions: u32,
    /// What this end offers, in milliseconds.
    heart_beat: HeartBeat,
}

impl Connection {
    /// A place that no connection has.
    pub const FREE: Self = Self {
        state: State::Free,
        version: Version::V1_0,
        versions: 0,
        heart_beat: HeartBeat::NONE,
    };

    /// A connection that only reads frames.
    pub const READER: Self = Self {
        state: State::Reading,
        ..Self::FREE
    };

    /// A connection whose `CONNECT` is sent. `versions` has bit 0 for 1.0, 1 for 1.1, 2 for 1.2.
    pub fn open(versions: u32, heart_beat: HeartBeat) -> Self {
        Self {
            state: State::Connecting,
            versions,
            heart_beat,
            ..Self::FREE
        }
    }

    /// Whether no connection is here.
    pub fn is_free(&self) -> bool {
        self.state == State::Free
    }

    /// How frames are read and written now.
    pub fn dialect(&self) -> Dialect {
        match self.state {
            State::Free | State::Connecting => Dialect::Handshake,
            State::Connected => self.version.into(),
            State::Reading => Dialect::V1_0,
        }
    }

    /// Reads the head that the window begins with: what it is, or `None` if more is needed.
    ///
    /// # Errors
    ///
    /// The server breaks the protocol.
    pub fn head(
        &mut self,
        window: &mut [u8],
        head: &mut Head,
        names: &mut Names,
    ) -> Result<Option<Kind>, Fault> {
        let connecting = self.state == State::Connecting;
        let most = if connecting {
            MAX_HANDSHAKE
        } else {
            WINDOW as u32
        };
        let Some(command) = head.read(window, self.dialect(), names)? else {
            // Less than a character's room: the host can't put in more.
            return if window.len() as u32 + 3 >= most {
                Err(Fault::HeadTooLong)
            } else {
                Ok(None)
            };
        };
        let mut limit = MAX_BODY;
        if connecting {
            limit = most.checked_sub(head.size).ok_or(Fault::HeadTooLong)?;
        }
        head.limit = limit;
        if head.length != UNSIZED && head.length > limit {
            return Err(Fault::BodyTooLong);
        }
        self.receive(command, window, head).map(Some)
    }

    fn receive(&mut self, command: Command, window: &[u8], head: &mut Head) -> Result<Kind, Fault> {
        match (command, self.state) {
            (_, State::Reading) => Ok(Kind::Frame),
            (Command::Error, _) => Ok(Kind::Error),
            (Command::Connected, State::Connecting) => self.receive_connected(window, head),
            (Command::Message, State::Connected) => Ok(Kind::Message),
            (Command::Receipt, State::Connected) => match head.find(window, b"receipt-id") {
                Some(_) => Ok(Kind::Receipt),
                None => Err(Fault::ReceiptId),
            },
            (Command::Other, State::Connected) => Ok(Kind::Unhandled),
            _ => Err(Fault::Unexpected),
        }
    }

    fn receive_connected(&mut self, window: &[u8], head: &mut Head) -> Result<Kind, Fault> {
        // A 1.0 server says nothing of versions.
        let named = match head.find(window, b"version") {
            Some(value) => cut(window, trim(window, value)),
            None => b"1.0",
        };
        let version = Version::read(named)
            .filter(|version| self.versions >> (*version as u32) & 1 == 1)
            .ok_or(Fault::Version)?;
        self.state = State::Connected;
        self.version = version;
        // A broken header must not end a connection that works; without it there are no beats.
        let theirs = match head.find(window, b"heart-beat") {
            Some(value) if version != Version::V1_0 => {
                HeartBeat::read(cut(window, value)).unwrap_or_default()
            }
            _ => HeartBeat::NONE,
        };
        head.version = version as u32;
        head.outgoing = self.heart_beat.interval_to(theirs);
        head.incoming = theirs.interval_to(self.heart_beat);
        Ok(Kind::Connected)
    }
}
