/// What is wrong with a server's head. The numbers are the host's, which has the texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Fault {
    /// The command is empty, too long, or has an octet that no command has.
    Command = 16,
    /// A NUL before the blank line.
    NulInHead = 17,
    /// A header line without a colon, or with nothing before it.
    HeaderLine = 18,
    /// More than [`MAX_HEADERS`](crate::MAX_HEADERS) header lines.
    TooManyHeaders = 19,
    /// Command and headers don't fit into the window.
    HeadTooLong = 20,
    /// An escape that the version lacks, or a CR inside a line where it forbids that.
    Escape = 21,
    /// A `content-length` that is no number, or two that differ.
    ContentLength = 22,
    /// The body is longer than the limit.
    BodyTooLong = 23,
    /// A frame that can't come now.
    Unexpected = 24,
    /// `CONNECTED` with a version that was not offered.
    Version = 25,
    /// `RECEIPT` without `receipt-id`.
    ReceiptId = 26,
}
