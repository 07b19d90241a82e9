//! `stompbox bench`.

mod body;
mod check;
mod load;
mod report;

use std::{
    io::{IsTerminal as _, stderr},
    sync::{
        Arc,
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
const PATIENCE: Duration = Duration::from_secs(3);

/// What all tasks of a run share.
struct Run {
    args: Bench,
    /// Times in bodies count from here.
    epoch: Instant,
    stop: AtomicBool,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Run {
    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Latencies in nanoseconds, up to a minute, to three digits.
fn histogram() -> Histogram<u64> {
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
    });
    let progress = progress(&run);
    let watch = {
        let run = Arc::clone(&run);
        let progress = progress.clone();
        async move {
            let begun = Instant::now();
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
