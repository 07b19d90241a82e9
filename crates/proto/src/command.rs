use core::fmt;

/// The command of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// `CONNECT`, client to server.
    Connect,
    /// `STOMP`, the same as `CONNECT`, since 1.1.
    Stomp,
    /// `CONNECTED`, server to client.
    Connected,
    /// `SEND`, client to server.
    Send,
    /// `SUBSCRIBE`, client to server.
    Subscribe,
    /// `UNSUBSCRIBE`, client to server.
    Unsubscribe,
    /// `BEGIN`, client to server.
    Begin,
    /// `COMMIT`, client to server.
    Commit,
    /// `ABORT`, client to server.
    Abort,
    /// `ACK`, client to server.
    Ack,
    /// `NACK`, client to server, since 1.1.
    Nack,
    /// `DISCONNECT`, client to server.
    Disconnect,
    /// `MESSAGE`, server to client.
    Message,
    /// `RECEIPT`, server to client.
    Receipt,
    /// `ERROR`, server to client.
    Error,
    /// A command that no version of STOMP defines; `FrameRef::command_text` has its name.
    Other,
}

impl Command {
    /// The command as it stands on the wire; empty for [`Command::Other`].
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Stomp => "STOMP",
            Self::Connected => "CONNECTED",
            Self::Send => "SEND",
            Self::Subscribe => "SUBSCRIBE",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::Begin => "BEGIN",
            Self::Commit => "COMMIT",
            Self::Abort => "ABORT",
            Self::Ack => "ACK",
            Self::Nack => "NACK",
            Self::Disconnect => "DISCONNECT",
            Self::Message => "MESSAGE",
            Self::Receipt => "RECEIPT",
            Self::Error => "ERROR",
            Self::Other => "",
        }
    }

    /// The command that the octets spell, [`Command::Other`] if it is none of STOMP's.
    pub fn parse(text: &[u8]) -> Self {
        match text {
            b"CONNECT" => Self::Connect,
            b"STOMP" => Self::Stomp,
            b"CONNECTED" => Self::Connected,
            b"SEND" => Self::Send,
            b"SUBSCRIBE" => Self::Subscribe,
            b"UNSUBSCRIBE" => Self::Unsubscribe,
            b"BEGIN" => Self::Begin,
            b"COMMIT" => Self::Commit,
            b"ABORT" => Self::Abort,
            b"ACK" => Self::Ack,
            b"NACK" => Self::Nack,
            b"DISCONNECT" => Self::Disconnect,
            b"MESSAGE" => Self::Message,
            b"RECEIPT" => Self::Receipt,
            b"ERROR" => Self::Error,
            _ => Self::Other,
        }
    }

    /// Whether the command's frames may carry a body: `SEND`, `MESSAGE` and `ERROR` (1.2, "Body"),
    /// and those that no version defines.
    pub fn may_have_body(self) -> bool {
        matches!(self, Self::Send | Self::Message | Self::Error | Self::Other)
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
