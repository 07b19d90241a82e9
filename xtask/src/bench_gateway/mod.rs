//! `cargo xtask bench gateway`: a RabbitMQ, a gateway in each mode before it, and the embedded broker, side by
//! side in one run.

mod crowd;
mod floor;
mod lost;
mod metrics;

pub(crate) use floor::serve as floor;

use std::{
    fs,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;
use stompbox_rabbitmq::Rabbit;

use crate::{
    interop::process::Server,
    tools::{Failure, cargo, run, target},
};

/// Times that each is measured, in turn; the middle one counts.
const ROUNDS: usize = 3;

/// A server, where clients reach it, and whose CPU time is counted.
struct Place {
    name: &'static str,
    tcp: String,
    ws: String,
    process: Option<u32>,
}

/// Starts all, and measures everything, or only the part that is named.
pub(crate) fn measure(part: &[String]) -> Result<(), Failure> {
    let part: Vec<&str> = part.iter().map(String::as_str).collect();
    if !matches!(part[..], [] | ["crowd" | "lost"]) {
        let part = part.join(" ");
        return Err(format!("bench gateway has no part {part:?}, only crowd and lost").into());
    }
    run(cargo().args(["build", "--release", "--package", "stompbox-cli"]))?;
    if !Rabbit::is_installed() {
        return Err("it takes Debian's package rabbitmq-server".into());
    }
    let mut rabbit = Rabbit::start()?;
    let upstream = rabbit.tcp();
    let options = |mode: &str| {
        [
            "--upstream",
            &upstream,
            "--upstream-kind",
            "rabbitmq",
            "--mode",
            mode,
        ]
        .into_iter()
        .chain(["--upstream-login", "guest", "--upstream-passcode", "guest"])
        .map(str::to_owned)
        .collect::<Vec<_>>()
    };
    match part[..] {
        ["crowd"] => return crowd::measure(&rabbit, &options("pooled")),
        ["lost"] => return lost::measure(&mut rabbit, &options("pooled")),
        _ => {}
    }
    let floor = floor::Floor::start(rabbit.port())?;
    let passthrough = Server::start_release("gateway", &options("passthrough"))?;
    let pooled = Server::start_release("gateway", &options("pooled"))?;
    let embedded = Server::start_release("serve", &[])?;
    let place = |name, server: &Server| Place {
        name,
        tcp: server.tcp.clone(),
        ws: server.ws.clone(),
        process: Some(server.id()),
    };
    let direct = Place {
        name: "RabbitMQ",
        tcp: rabbit.tcp(),
        ws: rabbit.ws(),
        process: None,
    };
    let passthrough = place("passthrough", &passthrough);
    let pooled = place("pooled", &pooled);
    let embedded = place("embedded broker", &embedded);
    let copying = Place {
        name: "bytes copied by two threads",
        tcp: floor.tcp.clone(),
        ws: String::new(),
        process: Some(floor.id()),
    };
    let before = [&direct, &passthrough, &pooled, &copying];
    println!(
        "| | measured | beside RabbitMQ; topics: beside the embedded broker |\n|---|---:|---:|"
    );
    let queue = ["pubsub", "/queue/bench", "-d", "4s"];
    let rates = rounds(&before, |place| bench(place, &place.tcp, &queue))?;
    for (place, seen) in before.iter().zip(&rates) {
        row(
            "queue over TCP",
            place,
            "messages/s",
            seen.rate,
            rates[0].rate,
        );
        if let Some(cpu) = seen.cpu {
            println!(
                "| queue over TCP, {}: CPU a message | {cpu:.1} µs, of it {:.1} µs the kernel's | |",
                place.name,
                seen.kernel.unwrap_or_default()
            );
        }
    }
    let paced = ["pubsub", "/queue/paced", "-d", "4s", "--rate", "5k/s"];
    let paced = rounds(&before, |place| bench(place, &place.tcp, &paced))?;
    for (place, seen) in before.iter().zip(&paced) {
        let more = seen.p99 - paced[0].p99;
        println!(
            "| p99 at 5,000 messages/s, {} | {:.2} ms | {more:+.2} ms |",
            place.name, seen.p99
        );
    }
    let spread = [&direct, &pooled, &embedded];
    let topic = [
        "pubsub",
        "/topic/bench",
        "-d",
        "4s",
        "-c",
        "1000",
        "--window",
        "20",
    ];
    // RabbitMQ's Web-STOMP delivers some thousands a second, and so nothing yet in that time.
    let both = [&pooled, &embedded];
    let fan_out = rounds(&both, |place| bench(place, &place.ws, &topic))?;
    for (place, seen) in both.iter().zip(&fan_out) {
        row(
            "topic to 1,000 WebSockets",
            place,
            "deliveries/s",
            seen.rate,
            fan_out[1].rate,
        );
    }
    let connect = ["conn", "-c", "16", "-d", "3s"];
    let storm = rounds(&spread, |place| bench(place, &place.ws, &connect))?;
    for (place, seen) in spread.iter().zip(&storm) {
        row(
            "connects by WebSocket",
            place,
            "connects/s",
            seen.rate,
            storm[0].rate,
        );
    }
    for place in [&pooled, &embedded] {
        let each = idle(place)?;
        println!(
            "| an idle WebSocket client, {} | {each:.1} KiB | |",
            place.name
        );
    }
    crowd::measure(&rabbit, &options("pooled"))?;
    lost::measure(&mut rabbit, &options("pooled"))
}

fn row(what: &str, place: &Place, unit: &str, value: f64, beside: f64) {
    println!(
        "| {what}, {} | {value:.0} {unit} | {:.2} |",
        place.name,
        value / beside
    );
}

/// What one run says.
#[derive(Clone, Copy)]
struct Seen {
    rate: f64,
    p99: f64,
    /// Microseconds of the server's for each message, and what of them was the kernel's.
    cpu: Option<f64>,
    kernel: Option<f64>,
}

/// Measures all places in turn, several times; gives the middle of each.
fn rounds(
    places: &[&Place],
    mut measure: impl FnMut(&Place) -> Result<Seen, Failure>,
) -> Result<Vec<Seen>, Failure> {
    let mut all: Vec<Vec<Seen>> = places.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (place, seen) in places.iter().zip(&mut all) {
            seen.push(measure(place)?);
        }
    }
    let middle = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let of = |seen: &Vec<Seen>| Seen {
        rate: middle(seen.iter().map(|it| it.rate).collect()),
        p99: middle(seen.iter().map(|it| it.p99).collect()),
        cpu: seen[0]
            .cpu
            .map(|_| middle(seen.iter().filter_map(|it| it.cpu).collect())),
        kernel: seen[0]
            .kernel
            .map(|_| middle(seen.iter().filter_map(|it| it.kernel).collect())),
    };
    Ok(all.iter().map(of).collect())
}

fn bench(place: &Place, url: &str, args: &[&str]) -> Result<Seen, Failure> {
    let before = place.process.map(cpu_time).transpose()?;
    let output = Command::new(target().join("release/stompbox"))
        .arg("bench")
        .args(args)
        .args([
            "--json",
            "-s",
            url,
            "-u",
            "guest",
            "--passcode",
            "guest",
            "--vhost",
            "/",
        ])
        .output()?;
    let after = place.process.map(cpu_time).transpose()?;
    let report: Value = serde_json::from_slice(&output.stdout).map_err(|_| {
        let problem = String::from_utf8_lossy(&output.stderr).into_owned();
        format!("{}: {problem}", place.name)
    })?;
    let number = |name: &str| report[name].as_f64();
    let count = number("received")
        .or_else(|| number("connections"))
        .unwrap_or(1.0);
    let spent = after.zip(before).map(|(after, before)| after.since(before));
    let each = |seconds: f64| seconds * 1e6 / count.max(1.0);
    Ok(Seen {
        rate: number("per_second").unwrap_or_default(),
        p99: report["latency_ms"]["p99"].as_f64().unwrap_or_default(),
        cpu: spent.map(|spent| each(spent.all())),
        kernel: spent.map(|spent| each(spent.kernel)),
    })
}

/// Seconds of CPU time.
#[derive(Clone, Copy, Debug)]
struct Cpu {
    user: f64,
    kernel: f64,
}

impl Cpu {
    fn all(self) -> f64 {
        self.user + self.kernel
    }

    fn since(self, before: Self) -> Self {
        Self {
            user: self.user - before.user,
            kernel: self.kernel - before.kernel,
        }
    }
}

/// What a process has used.
fn cpu_time(process: u32) -> Result<Cpu, Failure> {
    let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let rest = text.rsplit(") ").next().unwrap_or_default();
    let mut ticks = rest.split_whitespace().skip(11).map(str::parse::<f64>);
    let mut next = || ticks.next().ok_or("a short line of /proc");
    let (user, kernel) = (next()??, next()??);
    // There are a hundred a second on Linux.
    Ok(Cpu {
        user: user / 100.0,
        kernel: kernel / 100.0,
    })
}

/// KiB of a server's for each of many subscribed clients that do nothing.
fn idle(place: &Place) -> Result<f64, Failure> {
    const CLIENTS: usize = 4000;
    let process = place.process.ok_or("no process")?;
    let before = resident(process)?;
    let mut clients = Command::new(target().join("release/stompbox"))
        .args([
            "bench",
            "sub",
            "/topic/idle",
            "-d",
            "20s",
            "-c",
            &CLIENTS.to_string(),
        ])
        .args([
            "--json",
            "-s",
            &place.ws,
            "-u",
            "guest",
            "--passcode",
            "guest",
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    thread::sleep(Duration::from_secs(12));
    let after = resident(process)?;
    clients.kill()?;
    clients.wait()?;
    Ok((after - before) / CLIENTS as f64)
}

/// KiB of a process in memory.
fn resident(process: u32) -> Result<f64, Failure> {
    let text = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| "no VmRSS".into())
}
