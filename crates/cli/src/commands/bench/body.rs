//! The bodies of a benchmark: who sent it, its number, and when.

/// The shortest body.
pub(in crate::commands) const LEAST: usize = 32;

/// What a body says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::commands) struct Mark {
    pub(in crate::commands) producer: u32,
    pub(in crate::commands) number: u64,
    /// Nanoseconds since the run's epoch at which it was to be sent.
    pub(in crate::commands) at: u64,
}

/// A body that says that: digits, so that it is text for every broker.
pub(in crate::commands) fn write(mark: Mark, size: usize) -> Vec<u8> {
    let Mark {
        producer,
        number,
        at,
    } = mark;
    let mut body = Vec::with_capacity(size);
    digits(&mut body, u64::from(producer), 4);
    digits(&mut body, number, 12);
    digits(&mut body, at, 16);
    body.resize(size.max(LEAST), b'x');
    body
}

fn digits(out: &mut Vec<u8>, number: u64, count: u32) {
    for place in (0..count).rev() {
        let digit = (number >> (4 * place)) & 0xf;
        out.push(b"0123456789abcdef"[digit as usize]);
    }
}

/// What a body says; `None`: it is somebody else's.
pub(in crate::commands) fn read(body: &[u8]) -> Option<Mark> {
    let text = std::str::from_utf8(body.get(..LEAST)?).ok()?;
    Some(Mark {
        producer: u32::from_str_radix(text.get(..4)?, 16).ok()?,
        number: u64::from_str_radix(text.get(4..16)?, 16).ok()?,
        at: u64::from_str_radix(text.get(16..32)?, 16).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mark = Mark {
            producer: 0xfedc,
            number: 0x1234_5678_9abc,
            at: u64::MAX,
        };
        let body = write(mark, 100);
        assert_eq!((body.len(), read(&body)), (100, Some(mark)));
        assert_eq!(read(b"hello"), None);
        assert_eq!(read("é".repeat(40).as_bytes()), None);
    }
}
