//! How much went through a destination: since the start, and a second.

use crate::Time;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    /// A message came.
    In,
    /// One was handed to a consumer or subscriber.
    Out,
    /// A consumer acknowledged one.
    Acknowledged,
    /// One was handed out that somebody had before.
    Redelivered,
    /// One went to the dead letters.
    DeadLettered,
    /// The time of one was over.
    Expired,
    /// There was no room for one.
    Dropped,
}

/// Messages since the start of the broker, or since their destination was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// That came.
    pub incoming: u64,
    /// That were handed to consumers or subscribers, each time counted.
    pub outgoing: u64,
    /// That consumers acknowledged by `ACK`.
    pub acknowledged: u64,
    /// That were handed out again.
    pub redelivered: u64,
    /// That went to the dead letters.
    pub dead_lettered: u64,
    /// Whose time was over.
    pub expired: u64,
    /// For which there was no room: beyond a queue's length, or for a slow subscriber of a topic.
    pub dropped: u64,
}

impl Counts {
    /// Counts what is rare; what comes and goes is counted by its destination alone.
    pub(crate) fn add(&mut self, what: Count, count: u64) {
        match what {
            Count::In | Count::Out => {}
            Count::Acknowledged => self.acknowledged += count,
            Count::Redelivered => self.redelivered += count,
            Count::DeadLettered => self.dead_lettered += count,
            Count::Expired => self.expired += count,
            Count::Dropped => self.dropped += count,
        }
    }
}

/// Messages a second, over about the last 10 seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// That came.
    pub incoming: f64,
    /// That were handed out.
    pub outgoing: f64,
    /// That were acknowledged.
    pub acknowledged: f64,
}

/// A slot of time is so many bits of milliseconds: about 2 seconds.
const SLOT: u32 = 11;

/// How many slots a rate is taken over.
const SLOTS: usize = 5;

/// The counters of one destination. What each message touches is at the front, together.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub(crate) struct Traffic {
    slot: u32,
    counts: [u64; 7],
    /// What came, went and was acknowledged before the current slot, and before those before it.
    marks: [[u32; 3]; SLOTS],
}

impl Traffic {
    #[inline]
    pub(crate) fn add(&mut self, what: Count, count: u64, now: Time) {
        let slot = (now >> SLOT) as u32;
        if slot != self.slot {
            self.turn(slot);
        }
        if let Some(it) = self.counts.get_mut(what as usize) {
            *it += count;
        }
    }

    /// A new slot begins.
    #[cold]
    fn turn(&mut self, slot: u32) {
        let steps = (slot.wrapping_sub(self.slot) as usize).min(SLOTS);
        self.marks.rotate_right(steps % SLOTS);
        let now = self.mark();
        self.marks.iter_mut().take(steps).for_each(|it| *it = now);
        self.slot = slot;
    }

    fn mark(&self) -> [u32; 3] {
        let [incoming, outgoing, acknowledged, ..] = self.counts;
        // Differences are right though the high bits are gone.
        [incoming as u32, outgoing as u32, acknowledged as u32]
    }

    pub(crate) fn counts(&self) -> Counts {
        let [
            incoming,
            outgoing,
            acknowledged,
            redelivered,
            dead_lettered,
            expired,
            dropped,
        ] = self.counts;
        Counts {
            incoming,
            outgoing,
            acknowledged,
            redelivered,
            dead_lettered,
            expired,
            dropped,
        }
    }

    pub(crate) fn rates(&self, now: Time) -> Rates {
        let slot = (now >> SLOT) as u32;
        let passed = slot.wrapping_sub(self.slot) as usize;
        let Some(then) = (SLOTS - 1)
            .checked_sub(passed)
            .and_then(|at| self.marks.get(at))
        else {
            return Rates::default();
        };
        let since = (now >> SLOT).saturating_sub(SLOTS as u64 - 1) << SLOT;
        let seconds = now.saturating_sub(since).max(1) as f64 / 1000.0;
        let [incoming, outgoing, acknowledged] = self.mark();
        let [a, b, c] = then;
        let rate = |now: u32, then: &u32| f64::from(now.wrapping_sub(*then)) / seconds;
        Rates {
            incoming: rate(incoming, a),
            outgoing: rate(outgoing, b),
            acknowledged: rate(acknowledged, c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_stream_has_its_rate() {
        let mut traffic = Traffic::default();
        let start = 1_700_000_000_000;
        for at in 0..20_000 {
            traffic.add(Count::In, 1, start + at);
        }
        let rates = traffic.rates(start + 20_000);
        assert!((rates.incoming - 1000.0).abs() < 1.0, "{rates:?}");
        assert_eq!(rates.outgoing, 0.0);
        assert_eq!(traffic.counts().incoming, 20_000);
    }

    #[test]
    fn what_was_long_ago_is_in_no_rate() {
        let mut traffic = Traffic::default();
        let start = 1_700_000_000_000;
        traffic.add(Count::Out, 500, start);
        assert!(traffic.rates(start + 1000).outgoing > 0.0);
        assert_eq!(traffic.rates(start + 13_000), Rates::default());
        traffic.add(Count::Out, 100, start + 60_000);
        let rate = traffic.rates(start + 60_000).outgoing;
        assert!((9.0..15.0).contains(&rate), "{rate}");
    }
}
