//! The client beside other people's, one after the other against the same broker.
//!
//! `cargo xtask bench clients` runs it. The broker is this program again, in a process of its own,
//! on loopback. Each client has its turn in each round, on a runtime of one thread, and is used the
//! fastest way that its interface offers; the best round of each counts, and only ratios mean
//! something. It exits with 1 if a goal is missed.

mod broker;
mod contenders;

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

/// The best round.
#[derive(Clone, Copy, Default)]
struct Best {
    rate: f64,
    /// Of a core.
    client: f64,
    broker: f64,
    /// Microseconds of the client's processor time a message.
    cost: f64,
}

fn main() {
    if std::env::args().nth(1).as_deref() == Some("serve") {
        return broker::serve();
    }
    let broker = Broker::start();
    let mut missed = 0;
    for (work, title) in [
        (Work::Plain, "plain sends, to a topic that nobody reads"),
        (
            Work::Receipted,
            "sends with receipts, all under way at once",
        ),
        (
            Work::Deliveries,
            "deliveries of a full queue, acknowledged by themselves",
        ),
    ] {
        missed += usize::from(!run(&broker, work, title));
    }
    println!("{missed} goals missed");
    std::process::exit(i32::from(missed > 0));
}

fn run(broker: &Broker, work: Work, title: &str) -> bool {
    println!("{title}; messages of 64 bytes");
    let mut best = [Best::default(); Contender::ALL.len()];
    for _ in 0..ROUNDS {
        for (contender, best) in Contender::ALL.iter().zip(&mut best) {
            let round = measure(broker, work, *contender);
            if round.rate > best.rate {
                *best = round;
            }
        }
    }
    for (contender, best) in Contender::ALL.iter().zip(&best) {
        println!(
            "  {:<28} {:>10.0} messages/s   client {:>3.0} %, broker {:>3.0} % of a core; {:.2} us a message",
            contender.name(),
            best.rate,
            best.client * 100.0,
            best.broker * 100.0,
            best.cost
        );
    }
    let peers = Contender::ALL
        .iter()
        .zip(&best)
        .filter(|(contender, _)| contender.is_peer());
    let peers = peers.map(|(_, best)| best.rate).fold(0.0, f64::max);
    let ratio = best[0].rate / peers;
    let met = ratio >= GOAL;
    let verdict = if met { "met" } else { "MISSED" };
    println!("  {ratio:.2} times the best peer, goal {GOAL}: {verdict}\n");
    met
}

fn measure(broker: &Broker, work: Work, contender: Contender) -> Best {
    // stomp-rs would need minutes for as many.
    let count = match (contender, work) {
        (Contender::StompRs, _) => MESSAGES / 20,
        // The broker holds them all.
        (_, Work::Deliveries) => MESSAGES / 5,
        _ => MESSAGES,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let addr = broker.addr.clone();
    runtime.block_on(async {
        if matches!(work, Work::Deliveries) {
            contenders::fill(&addr, count).await.expect("a full queue");
        }
        let before = (
            broker::cpu("self"),
            broker::cpu(&broker.pid),
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
            // Its messages are not to be the next one's.
            contenders::drain(&addr).await.expect("an empty queue");
            return Best::default();
        }
        let seconds = before.2.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let messages = count as f64;
        let client = broker::cpu("self") - before.0;
        Best {
            rate: messages / seconds,
            client: client / seconds,
            broker: (broker::cpu(&broker.pid) - before.1) / seconds,
            cost: client / messages * 1e6,
        }
    })
}
