//! Rounds in which each contender has its turn.

use std::{
    fmt,
    time::{Duration, Instant},
};

/// A contender: a name and one pass over the stream, which gives how many frames it found.
pub(crate) type Contender<'a> = (&'static str, Kind, Box<dyn FnMut() -> usize + 'a>);

/// What a contender is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Ours.
    Ours,
    /// A codec that goals are measured against.
    Peer,
    /// Does more or less work than the others: shown, but no goal.
    Other,
    /// What the machine allows.
    Limit,
}

/// The best pass of each contender.
pub(crate) struct Table {
    title: String,
    rows: Vec<(&'static str, Kind, f64)>,
}

/// Measures for about half a second each.
pub(crate) fn measure(title: String, frames: usize, mut contenders: Vec<Contender<'_>>) -> Table {
    let mut best = vec![Duration::MAX; contenders.len()];
    let mut passes = vec![1u32; contenders.len()];
    let mut spent = vec![Duration::ZERO; contenders.len()];
    for round in 0..40 {
        for (at, (name, _, pass)) in contenders.iter_mut().enumerate() {
            // A peer that needs seconds for one pass has shown what it can do in three.
            if round >= 3 && spent[at] > Duration::from_secs(2) {
                continue;
            }
            let begin = Instant::now();
            for _ in 0..passes[at] {
                let found = pass();
                assert_eq!(found, frames, "{name} lost frames of {title}");
            }
            spent[at] += begin.elapsed();
            let each = begin.elapsed() / passes[at];
            best[at] = best[at].min(each);
            if round == 0 {
                let wanted = Duration::from_millis(8).as_nanos() / each.as_nanos().max(1);
                passes[at] = u32::try_from(wanted).unwrap_or(u32::MAX).clamp(1, 100_000);
            }
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a few hundred frames")]
    let rate = |each: Duration| frames as f64 / each.as_secs_f64();
    let rows = contenders
        .iter()
        .zip(best)
        .map(|((name, kind, _), t)| (*name, *kind, rate(t)))
        .collect();
    Table { title, rows }
}

impl Table {
    fn rate(&self, wanted: impl Fn(&'static str, Kind) -> bool) -> Option<f64> {
        let rates = self
            .rows
            .iter()
            .filter(|row| wanted(row.0, row.1))
            .map(|row| row.2);
        rates.fold(None, |best, rate| {
            Some(best.map_or(rate, |b: f64| b.max(rate)))
        })
    }

    /// Whether ours is at least `goal` times the named contender, or the best peer.
    pub(crate) fn check(&self, against: &str, goal: f64) -> bool {
        let ours = self.rate(|_, kind| kind == Kind::Ours).unwrap_or(f64::NAN);
        let other = match against {
            "best peer" => self.rate(|_, kind| kind == Kind::Peer),
            name => self.rate(|n, _| n == name),
        };
        let ratio = ours / other.unwrap_or(f64::NAN);
        let met = ratio >= goal;
        let verdict = if met { "met" } else { "MISSED" };
        println!("  {ratio:.2} times {against}, goal {goal}: {verdict}\n");
        met
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        let first = self.rows.first().map_or(1.0, |row| row.2);
        for (name, _, rate) in &self.rows {
            writeln!(
                f,
                "  {name:<28} {rate:>14.0} frames/s {:>9.2}",
                rate / first
            )?;
        }
        Ok(())
    }
}
