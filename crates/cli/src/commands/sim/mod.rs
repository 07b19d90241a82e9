//! `stompbox sim`.

mod client;
mod ledger;
mod meters;
mod report;
mod scenario;

use std::{
    io::{IsTerminal as _, stderr},
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use indicatif::ProgressBar;
use tokio::{sync::watch, task::JoinSet};

use self::{ledger::Ledger, meters::Meters, scenario::Scenario};
use super::bench::{PATIENCE, check::Checks};
use crate::{
    args::{Connect, Sim},
    exit::{Exit, Failure, SERVER_ERROR},
    frames::printable,
    target::{Target, leave},
};

/// What all clients of a scenario share.
struct Play {
    scenario: Scenario,
    target: Target,
    connect: Connect,
    /// In a header of each message, to know them again.
    run: String,
    /// Times in bodies count from here.
    epoch: Instant,
    meters: Meters,
    ledger: Ledger,
    over: watch::Sender<bool>,
}

impl Play {
    fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    /// Waits until no round is to begin any more.
    async fn over(&self) {
        // The sender is in here.
        let _ = self.over.subscribe().wait_for(|it| *it).await;
    }
}

/// Plays a scenario, and says whether its limits were kept.
pub(crate) async fn run(args: Sim) -> Result<(), Failure> {
    let scenario = Scenario::read(&args.file)?;
    if args.check {
        let clients: usize = scenario.groups.iter().map(|group| group.clients).sum();
        println!("ok: {} groups, {clients} clients", scenario.groups.len());
        return Ok(());
    }
    let play = Arc::new(Play {
        target: Target::of(&args.connect)?,
        connect: args.connect,
        run: uuid::Uuid::new_v4().to_string(),
        epoch: Instant::now(),
        meters: Meters::new(scenario.groups.len()),
        ledger: Ledger::default(),
        over: watch::Sender::new(false),
        scenario,
    });
    // Nobody is in, if not even one is let in: that has an exit code of its own.
    let first = play
        .target
        .connect(play.target.options(&play.connect)?)
        .await?;
    leave(&first).await?;
    let shown = !args.quiet && !args.json && stderr().is_terminal();
    let progress = match shown {
        true => ProgressBar::new_spinner(),
        false => ProgressBar::hidden(),
    };
    let (elapsed, checks) = tokio::select! {
        done = perform(&play) => done?,
        () = show(&play, &progress) => return Ok(()),
        _ = tokio::signal::ctrl_c() => return Err(Exit::interrupted()),
    };
    progress.finish_and_clear();
    let errors = play.meters.errors.lock();
    for error in errors.unwrap_or_else(PoisonError::into_inner).iter() {
        eprintln!("stompbox: {}", printable(error));
    }
    let broken = report::print(&play, elapsed, &checks, args.json)?;
    match broken.is_empty() {
        true => Ok(()),
        false => Err(Exit::failure(SERVER_ERROR, broken.join("; "))),
    }
}

async fn show(play: &Play, progress: &ProgressBar) {
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        progress.set_message(format!(
            "{} s: {} sent, {} received",
            play.epoch.elapsed().as_secs(),
            play.meters.sum(|counts| &counts.sent),
            play.meters.sum(|counts| &counts.received),
        ));
    }
}

/// Plays it to the end, and until the last message has come or nothing comes any more. Gives how
/// long the rounds took, and what is wrong with the messages.
async fn perform(play: &Arc<Play>) -> Result<(Duration, Checks), Failure> {
    let ramp = play.scenario.ramp.unwrap_or_default();
    let mut clients = JoinSet::new();
    let mut id = 0;
    for (at, group) in play.scenario.groups.iter().enumerate() {
        for number in 0..group.clients {
            let part = ramp.mul_f64(number as f64 / group.clients as f64);
            let begin = play.epoch + group.start.unwrap_or_default() + part;
            let play = Arc::clone(play);
            clients.spawn(async move {
                tokio::time::sleep_until(begin.into()).await;
                client::play(play, at, number, id).await
            });
            id += 1;
        }
    }
    if let Some(duration) = play.scenario.duration {
        let play = Arc::clone(play);
        let end = play.epoch + ramp + duration;
        tokio::spawn(async move {
            tokio::time::sleep_until(end.into()).await;
            play.over.send_replace(true);
        });
    }
    let mut done = Vec::new();
    while let Some(client) = clients.join_next().await {
        done.extend(client?);
    }
    let elapsed = play.epoch.elapsed();
    let received = || play.meters.sum(|counts| &counts.received);
    let mut last = (received(), Instant::now());
    while last.1.elapsed() < PATIENCE && play.ledger.sum().lost > 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = received();
        if now != last.0 {
            last = (now, Instant::now());
        }
    }
    let checks = play.ledger.sum();
    for client in &mut done {
        client.end().await;
    }
    Ok((elapsed, checks))
}
