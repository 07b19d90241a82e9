//! The messages that come, and those that are still to be acknowledged.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use futures_util::StreamExt as _;
use stompbox::{AckMode, Message, Subscription};
use tokio::sync::{Notify, oneshot, watch};

use super::{complete::Known, screen::Screen};
use crate::exit::Failure;

/// Messages that may wait to be acknowledged, beyond which no more are taken.
const MOST_KEPT: usize = 10_000;

/// A message that is to be acknowledged.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) message: Message,
    pub(super) mode: AckMode,
}

impl Kept {
    /// Whether that is its name.
    fn is(&self, id: &str, subscription: Option<&str>) -> bool {
        let of = self.message.header("subscription");
        (self.message.id() == id || self.message.header("ack") == Some(id))
            && subscription.is_none_or(|it| of == Some(it))
    }
}

/// What was sent and received since it is counted.
#[derive(Clone, Copy)]
pub(super) struct Counts {
    pub(super) since: Instant,
    pub(super) sent: u64,
    pub(super) sent_bytes: u64,
    pub(super) received: u64,
    pub(super) received_bytes: u64,
}

impl Counts {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            sent: 0,
            sent_bytes: 0,
            received: 0,
            received_bytes: 0,
        }
    }
}

/// What the subscriptions share.
pub(super) struct Inbox {
    kept: Mutex<VecDeque<Kept>>,
    has_room: Notify,
    /// How many messages were printed.
    pub(super) arrived: watch::Sender<u64>,
    /// `None`: they are not wanted.
    pub(super) counts: Mutex<Option<Counts>>,
    pub(super) known: Arc<Mutex<Known>>,
    /// Why a message could not be printed.
    pub(super) failure: Mutex<Option<Failure>>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here is half-done when somebody panics.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inbox {
    pub(super) fn new(known: Arc<Mutex<Known>>) -> Self {
        Self {
            kept: Mutex::default(),
            has_room: Notify::new(),
            arrived: watch::Sender::new(0),
            counts: Mutex::new(Some(Counts::new())),
            known,
            failure: Mutex::new(None),
        }
    }

    /// Prints the messages of a subscription until it ends, or is to end with those headers.
    pub(super) async fn pump(
        &self,
        mut subscription: Subscription,
        mode: AckMode,
        screen: Screen,
        mut end: oneshot::Receiver<Vec<(String, String)>>,
    ) {
        loop {
            let next = async {
                self.wait_for_room(&screen).await;
                subscription.next().await
            };
            let message = tokio::select! {
                next = next => match next {
                    Some(Ok(message)) => message,
                    // The connection has ended, which its events tell.
                    Some(Err(_)) | None => return,
                },
                headers = &mut end => {
                    let headers = headers.unwrap_or_default();
                    let headers: Vec<_> = headers.iter().map(|(n, v)| (&**n, &**v)).collect();
                    subscription.unsubscribe(&headers);
                    return;
                }
            };
            if let Some(counts) = &mut *lock(&self.counts) {
                counts.received += 1;
                counts.received_bytes += message.body().len() as u64;
            }
            lock(&self.known).destination(message.header("reply-to").unwrap_or_default());
            if mode != AckMode::Auto {
                let message = message.clone();
                lock(&self.kept).push_back(Kept { message, mode });
                self.tell_known();
            }
            if let Err(failure) = screen.message(&message).await {
                *lock(&self.failure) = Some(failure);
            }
            self.arrived.send_modify(|count| *count += 1);
        }
    }

    async fn wait_for_room(&self, screen: &Screen) {
        let mut told = false;
        loop {
            let room = self.has_room.notified();
            if lock(&self.kept).len() < MOST_KEPT {
                return;
            }
            if !std::mem::replace(&mut told, true) {
                screen
                    .event(&format!(
                        "{MOST_KEPT} messages wait for ack or nack: no more are taken until then"
                    ))
                    .await;
            }
            room.await;
        }
    }

    /// The messages that an acknowledgement is for, oldest first.
    pub(super) fn select(&self, id: &str, subscription: Option<&str>) -> Vec<Kept> {
        let kept = lock(&self.kept);
        match id {
            "all" => kept.iter().cloned().collect(),
            id => kept
                .iter()
                .find(|kept| kept.is(id, subscription))
                .into_iter()
                .cloned()
                .collect(),
        }
    }

    /// Takes a message out, and in the mode `client` those before it; gives them.
    pub(super) fn settle(&self, done: &Kept) -> Vec<Kept> {
        let mut kept = lock(&self.kept);
        let name = |it: &Kept| {
            let header = |name| it.message.header(name).map(str::to_owned);
            [header("message-id"), header("ack"), header("subscription")]
        };
        let wanted = name(done);
        let Some(at) = kept.iter().position(|it| name(it) == wanted) else {
            return Vec::new();
        };
        let mut settled = Vec::new();
        let mut index = 0;
        kept.retain(|it| {
            let is_before = done.mode == AckMode::Client
                && index < at
                && it.message.header("subscription") == done.message.header("subscription");
            let goes = index == at || is_before;
            index += 1;
            if goes {
                settled.push(it.clone());
            }
            !goes
        });
        drop(kept);
        self.tell_known();
        self.has_room.notify_waiters();
        settled
    }

    /// Puts back what was acknowledged in a transaction that did not happen.
    pub(super) fn put_back(&self, settled: Vec<Kept>) {
        let mut kept = lock(&self.kept);
        for it in settled.into_iter().rev() {
            kept.push_front(it);
        }
        drop(kept);
        self.tell_known();
    }

    /// Forgets the messages of a subscription that has ended.
    pub(super) fn forget(&self, subscription: &str) {
        lock(&self.kept).retain(|it| it.message.header("subscription") != Some(subscription));
        self.tell_known();
        self.has_room.notify_waiters();
    }

    /// How many wait for an acknowledgement.
    pub(super) fn waiting(&self) -> usize {
        lock(&self.kept).len()
    }

    fn tell_known(&self) {
        // More than that nobody looks through.
        let ids = lock(&self.kept)
            .iter()
            .take(50)
            .map(|it| it.message.id().to_owned())
            .collect();
        lock(&self.known).messages = ids;
    }
}
