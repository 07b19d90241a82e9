//! What the handles and the connection's task share.
//!
//! Handles write frames straight into the buffer that the task sends: a request is made, or is not,
//! within one poll, so that a future that is dropped has never half-made one.

use std::{
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::task::AtomicWaker;
use stompbox_proto::Limits;
use tokio::sync::Notify;

use crate::{
    InFlight, Unavailable,
    event::Hub,
    runtime,
    state::{Core, State},
};

/// A handle's end: when the last is dropped, the task disconnects.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Without the lock: the last handle may be that of a message, dropped anywhere.
        self.shared.is_orphaned.store(true, Ordering::SeqCst);
        self.shared.wake();
    }
}

#[derive(Debug)]
pub(crate) struct Shared {
    core: Mutex<Core>,
    pub(crate) waker: AtomicWaker,
    /// Whether the task is to be, or was, woken since it last looked.
    pub(crate) is_woken: AtomicBool,
    /// Whether the last handle is gone.
    pub(crate) is_orphaned: AtomicBool,
    /// Told when there is room, or the state changes.
    pub(crate) changed: Notify,
    pub(crate) events: Hub,
    pub(crate) settings: Settings,
    counter: AtomicU64,
}

/// What the options say of requests.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) receipt_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) send_buffer: usize,
    pub(crate) in_flight: InFlight,
    pub(crate) limits: Limits,
    pub(crate) reply_queue: Option<String>,
}

impl Shared {
    pub(crate) fn new(core: Core, settings: Settings) -> Self {
        Self {
            core: Mutex::new(core),
            waker: AtomicWaker::new(),
            is_woken: AtomicBool::new(false),
            is_orphaned: AtomicBool::new(false),
            changed: Notify::new(),
            events: Hub::default(),
            settings,
            counter: AtomicU64::new(1),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Core> {
        // Whoever panicked in here did so between frames, or in an allocation.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the task look at what was asked for.
    pub(crate) fn wake(&self) {
        // First a look, which costs nothing: mostly it is to be woken already.
        if !self.is_woken.load(Ordering::SeqCst) && !self.is_woken.swap(true, Ordering::SeqCst) {
            self.waker.wake();
        }
    }

    pub(crate) fn next_number(&self) -> u64 {
        self.counter.fetch_add(1, Ordering::Relaxed)
    }

    /// Makes a request when there is room for it.
    pub(crate) async fn request<T, E: From<Unavailable>>(
        &self,
        make: impl FnOnce(&mut Core) -> Result<T, E>,
    ) -> Result<T, E> {
        self.request_when(
            |state| matches!(state, State::Connected | State::Waiting),
            make,
        )
        .await
    }

    /// As [`request`](Self::request), and when there is a connection.
    pub(crate) async fn request_connected<T, E: From<Unavailable>>(
        &self,
        make: impl FnOnce(&mut Core) -> Result<T, E>,
    ) -> Result<T, E> {
        self.request_when(|state| matches!(state, State::Connected), make)
            .await
    }

    /// Makes a request if there is room for it now, or a reason to refuse it.
    pub(crate) fn try_request<T, E: From<Unavailable>>(
        &self,
        make: impl FnOnce(&mut Core) -> Result<T, E>,
    ) -> Option<Result<T, E>> {
        self.attempt(&is_open, &mut Some(make))
    }

    fn attempt<T, E: From<Unavailable>>(
        &self,
        fits: &impl Fn(&State) -> bool,
        make: &mut Option<impl FnOnce(&mut Core) -> Result<T, E>>,
    ) -> Option<Result<T, E>> {
        let mut core = self.lock();
        if let Some(reason) = core.closed() {
            return Some(Err(Unavailable::Closed(reason).into()));
        }
        if !fits(&core.state) || core.out.pending() >= self.settings.send_buffer {
            return None;
        }
        let result = make.take()?(&mut core);
        drop(core);
        self.wake();
        Some(result)
    }

    async fn request_when<T, E: From<Unavailable>>(
        &self,
        fits: impl Fn(&State) -> bool,
        make: impl FnOnce(&mut Core) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut make = Some(make);
        if let Some(result) = self.attempt(&fits, &mut make) {
            return result;
        }
        let wait = async {
            loop {
                // Before the attempt, so that no change in between is missed.
                let mut changed = pin!(self.changed.notified());
                changed.as_mut().enable();
                if let Some(result) = self.attempt(&fits, &mut make) {
                    return result;
                }
                changed.await;
            }
        };
        runtime::timeout(self.settings.request_timeout, wait)
            .await
            .unwrap_or_else(|_| Err(Unavailable::Timeout.into()))
    }
}

/// Whether messages can be sent, or queued.
fn is_open(state: &State) -> bool {
    matches!(state, State::Connected | State::Waiting)
}
