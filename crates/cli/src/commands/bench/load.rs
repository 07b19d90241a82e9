//! The load: producers, consumers, connections.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use futures_util::StreamExt as _;
use hdrhistogram::Histogram;
use stompbox::{AckMode, Client, PendingReceipt, Subscription};
use tokio::{sync::Semaphore, task::JoinSet};

use super::{
    PATIENCE, Run, Warm,
    body::{self, Mark},
    check::{self, Checks, Watch},
    histogram,
};
use crate::{
    args::BenchKind,
    commands::subscribe::ack_mode,
    exit::Failure,
    target::{Target, leave},
};

/// What a run found.
pub(super) struct Outcome {
    /// How long the measured part took.
    pub(super) elapsed: Duration,
    /// When it began, since the run's epoch.
    begun: Duration,
    pub(super) sent: u64,
    pub(super) received: u64,
    /// From when a message was to be sent until it came, or until it was there and back.
    pub(super) latency: Histogram<u64>,
    /// From when it was to be sent until its receipt came.
    pub(super) receipts: Histogram<u64>,
    pub(super) checks: Checks,
}

impl Outcome {
    fn new() -> Self {
        Self {
            elapsed: Duration::ZERO,
            begun: Duration::ZERO,
            sent: 0,
            received: 0,
            latency: histogram(),
            receipts: histogram(),
            checks: Checks::default(),
        }
    }
}

impl Outcome {
    /// Without what came before the end of the ramp.
    pub(super) fn without(mut self, warm: &Warm) -> Self {
        self.sent = self.sent.saturating_sub(warm.sent);
        self.received = self.received.saturating_sub(warm.received);
        self.elapsed = self
            .elapsed
            .saturating_sub(warm.at.saturating_sub(self.begun));
        self
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

async fn client(run: &Run) -> Result<Client, Failure> {
    let args = &run.args.connect;
    let target = Target::of(args)?;
    target.connect(target.options(args)?).await
}

/// Sends, receives, or both.
pub(super) async fn transfer(run: &Arc<Run>) -> Result<Outcome, Failure> {
    let args = &run.args;
    let producers = match args.kind {
        BenchKind::Sub => 0,
        _ => args.producers.clamp(1, 0xffff),
    };
    let consumers = match args.kind {
        BenchKind::Pub => 0,
        _ => args.consumers.max(1),
    };
    let is_topic =
        args.destination.starts_with("/topic/") || args.destination.starts_with("/exchange/");
    // How many messages of each producer may be under way, if somebody counts them.
    let windows: Vec<Arc<Semaphore>> = (0..producers)
        .map(|_| Arc::new(Semaphore::new(args.window.max(1))))
        .collect();
    let ack = ack_mode(&args.ack)?;
    let mut receiving = JoinSet::new();
    for number in 0..consumers {
        if producers == 0 {
            run.turn(number, consumers).await;
        }
        let client = client(run).await?;
        let subscription = client.subscribe(&args.destination).ack(ack).buffer(10_000);
        // Its messages count from when it is known to be there.
        let subscription = subscription.receipt().await?;
        // One consumer of a topic speaks for all.
        let windows = match is_topic && number > 0 {
            true => Vec::new(),
            false => windows.clone(),
        };
        receiving.spawn(receive(
            Arc::clone(run),
            client,
            subscription,
            ack,
            windows,
            producers,
        ));
    }
    let begun = Instant::now();
    let mut sending = JoinSet::new();
    for (producer, window) in windows.iter().enumerate() {
        run.turn(producer, producers).await;
        let client = client(run).await?;
        let window = Arc::clone(window);
        let counts = consumers > 0;
        sending.spawn(send(
            Arc::clone(run),
            client,
            producer,
            producers,
            window,
            counts,
        ));
    }
    let mut outcome = Outcome::new();
    outcome.begun = begun.duration_since(run.epoch);
    let mut sent = vec![0; producers];
    while let Some(done) = sending.join_next().await {
        let (producer, count, receipts) = done??;
        if let Some(sent) = sent.get_mut(producer) {
            *sent = count;
        }
        outcome.receipts.add(receipts)?;
    }
    outcome.elapsed = begun.elapsed();
    if producers > 0 {
        // What is under way may come.
        let expected = sent.iter().sum::<u64>() * if is_topic { consumers as u64 } else { 1 };
        let mut last = (run.received.load(Ordering::Relaxed), Instant::now());
        while consumers > 0 && last.0 < expected && last.1.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let now = run.received.load(Ordering::Relaxed);
            if now != last.0 {
                last = (now, Instant::now());
                outcome.elapsed = begun.elapsed();
            }
        }
        run.stop.store(true, Ordering::Relaxed);
    }
    let mut watches = Vec::new();
    while let Some(done) = receiving.join_next().await {
        let (watch, latency) = done??;
        outcome.latency.add(latency)?;
        watches.push(watch);
    }
    if producers == 0 {
        outcome.elapsed = begun.elapsed();
    }
    outcome.sent = sent.iter().sum();
    outcome.received = run.received.load(Ordering::Relaxed);
    if producers > 0 {
        outcome.checks = check::sum(&watches, &sent, is_topic);
    }
    Ok(outcome)
}

type Sent = Result<(usize, u64, Histogram<u64>), Failure>;

async fn send(
    run: Arc<Run>,
    client: Client,
    producer: usize,
    producers: usize,
    window: Arc<Semaphore>,
    counts: bool,
) -> Sent {
    let args = &run.args;
    let most = args.messages.map(|all| {
        let (all, producers) = (all, producers as u64);
        all / producers + u64::from((producer as u64) < all % producers)
    });
    let pace = args.rate.map(|rate| rate / producers as f64);
    let begun = Instant::now();
    let mut receipts = histogram();
    let mut pending: VecDeque<(Instant, PendingReceipt)> = VecDeque::new();
    let mut number = 0;
    while !run.is_over() && most.is_none_or(|most| number < most) {
        let due = match pace {
            Some(pace) => {
                let due = begun + Duration::from_secs_f64(number as f64 / pace);
                // One that is late goes at once: it counts from when it was due all the same.
                if due > Instant::now() {
                    tokio::time::sleep_until(due.into()).await;
                }
                due
            }
            None => {
                if counts {
                    let room = tokio::time::timeout(PATIENCE, window.acquire()).await;
                    match room {
                        Ok(permit) => permit?.forget(),
                        // They are lost, which is told.
                        Err(_) => break,
                    }
                }
                Instant::now()
            }
        };
        let mark = Mark {
            producer: producer as u32,
            number,
            at: nanoseconds(due.saturating_duration_since(run.epoch)),
        };
        let mut send = client
            .send(&args.destination)
            .body(body::write(mark, args.size));
        if args.persistent {
            send = send.persistent();
        }
        if args.receipts {
            pending.push_back((due, send.pending_receipt().await?));
            if pending.len() >= args.window.max(1)
                && let Some((due, receipt)) = pending.pop_front()
            {
                receipt.wait().await?;
                record(&run, &mut receipts, due);
            }
        } else {
            send.await?;
        }
        number += 1;
        run.sent.fetch_add(1, Ordering::Relaxed);
    }
    for (due, receipt) in pending {
        receipt.wait().await?;
        record(&run, &mut receipts, due);
    }
    // Its receipt says that the server has all of it.
    leave(&client).await?;
    Ok((producer, number, receipts))
}

/// Takes note of a receipt that has come.
fn record(run: &Run, receipts: &mut Histogram<u64>, due: Instant) {
    if run.counts(nanoseconds(due.saturating_duration_since(run.epoch))) {
        receipts.saturating_record(nanoseconds(due.elapsed()));
    }
}

async fn receive(
    run: Arc<Run>,
    client: Client,
    mut subscription: Subscription,
    ack: AckMode,
    windows: Vec<Arc<Semaphore>>,
    producers: usize,
) -> Result<(Watch, Histogram<u64>), Failure> {
    let mut watch = Watch::new(producers);
    let mut latency = histogram();
    let most = match run.args.kind {
        BenchKind::Sub => run.args.messages,
        _ => None,
    };
    while most.is_none_or(|most| run.received.load(Ordering::Relaxed) < most) {
        let next = tokio::time::timeout(Duration::from_millis(100), subscription.next()).await;
        let message = match next {
            Err(_) if run.is_over() => break,
            Err(_) => continue,
            Ok(None) => break,
            Ok(Some(message)) => message?,
        };
        run.received.fetch_add(1, Ordering::Relaxed);
        // One that was never sent must not make room for all before it.
        let sent = run.sent.load(Ordering::Relaxed) + producers as u64;
        let mark = body::read(message.body());
        if let Some(mark) = mark.filter(|mark| producers == 0 || mark.number <= sent) {
            if producers > 0 {
                watch.see(mark);
                let now = nanoseconds(run.epoch.elapsed());
                if run.counts(mark.at) {
                    latency.saturating_record(now.saturating_sub(mark.at));
                }
                if let Some(window) = windows.get(mark.producer as usize) {
                    window.add_permits(1);
                }
            }
        } else {
            watch.checks.foreign += 1;
        }
        if ack != AckMode::Auto {
            message.ack().await?;
        }
    }
    drop(subscription);
    leave(&client).await?;
    Ok((watch, latency))
}

/// Connects and disconnects.
pub(super) async fn connect(run: &Arc<Run>) -> Result<Outcome, Failure> {
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    let clients = run.args.consumers.max(1);
    for number in 0..clients {
        let run = Arc::clone(run);
        tasks.spawn(async move {
            run.turn(number, clients).await;
            let mut times = histogram();
            while !run.is_over() {
                let number = run.sent.fetch_add(1, Ordering::Relaxed);
                if run.args.messages.is_some_and(|most| number >= most) {
                    break;
                }
                let begun = Instant::now();
                let at = nanoseconds(run.epoch.elapsed());
                let client = client(&run).await?;
                if run.counts(at) {
                    times.saturating_record(nanoseconds(begun.elapsed()));
                }
                leave(&client).await?;
                run.received.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, Failure>(times)
        });
    }
    let mut outcome = Outcome::new();
    outcome.begun = begun.duration_since(run.epoch);
    while let Some(done) = tasks.join_next().await {
        outcome.latency.add(done??)?;
    }
    outcome.elapsed = begun.elapsed();
    outcome.received = run.received.load(Ordering::Relaxed);
    outcome.sent = outcome.received;
    Ok(outcome)
}

/// One message at a time, to the broker and back.
pub(super) async fn round_trips(run: &Arc<Run>) -> Result<Outcome, Failure> {
    let args = &run.args;
    let client = client(run).await?;
    let mut subscription = client.subscribe(&args.destination).receipt().await?;
    let mut outcome = Outcome::new();
    let mut watch = Watch::new(1);
    let begun = Instant::now();
    let mut number = 0;
    while !run.is_over() && args.messages.is_none_or(|most| number < most) {
        let at = Instant::now();
        let mark = Mark {
            producer: 0,
            number,
            at: nanoseconds(at.saturating_duration_since(run.epoch)),
        };
        client
            .send(&args.destination)
            .body(body::write(mark, args.size))
            .await?;
        number += 1;
        run.sent.fetch_add(1, Ordering::Relaxed);
        // Others may be at the queue too.
        loop {
            let next = tokio::time::timeout(PATIENCE, subscription.next()).await;
            let Ok(Some(message)) = next else {
                break;
            };
            if let Some(mark) = body::read(message?.body()) {
                watch.see(mark);
                if mark.number + 1 == number {
                    outcome.latency.saturating_record(nanoseconds(at.elapsed()));
                    run.received.fetch_add(1, Ordering::Relaxed);
                    break;
                }
            }
        }
    }
    outcome.elapsed = begun.elapsed();
    outcome.sent = number;
    outcome.received = run.received.load(Ordering::Relaxed);
    outcome.checks = check::sum(&[watch], &[number], false);
    drop(subscription);
    leave(&client).await?;
    Ok(outcome)
}
