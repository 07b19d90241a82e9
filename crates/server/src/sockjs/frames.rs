//! SockJS's frames, and the messages of the server that they are made of.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use memchr::memmem;
use tokio::io::{AsyncRead, ReadBuf};
use websocket_sans_io::{FrameInfo, Opcode, WebsocketFrameEncoder};

use super::strings::Broken;

/// A session begins.
pub(super) const OPEN: &str = "o";

/// A sign of life.
pub(super) const HEART_BEAT: &str = "h";

/// The frame of messages.
pub(super) fn messages(messages: &[String]) -> String {
    let mut out = String::from("a[");
    for message in messages {
        if out.len() > 2 {
            out.push(',');
        }
        push_json(&mut out, message);
    }
    out.push(']');
    out
}

/// The frame that ends a session.
pub(super) fn close(code: u16, reason: &str) -> String {
    let mut out = format!("c[{code},");
    push_json(&mut out, reason);
    out.push(']');
    out
}

fn push_json(out: &mut String, text: &str) {
    // A text's JSON can be written, always.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

/// Moves the whole characters of `text` into a WebSocket frame, as a client writes it, whose mask
/// leaves all as it is; empty: there are none. A character that has only begun stays.
pub(super) fn take_masked(text: &mut Vec<u8>) -> Result<Vec<u8>, Broken> {
    let whole = whole(text)?;
    if whole == 0 {
        return Ok(Vec::new());
    }
    let header = WebsocketFrameEncoder::new().start_frame(&FrameInfo {
        opcode: Opcode::Text,
        payload_length: whole as u64,
        mask: Some([0; 4]),
        fin: true,
        reserved: 0,
    });
    let mut frame = Vec::with_capacity(header.len() + whole);
    frame.extend_from_slice(&header);
    frame.extend(text.drain(..whole));
    Ok(frame)
}

/// How many of the bytes are whole characters.
pub(super) fn whole(bytes: &[u8]) -> Result<usize, Broken> {
    match std::str::from_utf8(bytes) {
        Ok(_) => Ok(bytes.len()),
        Err(error) if error.error_len().is_none() => Ok(error.valid_up_to()),
        Err(_) => Err(Broken),
    }
}

/// What the server has for its client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Messages.
    Texts(Vec<String>),
    /// It closes, by a code and with a reason; none: it has gone without a word.
    Close(Option<(u16, String)>),
}

enum Message {
    Text(String),
    Close(u16, String),
}

/// Bytes of messages that are taken together, unless one message is longer.
const BATCH: usize = 64 << 10;

/// Takes the server's messages out of its WebSocket, which is one only within this process.
#[derive(Debug)]
pub(super) struct Messages<R> {
    reader: R,
    input: Vec<u8>,
    /// Of the input, what was taken.
    taken: usize,
    /// The end, which comes behind what was before it.
    end: Option<Option<(u16, String)>>,
}

impl<R: AsyncRead + Unpin> Messages<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            input: Vec::new(),
            taken: 0,
            end: None,
        }
    }

    /// The messages that are there, or the end, behind which there is nothing.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        let (mut texts, mut size) = (Vec::new(), 0);
        while size < BATCH && self.end.is_none() {
            match self.poll_message(cx) {
                Poll::Pending if texts.is_empty() => return Poll::Pending,
                Poll::Pending => break,
                Poll::Ready(Some(Message::Text(text))) => {
                    size += text.len();
                    texts.push(text);
                }
                Poll::Ready(Some(Message::Close(code, reason))) => {
                    self.end = Some(Some((code, reason)));
                }
                Poll::Ready(None) => self.end = Some(None),
            }
        }
        Poll::Ready(match texts.is_empty() {
            true => Next::Close(self.end.clone().flatten()),
            false => Next::Texts(texts),
        })
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        loop {
            if let Some(message) = self.take() {
                return Poll::Ready(Some(message));
            }
            match ready!(self.poll_read(cx)) {
                Ok(0) | Err(_) => return Poll::Ready(None),
                Ok(_) => {}
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut room = [0; 8192];
        let mut buffer = ReadBuf::new(&mut room);
        ready!(Pin::new(&mut self.reader).poll_read(cx, &mut buffer))?;
        self.input.drain(..self.taken);
        self.taken = 0;
        self.input.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// A whole frame of the input. Servers neither mask nor fragment, and ping nobody.
    fn take(&mut self) -> Option<Message> {
        loop {
            let [first, length, rest @ ..] = self.input.get(self.taken..)? else {
                return None;
            };
            let (length, rest) = match length {
                126 => {
                    let (length, rest) = rest.split_first_chunk()?;
                    (u64::from(u16::from_be_bytes(*length)), rest)
                }
                127 => {
                    let (length, rest) = rest.split_first_chunk()?;
                    (u64::from_be_bytes(*length), rest)
                }
                length => (u64::from(*length), rest),
            };
            let payload = rest.get(..usize::try_from(length).ok()?)?;
            let header = self.input.len() - self.taken - rest.len();
            let message = match first & 15 {
                1 | 2 => Some(Message::Text(text_of(payload))),
                8 => {
                    let (code, reason) = payload.split_first_chunk().unwrap_or((&[3, 232], &[]));
                    let reason = String::from_utf8_lossy(reason).into_owned();
                    Some(Message::Close(u16::from_be_bytes(*code), reason))
                }
                _ => None,
            };
            self.taken += header + payload.len();
            if self.taken == self.input.len() {
                // An idle session holds nothing.
                self.input = Vec::new();
                self.taken = 0;
            }
            if message.is_some() {
                return message;
            }
        }
    }
}

/// A frame of STOMP as text, which is all that SockJS can carry. Of a body that is not UTF-8 what
/// is none becomes U+FFFD, and its `content-length` tells of the text.
fn text_of(frame: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(frame) {
        return text.to_owned();
    }
    let head = memmem::find(frame, b"\n\n").map_or(frame.len(), |at| at + 2);
    let (head, body) = frame.split_at(head);
    let body = String::from_utf8_lossy(body);
    let length = body.strip_suffix('\0').unwrap_or(&body).len();
    let mut text = String::new();
    for line in String::from_utf8_lossy(head).split_inclusive('\n') {
        match line.strip_prefix("content-length:") {
            Some(_) => text.push_str(&format!("content-length:{length}\n")),
            None => text.push_str(line),
        }
    }
    text + &body
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;
    use crate::websocket::{CloseCode, put_close, put_message};

    #[test]
    fn frames_are_those_of_the_protocol() {
        assert_eq!(
            messages(&["a\"\n".into(), "é\0".into()]),
            "a[\"a\\\"\\n\",\"é\\u0000\"]"
        );
        assert_eq!(close(3000, "Go away!"), "c[3000,\"Go away!\"]");
    }

    #[test]
    fn a_body_that_is_no_text_becomes_one() {
        let frame = b"MESSAGE\ncontent-length:3\nx:1\n\na\xffb\0";
        let expected = "MESSAGE\ncontent-length:5\nx:1\n\na\u{fffd}b\0";
        assert_eq!(text_of(frame), expected);
    }

    #[tokio::test]
    async fn messages_come_whole_however_long() {
        let long = "x".repeat(100_000);
        let mut bytes = Vec::new();
        for text in ["", "a", &"y".repeat(200), &long] {
            put_message(&mut bytes, text.as_bytes(), false, false);
        }
        put_close(&mut bytes, CloseCode::GoingAway, "bye");
        let mut all = Messages::new(&bytes[..]);
        let expected = ["", "a", &"y".repeat(200), &long].map(str::to_owned);
        let next = poll_fn(|cx| all.poll_next(cx)).await;
        assert_eq!(next, Next::Texts(expected.into()));
        for _ in 0..2 {
            let next = poll_fn(|cx| all.poll_next(cx)).await;
            assert_eq!(next, Next::Close(Some((1001, "bye".into()))));
        }
    }
}
