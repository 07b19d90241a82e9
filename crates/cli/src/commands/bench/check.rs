//! Whether each message came once, and in order.

use super::body::Mark;

/// What went wrong, in messages.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::commands) struct Checks {
    pub(in crate::commands) lost: u64,
    pub(in crate::commands) duplicate: u64,
    pub(in crate::commands) disorder: u64,
    /// Came from another run.
    pub(in crate::commands) foreign: u64,
}

/// The numbers of one producer's messages that came.
#[derive(Clone, Debug, Default)]
pub(in crate::commands) struct Seen {
    bits: Vec<u64>,
    count: u64,
}

impl Seen {
    /// False: it was there already.
    pub(in crate::commands) fn add(&mut self, number: u64) -> bool {
        let Ok(word) = usize::try_from(number / 64) else {
            return true;
        };
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        let bit = 1 << (number % 64);
        let is_new = self.bits[word] & bit == 0;
        self.bits[word] |= bit;
        self.count += u64::from(is_new);
        is_new
    }

    /// Whether it came.
    pub(in crate::commands) fn has(&self, number: u64) -> bool {
        let word = usize::try_from(number / 64).ok();
        let word = word.and_then(|word| self.bits.get(word));
        word.is_some_and(|bits| bits & (1 << (number % 64)) != 0)
    }
}

/// What one consumer saw.
#[derive(Debug)]
pub(super) struct Watch {
    last: Vec<Option<u64>>,
    pub(super) seen: Vec<Seen>,
    pub(super) checks: Checks,
}

impl Watch {
    pub(super) fn new(producers: usize) -> Self {
        Self {
            last: vec![None; producers],
            seen: vec![Seen::default(); producers],
            checks: Checks::default(),
        }
    }

    /// Takes note of a message.
    pub(super) fn see(&mut self, mark: Mark) {
        let producer = mark.producer as usize;
        let (Some(last), Some(seen)) = (self.last.get_mut(producer), self.seen.get_mut(producer))
        else {
            self.checks.foreign += 1;
            return;
        };
        if !seen.add(mark.number) {
            self.checks.duplicate += 1;
        } else if last.is_some_and(|last| mark.number < last) {
            self.checks.disorder += 1;
        }
        *last = Some(last.map_or(mark.number, |last| last.max(mark.number)));
    }

    /// How many messages came.
    pub(super) fn count(&self) -> u64 {
        self.seen.iter().map(|seen| seen.count).sum()
    }
}

/// The checks of all consumers. `sent`: how many messages each producer sent. On a topic everybody
/// is to have them all; on a queue each is to be with one of them.
pub(super) fn sum(watches: &[Watch], sent: &[u64], is_topic: bool) -> Checks {
    let mut sum = Checks::default();
    for watch in watches {
        sum.duplicate += watch.checks.duplicate;
        sum.disorder += watch.checks.disorder;
        sum.foreign += watch.checks.foreign;
    }
    if watches.is_empty() {
        return sum;
    }
    if is_topic {
        let all: u64 = sent.iter().sum();
        sum.lost = watches
            .iter()
            .map(|watch| all.saturating_sub(watch.count()))
            .sum();
        return sum;
    }
    for (producer, sent) in sent.iter().enumerate() {
        let mut union = Seen::default();
        for watch in watches {
            let Some(seen) = watch.seen.get(producer) else {
                continue;
            };
            if union.bits.len() < seen.bits.len() {
                union.bits.resize(seen.bits.len(), 0);
            }
            for (all, own) in union.bits.iter_mut().zip(&seen.bits) {
                sum.duplicate += u64::from((*all & own).count_ones());
                *all |= own;
            }
        }
        let came: u64 = union.bits.iter().map(|it| u64::from(it.count_ones())).sum();
        sum.lost += sent.saturating_sub(came);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(numbers: &[u64]) -> Watch {
        let mut watch = Watch::new(1);
        for &number in numbers {
            watch.see(Mark {
                producer: 0,
                number,
                at: 0,
            });
        }
        watch
    }

    #[test]
    fn what_is_wrong_is_counted() {
        let checks = sum(&[watch(&[0, 1, 3, 2, 2])], &[6], false);
        assert_eq!((checks.lost, checks.duplicate, checks.disorder), (2, 1, 1));
        // A queue's messages are shared, a topic's are everybody's.
        let both = [watch(&[0, 2]), watch(&[1, 2])];
        let checks = sum(&both, &[3], false);
        assert_eq!((checks.lost, checks.duplicate, checks.disorder), (0, 1, 0));
        let checks = sum(&both, &[3], true);
        assert_eq!((checks.lost, checks.duplicate, checks.disorder), (2, 0, 0));
        let mut foreign = watch(&[0]);
        foreign.see(Mark {
            producer: 7,
            number: 0,
            at: 0,
        });
        assert_eq!(sum(&[foreign], &[1], false).foreign, 1);
    }
}
