//! `SEND`: where a message goes.

use std::sync::Arc;

use crate::{
    Broker, BrokerError, ConnectionId, Identity, Message, Output,
    connection::Step,
    destination::{Purpose, Reader, Target, cut, parts},
    dialect::queue::Overflow,
    journal::{Kind, Put, RECOVERED, ReceiptKey},
    message::Entry,
    queue::QueueKey,
    redelivery::Death,
    selector::Selector,
    traffic::Count,
    view::Seen,
};

/// Who sent a message: its receipt, and whom its errors concern.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sender {
    pub(crate) connection: Option<ConnectionId>,
    /// Waits for what the message needs of the store.
    pub(crate) receipt: Option<ReceiptKey>,
}

impl Broker {
    pub(crate) fn send(
        &mut self,
        id: ConnectionId,
        transaction: Option<&str>,
        receipt: Option<Box<str>>,
        message: Arc<Message>,
    ) {
        if let Some(transaction) = transaction {
            let size = message.size();
            let result = self
                .check_send(id, &message)
                .and_then(|()| self.add_step(id, transaction, Step::Send(message), size));
            // A receipt asked for within a transaction is answered at once.
            return self.answer(id, result, receipt);
        }
        if let Err(error) = self.check_memory(message.size()) {
            return self.answer(id, Err(error), receipt);
        }
        if let Err(error) = self.check_store(&message) {
            return self.answer(id, Err(error), receipt);
        }
        let waits = self.journal.is_enabled() && message.persistent;
        let key = match &receipt {
            Some(_) if waits => Some(self.journal.receipt(id, receipt.clone(), false)),
            _ => None,
        };
        let sender = Sender {
            connection: Some(id),
            receipt: key,
        };
        let result = self.publish(sender, message);
        self.answer_stored(id, key, result, receipt);
    }

    /// Answers what may wait for the store, by the receipt of that key.
    pub(crate) fn answer_stored(
        &mut self,
        id: ConnectionId,
        key: Option<ReceiptKey>,
        result: Result<(), BrokerError>,
        receipt: Option<Box<str>>,
    ) {
        match (key, result) {
            (None, result) => self.answer(id, result, receipt),
            (Some(key), Ok(())) => self.await_receipt(id, key),
            (Some(key), Err(error)) => {
                self.journal.drop_receipt(key);
                self.answer(id, Err(error), receipt);
            }
        }
    }

    /// Gives a receipt if it waits for nothing; otherwise the connection waits for it.
    pub(crate) fn await_receipt(&mut self, id: ConnectionId, key: ReceiptKey) {
        if let Some(receipt) = self.journal.take_if_done(key) {
            if let Some(receipt) = receipt.id {
                self.connections.output(id, Output::Receipt(receipt));
            }
        } else if let Some(connection) = self.connections.get_mut(id) {
            connection.receipts += 1;
        }
    }

    /// Whether a message can be stored, if it is to be.
    #[inline]
    pub(crate) fn check_store(&self, message: &Message) -> Result<(), BrokerError> {
        if !message.persistent {
            return Ok(());
        }
        self.check_room()
    }

    /// Whether the store takes something new.
    pub(crate) fn check_room(&self) -> Result<(), BrokerError> {
        self.check_promises()?;
        if self.journal.is_full(self.now) {
            let reason = "it was full a moment ago".into();
            return Err(BrokerError::StorageFull { reason });
        }
        Ok(())
    }

    /// Whether a message's destinations can be sent to.
    pub(crate) fn check_send(
        &self,
        id: ConnectionId,
        message: &Message,
    ) -> Result<(), BrokerError> {
        let Some(connection) = self.connections.get(id) else {
            return Ok(());
        };
        let multicast = message.extras.as_ref().and_then(|extras| extras.multicast);
        let reader = self.reader(&connection.identity, Purpose::Send, multicast);
        self.targets(&message.destination(), reader).map(|_| ())
    }

    /// Sends a message to all its destinations, now or when it is to be.
    pub(crate) fn publish(
        &mut self,
        sender: Sender,
        message: Arc<Message>,
    ) -> Result<(), BrokerError> {
        let Some(extras) = &message.extras else {
            return self.route_from(sender, &message);
        };
        if let Some(reply) = extras.temp_reply.clone()
            && let Some(id) = sender.connection
        {
            self.open_reply(id, &reply)?;
        }
        if let Some(schedule) = extras.schedule.clone() {
            if let Some(id) = sender.connection {
                self.check_send(id, &message)?;
            }
            return self.schedule(sender, message, schedule);
        }
        self.route_from(sender, &message)
    }

    #[inline]
    fn route_from(&mut self, sender: Sender, message: &Arc<Message>) -> Result<(), BrokerError> {
        let destination = message.destination();
        // Most destinations: they mean the same to everybody. One with a line break in it has
        // escapes.
        let name = destination.as_bytes();
        if !message.is_escaped()
            && memchr::memchr3(b',', b'*', b'#', name).is_none()
            && memchr::memchr2(b'>', b'%', name).is_none()
        {
            if destination.starts_with("/queue/") && destination.len() > 7 {
                return self.send_to_queue(sender, &destination, message);
            }
            if destination.starts_with("/topic/") && destination.len() > 7 {
                return self.send_to_topic(sender, &destination, message, true);
            }
        }
        let identity = sender
            .connection
            .and_then(|id| self.connections.get(id))
            .map(|connection| connection.identity.clone())
            .unwrap_or_default();
        self.route(sender, &identity, message)
    }

    /// Sends a message to each of its destinations.
    pub(crate) fn route(
        &mut self,
        sender: Sender,
        identity: &Identity,
        message: &Arc<Message>,
    ) -> Result<(), BrokerError> {
        let destination = message.destination();
        let multicast = message.extras.as_ref().and_then(|extras| extras.multicast);
        let reader = self.reader(identity, Purpose::Send, multicast);
        let targets = self.targets(&destination, reader)?;
        let several = targets.len() > 1;
        for target in targets {
            let message = &target.message(message, several);
            match target {
                Target::Queue { key, .. } => self.send_to_queue(sender, &key, message)?,
                Target::Topic { key } => self.send_to_topic(sender, &key, message, true)?,
                // `parse` refuses them for a SEND.
                Target::Queues(_) | Target::Topics(_) | Target::Durable { .. } => {}
            }
        }
        Ok(())
    }

    /// All that a `SEND`'s destination names, each once.
    ///
    /// # Errors
    ///
    /// One of them means nothing, or is not there and can't be made. An answer to somebody who is
    /// gone is no error, which would end the connection of whoever answers: it goes nowhere.
    pub(crate) fn targets<'d>(
        &self,
        destination: &'d str,
        reader: Reader<'_>,
    ) -> Result<Vec<Target<'d>>, BrokerError> {
        let mut targets = Vec::new();
        for part in parts(destination, reader.dialect) {
            let target = Target::parse(part, reader)?;
            if let Target::Queue { key, must_exist } = &target
                && (*must_exist || key.starts_with("/temp-queue/"))
                && !self.queue_names.contains_key(&**key)
            {
                if part.starts_with("/reply-queue/") {
                    continue;
                }
                return Err(BrokerError::NoSuchDestination { name: cut(part) });
            }
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        Ok(targets)
    }

    #[inline]
    fn send_to_queue(
        &mut self,
        sender: Sender,
        key: &str,
        message: &Arc<Message>,
    ) -> Result<(), BrokerError> {
        let found = self.queue_names.get(key).copied();
        let declared = message
            .extras
            .as_ref()
            .and_then(|extras| extras.queue.as_deref());
        let queue = match (found, declared) {
            (Some(queue), None) => queue,
            (_, declared) => {
                let queue = self.declare_queue(key, declared.cloned().as_ref())?;
                self.define_declared(queue);
                queue
            }
        };
        self.enqueue(sender, queue, message)
    }

    /// Adds a message to a queue, and hands it out if somebody waits for one.
    #[inline]
    pub(crate) fn enqueue(
        &mut self,
        sender: Sender,
        key: QueueKey,
        message: &Arc<Message>,
    ) -> Result<(), BrokerError> {
        let mut entry = self.entry(message);
        if !self.fit(sender, key, &mut entry)? {
            return Ok(());
        }
        let queue = &mut self.queues[key];
        queue.idle_since = None;
        queue.traffic.add(Count::In, 1, self.now);
        let position = self.queues[key].log.as_mut().map(|log| log.reserve());
        if message.persistent {
            if self.journal.is_enabled() {
                entry.stored = self.store_at(sender, key, &entry, true, position);
            } else if self.journal.failure().is_some() {
                // Producers are refused: it was scheduled or died, and is still on disk as that.
                entry.stored = RECOVERED;
            }
        }
        if let Some(position) = position {
            self.append(key, position, entry);
        } else if let Some(entry) = self.hand_over(key, entry) {
            self.keep(key, entry);
        }
        Ok(())
    }

    /// Makes a message fit what its queue is declared to be. False: it goes nowhere.
    #[inline]
    pub(crate) fn fit(
        &mut self,
        sender: Sender,
        key: QueueKey,
        entry: &mut Entry,
    ) -> Result<bool, BrokerError> {
        let queue = &self.queues[key];
        if entry.expires == 0 && queue.options.is_plain() {
            return Ok(true);
        }
        self.adjust(key, entry);
        self.make_room(sender, key, entry)
    }

    /// Gives a message the time and priority that its queue allows.
    pub(crate) fn adjust(&self, key: QueueKey, entry: &mut Entry) {
        let queue = &self.queues[key];
        if let Some(ttl) = queue.options.message_ttl {
            let at = self.now.saturating_add(ttl).max(1);
            if entry.expires == 0 || at < entry.expires {
                entry.expires = at;
            }
        }
        if let Some(most) = queue.options.max_priority {
            entry.priority = entry.priority.min(most);
        }
    }

    /// Makes room for a message in a queue that has a limit. False: it goes nowhere.
    pub(crate) fn make_room(
        &mut self,
        sender: Sender,
        key: QueueKey,
        entry: &mut Entry,
    ) -> Result<bool, BrokerError> {
        let queue = &self.queues[key];
        if queue.log.is_some() {
            return Ok(true);
        }
        let size = u64::from(entry.size);
        let max_length = queue.options.max_length;
        let max_bytes = queue.options.max_length_bytes;
        let overflow = queue.options.overflow.unwrap_or_default();
        // One that is handed out at once takes no room.
        if queue.consumers.has_ready() && queue.messages.is_empty() {
            return Ok(true);
        }
        let excess = |queue: &crate::queue::Queue| {
            let messages = &queue.messages;
            if max_length.is_some_and(|most| messages.len() as u64 + 1 > most) {
                return Some(("x-max-length", max_length));
            }
            let too_big = max_bytes.is_some_and(|most| messages.bytes() + size > most);
            too_big.then_some(("x-max-length-bytes", max_bytes))
        };
        while let Some((what, limit)) = excess(&self.queues[key]) {
            match overflow {
                Overflow::DropHead => match self.queues[key].messages.pop_least() {
                    Some(oldest) => {
                        self.left_queue(key, &oldest);
                        self.die(key, oldest, Death::Overflow, None);
                    }
                    None => return Ok(false),
                },
                Overflow::Reject | Overflow::RejectDeadLetter => {
                    let queue = self.queues[key].key.to_string();
                    if overflow == Overflow::RejectDeadLetter
                        && let Some(message) = entry.message.take()
                    {
                        let refused = Entry {
                            message: Some(message),
                            stored: 0,
                            ..entry.clone()
                        };
                        self.die(key, refused, Death::Overflow, None);
                    }
                    if sender.connection.is_none() {
                        return Ok(false);
                    }
                    let limit = limit.unwrap_or_default();
                    return Err(BrokerError::QueueFull { queue, what, limit });
                }
            }
        }
        Ok(true)
    }

    /// Puts a message that nobody takes now in its place in the queue.
    pub(crate) fn keep(&mut self, key: QueueKey, mut entry: Entry) {
        if entry.stored != 0 {
            // It was handed out when there was no room for it in the store.
            if self.journal.was_lost(entry.stored) && entry.message.is_some() {
                entry.stored = self.store(Sender::default(), key, &entry, true);
            }
            self.journal.hurry();
        }
        if entry.expires != 0 {
            self.queues[key].expiring.insert(entry.expiry());
            self.expiring.insert(key);
        }
        self.hold(&entry);
        let (priority, sequence) = (entry.priority, entry.sequence);
        self.waiting.0 += 1;
        self.waiting.1 += u64::from(entry.size);
        self.queues[key].messages.insert(entry);
        self.page_out(key, priority, sequence);
        if self.queues[key].consumers.has_readers() {
            self.read_on_all(key);
        }
    }

    /// A message was taken out of a queue.
    #[inline]
    pub(crate) fn left_queue(&mut self, key: QueueKey, entry: &Entry) {
        self.release(entry);
        self.no_longer_waits(entry);
        if entry.expires != 0 {
            self.queues[key].expiring.remove(&entry.expiry());
        }
        if self.queues[key].messages.is_empty() {
            self.idle_queues.insert(key);
        }
    }

    /// One message less waits in queues.
    #[inline]
    pub(crate) fn no_longer_waits(&mut self, entry: &Entry) {
        self.waiting.0 = self.waiting.0.saturating_sub(1);
        self.waiting.1 = self.waiting.1.saturating_sub(u64::from(entry.size));
    }

    /// Has a message stored. Gives the number of the operation.
    pub(crate) fn store(
        &mut self,
        sender: Sender,
        key: QueueKey,
        entry: &Entry,
        durable: bool,
    ) -> u64 {
        self.store_at(sender, key, entry, durable, None)
    }

    /// The same for a message of a stream, which has a position and no deliveries.
    pub(crate) fn store_at(
        &mut self,
        sender: Sender,
        key: QueueKey,
        entry: &Entry,
        durable: bool,
        position: Option<u64>,
    ) -> u64 {
        let Some(message) = &entry.message else {
            return entry.stored;
        };
        // What lives no longer than a connection needs not survive it.
        if durable && matches!(self.queues[key].life, crate::queue::Life::Connection(_)) {
            return 0;
        }
        let queue = self.store_id(key);
        let put = Put {
            key,
            queue,
            id: entry.sequence,
            priority: entry.priority,
            expires: entry.expires,
            deliveries: match position {
                Some(position) => u32::try_from(position).unwrap_or(u32::MAX),
                None => entry.deliveries,
            },
            durable,
            message: Arc::clone(message),
            place: position.map(|position| (self.now, position)),
            sender: sender.connection.filter(|_| sender.receipt.is_none()),
        };
        self.journal
            .push(Kind::Put(put), sender.receipt, false, self.now)
    }

    /// Whether a selector takes a message; without one everything is taken.
    pub(crate) fn selects(&self, selector: Option<&Selector>, entry: &Entry) -> bool {
        let (Some(selector), Some(message)) = (selector, &entry.message) else {
            return true;
        };
        selector.matches(&Seen::new(message, entry, &self.run))
    }
}
