//! WebSocket messages (RFC 6455) around a stream of STOMP bytes. The frames' bytes are those of the
//! crate `websocket-sans-io`; here are the rules of what may follow what.

use std::ops::Range;

use stompbox_proto::Limits;
use websocket_sans_io::{
    FrameInfo, Opcode, WebsocketFrameDecoder, WebsocketFrameEncoder, WebsocketFrameEvent,
};

use crate::deflate::{self, Corrupt, Inflater, TAIL};

/// Why a WebSocket is closed (RFC 6455, section 7.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseCode {
    Normal = 1000,
    GoingAway = 1001,
    Protocol = 1002,
    /// None: it must not be written, and stands for a close frame without a code.
    Absent = 1005,
    InvalidText = 1007,
    Policy = 1008,
    TooBig = 1009,
}

/// What came of bytes from the client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// These, at the beginning of the input, are done with; the range of them is STOMP's.
    Bytes { used: usize, payload: Range<usize> },
    /// The same of a message that is compressed, for [`WebSocket::inflate`]. `last`: it ends here.
    Deflated {
        used: usize,
        payload: Range<usize>,
        last: bool,
    },
    /// All are done with.
    Nothing,
    /// The client wants to close, or is to be closed.
    Close(CloseCode, &'static str),
}

/// The largest step of the decoder. Its count of a mask's phase is a byte, to which it adds a
/// step's length: more than this could overflow it.
const STEP: usize = 252;

/// A control frame's payload is no longer.
const MAX_CONTROL: usize = 125;

type Refusal = (CloseCode, &'static str);

/// The first of the reserved bits, by which a message is compressed (RFC 7692, section 6).
const COMPRESSED: u8 = 4;

impl From<Corrupt> for Refusal {
    fn from(_: Corrupt) -> Self {
        (CloseCode::InvalidText, "a compressed message is corrupt")
    }
}

/// A compressed message that is being received.
struct Compressed {
    inflater: Inflater,
    is_binary: bool,
    /// Bytes that came of it so far.
    length: u64,
}

/// One end of a WebSocket, the server's.
pub(crate) struct WebSocket {
    decoder: WebsocketFrameDecoder,
    /// The frame that is being received is a control frame.
    in_control: bool,
    control: Vec<u8>,
    /// Within a text or binary message of several frames.
    in_message: bool,
    /// The last message that was more than a heart-beat was binary.
    is_binary: bool,
    /// Bytes of the message so far.
    length: u64,
    longest: u64,
    text: Utf8,
    /// Messages may be compressed.
    deflate: bool,
    compressed: Option<Compressed>,
    /// What is to be sent in answer to pings.
    pongs: Vec<u8>,
}

impl WebSocket {
    /// `deflate`: the client may compress messages.
    pub(crate) fn new(limits: &Limits, deflate: bool) -> Self {
        // Frames may share a message, but one that is longer than any frame is none of ours.
        Self::with_longest((limits.head + limits.body + 1) as u64, deflate)
    }

    /// For messages that are taken apart as they come, and so need no limit.
    pub(crate) fn of_any_length() -> Self {
        Self::with_longest(u64::MAX, false)
    }

    fn with_longest(longest: u64, deflate: bool) -> Self {
        Self {
            decoder: WebsocketFrameDecoder::new(),
            in_control: false,
            control: Vec::new(),
            in_message: false,
            is_binary: false,
            length: 0,
            longest,
            text: Utf8::default(),
            deflate,
            compressed: None,
            pongs: Vec::new(),
        }
    }

    /// Takes some of the bytes that came, unmasks them where they are, and tells which are
    /// payload.
    pub(crate) fn receive(&mut self, input: &mut [u8]) -> Received {
        let mut at = 0;
        let mut payload = 0..0;
        loop {
            let from = at;
            let end = input.len().min(at + STEP);
            let Ok(result) = self.decoder.add_data(&mut input[at..end]);
            at += result.consumed_bytes;
            match result.event {
                None if at < input.len() => {}
                None if payload.is_empty() => return Received::Nothing,
                None => return self.piece(at, payload, false),
                Some(WebsocketFrameEvent::Start { frame_info, .. }) => {
                    if let Err((code, reason)) = self.begin(&frame_info) {
                        return Received::Close(code, reason);
                    }
                }
                Some(WebsocketFrameEvent::PayloadChunk { .. }) if self.in_control => {
                    self.control.extend_from_slice(&input[from..at]);
                }
                Some(WebsocketFrameEvent::PayloadChunk { original_opcode }) => {
                    let is_text = original_opcode == Opcode::Text && self.compressed.is_none();
                    if is_text && !self.text.take(&input[from..at]) {
                        return Received::Close(CloseCode::InvalidText, "text is not UTF-8");
                    }
                    if payload.is_empty() {
                        payload = from..at;
                    }
                    payload.end = at;
                }
                Some(WebsocketFrameEvent::End { frame_info, .. }) => match self.end(&frame_info) {
                    Err((code, reason)) => return Received::Close(code, reason),
                    Ok(()) => {
                        let last = frame_info.fin && !frame_info.opcode.is_control();
                        if !payload.is_empty() || (last && self.compressed.is_some()) {
                            return self.piece(at, payload, last);
                        }
                    }
                },
            }
        }
    }

    fn piece(&self, used: usize, payload: Range<usize>, last: bool) -> Received {
        match self.compressed {
            None => Received::Bytes { used, payload },
            Some(_) => Received::Deflated {
                used,
                payload,
                last,
            },
        }
    }

    /// Hands on what comes of a piece of a compressed message, with whether it is binary, as long as
    /// that is wanted. Gives how many bytes came of it.
    pub(crate) fn inflate(
        &mut self,
        piece: &[u8],
        last: bool,
        mut sink: impl FnMut(&[u8], bool) -> bool,
    ) -> Result<usize, Refusal> {
        let Some(mut compressed) = self.compressed.take() else {
            return Ok(0);
        };
        let mut made = 0;
        let mut take = |chunk: &[u8]| {
            made += chunk.len();
            compressed.length += chunk.len() as u64;
            if compressed.length > self.longest {
                return Err((CloseCode::TooBig, "message too long"));
            }
            // As with those that are not compressed: a heart-beat says nothing of what is wanted.
            if compressed.length > 2 {
                self.is_binary = compressed.is_binary;
            }
            if !compressed.is_binary && !self.text.take(chunk) {
                return Err((CloseCode::InvalidText, "text is not UTF-8"));
            }
            Ok(sink(chunk, self.is_binary))
        };
        let wanted = compressed.inflater.feed(piece, &mut take)?
            && (!last || compressed.inflater.feed(TAIL, &mut take)?);
        if !last {
            self.compressed = Some(compressed);
            return Ok(made);
        }
        compressed.inflater.give_back();
        match self.text.is_whole() || !wanted {
            true => Ok(made),
            false => Err((CloseCode::InvalidText, "text is not UTF-8")),
        }
    }

    /// Whether the client writes binary messages, and so wants such in answer.
    pub(crate) fn is_binary(&self) -> bool {
        self.is_binary
    }

    /// Moves what is to be sent in answer to pings to the end of `out`.
    pub(crate) fn take_pongs(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.pongs);
        if self.pongs.capacity() > 0 {
            self.pongs = Vec::new();
        }
    }

    fn begin(&mut self, frame: &FrameInfo) -> Result<(), Refusal> {
        let protocol = |reason| Err((CloseCode::Protocol, reason));
        let is_start = matches!(frame.opcode, Opcode::Text | Opcode::Binary);
        let is_compressed = self.deflate && is_start && frame.reserved == COMPRESSED;
        if frame.reserved != 0 && !is_compressed {
            return protocol("reserved bits are set that no extension which was agreed on sets");
        }
        if frame.mask.is_none() {
            return protocol("a client's frame is not masked");
        }
        self.in_control = frame.opcode.is_control();
        match frame.opcode {
            Opcode::ConnectionClose | Opcode::Ping | Opcode::Pong => {
                self.control.clear();
                if !frame.fin || frame.payload_length > MAX_CONTROL as u64 {
                    return protocol("a control frame is fragmented, or longer than 125 bytes");
                }
                return Ok(());
            }
            Opcode::Text | Opcode::Binary if self.in_message => {
                return protocol("a message begins within another");
            }
            Opcode::Continuation if !self.in_message => {
                return protocol("a continuation of no message");
            }
            Opcode::Text | Opcode::Binary | Opcode::Continuation => {}
            _ => return protocol("a reserved opcode"),
        }
        // Clients send heart-beats as text even where all else is binary.
        if frame.payload_length > 2 && is_start && !is_compressed {
            self.is_binary = frame.opcode == Opcode::Binary;
        }
        if is_compressed {
            self.compressed = Some(Compressed {
                inflater: Inflater::take(),
                is_binary: frame.opcode == Opcode::Binary,
                length: 0,
            });
        }
        self.in_message = true;
        self.length = self.length.saturating_add(frame.payload_length);
        if self.length > self.longest {
            return Err((CloseCode::TooBig, "message too long"));
        }
        Ok(())
    }

    fn end(&mut self, frame: &FrameInfo) -> Result<(), Refusal> {
        match frame.opcode {
            Opcode::ConnectionClose => return Err(self.closed()),
            Opcode::Ping => {
                // No more than the input that is being taken, after which they go out.
                let payload = std::mem::take(&mut self.control);
                put_header(&mut self.pongs, Opcode::Pong, payload.len(), 0);
                self.pongs.extend_from_slice(&payload);
            }
            Opcode::Pong => {}
            _ if frame.fin => {
                self.in_message = false;
                self.length = 0;
                if !self.text.is_whole() {
                    return Err((CloseCode::InvalidText, "text is not UTF-8"));
                }
            }
            _ => {}
        }
        self.in_control = false;
        self.control = Vec::new();
        Ok(())
    }

    /// The client closes: how to answer.
    fn closed(&self) -> Refusal {
        match &*self.control {
            [] => (CloseCode::Absent, ""),
            [_] => (CloseCode::Protocol, "a close frame of one byte"),
            [high, low, reason @ ..] => {
                let code = u16::from_be_bytes([*high, *low]);
                let valid = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
                if !valid {
                    return (CloseCode::Protocol, "a close code that must not be sent");
                }
                if std::str::from_utf8(reason).is_err() {
                    return (CloseCode::InvalidText, "text is not UTF-8");
                }
                (CloseCode::Normal, "")
            }
        }
    }
}

/// Writes the header of a message's only frame.
#[inline]
fn put_header(out: &mut Vec<u8>, opcode: Opcode, length: usize, reserved: u8) {
    let header = WebsocketFrameEncoder::new().start_frame(&FrameInfo {
        opcode,
        payload_length: length as u64,
        mask: None,
        fin: true,
        reserved,
    });
    out.extend_from_slice(&header);
}

/// Writes a message of two parts; compressed, if that is wanted and worth it.
#[inline]
pub(crate) fn put_parts(out: &mut Vec<u8>, opcode: Opcode, parts: [&[u8]; 2], deflate: bool) {
    if deflate {
        let write = |bytes: &[u8]| {
            put_header(out, opcode, bytes.len(), COMPRESSED);
            out.extend_from_slice(bytes);
        };
        if deflate::compressed(parts, write).is_some() {
            return;
        }
    }
    let [head, body] = parts;
    put_header(out, opcode, head.len() + body.len(), 0);
    out.extend_from_slice(head);
    out.extend_from_slice(body);
}

/// Writes a message: text, since some clients know no other, unless it is not UTF-8 or the client
/// itself writes `binary` ones.
pub(crate) fn put_message(out: &mut Vec<u8>, bytes: &[u8], binary: bool, deflate: bool) {
    let opcode = match !binary && std::str::from_utf8(bytes).is_ok() {
        true => Opcode::Text,
        false => Opcode::Binary,
    };
    put_parts(out, opcode, [bytes, b""], deflate);
}

/// Writes the frame that ends it all.
pub(crate) fn put_close(out: &mut Vec<u8>, code: CloseCode, reason: &str) {
    if code == CloseCode::Absent {
        return put_header(out, Opcode::ConnectionClose, 0, 0);
    }
    // Two bytes of a control frame are the code's.
    let mut end = reason.len().min(MAX_CONTROL - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    put_header(out, Opcode::ConnectionClose, end + 2, 0);
    out.extend_from_slice(&(code as u16).to_be_bytes());
    out.extend_from_slice(&reason.as_bytes()[..end]);
}

/// Checks text that comes in pieces, which may end within a character.
#[derive(Debug, Default)]
struct Utf8 {
    begun: [u8; 4],
    count: usize,
}

impl Utf8 {
    /// False: it is no UTF-8.
    fn take(&mut self, mut bytes: &[u8]) -> bool {
        while self.count > 0 {
            let Some((first, rest)) = bytes.split_first() else {
                return true;
            };
            self.begun[self.count] = *first;
            self.count += 1;
            bytes = rest;
            match std::str::from_utf8(&self.begun[..self.count]) {
                Ok(_) => self.count = 0,
                Err(error) if error.error_len().is_some() => return false,
                Err(_) => {}
            }
        }
        let Err(error) = std::str::from_utf8(bytes) else {
            return true;
        };
        if error.error_len().is_some() {
            return false;
        }
        let begun = &bytes[error.valid_up_to()..];
        self.begun[..begun.len()].copy_from_slice(begun);
        self.count = begun.len();
        true
    }

    fn is_whole(&self) -> bool {
        self.count == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(opcode: u8, fin: bool, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![opcode | u8::from(fin) << 7];
        match payload.len() {
            length @ 0..126 => out.push(0x80 | length as u8),
            length => {
                out.push(0x80 | 126);
                out.extend_from_slice(&(length as u16).to_be_bytes());
            }
        }
        let mask = [1, 2, 3, 250];
        out.extend_from_slice(&mask);
        out.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
        out
    }

    /// All payload, or how it ended, with the input cut into pieces of that size.
    fn receive(input: &[u8], piece: usize) -> (Vec<u8>, Option<(CloseCode, &'static str)>) {
        let mut socket = WebSocket::new(&Limits::default(), false);
        let mut got = Vec::new();
        for piece in input.chunks(piece) {
            let mut bytes = piece.to_vec();
            let mut rest = &mut bytes[..];
            loop {
                match socket.receive(rest) {
                    Received::Nothing => break,
                    Received::Deflated { .. } => panic!("nothing is compressed"),
                    Received::Close(code, reason) => return (got, Some((code, reason))),
                    Received::Bytes { used, payload } => {
                        got.extend_from_slice(&rest[payload]);
                        rest = &mut rest[used..];
                    }
                }
            }
        }
        (got, None)
    }

    #[test]
    fn payload_is_the_same_however_it_is_cut() {
        let body: Vec<u8> = (0..1000_u32).map(|n| b'a' + (n % 26) as u8).collect();
        let mut input = frame(1, true, "größer".as_bytes());
        input.extend(frame(2, false, &body));
        input.extend(frame(9, true, b"ping"));
        input.extend(frame(0, false, b""));
        input.extend(frame(0, true, &body[..255]));
        input.extend(frame(1, true, b""));
        let expected = ["größer".as_bytes(), &body, &body[..255]].concat();
        for piece in [1, 2, 3, 7, 100, 253, 255, 5000] {
            assert_eq!(receive(&input, piece), (expected.clone(), None), "{piece}");
        }
    }

    #[test]
    fn what_breaks_the_rules_is_refused() {
        let unmasked = vec![0x81, 1, b'a'];
        let reserved = vec![0xc1, 0x81, 0, 0, 0, 0, b'a'];
        let cases = [
            (unmasked, CloseCode::Protocol),
            (reserved, CloseCode::Protocol),
            (frame(3, true, b"a"), CloseCode::Protocol),
            (frame(11, true, b"a"), CloseCode::Protocol),
            (frame(0, true, b"a"), CloseCode::Protocol),
            (
                [frame(1, false, b"a"), frame(1, true, b"b")].concat(),
                CloseCode::Protocol,
            ),
            (frame(9, false, b"a"), CloseCode::Protocol),
            (frame(9, true, &[b'a'; 126]), CloseCode::Protocol),
            (frame(8, true, b"a"), CloseCode::Protocol),
            (frame(8, true, &999_u16.to_be_bytes()), CloseCode::Protocol),
            (frame(8, true, &1000_u16.to_be_bytes()), CloseCode::Normal),
            (frame(8, true, b""), CloseCode::Absent),
            (frame(1, true, b"\xff"), CloseCode::InvalidText),
            (frame(1, true, b"a\xc3"), CloseCode::InvalidText),
        ];
        for (input, expected) in cases {
            for piece in [1, 1000] {
                let (_, end) = receive(&input, piece);
                assert_eq!(end.map(|(code, _)| code), Some(expected), "{input:?}");
            }
        }
    }

    #[test]
    fn a_long_message_is_refused_before_it_is_there() {
        let mut input = vec![0x82, 0x80 | 127];
        input.extend_from_slice(&u64::MAX.to_be_bytes());
        input.extend_from_slice(&[0; 4]);
        let (_, end) = receive(&input, 100);
        assert_eq!(end.map(|(code, _)| code), Some(CloseCode::TooBig));
    }
}
