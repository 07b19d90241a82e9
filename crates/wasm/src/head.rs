//! Reads a frame's head: command and headers, with the blank line.

use stompbox_proto::{Command, Dialect, Escapes};

use crate::{Fault, Names, names::NONE};

/// Octets that a head may have, and the lines before it.
pub const WINDOW: usize = 128 * 1024;

/// Header lines that a head may have.
pub const MAX_HEADERS: usize = 512;

/// Octets that a command may have.
const MAX_COMMAND: usize = 32;

/// Words of the table before the headers.
const FIXED: usize = 8;
/// Words of a header.
const WORDS: usize = 5;
/// Words of the table.
pub const TABLE: usize = FIXED + MAX_HEADERS * WORDS;

/// What a body without a `content-length` has in its place.
pub(crate) const UNSIZED: u32 = u32::MAX;

/// Larger than any limit; lengths beyond count as this one.
const HUGE: u32 = 1 << 29;

/// In the first word of a header, beside the number of its name.
pub struct Flag;

impl Flag {
    /// The value is to be read from the window: it was unescaped there, or the head has had octets
    /// beyond ASCII, so that places in the window and in the host's text differ.
    pub const READ: u32 = 1 << 16;
}

/// How far a head has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More is needed.
    More,
    /// The head is complete, with this command.
    Complete(Command),
    /// The head breaks a rule.
    Fault(Fault),
}

/// Where the parts of a head lie in the window.
///
/// Words: 0 the command's place, after lines that are heart-beats; 1 its end; 2 where the body begins,
/// counted in UTF-16 units; 3 the body's `content-length`, or 2^32 − 1; 4 the number of headers; 5 the
/// body's limit; 6 where it begins, in octets. Then for each header, of repeated ones the first: the
/// number of its name with [`Flag`]s, begin and end of its name, begin and end of its value.
#[derive(Debug)]
pub struct Head {
    table: [u32; TABLE],
}

impl Head {
    /// An empty table.
    #[expect(clippy::new_without_default, reason = "too large to be made by chance")]
    pub const fn new() -> Self {
        Self { table: [0; TABLE] }
    }

    /// The table.
    pub fn table(&self) -> &[u32; TABLE] {
        &self.table
    }

    fn word(&mut self, at: usize, value: usize) {
        if let Some(word) = self.table.get_mut(at) {
            *word = value as u32;
        }
    }

    /// Reads the head that the window begins with. Escapes are undone in the window.
    pub fn read(&mut self, window: &mut [u8], dialect: Dialect, names: &mut Names) -> Progress {
        let mut at = 0;
        loop {
            match window.get(at) {
                Some(b'\n') => {}
                Some(b'\r') if matches!(window.get(at + 1), None | Some(b'\n')) => {}
                _ => break,
            }
            at += 1;
        }
        // A CR that is the last may be half of an end of line.
        let open_cr = at > 0 && at == window.len() && window.get(at - 1) == Some(&b'\r');
        self.word(0, at - usize::from(open_cr));
        let start = at;
        let command_end = loop {
            match window.get(at) {
                Some(b'\n') => break at,
                Some(b'\r') => match window.get(at + 1) {
                    None => return Progress::More,
                    Some(b'\n') if at > start => break at,
                    _ => return Progress::Fault(Fault::Command),
                },
                Some(b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_') => at += 1,
                Some(_) => return Progress::Fault(Fault::Command),
                None => return Progress::More,
            }
            if at - start > MAX_COMMAND {
                return Progress::Fault(Fault::Command);
            }
        };
        self.word(1, command_end);
        let cr = window.get(at) == Some(&b'\r');
        at += 1 + usize::from(cr);
        // A peer that ends its command with CR LF does so with every line.
        let strip_cr = cr || matches!(dialect, Dialect::Handshake | Dialect::V1_2);
        let command = Command::parse(window.get(start..command_end).unwrap_or_default());
        let escapes = Escapes::of(dialect, command);
        names.begin_head();
        let mut lines = 0;
        let mut place = FIXED;
        let mut length = UNSIZED;
        let mut any = 0;
        loop {
            let line = at;
            let mut colon = usize::MAX;
            // What is to be looked at again: 1 in the name, 2 in the value.
            let mut odd = 0;
            let mut hash = 0x811c_9dc5_u32;
            let mut octets = window.get(at..).unwrap_or_default().iter();
            loop {
                let Some(&octet) = octets.next() else {
                    return Progress::More;
                };
                if octet <= b'\r' {
                    match octet {
                        b'\n' => break,
                        0 => return Progress::Fault(Fault::NulInHead),
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
                any |= octet;
            }
            if colon != usize::MAX {
                loop {
                    let Some(&octet) = octets.next() else {
                        return Progress::More;
                    };
                    any |= octet;
                    if octet <= b'\r' {
                        match octet {
                            b'\n' => break,
                            0 => return Progress::Fault(Fault::NulInHead),
                            b'\r' => odd |= 2,
                            _ => {}
                        }
                    } else if octet == b'\\' {
                        odd |= 2;
                    }
                }
            }
            at = window.len() - octets.len() - 1;
            let mut end = at;
            at += 1;
            if strip_cr && end > line && window.get(end - 1) == Some(&b'\r') {
                end -= 1;
            }
            if end == line {
                break;
            }
            if colon <= line || colon >= end {
                return Progress::Fault(Fault::HeaderLine);
            }
            lines += 1;
            if lines > MAX_HEADERS {
                return Progress::Fault(Fault::TooManyHeaders);
            }
            let mut name = (line, colon);
            let mut value = (colon + 1, end);
            if dialect == Dialect::V1_0 {
                name = trim(window, name);
                value = trim(window, value);
            }
            let text = window.get(name.0..name.1).unwrap_or_default();
            if text == b"content-length" {
                let own = parse_length(window.get(value.0..value.1).unwrap_or_default());
                if own == UNSIZED || (length != UNSIZED && own != length) {
                    return Progress::Fault(Fault::ContentLength);
                }
                length = own;
            }
            let mut number = NONE;
            // Otherwise the hash is another's; names with blanks or escapes have no number.
            if name == (line, colon) && odd & 1 == 0 {
                number = names.number(text, hash);
            }
            let mut flag = if any > 0x7f { Flag::READ } else { 0 };
            if odd != 0 {
                let (Some(n), Some(v)) = (
                    unescape(window, name, escapes, dialect),
                    unescape(window, value, escapes, dialect),
                ) else {
                    return Progress::Fault(Fault::Escape);
                };
                name.1 = n;
                value.1 = v;
                flag = Flag::READ;
            }
            let words = [
                flag as usize | usize::from(number),
                name.0,
                name.1,
                value.0,
                value.1,
            ];
            for word in words {
                self.word(place, word);
                place += 1;
            }
        }
        self.word(3, length as usize);
        self.word(4, lines);
        self.word(6, at);
        let mut units = at;
        if any > 0x7f {
            for octet in window.iter().take(at) {
                // A character has one unit, or two if it takes four octets.
                match octet {
                    0x80..=0xbf => units -= 1,
                    0xf0.. => units += 1,
                    _ => {}
                }
            }
        }
        self.word(2, units);
        Progress::Complete(command)
    }

    /// The length that the head declares for its body.
    pub(crate) fn length(&self) -> u32 {
        self.table[3]
    }

    /// The octets of the head.
    pub(crate) fn size(&self) -> u32 {
        self.table[6]
    }

    pub(crate) fn set_limit(&mut self, limit: u32) {
        self.word(5, limit as usize);
    }

    /// The value of a header.
    pub(crate) fn find<'w>(&self, window: &'w [u8], wanted: &[u8]) -> Option<&'w [u8]> {
        let (headers, _) = self.table.get(FIXED..)?.as_chunks::<WORDS>();
        headers
            .iter()
            .take(self.table[4] as usize)
            .find(|[_, name, end, ..]| window.get(*name as usize..*end as usize) == Some(wanted))
            .and_then(|[.., value, end]| window.get(*value as usize..*end as usize))
    }
}

/// Narrows a part of a 1.0 head to what is between blanks.
fn trim(window: &[u8], (mut start, mut end): (usize, usize)) -> (usize, usize) {
    while start < end && window.get(start) == Some(&b' ') {
        start += 1;
    }
    while start < end && window.get(end - 1) == Some(&b' ') {
        end -= 1;
    }
    (start, end)
}

/// Undoes the escapes of a part where it is; its new end, `None` if one is undefined.
fn unescape(
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
fn parse_length(text: &[u8]) -> u32 {
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
