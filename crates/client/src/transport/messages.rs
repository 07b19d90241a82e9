//! The messages of a WebSocket that a frame goes in.

/// The bytes of the longest character, which a text message can't do without.
const CHARACTER: usize = 4;

/// Cuts frames into messages.
#[derive(Debug, Default)]
pub(crate) struct Cutter {
    /// The most bytes of a message; `None`: it has a whole frame.
    most: Option<usize>,
    /// Of the frame that has begun: whether it goes as text.
    is_text: Option<bool>,
}

impl Cutter {
    pub(crate) fn new(most: Option<usize>) -> Self {
        Self {
            most,
            is_text: None,
        }
    }

    /// The next message of what is left of a frame, and whether it is text. The caller sends it and
    /// comes with the rest, or the next frame.
    pub(crate) fn cut<'a>(&mut self, rest: &'a [u8]) -> (&'a [u8], bool) {
        let is_text = self
            .is_text
            .unwrap_or_else(|| std::str::from_utf8(rest).is_ok());
        let mut end = self.most.map_or(rest.len(), |most| most.max(CHARACTER));
        // A character's bytes stay together.
        while is_text && rest.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
            end -= 1;
        }
        self.is_text = (end < rest.len()).then_some(is_text);
        (rest.get(..end).unwrap_or(rest), is_text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all<'a>(most: Option<usize>, frames: &[&'a [u8]]) -> Vec<(&'a [u8], bool)> {
        let mut cutter = Cutter::new(most);
        let mut messages = Vec::new();
        for frame in frames {
            let mut rest = *frame;
            while !rest.is_empty() {
                let (message, is_text) = cutter.cut(rest);
                rest = &rest[message.len()..];
                messages.push((message, is_text));
            }
        }
        messages
    }

    #[test]
    fn a_frame_is_a_message_and_text_if_it_can_be() {
        let frames = ["SEND ä".as_bytes(), b"\n", b"\xff"];
        let expected = [(frames[0], true), (frames[1], true), (frames[2], false)];
        for most in [None, Some(100), Some(7)] {
            assert_eq!(all(most, &frames), expected);
        }
    }

    #[test]
    fn pieces_keep_characters_whole_and_the_kind_of_their_frame() {
        let text = "aä€😀b";
        let expected = ["aä", "€", "😀", "b", "next"].map(|piece| (piece.as_bytes(), true));
        assert_eq!(all(Some(4), &[text.as_bytes(), b"next"]), expected);
        let expected = [(&b"abcd"[..], false), (b"efg\xff", false), (b"text", true)];
        assert_eq!(all(Some(4), &[b"abcdefg\xff", b"text"]), expected);
        assert_eq!(all(Some(0), &["😀😀".as_bytes()]).len(), 2);
    }
}
