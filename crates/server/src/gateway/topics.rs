//! Topics that many clients are subscribed to by one subscription at the broker.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    link::Link,
    mail::{Failure, Item},
};
use crate::hub::Outbox;

/// One subscription at the broker, and those who use it.
#[derive(Debug)]
pub(crate) struct Topic {
    /// The name of the engine's topic that its messages go to.
    pub(crate) key: Arc<str>,
    /// As the broker spells it.
    destination: Box<str>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Clients that use it, by where their outboxes are, and how many subscriptions each has.
    users: HashMap<usize, (Arc<Outbox>, usize)>,
    /// The broker has said that the subscription is there.
    is_active: bool,
    has_failed: bool,
    /// The subscription's number on its link.
    number: u64,
    /// Clients that wait for it: with the receipts they asked for.
    waiting: Vec<(Arc<Outbox>, Option<Box<str>>)>,
}

impl Topic {
    /// The broker has the subscription.
    pub(super) fn activate(&self) {
        let waiting = {
            let mut state = lock(&self.state);
            state.is_active = true;
            std::mem::take(&mut state.waiting)
        };
        for (outbox, receipt) in waiting {
            if let Some(receipt) = receipt {
                outbox.post(|mail| mail.receipt(receipt));
            }
        }
    }

    /// How many clients are subscribed.
    pub(super) fn audience(&self) -> u64 {
        lock(&self.state).users.len() as u64
    }

    /// There is no connection: the broker has yet to say that the subscription is there again.
    pub(super) fn deactivate(&self) {
        lock(&self.state).is_active = false;
    }

    /// The broker refuses the subscription, or ends it: all who use it are told.
    pub(super) fn fail(&self, failure: &Failure) {
        lock(&self.state).has_failed = true;
        self.tell(failure);
    }

    /// Tells all who use it, whom that ends.
    pub(super) fn tell(&self, failure: &Failure) {
        let (waiting, users) = {
            let mut state = lock(&self.state);
            let users: Vec<_> = state.users.values().map(|it| Arc::clone(&it.0)).collect();
            (std::mem::take(&mut state.waiting), users)
        };
        let with = |receipt| Failure {
            receipt,
            ..failure.clone()
        };
        let waiting = waiting.into_iter();
        // Who waits for a receipt is to hear of that one first: the first ends the client.
        let told = waiting.map(|(outbox, receipt)| (outbox, with(receipt)));
        let all = told.chain(users.into_iter().map(|outbox| (outbox, with(None))));
        for (outbox, failure) in all {
            outbox.post(|mail| mail.items.push_back(Item::Failure(Box::new(failure))));
        }
    }
}

impl State {
    fn enter(&mut self, outbox: &Arc<Outbox>) {
        let entry = self.users.entry(place(outbox));
        entry.or_insert_with(|| (Arc::clone(outbox), 0)).1 += 1;
    }

    fn leave(&mut self, outbox: &Arc<Outbox>) {
        let Some((_, subscriptions)) = self.users.get_mut(&place(outbox)) else {
            return;
        };
        *subscriptions -= 1;
        if *subscriptions == 0 {
            self.users.remove(&place(outbox));
            self.waiting.retain(|(it, _)| !Arc::ptr_eq(it, outbox));
        }
    }
}

/// What no other outbox has for as long as this is there.
fn place(outbox: &Arc<Outbox>) -> usize {
    Arc::as_ptr(outbox).addr()
}

/// A client's use of a topic.
#[derive(Debug)]
pub(crate) struct Use {
    pub(crate) topic: Arc<Topic>,
    link: Arc<Link>,
}

/// All topics that are subscribed to.
#[derive(Debug, Default)]
pub(super) struct Topics(Mutex<Registry>);

#[derive(Debug, Default)]
struct Registry {
    by_destination: HashMap<Box<str>, Use>,
    next: u64,
}

impl Topics {
    /// How many subscriptions there are at the broker.
    pub(super) fn len(&self) -> usize {
        lock(&self.0).by_destination.len()
    }

    /// Joins those who are subscribed. The receipt comes back if the subscription is there already;
    /// otherwise it is given when it is. `links`: one of them makes a new subscription.
    pub(super) fn join(
        &self,
        destination: &str,
        extra: Option<(&'static str, &'static str)>,
        links: &[Arc<Link>],
        outbox: &Arc<Outbox>,
        receipt: Option<Box<str>>,
    ) -> Option<(Use, Option<Box<str>>)> {
        let mut registry = lock(&self.0);
        if let Some(found) = registry.by_destination.get(destination) {
            let mut state = lock(&found.topic.state);
            if !state.has_failed {
                state.enter(outbox);
                let answer = match state.is_active {
                    true => receipt,
                    false => {
                        state.waiting.push((Arc::clone(outbox), receipt));
                        None
                    }
                };
                drop(state);
                return Some((found.again(), answer));
            }
        }
        let number = registry.next;
        registry.next += 1;
        let turn = usize::try_from(number).unwrap_or_default();
        let link = links.get(turn % links.len().max(1))?;
        let mut state = State {
            waiting: vec![(Arc::clone(outbox), receipt)],
            ..State::default()
        };
        state.enter(outbox);
        let topic = Arc::new(Topic {
            key: format!("/topic/{number}").into(),
            destination: destination.into(),
            state: Mutex::new(state),
        });
        let number = link.subscribe_topic(destination, extra, &topic);
        lock(&topic.state).number = number;
        let used = Use {
            topic,
            link: Arc::clone(link),
        };
        let own = used.again();
        registry.by_destination.insert(destination.into(), used);
        Some((own, None))
    }

    /// Leaves those who are subscribed. After the last one the subscription is given up.
    pub(super) fn leave(&self, used: &Use, outbox: &Arc<Outbox>) {
        let mut registry = lock(&self.0);
        let mut state = lock(&used.topic.state);
        state.leave(outbox);
        let (users, number) = (state.users.len(), state.number);
        drop(state);
        if users > 0 {
            return;
        }
        let destination = &*used.topic.destination;
        let is_this = |it: &Use| Arc::ptr_eq(&it.topic, &used.topic);
        if registry
            .by_destination
            .get(destination)
            .is_some_and(is_this)
        {
            registry.by_destination.remove(destination);
        }
        used.link.unsubscribe_topic(number);
    }
}

impl Use {
    fn again(&self) -> Self {
        Self {
            topic: Arc::clone(&self.topic),
            link: Arc::clone(&self.link),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
