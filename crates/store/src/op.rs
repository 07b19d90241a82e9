use bytes::Bytes;

/// A change. Several make a [`commit`](crate::Store::commit).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// A message of a queue. One that has the same queue and id is replaced.
    Put {
        /// The queue's number.
        queue: u64,
        /// The message's number, greater than those before.
        id: u64,
        /// Whether it outlives the process. If not, it is only out of memory.
        durable: bool,
        /// How often it was delivered.
        deliveries: u32,
        /// For the broker; given back by [`Recovered`].
        priority: u8,
        /// For the broker, milliseconds since 1970, 0 for never; given back by [`Recovered`].
        expires: u64,
        /// Head and body, whatever they are. The same `Bytes` in several queues is stored once.
        data: Bytes,
    },
    /// Forgets a message. Of none it does nothing.
    Delete {
        /// The queue's number.
        queue: u64,
        /// The message's number.
        id: u64,
    },
    /// Remembers how often a message was delivered. Of none it does nothing.
    Delivered {
        /// The queue's number.
        queue: u64,
        /// The message's number.
        id: u64,
        /// How often it was delivered.
        deliveries: u32,
    },
    /// A definition: a queue, a durable subscription, a retained message, a schedule.
    Set {
        /// Its name.
        key: Box<str>,
        /// What it is.
        value: Bytes,
    },
    /// Forgets a definition. Of none it does nothing.
    Unset {
        /// Its name.
        key: Box<str>,
    },
}

/// A message that was found when the store was opened. Its data comes from
/// [`read`](crate::Store::read).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The queue's number.
    pub queue: u64,
    /// The message's number.
    pub id: u64,
    /// Milliseconds since 1970, 0 for never.
    pub expires: u64,
    /// How often it was delivered, as far as the store was told.
    pub deliveries: u32,
    /// Bytes of its data.
    pub size: u32,
    /// As it was put.
    pub priority: u8,
}

/// How much a store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Messages.
    pub messages: u64,
    /// Bytes of their data.
    pub bytes: u64,
    /// Bytes of the records that hold them, with what is not yet given back.
    pub stored: u64,
    /// Bytes that the files take of the disk; each call walks the directory for it.
    pub disk: u64,
}
