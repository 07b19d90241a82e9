//! `stompbox rtt`.

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    args::RoundTrip,
    exit::Failure,
    frames::printable,
    target::{Target, leave},
};

/// Times the connection, and receipts.
pub(crate) async fn run(args: RoundTrip) -> Result<(), Failure> {
    let target = Target::of(&args.connect)?;
    let begun = Instant::now();
    let client = target.connect(target.options(&args.connect)?).await?;
    let connect = begun.elapsed();
    let mut times = Vec::new();
    for _ in 0..args.count.max(1) {
        let begun = Instant::now();
        client.send(&args.destination).body("").receipt().await?;
        times.push(begun.elapsed());
    }
    let version = client.version();
    let server = printable(&client.connected_header("server").unwrap_or_default());
    leave(&client).await?;
    times.sort_unstable();
    let part = |percent: usize| {
        let at = (times.len() * percent).div_ceil(100).max(1) - 1;
        milliseconds(times.get(at).copied().unwrap_or_default())
    };
    let servers = target.servers.join(",");
    let mut out = std::io::stdout();
    if args.json {
        let object = json!({
            "server": servers, "version": version.to_string(), "software": server,
            "connect_ms": milliseconds(connect), "receipts": times.len(),
            "receipt_p50_ms": part(50), "receipt_p99_ms": part(99), "receipt_max_ms": part(100),
        });
        writeln!(out, "{object}")?;
    } else {
        writeln!(
            out,
            "{servers}  STOMP {version}  {server}  connect {:.3} ms  receipt p50 {:.3} ms  p99 {:.3} ms",
            milliseconds(connect),
            part(50),
            part(99)
        )?;
    }
    Ok(())
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
