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

#[cfg(test)]
mod tests {
    use stompbox_proto::{Decoder, Dialect, Limits};

    use super::*;

    /// What comes of frames in these chunks, and whether each is shared with its chunk.
    fn kept(dialect: Dialect, chunks: &[&'static str]) -> Vec<(String, bool)> {
        let mut decoder = Decoder::new(Limits::default());
        let mut out = Vec::new();
        for chunk in chunks {
            let block = Bytes::copy_from_slice(chunk.as_bytes());
            let mut rest: &[u8] = &block;
            while let Some(frame) = decoder.decode(&mut rest, dialect).unwrap() {
                let (headers, body) = keep(&frame, &block);
                let mut text = String::new();
                for (name, value) in headers.iter() {
                    assert_eq!(headers.get(name), Some(value));
                    text += &format!("{name}={value};");
                }
                text += std::str::from_utf8(&body).unwrap();
                let range = block.as_ptr_range();
                let is_shared = match &headers {
                    Headers::Plain(lines) => range.contains(&lines.as_ptr()),
                    Headers::Unescaped(_) => false,
                };
                out.push((text, is_shared));
            }
        }
        out
    }

    #[test]
    fn a_frame_is_shared_where_its_lines_are_what_they_say() {
        let one = "MESSAGE\na:1\nb:x:y\n\nbody\0";
        let read = "a=1;b=x:y;body".to_owned();
        for (dialect, chunks, is_shared) in [
            (Dialect::V1_2, &[one][..], true),
            (Dialect::V1_1, &[one], true),
            // Names and values have no colons and blanks of their own there.
            (Dialect::V1_0, &["MESSAGE\na: 1 \nb :x:y\n\nbody\0"], false),
            (
                Dialect::V1_2,
                &["MESSAGE\r\na:1\r\nb:x:y\r\n\r\nbody\0"],
                false,
            ),
            (Dialect::V1_2, &["MESSAGE\na:1\nb:x\\cy\n\nbody\0"], false),
            (Dialect::V1_2, &["MESSAGE\na:1\nb:x:y\n\nbo", "dy\0"], false),
            (Dialect::V1_2, &["M", "ESSAGE\na:1\nb:x:y\n\nbody\0"], false),
        ] {
            let expected = vec![(read.clone(), is_shared)];
            assert_eq!(kept(dialect, chunks), expected, "{dialect:?} {chunks:?}");
        }
        let several = [
            "MESSAGE\na:1\n\n\0\n\nMESSAGE\n\nx\0MESSAGE\nb:2\n\n",
            "y\0MESSAGE\n\n\0",
        ];
        let texts: Vec<_> = kept(Dialect::V1_2, &several);
        let texts: Vec<_> = texts.iter().map(|(t, shared)| (&**t, *shared)).collect();
        assert_eq!(
            texts,
            [("a=1;", true), ("x", true), ("b=2;y", false), ("", true)]
        );
    }
}
