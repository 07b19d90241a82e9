//! The client beside other people's, one after the other against the same server.
//!
//! `cargo xtask bench clients` runs it, first against a sink that answers and throws away, so that
//! the clients are what is measured, then against our broker; each is this program again, in a
//! process of its own, on loopback. Each client has its turn in each round, on a runtime of one
//! thread, and is used the fastest way that its interface offers; the best round of each counts,
//! and only ratios mean something. It exits with 1 if a goal is missed.
//!
//! With words behind it, such as `sink receipted stompbox`, only what has all of them in its name is
//! run, without a verdict.

mod broker;
mod contenders;
mod sink;

use std::time::{Duration, Instant};

use broker::Broker;
use contenders::{Contender, Outcome};

/// Messages of a round, and rounds.
const MESSAGES: usize = 1_000_000;
const ROUNDS: usize = 3;

/// How long a turn may take.
const TURN: Duration = Duration::from_secs(20);

/// What ours is to reach, as a multiple of the best peer.
const GOAL: f64 = 2.0;

#[derive(Clone, Copy)]
enum Work {
    Plain,
    Receipted,
    Deliveries,
}

impl Work {
    const ALL: [Self; 3] = [Self::Plain, Self::Receipted, Self::Deliveries];

    fn title(self) -> &'static str {
        match self {
            Self::Plain => "plain sends, of which the last is acknowledged",
            Self::Receipted => "receipted sends, all under way at once",
            Self::Deliveries => "deliveries, acknowledged by themselves",
        }
    }
}

/// The best round.
#[derive(Clone, Copy, Default)]
struct Best {
    rate: f64,
    /// Microseconds of processor time a message: the client's, and the server's.
    client: f64,
    server: f64,
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", "broker"] => return broker::serve(),
        ["serve", "sink"] => return sink::serve(),
        _ => {}
    }
    let mut missed = 0;
    for name in ["sink", "broker"] {
        let server = Broker::start(name);
        for work in Work::ALL {
            let chosen: Vec<Contender> = Contender::ALL
                .into_iter()
                .filter(|contender| {
                    let full = format!("{name}, {}, {}", work.title(), contender.name());
                    words.iter().all(|word| full.contains(word.as_str()))
                })
                .collect();
            if !chosen.is_empty() {
                println!("{name}: {}; messages of 64 bytes", work.title());
                missed += usize::from(!run(&server, name == "sink", work, &chosen));
            }
        }
    }
    println!("{missed} goals missed");
    std::process::exit(i32::from(missed > 0));
}

/// Whether the goal is met, if it was measured.
fn run(server: &Broker, is_sink: bool, work: Work, chosen: &[Contender]) -> bool {
    let mut best = vec![Best::default(); chosen.len()];
    for _ in 0..ROUNDS {
        for (contender, best) in chosen.iter().zip(&mut best) {
            let round = measure(server, is_sink, work, *contender);
            if round.rate > best.rate {
                *best = round;
            }
        }
    }
    for (contender, best) in chosen.iter().zip(&best) {
        println!(
            "  {:<28} {:>10.0} messages/s; us of processor time a message: client {:.3}, server {:.3}",
            contender.name(),
            best.rate,
            best.client,
            best.server
        );
    }
    if chosen.len() < Contender::ALL.len() {
        return true;
    }
    let peers = || {
        let peers = chosen.iter().zip(&best);
        peers.filter(|(contender, best)| contender.is_peer() && best.rate > 0.0)
    };
    let rate = peers().map(|(_, best)| best.rate).fold(0.0, f64::max);
    let client = peers()
        .map(|(_, best)| best.client)
        .fold(f64::MAX, f64::min);
    let ours = best[0];
    let ratio = ours.rate / rate;
    let met = ratio >= GOAL;
    let verdict = if met { "met" } else { "MISSED" };
    let slower = match ours.server > ours.client {
        true => "; the server is what is full first",
        false => "",
    };
    println!(
        "  {ratio:.2} times the rate of the best peer, goal {GOAL}: {verdict}{slower}; {:.2} of the thriftiest peer's time\n",
        ours.client / client
    );
    met
}

fn measure(server: &Broker, is_sink: bool, work: Work, contender: Contender) -> Best {
    // stomp-rs would need minutes for as many.
    let count = match (contender, work) {
        (Contender::StompRs, _) => MESSAGES / 20,
        // The broker holds them all.
        (_, Work::Deliveries) if !is_sink => MESSAGES / 5,
        _ => MESSAGES,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let addr = server.addr.clone();
    runtime.block_on(async {
        let is_filled = matches!(work, Work::Deliveries) && !is_sink;
        if is_filled {
            contenders::fill(&addr, count).await.expect("a full queue");
        }
        let before = (
            broker::cpu("self"),
            broker::cpu(&server.pid),
            Instant::now(),
        );
        let turn = async {
            match work {
                Work::Plain => contender.plain(&addr, count).await,
                Work::Receipted => contender.receipted(&addr, count).await,
                Work::Deliveries => contender.deliveries(&addr, count).await,
            }
        };
        let outcome: Outcome = match tokio::time::timeout(TURN, turn).await {
            Ok(outcome) => outcome,
            Err(_) => Err("it did not come to an end".into()),
        };
        if let Err(error) = outcome {
            println!("  {}: {error}", contender.name());
            if is_filled {
                // Its messages are not to be the next one's.
                contenders::drain(&addr).await.expect("an empty queue");
            }
            return Best::default();
        }
        let seconds = before.2.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let messages = count as f64;
        Best {
            rate: messages / seconds,
            client: (broker::cpu("self") - before.0) / messages * 1e6,
            server: (broker::cpu(&server.pid) - before.1) / messages * 1e6,
        }
    })
}
