use alloc::{borrow::Cow, string::String, vec::Vec};
use core::{fmt, slice};

use crate::{Command, dialect::Escapes};

/// Where a header line's parts are in its head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) name: u32,
    pub(crate) name_end: u32,
    pub(crate) value: u32,
    pub(crate) value_end: u32,
}

/// A decoded frame that borrows from the decoder or its input.
///
/// Names and values are unescaped when they are asked for.
#[derive(Clone, Copy)]
pub struct FrameRef<'a> {
    pub(crate) command: Command,
    pub(crate) escapes: Escapes,
    pub(crate) plain: bool,
    pub(crate) repeats: bool,
    /// Whether blanks around names and values don't belong to them.
    pub(crate) padded: bool,
    pub(crate) command_end: usize,
    pub(crate) head: &'a str,
    pub(crate) lines: &'a [Line],
    pub(crate) body: &'a [u8],
}

impl<'a> FrameRef<'a> {
    /// The frame's command.
    pub fn command(&self) -> Command {
        self.command
    }

    /// The command as it stood on the wire; says what a [`Command::Other`] was.
    pub fn command_text(&self) -> &'a str {
        &self.head[..self.command_end]
    }

    /// Bytes of the command and the headers, with the blank line.
    pub fn head_len(&self) -> usize {
        self.head.len()
    }

    /// Whether no name or value holds a backslash or a CR: whoever writes the headers again need not
    /// look for them.
    pub fn is_plain(&self) -> bool {
        self.plain
    }

    /// Whether the head is byte for byte that of the frame before from the same decoder, both being
    /// `SEND`s of one dialect: what was found out of the other's headers holds of these too.
    pub fn repeats_head(&self) -> bool {
        self.repeats
    }

    /// The value of a header; of a repeated one the first (1.2, "Repeated Header Entries").
    pub fn header(&self, name: &str) -> Option<Cow<'a, str>> {
        let head = self.head.as_bytes();
        // By length first, which most names differ in.
        let is_same = |line: &&Line| {
            (line.name_end - line.name) as usize == name.len()
                && head[line.name as usize..line.name_end as usize] == *name.as_bytes()
        };
        let found = if self.escapes == Escapes::None {
            self.lines.iter().find(is_same)
        } else {
            self.lines.iter().find(|line| {
                let raw = &self.head[line.name as usize..line.name_end as usize];
                is_same(line) || self.escapes.unescape(raw) == name
            })
        };
        found.map(|line| self.value(line))
    }

    /// All headers of a [plain](Self::is_plain) frame in wire order, repeated ones included: as they
    /// are, without a look at what could be escaped.
    pub fn plain_headers(&self) -> impl Iterator<Item = (&'a str, &'a str)> + Clone {
        let (head, lines) = (self.head, self.lines);
        lines.iter().map(move |line| {
            (
                &head[line.name as usize..line.name_end as usize],
                &head[line.value as usize..line.value_end as usize],
            )
        })
    }

    /// The lines of the headers as they came, each with its LF, if names and values are exactly what
    /// is before and after a line's first colon: nothing is escaped or trimmed, and lines end in LF
    /// alone.
    pub fn plain_lines(&self) -> Option<&'a str> {
        if !self.plain || self.padded {
            return None;
        }
        self.head.get(self.command_end + 1..self.head.len() - 1)
    }

    /// All headers in wire order, repeated ones included.
    pub fn headers(&self) -> Headers<'a> {
        Headers {
            frame: *self,
            lines: self.lines.iter(),
        }
    }

    /// The body; empty if there is none.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// A copy that owns its parts.
    pub fn to_frame(&self) -> Frame {
        Frame {
            command: self.command,
            headers: self
                .headers()
                .map(|(n, v)| (n.into_owned(), v.into_owned()))
                .collect(),
            body: self.body.to_vec(),
        }
    }

    #[inline]
    fn name(&self, line: &Line) -> Cow<'a, str> {
        self.escapes
            .unescape(&self.head[line.name as usize..line.name_end as usize])
    }

    #[inline]
    fn value(&self, line: &Line) -> Cow<'a, str> {
        self.escapes
            .unescape(&self.head[line.value as usize..line.value_end as usize])
    }
}

impl fmt::Debug for FrameRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut frame = f.debug_struct(self.command_text());
        for (name, value) in self.headers() {
            let value = if name == "passcode" {
                Cow::Borrowed("…")
            } else {
                value
            };
            frame.field(&name, &value);
        }
        frame
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish()
    }
}

/// The headers of a [`FrameRef`], as pairs of name and value.
#[derive(Clone, Debug)]
pub struct Headers<'a> {
    frame: FrameRef<'a>,
    lines: slice::Iter<'a, Line>,
}

impl<'a> Iterator for Headers<'a> {
    type Item = (Cow<'a, str>, Cow<'a, str>);

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.lines.next()?;
        Some((self.frame.name(line), self.frame.value(line)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.lines.size_hint()
    }
}

impl ExactSizeIterator for Headers<'_> {}

/// A frame that owns its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The command.
    pub command: Command,
    /// Names and values, unescaped, in wire order.
    pub headers: Vec<(String, String)>,
    /// The body; empty if there is none.
    pub body: Vec<u8>,
}

impl Frame {
    /// The value of a header; of a repeated one the first.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }
}
