//! Any bytes before a connection: however they are cut, the same comes of them, and no byte is asked
//! for that a header can't have.
#![no_main]

#[path = "../../crates/server/src/proxy/header.rs"]
mod header;

use header::{Next, SEEN, Source};
use libfuzzer_sys::fuzz_target;

/// Whose connection it is, and the header's length; nothing where it is none, or has no end.
fn read(input: &[u8], piece: usize) -> Option<(Source, usize)> {
    let mut at = 0;
    loop {
        match header::next(&input[..at]).ok()? {
            Next::More(count) => {
                assert!(count > 0 && at + count <= SEEN);
                let end = input.len().min(at + count.min(piece));
                if end == at {
                    return None;
                }
                at = end;
            }
            Next::Skip(count, source) => {
                assert!(at + count <= 16 << 10);
                return (at + count <= input.len()).then_some((source, at + count));
            }
        }
    }
}

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, input) = input;
    let whole = read(input, usize::MAX);
    assert_eq!(read(input, usize::from(piece).max(1)), whole);
    if let Some((_, length)) = whole {
        // Nothing behind it matters.
        assert_eq!(read(&input[..length], 1), whole);
    }
});
