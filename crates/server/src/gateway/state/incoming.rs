//! What a broker sends: whose it is, and how its client gets it.

use std::{borrow::Cow, sync::Arc};

use stompbox_broker::{Command, Message};
use stompbox_proto::{Command as Verb, ContentLength, Dialect, FrameRef, Version, encode};

use super::{
    Ack, Awaited, Pause, State, Target, Unacked,
    acknowledge::{ACK_OWN, ACK_SHARED},
};
use crate::gateway::{
    config::UpstreamKind,
    kind,
    mail::{Failure, Item, Written},
    view::View,
};

/// Bytes before a client from which on its own connection is not read.
pub(crate) const STALL: usize = 1 << 20;

/// Deliveries that may wait for a client's acknowledgement, where its broker sends as many as there are.
const MOST_UNACKED: usize = 1 << 18;

impl State {
    /// Takes `RECEIPT`.
    pub(crate) fn receipt(&mut self, frame: &FrameRef<'_>) {
        let Some(number) = frame.header("receipt-id").and_then(|id| id.parse().ok()) else {
            return;
        };
        self.suspect = None;
        match self.awaited.remove(&number) {
            Some(Awaited::Client {
                member, receipt, ..
            }) => {
                self.given(member, &receipt);
                self.tell(Some(member), Item::Receipt(receipt));
            }
            Some(Awaited::Subscribed {
                subscription,
                receipt,
            }) => {
                let Some(confirmed) = self.subscriptions.get_mut(&subscription) else {
                    return;
                };
                confirmed.losses = 0;
                match (confirmed.target.clone(), receipt) {
                    (Target::Topic(topic), _) => topic.activate(),
                    (Target::Member { member, .. }, Some(receipt)) => {
                        self.tell(Some(member), Item::Receipt(receipt));
                    }
                    (Target::Member { .. }, None) => {}
                }
            }
            Some(Awaited::Barrier { member }) => {
                self.tell(Some(member), Item::Bye);
            }
            Some(Awaited::Ended {
                subscription,
                is_last,
            }) => self.ended(subscription, is_last),
            Some(Awaited::Declared { queue }) => self.declared.push(queue),
            Some(Awaited::Paused {
                subscription,
                is_last,
            }) => self.paused(subscription, is_last),
            None => {}
        }
    }

    /// Takes `ERROR`, and finds whose fault it is. True: somebody has been told.
    pub(crate) fn error(&mut self, frame: &FrameRef<'_>) -> bool {
        if self.is_late_delivery(frame) {
            return true;
        }
        let receipt = frame
            .header("receipt-id")
            .and_then(|id| id.parse::<u64>().ok());
        let named = receipt.filter(|number| self.awaited.contains_key(number));
        let by_subscription = frame.header("subscription").and_then(|id| {
            let number = match self.is_own {
                true => self.names.get(&*id).copied(),
                false => id.parse().ok(),
            };
            number.filter(|number| self.subscriptions.contains_key(number))
        });
        let message = frame.header("message");
        let message = message.as_deref().unwrap_or("the broker refuses");
        let mut failure = Failure::upstream(message, &String::from_utf8_lossy(frame.body()));
        if self.is_own {
            failure.receipt = match named.and_then(|number| self.awaited.remove(&number)) {
                Some(Awaited::Client { receipt, .. }) => Some(receipt),
                Some(Awaited::Subscribed { receipt, .. }) => receipt,
                _ => None,
            };
            self.fail_all(&failure);
            return true;
        }
        if let (None, Some(number)) = (named, by_subscription) {
            self.suspect(number);
            return self.end_by_error(number, &failure);
        }
        if named.is_none() && (receipt.is_some() || frame.header("subscription").is_some()) {
            // Of somebody who is gone.
            return false;
        }
        // Brokers that name nothing work off what they get in order, but for messages that are still
        // to be stored.
        let oldest = || {
            let is_message = |it: &Awaited| {
                matches!(
                    it,
                    Awaited::Client {
                        verb: Verb::Send,
                        ..
                    }
                )
            };
            let first = self.awaited.iter().find(|(_, it)| !is_message(it));
            first
                .or_else(|| {
                    self.awaited
                        .iter()
                        .next()
                        .filter(|_| self.awaited.len() == 1)
                })
                .map(|(number, _)| *number)
        };
        // Of RabbitMQ's many have nothing to do with what is waited for.
        let guesses = self.kind != UpstreamKind::Rabbitmq;
        let Some(number) = named.or_else(|| guesses.then(oldest).flatten()) else {
            return false;
        };
        match self.awaited.remove(&number) {
            Some(Awaited::Client {
                member, receipt, ..
            }) => {
                failure.receipt = Some(receipt);
                self.tell(Some(member), Item::Failure(Box::new(failure)));
                true
            }
            Some(Awaited::Subscribed {
                subscription,
                receipt,
            }) => {
                failure.receipt = receipt;
                self.suspect(subscription);
                self.end_by_error(subscription, &failure)
            }
            Some(Awaited::Barrier { member }) => {
                self.tell(Some(member), Item::Bye);
                true
            }
            Some(Awaited::Ended { .. } | Awaited::Declared { .. } | Awaited::Paused { .. })
            | None => false,
        }
    }

    /// If the connection ends now, it is for that subscription: the next who comes for its destination has
    /// a connection of its own for that.
    fn suspect(&mut self, number: u64) {
        let headers = self.subscriptions.get(&number).map(|it| &it.headers);
        let mut headers = headers.into_iter().flatten();
        let destination = headers.find(|(name, _)| &**name == "destination");
        self.suspect = destination.map(|(_, value)| value.clone());
    }

    pub(super) fn end_by_error(&mut self, number: u64, failure: &Failure) -> bool {
        let Some(subscription) = self.subscriptions.remove(&number) else {
            return false;
        };
        let id = self.upstream_id(number, &subscription);
        self.names.remove(&id);
        self.refuse(&subscription.target, failure);
        true
    }

    /// The broker closes the connection for a destination: who waits to be subscribed to it is told, and
    /// is not subscribed again.
    pub(crate) fn refuse_destination(&mut self, destination: &str, why: &str) {
        let failure = Failure::upstream("the broker refuses the destination", why);
        let unconfirmed = self.awaited.values().filter_map(|it| match it {
            Awaited::Subscribed { subscription, .. } => Some(*subscription),
            _ => None,
        });
        let of_it = |number: &u64| {
            let found = self.subscriptions.get(number);
            found.is_some_and(|it| {
                it.headers
                    .iter()
                    .any(|(name, value)| &**name == "destination" && &**value == destination)
            })
        };
        let numbers: Vec<u64> = unconfirmed.filter(of_it).collect();
        for number in numbers {
            self.end_by_error(number, &failure);
        }
    }

    pub(super) fn refuse(&self, target: &Target, failure: &Failure) {
        match target {
            Target::Topic(topic) => topic.fail(failure),
            Target::Member { member, .. } => {
                self.tell(Some(*member), Item::Failure(Box::new(failure.clone())));
            }
        }
    }

    /// Takes `MESSAGE`.
    pub(crate) fn message(&mut self, frame: &FrameRef<'_>) {
        let Some(id) = frame.header("subscription") else {
            return;
        };
        let number = match self.is_own {
            true => self.names.get(&*id).copied(),
            false => id.parse().ok(),
        };
        self.count_delivery(frame);
        let Some(number) = number else {
            return;
        };
        let Some(subscription) = self.subscriptions.get(&number) else {
            let ack = self.ack_of(frame).or_else(|| frame.header("message-id"));
            if let Some(ending) = self.ending.get_mut(&number)
                && let Some(ack) = ack
            {
                ending.back.push(ack.as_ref().into());
            }
            return;
        };
        if subscription.pause != Pause::No {
            // Its turn comes again.
            return self.answer(Verb::Nack, number, frame);
        }
        let destination = frame.header("destination").unwrap_or_default();
        let destination = kind::inbound(self.kind, &destination, subscription.prefix);
        if destination.starts_with("/user/") && !subscription.is_users() {
            // A pattern takes in what is a user's alone.
            if subscription.ack != Ack::None {
                self.answer(Verb::Ack, number, frame);
            }
            return;
        }
        let (member, id) = match &subscription.target {
            Target::Topic(topic) => {
                let message = relayed(frame, &destination);
                self.fanned_out += topic.audience();
                self.publish.push(Command::Publish {
                    topic: Arc::clone(&topic.key),
                    message: Arc::new(message),
                });
                return;
            }
            Target::Member { member, id } => (*member, id),
        };
        if let Some(selector) = &subscription.selector
            && !selector.matches(&View::new(frame))
        {
            if subscription.ack != Ack::None {
                self.answer(Verb::Ack, number, frame);
            }
            return;
        }
        let number_of_delivery = self.next;
        let ack = self.ack_of(frame);
        let Some(own) = self.members.get_mut(&member) else {
            return;
        };
        let waits = subscription.ack != Ack::None;
        let message_id = frame.header("message-id").unwrap_or_default();
        let mut written = None;
        let mut ack_text = None;
        if waits && own.window.len() >= MOST_UNACKED {
            let failure = Failure {
                message: "slow consumer".into(),
                detail: format!(
                    "{MOST_UNACKED} messages wait for this client's acknowledgement.\n"
                ),
                code: "slow-consumer",
                retry: "later",
                receipt: None,
            };
            return self.tell(Some(member), Item::Failure(Box::new(failure)));
        }
        if waits {
            self.next += 1;
            own.window.push_back(Unacked {
                number: number_of_delivery,
                subscription: number,
                message_id: message_id.as_ref().into(),
                ack: ack.as_deref().map(Into::into),
                transaction: None,
            });
            if subscription.ack == Ack::WhenWritten {
                written = Some(Written {
                    on_own: self.is_own,
                    subscription: number,
                    number: number_of_delivery,
                });
            } else if own.dialect == Dialect::V1_2 {
                let prefix = if self.is_own { ACK_OWN } else { ACK_SHARED };
                ack_text = Some(format!("{prefix}{number_of_delivery}"));
            }
        }
        let first = [
            id.as_deref().map(|id| ("subscription", id)),
            Some(("message-id", &*message_id)),
            ack_text.as_deref().map(|ack| ("ack", ack)),
            Some(("destination", &*destination)),
        ];
        let dialect = own.dialect;
        let waiting = own.outbox.post(|mail| {
            let before = mail.bytes.len();
            write_message(&mut mail.bytes, dialect, frame, &first);
            mail.items.push_back(Item::Frame {
                length: mail.bytes.len() - before,
                written,
            });
            match before {
                // One alone may be as long as it likes: with the next attempt it would be no shorter.
                0 => 0,
                _ => mail.bytes.len(),
            }
        });
        if waiting > self.max_waiting
            && !self.is_own
            && !self.pause(number, member, frame.body().len())
        {
            let (limit, of) = ("max_waiting", self.max_waiting);
            let failure = Failure {
                message: "slow consumer".into(),
                detail: format!("More than {of} bytes ({limit}) wait for this client.\n"),
                code: "slow-consumer",
                retry: "later",
                receipt: None,
            };
            let Some(own) = self.members.get(&member) else {
                return;
            };
            own.outbox.post(|mail| {
                mail.bytes = Vec::new();
                mail.items.clear();
                mail.items.push_back(Item::Failure(Box::new(failure)));
            });
        }
    }

    /// What acknowledges a message in 1.2. Before that it is a header like others, and a producer's.
    pub(super) fn ack_of<'f>(&self, frame: &'f FrameRef<'_>) -> Option<Cow<'f, str>> {
        if self.up.is_none_or(|up| up.version != Version::V1_2) {
            return None;
        }
        match self.kind {
            // A producer's comes before their own there.
            UpstreamKind::Artemis | UpstreamKind::Hornetq => {
                let all = frame.headers().filter(|(name, _)| name == "ack");
                all.last().map(|(_, value)| value)
            }
            _ => frame.header("ack"),
        }
    }

    /// Answers a message that its client does not get. One that a selector leaves out nobody else
    /// acknowledges, and what is not acknowledged stands in the way of what comes after it.
    fn answer(&mut self, verb: Verb, subscription: u64, frame: &FrameRef<'_>) {
        let Some(known) = self.subscriptions.get(&subscription) else {
            return;
        };
        let upstream = self.upstream_id(subscription, known);
        let delivery = Unacked {
            number: 0,
            subscription,
            message_id: frame.header("message-id").unwrap_or_default().into(),
            ack: self.ack_of(frame).map(Into::into),
            transaction: None,
        };
        let headers = self.ack_headers(&delivery, &upstream);
        // What came in a frame goes into one.
        let _ = self.put(None, verb, headers.into_iter(), b"", ContentLength::Auto);
    }

    /// Whether nothing more can be put before a slow client, whose connection this is alone.
    pub(crate) fn is_stalled(&self) -> bool {
        self.is_own
            && self
                .members
                .values()
                .any(|member| member.outbox.mail_size() > STALL)
    }
}

/// Headers of a message that are told anew, or that mean nothing to who gets it.
fn is_told(name: &str) -> bool {
    matches!(
        name,
        "subscription" | "message-id" | "ack" | "destination" | "content-length"
    ) || kind::is_leaked(name)
}

/// Writes a message for a client. Headers that its version can't express are left out.
fn write_message(
    out: &mut Vec<u8>,
    dialect: Dialect,
    frame: &FrameRef<'_>,
    first: &[Option<(&str, &str)>; 4],
) {
    let first = first.iter().flatten().copied();
    let length = ContentLength::Auto;
    let verb = Verb::Message;
    if frame.is_plain() {
        let others = frame.plain_headers().filter(|(name, _)| !is_told(name));
        if encode(
            out,
            dialect,
            verb,
            first.clone().chain(others),
            frame.body(),
            length,
        )
        .is_ok()
        {
            return;
        }
    }
    let others: Vec<(Cow<'_, str>, Cow<'_, str>)> = frame
        .headers()
        .filter(|(name, value)| !is_told(name) && is_written(name, value, dialect))
        .collect();
    let others = others.iter().map(|(name, value)| (&**name, &**value));
    let own = first.filter(|(name, value)| is_written(name, value, dialect));
    // All that could not be written is left out.
    let _ = encode(out, dialect, verb, own.chain(others), frame.body(), length);
}

fn is_written(name: &str, value: &str, dialect: Dialect) -> bool {
    if name.is_empty() {
        return false;
    }
    match dialect {
        Dialect::V1_2 => true,
        Dialect::V1_1 => !name.contains('\r') && !value.contains('\r'),
        Dialect::V1_0 | Dialect::Handshake => {
            !name.contains([':', '\r', '\n']) && !value.contains(['\r', '\n'])
        }
    }
}

/// A message for the engine to hand to all who are subscribed.
fn relayed(frame: &FrameRef<'_>, destination: &str) -> Message {
    if frame.is_plain() {
        let headers = frame.plain_headers().filter(|(name, _)| !is_told(name));
        return Message::relayed(destination, headers, frame.body());
    }
    let headers: Vec<_> = frame.headers().filter(|(name, _)| !is_told(name)).collect();
    let headers = headers.iter().map(|(name, value)| (&**name, &**value));
    Message::relayed(destination, headers, frame.body())
}
