//! Acknowledgements: which delivery is meant, and what the broker wants to hear.

use stompbox_proto::{Command as Verb, ContentLength, Version};

use super::{Ack, Member, State, Target, Unacked};
use crate::gateway::{
    kind,
    mail::{Failure, Item, Written},
};

/// Before the numbers by which 1.2 acknowledges, to tell them from the engine's own: on a shared
/// link, and on one of the client's own.
pub(crate) const ACK_SHARED: &str = "s";
pub(crate) const ACK_OWN: &str = "o";

/// How a delivery is named by who acknowledges it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Name<'a> {
    Number(u64),
    Message {
        id: &'a str,
        subscription: Option<&'a str>,
    },
}

/// An `ACK` or `NACK`.
pub(crate) struct Acknowledge<'a> {
    pub(crate) member: u64,
    pub(crate) name: Name<'a>,
    pub(crate) verb: Verb,
    /// Its other headers.
    pub(crate) headers: &'a [(Box<str>, Box<str>)],
    pub(crate) transaction: Option<&'a str>,
    pub(crate) receipt: Option<&'a str>,
}

impl Member {
    fn settle(&mut self, subscription: u64, number: u64, cumulative: bool) {
        if cumulative {
            self.window.retain(|it| {
                it.subscription != subscription || it.number > number || it.transaction.is_some()
            });
        } else if let Ok(at) = self.window.binary_search_by_key(&number, |it| it.number) {
            self.window.remove(at);
        }
    }

    /// The same by an open transaction. Until that ends the deliveries are nobody else's to
    /// acknowledge: a broker may close the connection of who does it twice.
    fn settle_in(&mut self, id: &str, subscription: u64, number: u64, cumulative: bool) {
        let Some(transaction) = self.transactions.get_mut(id) else {
            return;
        };
        transaction.acknowledges = true;
        for it in &mut self.window {
            let is_meant = match cumulative {
                true => it.subscription == subscription && it.number <= number,
                false => it.number == number,
            };
            if is_meant && it.transaction.is_none() {
                it.transaction = Some(id.into());
            }
        }
    }

    /// The deliveries that a transaction was to acknowledge or refuse. Those of subscriptions that have
    /// ended are not among them: the broker has them back.
    pub(super) fn kept(&self, kept: &[(u64, Verb)]) -> Vec<(Unacked, Verb)> {
        let find = |(number, verb): &(u64, Verb)| {
            let at = self.window.binary_search_by_key(number, |it| it.number);
            Some((self.window.get(at.ok()?)?.clone(), *verb))
        };
        kept.iter().filter_map(find).collect()
    }

    /// A transaction that acknowledges something has ended.
    pub(super) fn close_transaction(&mut self, id: &str, commits: bool) {
        if commits {
            self.window
                .retain(|it| it.transaction.as_deref() != Some(id));
            return;
        }
        for it in &mut self.window {
            if it.transaction.as_deref() == Some(id) {
                it.transaction = None;
            }
        }
    }
}

impl State {
    /// `ACK` or `NACK` of a client's. `number`: of 1.2's `id`; otherwise by message and subscription.
    pub(crate) fn acknowledge(
        &mut self,
        acknowledge: &Acknowledge<'_>,
    ) -> Result<(), Box<Failure>> {
        let Acknowledge {
            member,
            name,
            verb,
            headers,
            transaction,
            receipt,
        } = *acknowledge;
        let receipt_for = || receipt.map(Into::into);
        let unknown = |text: &str| {
            let text: String = text.chars().take(80).collect();
            let why = format!("there is no delivery {text:?} that waits for an acknowledgement");
            Box::new(Failure::refused(&why, receipt_for()))
        };
        let Some(own) = self.members.get(&member) else {
            return Ok(());
        };
        let transaction_name = match transaction {
            Some(id) => Some(self.open_transaction(member, id, receipt)?),
            None => None,
        };
        let waits = |it: &Unacked| {
            it.transaction.is_none() && self.subscriptions.contains_key(&it.subscription)
        };
        let found = match name {
            Name::Number(number) => {
                let at = own.window.binary_search_by_key(&number, |it| it.number);
                let found = at.ok().and_then(|at| own.window.get(at));
                found.filter(|it| waits(it))
            }
            Name::Message { id, subscription } => own.window.iter().find(|it| {
                *it.message_id == *id
                    && waits(it)
                    && subscription.is_none_or(|wanted| self.is_named(it.subscription, wanted))
            }),
        };
        let Some(found) = found else {
            let is_lost = match name {
                Name::Number(number) => number < own.floor,
                // It may have come by the connection that was lost.
                Name::Message { .. } => own.floor > 0,
            };
            if is_lost {
                // It comes again.
                return match receipt {
                    Some(receipt) => Err(Box::new(Failure::lost(Some(receipt.into())))),
                    None => Ok(()),
                };
            }
            return Err(match name {
                Name::Number(number) => unknown(&number.to_string()),
                Name::Message { id, .. } => unknown(id),
            });
        };
        if verb == Verb::Nack && self.up.is_some_and(|up| up.version == Version::V1_0) {
            let why = "the broker behind speaks STOMP 1.0, which has no NACK";
            return Err(Box::new(Failure::refused(why, receipt_for())));
        }
        let (number, subscription) = (found.number, found.subscription);
        let known = self.subscriptions.get(&subscription);
        let cumulative = matches!(
            known.map(|it| it.ack),
            Some(Ack::Client { cumulative: true })
        );
        let upstream = known.map(|it| self.upstream_id(subscription, it));
        let upstream = upstream.unwrap_or_default();
        // RabbitMQ takes a cumulative one for all of a connection's, and so for other clients' too: on
        // a shared connection each message is acknowledged by itself. So it is where messages that a
        // selector leaves out are acknowledged between those of the client.
        let keeps = kind::keeps_acks(self.kind);
        let is_each = !self.is_own || keeps || known.is_some_and(|it| it.selector.is_some());
        let is_meant = |it: &&Unacked| match cumulative && is_each {
            true => {
                it.subscription == subscription && it.number <= number && it.transaction.is_none()
            }
            false => it.number == number,
        };
        let meant: Vec<Unacked> = own.window.iter().filter(is_meant).cloned().collect();
        if keeps
            && let Some(id) = transaction
            && let Some(own) = self.members.get_mut(&member)
        {
            own.settle_in(id, subscription, number, cumulative);
            if let Some(transaction) = own.transactions.get_mut(id) {
                let numbers = meant.iter().map(|it| (it.number, verb));
                transaction.kept.extend(numbers);
            }
            if let Some(receipt) = receipt {
                self.tell(Some(member), Item::Receipt(receipt.into()));
            }
            return Ok(());
        }
        let length = ContentLength::Auto;
        for (at, delivery) in meant.iter().enumerate() {
            let mut all = self.ack_headers(delivery, &upstream);
            if let Some(name) = &transaction_name {
                all.push(("transaction", name));
            }
            all.extend(headers.iter().map(|(n, v)| (&**n, &**v)));
            let receipt = receipt.filter(|_| at + 1 == meant.len());
            self.request(member, verb, all.into_iter(), b"", length, receipt)
                .map_err(|error| Box::new(Failure::refused(&error.to_string(), receipt_for())))?;
        }
        if let (Some(id), Some(_)) = (transaction, receipt) {
            self.keep_receipt(member, id);
        }
        if let Some(own) = self.members.get_mut(&member) {
            match transaction {
                Some(id) => own.settle_in(id, subscription, number, cumulative),
                None => own.settle(subscription, number, cumulative),
            }
        }
        Ok(())
    }

    /// A transaction is committed: what it was to acknowledge goes behind it, so that a loss between the
    /// two gives a message twice rather than none.
    pub(super) fn acknowledge_kept(&mut self, member: u64, kept: &[(Unacked, Verb)]) {
        for (delivery, verb) in kept {
            let known = self.subscriptions.get(&delivery.subscription);
            let Some(upstream) = known.map(|it| self.upstream_id(delivery.subscription, it)) else {
                continue;
            };
            let headers = self.ack_headers(delivery, &upstream);
            // What is in it was read from a frame.
            let _ = self.put(
                Some(member),
                *verb,
                headers.into_iter(),
                b"",
                ContentLength::Auto,
            );
        }
    }

    pub(super) fn ack_headers<'h>(
        &self,
        delivery: &'h Unacked,
        subscription: &'h str,
    ) -> Vec<(&'h str, &'h str)> {
        let message_id = &*delivery.message_id;
        match (self.up.map(|up| up.version), &delivery.ack) {
            (Some(Version::V1_2), Some(ack)) => vec![("id", ack)],
            (Some(Version::V1_0), _) => vec![("message-id", message_id)],
            _ => vec![("message-id", message_id), ("subscription", subscription)],
        }
    }

    /// Whether a client knows a subscription by that id.
    fn is_named(&self, subscription: u64, wanted: &str) -> bool {
        match self.subscriptions.get(&subscription).map(|it| &it.target) {
            Some(Target::Member { id, .. }) => id.as_deref().is_none_or(|id| id == wanted),
            _ => false,
        }
    }

    /// A message was written to its client, who need not acknowledge them.
    pub(crate) fn written(&mut self, member: u64, written: &Written) {
        let Some(own) = self.members.get_mut(&member) else {
            return;
        };
        let at = own
            .window
            .binary_search_by_key(&written.number, |it| it.number);
        let Some(delivery) = at.ok().and_then(|at| own.window.remove(at)) else {
            return;
        };
        let upstream = written.subscription.to_string();
        let headers = self.ack_headers(&delivery, &upstream);
        // What came in a frame goes into one.
        let _ = self.put(
            None,
            Verb::Ack,
            headers.into_iter(),
            b"",
            ContentLength::Auto,
        );
        self.wrote(written.subscription);
    }
}
