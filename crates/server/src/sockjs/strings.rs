//! The strings of JSON that comes in pieces. What SockJS clients send is a list of strings, or one;
//! together they are a stream of STOMP bytes, which nothing has to hold until a list is whole.

use std::char::DecodeUtf16;

use memchr::memchr2;

/// What came is not JSON of strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    /// Between values.
    #[default]
    Outside,
    /// Behind `[`.
    First,
    /// Behind a string of a list.
    AfterItem,
    /// Behind a comma.
    Item,
    Text,
    Escape,
    /// Within the digits of `\u`, of which so many are there.
    Unicode(u8),
}

/// Takes the strings out of JSON, in whatever pieces it comes.
#[derive(Debug, Default)]
pub(super) struct Strings {
    at: At,
    in_list: bool,
    /// The digits of `\u` so far.
    unit: u16,
    /// The first half of a pair of `\u` escapes.
    high: Option<u16>,
}

impl Strings {
    /// Appends the content of strings to `out`. It is as much UTF-8 as the input is.
    pub(super) fn decode(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
        while let Some((&byte, rest)) = input.split_first() {
            match self.at {
                At::Text => {
                    let run = memchr2(b'"', b'\\', input).unwrap_or(input.len());
                    let (text, rest) = input.split_at(run);
                    if text.iter().any(|byte| *byte < b' ') {
                        return Err(Broken);
                    }
                    if !text.is_empty() {
                        self.end_pair(out);
                        out.extend_from_slice(text);
                    }
                    let Some((&end, rest)) = rest.split_first() else {
                        return Ok(());
                    };
                    if end == b'\\' {
                        self.at = At::Escape;
                    } else {
                        self.end_pair(out);
                        self.at = match self.in_list {
                            true => At::AfterItem,
                            false => At::Outside,
                        };
                    }
                    input = rest;
                    continue;
                }
                At::Escape if byte == b'u' => {
                    self.unit = 0;
                    self.at = At::Unicode(0);
                }
                At::Escape => {
                    self.end_pair(out);
                    out.push(match byte {
                        b'"' | b'\\' | b'/' => byte,
                        b'b' => 0x08,
                        b'f' => 0x0c,
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        _ => return Err(Broken),
                    });
                    self.at = At::Text;
                }
                At::Unicode(digits) => {
                    let digit = char::from(byte).to_digit(16).ok_or(Broken)?;
                    self.unit = self.unit << 4 | digit as u16;
                    self.at = At::Unicode(digits + 1);
                    if digits == 3 {
                        self.unit(out);
                        self.at = At::Text;
                    }
                }
                _ if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') => {}
                At::Outside if byte == b'[' => {
                    self.in_list = true;
                    self.at = At::First;
                }
                At::Outside | At::First | At::Item if byte == b'"' => self.at = At::Text,
                At::First | At::AfterItem if byte == b']' => {
                    self.in_list = false;
                    self.at = At::Outside;
                }
                At::AfterItem if byte == b',' => self.at = At::Item,
                _ => return Err(Broken),
            }
            input = rest;
        }
        Ok(())
    }

    /// No value has begun that has not ended.
    pub(super) fn is_whole(&self) -> bool {
        self.at == At::Outside
    }

    /// A unit of UTF-16 by its number.
    fn unit(&mut self, out: &mut Vec<u8>) {
        let unit = self.unit;
        if let (Some(high), 0xdc00..0xe000) = (self.high, unit) {
            self.high = None;
            push(out, char::decode_utf16([high, unit]));
            return;
        }
        self.end_pair(out);
        match unit {
            0xd800..0xdc00 => self.high = Some(unit),
            _ => push(out, char::decode_utf16([unit])),
        }
    }

    /// A first half whose second does not come.
    fn end_pair(&mut self, out: &mut Vec<u8>) {
        if let Some(high) = self.high.take() {
            push(out, char::decode_utf16([high]));
        }
    }
}

fn push<I: Iterator<Item = u16>>(out: &mut Vec<u8>, units: DecodeUtf16<I>) {
    for character in units {
        let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(json: &[u8], piece: usize) -> Result<(Vec<u8>, bool), Broken> {
        let (mut strings, mut out) = (Strings::default(), Vec::new());
        for piece in json.chunks(piece) {
            strings.decode(piece, &mut out)?;
        }
        Ok((out, strings.is_whole()))
    }

    proptest! {
        #[test]
        fn it_reads_what_serde_writes(list: Vec<String>, piece in 1_usize..40) {
            let json = serde_json::to_vec(&list).unwrap();
            let expected = list.concat().into_bytes();
            prop_assert_eq!(decode(&json, piece), Ok((expected, true)));
        }

        #[test]
        fn it_takes_what_serde_takes(json in r#"[\[\]", \\u0dnx8]{0,12}"#) {
            let lists = serde_json::from_str::<Vec<String>>(&json).is_ok()
                || serde_json::from_str::<String>(&json).is_ok();
            if lists {
                prop_assert!(decode(json.as_bytes(), 1).is_ok_and(|(_, whole)| whole));
            }
        }
    }

    #[test]
    fn escapes_are_undone() {
        let json = br#" [ "a\u0000\n\/", "\ud83d\ude00\u00e9" ] "b\ud83dc" "\ude00""#;
        let expected = "a\0\n/😀éb\u{fffd}c\u{fffd}".as_bytes().to_vec();
        for piece in [1, 2, 5, 100] {
            assert_eq!(decode(json, piece), Ok((expected.clone(), true)));
        }
    }

    #[test]
    fn what_is_no_list_of_strings_is_refused() {
        for json in [
            "{}",
            "1",
            "[1]",
            "[\"a\" \"b\"]",
            "[,\"a\"]",
            "[\"a\",]",
            "]",
            "[[\"a\"]]",
            "[\"\\x\"]",
            "[\"\\u12g4\"]",
            "[\"a\nb\"]",
            "x",
        ] {
            assert_eq!(decode(json.as_bytes(), 100), Err(Broken), "{json}");
        }
        for json in ["[", "[\"a", "[\"a\"", "\"a\\", "[\"\\u00"] {
            assert!(
                decode(json.as_bytes(), 100).is_ok_and(|(_, whole)| !whole),
                "{json}"
            );
        }
    }
}
