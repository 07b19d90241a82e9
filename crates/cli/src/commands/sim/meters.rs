//! What is counted and timed while a scenario is played.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hdrhistogram::Histogram;

use crate::commands::bench::histogram;

/// Errors that are told; more are only counted.
const TOLD: usize = 5;

/// What a group did.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) sent: AtomicU64,
    pub(super) received: AtomicU64,
    pub(super) requests: AtomicU64,
    pub(super) rounds: AtomicU64,
    pub(super) errors: AtomicU64,
    /// Messages that are not of this run.
    pub(super) foreign: AtomicU64,
}

/// One of the things that take time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Span {
    /// From when a message was to be sent until it came.
    Latency,
    /// From when it was to be sent until its receipt came.
    Receipt,
    /// From when a request was to be sent until its reply came.
    Request,
    Connect,
}

/// All that is counted and timed.
pub(super) struct Meters {
    /// In the order of the scenario's groups.
    pub(super) groups: Vec<Counts>,
    times: [Mutex<Histogram<u64>>; 4],
    pub(super) errors: Mutex<Vec<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Meters {
    pub(super) fn new(groups: usize) -> Self {
        Self {
            groups: (0..groups).map(|_| Counts::default()).collect(),
            times: [(); 4].map(|()| Mutex::new(histogram())),
            errors: Mutex::default(),
        }
    }

    pub(super) fn record(&self, span: Span, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        lock(self.of(span)).saturating_record(nanoseconds);
    }

    pub(super) fn times(&self, span: Span) -> Histogram<u64> {
        lock(self.of(span)).clone()
    }

    fn of(&self, span: Span) -> &Mutex<Histogram<u64>> {
        let [latency, receipt, request, connect] = &self.times;
        match span {
            Span::Latency => latency,
            Span::Receipt => receipt,
            Span::Request => request,
            Span::Connect => connect,
        }
    }

    /// Takes note of an error of a group's client.
    pub(super) fn error(&self, group: usize, text: String) {
        if let Some(counts) = self.groups.get(group) {
            counts.errors.fetch_add(1, Ordering::Relaxed);
        }
        let mut errors = lock(&self.errors);
        if errors.len() < TOLD && !errors.contains(&text) {
            errors.push(text);
        }
    }

    pub(super) fn sum(&self, of: impl Fn(&Counts) -> &AtomicU64) -> u64 {
        let counts = self
            .groups
            .iter()
            .map(|counts| of(counts).load(Ordering::Relaxed));
        counts.sum()
    }
}
