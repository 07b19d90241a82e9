//! Subscriptions at the broker: made, made again, and ended without losing what they hold.

use std::sync::Arc;

use stompbox_broker::selector::Selector;
use stompbox_proto::{Command as Verb, ContentLength, Dialect, EncodeError, encode};

use super::{Ack, Awaited, Pause, State, Subscription, Target};
use crate::gateway::{
    config::UpstreamKind,
    mail::{Failure, Item},
    topics::Topic,
};

/// A client's `SUBSCRIBE` to what is not shared.
pub(crate) struct Subscribe {
    pub(crate) member: u64,
    /// `None`: 1.0 without one.
    pub(crate) id: Option<Box<str>>,
    pub(crate) headers: Vec<(Box<str>, Box<str>)>,
    pub(crate) ack: Ack,
    pub(crate) prefix: &'static str,
    pub(crate) selector: Option<Arc<Selector>>,
    pub(crate) receipt: Option<Box<str>>,
}

/// Subscriptions of a client's own connection, those among them that its broker makes by itself.
pub(crate) const MOST_NAMES: usize = 1024;

impl State {
    /// What the broker knows a subscription by.
    pub(super) fn upstream_id(&self, number: u64, subscription: &Subscription) -> Box<str> {
        if self.is_own {
            let own = subscription
                .headers
                .iter()
                .find(|(name, _)| &**name == "id");
            return own.map_or_else(|| number.to_string().into(), |(_, id)| id.clone());
        }
        number.to_string().into()
    }

    /// Makes a subscription of one client's. Gives its number.
    pub(crate) fn subscribe(&mut self, subscribe: Subscribe) -> Result<u64, EncodeError> {
        let Subscribe {
            member,
            id,
            headers,
            ack,
            prefix,
            selector,
            receipt,
        } = subscribe;
        let subscription = Subscription {
            target: Target::Member { member, id },
            headers,
            ack,
            prefix,
            selector,
            is_implied: false,
            losses: 0,
            pause: Pause::No,
        };
        let number = self.add(Some(member), subscription, receipt)?;
        if let Some(own) = self.members.get_mut(&member) {
            own.subscriptions.push(number);
        }
        Ok(number)
    }

    /// What comes for `name`, which the broker subscribes this connection to by itself, goes to the
    /// client's subscription `id`. `again`: instead of another that was said before. `None`: there are too
    /// many.
    pub(crate) fn imply(&mut self, member: u64, name: &str, id: &str, again: bool) -> Option<u64> {
        if let Some(number) = self.names.get(name).copied() {
            if again && let Some(found) = self.subscriptions.get_mut(&number) {
                let id = Some(id.into());
                found.target = Target::Member { member, id };
            }
            return Some(number);
        }
        if self.names.len() >= MOST_NAMES {
            return None;
        }
        let number = self.number();
        let subscription = Subscription {
            target: Target::Member {
                member,
                id: Some(id.into()),
            },
            headers: vec![("id".into(), name.into())],
            ack: Ack::None,
            prefix: "",
            selector: None,
            is_implied: true,
            losses: 0,
            pause: Pause::No,
        };
        self.names.insert(name.into(), number);
        self.subscriptions.insert(number, subscription);
        Some(number)
    }

    /// Makes a subscription that clients share.
    pub(crate) fn subscribe_topic(
        &mut self,
        destination: &str,
        extra: Option<(&'static str, &'static str)>,
        topic: &Arc<Topic>,
    ) -> u64 {
        let mut headers: Vec<(Box<str>, Box<str>)> = vec![
            ("destination".into(), destination.into()),
            ("ack".into(), "auto".into()),
        ];
        let mut prefix = "";
        if let Some((name, value)) = extra {
            headers.push((name.into(), value.into()));
            prefix = "/topic/";
        }
        let subscription = Subscription {
            target: Target::Topic(Arc::clone(topic)),
            headers,
            ack: Ack::None,
            prefix,
            selector: None,
            is_implied: false,
            losses: 0,
            pause: Pause::No,
        };
        match self.add(None, subscription, None) {
            Ok(number) => number,
            Err(error) => {
                topic.fail(&Failure::refused(&error.to_string(), None));
                0
            }
        }
    }

    fn add(
        &mut self,
        member: Option<u64>,
        subscription: Subscription,
        receipt: Option<Box<str>>,
    ) -> Result<u64, EncodeError> {
        let number = self.number();
        let id = self.upstream_id(number, &subscription);
        if self.up.is_some() {
            self.write_subscribe(member, number, &id, &subscription, receipt)?;
        } else {
            // It is made when there is a connection, with all others.
            let check = subscription.headers.iter().map(|(n, v)| (&**n, &**v));
            let length = ContentLength::Auto;
            encode(
                &mut Vec::new(),
                Dialect::V1_2,
                Verb::Subscribe,
                check,
                b"",
                length,
            )?;
            let awaited = Awaited::Subscribed {
                subscription: number,
                receipt,
            };
            // Under its own number until then.
            self.awaited.insert(number, awaited);
        }
        if self.is_own {
            self.names.insert(id, number);
        }
        self.subscriptions.insert(number, subscription);
        Ok(number)
    }

    pub(super) fn write_subscribe(
        &mut self,
        member: Option<u64>,
        number: u64,
        id: &str,
        subscription: &Subscription,
        receipt: Option<Box<str>>,
    ) -> Result<(), EncodeError> {
        let asked = self.number();
        let text = asked.to_string();
        let headers = subscription
            .headers
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .filter(|(name, _)| *name != "id")
            .chain([("id", id), ("receipt", text.as_str())]);
        self.put(member, Verb::Subscribe, headers, b"", ContentLength::Auto)?;
        let awaited = Awaited::Subscribed {
            subscription: number,
            receipt,
        };
        self.awaited.insert(asked, awaited);
        Ok(())
    }

    /// Ends a client's subscription. `headers`: of its `UNSUBSCRIBE`, but for `id` and `receipt`.
    pub(crate) fn unsubscribe(
        &mut self,
        member: u64,
        number: u64,
        headers: &[(Box<str>, Box<str>)],
        receipt: Option<Box<str>>,
    ) -> Result<(), EncodeError> {
        if let Some(own) = self.members.get_mut(&member) {
            own.subscriptions.retain(|it| *it != number);
        }
        self.end(number, headers, receipt)
    }

    /// The last client has left a shared subscription.
    pub(crate) fn unsubscribe_topic(&mut self, number: u64) {
        // A number can always be written.
        let _ = self.end(number, &[], None);
    }

    pub(super) fn end(
        &mut self,
        number: u64,
        headers: &[(Box<str>, Box<str>)],
        receipt: Option<Box<str>>,
    ) -> Result<(), EncodeError> {
        let Some(subscription) = self.subscriptions.remove(&number) else {
            return Ok(());
        };
        let id = self.upstream_id(number, &subscription);
        self.names.remove(&id);
        let member = match subscription.target {
            Target::Member { member, .. } => Some(member),
            Target::Topic(_) => None,
        };
        if self.up.is_none() || subscription.is_implied {
            // It never was, or is not any more.
            let pending = self.awaited.remove(&number);
            let asked = match pending {
                Some(Awaited::Subscribed { receipt, .. }) => receipt,
                _ => None,
            };
            for receipt in asked.into_iter().chain(receipt) {
                self.tell(member, Item::Receipt(receipt));
            }
            return Ok(());
        }
        let own = self.withdraw(number, member, subscription.ack);
        // RabbitMQ keeps what an ended subscription has not acknowledged until the connection ends.
        if self.kind == UpstreamKind::Rabbitmq && !self.is_own && subscription.ack != Ack::None {
            self.park(number, own)?;
            if let Some(receipt) = receipt {
                self.tell(member, Item::Receipt(receipt));
            }
            return Ok(());
        }
        let own_headers = [("id", &*id)];
        // What is shared is not the client's to say something about.
        let headers = if self.is_own { headers } else { &[] };
        let others = headers.iter().map(|(n, v)| (&**n, &**v));
        let all = others.chain(own_headers);
        let receipt = receipt.as_deref();
        self.put_unsubscribe(member, all, receipt)
            // The subscription has ended here: it has to end there too, whatever else the client says.
            .or_else(|_| self.put_unsubscribe(member, own_headers.into_iter(), receipt))
    }

    fn put_unsubscribe<'h>(
        &mut self,
        member: Option<u64>,
        headers: impl Iterator<Item = (&'h str, &'h str)> + Clone,
        receipt: Option<&str>,
    ) -> Result<(), EncodeError> {
        let (verb, length) = (Verb::Unsubscribe, ContentLength::Auto);
        match member {
            Some(member) => self.request(member, verb, headers, b"", length, receipt),
            None => self.put(None, verb, headers, b"", length),
        }
    }
}
