//! `stompbox bench`.

pub(super) mod body;
pub(super) mod check;
mod load;
pub(super) mod report;

use std::{
    io::{IsTerminal as _, stderr},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use indicatif::ProgressBar;

use crate::{
    args::{Bench, BenchKind},
    exit::{Exit, Failure, SERVER_ERROR},
};

/// How long to wait for messages that are still under way.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// What all tasks of a run share.
struct Run {
    args: Bench,
    /// Times in bodies count from here.
    epoch: Instant,
    stop: AtomicBool,
    sent: AtomicU64,
    received: AtomicU64,
    /// What there was when the ramp had ended; `None`: it has not.
    warm: OnceLock<Warm>,
}

/// What is in no figure.
#[derive(Clone, Copy, Debug)]
struct Warm {
    /// Since the run's epoch.
    at: Duration,
    sent: u64,
    received: u64,
}

impl Run {
    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn ramp(&self) -> Duration {
        self.args.ramp.unwrap_or_default()
    }

    /// Waits until the client of a number, of that many, is to begin.
    async fn turn(&self, number: usize, all: usize) {
        let part = number as f64 / all.max(1) as f64;
        let at = self.epoch + self.ramp().mul_f64(part);
        tokio::time::sleep_until(at.into()).await;
    }

    /// Whether what was to happen then, in nanoseconds since the epoch, is in the figures.
    fn counts(&self, at: u64) -> bool {
        u128::from(at) >= self.ramp().as_nanos()
    }
}

/// Latencies in nanoseconds, up to a minute, to three digits.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("bounds and digits are allowed")
}

/// Runs a benchmark, and prints what it found.
pub(crate) async fn run(args: Bench) -> Result<(), Failure> {
    if args.size < body::LEAST {
        let text = format!(
            "--size {} is less than {}, which the checks need",
            args.size,
            body::LEAST
        );
        return Err(text.into());
    }
    if args.ramp.is_some() && args.kind == BenchKind::Rtt {
        return Err("--ramp is for several clients, and rtt has one".into());
    }
    let limit = match (args.duration, args.messages) {
        (Some(duration), _) => Some(duration),
        (None, Some(_)) => None,
        (None, None) => Some(Duration::from_secs(10)),
    };
    let run = Arc::new(Run {
        args,
        epoch: Instant::now(),
        stop: AtomicBool::new(false),
        sent: AtomicU64::new(0),
        received: AtomicU64::new(0),
        warm: OnceLock::new(),
    });
    let progress = progress(&run);
    let watch = {
        let run = Arc::clone(&run);
        let progress = progress.clone();
        async move {
            let begun = run.epoch + run.ramp();
            tokio::time::sleep_until(begun.into()).await;
            let _ = run.warm.set(Warm {
                at: run.epoch.elapsed(),
                sent: run.sent.load(Ordering::Relaxed),
                received: run.received.load(Ordering::Relaxed),
            });
            loop {
                tokio::time::sleep(Duration::from_millis(200)).await;
                let (sent, received) = (
                    run.sent.load(Ordering::Relaxed),
                    run.received.load(Ordering::Relaxed),
                );
                let seconds = begun.elapsed().as_secs();
                progress.set_message(format!("{seconds} s: {sent} sent, {received} received"));
                if limit.is_some_and(|limit| begun.elapsed() >= limit) {
                    break;
                }
            }
            run.stop.store(true, Ordering::Relaxed);
            std::future::pending::<()>().await;
        }
    };
    let work = async {
        match run.args.kind {
            BenchKind::Pub | BenchKind::Sub | BenchKind::Pubsub => load::transfer(&run).await,
            BenchKind::Conn => load::connect(&run).await,
            BenchKind::Rtt => load::round_trips(&run).await,
        }
    };
    let outcome = tokio::select! {
        outcome = work => outcome?,
        () = watch => return Ok(()),
        _ = tokio::signal::ctrl_c() => return Err(Exit::interrupted()),
    };
    progress.finish_and_clear();
    let outcome = match (run.args.ramp, run.warm.get()) {
        (None, _) => outcome,
        (Some(_), Some(warm)) => outcome.without(warm),
        (Some(ramp), None) => {
            let text =
                format!("all was done before the end of --ramp {ramp:?}: nothing is measured");
            return Err(text.into());
        }
    };
    report::print(&run.args, &outcome)?;
    let checks = &outcome.checks;
    if checks.lost + checks.duplicate + checks.disorder > 0 {
        return Err(Exit::failure(
            SERVER_ERROR,
            "messages were lost, doubled or out of order",
        ));
    }
    Ok(())
}

fn progress(run: &Run) -> ProgressBar {
    let shown = !run.args.quiet && !run.args.json && stderr().is_terminal();
    match shown {
        true => ProgressBar::new_spinner(),
        false => ProgressBar::hidden(),
    }
}
