//! What must be true: where each message is, as far as somebody outside of the broker can know.

use std::collections::{BTreeMap, HashMap};

pub(crate) type Check<T = ()> = Result<T, String>;

/// Refusals after which a message is a dead letter.
pub(crate) const LIMIT: u16 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// In its queue.
    Queued,
    /// Handed out to that client for that subscription.
    Out { client: usize, subscription: usize },
    /// Consumed; `durable`: not even a crash brings it back.
    Settled { durable: bool },
    /// Acknowledged, or sent, in a transaction whose end is not known yet.
    Committing(usize),
}

/// Whether it is in its queue or has become a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Root,
    DeadLetter,
    Either,
}

/// A message in one queue.
#[derive(Clone, Debug)]
pub(crate) struct Copy {
    pub(crate) message: usize,
    pub(crate) queue: String,
    pub(crate) persistent: bool,
    /// Its queue was surely there.
    pub(crate) placed: bool,
    /// It must be seen, if it is not seen yet.
    pub(crate) certain: bool,
    /// Its producer was told that it is safe.
    pub(crate) receipted: bool,
    pub(crate) state: State,
    pub(crate) place: Place,
    /// How often it was surely seen by clients before, and how often it may have been.
    pub(crate) seen: u32,
    pub(crate) handed_out: u32,
    /// Refusals, at least and at most.
    pub(crate) failures: (u16, u16),
    pub(crate) sequence: Option<u64>,
    /// It was sent, or acknowledged, in that transaction.
    pub(crate) transaction: Option<usize>,
    pub(crate) acknowledged_in: Option<usize>,
    /// Its last consumer went, and perhaps had consumed it.
    pub(crate) perhaps_consumed: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) producer: usize,
    pub(crate) persistent: bool,
    pub(crate) priority: u8,
    /// Among what its producer sent; 0: it comes when it comes.
    pub(crate) order: usize,
    pub(crate) color: usize,
    pub(crate) group: Option<u64>,
    pub(crate) transaction: Option<usize>,
    /// It was sent while a transaction was being stored, and so done some time later.
    pub(crate) late: bool,
    pub(crate) expires: u64,
    pub(crate) not_before: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Open,
    /// COMMIT was sent.
    Committing,
    Committed,
    Aborted,
    /// COMMIT gave an error.
    Failed,
    /// Its client, or the broker, went before it was known.
    Unknown,
}

#[derive(Clone, Debug)]
pub(crate) struct Transaction {
    pub(crate) fate: Fate,
    pub(crate) sends: Vec<usize>,
    pub(crate) acks: Vec<usize>,
    pub(crate) steps: usize,
    /// Something that only a commit can have caused was seen.
    pub(crate) effect: bool,
    /// The store failed with it: nobody knows what is on disk.
    pub(crate) doubtful: bool,
    /// Something that a commit had consumed came again.
    pub(crate) returned: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selector {
    All,
    Is(usize),
    IsNot(usize),
}

impl Selector {
    pub(crate) fn takes(self, color: usize) -> bool {
        match self {
            Self::All => true,
            Self::Is(wanted) => wanted == color,
            Self::IsNot(other) => other != color,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Surely,
    Perhaps,
    Seen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Queue,
    Browser,
    Topic,
}

#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) client: usize,
    pub(crate) kind: Kind,
    /// Queues or topics; a `*` at the end stands for anything.
    pub(crate) names: Vec<String>,
    pub(crate) auto: bool,
    pub(crate) cumulative: bool,
    pub(crate) selector: Selector,
    pub(crate) no_local: bool,
    /// It may lose messages by its policy.
    pub(crate) drops: bool,
    pub(crate) open: bool,
    /// Of a topic: what it should see.
    pub(crate) expected: BTreeMap<usize, Expected>,
    /// The last in order by queue, producer and priority.
    last: HashMap<(String, usize, u8), usize>,
}

impl Subscription {
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn new(client: usize, kind: Kind, names: Vec<String>) -> Self {
        Self {
            client,
            kind,
            names,
            auto: true,
            cumulative: false,
            selector: Selector::All,
            no_local: false,
            drops: false,
            open: true,
            expected: BTreeMap::new(),
            last: HashMap::new(),
        }
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        self.names.iter().any(|own| match own.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => own == name,
        })
    }
}

/// What the broker hands out.
pub(crate) struct Handed<'a> {
    pub(crate) message: usize,
    pub(crate) sequence: u64,
    pub(crate) redeliveries: u32,
    pub(crate) queue: Option<&'a str>,
    /// The queue where it died.
    pub(crate) death: Option<&'a str>,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) sent: Vec<Sent>,
    pub(crate) copies: Vec<Copy>,
    by_message: HashMap<usize, Vec<usize>>,
    by_sequence: HashMap<u64, usize>,
    pub(crate) transactions: Vec<Transaction>,
    pub(crate) subscriptions: BTreeMap<usize, Subscription>,
    /// Durable subscriptions' queues, with topic and selector; true: known to exist.
    pub(crate) durables: BTreeMap<String, (String, Selector, bool)>,
    pub(crate) next_order: usize,
    /// A queue that may lose messages, since it is declared so.
    pub(crate) lossy: Option<&'static str>,
}

impl Model {
    pub(crate) fn copies_of(&self, message: usize) -> &[usize] {
        self.by_message.get(&message).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn add_copy(&mut self, mut copy: Copy) -> usize {
        if !self.is_known(&copy.queue) {
            (copy.certain, copy.placed) = (false, false);
        }
        let index = self.copies.len();
        self.by_message.entry(copy.message).or_default().push(index);
        self.copies.push(copy);
        index
    }

    /// Where a message to a topic goes now.
    pub(crate) fn sent_to_topic(
        &mut self,
        message: usize,
        client: usize,
        topic: &str,
        template: &Copy,
        certain: bool,
    ) {
        let color = self.sent[message].color;
        for subscription in self.subscriptions.values_mut() {
            if subscription.kind == Kind::Topic
                && subscription.open
                && subscription.matches(topic)
                && subscription.selector.takes(color)
                && !(subscription.no_local && subscription.client == client)
            {
                let expected = match certain && !subscription.drops {
                    true => Expected::Surely,
                    false => Expected::Perhaps,
                };
                subscription.expected.entry(message).or_insert(expected);
            }
        }
        for (queue, (of, selector, known)) in self.durables.clone() {
            if of == topic && selector.takes(color) {
                self.add_copy(Copy {
                    queue,
                    certain: template.certain && known,
                    placed: known,
                    ..template.clone()
                });
            }
        }
    }

    /// A message of a topic goes to a subscriber.
    pub(crate) fn topic_delivery(&mut self, key: usize, it: &Handed<'_>) -> Check {
        let committed = self.check_fate(it.message)?;
        let sent = &self.sent[it.message];
        let subscription = self.subscriptions.get_mut(&key).expect("it was made");
        if !subscription.selector.takes(sent.color) {
            return Err(format!(
                "subscription {key} does not select m{}",
                it.message
            ));
        }
        if subscription.no_local && subscription.client == sent.producer {
            return Err(format!("m{} came back to its sender", it.message));
        }
        let seen = subscription.expected.insert(it.message, Expected::Seen);
        match seen {
            // Of a transaction that takes effect with this very step.
            None if !committed && !sent.late => {
                return Err(format!("m{} was not for subscription {key}", it.message));
            }
            Some(Expected::Seen) if it.redeliveries == 0 && subscription.auto => {
                return Err(format!("m{} came to subscription {key} twice", it.message));
            }
            _ => {}
        }
        if it.redeliveries == 0 && sent.order > 0 {
            let at = ("topic".to_owned(), sent.producer, 0);
            in_order(subscription, at, sent.order, it.message)?;
        }
        Ok(())
    }

    /// A message of a queue is handed out. Gives its copy.
    pub(crate) fn delivery(&mut self, key: usize, it: &Handed<'_>, now: u64) -> Check<usize> {
        self.check_fate(it.message)?;
        let sent = self.sent[it.message].clone();
        if sent.expires != 0 && sent.expires <= now && it.death.is_none() {
            return Err(format!("m{} expired at {}", it.message, sent.expires));
        }
        if now < sent.not_before {
            return Err(format!("m{} is early: {}", it.message, sent.not_before));
        }
        let index = self.find(key, it)?;
        let subscription = self.subscriptions.get_mut(&key).expect("it was made");
        if it.death.is_none() && !subscription.selector.takes(sent.color) {
            return Err(format!(
                "subscription {key} does not select m{}",
                it.message
            ));
        }
        let copy = &mut self.copies[index];
        match copy.state {
            State::Queued => {}
            state => {
                return Err(format!(
                    "m{} came, which is {state:?}: {copy:?}",
                    it.message
                ));
            }
        }
        if it.death.is_some() && copy.place == Place::Either {
            (copy.seen, copy.handed_out) = (0, copy.handed_out);
        }
        if it.redeliveries < copy.seen || it.redeliveries > copy.handed_out {
            return Err(format!(
                "m{} says {} redeliveries, it was seen {} times and handed out {}: {copy:?}",
                it.message, it.redeliveries, copy.seen, copy.handed_out
            ));
        }
        copy.place = match it.death {
            Some(_) => Place::DeadLetter,
            None => Place::Root,
        };
        let fresh = copy.handed_out == 0 && it.death.is_none();
        copy.handed_out += 1;
        copy.perhaps_consumed = false;
        copy.state = State::Out {
            client: subscription.client,
            subscription: key,
        };
        if let Some(at) = copy.acknowledged_in.take()
            && self.transactions[at].fate == Fate::Unknown
        {
            self.transactions[at].returned = true;
        }
        if fresh && sent.order > 0 {
            // Who takes over a group gets what it left out before.
            let at = format!("{} {:?}", copy.queue, sent.group);
            let at = (at, sent.producer, sent.priority);
            in_order(subscription, at, sent.order, it.message)?;
        }
        Ok(index)
    }

    fn find(&mut self, key: usize, it: &Handed<'_>) -> Check<usize> {
        let of_message = self.copies_of(it.message);
        let found = match it.death {
            Some(queue) => of_message.iter().copied().find(|at| {
                self.copies[*at].queue == queue && self.copies[*at].place != Place::Root
            }),
            None => {
                let known = self
                    .by_sequence
                    .get(&it.sequence)
                    .copied()
                    .filter(|at| self.copies[*at].message == it.message);
                let fits = |at: &usize| {
                    let copy = &self.copies[*at];
                    copy.sequence.is_none() && Some(&*copy.queue) == it.queue
                };
                known.or_else(|| of_message.iter().copied().find(fits))
            }
        };
        // What was done late was perhaps done after a durable subscription was there.
        let durable = it.queue.filter(|queue| queue.starts_with("/dsub/"));
        let late = match (found, durable) {
            (None, Some(queue)) if self.sent[it.message].late => Some(self.add_copy(Copy {
                message: it.message,
                queue: queue.to_owned(),
                persistent: self.sent[it.message].persistent,
                placed: false,
                certain: false,
                receipted: false,
                state: State::Queued,
                place: Place::Root,
                seen: 0,
                handed_out: 0,
                failures: (0, 0),
                sequence: None,
                transaction: None,
                acknowledged_in: None,
                perhaps_consumed: false,
            })),
            _ => None,
        };
        let subscription = &self.subscriptions[&key];
        let of_message = self.copies_of(it.message);
        let Some(index) = found.or(late) else {
            let all: Vec<_> = of_message.iter().map(|at| &self.copies[*at]).collect();
            let names = &subscription.names;
            return Err(format!(
                "m{} is not for subscription {key} of {names:?}: {all:?}",
                it.message
            ));
        };
        let copy = &mut self.copies[index];
        if it.death.is_none() {
            if !subscription.matches(&copy.queue) || Some(&*copy.queue) != it.queue {
                return Err(format!("m{} came from another queue: {copy:?}", it.message));
            }
            copy.sequence = Some(it.sequence);
            self.by_sequence.insert(it.sequence, index);
        }
        Ok(index)
    }

    /// Only what was committed is seen. True: it was sent in a transaction.
    fn check_fate(&mut self, message: usize) -> Check<bool> {
        if message >= self.sent.len() {
            return Err(format!("m{message} was never sent"));
        }
        let Some(at) = self.sent[message].transaction else {
            return Ok(false);
        };
        let transaction = &mut self.transactions[at];
        match transaction.fate {
            Fate::Open | Fate::Aborted => {
                Err(format!("m{message} of transaction {at}: {transaction:?}"))
            }
            Fate::Failed if transaction.steps > 1 => {
                Err(format!("m{message} of failed transaction {at}"))
            }
            _ => {
                transaction.effect = true;
                Ok(true)
            }
        }
    }

    /// A client refuses a message.
    pub(crate) fn refused(&mut self, index: usize, requeue: bool) {
        let copy = &mut self.copies[index];
        copy.state = State::Queued;
        if copy.place == Place::DeadLetter {
            // They die no second death.
            if !requeue {
                copy.state = State::Settled { durable: false };
            }
            return;
        }
        copy.failures.0 += 1;
        copy.failures.1 += 1;
        if !requeue || copy.failures.0 >= LIMIT {
            copy.place = Place::DeadLetter;
            (copy.seen, copy.handed_out) = (0, 0);
        } else if copy.failures.1 >= LIMIT {
            copy.place = Place::Either;
            copy.seen = 0;
        }
    }

    /// There was an error for a refusal: perhaps nothing came of it.
    pub(crate) fn perhaps_refused(&mut self, index: usize) {
        let copy = &mut self.copies[index];
        copy.certain = false;
        copy.state = State::Queued;
        copy.failures.0 = copy.failures.0.saturating_sub(1);
        if copy.place == Place::DeadLetter {
            copy.place = Place::Either;
        }
        (copy.seen, copy.handed_out) = (0, copy.handed_out.max(1000));
    }

    /// A client has gone: what it was handed goes back.
    pub(crate) fn client_gone(&mut self, key: usize, client: &crate::client::Client) {
        for copy in &mut self.copies {
            match copy.state {
                State::Out { client, .. } if client == key => copy.state = State::Queued,
                _ => {}
            }
        }
        for index in &client.undrained.1 {
            let copy = &mut self.copies[*index];
            // A transient one may be on disk too, if memory is short.
            copy.certain = false;
            copy.perhaps_consumed = true;
        }
        for waiting in client.receipts.values() {
            if let crate::client::Waiting::Commit(at) = waiting {
                self.transactions[*at].fate = Fate::Unknown;
                for index in self.transactions[*at].acks.clone() {
                    let copy = &mut self.copies[index];
                    copy.certain = false;
                    copy.perhaps_consumed = true;
                    copy.state = State::Queued;
                }
            }
        }
        for subscription in &client.subscriptions {
            if let Some(it) = self.subscriptions.get_mut(subscription) {
                it.open = false;
            }
        }
    }

    /// Whether a queue is surely there, and keeps what it gets.
    fn is_known(&self, queue: &str) -> bool {
        self.lossy != Some(queue) && self.durables.get(queue).is_none_or(|it| it.2)
    }

    /// Messages are safe, says their receipt.
    pub(crate) fn safe(&mut self, copies: &[usize]) {
        for index in copies {
            let known = self.is_known(&self.copies[*index].queue);
            let copy = &mut self.copies[*index];
            let known = known && copy.placed && !copy.perhaps_consumed;
            copy.certain |= known;
            copy.receipted |= known && copy.persistent;
        }
    }

    pub(crate) fn committed(&mut self, at: usize) {
        self.transactions[at].fate = Fate::Committed;
        self.safe(&self.transactions[at].sends.clone());
        for index in self.transactions[at].acks.clone() {
            self.copies[index].state = State::Settled { durable: true };
        }
    }

    pub(crate) fn not_committed(&mut self, at: usize, doubtful: bool) -> Check {
        let transaction = &mut self.transactions[at];
        transaction.doubtful = doubtful;
        transaction.fate = Fate::Failed;
        if transaction.effect && transaction.steps > 1 {
            return Err(format!(
                "transaction {at} failed, and was seen: {transaction:?}"
            ));
        }
        let transaction = transaction.clone();
        for index in transaction.acks {
            let copy = &mut self.copies[index];
            if copy.state == State::Committing(at) {
                copy.state = State::Queued;
            }
        }
        Ok(())
    }

    pub(crate) fn returned(&mut self, index: usize, client: usize) {
        let copy = &mut self.copies[index];
        if matches!(copy.state, State::Out { client: by, .. } if by == client) {
            copy.state = State::Queued;
        }
    }

    /// All that is not settled of a subscription goes back.
    pub(crate) fn return_all(&mut self, indices: &[usize], key: usize) {
        for index in indices {
            let copy = &mut self.copies[*index];
            if matches!(copy.state, State::Out { subscription, .. } if subscription == key) {
                copy.state = State::Queued;
            }
        }
    }

    /// The store took nothing of a batch.
    pub(crate) fn batch_refused(&mut self) {
        for copy in &mut self.copies {
            if copy.persistent && !copy.receipted {
                copy.certain = false;
            }
        }
    }

    /// Nothing waits for the store: what is there, is on disk.
    pub(crate) fn quiet(&mut self) {
        for copy in &mut self.copies {
            match copy.state {
                State::Settled { .. } => copy.state = State::Settled { durable: true },
                _ => copy.receipted |= copy.persistent && copy.certain,
            }
        }
    }

    /// The broker's process is gone.
    pub(crate) fn crash(&mut self) {
        for transaction in &mut self.transactions {
            match transaction.fate {
                Fate::Open => transaction.fate = Fate::Aborted,
                Fate::Committing => transaction.fate = Fate::Unknown,
                Fate::Failed if transaction.doubtful => transaction.fate = Fate::Unknown,
                Fate::Unknown => {}
                _ => continue,
            }
            // What was seen before may have been in memory alone.
            (transaction.effect, transaction.returned) = (false, false);
        }
        for copy in &mut self.copies {
            copy.seen = 0;
            copy.failures = (0, copy.handed_out.min(100) as u16);
            if !copy.persistent {
                copy.state = State::Settled { durable: true };
                continue;
            }
            let in_doubt = copy.acknowledged_in.map(|at| &self.transactions[at]);
            copy.certain &= in_doubt.is_none_or(|it| it.fate != Fate::Unknown);
            match copy.state {
                State::Settled { durable: true } => continue,
                State::Settled { durable: false } | State::Committing(_) => copy.certain = false,
                _ => {}
            }
            copy.state = State::Queued;
            if !copy.receipted {
                copy.certain = false;
            }
            if copy.place != Place::Root && copy.handed_out == 0 {
                copy.place = Place::Either;
            } else if copy.place == Place::DeadLetter {
                // Its second place was perhaps not on disk.
                copy.place = Place::Either;
            }
            if copy.place == Place::Either {
                copy.handed_out = copy.handed_out.max(1000);
                copy.failures.1 = 100;
            }
            // A scheduled message is perhaps sent again, under another number.
            if !copy.certain || self.sent[copy.message].not_before > 0 {
                copy.sequence = None;
            }
        }
        self.by_sequence = self
            .copies
            .iter()
            .enumerate()
            .filter(|(_, copy)| copy.persistent && copy.certain)
            .filter_map(|(index, copy)| Some((copy.sequence?, index)))
            .collect();
        for subscription in self.subscriptions.values_mut() {
            subscription.open = false;
        }
    }

    /// Everything was drained.
    pub(crate) fn check_all_seen(&self, now: u64) -> Check {
        for copy in &self.copies {
            let sent = &self.sent[copy.message];
            let expired = sent.expires != 0 && sent.expires <= now;
            let settled = matches!(copy.state, State::Settled { .. });
            if copy.certain && !settled && !expired {
                return Err(format!("m{} is lost: {copy:?}, {sent:?}", copy.message));
            }
        }
        self.check_atomic()
    }

    /// Of each transaction all was seen, or nothing.
    fn check_atomic(&self) -> Check {
        for (at, transaction) in self.transactions.iter().enumerate() {
            // One SEND alone is refused with an error only, as it is without a transaction.
            let alone = transaction.steps <= 1;
            if transaction.fate != Fate::Unknown || !transaction.effect || alone {
                continue;
            }
            if transaction.returned {
                return Err(format!("transaction {at} is torn: {transaction:?}"));
            }
            for index in &transaction.sends {
                let copy = &self.copies[*index];
                let sent = &self.sent[copy.message];
                if copy.persistent
                    && copy.handed_out == 0
                    && sent.expires == 0
                    && copy.transaction == Some(at)
                    && copy.placed
                    && !matches!(copy.state, State::Settled { .. })
                {
                    return Err(format!("transaction {at} is torn: {copy:?}"));
                }
            }
        }
        Ok(())
    }
}

fn in_order(
    subscription: &mut Subscription,
    at: (String, usize, u8),
    order: usize,
    message: usize,
) -> Check {
    let last = subscription.last.entry(at.clone()).or_default();
    if *last >= order {
        return Err(format!(
            "m{message} is out of order: {order} came after {last} from {at:?}"
        ));
    }
    *last = order;
    Ok(())
}
