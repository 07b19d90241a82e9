//! What happens, for those who watch: readers of the admin listener's `/events`, and subscribers of
//! `/$SYS/events/KIND`.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde_json::{Map, Value, json};
use stompbox_broker::{ConnectionId, Event, Time, public_name};
use tokio::sync::broadcast;

/// How many events wait for a reader before it misses some.
const WAITING: usize = 1024;

/// All kinds of events.
pub(crate) const KINDS: [&str; 13] = [
    "connected",
    "dead-letter",
    "destination-created",
    "destination-removed",
    "disconnected",
    "draining",
    "error",
    "login-refused",
    "memory",
    "missed",
    "slow-consumer",
    "subscribed",
    "unsubscribed",
];

/// Something that happened, as it is written.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) kind: &'static str,
    /// One line of JSON, without its end.
    pub(crate) json: String,
}

/// Passes on what happens.
#[derive(Debug)]
pub(crate) struct Events {
    sender: broadcast::Sender<Arc<Line>>,
    /// Somebody is subscribed to them.
    watched: AtomicBool,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            sender: broadcast::Sender::new(WAITING),
            watched: AtomicBool::new(false),
        }
    }
}

impl Events {
    /// What happens from now on.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<Line>> {
        self.sender.subscribe()
    }

    /// Whether anybody wants to know.
    pub(crate) fn is_wanted(&self) -> bool {
        self.is_watched() || self.sender.receiver_count() > 0
    }

    /// Whether anybody is subscribed by STOMP.
    pub(crate) fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Relaxed)
    }

    pub(crate) fn set_watched(&self, watched: bool) {
        if self.is_watched() != watched {
            self.watched.store(watched, Ordering::Relaxed);
        }
    }

    /// Passes an event on to the readers, and gives it for the subscribers.
    pub(crate) fn send(
        &self,
        kind: &'static str,
        at: Time,
        detail: Map<String, Value>,
    ) -> Arc<Line> {
        let mut event = Map::new();
        event.insert("at".into(), at.into());
        event.insert("kind".into(), kind.into());
        event.extend(detail);
        let json = Value::Object(event).to_string();
        let line = Arc::new(Line { kind, json });
        // Nobody reads: so be it.
        let _ = self.sender.send(Arc::clone(&line));
        line
    }
}

/// A connection's id, as it is in `CONNECTED` too.
pub(crate) fn connection_id(run: &str, id: ConnectionId) -> String {
    format!("{run}-{}", id.number())
}

/// An object's fields.
pub(crate) fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// An event of the broker's: its kind, and what there is to say.
pub(crate) fn describe(run: &str, event: Event) -> Option<(&'static str, Map<String, Value>)> {
    let (kind, detail) = match event {
        Event::Subscribed {
            connection,
            subscription,
            destination,
        } => (
            "subscribed",
            json!({
                "connection": connection_id(run, connection),
                "subscription": subscription,
                "destination": public_name(&destination),
            }),
        ),
        Event::Unsubscribed {
            connection,
            subscription,
        } => (
            "unsubscribed",
            json!({
                "connection": connection_id(run, connection),
                "subscription": subscription,
            }),
        ),
        Event::Created { destination } => (
            "destination-created",
            json!({ "destination": public_name(&destination) }),
        ),
        Event::Removed { destination } => (
            "destination-removed",
            json!({ "destination": public_name(&destination) }),
        ),
        Event::SlowConsumer {
            connection,
            subscription,
            waiting,
        } => (
            "slow-consumer",
            json!({
                "connection": connection_id(run, connection),
                "subscription": subscription,
                "waiting": waiting,
            }),
        ),
        Event::DeadLetter {
            sequence,
            origin,
            reason,
        } => (
            "dead-letter",
            json!({
                "message_id": format!("{run}-{sequence}"),
                "origin": public_name(&origin),
                "reason": reason,
            }),
        ),
        Event::Memory { pressed } => ("memory", json!({ "pressed": pressed })),
        Event::Missed { count } => ("missed", json!({ "count": count })),
        _ => return None,
    };
    Some((kind, fields(detail)))
}
