//! What a benchmark found, for people and programs.

use std::{fs::File, io::Write as _, time::SystemTime};

use hdrhistogram::{
    Histogram,
    serialization::{V2DeflateSerializer, interval_log},
};
use serde_json::{Value, json};

use super::load::Outcome;
use crate::{
    args::{Bench, BenchKind},
    exit::Failure,
};

/// Prints it, and writes the histogram if that is wanted.
pub(super) fn print(args: &Bench, outcome: &Outcome) -> Result<(), Failure> {
    if let Some(path) = &args.histogram {
        let file = File::create(path);
        let mut file = file.map_err(|error| format!("can't write {}: {error}", path.display()))?;
        write_log(&mut file, outcome)?;
    }
    let seconds = outcome.elapsed.as_secs_f64().max(1e-9);
    let count = match args.kind {
        BenchKind::Pub => outcome.sent,
        _ => outcome.received,
    };
    let rate = count as f64 / seconds;
    let mebibytes = rate * args.size as f64 / f64::from(1 << 20);
    let checks = &outcome.checks;
    let mut out = std::io::stdout().lock();
    if args.json {
        let object = json!({
            "kind": format!("{:?}", args.kind).to_lowercase(),
            "destination": args.destination,
            "producers": args.producers, "consumers": args.consumers, "size": args.size,
            "rate": args.rate, "ramp_seconds": args.ramp.map(|ramp| ramp.as_secs_f64()),
            "persistent": args.persistent, "ack": args.ack,
            "seconds": round(seconds), "sent": outcome.sent, "received": outcome.received,
            "per_second": round(rate), "mib_per_second": round(mebibytes),
            "latency_ms": percentiles(&outcome.latency),
            "receipt_ms": percentiles(&outcome.receipts),
            "lost": checks.lost, "duplicate": checks.duplicate, "disorder": checks.disorder,
            "foreign": checks.foreign,
        });
        writeln!(out, "{object}")?;
        return Ok(());
    }
    let what = match args.kind {
        BenchKind::Conn => "connects",
        BenchKind::Rtt => "round trips",
        _ => "messages",
    };
    write!(out, "{count} {what} in {seconds:.2} s: {rate:.0}/s")?;
    if args.kind != BenchKind::Conn {
        write!(out, ", {mebibytes:.1} MiB/s")?;
    }
    writeln!(out)?;
    for (name, times) in [
        ("latency", &outcome.latency),
        ("receipt", &outcome.receipts),
    ] {
        if let Some(line) = line_of(times) {
            writeln!(out, "{name} ms: {line}")?;
        }
    }
    if matches!(args.kind, BenchKind::Pubsub | BenchKind::Rtt) {
        writeln!(
            out,
            "checked: {} lost, {} doubled, {} out of order",
            checks.lost, checks.duplicate, checks.disorder
        )?;
    }
    if checks.foreign > 0 {
        writeln!(out, "{} messages of others came too", checks.foreign)?;
    }
    Ok(())
}

/// Times in milliseconds, in a line; `None`: there are none.
pub(in crate::commands) fn line_of(times: &Histogram<u64>) -> Option<String> {
    let at = |quantile| milliseconds(times.value_at_quantile(quantile));
    (!times.is_empty()).then(|| {
        format!(
            "p50 {:.3}  p90 {:.3}  p99 {:.3}  p99.9 {:.3}  max {:.3}",
            at(0.5),
            at(0.9),
            at(0.99),
            at(0.999),
            milliseconds(times.max())
        )
    })
}

pub(in crate::commands) fn percentiles(times: &Histogram<u64>) -> Value {
    if times.is_empty() {
        return Value::Null;
    }
    let at = |quantile| milliseconds(times.value_at_quantile(quantile));
    json!({
        "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "p99.9": at(0.999),
        "max": milliseconds(times.max()), "mean": round(times.mean() / 1e6),
    })
}

pub(in crate::commands) fn milliseconds(nanoseconds: u64) -> f64 {
    round(nanoseconds as f64 / 1e6)
}

pub(in crate::commands) fn round(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

/// One interval in HdrHistogram's log format, which its tools read.
fn write_log(file: &mut File, outcome: &Outcome) -> Result<(), Failure> {
    let mut serializer = V2DeflateSerializer::new();
    let mut log = interval_log::IntervalLogWriterBuilder::new()
        .add_comment("stompbox bench, nanoseconds")
        .with_start_time(SystemTime::now())
        .begin_log_with(file, &mut serializer)?;
    log.write_histogram(
        &outcome.latency,
        std::time::Duration::ZERO,
        outcome.elapsed,
        None,
    )
    .map_err(|error| format!("the histogram can't be written: {error:?}"))?;
    Ok(())
}
