//! A broker's message that is beyond the limits: passed over, so that the connection can go on.

use stompbox_proto::{Decoder, Limits};

/// Bytes of a header line that are kept. What names a message is shorter.
const LINE: usize = 8 << 10;

/// Headers that say whose a message is.
const KEPT: [&[u8]; 4] = [b"subscription", b"message-id", b"ack", b"destination"];

/// Passes over one message, and keeps of it what says whose it is.
#[derive(Debug, Default)]
pub(super) struct Skip {
    phase: Phase,
    /// What there is of the line at hand, as far as it is kept.
    line: Vec<u8>,
    is_longer: bool,
    /// Lines that are kept.
    head: Vec<u8>,
    length: Option<u64>,
}

#[derive(Debug, Default)]
enum Phase {
    #[default]
    Command,
    Headers,
    /// So many bytes of the body are still to come, and then the NUL.
    Sized(u64),
    /// The body goes on to the next NUL.
    Unsized,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skipped {
    /// There is more of the message to come.
    Not,
    /// All of it.
    Whole,
    /// It is no message, or none that could be passed over.
    Never,
}

impl Skip {
    /// Moves `input` past what of it is the message's.
    pub(super) fn take(&mut self, input: &mut &[u8]) -> Skipped {
        loop {
            match &mut self.phase {
                Phase::Command | Phase::Headers => {
                    let Some(at) = memchr::memchr2(b'\n', 0, input) else {
                        self.keep(input);
                        *input = &[];
                        return Skipped::Not;
                    };
                    let (part, rest) = input.split_at(at);
                    self.keep(part);
                    let end = rest.first().copied();
                    *input = rest.get(1..).unwrap_or_default();
                    if end != Some(b'\n') || !self.end_line() {
                        return Skipped::Never;
                    }
                }
                Phase::Sized(left) => {
                    let count =
                        usize::try_from(*left).map_or(input.len(), |it| it.min(input.len()));
                    *left -= count as u64;
                    *input = input.get(count..).unwrap_or_default();
                    let Some((last, rest)) = input.split_first() else {
                        return Skipped::Not;
                    };
                    *input = rest;
                    return match last {
                        0 => Skipped::Whole,
                        _ => Skipped::Never,
                    };
                }
                Phase::Unsized => {
                    let Some(at) = memchr::memchr(0, input) else {
                        *input = &[];
                        return Skipped::Not;
                    };
                    *input = input.get(at + 1..).unwrap_or_default();
                    return Skipped::Whole;
                }
            }
        }
    }

    fn keep(&mut self, part: &[u8]) {
        let room = LINE.saturating_sub(self.line.len()).min(part.len());
        self.is_longer |= room < part.len();
        self.line
            .extend_from_slice(part.get(..room).unwrap_or_default());
    }

    /// False: it is no message.
    fn end_line(&mut self) -> bool {
        let line = std::mem::take(&mut self.line);
        let is_longer = std::mem::take(&mut self.is_longer);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        if matches!(self.phase, Phase::Command) {
            self.phase = Phase::Headers;
            return line == b"MESSAGE";
        }
        if line.is_empty() {
            self.phase = self.length.map_or(Phase::Unsized, Phase::Sized);
            return true;
        }
        let Some(colon) = memchr::memchr(b':', line).filter(|_| !is_longer) else {
            return true;
        };
        let (name, value) = line.split_at(colon);
        if name == b"content-length" && self.length.is_none() {
            let value = std::str::from_utf8(value.get(1..).unwrap_or_default());
            self.length = value.ok().and_then(|it| it.trim().parse().ok());
            return self.length.is_some();
        }
        // The first of a name counts.
        let is_new = |kept: &[u8]| !kept.starts_with(name) || kept.get(name.len()) != Some(&b':');
        if KEPT.contains(&name) && self.head.split(|it| *it == b'\n').all(is_new) {
            self.head.extend_from_slice(line);
            self.head.push(b'\n');
        }
        true
    }

    /// The message without its body, and with only those headers that say whose it is.
    pub(super) fn frame(&self) -> Vec<u8> {
        [b"MESSAGE\n", &*self.head, b"\n\0"].concat()
    }
}

/// Reads what [`Skip::frame`] gives.
pub(super) fn decoder() -> Decoder {
    let line = LINE + 1;
    Decoder::new(Limits::default().with_header_line(line).with_head(8 * line))
}

#[cfg(test)]
mod tests {
    use stompbox_proto::Dialect;

    use super::*;

    /// However the stream is cut: what is left of it, and what is kept.
    fn skipped(stream: &[u8], cut: usize) -> (Skipped, Vec<u8>, Vec<u8>) {
        let mut skip = Skip::default();
        let mut left = stream;
        while !left.is_empty() {
            let (mut chunk, rest) = left.split_at(cut.min(left.len()));
            let found = skip.take(&mut chunk);
            if found != Skipped::Not {
                return (found, [chunk, rest].concat(), skip.frame());
            }
            assert!(chunk.is_empty());
            left = rest;
        }
        (Skipped::Not, Vec::new(), skip.frame())
    }

    #[test]
    fn a_message_is_passed_over_and_known() {
        let long = "x".repeat(3 * LINE);
        let head =
            format!("MESSAGE\r\nsubscription:7\nsubscription:8\nmessage-id:a\\cb\na:{long}\n");
        let wanted = b"MESSAGE\nsubscription:7\nmessage-id:a\\cb\n\n\0";
        for body in ["content-length:3\n\na\0b\0", "\nto the end\0"] {
            let stream = format!("{head}{body}\nRECEIPT");
            for cut in [1, 7, 100, stream.len()] {
                let (found, rest, frame) = skipped(stream.as_bytes(), cut);
                assert_eq!(found, Skipped::Whole, "{body:?} {cut}");
                assert_eq!(rest, b"\nRECEIPT", "{body:?} {cut}");
                assert_eq!(frame, wanted, "{body:?} {cut}");
                let mut input = &*frame;
                let mut decoder = decoder();
                let frame = decoder.decode(&mut input, Dialect::V1_2).unwrap().unwrap();
                assert_eq!(frame.header("message-id").as_deref(), Some("a:b"));
            }
        }
    }

    #[test]
    fn other_frames_are_not() {
        for stream in [
            "ERROR\n\nx\0",
            "MESSAGE\nsubscription\0",
            "MESSAGE\ncontent-length:x\n\n\0",
            "MESSAGE\ncontent-length:1\n\nxy\0",
        ] {
            let (found, ..) = skipped(stream.as_bytes(), 3);
            assert_eq!(found, Skipped::Never, "{stream:?}");
        }
    }
}
