//! Subscriptions to RabbitMQ's queues whose client is slower than the broker on a shared connection: they
//! end there until it has taken what waits, and go on with as many messages at a time as it has room for.
//!
//! The name of one that is paused is kept as that of one that has [ended](super::ending): the client may
//! acknowledge under it what it has, and what is still on its way goes back.

use std::sync::atomic::Ordering;

use stompbox_proto::Version;

use super::{Awaited, State, Target};
use crate::gateway::config::UpstreamKind;

/// Whether a subscription is paused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Pause {
    #[default]
    No,
    /// The broker has yet to say that it sends nothing more.
    Asked,
    /// It waits for its client.
    Settled,
}

impl State {
    /// More waits for a client than may: the subscription by which it came is paused. `size`: of its
    /// messages. False: this broker can't.
    pub(super) fn pause(&mut self, number: u64, member: u64, size: usize) -> bool {
        let may_return = self.up.is_some_and(|up| up.version != Version::V1_0);
        if self.kind != UpstreamKind::Rabbitmq || !may_return {
            return false;
        }
        let Some(subscription) = self.subscriptions.get_mut(&number) else {
            return false;
        };
        let fits = (self.max_waiting / 2 / size.max(1)).max(1);
        for (name, value) in &mut subscription.headers {
            if &**name == "prefetch-count" {
                let asked = value.parse().unwrap_or(usize::MAX);
                *value = asked.min(fits).to_string().into();
            }
        }
        subscription.pause = Pause::Asked;
        let (id, asked) = (number.to_string(), self.number());
        let parked = self
            .unsubscribe_parked(&id)
            .and_then(|()| self.subscribe_parked(&id, Some(&asked.to_string())));
        let paused = Awaited::Paused {
            subscription: number,
            is_last: false,
        };
        self.awaited.insert(asked, paused);
        tracing::debug!(
            member,
            subscription = number,
            "a slow client's subscription is paused"
        );
        parked.is_ok()
    }

    /// The broker sends nothing more for it. As with one that has ended, that is so when it has answered
    /// once more.
    pub(super) fn paused(&mut self, number: u64, is_last: bool) {
        let Some(subscription) = self.subscriptions.get_mut(&number) else {
            return;
        };
        if !is_last {
            let last = Awaited::Paused {
                subscription: number,
                is_last: true,
            };
            // There is nothing of a client's in it.
            let _ = self.ask(None, last);
            return;
        }
        subscription.pause = Pause::Settled;
        if let Target::Member { member, .. } = subscription.target
            && let Some(own) = self.members.get(&member)
        {
            own.shown.is_paused.store(true, Ordering::Release);
            // It may have taken everything before.
            if own.outbox.mail_size() == 0 {
                self.resume(member);
            }
        }
    }

    /// A client has taken what waited for it.
    pub(crate) fn resume(&mut self, member: u64) {
        let Some(own) = self.members.get(&member) else {
            return;
        };
        own.shown.is_paused.store(false, Ordering::Release);
        for number in own.subscriptions.clone() {
            let is_paused = |it: &mut super::Subscription| it.pause == Pause::Settled;
            if !self.subscriptions.get_mut(&number).is_some_and(is_paused) {
                continue;
            }
            let Some(mut subscription) = self.subscriptions.remove(&number) else {
                continue;
            };
            subscription.pause = Pause::No;
            let id = self.upstream_id(number, &subscription);
            // It could be written before.
            let _ = self.unsubscribe_parked(&id);
            let _ = self.write_subscribe(Some(member), number, &id, &subscription, None);
            self.subscriptions.insert(number, subscription);
        }
    }
}
