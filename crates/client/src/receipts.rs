//! The receipts that are waited for.
//!
//! They mostly come in the order in which they were asked for, and many at a time. So numbers stand
//! together in blocks, which cost one allocation for all, and whoever waits looks at a bit.

use std::{
    collections::{BTreeSet, VecDeque},
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
};

use crate::{Closed, ReceiptError};

pub(crate) type Outcome = Result<(), ReceiptError>;

/// Receipts of a block: as many as there are bits.
const BLOCK: u64 = u64::BITS as u64;

/// What stands before the number in a `receipt` header.
const PREFIX: &str = "receipt-";

/// Receipts with numbers that follow each other, a bit for each.
#[derive(Debug, Default)]
struct Block {
    /// Those whose outcome is there.
    settled: AtomicU64,
    /// Those of which nobody wants to know the outcome.
    forgotten: AtomicU64,
    /// Whether some outcome is an error.
    has_errors: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    errors: Vec<(u64, ReceiptError)>,
    wakers: Vec<(u64, Waker)>,
}

impl Block {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here is half-done when somebody panics.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the outcome of some, and wakes those who wait for it.
    fn settle(&self, bits: u64, error: Option<ReceiptError>) {
        let mut inner = self.lock();
        if let Some(error) = error {
            inner.errors.push((bits, error));
            self.has_errors.store(true, Ordering::Relaxed);
        }
        self.settled.fetch_or(bits, Ordering::Release);
        if inner.wakers.is_empty() {
            return;
        }
        let woken: Vec<_> = inner
            .wakers
            .extract_if(.., |(bit, _)| *bit & bits != 0)
            .collect();
        drop(inner);
        woken.into_iter().for_each(|(_, waker)| waker.wake());
    }

    fn is_settled(&self, bit: u64) -> bool {
        self.settled.load(Ordering::Acquire) & bit != 0
    }

    /// Those of the `given` ones that somebody waits for.
    fn live(&self, given: u64) -> u64 {
        given & !self.settled.load(Ordering::Acquire) & !self.forgotten.load(Ordering::Acquire)
    }
}

/// The outcome of a frame with a receipt, once the server has said it.
#[derive(Debug)]
pub(crate) struct Receipt {
    block: Arc<Block>,
    bit: u64,
}

impl Future for Receipt {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let Self { block, bit } = &*self;
        if !block.is_settled(*bit) {
            let mut inner = block.lock();
            if !block.is_settled(*bit) {
                match inner.wakers.iter_mut().find(|(of, _)| of == bit) {
                    Some((_, waker)) => waker.clone_from(cx.waker()),
                    None => inner.wakers.push((*bit, cx.waker().clone())),
                }
                return Poll::Pending;
            }
        }
        if !block.has_errors.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        let inner = block.lock();
        let error = inner.errors.iter().find(|(bits, _)| bits & bit != 0);
        Poll::Ready(error.map_or(Ok(()), |(_, error)| Err(error.clone())))
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if !self.block.is_settled(self.bit) {
            self.block.forgotten.fetch_or(self.bit, Ordering::Release);
            let mut inner = self.block.lock();
            inner.wakers.retain(|(bit, _)| *bit != self.bit);
        }
    }
}

#[derive(Debug, Default)]
struct Entry {
    block: Arc<Block>,
    /// Frames that are to be sent again over the next connection.
    frames: Vec<(u64, Box<[u8]>)>,
}

/// Receipts by number.
#[derive(Debug, Default)]
pub(crate) struct Receipts {
    next: u64,
    /// The place of the first of the `blocks` among all there ever were.
    first: u64,
    /// Those in the midst of which all is settled are gone.
    blocks: VecDeque<Option<Entry>>,
    /// The place of a block, and those of it that have come but are not told yet.
    come: (u64, u64),
}

impl Receipts {
    /// The number that the next has.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Writes the `receipt` header of a number.
    pub(crate) fn write_id(number: u64, id: &mut String) {
        id.clear();
        id.push_str(PREFIX);
        // Twice as fast as by what formats anything.
        let mut digits = [0; 20];
        let mut at = digits.len();
        let mut rest = number;
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        digits[at..]
            .iter()
            .for_each(|digit| id.push(char::from(*digit)));
    }

    /// The `receipt` header of a number.
    pub(crate) fn id(number: u64) -> String {
        format!("{PREFIX}{number}")
    }

    /// Adds the one that [`next`](Self::next) gave; with the frame, if it is to be sent again over
    /// the next connection.
    pub(crate) fn add(&mut self, frame: Option<Box<[u8]>>) -> Receipt {
        let (place, bit) = place(self.next);
        if frame.is_some() {
            self.forget_frames();
        }
        if self.next.is_multiple_of(BLOCK) || self.blocks.is_empty() {
            self.forget_the_dead();
            if self.blocks.is_empty() {
                self.first = place;
            }
            self.blocks.push_back(Some(Entry::default()));
        }
        self.next += 1;
        // The last one is never gone.
        let entry = self.blocks.back_mut().and_then(Option::as_mut);
        let block = entry.map_or_else(Arc::default, |entry| {
            entry.frames.extend(frame.map(|frame| (bit, frame)));
            Arc::clone(&entry.block)
        });
        Receipt { block, bit }
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&mut self) -> bool {
        self.tell();
        self.forget_the_dead();
        let given = self.given(self.first);
        match self.blocks.front() {
            Some(Some(entry)) => entry.block.live(given) == 0,
            _ => true,
        }
    }

    /// The receipt with that `receipt-id` has come; whoever waits hears of it by
    /// [`tell`](Self::tell). False: there is none.
    pub(crate) fn come(&mut self, id: &str) -> bool {
        let Some(number) = parse(id) else {
            return false;
        };
        let (place, bit) = place(number);
        if place != self.come.0 {
            self.tell();
            self.come.0 = place;
        }
        let is_new = self.come.1 & bit == 0 && self.is_waiting(number);
        if is_new {
            self.come.1 |= bit;
        }
        is_new
    }

    /// Tells whoever waits of the receipts that have come.
    pub(crate) fn tell(&mut self) {
        let (place, bits) = self.come;
        if bits != 0 {
            self.come.1 = 0;
            self.settle_bits(place, bits, None);
        }
    }

    /// Lets the one with that `receipt-id` fail. False: there is none.
    pub(crate) fn fail(&mut self, id: &str, error: ReceiptError) -> bool {
        parse(id).is_some_and(|number| self.fail_number(number, error))
    }

    pub(crate) fn fail_number(&mut self, number: u64, error: ReceiptError) -> bool {
        self.tell();
        let is_waiting = self.is_waiting(number);
        if is_waiting {
            let (place, bit) = place(number);
            self.settle_bits(place, bit, Some(error));
        }
        is_waiting
    }

    /// After the connection is lost: those that were sent, and are not among the `unsent`, fail; or
    /// give their frames to be sent again, in order.
    pub(crate) fn lost(&mut self, unsent: &BTreeSet<u64>, why: &Closed) -> Vec<(u64, Box<[u8]>)> {
        self.tell();
        let mut again = Vec::new();
        let mut failed = Vec::new();
        for (place, slot) in (self.first..).zip(&self.blocks) {
            let Some(entry) = slot else {
                continue;
            };
            let settled = entry.block.settled.load(Ordering::Acquire);
            let waiting = self.given(place) & !settled;
            for at in (0..BLOCK).filter(|at| waiting & 1 << at != 0) {
                let number = place * BLOCK + at;
                if unsent.contains(&number) {
                    continue;
                }
                match entry.frames.iter().find(|(bit, _)| *bit == 1 << at) {
                    Some((_, frame)) => again.push((number, frame.clone())),
                    None => failed.push(number),
                }
            }
        }
        for number in failed {
            self.fail_number(number, ReceiptError::ConnectionLost(why.clone()));
        }
        again
    }

    /// After the last connection has ended.
    pub(crate) fn end(&mut self, why: &Closed) {
        self.tell();
        for place in self.first.. {
            let given = self.given(place);
            let Some(entry) = self.blocks.pop_front() else {
                break;
            };
            if let Some(entry) = entry {
                let bits = given & !entry.block.settled.load(Ordering::Acquire);
                let closed = ReceiptError::Closed(why.clone());
                entry.block.settle(bits, Some(closed));
            }
        }
        // Numbers are never given twice.
        self.next = self.next.next_multiple_of(BLOCK);
    }

    fn settle_bits(&mut self, place: u64, bits: u64, error: Option<ReceiptError>) {
        let given = self.given(place);
        let at = place.checked_sub(self.first);
        let slot = at.and_then(|at| self.blocks.get_mut(usize::try_from(at).ok()?));
        if let Some(slot) = slot
            && let Some(entry) = slot
        {
            entry.block.settle(bits, error);
            entry.frames.retain(|(bit, _)| bit & bits == 0);
            if given == u64::MAX && entry.block.live(given) == 0 {
                *slot = None;
                self.forget_the_dead();
            }
        }
    }

    /// Whether a number was given, and its outcome is to come.
    fn is_waiting(&self, number: u64) -> bool {
        let (_, bit) = place(number);
        let entry = self.entry(number);
        number < self.next && entry.is_some_and(|entry| !entry.block.is_settled(bit))
    }

    fn entry(&self, number: u64) -> Option<&Entry> {
        let (place, _) = place(number);
        let at = usize::try_from(place.checked_sub(self.first)?).ok()?;
        self.blocks.get(at)?.as_ref()
    }

    /// Those of a block whose numbers were given.
    fn given(&self, of: u64) -> u64 {
        let (last, bit) = place(self.next);
        if of < last { u64::MAX } else { bit - 1 }
    }

    /// A server that gives no receipts must not make the list grow when nobody waits for them.
    fn forget_the_dead(&mut self) {
        while let Some(front) = self.blocks.front() {
            let given = self.given(self.first);
            let is_over = given == u64::MAX
                && front
                    .as_ref()
                    .is_none_or(|entry| entry.block.live(given) == 0);
            if !is_over {
                break;
            }
            self.blocks.pop_front();
            self.first += 1;
        }
    }

    /// Nor must it keep frames.
    fn forget_frames(&mut self) {
        self.forget_the_dead();
        if let Some(Some(entry)) = self.blocks.front_mut() {
            let forgotten = entry.block.forgotten.load(Ordering::Acquire);
            if forgotten != 0 {
                entry.frames.retain(|(bit, _)| bit & forgotten == 0);
            }
        }
    }
}

/// The place of a number's block, and its bit in there.
fn place(number: u64) -> (u64, u64) {
    (number / BLOCK, 1 << (number % BLOCK))
}

/// The number in a `receipt-id`, if it is one of these.
fn parse(id: &str) -> Option<u64> {
    let digits = id.strip_prefix(PREFIX)?;
    if digits.starts_with('+') {
        return None;
    }
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::task::Wake;

    use super::*;

    fn outcome(receipt: &mut Receipt) -> Option<Outcome> {
        let mut cx = Context::from_waker(Waker::noop());
        match Pin::new(receipt).poll(&mut cx) {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        }
    }

    #[test]
    fn receipts_come_in_any_order_once_and_unknown_ones_are_told() {
        let mut receipts = Receipts::default();
        let mut waiting = [(); 3].map(|()| receipts.add(None));
        assert!(receipts.come("receipt-1"));
        assert!(!receipts.come("receipt-1"));
        receipts.tell();
        assert!(!receipts.come("receipt-1"));
        for unknown in [
            "receipt-3",
            "receipt-",
            "receipt--1",
            "receipt-+2",
            "x",
            "receipt-99999999999999999999",
        ] {
            assert!(!receipts.come(unknown), "{unknown}");
        }
        assert!(receipts.come("receipt-0"));
        receipts.tell();
        assert!(outcome(&mut waiting[0]).unwrap().is_ok());
        assert!(outcome(&mut waiting[1]).unwrap().is_ok());
        assert!(outcome(&mut waiting[2]).is_none());
        assert!(!receipts.is_empty());
        assert!(receipts.fail("receipt-2", ReceiptError::Timeout));
        assert!(!receipts.fail("receipt-2", ReceiptError::Timeout));
        assert!(outcome(&mut waiting[2]).unwrap().is_err());
        assert!(outcome(&mut waiting[1]).unwrap().is_ok());
        assert!(receipts.is_empty());
    }

    #[test]
    fn blocks_go_when_all_of_them_have_come_whatever_is_before_them() {
        let mut receipts = Receipts::default();
        let mut slow = receipts.add(None);
        let others: Vec<_> = (0..1000).map(|_| receipts.add(None)).collect();
        for number in (1..1001).rev() {
            assert!(receipts.come(&Receipts::id(number)), "{number}");
        }
        receipts.tell();
        for mut receipt in others {
            assert!(outcome(&mut receipt).unwrap().is_ok());
        }
        assert_eq!(receipts.blocks.iter().flatten().count(), 2);
        assert!(outcome(&mut slow).is_none());
        assert!(receipts.come("receipt-0"));
        receipts.tell();
        assert_eq!(receipts.blocks.len(), 1);
        assert!(receipts.is_empty());
    }

    #[test]
    fn those_that_nobody_waits_for_are_forgotten() {
        let mut receipts = Receipts::default();
        for _ in 0..1000 {
            drop(receipts.add(Some(Box::default())));
        }
        assert!(receipts.blocks.len() <= 1, "{}", receipts.blocks.len());
        let frames = receipts.blocks.iter().flatten().map(|e| e.frames.len());
        assert!(frames.sum::<usize>() <= 1);
        assert!(receipts.is_empty());
        let mut kept = receipts.add(None);
        receipts.end(&Closed::ByServer);
        assert!(matches!(
            outcome(&mut kept),
            Some(Err(ReceiptError::Closed(_)))
        ));
    }

    #[test]
    fn after_a_loss_those_under_way_fail_or_are_sent_again_and_the_others_wait() {
        let mut receipts = Receipts::default();
        let mut all: Vec<_> = (0..200u8)
            .map(|n| receipts.add(n.is_multiple_of(2).then(|| [n].into())))
            .collect();
        for number in 0..100 {
            receipts.come(&Receipts::id(number));
        }
        let unsent = (150..200).collect();
        let again = receipts.lost(&unsent, &Closed::ByServer);
        let expected: Vec<_> = (100..150u8)
            .step_by(2)
            .map(|n| (u64::from(n), Box::from([n])))
            .collect();
        assert_eq!(again, expected);
        for (number, receipt) in all.iter_mut().enumerate() {
            let fails = (100..150).contains(&number) && number % 2 == 1;
            match outcome(receipt) {
                Some(Ok(())) => assert!(number < 100, "{number}"),
                Some(Err(ReceiptError::ConnectionLost(_))) => assert!(fails, "{number}"),
                None => assert!(number >= 100 && !fails, "{number}"),
                other => panic!("{number}: {other:?}"),
            }
        }
    }

    struct Count(AtomicU64);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn each_who_waits_is_woken_once_and_nobody_who_has_gone() {
        let count = Arc::new(Count(AtomicU64::new(0)));
        let waker = Waker::from(Arc::clone(&count));
        let mut cx = Context::from_waker(&waker);
        let mut receipts = Receipts::default();
        let mut all: Vec<_> = (0..100).map(|_| receipts.add(None)).collect();
        for receipt in &mut all {
            assert!(Pin::new(&mut *receipt).poll(&mut cx).is_pending());
            assert!(Pin::new(&mut *receipt).poll(&mut cx).is_pending());
        }
        drop(all.split_off(90));
        for number in 0..100 {
            assert!(receipts.come(&Receipts::id(number)));
        }
        receipts.tell();
        assert_eq!(count.0.load(Ordering::SeqCst), 90);
    }
}
