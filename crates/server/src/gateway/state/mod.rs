//! What a link knows: who uses it, what they wait for, and what is to be written.

mod acknowledge;
mod ending;
mod incoming;
mod loss;
mod pause;
mod skipped;
mod subscriptions;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Waker,
    time::Instant,
};

use stompbox_broker::{Command, selector::Selector};
use stompbox_proto::{Command as Verb, ContentLength, Dialect, EncodeError, Version, encode};

pub(super) use acknowledge::{ACK_OWN, ACK_SHARED, Acknowledge, Name};
use ending::{Deliveries, Ending};
use pause::Pause;
pub(super) use subscriptions::{MOST_NAMES, Subscribe};

use super::{
    config::UpstreamKind,
    kind,
    mail::{Failure, Item, RECEIPT},
    topics::Topic,
};
use crate::hub::Outbox;

/// A connection's state, which clients and the connection's task share.
#[derive(Debug)]
pub(super) struct State {
    pub(super) kind: UpstreamKind,
    /// Serves one client: names are as the client spells them.
    pub(super) is_own: bool,
    /// While there is a connection.
    pub(super) up: Option<Up>,
    /// Encoded and not yet sent.
    pub(super) out: Vec<u8>,
    /// What came while there was no connection.
    held: VecDeque<Held>,
    pub(super) held_bytes: usize,
    pub(super) waker: Option<Waker>,
    pub(super) members: HashMap<u64, Member>,
    /// In the order they were made, in which they are made again.
    subscriptions: BTreeMap<u64, Subscription>,
    /// An own connection's: numbers by the names the broker knows.
    names: HashMap<Box<str>, u64>,
    /// Receipts that the broker owes, the oldest first.
    awaited: BTreeMap<u64, Awaited>,
    /// Subscriptions that have ended while the broker may still send something for them.
    ending: HashMap<u64, Ending>,
    deliveries: Deliveries,
    /// To how many clients the messages of topics go that are for the engine, all together.
    pub(super) fanned_out: u64,
    next: u64,
    /// Nobody uses it any more.
    pub(super) is_closing: bool,
    pub(super) down_since: Option<Instant>,
    /// Since when something is kept for it.
    pub(super) held_since: Option<Instant>,
    /// For the engine.
    pub(super) publish: Vec<Command>,
    /// Destinations that are to go by connections of their clients' own from now on.
    pub(super) declared: Vec<Box<str>>,
    /// The destination that the broker's last frame refused.
    suspect: Option<Box<str>>,
    /// Bytes that may wait for a client.
    pub(super) max_waiting: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Up {
    pub(super) version: Version,
    pub(super) dialect: Dialect,
}

/// A client that uses the link.
#[derive(Debug)]
pub(super) struct Member {
    outbox: Arc<Outbox>,
    dialect: Dialect,
    transactions: HashMap<Box<str>, Transaction>,
    /// Deliveries that wait for an acknowledgement, the oldest first.
    window: VecDeque<Unacked>,
    /// Deliveries before this number were lost with their connection, and come again.
    floor: u64,
    /// The numbers of its subscriptions.
    subscriptions: Vec<u64>,
    shown: Arc<Shown>,
}

/// What a client's task sees of its place without the link's lock.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// Bytes of the receipts that it waits for.
    pub(super) owed: AtomicUsize,
    /// Subscriptions wait for it to take what there is.
    pub(super) is_paused: AtomicBool,
}

#[derive(Clone, Debug)]
struct Unacked {
    number: u64,
    subscription: u64,
    message_id: Box<str>,
    /// 1.2: what the broker wants to hear.
    ack: Option<Box<str>>,
    /// The open transaction that acknowledges it: nobody else may.
    transaction: Option<Box<str>>,
}

/// An open transaction of a client's.
#[derive(Debug, Default)]
struct Transaction {
    /// It acknowledges something in the window.
    acknowledges: bool,
    /// What it acknowledges of subscriptions that have ended since: it goes back if this is undone.
    orphans: Vec<(u64, Box<str>)>,
    /// What it says of deliveries, by their numbers, where the broker would do so at once.
    kept: Vec<(u64, Verb)>,
    /// Receipts that its frames asked for. If it is undone RabbitMQ gives none of them.
    receipts: Vec<u64>,
}

#[derive(Debug)]
struct Subscription {
    target: Target,
    /// All headers of its `SUBSCRIBE` but the receipt.
    headers: Vec<(Box<str>, Box<str>)>,
    ack: Ack,
    /// What the broker leaves out of destinations.
    prefix: &'static str,
    /// What the broker can't choose by.
    selector: Option<Arc<Selector>>,
    /// The broker makes it by itself, for a `reply-to`.
    is_implied: bool,
    /// How often the connection was lost before the broker had confirmed it.
    losses: u32,
    pause: Pause,
}

impl Subscription {
    /// Whether it is to a user's own destination.
    fn is_users(&self) -> bool {
        let destination = self
            .headers
            .iter()
            .find(|(name, _)| &**name == "destination");
        destination.is_some_and(|(_, it)| it.contains(kind::USERS))
    }
}

#[derive(Clone, Debug)]
enum Target {
    Topic(Arc<Topic>),
    Member { member: u64, id: Option<Box<str>> },
}

/// How deliveries of a subscription are acknowledged, as the client knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ack {
    /// The broker takes them for acknowledged when it sends them.
    None,
    /// By the gateway, when they are written to the client.
    WhenWritten,
    /// By the client.
    Client {
        /// One takes in all before it.
        cumulative: bool,
    },
}

/// What a receipt is for.
#[derive(Debug)]
enum Awaited {
    /// A client's own.
    Client {
        member: u64,
        receipt: Box<str>,
        verb: Verb,
    },
    /// A subscription's, and the client that asked for it too.
    Subscribed {
        subscription: u64,
        receipt: Option<Box<str>>,
    },
    /// All that a client sent has arrived.
    Barrier { member: u64 },
    /// A subscription has ended at the broker. `is_last`: and all that it had sent has come.
    Ended { subscription: u64, is_last: bool },
    /// The broker has that queue, as a client's frame asked for it.
    Declared { queue: Box<str> },
    /// A subscription is paused at the broker. `is_last`: and all that it had sent has come.
    Paused { subscription: u64, is_last: bool },
}

#[derive(Debug)]
struct Held {
    member: Option<u64>,
    verb: Verb,
    headers: Vec<(Box<str>, Box<str>)>,
    body: Vec<u8>,
    length: ContentLength,
}

impl Held {
    /// What it takes up, about.
    fn size(&self) -> usize {
        let headers = self.headers.iter().map(|(n, v)| n.len() + v.len());
        100 + self.body.len() + headers.sum::<usize>()
    }
}

impl State {
    pub(super) fn new(kind: UpstreamKind, is_own: bool, max_waiting: usize) -> Self {
        Self {
            kind,
            is_own,
            up: None,
            out: Vec::new(),
            held: VecDeque::new(),
            held_bytes: 0,
            waker: None,
            members: HashMap::new(),
            subscriptions: BTreeMap::new(),
            names: HashMap::new(),
            awaited: BTreeMap::new(),
            ending: HashMap::new(),
            deliveries: Deliveries::default(),
            fanned_out: 0,
            next: 1,
            is_closing: false,
            down_since: Some(Instant::now()),
            held_since: None,
            publish: Vec::new(),
            declared: Vec::new(),
            suspect: None,
            max_waiting,
        }
    }

    fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    /// Bytes that wait to be sent.
    pub(super) fn backlog(&self) -> usize {
        self.out.len() + self.held_bytes
    }

    /// A client comes.
    pub(super) fn join(
        &mut self,
        member: u64,
        outbox: Arc<Outbox>,
        dialect: Dialect,
    ) -> Arc<Shown> {
        let shown = Arc::new(Shown::default());
        let member_state = Member {
            outbox,
            dialect,
            transactions: HashMap::new(),
            window: VecDeque::new(),
            floor: 0,
            subscriptions: Vec::new(),
            shown: Arc::clone(&shown),
        };
        self.members.insert(member, member_state);
        shown
    }

    /// Writes a frame, or keeps it until there is a connection.
    fn put<'h>(
        &mut self,
        member: Option<u64>,
        verb: Verb,
        headers: impl Iterator<Item = (&'h str, &'h str)> + Clone,
        body: &[u8],
        length: ContentLength,
    ) -> Result<(), EncodeError> {
        if let Some(up) = self.up {
            return write(&mut self.out, up.dialect, verb, headers, body, length);
        }
        // What no version can write is refused now.
        encode(
            &mut Vec::new(),
            Dialect::V1_2,
            verb,
            headers.clone(),
            body,
            length,
        )?;
        let headers: Vec<(Box<str>, Box<str>)> =
            headers.map(|(n, v)| (n.into(), v.into())).collect();
        let held = Held {
            member,
            verb,
            headers,
            body: body.to_vec(),
            length,
        };
        self.held_bytes += held.size();
        self.held_since.get_or_insert_with(Instant::now);
        self.held.push_back(held);
        Ok(())
    }

    /// A frame of a client's that may have a receipt. `headers` have none.
    pub(super) fn request<'h>(
        &mut self,
        member: u64,
        verb: Verb,
        headers: impl Iterator<Item = (&'h str, &'h str)> + Clone,
        body: &[u8],
        length: ContentLength,
        receipt: Option<&str>,
    ) -> Result<(), EncodeError> {
        let Some(receipt) = receipt else {
            return self.put(Some(member), verb, headers, body, length);
        };
        let number = self.number();
        let text = number.to_string();
        let all = headers.map(shortened).chain([("receipt", text.as_str())]);
        self.put(Some(member), verb, all, body, length)?;
        if let Some(own) = self.members.get(&member) {
            own.shown
                .owed
                .fetch_add(RECEIPT + receipt.len(), Ordering::Relaxed);
        }
        let receipt = receipt.into();
        let awaited = Awaited::Client {
            member,
            receipt,
            verb,
        };
        self.awaited.insert(number, awaited);
        Ok(())
    }

    /// The name at the broker of a transaction that a client's frame is part of.
    ///
    /// # Errors
    ///
    /// It was open when the connection was lost.
    pub(super) fn open_transaction(
        &self,
        member: u64,
        id: &str,
        receipt: Option<&str>,
    ) -> Result<Box<str>, Box<Failure>> {
        match self.members.get(&member) {
            Some(own) if !own.transactions.contains_key(id) => {
                Err(Box::new(Failure::lost(receipt.map(Into::into))))
            }
            _ => Ok(self.transaction(member, id)),
        }
    }

    /// The name of a client's transaction at the broker.
    fn transaction(&self, member: u64, id: &str) -> Box<str> {
        match self.is_own {
            true => id.into(),
            false => format!("{member}-{id}").into(),
        }
    }

    pub(super) fn begin(
        &mut self,
        member: u64,
        id: &str,
        receipt: Option<&str>,
    ) -> Result<(), EncodeError> {
        let name = self.transaction(member, id);
        let headers = [("transaction", &*name)];
        let length = ContentLength::Auto;
        self.request(
            member,
            Verb::Begin,
            headers.into_iter(),
            b"",
            length,
            receipt,
        )?;
        if let Some(member) = self.members.get_mut(&member) {
            member
                .transactions
                .insert(id.into(), Transaction::default());
        }
        Ok(())
    }

    pub(super) fn end_transaction(
        &mut self,
        member: u64,
        id: &str,
        commits: bool,
        receipt: Option<&str>,
    ) -> Result<(), Box<Failure>> {
        let known = self
            .members
            .get_mut(&member)
            .and_then(|member| member.transactions.remove(id));
        let Some(transaction) = known else {
            // It was open when the connection was lost.
            return Err(Box::new(Failure::lost(receipt.map(Into::into))));
        };
        let mut kept = Vec::new();
        if transaction.acknowledges
            && let Some(member) = self.members.get_mut(&member)
        {
            if commits {
                kept = member.kept(&transaction.kept);
            }
            member.close_transaction(id, commits);
        }
        let name = self.transaction(member, id);
        let headers = [("transaction", &*name)];
        let verb = if commits { Verb::Commit } else { Verb::Abort };
        let length = ContentLength::Auto;
        self.request(member, verb, headers.into_iter(), b"", length, receipt)
            .map_err(|error| {
                Box::new(Failure::refused(
                    &error.to_string(),
                    receipt.map(Into::into),
                ))
            })?;
        self.acknowledge_kept(member, &kept);
        if !commits {
            self.give_receipts(member, &transaction.receipts);
            self.return_orphans(transaction.orphans);
        }
        Ok(())
    }

    /// The frame before was part of an open transaction: the receipt that it asked for is kept in mind.
    pub(super) fn keep_receipt(&mut self, member: u64, id: &str) {
        let number = self.next - 1;
        if let Some(Awaited::Client { .. }) = self.awaited.get(&number)
            && let Some(own) = self.members.get_mut(&member)
            && let Some(transaction) = own.transactions.get_mut(id)
        {
            transaction.receipts.push(number);
        }
    }

    /// A transaction is undone: nothing more becomes of its frames, whatever the broker says.
    fn give_receipts(&mut self, member: u64, numbers: &[u64]) {
        for number in numbers {
            let Some(Awaited::Client { receipt, .. }) = self.awaited.remove(number) else {
                continue;
            };
            self.given(member, &receipt);
            self.tell(Some(member), Item::Receipt(receipt));
        }
    }

    /// A client waits for one receipt less.
    fn given(&self, member: u64, receipt: &str) {
        if let Some(own) = self.members.get(&member) {
            own.shown
                .owed
                .fetch_sub(RECEIPT + receipt.len(), Ordering::Relaxed);
        }
    }

    /// A client leaves when all that it sent has arrived.
    pub(super) fn barrier(&mut self, member: u64) {
        let waits = || {
            let is_its =
                |it: &Awaited| matches!(it, Awaited::Client { member: of, .. } if *of == member);
            self.held.iter().any(|it| it.member == Some(member))
                || self.awaited.values().any(is_its)
        };
        if self.up.is_none() && !waits() {
            return self.tell(Some(member), Item::Bye);
        }
        if self.ask(Some(member), Awaited::Barrier { member }).is_err() {
            self.tell(Some(member), Item::Bye);
        }
    }

    /// Asks for a receipt that says no more than that all before it was taken.
    fn ask(&mut self, member: Option<u64>, awaited: Awaited) -> Result<(), EncodeError> {
        let asked = self.number();
        let (name, text) = (format!("bye-{asked}"), asked.to_string());
        let begin = [("transaction", name.as_str())];
        let abort = [("transaction", name.as_str()), ("receipt", text.as_str())];
        let length = ContentLength::Auto;
        self.put(member, Verb::Begin, begin.into_iter(), b"", length)?;
        self.put(member, Verb::Abort, abort.into_iter(), b"", length)?;
        self.awaited.insert(asked, awaited);
        Ok(())
    }

    /// A frame was written that makes a queue otherwise than others would. Once the broker has taken it
    /// that is known.
    pub(super) fn expect_queue(&mut self, queue: &str) {
        let queue = queue.into();
        // Numbers can always be written.
        let _ = self.ask(None, Awaited::Declared { queue });
    }

    /// A client is gone: what is its own ends.
    pub(super) fn leave(&mut self, member: u64) {
        if self.is_own {
            self.members.remove(&member);
            self.is_closing = true;
            return;
        }
        let Some(own) = self.members.get_mut(&member) else {
            return;
        };
        let subscriptions = std::mem::take(&mut own.subscriptions);
        let open: Vec<Box<str>> = own.transactions.keys().cloned().collect();
        if self.up.is_some() {
            for id in open {
                // It could be written when it began.
                let _ = self.end_transaction(member, &id, false, None);
            }
        }
        for number in subscriptions {
            // Numbers can always be written.
            let _ = self.end(number, &[], None);
        }
        if let Some(gone) = self.members.remove(&member) {
            self.return_unwritten(gone.window);
        }
        if self.up.is_none() {
            // Nobody stands for it any more; what was sent without a receipt may be lost.
            self.held.retain(|it| it.member != Some(member));
            self.held_since = self.held_since.filter(|_| !self.held.is_empty());
            self.held_bytes = self.held.iter().map(Held::size).sum();
            // All that it waited for before the loss was told; the rest is not sent now.
            self.awaited.retain(|_, awaited| match awaited {
                Awaited::Client { member: of, .. } | Awaited::Barrier { member: of } => {
                    *of != member
                }
                _ => true,
            });
        }
    }

    /// Whether a client still has to acknowledge that message.
    pub(super) fn holds(&self, member: u64, message_id: &str) -> bool {
        let member = self.members.get(&member);
        member.is_some_and(|it| it.window.iter().any(|it| *it.message_id == *message_id))
    }

    fn tell(&self, member: Option<u64>, item: Item) {
        if let Some(member) = member.and_then(|member| self.members.get(&member)) {
            member.outbox.post(|mail| match item {
                Item::Receipt(receipt) => mail.receipt(receipt),
                item => mail.items.push_back(item),
            });
        }
    }

    /// How many subscriptions there are at the broker.
    pub(super) fn subscriptions(&self) -> usize {
        self.subscriptions.len()
    }
}

/// Writes a frame for a broker.
///
/// # Errors
///
/// What its version can't express: in 1.0 also blanks around a header's name, which some take for nothing,
/// so that it would be another's.
fn write<'h>(
    out: &mut Vec<u8>,
    dialect: Dialect,
    verb: Verb,
    headers: impl Iterator<Item = (&'h str, &'h str)> + Clone,
    body: &[u8],
    length: ContentLength,
) -> Result<(), EncodeError> {
    let is_padded = |(name, _): &(&str, &str)| name.trim().len() < name.len();
    if dialect == Dialect::V1_0
        && let Some((name, _)) = headers.clone().find(is_padded)
    {
        return Err(EncodeError::Inexpressible {
            octet: b' ',
            at: name.find(char::is_whitespace).unwrap_or_default(),
            text: name.into(),
        });
    }
    encode(out, dialect, verb, first_of_each(headers), body, length)
}

/// Headers without those that are there already: the first entry counts (1.2, "Repeated Header
/// Entries"), and to some brokers the last one would.
fn first_of_each<'h>(
    headers: impl Iterator<Item = (&'h str, &'h str)> + Clone,
) -> impl Iterator<Item = (&'h str, &'h str)> + Clone {
    let all = headers.clone();
    let is_first = move |(at, (name, _)): &(usize, (&str, &str))| {
        !all.clone().take(*at).any(|(earlier, _)| earlier == *name)
    };
    headers
        .enumerate()
        .filter(is_first)
        .map(|(_, header)| header)
}

/// A header, for as long as others beside it live.
fn shortened<'s, 'h: 's>((name, value): (&'h str, &'h str)) -> (&'s str, &'s str) {
    (name, value)
}
