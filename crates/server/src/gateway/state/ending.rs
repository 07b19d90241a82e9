//! Subscriptions that have ended at RabbitMQ on a shared connection, without losing what they hold.
//!
//! It keeps what an ended subscription has not acknowledged until the connection ends, finds it only by
//! the name of a subscription that is there, and answers each delivery that was already on its way with
//! an `ERROR` that has no `receipt-id`. So the name is given once more in the same breath, to a topic
//! where nothing is sent; what comes for it, and what was not acknowledged, goes back under that name;
//! and when all has come, that subscription ends too.

use std::collections::VecDeque;

use stompbox_proto::{Command as Verb, ContentLength, EncodeError, FrameRef, Version};

use super::{Ack, Awaited, State, Unacked};
use crate::gateway::config::UpstreamKind;

/// Where the name of an ended subscription is kept.
const PARKED: &str = "/topic/stompbox.parked";

/// How RabbitMQ answers a delivery whose subscription has just ended.
const LATE: &str = "Subscription not found";

/// A subscription that has ended.
#[derive(Debug, Default)]
pub(super) struct Ending {
    /// What goes back, as it is acknowledged.
    pub(super) back: Vec<Box<str>>,
    /// Deliveries that are on their way to the client, who need not acknowledge them.
    unwritten: usize,
    /// Nothing more comes for it.
    is_over: bool,
}

/// What a connection got: RabbitMQ numbers the deliveries of a connection one after the other, and a
/// delivery that it could not make has a number too.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    count: u64,
    /// What the broker calls the connection in the ids of messages.
    session: Option<Box<str>>,
}

impl State {
    /// What is left of a subscription that ends: what waits for its client's acknowledgement, and
    /// whether that is on its way to be written.
    pub(super) fn withdraw(&mut self, number: u64, member: Option<u64>, ack: Ack) -> Ending {
        let mut ending = Ending::default();
        let Some(own) = member.and_then(|member| self.members.get_mut(&member)) else {
            return ending;
        };
        let is_auto = ack == Ack::WhenWritten;
        let unwritten = match is_auto {
            true => own.outbox.post(|mail| mail.withdraw(self.is_own, number)),
            false => Vec::new(),
        };
        // Elsewhere the broker hands on by itself what was not acknowledged.
        let is_kept = is_auto && self.kind == UpstreamKind::Rabbitmq && !self.is_own;
        let mut window = VecDeque::with_capacity(own.window.len());
        for it in std::mem::take(&mut own.window) {
            if it.subscription != number {
                window.push_back(it);
            } else if let Some(id) = &it.transaction {
                if let Some(transaction) = own.transactions.get_mut(id) {
                    let ack = it.ack.unwrap_or(it.message_id);
                    transaction.orphans.push((number, ack));
                }
            } else if is_kept && unwritten.binary_search(&it.number).is_err() {
                ending.unwritten += 1;
                window.push_back(it);
            } else {
                ending.back.push(it.ack.unwrap_or(it.message_id));
            }
        }
        own.window = window;
        ending
    }

    /// Ends a subscription at the broker, and keeps its name.
    pub(super) fn park(&mut self, number: u64, ending: Ending) -> Result<(), EncodeError> {
        let id = number.to_string();
        self.unsubscribe_parked(&id)?;
        let asked = self.number();
        self.subscribe_parked(&id, Some(&asked.to_string()))?;
        self.ending.insert(number, ending);
        let ended = Awaited::Ended {
            subscription: number,
            is_last: false,
        };
        self.awaited.insert(asked, ended);
        Ok(())
    }

    pub(super) fn subscribe_parked(
        &mut self,
        id: &str,
        receipt: Option<&str>,
    ) -> Result<(), EncodeError> {
        let headers = [
            ("id", id),
            ("destination", PARKED),
            ("ack", "client-individual"),
        ];
        let receipt = receipt.map(|receipt| ("receipt", receipt));
        let all = headers.into_iter().chain(receipt);
        self.put(None, Verb::Subscribe, all, b"", ContentLength::Auto)
    }

    pub(super) fn unsubscribe_parked(&mut self, id: &str) -> Result<(), EncodeError> {
        let own = [("id", id)].into_iter();
        self.put(None, Verb::Unsubscribe, own, b"", ContentLength::Auto)
    }

    /// The broker has ended a subscription. What it had sent before may come behind the receipt that
    /// says so, but before the one of a frame that it gets thereafter.
    pub(super) fn ended(&mut self, number: u64, is_last: bool) {
        if !is_last {
            let last = Awaited::Ended {
                subscription: number,
                is_last: true,
            };
            // There is nothing of a client's in it.
            let _ = self.ask(None, last);
            return;
        }
        if let Some(ending) = self.ending.get_mut(&number) {
            ending.is_over = true;
        }
        self.return_if_over(number);
    }

    /// A delivery of a subscription was written to the client and acknowledged.
    pub(super) fn wrote(&mut self, number: u64) {
        if let Some(ending) = self.ending.get_mut(&number) {
            ending.unwritten = ending.unwritten.saturating_sub(1);
            self.return_if_over(number);
        }
    }

    /// A client is gone: what was on its way to it goes back.
    pub(super) fn return_unwritten(&mut self, window: VecDeque<Unacked>) {
        for it in window {
            if let Some(ending) = self.ending.get_mut(&it.subscription) {
                ending.back.push(it.ack.unwrap_or(it.message_id));
                self.wrote(it.subscription);
            }
        }
    }

    /// A transaction is undone: what it would have acknowledged goes back, where its subscription has
    /// ended.
    pub(super) fn return_orphans(&mut self, orphans: Vec<(u64, Box<str>)>) {
        if self.kind != UpstreamKind::Rabbitmq || self.is_own || self.up.is_none() {
            return;
        }
        let mut ended: Vec<(u64, Vec<Box<str>>)> = Vec::new();
        for (number, ack) in orphans {
            if let Some(ending) = self.ending.get_mut(&number) {
                ending.back.push(ack);
                continue;
            }
            match ended.iter_mut().find(|(of, _)| *of == number) {
                Some((_, back)) => back.push(ack),
                None => ended.push((number, vec![ack])),
            }
        }
        for (number, back) in ended {
            // Numbers can always be written.
            let _ = self.subscribe_parked(&number.to_string(), None);
            self.return_to(number, &back);
        }
    }

    fn return_if_over(&mut self, number: u64) {
        let is_over = |it: &Ending| it.is_over && it.unwritten == 0;
        if self.ending.get(&number).is_some_and(is_over)
            && let Some(ending) = self.ending.remove(&number)
        {
            self.return_to(number, &ending.back);
        }
    }

    /// Gives messages back, and the name by which they are found.
    fn return_to(&mut self, number: u64, back: &[Box<str>]) {
        let id = number.to_string();
        for ack in back {
            self.give_back(&id, ack);
        }
        // Numbers can always be written.
        let _ = self.unsubscribe_parked(&id);
    }

    /// Gives a message back. `id`: of its subscription.
    fn give_back(&mut self, id: &str, ack: &str) {
        let headers = match self.up.is_some_and(|up| up.version == Version::V1_2) {
            true => vec![("id", ack)],
            false => vec![("message-id", ack), ("subscription", id)],
        };
        let length = ContentLength::Auto;
        // What is in it was read from a frame.
        let _ = self.put(None, Verb::Nack, headers.into_iter(), b"", length);
    }

    /// A message has come, for whomever.
    pub(super) fn count_delivery(&mut self, frame: &FrameRef<'_>) {
        if self.kind != UpstreamKind::Rabbitmq || self.is_own {
            return;
        }
        self.deliveries.count += 1;
        if self.deliveries.session.is_some() {
            return;
        }
        let Some(id) = frame.header("message-id") else {
            return;
        };
        let mut parts = id.splitn(3, "@@").skip(1);
        if let (Some(session), Some(tag)) = (parts.next(), parts.next())
            // What a publisher calls so is something else.
            && tag.parse() == Ok(self.deliveries.count)
        {
            self.deliveries.session = Some(session.into());
        }
    }

    /// Whether an `ERROR` is RabbitMQ's answer to a delivery of its own, for a subscription that has
    /// ended. It is nobody's fault, and what could not be delivered goes back.
    pub(super) fn is_late_delivery(&mut self, frame: &FrameRef<'_>) -> bool {
        if frame.header("receipt-id").is_some()
            || frame
                .header("message")
                .is_none_or(|message| message != LATE)
        {
            return false;
        }
        let body = String::from_utf8_lossy(frame.body());
        let Some((_, rest)) = body.split_once(" with tag '") else {
            return false;
        };
        if self.kind != UpstreamKind::Rabbitmq || self.is_own {
            return true;
        }
        self.deliveries.count += 1;
        let tag = rest.split('\'').next().unwrap_or_default();
        let number = tag.strip_prefix("T_").and_then(|id| id.parse::<u64>().ok());
        if let (Some(number), Some(session)) = (number, &self.deliveries.session) {
            let ack = format!("{tag}@@{session}@@{}", self.deliveries.count);
            if let Some(ending) = self.ending.get_mut(&number) {
                ending.back.push(ack.into());
            } else if self.subscriptions.contains_key(&number) {
                // It is only paused.
                self.give_back(&number.to_string(), &ack);
            }
        }
        true
    }
}
