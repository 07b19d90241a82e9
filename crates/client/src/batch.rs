//! Frames on their way to the server.

use std::ops::Range;

/// What becomes of a frame that is not sent when the connection is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A message of which nobody waits for a receipt: it is sent over the next connection.
    Plain,
    /// A message with the receipt of this number: likewise.
    Receipted(u64),
    /// It means something only in its connection.
    Bound,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    end: usize,
    kind: Kind,
}

/// Whole frames one after the other, and how much of them has been sent.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    marks: Vec<Mark>,
    sent: usize,
    /// The first frame of which the last byte is not sent.
    next: usize,
}

/// What an empty batch keeps of its memory.
const KEPT: usize = 1 << 20;

impl Batch {
    /// Bytes that are not sent.
    pub(crate) fn pending(&self) -> usize {
        self.bytes.len() - self.sent
    }

    pub(crate) fn is_done(&self) -> bool {
        self.sent == self.bytes.len()
    }

    /// Adds the frame that `write` appends. If it fails, nothing is added.
    pub(crate) fn append<E>(
        &mut self,
        kind: Kind,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<&[u8], E> {
        let start = self.bytes.len();
        if let Err(error) = write(&mut self.bytes) {
            self.bytes.truncate(start);
            return Err(error);
        }
        let end = self.bytes.len();
        self.marks.push(Mark { end, kind });
        Ok(&self.bytes[start..])
    }

    /// Adds a frame.
    pub(crate) fn push(&mut self, kind: Kind, frame: &[u8]) {
        self.bytes.extend_from_slice(frame);
        let end = self.bytes.len();
        self.marks.push(Mark { end, kind });
    }

    /// What is to be sent, without a look at where frames end.
    #[cfg_attr(target_arch = "wasm32", expect(dead_code, reason = "for streams"))]
    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// The next whole frame to be sent.
    #[cfg_attr(
        not(any(feature = "ws", target_arch = "wasm32")),
        expect(dead_code, reason = "for WebSockets")
    )]
    pub(crate) fn frame(&self) -> Option<&[u8]> {
        let mark = self.marks.get(self.next)?;
        Some(&self.bytes[self.sent..mark.end])
    }

    /// That many of the bytes that were sent last.
    pub(crate) fn last_sent(&self, bytes: usize) -> &[u8] {
        &self.bytes[self.sent.saturating_sub(bytes)..self.sent]
    }

    /// That many bytes are sent.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.sent = (self.sent + bytes).min(self.bytes.len());
        while self
            .marks
            .get(self.next)
            .is_some_and(|m| m.end <= self.sent)
        {
            self.next += 1;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        // One message of many megabytes must not cost its memory for ever.
        self.bytes.shrink_to(KEPT);
        self.marks.clear();
        self.sent = 0;
        self.next = 0;
    }

    /// The frames of which no byte is sent, in order.
    pub(crate) fn unsent(&self) -> impl Iterator<Item = (Kind, &[u8])> {
        let ranges = (self.next..self.marks.len()).map(|at| (self.range(at), self.marks[at].kind));
        ranges
            .filter(|(range, _)| range.start >= self.sent)
            .map(|(range, kind)| (kind, &self.bytes[range]))
    }

    fn range(&self, at: usize) -> Range<usize> {
        let start = at.checked_sub(1).map_or(0, |before| self.marks[before].end);
        start..self.marks[at].end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_begun_is_not_unsent() {
        let mut batch = Batch::default();
        for (frame, kind) in [
            (&b"one"[..], Kind::Plain),
            (b"two", Kind::Receipted(7)),
            (b"three", Kind::Bound),
        ] {
            batch.push(kind, frame);
        }
        let unsent = |batch: &Batch| batch.unsent().map(|(kind, _)| kind).collect::<Vec<_>>();
        assert_eq!(unsent(&batch).len(), 3);
        batch.advance(1);
        assert_eq!(unsent(&batch), [Kind::Receipted(7), Kind::Bound]);
        batch.advance(2);
        assert_eq!(unsent(&batch), [Kind::Receipted(7), Kind::Bound]);
        batch.advance(4);
        assert_eq!(batch.unsent().collect::<Vec<_>>(), []);
        batch.advance(4);
        assert!(batch.is_done());
    }

    #[test]
    fn a_frame_that_can_not_be_written_leaves_nothing() {
        let mut batch = Batch::default();
        batch.push(Kind::Plain, b"one");
        let failed = batch.append(Kind::Plain, |out| {
            out.extend_from_slice(b"half");
            Err(())
        });
        assert_eq!(failed, Err(()));
        assert_eq!((batch.rest(), batch.unsent().count()), (&b"one"[..], 1));
    }
}
