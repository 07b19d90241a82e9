//! The headers of a received message.

use bytes::{Bytes, BytesMut};
use stompbox_proto::FrameRef;

/// Names and values in wire order.
#[derive(Clone)]
pub(crate) enum Headers {
    /// Lines as they came, each with its end, where nothing was escaped: one block for all.
    Plain(Bytes),
    /// Where something was.
    Unescaped(Vec<(String, String)>),
}

/// A frame's headers and body: shared with the block that the frame lies in, where that can be; else
/// copied.
pub(crate) fn keep(frame: &FrameRef<'_>, block: &Bytes) -> (Headers, Bytes) {
    share(frame, block).unwrap_or_else(|| copy(frame))
}

fn share(frame: &FrameRef<'_>, block: &Bytes) -> Option<(Headers, Bytes)> {
    let lines = frame.plain_lines()?;
    let start = lines.as_ptr().addr().checked_sub(block.as_ptr().addr())?;
    let end = start.checked_add(lines.len())?;
    // The body follows the blank line.
    let body = end.checked_add(1)?;
    let body_end = body.checked_add(frame.body().len())?;
    // A frame that came in parts is elsewhere.
    if body_end > block.len() {
        return None;
    }
    Some((
        Headers::Plain(block.slice(start..end)),
        block.slice(body..body_end),
    ))
}

/// Copies them, as one block where that can be.
fn copy(frame: &FrameRef<'_>) -> (Headers, Bytes) {
    if !frame.is_plain() {
        let headers = frame.headers();
        let headers = headers.map(|(n, v)| (n.into_owned(), v.into_owned()));
        return (
            Headers::Unescaped(headers.collect()),
            Bytes::copy_from_slice(frame.body()),
        );
    }
    let mut block = BytesMut::with_capacity(frame.head_len() + frame.body().len());
    for (name, value) in frame.plain_headers() {
        block.extend_from_slice(name.as_bytes());
        block.extend_from_slice(b":");
        block.extend_from_slice(value.as_bytes());
        block.extend_from_slice(b"\n");
    }
    let head = block.len();
    block.extend_from_slice(frame.body());
    let block = block.freeze();
    (Headers::Plain(block.slice(..head)), block.slice(head..))
}

impl Headers {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let (plain, unescaped) = match self {
            Self::Plain(lines) => (Some(lines), None),
            Self::Unescaped(pairs) => (None, Some(pairs)),
        };
        let lines = plain.map_or("", |lines| std::str::from_utf8(lines).unwrap_or_default());
        let plain = lines.lines().filter_map(|line| line.split_once(':'));
        let pairs = unescaped.into_iter().flatten();
        plain.chain(pairs.map(|(name, value)| (name.as_str(), value.as_str())))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let Self::Plain(lines) = self else {
            return self
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, value)| value);
        };
        let mut rest: &[u8] = lines;
        while !rest.is_empty() {
            let end = memchr(b'\n', rest);
            let line = &rest[..end];
            if line.get(name.len()) == Some(&b':') && line.starts_with(name.as_bytes()) {
                return std::str::from_utf8(&line[name.len() + 1..]).ok();
            }
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        None
    }

    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Plain(lines) => lines.len(),
            Self::Unescaped(pairs) => pairs.iter().map(|(n, v)| n.len() + v.len() + 2).sum(),
        }
    }
}

/// Where the octet is, or the end.
fn memchr(octet: u8, octets: &[u8]) -> usize {
    octets
        .iter()
        .position(|o| *o == octet)
        .unwrap_or(octets.len())
}
