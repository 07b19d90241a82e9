//! The codec beside the best Rust codecs of the registry, a bare scan and a copy of the same bytes.
//!
//! `cargo xtask bench` runs it. Every contender runs in each round, so that a busy machine slows
//! all alike; the best round of each counts, and only the ratios mean something. It exits with 1
//! if a goal is missed.

mod decode;
mod encode;
mod measure;
mod peers;
mod workload;

use measure::Table;
use workload::{json, large, small, unsized_body};

fn main() {
    let mut missed = 0;
    for work in [small(), json(), large()] {
        for chunk in [None, Some(1400)] {
            let table = decode::run(&work, chunk);
            let goals: &[(&str, f64)] = match (work.name, chunk) {
                ("large", None) => &[],
                ("large", Some(_)) => &[("best peer", 3.0)],
                _ => &[("best peer", 5.0), ("memchr2 scan", 0.5)],
            };
            missed += report(&table, goals);
        }
    }
    for megabytes in [1, 2, 3] {
        let table = decode::run(&unsized_body(megabytes), Some(1400));
        // The larger ones are there to show that the work is linear: beyond the caches their time is
        // that of copying them, for all.
        let goals: &[(&str, f64)] = match megabytes {
            1 => &[("best peer", 5.0)],
            _ => &[],
        };
        missed += report(&table, goals);
    }
    for (work, goal) in [(small(), 4.0), (json(), 4.0), (large(), 2.0)] {
        missed += report(&encode::run(&work), &[("best peer", goal)]);
    }
    println!("{missed} goals missed");
    std::process::exit(i32::from(missed > 0));
}

fn report(table: &Table, goals: &[(&str, f64)]) -> usize {
    println!("{table}");
    goals
        .iter()
        .filter(|(against, goal)| !table.check(against, *goal))
        .count()
}
