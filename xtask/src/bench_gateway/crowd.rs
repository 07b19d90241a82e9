//! 10,000 WebSocket clients that are subscribed to 100 topics, behind a handful of connections.

use std::{
    fmt::Write as _,
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use stompbox_rabbitmq::Rabbit;

use super::{cpu_time, metrics, resident};
use crate::{
    interop::process::{Process, Server},
    tools::{Failure, target},
};

const TOPICS: usize = 100;
const CLIENTS_OF_EACH: usize = 100;

/// Connections to RabbitMQ.
const CONNECTIONS: &str = "16";

/// Messages a second, each to the clients of one topic.
const RATE: u32 = 2_000;

/// When they begin, after which time they are measured, and until when.
const START: Duration = Duration::from_secs(40);
const SETTLED: Duration = Duration::from_secs(43);
const END: Duration = Duration::from_secs(53);

pub(super) fn measure(rabbit: &Rabbit, options: &[String]) -> Result<(), Failure> {
    let others = rabbit.connections()?;
    let (server, admin) = gateway(options)?;
    let process = server.id();
    let before = resident(process)?;
    let mut publish = String::new();
    for topic in 0..TOPICS {
        let comma = if topic > 0 { ", " } else { "" };
        write!(publish, "{comma}\"/topic/crowd.{topic}\"")?;
    }
    let publisher = format!(
        "[[group]]\nname = \"publisher\"\nstart = \"{}s\"\nrate = \"{RATE}/s\"\n\
         steps = [{{ publish = [{publish}] }}]\n",
        START.as_secs()
    );
    let begun = Instant::now();
    let mut play = play(&server, "crowd", (TOPICS, CLIENTS_OF_EACH), 35, &publisher)?;
    let all = (TOPICS * CLIENTS_OF_EACH) as u64;
    wait_for(&admin, all, START)?;
    let idle = resident(process)?;
    let connections = rabbit.connections()? - others;
    thread::sleep(SETTLED.saturating_sub(begun.elapsed()));
    let sample = || {
        Ok::<_, Failure>((
            Instant::now(),
            metrics::read(&admin, OUT)?,
            cpu_time(process)?,
        ))
    };
    let first = sample()?;
    thread::sleep(END.saturating_sub(begun.elapsed()));
    let last = sample()?;
    let busy = resident(process)?;
    let report = play.report()?;
    let count = (last.1 - first.1) as f64;
    let rate = count / last.0.duration_since(first.0).as_secs_f64();
    let cpu = last.2.since(first.2).all() * 1e6 / count.max(1.0);
    let of = "10,000 WebSockets on 100 topics, pooled";
    println!("| {of}: connections to RabbitMQ | {connections} | |");
    println!("| {of}: deliveries | {rate:.0} deliveries/s | |");
    println!("| {of}: CPU of the gateway a delivery | {cpu:.2} µs | |");
    for (when, kib) in [("idle", idle), ("at that rate", busy)] {
        let each = (kib - before) / all as f64;
        println!("| {of}: a client, {when} | {each:.1} KiB | |");
    }
    let p99 = &report["latency_ms"]["p99"];
    println!("| {of}: p99 from publisher to client | {p99} ms | |");
    let wrong = ["lost", "doubled", "disorder", "errors"].map(|name| report[name].to_string());
    let wrong = wrong.join(", ");
    println!("| {of}: lost, doubled, out of order, errors | {wrong} | |");
    Ok(())
}

/// Messages that were written to clients.
pub(super) const OUT: &str = "stompbox_messages_out_total";

/// A gateway with few connections, and where it tells how it is doing.
pub(super) fn gateway(options: &[String]) -> Result<(Server, String), Failure> {
    let mut options = options.to_vec();
    let more = [
        "--upstream-connections",
        CONNECTIONS,
        "--admin",
        "127.0.0.1:0",
    ];
    options.extend(more.map(str::to_owned));
    let server = Server::start_release("gateway", &options)?;
    let admin = server.admin.clone().ok_or("it has no admin listener")?;
    Ok((server, admin))
}

/// A scenario that is played.
pub(super) struct Play {
    process: Process,
    file: PathBuf,
}

impl Play {
    /// What it found, when it is over.
    pub(super) fn report(&mut self) -> Result<Value, Failure> {
        let out = self.process.0.stdout.take().ok_or("it has no output")?;
        let report = serde_json::from_reader(out)?;
        self.process.0.wait()?;
        Ok(report)
    }
}

impl Drop for Play {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

/// Has so many clients subscribed to each of so many topics by WebSocket; and whatever else a scenario
/// has, for as many seconds after they have connected.
pub(super) fn play(
    server: &Server,
    name: &str,
    (topics, clients): (usize, usize),
    seconds: u32,
    others: &str,
) -> Result<Play, Failure> {
    let mut text = format!("ramp = \"20s\"\nduration = \"{seconds}s\"\n");
    for topic in 0..topics {
        write!(
            text,
            "[[group]]\nname = \"{name}-{topic}\"\nclients = {clients}\n\
             setup = [{{ subscribe = \"/topic/{name}.{topic}\" }}]\n"
        )?;
    }
    text.push_str(others);
    let file = target().join(format!("{name}-{}.toml", server.id()));
    fs::write(&file, text)?;
    let child: Child = Command::new(target().join("release/stompbox"))
        .arg("sim")
        .arg(&file)
        .args([
            "--json",
            "-s",
            &server.ws,
            "-u",
            "guest",
            "--passcode",
            "guest",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    Ok(Play {
        process: Process(child),
        file,
    })
}

/// Waits until that many clients are subscribed.
pub(super) fn wait_for(admin: &str, clients: u64, limit: Duration) -> Result<(), Failure> {
    let begun = Instant::now();
    loop {
        let there = metrics::read(admin, "stompbox_connections")?;
        if there >= clients {
            // The last of them still subscribe.
            thread::sleep(Duration::from_secs(2));
            return Ok(());
        }
        if begun.elapsed() > limit {
            return Err(format!("{there} of {clients} clients connected in {limit:?}").into());
        }
        thread::sleep(Duration::from_millis(200));
    }
}
