//! What a scenario gave, for people and programs, and whether that is well.

use std::{io::Write as _, sync::atomic::Ordering, time::Duration};

use serde_json::{Map, Value, json};

use super::{
    Play,
    meters::Span,
    scenario::{Most, Times},
};
use crate::{
    commands::bench::{
        check::Checks,
        report::{line_of, milliseconds, percentiles, round},
    },
    exit::Failure,
};

const SPANS: [(&str, Span); 4] = [
    ("latency", Span::Latency),
    ("receipt", Span::Receipt),
    ("request", Span::Request),
    ("connect", Span::Connect),
];

/// Prints it; gives the limits that are not kept, in words.
pub(super) fn print(
    play: &Play,
    elapsed: Duration,
    checks: &Checks,
    as_json: bool,
) -> Result<Vec<String>, Failure> {
    let broken = broken(play, checks);
    let mut out = std::io::stdout().lock();
    match as_json {
        true => writeln!(out, "{}", object(play, elapsed, checks, &broken))?,
        false => {
            let text = text(play, elapsed, checks);
            out.write_all(text.as_bytes())?;
        }
    }
    Ok(broken)
}

fn text(play: &Play, elapsed: Duration, checks: &Checks) -> String {
    let seconds = elapsed.as_secs_f64().max(1e-9);
    let mut lines = Vec::new();
    let name = play.scenario.name.as_deref().unwrap_or("scenario");
    lines.push(format!("{name}: {seconds:.2} s"));
    for (group, counts) in play.scenario.groups.iter().zip(&play.meters.groups) {
        let get = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        let mut line = format!(
            "{:<12} {} clients, {} rounds",
            group.name,
            group.clients,
            get(&counts.rounds)
        );
        for (what, count) in [
            ("sent", get(&counts.sent)),
            ("received", get(&counts.received)),
            ("requests", get(&counts.requests)),
        ] {
            if count > 0 {
                line.push_str(&format!(
                    ", {what} {count} ({:.0}/s)",
                    count as f64 / seconds
                ));
            }
        }
        for (what, count) in [
            ("errors", get(&counts.errors)),
            ("messages of others", get(&counts.foreign)),
        ] {
            if count > 0 {
                line.push_str(&format!(", {what} {count}"));
            }
        }
        lines.push(line);
    }
    for (name, span) in SPANS {
        if let Some(line) = line_of(&play.meters.times(span)) {
            lines.push(format!("{name} ms: {line}"));
        }
    }
    lines.push(format!(
        "checked: {} lost, {} doubled, {} out of order, {} errors",
        checks.lost,
        checks.duplicate,
        checks.disorder,
        errors(play)
    ));
    lines.into_iter().map(|line| line + "\n").collect()
}

fn errors(play: &Play) -> u64 {
    play.meters.sum(|counts| &counts.errors)
}

fn object(play: &Play, elapsed: Duration, checks: &Checks, broken: &[String]) -> Value {
    let groups = play.scenario.groups.iter().zip(&play.meters.groups);
    let groups: Vec<_> = groups
        .map(|(group, counts)| {
            let get = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
            json!({
                "name": group.name, "clients": group.clients, "rounds": get(&counts.rounds),
                "sent": get(&counts.sent), "received": get(&counts.received),
                "requests": get(&counts.requests), "errors": get(&counts.errors),
                "foreign": get(&counts.foreign),
            })
        })
        .collect();
    let times: Map<_, _> = SPANS
        .into_iter()
        .map(|(name, span)| (format!("{name}_ms"), percentiles(&play.meters.times(span))))
        .collect();
    let mut object = json!({
        "name": play.scenario.name, "seconds": round(elapsed.as_secs_f64()), "groups": groups,
        "lost": checks.lost, "doubled": checks.duplicate, "disorder": checks.disorder,
        "errors": errors(play), "broken": broken,
    });
    if let Some(object) = object.as_object_mut() {
        object.extend(times);
    }
    object
}

/// The limits that are not kept.
fn broken(play: &Play, checks: &Checks) -> Vec<String> {
    let expect = &play.scenario.expect;
    let mut broken = Vec::new();
    for (name, limit, value) in [
        ("lost", expect.lost, checks.lost),
        ("doubled", expect.doubled, checks.duplicate),
        ("disorder", expect.disorder, checks.disorder),
        ("errors", expect.errors, errors(play)),
    ] {
        if let Most::Number(most) = limit
            && value > most
        {
            broken.push(format!("{name} is {value}, and may be {most}"));
        }
    }
    let received = play.meters.sum(|counts| &counts.received);
    if let Some(least) = expect.received
        && received < least
    {
        broken.push(format!("received is {received}, and must be {least}"));
    }
    for ((name, span), limits) in SPANS.into_iter().zip([
        &expect.latency,
        &expect.receipt,
        &expect.request,
        &expect.connect,
    ]) {
        let Times { p50, p90, p99, max } = limits;
        for (part, quantile, limit) in [
            ("p50", 0.5, p50),
            ("p90", 0.9, p90),
            ("p99", 0.99, p99),
            ("max", 1.0, max),
        ] {
            let Some(limit) = limit else {
                continue;
            };
            let times = play.meters.times(span);
            let value = Duration::from_nanos(times.value_at_quantile(quantile));
            if times.is_empty() {
                broken.push(format!("{name} {part} has a limit, and nothing was timed"));
            } else if value > *limit {
                broken.push(format!(
                    "{name} {part} is {} ms, and may be {} ms",
                    milliseconds(u64::try_from(value.as_nanos()).unwrap_or(u64::MAX)),
                    milliseconds(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX)),
                ));
            }
        }
    }
    broken
}
