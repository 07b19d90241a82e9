//! `kill -9` under load, at random points, again and again: nothing that has its RECEIPT is lost,
//! nothing comes back that is known to be acknowledged, transactions are whole.
//!
//! `STOMPBOX_CRASH_ROUNDS` is how many times (100), `STOMPBOX_CRASH_SEED` what decides the rest,
//! `STOMPBOX` another program.

mod check;
mod client;
mod ledger;
mod load;
mod process;
mod rng;

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ledger::Ledger;
use process::Broker;
use rng::Rng;

/// Rounds on one store, before the next begins with an empty one.
const LIFE: u64 = 10;

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

#[test]
fn nothing_is_lost_and_nothing_comes_back() {
    let rounds = number("STOMPBOX_CRASH_ROUNDS").unwrap_or(100);
    let seed = number("STOMPBOX_CRASH_SEED").unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |it| it.as_millis() as u64)
    });
    println!("STOMPBOX_CRASH_SEED={seed} STOMPBOX_CRASH_ROUNDS={rounds}");
    let mut totals = Totals::default();
    let mut rng = Rng(seed);
    for first in (0..rounds).step_by(LIFE as usize) {
        let dir = tempfile::tempdir().unwrap();
        let mut world = World {
            data: dir.path().join("data"),
            log: dir.path().join("log"),
            ledger: Ledger::default(),
            rng: rng.fork(),
            producers: 1,
            options: &[],
        };
        // Some brokers have to page their queues out.
        if world.rng.percent(30) {
            world.options = &["--limit", "max_memory=1MiB"];
        }
        for round in first..rounds.min(first + LIFE) {
            let kind = world.round(round);
            let violations = &world.ledger.violations;
            if !violations.is_empty() || env::var_os("STOMPBOX_CRASH_VERBOSE").is_some() {
                println!("round {round} ({kind:?})");
            }
            if !violations.is_empty() {
                let log = fs::read_to_string(&world.log).unwrap_or_default();
                let kept = dir.keep();
                panic!(
                    "seed {seed}, round {round} ({kind:?}), {} violations, store in {}:\n{}\n{log}",
                    violations.len(),
                    kept.display(),
                    violations[..violations.len().min(20)].join("\n"),
                );
            }
        }
        totals.add(&world);
    }
    println!("{totals:?}");
    assert!(totals.receipted > 0 && totals.returned > 0, "{totals:?}");
}

#[derive(Debug, Default)]
#[allow(dead_code, reason = "printed")]
struct Totals {
    sent: u64,
    receipted: u64,
    /// Messages that were there after a restart.
    returned: u64,
    /// What starts cut off: records that were being written.
    cut: Vec<String>,
}

impl Totals {
    fn add(&mut self, world: &World) {
        self.sent += world.ledger.sent;
        self.receipted += world.ledger.receipted;
        self.returned += world.ledger.returned;
        let log = fs::read_to_string(&world.log).unwrap_or_default();
        let cut = log.lines().filter(|line| line.contains("WARN"));
        self.cut.extend(cut.map(str::to_owned));
    }
}

/// A store, and what is known of it.
struct World {
    data: PathBuf,
    log: PathBuf,
    ledger: Ledger,
    rng: Rng,
    producers: u32,
    /// Of the program.
    options: &'static [&'static str],
}

/// How a round ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Killed under load.
    Load,
    /// Killed when the clients have gone, while the store tidies up.
    Idle,
    /// Killed under load, then in the midst of its next starts.
    Twice,
    /// Killed under load, then while the store is compacted.
    Compaction,
    /// Told to stop.
    Graceful,
}

impl World {
    fn round(&mut self, number: u64) -> Kind {
        let kind = match self.rng.below(20) {
            0..10 => Kind::Load,
            10..13 => Kind::Idle,
            13..16 => Kind::Twice,
            16..18 => Kind::Compaction,
            _ => Kind::Graceful,
        };
        let broker = Broker::start(&self.data, &self.log, self.options);
        if let Err(error) = check::prepare(broker.port) {
            self.ledger.violations.push(error.to_string());
            return kind;
        }
        let round = load::Round {
            port: broker.port,
            number: number + 1,
            stop: Arc::new(AtomicBool::new(false)),
            graceful: kind == Kind::Graceful,
        };
        let threads = load::start(&round, &mut self.rng, &mut self.producers);
        self.pause(20, 350);
        if kind == Kind::Idle {
            round.stop.store(true, Ordering::Relaxed);
            self.pause(150, 450);
        }
        if kind == Kind::Graceful {
            let code = broker.stop();
            if code != Some(0) {
                self.ledger.violations.push(format!("exit code {code:?}"));
            }
        } else {
            broker.kill();
        }
        let mut logs = Vec::new();
        for thread in threads {
            match thread.join().unwrap() {
                Ok(log) => logs.push(log),
                Err(error) => self.ledger.violations.push(error),
            }
        }
        self.ledger.round(number + 1, logs);
        self.trouble(kind);
        // Not after each: what is kept for long is to survive several.
        if self.rng.percent(60) || number % LIFE == LIFE - 1 {
            let broker = Broker::start(&self.data, &self.log, self.options);
            let drained = check::drain(broker.port, &mut self.ledger);
            if let Err(error) = drained {
                self.ledger
                    .violations
                    .push(format!("after the start: {error}"));
            }
            broker.kill();
        }
        kind
    }

    /// More that goes wrong before the next start.
    fn trouble(&mut self, kind: Kind) {
        let log: &Path = &self.log;
        match kind {
            Kind::Twice => {
                for _ in 0..2 {
                    let after = Duration::from_millis(self.rng.below(60));
                    process::kill_at_start(&self.data, log, after);
                }
            }
            Kind::Compaction => {
                let after = Duration::from_millis(self.rng.below(100));
                process::kill_at_compaction(&self.data, log, after);
            }
            _ => {}
        }
    }

    fn pause(&mut self, least: u64, most: u64) {
        thread::sleep(Duration::from_millis(least + self.rng.below(most - least)));
    }
}
