//! What links have for a client: whole frames in its own dialect, and what else it is to be told.

use std::collections::VecDeque;

/// Something for a client, in the order it is to be written.
#[derive(Debug)]
pub(crate) enum Item {
    /// The next so many of the [bytes](Mail::bytes) are a frame. With what is to be acknowledged once
    /// they are written.
    Frame {
        length: usize,
        written: Option<Written>,
    },
    /// A receipt.
    Receipt(Box<str>),
    /// Write an `ERROR` and close.
    Failure(Box<Failure>),
    /// All that the client sent by one of its connections has arrived: it may go.
    Bye,
}

/// A message that its client need not acknowledge: when it is written the gateway does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// On the link for what can't be shared.
    pub(crate) on_own: bool,
    pub(crate) subscription: u64,
    pub(crate) number: u64,
}

/// Why a client is told to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// A few words, for the `message` header.
    pub(crate) message: String,
    /// What happened, for a person.
    pub(crate) detail: String,
    /// `x-error-code`.
    pub(crate) code: &'static str,
    /// `x-retry`.
    pub(crate) retry: &'static str,
    /// The receipt that the frame asked for.
    pub(crate) receipt: Option<Box<str>>,
}

impl Failure {
    /// The broker is gone, and what became of the client's frames is not known.
    pub(crate) fn lost(receipt: Option<Box<str>>) -> Self {
        Self {
            message: "the connection to the broker was lost".into(),
            detail: "What was sent without a receipt may or may not have arrived; transactions that were open \
                are undone.\n"
                .into(),
            code: "upstream-lost",
            retry: "now",
            receipt,
        }
    }

    /// Nobody has that login and passcode.
    pub(crate) fn login() -> Self {
        Self {
            message: "connection refused".into(),
            detail: "Login or passcode is wrong.\n".into(),
            code: "refused",
            retry: "never",
            receipt: None,
        }
    }

    /// No broker can be reached.
    pub(crate) fn unavailable(why: &str, receipt: Option<Box<str>>) -> Self {
        Self {
            message: "no broker can be reached".into(),
            detail: format!("No broker behind this gateway can be reached: {why}.\n"),
            code: "upstream-unavailable",
            retry: "later",
            receipt,
        }
    }

    /// The broker says no.
    pub(crate) fn upstream(message: &str, detail: &str) -> Self {
        Self {
            message: message.chars().take(500).collect(),
            detail: detail.chars().take(4000).collect(),
            code: "upstream-error",
            retry: "never",
            receipt: None,
        }
    }

    /// A rule of the gateway's forbids it.
    pub(crate) fn denied(why: &str, receipt: Option<Box<str>>) -> Self {
        Self {
            message: "access denied".into(),
            detail: format!("Access denied: {why}.\n"),
            code: "access-denied",
            retry: "never",
            receipt,
        }
    }

    /// The client asks for what can't be.
    pub(crate) fn refused(why: &str, receipt: Option<Box<str>>) -> Self {
        Self {
            message: why.chars().take(200).collect(),
            detail: format!("{why}.\n"),
            code: "invalid-request",
            retry: "never",
            receipt,
        }
    }
}

/// What waits for a client.
#[derive(Debug, Default)]
pub(crate) struct Mail {
    /// Frames, one behind the other.
    pub(crate) bytes: Vec<u8>,
    pub(crate) items: VecDeque<Item>,
    /// Bytes that the receipts among them take.
    receipts: usize,
}

/// What a receipt takes beside its id.
pub(super) const RECEIPT: usize = 64;

impl Mail {
    /// Takes out what a subscription that has ended would get. Gives the numbers of the deliveries.
    pub(crate) fn withdraw(&mut self, on_own: bool, subscription: u64) -> Vec<u64> {
        let mut numbers = Vec::new();
        let is_meant = |of: &Written| of.on_own == on_own && of.subscription == subscription;
        let has_any = self
            .items
            .iter()
            .any(|item| matches!(item, Item::Frame { written: Some(of), .. } if is_meant(of)));
        if !has_any {
            return numbers;
        }
        let bytes = std::mem::take(&mut self.bytes);
        let mut at = 0;
        self.items.retain(|item| {
            let Item::Frame { length, written } = item else {
                return true;
            };
            let frame = bytes.get(at..at + length).unwrap_or_default();
            at += length;
            if let Some(of) = written.filter(is_meant) {
                numbers.push(of.number);
                return false;
            }
            self.bytes.extend_from_slice(frame);
            true
        });
        numbers
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Puts a receipt in.
    pub(crate) fn receipt(&mut self, id: Box<str>) {
        self.receipts += RECEIPT + id.len();
        self.items.push_back(Item::Receipt(id));
    }

    /// All that was in it is taken.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.receipts = 0;
    }

    /// Bytes of receipts.
    pub(crate) fn receipts(&self) -> usize {
        self.receipts
    }

    /// Bytes of all that waits.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len() + self.receipts
    }
}
