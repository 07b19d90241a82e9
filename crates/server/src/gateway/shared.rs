//! What may go by a connection that clients share: nothing for which its broker would close that, and end
//! what all others have on it. RabbitMQ 3.10, ActiveMQ 6.1 and Artemis 2.55 close one for what is said
//! here; of others nobody knows.

use super::{
    config::UpstreamKind,
    kind::{Purpose, is_pattern},
};

/// Whether the rest of a destination, behind `/queue/` or `/topic/`, needs a connection of its own with
/// brokers other than RabbitMQ.
pub(super) fn is_own_name(purpose: Purpose, is_topic: bool, rest: &str) -> bool {
    let is_blank = |part: &str| part.trim().is_empty() || part.trim().len() < part.len();
    rest.contains(char::is_control)
        || rest.contains("::")
        || rest.contains('?')
        || rest.split(',').any(is_blank)
        // Artemis's own, and what is built in elsewhere.
        || rest.starts_with("activemq.")
        || rest.starts_with('$')
        || ((purpose == Purpose::Send || !is_topic) && is_pattern(rest))
}

/// Headers that are a broker's alone to write. Some let a client's through, and then nobody knows whose a
/// message is: they are not passed on.
pub(super) fn is_brokers(kind: UpstreamKind, name: &str) -> bool {
    match name {
        "subscription" | "ack" | "redelivered" | "JMSXUserID" | "JMSXDeliveryCount" => true,
        // RabbitMQ itself refuses it.
        "message-id" => kind != UpstreamKind::Rabbitmq,
        _ => false,
    }
}

/// Whether a message with that header needs a connection of its own.
pub(super) fn is_own_message(kind: UpstreamKind, name: &str, value: &str) -> bool {
    match kind {
        _ if is_brokers(kind, name) => false,
        UpstreamKind::Rabbitmq => is_own_at_rabbitmq(name, value),
        UpstreamKind::Activemq | UpstreamKind::Artemis | UpstreamKind::Hornetq => {
            is_own_in_jms(name, value)
        }
        UpstreamKind::Generic => {
            let is_other = match name {
                "ttl" | "x-delay" | "retain-ttl" => !is_long(value),
                "persistent" => !matches!(value, "true" | "false"),
                "retain" => true,
                _ => false,
            };
            is_other || is_own_at_rabbitmq(name, value) || is_own_in_jms(name, value)
        }
    }
}

fn is_own_at_rabbitmq(name: &str, value: &str) -> bool {
    match name {
        "priority" => value.parse::<u8>().is_err(),
        "expiration" => value.parse::<u32>().is_err(),
        "timestamp" => value.parse::<u64>().is_err(),
        "user-id" | "message-id" => true,
        // Further routing keys, which it takes from lists alone.
        "CC" | "BCC" => true,
        name => is_of_queue(name),
    }
}

fn is_own_in_jms(name: &str, value: &str) -> bool {
    match name {
        "priority" => value.parse::<i8>().is_err(),
        "expires" | "timestamp" => !is_long(value),
        "AMQ_SCHEDULED_DELAY" | "AMQ_SCHEDULED_PERIOD" | "AMQ_SCHEDULED_TIME" => !is_long(value),
        "JMSXGroupSeq" | "AMQ_SCHEDULED_REPEAT" => {
            !value.parse::<i32>().is_ok_and(|number| number >= 0)
        }
        "JMSXGroupID" => false,
        // What else brokers keep for themselves.
        name => ["JMS", "AMQ_", "_AMQ", "__AMQ"]
            .iter()
            .any(|prefix| name.starts_with(prefix)),
    }
}

/// A number of milliseconds, as Java reads it.
fn is_long(value: &str) -> bool {
    value.parse::<i64>().is_ok_and(|number| number >= 0)
}

/// Whether RabbitMQ makes a queue by that header that is not as it makes it without any.
pub(super) fn is_of_queue(name: &str) -> bool {
    is_queue_argument(name) || matches!(name, "durable" | "auto-delete" | "exclusive")
}

/// Headers that RabbitMQ takes for arguments of the queue.
fn is_queue_argument(name: &str) -> bool {
    name.strip_prefix("x-").is_some_and(|rest| {
        rest == "expires"
            || rest == "overflow"
            || rest == "message-ttl"
            || rest == "queue-name"
            || rest == "single-active-consumer"
            || rest.starts_with("dead-letter-")
            || rest.starts_with("max-")
            || rest.starts_with("queue-")
            || rest.starts_with("stream-")
            || rest.starts_with("quorum-")
            || rest.starts_with("delivery-limit")
            || rest.starts_with("initial-cluster-size")
    })
}

/// Whether a subscription with that header needs a connection of its own: also for what the connection's
/// own identity, or the broker's own queue, stands behind.
pub(super) fn is_own_subscription(
    kind: UpstreamKind,
    is_topic: bool,
    name: &str,
    value: &str,
) -> bool {
    if kind == UpstreamKind::Rabbitmq && (is_of_queue(name) || name == "x-priority") {
        return true;
    }
    match name {
        // What it browses is not acknowledged.
        "browser" => value.trim() != "false",
        "durable" | "persistent" | "exclusive" | "auto-delete" => value.trim() != "false",
        "activemq.subscriptionName"
        | "activemq.subcriptionName"
        | "durable-subscriber-name"
        | "durable-subscription-name"
        | "x-queue-name" => true,
        // Topics that are shared are subscribed to without any of their clients' headers.
        _ if is_topic => false,
        // Each broker has grammar of its own. ActiveMQ keeps a connection on which one is wrong.
        "selector" => !matches!(kind, UpstreamKind::Activemq | UpstreamKind::Rabbitmq),
        "id" | "destination" | "ack" | "receipt" | "content-length" => false,
        "prefetch-count" | "activemq.prefetchSize" | "prefetch" | "x-prefetch" => {
            kind != UpstreamKind::Rabbitmq && !value.parse::<u32>().is_ok_and(|count| count > 0)
        }
        "activemq.priority" | "activemq.maximumPendingMessageLimit" => value.parse::<i8>().is_err(),
        "activemq.exclusive"
        | "activemq.noLocal"
        | "activemq.retroactive"
        | "activemq.dispatchAsync" => !matches!(value, "true" | "false"),
        // It sets whatever it finds by such a name.
        name if name.starts_with("activemq.") => true,
        _ => kind == UpstreamKind::Generic,
    }
}

/// Whether a subscription's header may go by a shared connection: RabbitMQ would close that for some.
pub(super) fn is_shared_subscription(kind: UpstreamKind, name: &str) -> bool {
    kind != UpstreamKind::Rabbitmq || name == "prefetch-count"
}

#[cfg(test)]
mod tests {
    use UpstreamKind::{Activemq, Artemis, Generic, Rabbitmq};

    use super::*;

    #[test]
    fn messages_that_could_close_a_shared_connection_are_known() {
        for (kind, name, value) in [
            (Rabbitmq, "expiration", "abc"),
            (Rabbitmq, "priority", "-1"),
            (Rabbitmq, "user-id", "bob"),
            (Rabbitmq, "x-max-length", "5"),
            (Rabbitmq, "x-queue-type", "stream"),
            (Rabbitmq, "CC", "abc"),
            (Rabbitmq, "durable", "false"),
            (Rabbitmq, "message-id", "1"),
            (Artemis, "priority", "abc"),
            (Artemis, "_AMQ_ROUTING_TYPE", "abc"),
            (Artemis, "AMQ_SCHEDULED_DELAY", ""),
            (Activemq, "expires", "tomorrow"),
            (Activemq, "timestamp", "99999999999999999999"),
            (Activemq, "AMQ_SCHEDULED_CRON", "0 * * * *"),
            (Activemq, "AMQ_SCHEDULED_PERIOD", "-1"),
            (Activemq, "JMSXGroupSeq", "abc"),
            (Activemq, "JMSReplyTo", ""),
            (Generic, "x-max-length", "abc"),
            (Generic, "ttl", "abc"),
            (Generic, "persistent", "yes"),
        ] {
            assert!(is_own_message(kind, name, value), "{kind} {name}:{value}");
        }
        for (kind, name, value) in [
            (Rabbitmq, "expiration", "60000"),
            (Rabbitmq, "priority", "9"),
            (Rabbitmq, "x-request-id", "1"),
            (Activemq, "AMQ_SCHEDULED_DELAY", "1000"),
            (Activemq, "JMSXGroupID", "abc"),
            (Activemq, "priority", "9"),
            (Artemis, "expires", "1790000000000"),
            (Generic, "mine", "abc"),
        ] {
            assert!(!is_own_message(kind, name, value), "{kind} {name}:{value}");
        }
    }

    #[test]
    fn subscriptions_that_could_close_a_shared_connection_are_known() {
        let queue = |kind, name, value| is_own_subscription(kind, false, name, value);
        assert!(queue(Artemis, "selector", "(("));
        assert!(!queue(Activemq, "selector", "(("));
        assert!(queue(Activemq, "activemq.nosuch", "1"));
        assert!(!queue(Activemq, "activemq.exclusive", "true"));
        assert!(queue(Generic, "x-stream-offset", "abc"));
        assert!(queue(Generic, "browser", "abc"));
        assert!(!queue(Generic, "ack", "client"));
        assert!(!is_own_subscription(Generic, true, "selector", "(("));
        assert!(is_own_subscription(Generic, true, "durable", "true"));
    }

    #[test]
    fn names_that_could_close_a_shared_connection_are_known() {
        for name in [
            " ",
            "a,",
            ",",
            "a\nb",
            "a::b",
            "activemq.management",
            "a?b",
            "$x",
        ] {
            assert!(is_own_name(Purpose::Subscribe, true, name), "{name}");
        }
        assert!(is_own_name(Purpose::Send, true, "a.*"));
        assert!(is_own_name(Purpose::Subscribe, false, "a.*"));
        assert!(!is_own_name(Purpose::Subscribe, true, "a.*"));
        for name in ["a", "a.b/c", "a,b", "a b", "ä:b"] {
            assert!(!is_own_name(Purpose::Send, false, name), "{name}");
        }
    }
}
