use alloc::{boxed::Box, string::String};
use core::fmt;

use crate::{Command, Version};

/// Bytes that are no frame, or a frame beyond the [`Limits`](crate::Limits). Framing is lost with
/// it: the connection can only be closed.
///
/// `at` is an offset in bytes from the first of the frame's command.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the fields' names are those of the variants' sentences"
)]
pub enum DecodeError {
    /// The command is longer than [`Limits::command`](crate::Limits::command).
    CommandTooLong { limit: usize },
    /// The command has an octet other than ASCII letters, digits, `-` and `_`, or is empty.
    InvalidCommand { at: usize },
    /// A header line is longer than [`Limits::header_line`](crate::Limits::header_line).
    HeaderLineTooLong { limit: usize, at: usize },
    /// There are more header lines than [`Limits::headers`](crate::Limits::headers).
    TooManyHeaders { limit: usize, at: usize },
    /// Command and headers are longer than [`Limits::head`](crate::Limits::head).
    HeadTooLong { limit: usize },
    /// The first frame is longer than [`Limits::handshake`](crate::Limits::handshake).
    HandshakeTooLong { limit: usize, length: u64 },
    /// The body, as declared or as far as it has come, is longer than
    /// [`Limits::body`](crate::Limits::body).
    BodyTooLong { limit: usize, length: u64 },
    /// A header line has no colon.
    MissingColon { at: usize },
    /// A header line begins with its colon.
    EmptyHeaderName { at: usize },
    /// A NUL before the blank line that ends the headers.
    NulInHead { at: usize },
    /// A CR that is not part of a line's end, where the version forbids it (1.2, "Augmented BNF").
    BareCarriageReturn { at: usize },
    /// A backslash that begins none of the version's escapes (1.1 and 1.2, "Value Encoding").
    UndefinedEscape { at: usize },
    /// Command and headers are not UTF-8.
    InvalidUtf8 { at: usize },
    /// A `content-length` that is not a plain decimal number.
    InvalidContentLength { at: usize },
    /// Repeated `content-length` headers that differ: two readers could disagree on where the
    /// frame ends.
    ContentLengthConflict { first: u64, second: u64, at: usize },
    /// The octet after a body of the declared length is not NUL.
    MissingNul { length: usize, found: u8, at: usize },
}

impl DecodeError {
    /// A short name for programs, the same in all releases: `header-line-too-long`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::CommandTooLong { .. } => "command-too-long",
            Self::InvalidCommand { .. } => "invalid-command",
            Self::HeaderLineTooLong { .. } => "header-line-too-long",
            Self::TooManyHeaders { .. } => "too-many-headers",
            Self::HeadTooLong { .. } => "head-too-long",
            Self::HandshakeTooLong { .. } => "handshake-too-long",
            Self::BodyTooLong { .. } => "body-too-long",
            Self::MissingColon { .. } => "missing-colon",
            Self::EmptyHeaderName { .. } => "empty-header-name",
            Self::NulInHead { .. } => "nul-in-head",
            Self::BareCarriageReturn { .. } => "bare-carriage-return",
            Self::UndefinedEscape { .. } => "undefined-escape",
            Self::InvalidUtf8 { .. } => "invalid-utf8",
            Self::InvalidContentLength { .. } => "invalid-content-length",
            Self::ContentLengthConflict { .. } => "content-length-conflict",
            Self::MissingNul { .. } => "missing-nul",
        }
    }

    /// Whether the frame is well-formed so far, but beyond a limit.
    pub fn is_limit(&self) -> bool {
        matches!(
            self,
            Self::CommandTooLong { .. }
                | Self::HeaderLineTooLong { .. }
                | Self::TooManyHeaders { .. }
                | Self::HeadTooLong { .. }
                | Self::HandshakeTooLong { .. }
                | Self::BodyTooLong { .. }
        )
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandTooLong { limit } => {
                write!(f, "the command is longer than {limit} bytes")
            }
            Self::InvalidCommand { at } => write!(
                f,
                "the command is empty or has an octet that no command has, at byte {at} of the frame"
            ),
            Self::HeaderLineTooLong { limit, at } => {
                write!(
                    f,
                    "the header line at byte {at} of the frame is longer than {limit} bytes"
                )
            }
            Self::TooManyHeaders { limit, at } => {
                write!(f, "more than {limit} headers, at byte {at} of the frame")
            }
            Self::HeadTooLong { limit } => {
                write!(f, "command and headers are longer than {limit} bytes")
            }
            Self::HandshakeTooLong { limit, length } => write!(
                f,
                "the first frame is longer than {limit} bytes: {length} or more"
            ),
            Self::BodyTooLong { limit, length } => {
                write!(f, "the body is longer than {limit} bytes: {length} or more")
            }
            Self::MissingColon { at } => {
                write!(f, "the header line at byte {at} of the frame has no colon")
            }
            Self::EmptyHeaderName { at } => {
                write!(
                    f,
                    "the header line at byte {at} of the frame has no name before its colon"
                )
            }
            Self::NulInHead { at } => write!(
                f,
                "a NUL at byte {at} of the frame, before the blank line that ends the headers"
            ),
            Self::BareCarriageReturn { at } => {
                write!(
                    f,
                    "a carriage return inside a line, at byte {at} of the frame"
                )
            }
            Self::UndefinedEscape { at } => {
                write!(f, "an undefined escape sequence at byte {at} of the frame")
            }
            Self::InvalidUtf8 { at } => {
                write!(
                    f,
                    "command and headers are not UTF-8, at byte {at} of the frame"
                )
            }
            Self::InvalidContentLength { at } => write!(
                f,
                "the content-length at byte {at} of the frame is not a decimal number"
            ),
            Self::ContentLengthConflict { first, second, at } => write!(
                f,
                "two content-length headers that differ: {first}, and {second} at byte {at} of the \
                 frame"
            ),
            Self::MissingNul { length, found, at } => write!(
                f,
                "octet {found} at byte {at} of the frame, where a NUL should end a body of {length} \
                 bytes"
            ),
        }
    }
}

impl core::error::Error for DecodeError {}

/// A frame that can't be written as asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the fields' names are those of the variants' sentences"
)]
pub enum EncodeError {
    /// A name or value has an octet that the version has no way to write, at byte `at` of `text`.
    Inexpressible {
        octet: u8,
        at: usize,
        text: Box<str>,
    },
    /// A header's name is empty.
    EmptyHeaderName,
    /// The command's frames have no body (1.2, "Body").
    BodyNotAllowed { command: Command },
    /// The caller's own `content-length` is not the body's length.
    ContentLengthMismatch { header: Box<str>, body: usize },
    /// A body with a NUL needs a `content-length` (1.2, "Header content-length").
    NulWithoutContentLength { at: usize },
    /// [`Command::Other`] has no name to write.
    NoCommand,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inexpressible { octet, at, text } => write!(
                f,
                "octet {octet} at byte {at} of {text:?} can't be written in a header of this frame \
                 and version"
            ),
            Self::EmptyHeaderName => f.write_str("a header's name is empty"),
            Self::BodyNotAllowed { command } => write!(f, "{command} frames have no body"),
            Self::ContentLengthMismatch { header, body } => {
                write!(
                    f,
                    "content-length is {header:?}, but the body has {body} bytes"
                )
            }
            Self::NulWithoutContentLength { at } => write!(
                f,
                "the body has a NUL at byte {at} and so needs a content-length header"
            ),
            Self::NoCommand => f.write_str("a frame without a command"),
        }
    }
}

impl core::error::Error for EncodeError {}

/// A well-formed frame that breaks a rule of the session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the fields' names are those of the variants' sentences"
)]
pub enum ProtocolError {
    /// A frame before `CONNECT` (server) or `CONNECTED` (client).
    NotConnected { command: String },
    /// A second `CONNECT` or `CONNECTED`.
    AlreadyConnected { command: Command },
    /// A command that no version of STOMP defines.
    UnknownCommand { command: String },
    /// A frame of the other end: a client must not send `MESSAGE`.
    UnexpectedCommand { command: Command },
    /// A command that the session's version lacks: `NACK` in 1.0.
    NotInVersion { command: Command, version: Version },
    /// A required header is missing.
    MissingHeader {
        command: Command,
        header: &'static str,
    },
    /// A header's value is not what the specification asks for.
    InvalidHeader {
        header: &'static str,
        value: String,
        expected: &'static str,
    },
    /// A body where only `SEND`, `MESSAGE` and `ERROR` may have one.
    BodyNotAllowed { command: Command },
    /// The ends have no version in common.
    NoCommonVersion { offered: String },
    /// A subscription id that is in use on the connection.
    DuplicateSubscription { id: String },
    /// A subscription id that is not in use on the connection.
    UnknownSubscription { id: String },
    /// A transaction that has begun already.
    DuplicateTransaction { transaction: String },
    /// A transaction that has not begun, or has ended.
    UnknownTransaction { transaction: String },
    /// More of something than the session's configuration allows.
    TooMany { what: &'static str, limit: usize },
}

impl ProtocolError {
    /// A short name for programs, the same in all releases.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotConnected { .. } => "not-connected",
            Self::AlreadyConnected { .. } => "already-connected",
            Self::UnknownCommand { .. } => "unknown-command",
            Self::UnexpectedCommand { .. } => "unexpected-command",
            Self::NotInVersion { .. } => "not-in-version",
            Self::MissingHeader { .. } => "missing-header",
            Self::InvalidHeader { .. } => "invalid-header",
            Self::BodyNotAllowed { .. } => "body-not-allowed",
            Self::NoCommonVersion { .. } => "no-common-version",
            Self::DuplicateSubscription { .. } => "duplicate-subscription",
            Self::UnknownSubscription { .. } => "unknown-subscription",
            Self::DuplicateTransaction { .. } => "duplicate-transaction",
            Self::UnknownTransaction { .. } => "unknown-transaction",
            Self::TooMany { .. } => "too-many",
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected { command } => {
                write!(f, "{command} before the connection is established")
            }
            Self::AlreadyConnected { command } => {
                write!(f, "{command} on a connection that is already established")
            }
            Self::UnknownCommand { command } => write!(f, "unknown command {command}"),
            Self::UnexpectedCommand { command } => {
                write!(f, "{command} is not a command of this direction")
            }
            Self::NotInVersion { command, version } => {
                write!(f, "STOMP {version} has no {command}")
            }
            Self::MissingHeader { command, header } => {
                write!(f, "{command} without its required header {header}")
            }
            Self::InvalidHeader {
                header,
                value,
                expected,
            } => {
                write!(f, "header {header} is {value:?}, expected {expected}")
            }
            Self::BodyNotAllowed { command } => write!(f, "{command} must not have a body"),
            Self::NoCommonVersion { offered } => {
                write!(f, "no common protocol version, offered were {offered:?}")
            }
            Self::DuplicateSubscription { id } => {
                write!(
                    f,
                    "subscription id {id:?} is already in use on this connection"
                )
            }
            Self::UnknownSubscription { id } => {
                write!(f, "no subscription with id {id:?} on this connection")
            }
            Self::DuplicateTransaction { transaction } => {
                write!(f, "transaction {transaction:?} has already begun")
            }
            Self::UnknownTransaction { transaction } => {
                write!(f, "no open transaction {transaction:?}")
            }
            Self::TooMany { what, limit } => write!(f, "more than {limit} {what}"),
        }
    }
}

impl core::error::Error for ProtocolError {}

/// A peer's text, cut so that an error that quotes it stays short.
pub(crate) fn quote(text: &str) -> String {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => {
            let mut cut = String::from(&text[..end]);
            cut.push('…');
            cut
        }
        None => text.into(),
    }
}
