use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use crate::{
    BrokerDialect, BrokerError, Command, Config, Message, Output, Time, consumers::SubscriptionKey,
    message::Entry, queue::QueueKey, subscription::Origin,
};

/// A connection, as [`Broker::connect`](crate::Broker::connect) numbered it; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub(crate) u64);

impl ConnectionId {
    /// The number of its place, which a later connection may have again.
    pub fn index(self) -> usize {
        (self.0 & 0xffff_ffff) as usize
    }

    /// The id of that number, which may be nobody's.
    pub fn of_number(number: u64) -> Self {
        Self(number)
    }

    /// The number, which no other connection of this broker has or had.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// Who connects.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// The login; empty if there is none.
    pub login: Box<str>,
    /// The login was proved, by a passcode or otherwise: what belongs to a login is its own alone.
    pub proven: bool,
    /// Although others have proved who they are, it may read their durable subscriptions: a rule
    /// lets it.
    pub reads_others: bool,
    /// The `client-id` header; empty if there is none.
    pub client_id: Box<str>,
    /// Its own dialect, if it is not that of all.
    pub dialect: Option<BrokerDialect>,
    /// What nobody can guess, and never the same: it names the connection's temporary
    /// destinations.
    pub reply_token: Box<str>,
    /// 1.0 and 1.1: messages are acknowledged by `message-id`.
    pub acks_by_message_id: bool,
}

impl Identity {
    /// In which dialect it is read: its own, or that of all.
    pub fn reads_as(&self, config: &Config) -> BrokerDialect {
        self.dialect.unwrap_or(config.dialect)
    }
}

/// A delivery that is to be acknowledged.
#[derive(Debug)]
pub(crate) struct Unacked {
    pub(crate) subscription: SubscriptionKey,
    pub(crate) origin: Origin,
    pub(crate) entry: Entry,
    pub(crate) cumulative: bool,
}

/// What a transaction will do.
#[derive(Debug)]
pub(crate) enum Step {
    Send(Arc<Message>),
    Ack {
        tag: u64,
        consumed: bool,
        requeue: bool,
    },
}

#[derive(Debug, Default)]
pub(crate) struct Transaction {
    pub(crate) steps: Vec<Step>,
    pub(crate) bytes: usize,
}

/// A persistent message in auto mode that is not known to be written to its client: until then it
/// stays in the store.
#[derive(Debug)]
pub(crate) struct Unwritten {
    /// It is written when so many bytes of the connection are.
    pub(crate) end: u64,
    pub(crate) queue: QueueKey,
    /// `None`: up to here others may be that are not stored, of a subscription that has ended. Its
    /// queue waits for what comes back of them.
    pub(crate) entry: Option<Entry>,
}

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) identity: Identity,
    pub(crate) subscriptions: HashMap<Box<str>, SubscriptionKey>,
    pub(crate) transactions: HashMap<Box<str>, Transaction>,
    pub(crate) unacked: Window,
    /// 1.0 and 1.1: the tag of a message's delivery to a subscription.
    pub(crate) tags: BTreeMap<(u64, SubscriptionKey), u64>,
    /// Bytes handed out and not yet written to the client.
    pub(crate) outstanding: usize,
    /// All bytes ever handed out, and ever written.
    pub(crate) handed_out: u64,
    pub(crate) written: u64,
    pub(crate) unwritten: VecDeque<Unwritten>,
    /// Subscriptions that wait for room.
    pub(crate) blocked: Vec<SubscriptionKey>,
    pub(crate) outputs: VecDeque<Output>,
    /// Listed among the connections that have outputs.
    pub(crate) dirty: bool,
    /// It got an `ERROR`: nothing more is done for it.
    pub(crate) failed: bool,
    /// It has gone, or got its end: nothing more is handed out to it.
    pub(crate) over: bool,
    /// It is slow for its topics; when it last took something.
    pub(crate) progressed: Time,
    /// Commands that wait until a transaction is on disk.
    pub(crate) suspended: Option<VecDeque<Command>>,
    /// Receipts that are still to be given.
    pub(crate) receipts: usize,
    /// The `ERROR` that ends it, which comes after the receipts of what is being stored.
    pub(crate) last_error: Option<(BrokerError, Option<Box<str>>)>,
    /// `DISCONNECT` came; with its receipt.
    pub(crate) quitting: Option<Option<Box<str>>>,
    pub(crate) temporary: Vec<QueueKey>,
    /// It was told to pause before it reads more.
    pub(crate) paused: bool,
}

impl Connection {
    pub(crate) fn new(identity: Identity, now: Time) -> Self {
        Self {
            identity,
            subscriptions: HashMap::new(),
            transactions: HashMap::new(),
            unacked: Window::default(),
            tags: BTreeMap::new(),
            outstanding: 0,
            handed_out: 0,
            written: 0,
            unwritten: VecDeque::new(),
            blocked: Vec::new(),
            outputs: VecDeque::new(),
            dirty: false,
            failed: false,
            over: false,
            progressed: now,
            suspended: None,
            receipts: 0,
            last_error: None,
            quitting: None,
            temporary: Vec::new(),
            paused: false,
        }
    }

    pub(crate) fn take_unacked(&mut self, tag: u64) -> Option<Unacked> {
        let unacked = self.unacked.remove(tag)?;
        if self.identity.acks_by_message_id {
            let key = (unacked.entry.sequence, unacked.subscription);
            self.tags.remove(&key);
        }
        Some(unacked)
    }
}

/// Deliveries that wait for an acknowledgement, by tag. Most are acknowledged in about the order
/// of their tags; a few that are not must not hold room for all that came after.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// The tag of the first in `recent`, less one.
    base: u64,
    recent: VecDeque<Option<Unacked>>,
    /// Stragglers.
    old: BTreeMap<u64, Unacked>,
    len: usize,
}

impl Window {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds the next; gives its tag, from 1 on.
    #[inline]
    pub(crate) fn push(&mut self, unacked: Unacked) -> u64 {
        if self.recent.len() > 1024 && self.recent.len() > 4 * self.len {
            for unacked in self.recent.drain(..) {
                self.base += 1;
                if let Some(unacked) = unacked {
                    self.old.insert(self.base, unacked);
                }
            }
        }
        self.recent.push_back(Some(unacked));
        self.len += 1;
        self.base + self.recent.len() as u64
    }

    pub(crate) fn get(&self, tag: u64) -> Option<&Unacked> {
        match tag.checked_sub(self.base + 1) {
            Some(at) => self.recent.get(usize::try_from(at).ok()?)?.as_ref(),
            None => self.old.get(&tag),
        }
    }

    #[inline]
    pub(crate) fn remove(&mut self, tag: u64) -> Option<Unacked> {
        let found = match tag.checked_sub(self.base + 1) {
            Some(at) => {
                let found = self.recent.get_mut(usize::try_from(at).ok()?)?.take();
                while let Some(None) = self.recent.front() {
                    self.recent.pop_front();
                    self.base += 1;
                }
                found
            }
            None => self.old.remove(&tag),
        }?;
        self.len -= 1;
        if self.len == 0 && self.recent.capacity() > 1024 {
            self.recent = VecDeque::new();
        }
        Some(found)
    }

    pub(crate) fn entries_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        let recent = self.recent.iter_mut().flatten();
        let all = self.old.values_mut().chain(recent);
        all.map(|unacked| &mut unacked.entry)
    }

    /// The tags, and what waits for them, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Unacked)> {
        let recent = (self.base + 1..).zip(&self.recent);
        self.old
            .iter()
            .map(|(tag, unacked)| (*tag, unacked))
            .chain(recent.filter_map(|(tag, unacked)| Some((tag, unacked.as_ref()?))))
    }
}

/// The connections, by number.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    places: Vec<(u32, Option<Box<Connection>>)>,
    free: Vec<u32>,
    /// Those that have outputs.
    pub(crate) dirty: Vec<ConnectionId>,
}

impl Connections {
    pub(crate) fn add(&mut self, connection: Connection) -> ConnectionId {
        let connection = Some(Box::new(connection));
        let index = match self.free.pop() {
            Some(index) => {
                let place = &mut self.places[index as usize];
                place.0 = place.0.wrapping_add(1);
                place.1 = connection;
                index
            }
            None => {
                self.places.push((1, connection));
                self.places.len() as u32 - 1
            }
        };
        ConnectionId(u64::from(self.places[index as usize].0) << 32 | u64::from(index))
    }

    #[inline]
    pub(crate) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        let (generation, connection) = self.places.get(id.index())?;
        connection
            .as_deref()
            .filter(|_| u64::from(*generation) == id.0 >> 32)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let (generation, connection) = self.places.get_mut(id.index())?;
        connection
            .as_deref_mut()
            .filter(|_| u64::from(*generation) == id.0 >> 32)
    }

    pub(crate) fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        self.get(id)?;
        let connection = self.places[id.index()].1.take()?;
        self.free.push(id.index() as u32);
        Some(*connection)
    }

    pub(crate) fn ids(&self) -> Vec<ConnectionId> {
        let places = self.places.iter().enumerate();
        places
            .filter(|(_, (_, connection))| connection.is_some())
            .map(|(index, (generation, _))| {
                ConnectionId(u64::from(*generation) << 32 | index as u64)
            })
            .collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// All of them have places before this.
    pub(crate) fn places(&self) -> usize {
        self.places.len()
    }

    /// Who is at a place.
    pub(crate) fn at(&self, place: usize) -> Option<(ConnectionId, &Connection)> {
        let (generation, connection) = self.places.get(place)?;
        let id = ConnectionId(u64::from(*generation) << 32 | place as u64);
        Some((id, connection.as_deref()?))
    }

    /// Gives a connection something to do.
    #[inline]
    pub(crate) fn output(&mut self, id: ConnectionId, output: Output) {
        if let Some(connection) = self.get_mut(id) {
            connection.outputs.push_back(output);
            if !std::mem::replace(&mut connection.dirty, true) {
                self.dirty.push(id);
            }
        }
    }

    /// Ends a connection with an error; nothing more is done for it.
    pub(crate) fn fail(&mut self, id: ConnectionId, error: BrokerError, receipt: Option<Box<str>>) {
        if let Some(connection) = self.get_mut(id)
            && !std::mem::replace(&mut connection.failed, true)
            && !connection.over
        {
            if connection.receipts > 0 {
                connection.last_error = Some((error, receipt));
            } else {
                self.output(id, Output::Error { error, receipt });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unacked(sequence: u64) -> Unacked {
        Unacked {
            subscription: 0,
            origin: Origin::Own,
            entry: Entry {
                sequence,
                message: None,
                size: 0,
                deliveries: 0,
                failures: 0,
                priority: 4,
                expires: 0,
                stored: 0,
                arrived: 0,
            },
            cumulative: false,
        }
    }

    #[test]
    fn a_straggler_holds_no_room_for_others() {
        let mut window = Window::default();
        let first = window.push(unacked(1));
        for sequence in 2..100_000 {
            let tag = window.push(unacked(sequence));
            assert_eq!(tag, sequence);
            assert_eq!(window.remove(tag).map(|u| u.entry.sequence), Some(sequence));
        }
        assert!(window.recent.len() < 5000);
        assert_eq!(window.iter().map(|(tag, _)| tag).collect::<Vec<_>>(), [1]);
        assert_eq!(window.get(first).map(|u| u.entry.sequence), Some(1));
        assert!(window.remove(first).is_some());
        assert!(window.remove(first).is_none());
        assert_eq!(window.len(), 0);
    }
}
