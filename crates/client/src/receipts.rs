//! The receipts that are waited for.

use std::collections::{BTreeSet, VecDeque};

use tokio::sync::oneshot;

use crate::{Closed, ReceiptError};

pub(crate) type Outcome = Result<(), ReceiptError>;

#[derive(Debug)]
struct Waiting {
    outcome: oneshot::Sender<Outcome>,
    /// The frame, if it is to be sent again over the next connection.
    frame: Option<Box<[u8]>>,
}

/// Receipts by number: they mostly come in the order in which they were asked for.
#[derive(Debug, Default)]
pub(crate) struct Receipts {
    first: u64,
    waiting: VecDeque<Option<Waiting>>,
}

/// What stands before the number in a `receipt` header.
const PREFIX: &str = "receipt-";

impl Receipts {
    /// The number that the next has.
    pub(crate) fn next(&self) -> u64 {
        self.first + self.waiting.len() as u64
    }

    /// The `receipt` header of a number.
    pub(crate) fn id(number: u64) -> String {
        format!("{PREFIX}{number}")
    }

    /// Adds the one that [`next`](Self::next) gave.
    pub(crate) fn add(&mut self, outcome: oneshot::Sender<Outcome>, frame: Option<Box<[u8]>>) {
        self.forget_the_dead();
        self.waiting.push_back(Some(Waiting { outcome, frame }));
    }

    /// Whether somebody waits.
    pub(crate) fn is_empty(&mut self) -> bool {
        self.forget_the_dead();
        self.waiting.is_empty()
    }

    /// Gives an outcome to the one with that `receipt-id`. False: there is none.
    pub(crate) fn settle(&mut self, id: &str, outcome: Outcome) -> bool {
        let number = id.strip_prefix(PREFIX).and_then(|n| n.parse().ok());
        number.is_some_and(|number| self.settle_number(number, outcome))
    }

    pub(crate) fn settle_number(&mut self, number: u64, outcome: Outcome) -> bool {
        let at = number
            .checked_sub(self.first)
            .and_then(|at| usize::try_from(at).ok());
        let slot = at.and_then(|at| self.waiting.get_mut(at));
        let Some(waiting) = slot.and_then(Option::take) else {
            return false;
        };
        // Whoever waited may have given up.
        let _ = waiting.outcome.send(outcome);
        while matches!(self.waiting.front(), Some(None)) {
            self.waiting.pop_front();
            self.first += 1;
        }
        true
    }

    /// After the connection is lost: those that were sent, and are not among the `unsent`, fail; or
    /// give their frames to be sent again, in order.
    pub(crate) fn lost(&mut self, unsent: &BTreeSet<u64>, why: &Closed) -> Vec<(u64, Box<[u8]>)> {
        let mut again = Vec::new();
        let mut failed = Vec::new();
        for (number, slot) in (self.first..).zip(&self.waiting) {
            match slot {
                Some(waiting) if !unsent.contains(&number) => match &waiting.frame {
                    Some(frame) => again.push((number, frame.clone())),
                    None => failed.push(number),
                },
                _ => {}
            }
        }
        for number in failed {
            self.settle_number(number, Err(ReceiptError::ConnectionLost(why.clone())));
        }
        again
    }

    /// After the last connection has ended.
    pub(crate) fn end(&mut self, why: &Closed) {
        self.first = self.next();
        for waiting in self.waiting.drain(..).flatten() {
            let _ = waiting.outcome.send(Err(ReceiptError::Closed(why.clone())));
        }
    }

    /// A server that gives no receipts must not make the list grow when nobody waits for them.
    fn forget_the_dead(&mut self) {
        while let Some(front) = self.waiting.front() {
            if front.as_ref().is_some_and(|w| !w.outcome.is_closed()) {
                break;
            }
            self.waiting.pop_front();
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(receipts: &mut Receipts) -> oneshot::Receiver<Outcome> {
        let (sender, receiver) = oneshot::channel();
        receipts.add(sender, None);
        receiver
    }

    #[test]
    fn receipts_come_in_any_order_once_and_unknown_ones_are_told() {
        let mut receipts = Receipts::default();
        let mut waiting = [(); 3].map(|()| add(&mut receipts));
        assert!(receipts.settle("receipt-1", Ok(())));
        assert!(!receipts.settle("receipt-1", Ok(())));
        for unknown in [
            "receipt-3",
            "receipt-",
            "receipt--1",
            "x",
            "receipt-99999999999999999999",
        ] {
            assert!(!receipts.settle(unknown, Ok(())), "{unknown}");
        }
        assert!(receipts.settle("receipt-0", Ok(())));
        assert_eq!(receipts.waiting.len(), 1);
        assert!(waiting[0].try_recv().unwrap().is_ok());
        assert!(waiting[1].try_recv().unwrap().is_ok());
        assert!(waiting[2].try_recv().is_err());
    }

    #[test]
    fn those_that_nobody_waits_for_are_forgotten() {
        let mut receipts = Receipts::default();
        for _ in 0..1000 {
            drop(add(&mut receipts));
        }
        assert!(receipts.waiting.len() <= 1, "{}", receipts.waiting.len());
        assert!(receipts.is_empty());
        let mut kept = add(&mut receipts);
        receipts.end(&Closed::ByServer);
        assert!(matches!(kept.try_recv(), Ok(Err(ReceiptError::Closed(_)))));
    }
}
