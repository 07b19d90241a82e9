//! RabbitMQ killed and started again behind 5,000 WebSocket clients that are subscribed to 50 topics.

use std::{
    fmt::Write as _,
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use stompbox_rabbitmq::Rabbit;

use super::{
    crowd::{self, OUT},
    metrics,
};
use crate::tools::Failure;

const TOPICS: usize = 50;
const CLIENTS_OF_EACH: usize = 100;
const ALL: u64 = (TOPICS * CLIENTS_OF_EACH) as u64;

/// How long clients stay.
const SECONDS: u32 = 100;

/// How long RabbitMQ is away at least.
const AWAY: Duration = Duration::from_secs(3);

/// Within which time all clients must be served again before it is given up.
const LIMIT: Duration = Duration::from_secs(40);

/// How long a message may take to all clients.
const ROUND: Duration = Duration::from_millis(250);

/// Rounds of messages when all are served again.
const MORE: usize = 3;

pub(super) fn measure(rabbit: &mut Rabbit, options: &[String]) -> Result<(), Failure> {
    let (server, admin) = crowd::gateway(options)?;
    let stay = "[[group]]\nname = \"stay\"\nsteps = [{ think = \"1s\" }]\n";
    let mut play = crowd::play(&server, "lost", (TOPICS, CLIENTS_OF_EACH), SECONDS, stay)?;
    crowd::wait_for(&admin, ALL, Duration::from_secs(60))?;
    let before = round(rabbit, &admin)?;
    rabbit.kill()?;
    thread::sleep(AWAY);
    rabbit.run()?;
    let back = Instant::now();
    let mut delivered = before;
    let served = loop {
        let count = round(rabbit, &admin)?;
        delivered += count;
        if count >= ALL {
            break back.elapsed();
        }
        if back.elapsed() > LIMIT {
            return Err(format!("{count} of {ALL} clients are served after {LIMIT:?}").into());
        }
    };
    let mut each = vec![before];
    for _ in 0..MORE {
        let count = round(rabbit, &admin)?;
        delivered += count;
        each.push(count);
    }
    let there = metrics::read(&admin, "stompbox_connections")?;
    let report = play.report()?;
    let received = |group: &Value| group["foreign"].as_u64().unwrap_or_default();
    let groups = report["groups"].as_array();
    let received: u64 = groups.into_iter().flatten().map(received).sum();
    let of = "RabbitMQ killed and back, 5,000 WebSockets on 50 topics";
    println!(
        "| {of}: all served again after its return | {:.1} s | |",
        served.as_secs_f64()
    );
    println!(
        "| {of}: deliveries of a message to each topic, before, and {MORE} times after | {each:?} | |"
    );
    println!("| {of}: received by clients, of {delivered} | {received} | |");
    println!(
        "| {of}: still connected | {there} of {}, {} errors | |",
        ALL + 1,
        report["errors"]
    );
    Ok(())
}

/// Sends a message to each topic. Gives how many clients got one.
fn round(rabbit: &Rabbit, admin: &str) -> Result<u64, Failure> {
    let before = metrics::read(admin, OUT)?;
    publish(rabbit.port())?;
    let mut last = (before, Instant::now());
    loop {
        thread::sleep(Duration::from_millis(25));
        let now = metrics::read(admin, OUT)?;
        if now != last.0 {
            last = (now, Instant::now());
        } else if last.1.elapsed() > ROUND {
            return Ok(now - before);
        }
    }
}

fn publish(port: u16) -> Result<(), Failure> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut frames =
        String::from("CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:guest\n\n\0");
    for topic in 0..TOPICS {
        write!(frames, "SEND\ndestination:/topic/lost.{topic}\n\nx\0")?;
    }
    frames.push_str("DISCONNECT\nreceipt:bye\n\n\0");
    stream.write_all(frames.as_bytes())?;
    // It has taken all of them when it confirms the last.
    let mut answer = String::new();
    let mut room = [0; 1024];
    while !answer.contains("receipt-id:bye") {
        match stream.read(&mut room)? {
            0 => return Err(format!("RabbitMQ does not take messages: {answer}").into()),
            count => answer.push_str(&String::from_utf8_lossy(&room[..count])),
        }
    }
    Ok(())
}
