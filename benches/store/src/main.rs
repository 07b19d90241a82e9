//! Embedded engines as the broker's store, beside a plain program that appends the same bytes and
//! calls fdatasync in the same group sizes.
//!
//! `cargo run --release -p stompbox-bench-store [DIR]` runs all in one go, below DIR (the current
//! directory without). The contenders take turns, so that a busy machine slows all alike; medians
//! count, and only the ratios mean something.

mod contenders;
mod plain;

use std::{
    env,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use bytes::Bytes;
use contenders::{Contender, Failure, all};

/// Bytes of each message, as it is stored.
const SIZE: usize = 350;
/// Messages that are stored for the measurement of opening.
const MANY: usize = 1_000_000;
/// In groups of that many.
const GROUP: usize = 1_000;
const FILL: &str = "--fill";
/// Turns of each contender, one after the other, since the disk's speed changes from minute to minute.
const TURNS: usize = 9;

fn main() -> Result<(), Failure> {
    let mut args = env::args().skip(1);
    let below = args.next().unwrap_or_else(|| ".".into());
    if below == FILL {
        return fill(
            &args.next().unwrap_or_default(),
            &args.next().unwrap_or_default(),
        );
    }
    let names: Vec<_> = all().iter().map(|(name, _)| *name).collect();
    println!(
        "messages of {SIZE} bytes a second, median of {TURNS} turns, in brackets the ratio to the plain program\n"
    );
    println!("| group | {} |", names.join(" | "));
    println!("|---:|{}", "---:|".repeat(names.len()));
    for (group, commits) in [(1, 500), (100, 300), (1_000, 100)] {
        let dir = tempfile::tempdir_in(&below)?;
        let mut contenders = Vec::new();
        for (name, make) in all() {
            contenders.push(make(&dir.path().join(name))?);
        }
        let mut rates = vec![Vec::new(); names.len()];
        for turn in 0..TURNS {
            for (contender, rates) in contenders.iter_mut().zip(&mut rates) {
                rates.push(commit_rate(&mut **contender, turn, group, commits)?);
            }
        }
        let medians: Vec<f64> = rates.into_iter().map(median).collect();
        let cells: Vec<_> = medians
            .iter()
            .map(|rate| format!("{rate:.0} ({:.2})", rate / medians[0]))
            .collect();
        println!("| {group} | {} |", cells.join(" | "));
    }
    println!("\n{MANY} messages, groups of 1,000\n");
    println!(
        "| | stored in s | on disk MiB | opened after a kill, s | all deleted in s | on disk then MiB | after its compaction MiB |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|");
    for (name, make) in all().into_iter().skip(1) {
        let dir = tempfile::tempdir_in(&below)?;
        println!(
            "| {name} | {} |",
            life(name, &dir.path().join("store"), make)?.join(" | ")
        );
    }
    Ok(())
}

/// Messages a second of one turn; work that an engine left to its threads is part of it.
fn commit_rate(
    contender: &mut dyn Contender,
    turn: usize,
    group: usize,
    commits: usize,
) -> Result<f64, Failure> {
    let messages: Vec<Bytes> = (0..group).map(message).collect();
    let begin = Instant::now();
    for commit in turn * commits..(turn + 1) * commits {
        contender.put(commit * group, &messages)?;
    }
    contender.settle();
    #[expect(clippy::cast_precision_loss, reason = "a few million")]
    Ok((group * commits) as f64 / begin.elapsed().as_secs_f64())
}

/// Fills a store and dies, in a process of its own.
fn fill(name: &str, dir: &str) -> Result<(), Failure> {
    let make = all().into_iter().find(|(known, _)| *known == name);
    let (_, make) = make.ok_or("no such contender")?;
    let mut contender = make(Path::new(dir))?;
    let messages: Vec<Bytes> = (0..GROUP).map(message).collect();
    for commit in 0..MANY / GROUP {
        contender.put(commit * GROUP, &messages)?;
    }
    std::process::abort();
}

/// Filled by a process that dies, opened again with every message found, all deleted.
fn life(
    name: &str,
    dir: &Path,
    make: fn(&Path) -> Result<Box<dyn Contender>, Failure>,
) -> Result<Vec<String>, Failure> {
    let begin = Instant::now();
    Command::new(env::current_exe()?)
        .args([FILL, name])
        .arg(dir)
        .status()?;
    let mut row = vec![seconds(begin.elapsed()), mib(dir)];
    let begin = Instant::now();
    let mut contender = make(dir)?;
    let found = contender.scan()?;
    row.push(seconds(begin.elapsed()));
    assert_eq!(found, MANY, "{name}");
    let begin = Instant::now();
    for commit in 0..MANY / GROUP {
        contender.delete(commit * GROUP, GROUP)?;
    }
    row.push(seconds(begin.elapsed()));
    row.push(mib(dir));
    contender.compact()?;
    row.push(mib(dir));
    Ok(row)
}

/// Bytes that don't compress.
fn message(seed: usize) -> Bytes {
    let mut state = (seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..SIZE)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect()
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

fn seconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64())
}

/// What the files take of the disk: holes are not counted.
fn mib(dir: &Path) -> String {
    use std::os::unix::fs::MetadataExt as _;
    let mut blocks = 0;
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(meta) if meta.is_dir() => dirs.push(entry.path()),
                Ok(meta) => blocks += meta.blocks(),
                Err(_) => {}
            }
        }
    }
    format!("{:.1}", blocks as f64 / 2048.0)
}
