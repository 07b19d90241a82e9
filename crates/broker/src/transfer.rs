//! What is done to many of a queue's messages, in turns that are short: to drop them, to move them to
//! another destination, to send dead letters to where they died.

use std::sync::Arc;

use crate::{
    Broker, BrokerError, Identity, Message, Time,
    destination::{Purpose, Target, cut},
    names::public_name,
    queue::{Cursor, QueueKey},
    routing::Sender,
    selector::Selector,
    topic::TopicKey,
};

/// How many messages are looked at in one turn.
const TURN: usize = 256;

/// How many messages that stay are named.
const MOST_SKIPPED: usize = 100;

/// Headers of a dead letter that are about its death.
const OF_DEATH: [&str; 7] = [
    "x-death-reason",
    "x-death-queue",
    "x-death-count",
    "x-death-deliveries",
    "x-death-time",
    "x-death-hops",
    "original-destination",
];

/// Something that is being done to a queue's messages: see [`Broker::transfer`].
#[derive(Debug)]
pub struct Transfer {
    queue: QueueKey,
    name: Box<str>,
    what: What,
    selector: Option<Arc<Selector>>,
    /// The last message that was looked at, and the last one there was at the beginning.
    after: u64,
    until: u64,
    left: u64,
    done: u64,
    skipped: Vec<Skipped>,
    skipped_count: u64,
}

#[derive(Debug)]
enum What {
    Drop,
    Move(Box<str>),
    /// To where each says that it died.
    Replay(Option<Box<str>>),
}

/// A dead letter that stays where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The number of its `message-id`.
    pub sequence: u64,
    /// Why it stays.
    pub why: String,
}

/// How far a [`Transfer`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more to do.
    More,
    /// The next messages are only on disk, and are being read.
    Waits,
    /// All is done.
    Done,
}

/// Where a message goes.
enum Goal {
    Queue(QueueKey),
    Topic(TopicKey),
}

impl Transfer {
    fn new(broker: &mut Broker, queue: &str, what: What) -> Result<Self, BrokerError> {
        let name = cut(queue);
        let key = broker.queue_named(queue);
        let Some(it) = key.and_then(|key| broker.queues.get(key)) else {
            let topic = broker.topic_named(queue).is_some();
            return Err(match topic {
                true => BrokerError::InvalidDestination {
                    name,
                    reason: "is a topic, from which nothing can be taken",
                },
                false => BrokerError::NoSuchDestination { name },
            });
        };
        if it.log.is_some() && !matches!(what, What::Drop) {
            let reason = "is a stream, from which nothing can be taken";
            return Err(BrokerError::InvalidDestination { name, reason });
        }
        Ok(Self {
            queue: key.unwrap_or_default(),
            name: it.key.as_ref().into(),
            what,
            selector: None,
            after: 0,
            until: broker.next_sequence - 1,
            left: u64::MAX,
            done: 0,
            skipped: Vec::new(),
            skipped_count: 0,
        })
    }

    /// Drops messages that no consumer has.
    ///
    /// # Errors
    ///
    /// There is no such queue.
    pub fn drop_from(broker: &mut Broker, queue: &str) -> Result<Self, BrokerError> {
        Self::new(broker, queue, What::Drop)
    }

    /// Moves messages to another destination.
    ///
    /// # Errors
    ///
    /// There is no such queue, or nothing can go to the other.
    pub fn move_to(broker: &mut Broker, queue: &str, to: &str) -> Result<Self, BrokerError> {
        let transfer = Self::new(broker, queue, What::Move(to.into()))?;
        broker.check_goal(&transfer.name, to)?;
        Ok(transfer)
    }

    /// Sends dead letters to where each died, or to one destination, without the headers that say
    /// they were dead.
    ///
    /// # Errors
    ///
    /// There is no such queue, or nothing can go to the other.
    pub fn replay(broker: &mut Broker, queue: &str, to: Option<&str>) -> Result<Self, BrokerError> {
        let transfer = Self::new(broker, queue, What::Replay(to.map(Into::into)))?;
        if let Some(to) = to {
            broker.check_goal(&transfer.name, to)?;
        }
        Ok(transfer)
    }

    /// Of messages that a selector takes alone.
    ///
    /// # Errors
    ///
    /// It is no selector.
    pub fn select(mut self, broker: &mut Broker, selector: &str) -> Result<Self, BrokerError> {
        let compiled = broker.selectors.compile(selector);
        self.selector = compiled.map_err(|error| BrokerError::InvalidSelector {
            reason: error.to_string(),
        })?;
        Ok(self)
    }

    /// Of so many messages at most.
    #[must_use]
    pub fn at_most(mut self, count: u64) -> Self {
        self.left = count;
        self
    }

    /// How many messages it was done to.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Dead letters that stay where they are: the first hundred.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// How many these are.
    pub fn skipped_count(&self) -> u64 {
        self.skipped_count
    }

    fn skip(&mut self, sequence: u64, why: String) {
        self.skipped_count += 1;
        if self.skipped.len() < MOST_SKIPPED {
            self.skipped.push(Skipped { sequence, why });
        }
    }
}

impl Broker {
    /// Goes on with it for one turn.
    ///
    /// # Errors
    ///
    /// It can't go on: the store has failed or is full, or what messages go to is. What was done
    /// stays done.
    pub fn transfer(
        &mut self,
        transfer: &mut Transfer,
        now: Time,
    ) -> Result<Progress, BrokerError> {
        self.now = self.now.max(now);
        let result = self.turn_of(transfer);
        self.settle_turn();
        result
    }

    fn turn_of(&mut self, it: &mut Transfer) -> Result<Progress, BrokerError> {
        let drops = matches!(it.what, What::Drop);
        if !drops {
            self.check_room()?;
        }
        if self.queues.get(it.queue).is_some_and(|it| it.log.is_some()) {
            return Ok(self.drop_from_stream(it));
        }
        for _ in 0..TURN {
            let Some(queue) = self.queues.get(it.queue).filter(|_| it.left > 0) else {
                return Ok(Progress::Done);
            };
            let next = queue.messages.next_by_number(it.after);
            let Some((priority, entry)) = next.filter(|(_, next)| next.sequence <= it.until) else {
                return Ok(Progress::Done);
            };
            let sequence = entry.sequence;
            if entry.message.is_none() && (!drops || it.selector.is_some()) {
                self.load(it.queue, &Cursor::before(sequence));
                return Ok(Progress::Waits);
            }
            if !self.selects(it.selector.as_deref(), entry) {
                self.page_out(it.queue, priority, sequence);
                it.after = sequence;
                continue;
            }
            match &it.what {
                What::Drop => self.drop_one(it.queue, priority, sequence),
                What::Move(to) => {
                    let message = entry.message.clone();
                    let to = to.clone();
                    let goal = self.goal(&to, message.as_deref().map_or(0, Message::size))?;
                    // What is in a durable subscription's queue was sent to a topic.
                    let name = (!to.starts_with("/dsub/")).then_some(&*to);
                    let message = message.map(|it| it.with(name, &[]));
                    self.carry(it.queue, priority, sequence, goal, message);
                }
                What::Replay(to) => {
                    let Some(message) = entry.message.clone() else {
                        return Ok(Progress::Waits);
                    };
                    let place = match to {
                        Some(to) => Ok((to.clone(), to.clone())),
                        None => self.origin_of(&it.name, &message),
                    };
                    let (key, destination) = match place {
                        Ok(place) => place,
                        Err(why) => {
                            self.page_out(it.queue, priority, sequence);
                            it.skip(sequence, why);
                            it.after = sequence;
                            continue;
                        }
                    };
                    let goal = self.goal(&key, message.size())?;
                    let message = message.without(&destination, &OF_DEATH);
                    self.carry(it.queue, priority, sequence, goal, Some(message));
                }
            }
            it.after = sequence;
            it.left -= 1;
            it.done += 1;
        }
        Ok(Progress::More)
    }

    fn drop_one(&mut self, key: QueueKey, priority: u8, sequence: u64) {
        if let Some(entry) = self.queues[key].messages.take(priority, sequence) {
            self.left_queue(key, &entry);
            self.consumed(key, &entry, None);
        }
    }

    /// The oldest go, whatever a selector says: a stream has no holes.
    fn drop_from_stream(&mut self, it: &mut Transfer) -> Progress {
        for _ in 0..TURN {
            if self.queues[it.queue].loading {
                return Progress::Waits;
            }
            let Some(log) = self.queues[it.queue].log.as_mut().filter(|_| it.left > 0) else {
                return Progress::Done;
            };
            let Some(entry) = log.pop() else {
                return Progress::Done;
            };
            self.release(&entry);
            self.consumed(it.queue, &entry, None);
            it.left -= 1;
            it.done += 1;
        }
        Progress::More
    }

    /// Takes a message out of its queue and puts it where it goes. On disk it is always in one of
    /// them.
    fn carry(
        &mut self,
        from: QueueKey,
        priority: u8,
        sequence: u64,
        goal: Goal,
        message: Option<Message>,
    ) {
        let Some(message) = message.map(Arc::new) else {
            return;
        };
        let Some(entry) = self.queues[from].messages.take(priority, sequence) else {
            return;
        };
        self.left_queue(from, &entry);
        self.journal.begin_move();
        // Both are there and have room, and without a sender nothing else is refused.
        let _ = match goal {
            Goal::Queue(key) => self.enqueue(Sender::default(), key, &message),
            Goal::Topic(key) => {
                let name = Arc::clone(&self.topics[key].key);
                self.send_to_topic(Sender::default(), &name, &message, true)
            }
        };
        self.consumed(from, &entry, None);
        self.journal.end_move();
        self.send_letters();
    }

    /// Whether messages can go from a queue to a destination.
    fn check_goal(&self, from: &str, to: &str) -> Result<(), BrokerError> {
        let invalid = |reason| {
            let name = cut(to);
            Err(BrokerError::InvalidDestination { name, reason })
        };
        if from == to {
            return invalid("is where the messages are");
        }
        for prefix in ["/temp-", "/reply-", "/user/"] {
            if to.starts_with(prefix) {
                return invalid("is another's, and no goal");
            }
        }
        if to.starts_with("/dsub/") {
            return match self.queue_names.contains_key(to) {
                true => Ok(()),
                false => Err(BrokerError::NoSuchDestination { name: cut(to) }),
            };
        }
        let identity = Identity::default();
        let reader = self.reader(&identity, Purpose::Send, None);
        match &*self.targets(to, reader)? {
            // Spelt as it is kept: the destination that consumers see.
            [Target::Queue { key, .. } | Target::Topic { key }] if *key == to => Ok(()),
            [_] => invalid("is not spelt as /queue/NAME or /topic/NAME"),
            _ => invalid("is several"),
        }
    }

    /// Where messages go of which one has so many bytes. It is made if it is not there.
    fn goal(&mut self, to: &str, size: usize) -> Result<Goal, BrokerError> {
        if to.starts_with("/topic/") {
            let topic = self.topic(to)?;
            for binding in self.topics[topic].bindings.clone() {
                self.check_room_in(binding.queue, size)?;
            }
            return Ok(Goal::Topic(topic));
        }
        let queue = self.declare_queue(to, None)?;
        self.check_room_in(queue, size)?;
        Ok(Goal::Queue(queue))
    }

    /// Where a dead letter goes that is to live again, and the destination that it then has; or why
    /// it can't. Its headers may be anybody's, so they are believed only where letters of that queue
    /// come here.
    fn origin_of(&self, here: &str, letter: &Message) -> Result<(Box<str>, Box<str>), String> {
        let Some(origin) = letter.header("x-death-queue") else {
            return Err("it has no header x-death-queue, so it did not die here".into());
        };
        let known = self.queue_names.get(origin).copied();
        if origin.starts_with("/temp-") {
            return Err("it died in the temporary queue of a connection".into());
        }
        let goes_here = match known {
            Some(key) => self.dead_letters_of(key).as_deref() == Some(here),
            None => *crate::redelivery::dead_letter_queue(origin) == *here,
        };
        if !goes_here {
            let origin = cut(&public_name(origin));
            return Err(format!("the dead letters of {origin:?} do not come here"));
        }
        if origin.starts_with("/dsub/") {
            let destination = letter.header("original-destination");
            return match known {
                Some(_) => Ok((origin.into(), destination.unwrap_or(origin).into())),
                None => Err(format!(
                    "the durable subscription {:?} is gone",
                    cut(origin)
                )),
            };
        }
        self.check_goal(here, origin)
            .map_err(|error| error.to_string())?;
        Ok((origin.into(), origin.into()))
    }
}
