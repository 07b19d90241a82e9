//! Finding the marks of a head eight octets at a time, without unsafe code: for the short tokens of
//! a head the set-up of a vectorised search costs more than the search.

const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
const LF: u64 = 0x0a0a_0a0a_0a0a_0a0a;
const COLON: u64 = 0x3a3a_3a3a_3a3a_3a3a;

/// The top bit of each octet of `word` that equals `pattern`'s, and no other bit.
#[inline(always)]
fn equal(word: u64, pattern: u64) -> u64 {
    let x = word ^ pattern;
    !(((x & LOW) + LOW) | x | LOW)
}

/// The top bit of each octet that is LF or a colon.
#[inline(always)]
pub(crate) fn marks(octets: [u8; 8]) -> u64 {
    let word = u64::from_le_bytes(octets);
    equal(word, LF) | equal(word, COLON)
}

/// Index of the first marked octet.
#[inline(always)]
pub(crate) fn first(marks: u64) -> usize {
    (marks.trailing_zeros() / 8) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_exactly_the_line_feeds_and_colons() {
        for octet in 0..=255u8 {
            for place in 0..8 {
                let mut octets = [0x0b; 8];
                octets[place] = octet;
                let expected = if octet == b'\n' || octet == b':' {
                    0x80 << (8 * place)
                } else {
                    0
                };
                assert_eq!(marks(octets), expected, "octet {octet} at {place}");
            }
        }
        assert_eq!(marks(*b":\n:\n:\n:\n"), 0x8080_8080_8080_8080);
        assert_eq!(first(marks(*b"abc:de\nf")), 3);
    }
}
