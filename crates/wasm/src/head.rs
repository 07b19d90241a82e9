//! Reads a frame's head: command and headers, with the blank line.

use stompbox_proto::{Command, Dialect, Escapes};

use crate::{
    Fault, Names,
    names::NONE,
    scan::{Scanned, cut, end_of_command, parse_length, scan, skip_ends_of_lines, trim, unescape},
};

/// Octets that a head may have, and the lines before it.
pub const WINDOW: usize = 128 * 1024;

/// Header lines that a head may have.
pub const MAX_HEADERS: usize = 512;

/// What a body without a `content-length` has in its place.
pub(crate) const UNSIZED: u32 = u32::MAX;

/// In the first word of a header, beside the number of its name.
pub struct Flag;

impl Flag {
    /// The value is to be read from the window, where it was unescaped.
    pub const READ: u32 = 1 << 16;
}

/// Where the parts of a head lie in the window: words of 32 bits, which the host reads in this order.
#[derive(Debug)]
#[repr(C)]
pub struct Head {
    /// Where the command begins, after lines that are heart-beats.
    pub start: u32,
    /// Where it ends.
    pub command_end: u32,
    /// The body's `content-length`, or 2^32 − 1.
    pub length: u32,
    /// The number of header lines.
    pub count: u32,
    /// The most octets that the body may have.
    pub limit: u32,
    /// Where the body begins, in octets.
    pub size: u32,
    /// The version that the last `CONNECTED` negotiated: 0 for 1.0, 1 for 1.1, 2 for 1.2.
    pub version: u32,
    /// The heart-beats that it agreed on, in milliseconds; 0: none.
    pub outgoing: u32,
    /// The same of those that come.
    pub incoming: u32,
    /// The header lines.
    pub headers: [Line; MAX_HEADERS],
}

/// A header line: the number of its name with [`Flag`]s, begin and end of its name, begin and end of its
/// value.
pub type Line = [u32; 5];

impl Head {
    /// An empty table.
    #[expect(clippy::new_without_default, reason = "too large to be made by chance")]
    pub const fn new() -> Self {
        Self {
            start: 0,
            command_end: 0,
            length: 0,
            count: 0,
            limit: 0,
            size: 0,
            version: 0,
            outgoing: 0,
            incoming: 0,
            headers: [[0; 5]; MAX_HEADERS],
        }
    }

    /// Reads the head that the window begins with: its command, `None` if more is needed. Escapes are
    /// undone in the window.
    ///
    /// # Errors
    ///
    /// The head breaks a rule.
    pub fn read(
        &mut self,
        window: &mut [u8],
        dialect: Dialect,
        names: &mut Names,
    ) -> Result<Option<Command>, Fault> {
        let start = skip_ends_of_lines(window);
        // A CR that is the last may be half of an end of line.
        let open_cr = start == window.len() && window.last() == Some(&b'\r');
        self.start = (start - usize::from(open_cr)) as u32;
        let Some(mut at) = end_of_command(window, start)? else {
            return Ok(None);
        };
        self.command_end = at as u32;
        let command = parse_command(cut(window, (start, at)));
        let cr = window.get(at) == Some(&b'\r');
        at += 1 + usize::from(cr);
        // A peer that ends its command with CR LF does so with every line.
        let strip_cr = cr || matches!(dialect, Dialect::Handshake | Dialect::V1_2);
        let escapes = Escapes::of(dialect, command);
        names.begin_head();
        let mut lines = 0;
        let mut length = UNSIZED;
        loop {
            let line = at;
            let Some(scanned) = scan(window, line)? else {
                return Ok(None);
            };
            let Scanned { colon, odd, .. } = scanned;
            let mut end = scanned.end;
            at = end + 1;
            if strip_cr && end > line && window.get(end - 1) == Some(&b'\r') {
                end -= 1;
            }
            if end == line {
                break;
            }
            if colon <= line || colon >= end {
                return Err(Fault::HeaderLine);
            }
            let headers = &mut self.headers;
            let place = headers.get_mut(lines).ok_or(Fault::TooManyHeaders)?;
            lines += 1;
            let mut name = (line, colon);
            let mut value = (colon + 1, end);
            if dialect == Dialect::V1_0 {
                name = trim(window, name);
                value = trim(window, value);
            }
            let text = cut(window, name);
            if text == b"content-length" {
                let own = parse_length(cut(window, value));
                if own == UNSIZED || (length != UNSIZED && own != length) {
                    return Err(Fault::ContentLength);
                }
                length = own;
            }
            let mut number = NONE;
            // Otherwise the hash is another's; names with blanks or escapes have no number.
            if name == (line, colon) && odd & 1 == 0 {
                number = names.number(text, scanned.hash);
            }
            let mut flag = 0;
            if odd != 0 {
                let (Some(n), Some(v)) = (
                    unescape(window, name, escapes, dialect),
                    unescape(window, value, escapes, dialect),
                ) else {
                    return Err(Fault::Escape);
                };
                name.1 = n;
                value.1 = v;
                flag = Flag::READ;
            }
            let places = [name.0, name.1, value.0, value.1].map(|place| place as u32);
            let [n, n_end, v, v_end] = places;
            *place = [flag | u32::from(number), n, n_end, v, v_end];
        }
        self.length = length;
        self.count = lines as u32;
        self.size = at as u32;
        Ok(Some(command))
    }

    /// Where the value of a header is.
    pub(crate) fn find(&self, window: &[u8], wanted: &[u8]) -> Option<(usize, usize)> {
        let mut headers = self.headers.iter().take(self.count as usize);
        let line =
            headers.find(|[_, n, end, ..]| cut(window, (*n as usize, *end as usize)) == wanted)?;
        Some((line[3] as usize, line[4] as usize))
    }
}

/// As `Command::parse`, in a tenth of its code: here a frame is not worth a jump table.
fn parse_command(text: &[u8]) -> Command {
    const fn named(command: Command) -> (&'static str, Command) {
        (command.as_str(), command)
    }
    const ALL: [(&str, Command); 15] = [
        named(Command::Message),
        named(Command::Receipt),
        named(Command::Error),
        named(Command::Connected),
        named(Command::Connect),
        named(Command::Stomp),
        named(Command::Send),
        named(Command::Subscribe),
        named(Command::Unsubscribe),
        named(Command::Begin),
        named(Command::Commit),
        named(Command::Abort),
        named(Command::Ack),
        named(Command::Nack),
        named(Command::Disconnect),
    ];
    let found = ALL.iter().find(|(name, _)| name.as_bytes() == text);
    found.map_or(Command::Other, |(_, command)| *command)
}
