use alloc::{borrow::Cow, string::String};

use crate::{Command, EncodeError, Version};

/// How the heads of frames are written and read: the negotiated version, or the rules that hold
/// before there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Before `CONNECTED`: lines may end in CR LF, `CONNECT` and `CONNECTED` are not escaped.
    Handshake,
    /// No escapes; blanks around names and values are padding, as in the 1.0 text's own examples.
    V1_0,
    /// The escapes `\n`, `\c` and `\\`.
    V1_1,
    /// The escapes of 1.1 and `\r`; lines may end in CR LF.
    V1_2,
}

impl From<Version> for Dialect {
    fn from(version: Version) -> Self {
        match version {
            Version::V1_0 => Self::V1_0,
            Version::V1_1 => Self::V1_1,
            Version::V1_2 => Self::V1_2,
        }
    }
}

/// The escapes of one frame's head, for those who read or write heads by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escapes {
    /// A backslash is a backslash.
    None,
    /// `\n`, `\c` and `\\`; others are faults.
    V1_1,
    /// Those of 1.1 and `\r`; others are faults.
    V1_2,
    /// An `ERROR` before negotiation: its sender's version is unknown, so known escapes are undone
    /// and others stay.
    Lenient,
}

impl Escapes {
    /// `CONNECT` and `CONNECTED` never escape, in any version (1.2, "Value Encoding").
    pub fn of(dialect: Dialect, command: Command) -> Self {
        match (command, dialect) {
            (Command::Connect | Command::Stomp | Command::Connected, _) | (_, Dialect::V1_0) => {
                Self::None
            }
            (_, Dialect::V1_1) => Self::V1_1,
            (_, Dialect::V1_2) => Self::V1_2,
            (_, Dialect::Handshake) => Self::Lenient,
        }
    }

    /// The octet that a backslash and `letter` stand for.
    pub fn decode(self, letter: u8) -> Option<u8> {
        match (letter, self) {
            (_, Self::None) => None,
            (b'n', _) => Some(b'\n'),
            (b'c', _) => Some(b':'),
            (b'\\', _) => Some(b'\\'),
            (b'r', Self::V1_2 | Self::Lenient) => Some(b'\r'),
            _ => None,
        }
    }

    /// Undoes the escapes of a name or value that the decoder has already found well-formed.
    #[inline]
    pub(crate) fn unescape(self, text: &str) -> Cow<'_, str> {
        if self == Self::None || !text.contains('\\') {
            return Cow::Borrowed(text);
        }
        self.unescape_slowly(text)
    }

    fn unescape_slowly(self, text: &str) -> Cow<'_, str> {
        let mut plain = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('\\') {
            let letter = rest.as_bytes().get(at + 1).copied();
            plain.push_str(&rest[..at]);
            if let Some(octet) = letter.and_then(|letter| self.decode(letter)) {
                plain.push(char::from(octet));
                rest = &rest[at + 2..];
            } else {
                plain.push('\\');
                rest = &rest[at + 1..];
            }
        }
        plain.push_str(rest);
        Cow::Owned(plain)
    }
}

/// Which part of a header a text is: a colon ends a name, so only values may hold one unescaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What is before the colon.
    Name,
    /// What is after it.
    Value,
}

/// What becomes of one octet of a name or value on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Octet {
    /// Itself.
    Plain,
    /// A backslash and this letter.
    Escaped(u8),
    /// The version has no way to write it there.
    Impossible,
}

impl Octet {
    /// What becomes of `octet`.
    pub fn of(octet: u8, part: Part, escapes: Escapes) -> Self {
        let letter = match octet {
            0 => return Self::Impossible,
            b'\n' => b'n',
            b'\r' => b'r',
            b':' => b'c',
            b'\\' => b'\\',
            _ => return Self::Plain,
        };
        match (letter, escapes) {
            (b'\\', Escapes::None) => Self::Plain,
            (b'c', Escapes::None) if part == Part::Value => Self::Plain,
            (_, Escapes::None) => Self::Impossible,
            // 1.1 has no escape for CR, and a raw one could be taken for the end of a line.
            (b'r', Escapes::V1_1) => Self::Impossible,
            _ => Self::Escaped(letter),
        }
    }
}

pub(crate) fn is_special(octet: u8) -> bool {
    matches!(octet, 0 | b'\n' | b'\r' | b':' | b'\\')
}

/// Escapes a header's value for any frame but `CONNECT` and `CONNECTED`; borrows where there is
/// nothing to escape.
///
/// # Errors
///
/// The text has an octet that the dialect can't express: NUL anywhere, CR before 1.2, LF in 1.0.
pub fn escape(text: &str, dialect: Dialect) -> Result<Cow<'_, str>, EncodeError> {
    if !text.bytes().any(is_special) {
        return Ok(Cow::Borrowed(text));
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    escape_into(
        &mut escaped,
        text,
        Part::Value,
        Escapes::of(dialect, Command::Send),
    )?;
    Ok(Cow::Owned(escaped))
}

/// Undoes what [`escape`] did; borrows where there is nothing to undo.
pub fn unescape(text: &str, dialect: Dialect) -> Cow<'_, str> {
    Escapes::of(dialect, Command::Send).unescape(text)
}

pub(crate) fn escape_into(
    out: &mut String,
    text: &str,
    part: Part,
    escapes: Escapes,
) -> Result<(), EncodeError> {
    for (at, c) in text.char_indices() {
        match u8::try_from(c).map_or(Octet::Plain, |octet| Octet::of(octet, part, escapes)) {
            Octet::Plain => out.push(c),
            Octet::Escaped(letter) => out.extend(['\\', char::from(letter)]),
            Octet::Impossible => {
                return Err(EncodeError::Inexpressible {
                    octet: c as u8,
                    at,
                    text: text.into(),
                });
            }
        }
    }
    Ok(())
}
