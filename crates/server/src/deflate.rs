//! permessage-deflate (RFC 7692) without context takeover: each message is compressed by itself, so
//! that nothing of it is kept between messages, neither here nor with the client.

use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use http::{HeaderMap, HeaderValue, header};

/// The smallest message that is compressed: below that hardly anything is won.
const LEAST: usize = 1 << 10;

/// The largest: a thread that compresses does nothing else meanwhile.
const MOST: usize = 1 << 20;

/// What ends each message, and is left out on the wire (RFC 7692, section 7.2.1).
pub(crate) const TAIL: &[u8] = &[0, 0, 0xff, 0xff];

/// Bytes that are inflated at a time.
const ROOM: usize = 16 << 10;

thread_local! {
    /// What threads use in turn, and no connection keeps.
    static INFLATER: RefCell<Option<Inflater>> = const { RefCell::new(None) };
    static DEFLATER: RefCell<Option<Deflater>> = const { RefCell::new(None) };
}

/// The answer to a client that offers compression in a way that can be had.
pub(crate) fn agree(headers: &HeaderMap) -> Option<HeaderValue> {
    headers
        .get_all(header::SEC_WEBSOCKET_EXTENSIONS)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(accept)
        .map(HeaderValue::from_static)
}

/// The answer to one offer (RFC 7692, section 7.1).
fn accept(offer: &str) -> Option<&'static str> {
    let mut words = offer.split(';').map(str::trim);
    if words.next() != Some("permessage-deflate") {
        return None;
    }
    let mut seen = Vec::new();
    let mut has_window = false;
    for word in words {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim().trim_matches('"'))),
            None => (word, None),
        };
        if seen.contains(&name) {
            return None;
        }
        seen.push(name);
        match (name, value) {
            ("server_no_context_takeover" | "client_no_context_takeover", None)
            | ("client_max_window_bits", None) => {}
            ("client_max_window_bits", Some(bits)) if window_bits(bits).is_some() => {}
            // A smaller window than that can't be had.
            ("server_max_window_bits", Some("15")) => has_window = true,
            _ => return None,
        }
    }
    Some(match has_window {
        false => "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        true => {
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
             server_max_window_bits=15"
        }
    })
}

fn window_bits(text: &str) -> Option<u8> {
    let bits = text.parse().ok().filter(|bits| (8..=15).contains(bits));
    bits.filter(|bits: &u8| bits.to_string() == text)
}

/// Inflates one message. Some 40 KiB, which is why it is held only while there is one.
pub(crate) struct Inflater(Decompress);

/// Bytes that are no compressed ones.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Corrupt;

impl Inflater {
    /// For a new message.
    pub(crate) fn take() -> Self {
        let pooled = INFLATER.with(|pool| pool.take());
        pooled.unwrap_or_else(|| Self(Decompress::new(false)))
    }

    /// For other messages.
    pub(crate) fn give_back(mut self) {
        self.0.reset(false);
        INFLATER.with(|pool| pool.replace(Some(self)));
    }

    /// Hands on what comes of a piece, in pieces that are not long, as long as those are wanted. Gives
    /// whether the last was.
    pub(crate) fn feed<E: From<Corrupt>>(
        &mut self,
        mut input: &[u8],
        mut sink: impl FnMut(&[u8]) -> Result<bool, E>,
    ) -> Result<bool, E> {
        let mut room = [0; ROOM];
        loop {
            let (taken, made) = (self.0.total_in(), self.0.total_out());
            let status = self.0.decompress(input, &mut room, FlushDecompress::None);
            let status = status.map_err(|_| Corrupt)?;
            let difference =
                |now: u64, then: u64| usize::try_from(now - then).unwrap_or(usize::MAX);
            let taken = difference(self.0.total_in(), taken);
            let made = difference(self.0.total_out(), made);
            input = input.get(taken..).unwrap_or_default();
            let chunk = room.get(..made).unwrap_or_default();
            if !chunk.is_empty() && !sink(chunk)? {
                return Ok(false);
            }
            if status == Status::StreamEnd {
                // Another may follow within the message (RFC 7692, section 7.2.3.5).
                self.0.reset(false);
                match taken {
                    0 => return Ok(true),
                    _ => continue,
                }
            }
            if taken == 0 && made == 0 {
                return match input {
                    [] => Ok(true),
                    _ => Err(Corrupt.into()),
                };
            }
        }
    }
}

/// Compresses one message at a time.
struct Deflater {
    state: Compress,
    out: Vec<u8>,
}

/// Compresses a message of two parts, and writes it. `None`: it is better sent as it is.
pub(crate) fn compressed<T>(parts: [&[u8]; 2], write: impl FnOnce(&[u8]) -> T) -> Option<T> {
    let length = parts.iter().map(|part| part.len()).sum();
    if !(LEAST..=MOST).contains(&length) {
        return None;
    }
    DEFLATER.with_borrow_mut(|deflater| {
        let deflater = deflater.get_or_insert_with(|| Deflater {
            state: Compress::new(Compression::fast(), false),
            out: Vec::new(),
        });
        deflater.compress(parts, length).map(write)
    })
}

impl Deflater {
    fn compress(&mut self, [head, body]: [&[u8]; 2], length: usize) -> Option<&[u8]> {
        self.state.reset();
        self.out.clear();
        self.out.reserve(length);
        for (part, flush) in [(head, FlushCompress::None), (body, FlushCompress::Sync)] {
            let before = self.state.total_in();
            let status = self.state.compress_vec(part, &mut self.out, flush).ok()?;
            let taken = self.state.total_in() - before;
            // What does not fit is no smaller than it was.
            if status != Status::Ok || taken != part.len() as u64 {
                return None;
            }
        }
        let is_flushed = self.out.len() < self.out.capacity();
        let out = self.out.strip_suffix(TAIL).filter(|_| is_flushed)?;
        (out.len() < length).then_some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_are_accepted_where_they_can_be_had() {
        let plain = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        let window = format!("{plain}; server_max_window_bits=15");
        for (offers, expected) in [
            // Chromium's and Firefox's, Safari's, Node's.
            ("permessage-deflate; client_max_window_bits", Some(plain)),
            ("permessage-deflate", Some(plain)),
            (
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                 client_max_window_bits=10",
                Some(plain),
            ),
            (
                "permessage-deflate; server_max_window_bits=15",
                Some(&*window),
            ),
            (
                "permessage-deflate; server_max_window_bits=\"15\"",
                Some(&*window),
            ),
            (
                "permessage-deflate; server_max_window_bits=10, permessage-deflate",
                Some(plain),
            ),
            ("permessage-deflate; server_max_window_bits=10", None),
            ("permessage-deflate; server_max_window_bits", None),
            ("permessage-deflate; client_max_window_bits=16", None),
            ("permessage-deflate; client_max_window_bits=08", None),
            ("permessage-deflate; client_max_window_bits=7", None),
            ("permessage-deflate; server_no_context_takeover=1", None),
            ("permessage-deflate; unknown", None),
            (
                "permessage-deflate; client_max_window_bits; client_max_window_bits",
                None,
            ),
            ("permessage-bzip2", None),
            ("x-webkit-deflate-frame", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            let value = HeaderValue::from_str(offers).unwrap();
            headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, value);
            let answer = agree(&headers);
            let answer = answer.as_ref().map(|it| it.to_str().unwrap());
            assert_eq!(answer, expected, "{offers}");
        }
        assert_eq!(agree(&HeaderMap::new()), None);
    }

    /// Inflates pieces of that size.
    fn inflate(input: &[u8], piece: usize) -> Result<Vec<u8>, Corrupt> {
        let mut inflater = Inflater::take();
        let mut whole = Vec::new();
        for piece in input.chunks(piece) {
            inflater.feed(piece, |chunk| {
                assert!(chunk.len() <= ROOM);
                whole.extend_from_slice(chunk);
                Ok::<_, Corrupt>(true)
            })?;
        }
        inflater.give_back();
        Ok(whole)
    }

    #[test]
    fn what_is_compressed_is_inflated_again_however_it_is_cut() {
        for length in [LEAST, LEAST + 1, 50_000, 300_000, MOST] {
            let words: Vec<u8> = (0..length).map(|at| b"abcdefgh"[at % 7 + at % 2]).collect();
            let (head, body) = words.split_at(100);
            let wire = compressed([head, body], <[u8]>::to_vec).unwrap();
            assert!(wire.len() < length / 10, "{} of {length}", wire.len());
            let wire = [&wire, TAIL].concat();
            for piece in [1, 7, 1000, wire.len()] {
                assert_eq!(
                    inflate(&wire, piece).as_ref(),
                    Ok(&words),
                    "{length} {piece}"
                );
            }
        }
    }

    #[test]
    fn what_would_not_shrink_or_is_too_small_or_large_is_left_alone() {
        let mut state = 1_u64;
        let mut noise = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as u8
        };
        let random: Vec<u8> = (0..5000).map(|_| noise()).collect();
        let small = vec![b'a'; LEAST - 1];
        let large = vec![b'a'; MOST + 1];
        for bytes in [random, small, large] {
            assert_eq!(compressed([b"", &bytes], <[u8]>::to_vec), None);
        }
    }

    #[test]
    fn final_blocks_may_be_followed_by_others() {
        // RFC 7692, section 7.2.3: two blocks; a stored one; a final one.
        for wire in [
            &[
                0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
            ][..],
            &[
                0x00, 0x05, 0x00, 0xfa, 0xff, b'H', b'e', b'l', b'l', b'o', 0x00,
            ],
            &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
        ] {
            let wire = [wire, TAIL].concat();
            for piece in [1, 3, 100] {
                assert_eq!(inflate(&wire, piece), Ok(b"Hello".to_vec()), "{wire:x?}");
            }
        }
    }

    #[test]
    fn what_is_corrupt_is_refused() {
        // A block of a kind that there is none of, and a distance before the beginning.
        for wire in [&[0xff, 0xff, 0xff][..], &[0x4b, 0x04, 0x42, 0x00, 0xff]] {
            assert_eq!(inflate(wire, 100), Err(Corrupt), "{wire:x?}");
        }
    }
}
