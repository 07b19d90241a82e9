//! When what a broker sends is read a moment later, and so many frames at a time.
//!
//! A broker writes its messages one by one, and most of what one costs the gateway is the kernel's: a
//! read, and a write to each client that it is for. Where many go out, those that come within a
//! millisecond or a few of others are read together. Where few do each is read when it comes, and so it is
//! where gathering makes them fewer, as it may with clients that have only a handful under way.

use std::time::Duration;

/// How long frames gather at least.
const PAUSE: Duration = Duration::from_millis(1);

/// About what a delivery takes to write. What comes before the last clients have what was read gathers:
/// it would only be written to the first ones again, by itself.
const DELIVERY: Duration = Duration::from_nanos(500);

/// How long frames gather at most.
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

/// Over how long frames are counted.
const SPELL: Duration = Duration::from_millis(50);

/// Deliveries of a spell from which on frames gather, and below which they do no more: 10,000 and 6,000
/// a second.
const MANY: u64 = 500;
const FEW: u64 = 300;

/// Frames of a read from which on there is little to gain.
const ENOUGH: u64 = 64;

/// How long frames do not gather after that made them fewer: at first, and at most.
const BACK_OFF: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(16);

/// What came by a read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Taken {
    pub(super) frames: u64,
    /// To how many clients they go, all together.
    pub(super) deliveries: u64,
}

/// Counts what comes by a connection to a broker.
#[derive(Debug)]
pub(super) struct Pace {
    /// When the spell began, what came in it, and by how many reads.
    since: Duration,
    all: Taken,
    reads: u64,
    mode: Mode,
    back_off: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Mode {
    /// Each frame is read when it comes.
    AtOnce {
        /// Until when that stays so.
        until: Duration,
    },
    /// Frames gather, and it is to be seen whether there are fewer deliveries than in the spell before.
    Trial { before: u64 },
    /// Frames gather.
    Gathering,
}

impl Pace {
    /// Of a connection that is new.
    pub(super) fn new() -> Self {
        Self {
            since: Duration::ZERO,
            all: Taken::default(),
            reads: 0,
            mode: Mode::AtOnce {
                until: Duration::ZERO,
            },
            back_off: BACK_OFF,
        }
    }

    /// Something came by a read. Gives how long to wait until the next.
    pub(super) fn took(&mut self, taken: Taken, now: Duration) -> Option<Duration> {
        self.all.frames += taken.frames;
        self.all.deliveries += taken.deliveries;
        self.reads += 1;
        let elapsed = now.saturating_sub(self.since);
        if elapsed >= SPELL {
            self.end_spell(elapsed, now);
        }
        match self.mode {
            Mode::AtOnce { .. } => None,
            Mode::Trial { .. } | Mode::Gathering => Some(pause(taken.deliveries)),
        }
    }

    fn end_spell(&mut self, elapsed: Duration, now: Duration) {
        let share = SPELL.as_secs_f64() / elapsed.as_secs_f64().max(SPELL.as_secs_f64());
        let count = (self.all.deliveries as f64 * share) as u64;
        let is_few_a_read = self.all.frames / self.reads.max(1) < ENOUGH;
        self.mode = match self.mode {
            Mode::AtOnce { until } if count < MANY || !is_few_a_read || now < until => self.mode,
            Mode::AtOnce { .. } => Mode::Trial { before: count },
            Mode::Trial { before } if count < before / 4 * 3 => {
                let until = now + self.back_off;
                self.back_off = (self.back_off * 2).min(LONGEST);
                Mode::AtOnce { until }
            }
            Mode::Trial { .. } => {
                self.back_off = BACK_OFF;
                Mode::Gathering
            }
            Mode::Gathering if count < FEW => Mode::AtOnce { until: now },
            Mode::Gathering => Mode::Gathering,
        };
        self.since = now;
        self.all = Taken::default();
        self.reads = 0;
    }
}

/// How long frames gather behind so many deliveries.
fn pause(deliveries: u64) -> Duration {
    let deliveries = u32::try_from(deliveries).unwrap_or(u32::MAX);
    (DELIVERY * deliveries).clamp(PAUSE, LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads so many frames at each of that many microseconds, from a time on; gives that of the end,
    /// and whether frames gather then.
    fn read(pace: &mut Pace, from: u64, each: u64, every: u64, times: u64) -> (u64, bool) {
        let mut waits = false;
        for number in 1..=times {
            let now = Duration::from_micros(from + number * every);
            let taken = Taken {
                frames: each,
                deliveries: each,
            };
            waits = pace.took(taken, now).is_some();
        }
        (from + times * every, waits)
    }

    #[test]
    fn few_frames_are_read_at_once() {
        let mut pace = Pace::new();
        assert!(!read(&mut pace, 0, 1, 200, 5_000).1);
    }

    #[test]
    fn few_frames_for_many_clients_gather() {
        let mut pace = Pace::new();
        let taken = Taken {
            frames: 1,
            deliveries: 1_000,
        };
        let waits = (1..=20).map(|number| pace.took(taken, Duration::from_millis(number * 5)));
        assert!(waits.last().flatten().is_some());
    }

    #[test]
    fn many_frames_gather_for_as_long_as_they_are_many() {
        let mut pace = Pace::new();
        let (at, waits) = read(&mut pace, 0, 1, 50, 5_000);
        assert!(waits);
        let (at, waits) = read(&mut pace, at, 40, 2_000, 500);
        assert!(waits);
        assert!(!read(&mut pace, at, 1, 500, 500).1);
    }

    #[test]
    fn a_pause_in_what_comes_ends_it() {
        let mut pace = Pace::new();
        let (at, waits) = read(&mut pace, 0, 1, 50, 5_000);
        assert!(waits);
        assert!(!read(&mut pace, at, 1, 1_000_000, 1).1);
    }

    #[test]
    fn large_reads_do_not_wait() {
        let mut pace = Pace::new();
        assert!(!read(&mut pace, 0, 100, 500, 5_000).1);
    }

    #[test]
    fn what_gathering_makes_fewer_is_read_at_once_for_longer_each_time() {
        let mut pace = Pace::new();
        let (mut at, mut last, mut spells) = (0, false, Vec::new());
        // Of four that may be under way all come when those before are read.
        for _ in 0..200_000 {
            let every = if last { 1_500 } else { 100 };
            let waits;
            (at, waits) = read(&mut pace, at, 4, every, 1);
            if waits != last {
                spells.push((at, waits));
            }
            last = waits;
        }
        let begins = spells.iter().filter(|(_, waits)| *waits);
        let begins: Vec<u64> = begins.map(|(at, _)| *at / 1_000).collect();
        let between: Vec<u64> = begins.windows(2).map(|it| it[1] - it[0]).collect();
        assert!(between.len() >= 3, "{begins:?}");
        assert!(between.is_sorted(), "{between:?}");
        assert!(between[0] >= 500, "{between:?}");
    }
}
