use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use stompbox_proto::AckMode;

use crate::{Message, queue::Queued};

/// A connection's number, given by the caller and never used again.
pub type ConnectionId = u64;

/// A message for a subscription: the caller writes it as a `MESSAGE` frame.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The id of the subscription; `None` if the client gave none (1.0).
    pub subscription: Option<Arc<str>>,
    /// The message's number: `message-id`, the same at each redelivery.
    pub message_id: u64,
    /// The delivery's number on its connection, if it is to be acknowledged: the `ack` header.
    pub tag: Option<u64>,
    /// How often the message was handed out before.
    pub redeliveries: u32,
    /// The message.
    pub message: Arc<Message>,
}

/// Connection and number of a subscription, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SubscriptionKey {
    pub(crate) connection: ConnectionId,
    pub(crate) number: u64,
}

#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) id: Arc<str>,
    pub(crate) implicit_id: bool,
    pub(crate) destination: Arc<str>,
    pub(crate) is_queue: bool,
    pub(crate) ack: AckMode,
}

/// A delivery that is to be acknowledged.
#[derive(Debug)]
pub(crate) struct Unacked {
    pub(crate) subscription: u64,
    /// The queue to return to; a topic's message has none.
    pub(crate) queue: Option<Arc<str>>,
    pub(crate) cumulative: bool,
    pub(crate) queued: Queued,
}

/// What a transaction will do.
#[derive(Debug)]
pub(crate) enum Step {
    Send(Message),
    Ack { tag: u64, consumed: bool },
}

#[derive(Debug, Default)]
pub(crate) struct Transaction {
    pub(crate) steps: Vec<Step>,
    pub(crate) bytes: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Connection {
    /// By number.
    pub(crate) subscriptions: HashMap<u64, Subscription>,
    /// The numbers of the client's own ids.
    pub(crate) ids: HashMap<Arc<str>, u64>,
    pub(crate) transactions: HashMap<String, Transaction>,
    pub(crate) unacked: BTreeMap<u64, Unacked>,
    /// Message and subscription number to tag: how 1.0 and 1.1 name a delivery.
    pub(crate) tags: BTreeMap<(u64, u64), u64>,
    pub(crate) next_tag: u64,
    /// Bytes handed out and not yet written to the client.
    pub(crate) outstanding: usize,
    /// Too slow for a topic: it gets nothing more.
    pub(crate) overflowed: bool,
}

impl Connection {
    pub(crate) fn take_unacked(&mut self, tag: u64) -> Option<Unacked> {
        let unacked = self.unacked.remove(&tag)?;
        self.tags
            .remove(&(unacked.queued.sequence, unacked.subscription));
        Some(unacked)
    }

    /// The deliveries that an `ACK` or `NACK` of `tag` means: in client mode all earlier ones of
    /// the same subscription too.
    pub(crate) fn covered_by(&self, tag: u64) -> Vec<u64> {
        match self.unacked.get(&tag) {
            None => Vec::new(),
            Some(last) if last.cumulative => self
                .unacked
                .range(..=tag)
                .filter(|(_, unacked)| unacked.subscription == last.subscription)
                .map(|(tag, _)| *tag)
                .collect(),
            Some(_) => vec![tag],
        }
    }
}
