//! What happens to a connection, in words.

use futures_util::StreamExt as _;
use stompbox::{Client, Event};

use crate::frames::printable;

/// An event in words; `None`: it is told in another way.
pub(crate) fn text(event: &Event) -> Option<String> {
    let text = match event {
        Event::Connected {
            server,
            version,
            subscriptions,
            messages,
        } => format!(
            "connected again to {server}, STOMP {version}: {subscriptions} subscriptions restored, {messages} messages sent"
        ),
        Event::Disconnected { reason } => format!("the connection is lost: {reason}"),
        Event::Reconnecting {
            attempt,
            wait,
            last,
        } => {
            let last = last
                .as_ref()
                .map_or_else(String::new, |error| format!(" ({error})"));
            let wait = wait.as_secs_f64();
            format!("attempt {attempt} to connect in {wait:.1} s{last}")
        }
        Event::SlowConsumer {
            subscription,
            waiting,
        } => format!("{waiting} messages of {subscription} wait to be taken"),
        Event::Discarded { reason } => format!("not sent over the new connection: {reason}"),
        Event::Missed { events } => format!("{events} more events"),
        // Of an ERROR the loss that follows tells, of the end the command itself.
        _ => return None,
    };
    Some(printable(&text))
}

/// Tells on standard error how a connection is lost and made again.
pub(crate) fn tell(client: &Client) {
    let mut events = client.events();
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            let is_slow = matches!(event, Event::SlowConsumer { .. });
            if let Some(text) = text(&event).filter(|_| !is_slow) {
                eprintln!("stompbox: {text}");
            }
        }
    });
}
