use std::sync::Arc;

use stompbox_proto::AckMode;

use crate::{BrokerError, Delivery, Message, Subscriber};

/// Which delivery an `ACK` or `NACK` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// 1.2: the delivery's tag.
    Tag(u64),
    /// 1.0 and 1.1: the message's number, and the subscription's id where there is one.
    Message {
        /// The message's number.
        sequence: u64,
        /// The subscription's id.
        subscription: Option<Box<str>>,
    },
}

/// A `SUBSCRIBE`, whose id was free on its connection.
#[derive(Debug)]
pub struct Subscribe {
    /// The subscription's id; in 1.0 without one, its destination.
    pub id: Box<str>,
    /// What the connection keeps of it.
    pub subscriber: Arc<Subscriber>,
    /// Where from.
    pub destination: Box<str>,
    /// How its messages are acknowledged.
    pub ack: AckMode,
    /// All its headers.
    pub headers: Vec<(Box<str>, Box<str>)>,
    /// The receipt asked for.
    pub receipt: Option<Box<str>>,
}

/// What a connection wants done. Receipts are given when it is.
#[derive(Debug)]
pub enum Command {
    /// `SEND`.
    Send {
        /// The open transaction it belongs to.
        transaction: Option<Box<str>>,
        /// The receipt asked for.
        receipt: Option<Box<str>>,
        /// The message.
        message: Arc<Message>,
    },
    /// `SUBSCRIBE`.
    Subscribe(Box<Subscribe>),
    /// `UNSUBSCRIBE`: what the subscription has not acknowledged goes back.
    Unsubscribe {
        /// The subscription's id.
        id: Box<str>,
        /// All headers of the frame.
        headers: Vec<(Box<str>, Box<str>)>,
        /// The receipt asked for.
        receipt: Option<Box<str>>,
    },
    /// `ACK` or `NACK`. In client mode this takes in all earlier deliveries of the subscription.
    Acknowledge {
        /// Which message.
        target: Target,
        /// `ACK`; otherwise `NACK`.
        consumed: bool,
        /// A `NACK` that wants the message to come again, rather than be a dead letter at once.
        requeue: bool,
        /// The open transaction it belongs to.
        transaction: Option<Box<str>>,
        /// The receipt asked for.
        receipt: Option<Box<str>>,
    },
    /// `BEGIN`.
    Begin {
        /// The transaction's id.
        transaction: Box<str>,
        /// The receipt asked for.
        receipt: Option<Box<str>>,
    },
    /// `COMMIT`: all of a transaction, or nothing.
    Commit {
        /// The transaction's id.
        transaction: Box<str>,
        /// The receipt asked for.
        receipt: Option<Box<str>>,
    },
    /// `ABORT`.
    Abort {
        /// The transaction's id.
        transaction: Box<str>,
        /// The receipt asked for.
        receipt: Option<Box<str>>,
    },
    /// A message of another broker's goes to all who are subscribed to that topic, by the topic's own
    /// name, whatever the message's `destination` says.
    Publish {
        /// The topic.
        topic: Arc<str>,
        /// The message.
        message: Arc<Message>,
    },
    /// That many bytes of deliveries were written to the client, or given back.
    Drained(usize),
    /// A delivery that was not written, since its [subscriber](Subscriber) is closed.
    GiveBack(Box<Delivery>),
    /// A frame that can't be done, whatever else: its error comes after all that was before.
    Refuse {
        /// Why.
        error: BrokerError,
        /// The receipt asked for.
        receipt: Option<Box<str>>,
    },
    /// `DISCONNECT`: when all receipts are given, [`Output::Bye`] comes.
    Quit {
        /// The receipt asked for.
        receipt: Option<Box<str>>,
    },
    /// The client is gone. Its transactions are aborted, what it has not acknowledged goes back,
    /// and so do these deliveries, which were not written.
    Gone {
        /// In the order they came.
        unwritten: Vec<Delivery>,
    },
}

impl Command {
    /// About how many bytes it takes up in memory while it waits.
    pub fn size(&self) -> usize {
        match self {
            Self::Send { message, .. } | Self::Publish { message, .. } => message.size(),
            Self::Subscribe(subscribe) => OVERHEAD + size_of(&subscribe.headers),
            Self::Unsubscribe { headers, .. } => OVERHEAD + size_of(headers),
            _ => OVERHEAD,
        }
    }
}

impl Command {
    /// The receipt asked for.
    pub(crate) fn into_receipt(self) -> Option<Box<str>> {
        match self {
            Self::Subscribe(subscribe) => subscribe.receipt,
            Self::Send { receipt, .. }
            | Self::Unsubscribe { receipt, .. }
            | Self::Acknowledge { receipt, .. }
            | Self::Begin { receipt, .. }
            | Self::Commit { receipt, .. }
            | Self::Abort { receipt, .. }
            | Self::Refuse { receipt, .. }
            | Self::Quit { receipt } => receipt,
            Self::Publish { .. } | Self::Drained(_) | Self::GiveBack(_) | Self::Gone { .. } => None,
        }
    }
}

/// Bytes of a command beyond what is counted.
const OVERHEAD: usize = 200;

fn size_of(headers: &[(Box<str>, Box<str>)]) -> usize {
    let sizes = headers.iter().map(|(name, value)| name.len() + value.len());
    sizes.sum::<usize>() + headers.len() * 32
}

/// What is to be done for a connection, in this order.
#[derive(Clone, Debug)]
pub enum Output {
    /// Write a message.
    Deliver(Delivery),
    /// A browser has seen all: write its end.
    BrowserEnd(Arc<Subscriber>),
    /// Write a receipt.
    Receipt(Box<str>),
    /// Write an error and close.
    Error {
        /// What went wrong.
        error: BrokerError,
        /// The receipt that the frame asked for.
        receipt: Option<Box<str>>,
    },
    /// Write the receipt, if there is one, and close.
    Bye(Option<Box<str>>),
    /// Read nothing from this client for a moment: it sends faster than others can take it.
    Pause,
}
