use alloc::{borrow::Cow, string::String};

use crate::{FrameRef, Version};

/// What a server's frame means. Everything borrows from the frame.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// `CONNECTED`: requests may be made from now on.
    Connected {
        /// The negotiated version.
        version: Version,
        /// The frame.
        frame: FrameRef<'a>,
    },
    /// `MESSAGE`.
    Message {
        /// The `subscription` header; a 1.0 server may leave it out.
        subscription: Option<Cow<'a, str>>,
        /// Whether the session has that subscription. A message that was under way when the
        /// subscription ended is not known.
        known: bool,
        /// The frame.
        frame: FrameRef<'a>,
    },
    /// `RECEIPT`.
    Receipt {
        /// The `receipt-id` header.
        id: Cow<'a, str>,
        /// Whether a request of this session asked for it.
        known: bool,
        /// The frame.
        frame: FrameRef<'a>,
    },
    /// The receipt of `DISCONNECT` came: the server has all. Close the connection.
    Disconnected {
        /// The `RECEIPT`.
        frame: FrameRef<'a>,
    },
    /// `ERROR`: the server closes the connection after it (1.2, "ERROR").
    Error {
        /// The frame.
        frame: FrameRef<'a>,
    },
    /// A frame that no version defines.
    Unhandled {
        /// The frame.
        frame: FrameRef<'a>,
    },
}

/// What an `ACK` or `NACK` says of its message, in whichever form the version wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AckRef {
    /// The message's `ack` header: 1.2.
    pub ack: Option<String>,
    /// The message's `message-id` header: 1.0 and 1.1.
    pub message_id: String,
    /// The message's `subscription` header: 1.1, and 1.0 where there is one.
    pub subscription: Option<String>,
}

impl AckRef {
    /// What acknowledges this `MESSAGE`.
    pub fn of(message: &FrameRef<'_>) -> Self {
        let header = |name| message.header(name).map(Cow::into_owned);
        Self {
            ack: header("ack"),
            message_id: header("message-id").unwrap_or_default(),
            subscription: header("subscription"),
        }
    }
}
