//! The parts of a head, octet by octet.

use stompbox_proto::{Dialect, Escapes};

use crate::{Fault, head::UNSIZED};

/// Octets that a command may have.
const MAX_COMMAND: usize = 32;

/// Larger than any limit; lengths beyond count as this one.
const HUGE: u32 = 1 << 29;

/// Where the command begins: the lines before it are heart-beats or padding.
pub(crate) fn skip_ends_of_lines(window: &[u8]) -> usize {
    let mut at = 0;
    loop {
        match window.get(at) {
            Some(b'\n') => {}
            Some(b'\r') if matches!(window.get(at + 1), None | Some(b'\n')) => {}
            _ => return at,
        }
        at += 1;
    }
}

/// Where the command that begins there ends, if that has come.
pub(crate) fn end_of_command(window: &[u8], start: usize) -> Result<Option<usize>, Fault> {
    let mut at = start;
    loop {
        match window.get(at) {
            Some(b'\n') => return Ok(Some(at)),
            Some(b'\r') => match window.get(at + 1) {
                None => return Ok(None),
                Some(b'\n') if at > start => return Ok(Some(at)),
                _ => return Err(Fault::Command),
            },
            Some(b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_') => at += 1,
            Some(_) => return Err(Fault::Command),
            None => return Ok(None),
        }
        if at - start > MAX_COMMAND {
            return Err(Fault::Command);
        }
    }
}

/// A header line, as it is found in one pass over its octets.
pub(crate) struct Scanned {
    /// Where its name ends; `usize::MAX` if it has no colon.
    pub(crate) colon: usize,
    /// Where its LF is.
    pub(crate) end: usize,
    /// Of its name.
    pub(crate) hash: u32,
    /// Whether a backslash or CR is to be looked at: 1 in the name, 2 in the value.
    pub(crate) odd: u8,
}

pub(crate) fn scan(window: &[u8], line: usize) -> Result<Option<Scanned>, Fault> {
    let mut colon = usize::MAX;
    let mut hash = 0x811c_9dc5_u32;
    let mut odd = 0;
    let mut octets = window.get(line..).unwrap_or_default().iter();
    loop {
        let Some(&octet) = octets.next() else {
            return Ok(None);
        };
        if octet <= b'\r' {
            match octet {
                b'\n' => break,
                0 => return Err(Fault::NulInHead),
                b'\r' => odd |= 1,
                _ => {}
            }
        } else if octet == b':' {
            colon = window.len() - octets.len() - 1;
            break;
        } else if octet == b'\\' {
            odd |= 1;
        }
        hash = (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193);
    }
    if colon != usize::MAX {
        loop {
            let Some(&octet) = octets.next() else {
                return Ok(None);
            };
            if octet <= b'\r' {
                match octet {
                    b'\n' => break,
                    0 => return Err(Fault::NulInHead),
                    b'\r' => odd |= 2,
                    _ => {}
                }
            } else if octet == b'\\' {
                odd |= 2;
            }
        }
    }
    let end = window.len() - octets.len() - 1;
    Ok(Some(Scanned {
        colon,
        end,
        hash,
        odd,
    }))
}

/// A part of the window.
pub(crate) fn cut(window: &[u8], (start, end): (usize, usize)) -> &[u8] {
    window.get(start..end).unwrap_or_default()
}

/// Narrows a part of a 1.0 head to what is between blanks.
pub(crate) fn trim(window: &[u8], (mut start, mut end): (usize, usize)) -> (usize, usize) {
    while start < end && window.get(start) == Some(&b' ') {
        start += 1;
    }
    while start < end && window.get(end - 1) == Some(&b' ') {
        end -= 1;
    }
    (start, end)
}

/// Undoes the escapes of a part where it is; its new end, `None` if one is undefined.
pub(crate) fn unescape(
    window: &mut [u8],
    (start, end): (usize, usize),
    escapes: Escapes,
    dialect: Dialect,
) -> Option<usize> {
    let mut to = start;
    let mut at = start;
    while at < end {
        let mut octet = *window.get(at)?;
        at += 1;
        if octet == b'\r' && dialect == Dialect::V1_2 {
            return None;
        }
        if octet == b'\\' && escapes != Escapes::None {
            let letter = window.get(..end)?.get(at).copied();
            if let Some(meant) = letter.and_then(|letter| escapes.decode(letter)) {
                octet = meant;
                at += 1;
            } else if escapes != Escapes::Lenient {
                return None;
            }
        }
        *window.get_mut(to)? = octet;
        to += 1;
    }
    // What was taken out was ASCII, and as such is still counted as units.
    window.get_mut(to..end)?.fill(b' ');
    Some(to)
}

/// A decimal number; [`UNSIZED`] if it is none, [`HUGE`] if it is beyond all limits.
pub(crate) fn parse_length(text: &[u8]) -> u32 {
    let mut number = 0;
    for octet in text {
        let digit = octet.wrapping_sub(b'0');
        if digit > 9 {
            return UNSIZED;
        }
        if number < HUGE / 16 {
            number = number * 10 + u32::from(digit);
        } else {
            number = HUGE;
        }
    }
    if text.is_empty() { UNSIZED } else { number }
}
