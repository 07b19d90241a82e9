//! The messages of one subscription between the connection's task and the program.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use crate::Message;

/// Messages beyond a full buffer, in bytes, that are taken while the program waits for a receipt:
/// the receipt is behind them.
const BEYOND: usize = 4 << 20;

#[derive(Debug)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    /// Messages that the program has not taken, also those that it has in hand.
    waiting: AtomicUsize,
    /// Their bytes.
    bytes: AtomicUsize,
    limit: usize,
    /// Whether the connection's task waits for room.
    pub(crate) stalls: AtomicBool,
    /// Messages of this connection and those before are not given out: they could not be
    /// acknowledged any more, and the server gives them again.
    outdated: AtomicU64,
}

#[derive(Debug, Default)]
struct Inner {
    messages: VecDeque<Message>,
    waker: Option<Waker>,
    ended: bool,
}

impl Queue {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            inner: Mutex::default(),
            waiting: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            limit,
            stalls: AtomicBool::new(false),
            outdated: AtomicU64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here is half-done when somebody panics.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds messages, of so many bytes together, and leaves none.
    pub(crate) fn push_all(&self, messages: &mut VecDeque<Message>, bytes: usize) {
        let mut inner = self.lock();
        if inner.ended {
            messages.clear();
            return;
        }
        self.waiting.fetch_add(messages.len(), Ordering::SeqCst);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if inner.messages.is_empty() {
            std::mem::swap(&mut inner.messages, messages);
        } else {
            inner.messages.append(messages);
        }
        let waker = inner.waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether one more may come, which is more easily so if what the program waits for is behind it.
    pub(crate) fn has_room(&self, is_awaited: bool) -> bool {
        self.waiting() < self.limit || is_awaited && self.bytes.load(Ordering::Relaxed) < BEYOND
    }

    /// How many more may come.
    pub(crate) fn room(&self) -> usize {
        self.limit.saturating_sub(self.waiting())
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// The connection is lost.
    pub(crate) fn outdate(&self, connection: u64) {
        self.outdated.store(connection, Ordering::SeqCst);
    }

    pub(crate) fn is_outdated(&self, message: &Message) -> bool {
        message.connection <= self.outdated.load(Ordering::SeqCst)
    }

    /// Moves all there are to an empty `into`. None: there will be no more.
    pub(crate) fn poll_take(
        &self,
        into: &mut VecDeque<Message>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<()>> {
        let mut inner = self.lock();
        if !inner.messages.is_empty() {
            std::mem::swap(&mut inner.messages, into);
            return Poll::Ready(Some(()));
        }
        if inner.ended {
            return Poll::Ready(None);
        }
        if !inner
            .waker
            .as_ref()
            .is_some_and(|w| w.will_wake(cx.waker()))
        {
            inner.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// After how many messages that the program took the queue is to be told.
    pub(crate) fn stride(&self) -> usize {
        self.limit.div_ceil(8)
    }

    /// Counts messages that the program took, and their bytes. True: the task waits for just that.
    pub(crate) fn take(&self, messages: usize, bytes: usize) -> bool {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        let before = self.waiting.fetch_sub(messages, Ordering::SeqCst);
        let after = before.saturating_sub(messages);
        // Not at once: a task that reads a little at a time is slow.
        after < self.limit.div_ceil(2) && self.stalls.swap(false, Ordering::SeqCst)
    }

    /// No more will come. With `discard`, nobody takes what is there.
    pub(crate) fn end(&self, discard: bool) {
        let mut inner = self.lock();
        inner.ended = true;
        let dropped = if discard {
            self.waiting.store(0, Ordering::SeqCst);
            std::mem::take(&mut inner.messages)
        } else {
            VecDeque::new()
        };
        let waker = inner.waker.take();
        drop(inner);
        // Outside of the lock: each may be the last handle.
        drop(dropped);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
