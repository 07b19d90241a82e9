//! Whether a transaction can be done as a whole, asked before any of it is.

use std::collections::BTreeMap;

use crate::{
    Broker, BrokerError, ConnectionId,
    connection::{Step, Transaction},
    declare::check_declared,
    destination::{Purpose, Target, cut},
    dialect::queue::{Overflow, QueueHeaders},
};

/// What a transaction does to one queue.
struct Load {
    options: QueueHeaders,
    messages: u64,
    bytes: u64,
    /// A consumer waits for a message: the first takes no room.
    first_is_free: bool,
}

impl Broker {
    /// Whether nothing will refuse any of a transaction's messages.
    ///
    /// # Errors
    ///
    /// What a message would be refused for, if it were sent alone after those before it.
    pub(crate) fn check_transaction(
        &self,
        id: ConnectionId,
        transaction: &Transaction,
    ) -> Result<(), BrokerError> {
        self.check_memory(transaction.bytes)?;
        let Some(connection) = self.connections.get(id) else {
            return Ok(());
        };
        let mut loads: BTreeMap<String, Load> = BTreeMap::new();
        let (mut new, mut later) = (0, 0);
        for step in &transaction.steps {
            let Step::Send(message) = step else { continue };
            self.check_store(message)?;
            let extras = message.extras.as_deref();
            let multicast = extras.and_then(|extras| extras.multicast);
            let reader = self.reader(&connection.identity, Purpose::Send, multicast);
            let destination = message.destination();
            let targets = self.targets(&destination, reader)?;
            if extras.is_some_and(|extras| extras.schedule.is_some()) {
                later += 1;
                continue;
            }
            let declared = extras.and_then(|extras| extras.queue.as_deref());
            for target in targets {
                if let Target::Queue { key, .. } = target {
                    let load = self.load_of(&mut loads, &mut new, &key, declared);
                    self.add_load(load, &key, declared, message.size() as u64)?;
                }
            }
        }
        let too_many = |what, limit| Err(BrokerError::TooMany { what, limit });
        if new > 0 && self.queues.len() + new > self.config.max_destinations {
            return too_many("queues", self.config.max_destinations);
        }
        if later > 0 && self.agenda.len() + later > self.config.max_scheduled {
            return too_many("scheduled messages", self.config.max_scheduled);
        }
        Ok(())
    }

    fn load_of<'l>(
        &self,
        loads: &'l mut BTreeMap<String, Load>,
        new: &mut usize,
        key: &str,
        declared: Option<&QueueHeaders>,
    ) -> &'l mut Load {
        loads.entry(key.to_owned()).or_insert_with(|| {
            let found = self.queue_names.get(key).map(|key| &self.queues[*key]);
            let Some(queue) = found else {
                *new += 1;
                return Load {
                    options: declared.cloned().unwrap_or_default(),
                    messages: 0,
                    bytes: 0,
                    first_is_free: false,
                };
            };
            Load {
                options: queue.options.clone(),
                messages: queue.messages.len() as u64,
                bytes: queue.messages.bytes(),
                first_is_free: queue.consumers.has_ready() && queue.messages.is_empty(),
            }
        })
    }

    fn add_load(
        &self,
        load: &mut Load,
        key: &str,
        declared: Option<&QueueHeaders>,
        bytes: u64,
    ) -> Result<(), BrokerError> {
        check_declared(key, &load.options, declared)?;
        if std::mem::take(&mut load.first_is_free) {
            return Ok(());
        }
        load.messages += 1;
        load.bytes += bytes;
        let drops = load.options.overflow.unwrap_or_default() == Overflow::DropHead;
        if drops || load.options.stream == Some(true) {
            return Ok(());
        }
        let limits = [
            ("x-max-length", load.options.max_length, load.messages),
            (
                "x-max-length-bytes",
                load.options.max_length_bytes,
                load.bytes,
            ),
        ];
        for (what, limit, value) in limits {
            if let Some(limit) = limit.filter(|limit| value > *limit) {
                let queue = cut(key);
                return Err(BrokerError::QueueFull { queue, what, limit });
            }
        }
        Ok(())
    }
}
