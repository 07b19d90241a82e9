use alloc::{string::String, vec::Vec};

use crate::{
    Command, Dialect, EncodeError,
    dialect::{Escapes, Part, escape_into, is_special},
};

/// When [`encode`] writes a `content-length` header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContentLength {
    /// For every body that isn't empty.
    #[default]
    Auto,
    /// For every frame that may have a body, even for an empty one.
    Always,
    /// Never; some JMS brokers take a message without it for text. Such a body can't hold a NUL.
    Never,
}

/// Writes a frame to the end of `out`. If it fails, `out` is as it was.
///
/// Names and values are escaped as the dialect and command ask. A `content-length` among `headers`
/// must be the body's length, and is not written a second time.
///
/// # Errors
///
/// What the dialect can't express is refused, never altered: so no header or frame can be injected.
pub fn encode<'h, I>(
    out: &mut Vec<u8>,
    dialect: Dialect,
    command: Command,
    headers: I,
    body: &[u8],
    length: ContentLength,
) -> Result<(), EncodeError>
where
    I: IntoIterator<Item = (&'h str, &'h str)>,
    I::IntoIter: Clone,
{
    if !body.is_empty() && !command.may_have_body() {
        return Err(EncodeError::BodyNotAllowed { command });
    }
    let body_length = match length {
        ContentLength::Auto => (!body.is_empty()).then_some(body.len()),
        ContentLength::Always => command.may_have_body().then_some(body.len()),
        ContentLength::Never => None,
    };
    let start = out.len();
    out.reserve(body.len() + 256);
    let sized = write_head(
        out,
        dialect,
        command,
        headers.into_iter(),
        body_length,
        body.len(),
    )?;
    if !sized && let Some(at) = memchr::memchr(0, body) {
        out.truncate(start);
        return Err(EncodeError::NulWithoutContentLength { at });
    }
    out.extend_from_slice(body);
    out.push(0);
    Ok(())
}

/// Writes a frame's command and headers up to and including the blank line, for a body that is
/// sent from elsewhere: the caller sends it, and a NUL after it. `body_length`: the value of the
/// `content-length` header; without it the body must hold no NUL.
///
/// # Errors
///
/// As for [`encode`].
pub fn encode_head<'h, I>(
    out: &mut Vec<u8>,
    dialect: Dialect,
    command: Command,
    headers: I,
    body_length: Option<usize>,
) -> Result<(), EncodeError>
where
    I: IntoIterator<Item = (&'h str, &'h str)>,
    I::IntoIter: Clone,
{
    let length = body_length.unwrap_or(0);
    write_head(
        out,
        dialect,
        command,
        headers.into_iter(),
        body_length,
        length,
    )
    .map(drop)
}

/// Gives whether the head has a `content-length`.
fn write_head<'h>(
    out: &mut Vec<u8>,
    dialect: Dialect,
    command: Command,
    headers: impl Iterator<Item = (&'h str, &'h str)> + Clone,
    body_length: Option<usize>,
    actual_length: usize,
) -> Result<bool, EncodeError> {
    if command == Command::Other {
        return Err(EncodeError::NoCommand);
    }
    let start = out.len();
    let mut length = Length {
        actual: actual_length,
        wanted: body_length,
        written: false,
        padded_names: dialect == Dialect::V1_0,
    };
    let result = write_plain(out, command, headers.clone(), &mut length).and_then(|plain| {
        if plain {
            return Ok(());
        }
        // Rare: something is to be escaped or refused, so each octet is looked at.
        out.truncate(start);
        length.written = false;
        write_escaped(
            out,
            Escapes::of(dialect, command),
            command,
            headers,
            &mut length,
        )
    });
    if let Err(error) = result {
        out.truncate(start);
        return Err(error);
    }
    if let (Some(wanted), false) = (length.wanted, length.written) {
        out.extend_from_slice(b"content-length:");
        write_number(out, wanted as u64);
        out.push(b'\n');
        length.written = true;
    }
    out.push(b'\n');
    Ok(length.written)
}

/// What is to be said of the body's length, and whether it was.
struct Length {
    actual: usize,
    wanted: Option<usize>,
    written: bool,
    /// Whether the reader takes blanks around a name for padding.
    padded_names: bool,
}

impl Length {
    /// Checks a header of the caller's. False: it was written before and is left out.
    #[inline(always)]
    fn take(&mut self, name: &str, value: &str) -> Result<bool, EncodeError> {
        let name = if self.padded_names {
            name.trim_matches(' ')
        } else {
            name
        };
        if name.len() != 14 || name != "content-length" {
            return Ok(true);
        }
        if value.parse() != Ok(self.actual) || value.starts_with('+') {
            let header = value.into();
            return Err(EncodeError::ContentLengthMismatch {
                header,
                body: self.actual,
            });
        }
        Ok(!core::mem::replace(&mut self.written, true))
    }
}

/// Writes the head as if nothing had to be escaped, then counts: if there are only as many special
/// octets as this function wrote itself, nothing had to be.
fn write_plain<'h>(
    out: &mut Vec<u8>,
    command: Command,
    mut headers: impl Iterator<Item = (&'h str, &'h str)>,
    length: &mut Length,
) -> Result<bool, EncodeError> {
    out.extend_from_slice(command.as_str().as_bytes());
    out.push(b'\n');
    let start = out.len();
    let mut own = 0;
    // Not by a loop of `next`: chains and filters are faster from within.
    headers.try_for_each(|(name, value)| {
        if name.is_empty() {
            return Err(EncodeError::EmptyHeaderName);
        }
        if !length.take(name, value)? {
            return Ok(());
        }
        out.reserve(name.len() + value.len() + 2);
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        out.extend_from_slice(value.as_bytes());
        out.push(b'\n');
        own += 2;
        Ok(())
    })?;
    Ok(count_special(&out[start..]) == own)
}

/// Blocks of one width, which the compiler turns into vector code.
fn count_special(octets: &[u8]) -> usize {
    const WIDTH: usize = 16;
    let (blocks, rest) = octets.as_chunks::<WIDTH>();
    let mut last = [b' '; WIDTH];
    last[..rest.len()].copy_from_slice(rest);
    let blocks = blocks.iter().chain([&last]);
    let counts = blocks.map(|block| {
        let marks = block.map(|octet| {
            let special = (octet == 0)
                | (octet == b'\n')
                | (octet == b'\r')
                | (octet == b':')
                | (octet == b'\\');
            u8::from(special)
        });
        usize::from(marks.iter().sum::<u8>())
    });
    counts.sum()
}

fn write_escaped<'h>(
    out: &mut Vec<u8>,
    escapes: Escapes,
    command: Command,
    headers: impl Iterator<Item = (&'h str, &'h str)>,
    length: &mut Length,
) -> Result<(), EncodeError> {
    out.extend_from_slice(command.as_str().as_bytes());
    out.push(b'\n');
    let mut line = String::new();
    for (name, value) in headers {
        if !length.take(name, value)? {
            continue;
        }
        line.clear();
        for (text, part, end) in [(name, Part::Name, ':'), (value, Part::Value, '\n')] {
            if text.bytes().any(is_special) {
                escape_into(&mut line, text, part, escapes)?;
            } else {
                line.push_str(text);
            }
            line.push(end);
        }
        out.extend_from_slice(line.as_bytes());
    }
    Ok(())
}

/// Writes a number in decimal, as in `content-length`.
#[inline]
pub fn write_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}
