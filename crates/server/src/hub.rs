//! The one place where connections meet: the broker, and a way to each connection.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use stompbox_broker::{Broker, ConnectionId, Delivery, Output};
use tokio::sync::mpsc;

/// What the hub tells a connection.
#[derive(Debug)]
pub(crate) enum Notice {
    /// Write this message.
    Deliver(Delivery),
    /// Close: the client is too slow for its topics.
    Overflow { limit: &'static str, value: usize },
}

/// The broker behind its lock. No lock is held across an await, and no command is long.
pub(crate) struct Hub {
    state: Mutex<State>,
}

struct State {
    broker: Broker,
    next_connection: ConnectionId,
    // Unbounded channels, but not unbounded: the broker hands out no more than `max_outstanding`
    // bytes to each connection.
    connections: HashMap<ConnectionId, mpsc::UnboundedSender<Notice>>,
}

impl Hub {
    pub(crate) fn new(config: stompbox_broker::Config) -> Self {
        let state = State {
            broker: Broker::new(config),
            next_connection: 1,
            connections: HashMap::new(),
        };
        Self {
            state: Mutex::new(state),
        }
    }

    /// Adds a connection.
    pub(crate) fn connect(&self) -> (ConnectionId, mpsc::UnboundedReceiver<Notice>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut state = self.lock();
        let id = state.next_connection;
        state.next_connection += 1;
        state.connections.insert(id, sender);
        state.broker.connect(id);
        (id, receiver)
    }

    /// Removes a connection; what it left goes on to others, and so does what it was handed and did
    /// not begin to write.
    pub(crate) fn disconnect(
        &self,
        id: ConnectionId,
        mut unwritten: mpsc::UnboundedReceiver<Notice>,
    ) {
        self.lock().connections.remove(&id);
        self.run(|broker| {
            broker.disconnect(id);
            while let Ok(notice) = unwritten.try_recv() {
                if let Notice::Deliver(delivery) = notice {
                    broker.give_back(delivery);
                }
            }
        });
    }

    /// Runs commands, then passes on what comes of them.
    pub(crate) fn run<T>(&self, commands: impl FnOnce(&mut Broker) -> T) -> T {
        let mut state = self.lock();
        let result = commands(&mut state.broker);
        while let Some(output) = state.broker.poll_output() {
            let (id, notice) = match output {
                Output::Deliver(id, delivery) => (id, Notice::Deliver(delivery)),
                Output::Overflow {
                    connection,
                    limit,
                    value,
                } => (connection, Notice::Overflow { limit, value }),
            };
            if let Some(sender) = state.connections.get(&id) {
                // A connection that has just ended is about to disconnect from the broker, which
                // then takes its messages back.
                let _ = sender.send(notice);
            }
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic in the broker would be a defect of ours; the others can still go on.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
