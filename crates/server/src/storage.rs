//! The thread that writes the broker's store, and reads it.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use stompbox_store::{Store, StoreError};
use tracing::{error, warn};

use crate::connection::Shared;

/// How long the store is idle before it gives space back.
const IDLE: Duration = Duration::from_millis(200);

/// How often it is looked how much the store holds.
const COUNT: Duration = Duration::from_secs(1);

/// Tells the store's thread that there is work.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    work: bool,
    stop: bool,
}

impl Signal {
    /// There is work.
    pub(crate) fn notify(&self) {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.work, true) {
            drop(state);
            self.changed.notify_one();
        }
    }

    /// There will be none when what there is is done.
    pub(crate) fn stop(&self) {
        self.lock().stop = true;
        self.changed.notify_one();
    }

    /// Waits for work, or until the time is over. True: stop.
    fn wait(&self, time: Duration) -> bool {
        let mut state = self.lock();
        if !state.work && !state.stop {
            let waited = self.changed.wait_timeout(state, time);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.work = false;
        state.stop
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the thread. It ends after [`Signal::stop`], when all is written.
pub(crate) fn start(shared: Arc<Shared>, store: Box<dyn Store>) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new()
        .name("store".into())
        .spawn(move || run(&shared, store))
}

fn run(shared: &Shared, mut store: Box<dyn Store>) {
    let hub = &shared.hub;
    let mut tidy = false;
    let mut counted: Option<Instant> = None;
    let mut changed = true;
    loop {
        if changed && counted.is_none_or(|at| at.elapsed() >= COUNT) {
            shared.census.store.set(store.usage());
            (counted, changed) = (Some(Instant::now()), false);
        }
        let (reads, ops, due) = hub.store(|broker, now| {
            let ops = broker.take_batch(now);
            (broker.take_reads(), ops, broker.batch_due())
        });
        let busy = reads.is_some() || ops.is_some();
        if let Some(reads) = reads {
            let data = store.read(&reads);
            if let Err(error) = &data {
                error!(%error, "messages can't be read from the store");
            }
            hub.store(|broker, now| broker.reads_done(&reads, data, now));
        }
        if let Some(ops) = ops {
            let result = store.commit(ops);
            match &result {
                Ok(()) => {}
                Err(error @ StoreError::Full { .. }) => warn!(%error, "nothing is stored"),
                Err(error) => error!(%error, "nothing is stored"),
            }
            hub.store(|broker, now| broker.batch_done(result, now));
        }
        if busy {
            (tidy, changed) = (true, true);
            continue;
        }
        let wait = match due {
            Some(at) => Duration::from_millis(at.saturating_sub(hub.now()).max(1)),
            None => IDLE,
        };
        let stop = hub.signal.wait(wait);
        if stop && due.is_none() {
            return;
        }
        if tidy && due.is_none() {
            tidy = match store.maintain() {
                Ok(more) => more,
                Err(error) => {
                    warn!(%error, "the store can't give space back");
                    false
                }
            };
        }
    }
}
