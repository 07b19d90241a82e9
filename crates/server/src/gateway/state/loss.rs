//! A connection that is lost, and one that is there again.

use std::{collections::HashMap, sync::atomic::Ordering, time::Instant};

use stompbox_proto::{Dialect, Version};

use super::{Awaited, Deliveries, Pause, State, Target, Up, write};
use crate::gateway::mail::{Failure, Item};

/// Connections that may be lost before the broker has confirmed a subscription; then its client is told, and
/// it is not made again.
const MOST_LOSSES: u32 = 3;

impl State {
    /// There is a connection: subscriptions are made again, each once, and then comes what waited.
    pub(crate) fn connected(&mut self, version: Version) {
        let dialect = Dialect::from(version);
        self.up = Some(Up { version, dialect });
        self.down_since = None;
        self.out.clear();
        self.deliveries = Deliveries::default();
        let numbers: Vec<u64> = self.subscriptions.keys().copied().collect();
        for number in numbers {
            let Some(subscription) = self.subscriptions.remove(&number) else {
                continue;
            };
            if subscription.is_implied {
                // It is there again with the next message that has a `reply-to`.
                self.subscriptions.insert(number, subscription);
                continue;
            }
            let id = self.upstream_id(number, &subscription);
            // A receipt that is still to be given was kept under the subscription's number.
            let receipt = match self.awaited.remove(&number) {
                Some(Awaited::Subscribed { receipt, .. }) => receipt,
                Some(other) => {
                    self.awaited.insert(number, other);
                    None
                }
                None => None,
            };
            if let Err(error) = self.write_subscribe(None, number, &id, &subscription, receipt) {
                self.names.remove(&id);
                self.refuse(
                    &subscription.target,
                    &Failure::refused(&error.to_string(), None),
                );
                continue;
            }
            self.subscriptions.insert(number, subscription);
        }
        self.held_bytes = 0;
        self.held_since = None;
        for held in std::mem::take(&mut self.held) {
            let headers = held.headers.iter().map(|(n, v)| (&**n, &**v));
            let encoded = write(
                &mut self.out,
                dialect,
                held.verb,
                headers,
                &held.body,
                held.length,
            );
            if let Err(error) = encoded {
                self.tell(
                    held.member,
                    Item::Failure(Box::new(Failure::refused(&error.to_string(), None))),
                );
            }
        }
    }

    /// The connection is gone. `all`: everybody is told who uses it, or one of its topics.
    pub(crate) fn lost(&mut self, all: bool) {
        self.up = None;
        self.down_since.get_or_insert_with(Instant::now);
        self.out.clear();
        self.ending.clear();
        self.declared.extend(self.suspect.take());
        let mut told: HashMap<u64, Option<Box<str>>> = HashMap::new();
        for (_, awaited) in std::mem::take(&mut self.awaited) {
            match awaited {
                Awaited::Client {
                    member, receipt, ..
                } => {
                    told.entry(member).or_insert(Some(receipt));
                }
                Awaited::Barrier { member } => {
                    told.entry(member).or_insert(None);
                }
                Awaited::Subscribed {
                    subscription,
                    receipt,
                } => {
                    // It may be what the connection is lost for.
                    let found = self.subscriptions.get_mut(&subscription);
                    if found.is_some_and(|it| {
                        it.losses += 1;
                        it.losses >= MOST_LOSSES
                    }) {
                        self.end_by_error(subscription, &Failure::lost(receipt));
                        continue;
                    }
                    let kept = Awaited::Subscribed {
                        subscription,
                        receipt,
                    };
                    self.awaited.insert(subscription, kept);
                }
                Awaited::Ended { .. } | Awaited::Declared { .. } | Awaited::Paused { .. } => {}
            }
        }
        let floor = self.next;
        for (member, state) in &mut self.members {
            state.window.clear();
            state.shown.owed.store(0, Ordering::Relaxed);
            state.floor = floor;
            if !state.transactions.is_empty() || all {
                told.entry(*member).or_insert(None);
            }
            state.transactions.clear();
        }
        for (member, receipt) in told {
            self.tell(
                Some(member),
                Item::Failure(Box::new(Failure::lost(receipt))),
            );
        }
        for subscription in self.subscriptions.values_mut() {
            subscription.pause = Pause::No;
            if let Target::Topic(topic) = &subscription.target {
                topic.deactivate();
                if all {
                    topic.tell(&Failure::lost(None));
                }
            }
        }
    }

    /// No broker came back in time: who waits for one is told.
    pub(crate) fn give_up(&mut self, why: &str) {
        self.held_bytes = 0;
        let mut told: HashMap<u64, Option<Box<str>>> = HashMap::new();
        self.held_since = None;
        for held in std::mem::take(&mut self.held) {
            if let Some(member) = held.member {
                told.entry(member).or_insert(None);
            }
        }
        self.awaited.retain(|_, awaited| match awaited {
            Awaited::Client {
                member, receipt, ..
            } => {
                told.insert(*member, Some(std::mem::take(receipt)));
                false
            }
            Awaited::Barrier { member } => {
                told.entry(*member).or_insert(None);
                false
            }
            _ => true,
        });
        for (member, receipt) in told {
            let failure = Failure::unavailable(why, receipt);
            self.tell(Some(member), Item::Failure(Box::new(failure)));
        }
    }

    /// The connection can't be made: whoever uses it, or one of its topics, is told.
    pub(crate) fn fail_all(&mut self, failure: &Failure) {
        let all: Vec<u64> = self.members.keys().copied().collect();
        for member in all {
            self.tell(Some(member), Item::Failure(Box::new(failure.clone())));
        }
        for subscription in self.subscriptions.values() {
            if let Target::Topic(topic) = &subscription.target {
                topic.tell(failure);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{gateway::config::UpstreamKind, hub::Outbox};

    /// The client has not read of the loss yet when its next frame comes.
    #[test]
    fn a_transaction_of_before_a_loss_is_not_gone_on_with() {
        let mut state = State::new(UpstreamKind::Generic, false, 1 << 20);
        state.join(1, Arc::new(Outbox::default()), Dialect::V1_2);
        state.connected(Version::V1_2);
        state.begin(1, "t", None).unwrap();
        assert_eq!(&*state.open_transaction(1, "t", None).unwrap(), "1-t");
        state.lost(false);
        state.connected(Version::V1_2);
        let failure = state.open_transaction(1, "t", Some("r")).unwrap_err();
        assert_eq!(*failure, Failure::lost(Some("r".into())));
    }
}
