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
    users: usize,
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

    /// The broker refuses the subscription.
    pub(super) fn fail(&self, failure: &Failure) {
        let waiting = {
            let mut state = lock(&self.state);
            state.has_failed = true;
            std::mem::take(&mut state.waiting)
        };
        for (outbox, receipt) in waiting {
            let failure = Failure {
                receipt,
                ..failure.clone()
            };
            outbox.post(|mail| mail.items.push_back(Item::Failure(Box::new(failure))));
        }
    }
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
                state.users += 1;
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
        let topic = Arc::new(Topic {
            key: format!("/topic/{number}").into(),
            destination: destination.into(),
            state: Mutex::new(State {
                users: 1,
                waiting: vec![(Arc::clone(outbox), receipt)],
                ..State::default()
            }),
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
        state.users = state.users.saturating_sub(1);
        state.waiting.retain(|(it, _)| !Arc::ptr_eq(it, outbox));
        let (users, number) = (state.users, state.number);
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
