use alloc::borrow::Cow;

use crate::{AckMode, FrameRef};

/// What a client's frame asks for. Everything borrows from the frame.
///
/// `receipt` is the value of the frame's `receipt` header: answer it by
/// [`Session::receipt`](super::Session::receipt) once the frame is processed.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// `CONNECT` or `STOMP`: answer by [`Session::accept`](super::Session::accept) or
    /// [`Session::refuse`](super::Session::refuse) before the next frame.
    Connect {
        /// The `login` header.
        login: Option<Cow<'a, str>>,
        /// The `passcode` header.
        passcode: Option<Cow<'a, str>>,
        /// The `host` header.
        host: Option<Cow<'a, str>>,
        /// The frame.
        frame: FrameRef<'a>,
    },
    /// `SEND`.
    Send {
        /// Where to.
        destination: Cow<'a, str>,
        /// The open transaction it belongs to.
        transaction: Option<Cow<'a, str>>,
        /// The receipt asked for.
        receipt: Option<Cow<'a, str>>,
        /// The frame, with the message's headers and body.
        frame: FrameRef<'a>,
    },
    /// `SUBSCRIBE`, with an id that was free.
    Subscribe {
        /// The subscription's id; in 1.0 without one, its destination.
        id: Cow<'a, str>,
        /// True if the client gave no id (1.0): `MESSAGE` then has no `subscription` header.
        implicit_id: bool,
        /// Where from.
        destination: Cow<'a, str>,
        /// How its messages are acknowledged.
        ack: AckMode,
        /// The receipt asked for.
        receipt: Option<Cow<'a, str>>,
        /// The frame.
        frame: FrameRef<'a>,
    },
    /// `UNSUBSCRIBE` of a subscription that there was, or of one that this session need not have: a
    /// durable one, of which its headers speak, or that to a temporary destination of a `reply-to`.
    Unsubscribe {
        /// The subscription's id; without one its durable name or, in 1.0, its destination.
        id: Cow<'a, str>,
        /// The receipt asked for.
        receipt: Option<Cow<'a, str>>,
        /// The frame.
        frame: FrameRef<'a>,
    },
    /// `ACK`.
    Ack {
        /// Which message.
        target: AckTarget<'a>,
        /// The open transaction it belongs to.
        transaction: Option<Cow<'a, str>>,
        /// The receipt asked for.
        receipt: Option<Cow<'a, str>>,
        /// The frame.
        frame: FrameRef<'a>,
    },
    /// `NACK`.
    Nack {
        /// Which message.
        target: AckTarget<'a>,
        /// The open transaction it belongs to.
        transaction: Option<Cow<'a, str>>,
        /// The receipt asked for.
        receipt: Option<Cow<'a, str>>,
        /// The frame.
        frame: FrameRef<'a>,
    },
    /// `BEGIN` of a transaction that was not open.
    Begin {
        /// The transaction's id.
        transaction: Cow<'a, str>,
        /// The receipt asked for.
        receipt: Option<Cow<'a, str>>,
    },
    /// `COMMIT` of an open transaction.
    Commit {
        /// The transaction's id.
        transaction: Cow<'a, str>,
        /// The receipt asked for.
        receipt: Option<Cow<'a, str>>,
    },
    /// `ABORT` of an open transaction.
    Abort {
        /// The transaction's id.
        transaction: Cow<'a, str>,
        /// The receipt asked for.
        receipt: Option<Cow<'a, str>>,
    },
    /// `DISCONNECT`: finish what is pending, send the receipt last, then
    /// [`Session::close`](super::Session::close).
    Disconnect {
        /// The receipt asked for.
        receipt: Option<Cow<'a, str>>,
    },
    /// A frame after `DISCONNECT` or after the session failed; nothing is to be done.
    Ignored,
}

/// Which message an `ACK` or `NACK` is for, in the form of the session's version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AckTarget<'a> {
    /// 1.2: the `id` header repeats the message's `ack` header.
    Id(Cow<'a, str>),
    /// 1.0 and 1.1: the message's own id, and from 1.1 on the subscription that it came by.
    Message {
        /// The `message-id` header.
        message_id: Cow<'a, str>,
        /// The `subscription` header; always there in 1.1.
        subscription: Option<Cow<'a, str>>,
    },
}
