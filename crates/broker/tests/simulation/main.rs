//! The engine among virtual clients, with a virtual clock and disk, against a model.
//!
//! A run is its seed's: `STOMPBOX_SIM_SEED=17 cargo test -p stompbox-broker --test simulation`
//! repeats one, and `STOMPBOX_SIM_SECONDS=600` goes on for that long with seeds that are new. Without
//! these the seeds are always the same, so that a change is judged by what it did.

mod client;
mod model;
mod rng;
mod store;
mod world;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use world::{Statistics, World};

const STEPS: u64 = 12_000;

/// The seeds of every run of the tests.
const FIXED: u64 = 24;

fn live(seed: u64) -> Statistics {
    let mut world = World::new(seed);
    let steps = number("STOMPBOX_SIM_STEPS").unwrap_or(STEPS);
    let result = catch_unwind(AssertUnwindSafe(|| world.live(steps)));
    let error = match result {
        Ok(Ok(())) => return world.statistics,
        Ok(Err(error)) => error,
        Err(_) => "the engine panicked, see above".to_owned(),
    };
    for line in world.history() {
        eprintln!("{line}");
    }
    eprintln!("{:?}", world.knobs);
    panic!(
        "{error}\nafter {} steps; again: \
         STOMPBOX_SIM_SEED={seed} cargo test -p stompbox-broker --test simulation",
        world.statistics.steps
    );
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn the_engine_keeps_its_promises() {
    if let Some(seed) = number("STOMPBOX_SIM_SEED") {
        println!("{:?}", live(seed));
        return;
    }
    let start = Instant::now();
    let budget = Duration::from_secs(number("STOMPBOX_SIM_SECONDS").unwrap_or(0));
    let fresh = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64);
    let seeds = (1..=FIXED).chain(fresh..);
    let mut sum = Statistics::default();
    let mut runs = 0;
    for seed in seeds {
        if runs >= FIXED && start.elapsed() > budget {
            break;
        }
        let it = live(seed);
        runs += 1;
        sum.steps += it.steps;
        sum.clients += it.clients;
        sum.deliveries += it.deliveries;
        sum.crashes += it.crashes;
        sum.refused += it.refused;
        sum.reads += it.reads;
    }
    println!("{runs} runs in {:?}: {sum:?}", start.elapsed());
}
