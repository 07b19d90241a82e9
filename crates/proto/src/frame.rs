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

    /// The value of a header; of a repeated one the first (1.2, "Repeated Header Entries").
    pub fn header(&self, name: &str) -> Option<Cow<'a, str>> {
        let found = self.lines.iter().find(|line| {
            let raw = &self.head[line.name as usize..line.name_end as usize];
            raw == name || (self.escapes != Escapes::None && self.escapes.unescape(raw) == name)
        });
        found.map(|line| self.value(line))
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
