//! The headers of `SUBSCRIBE` and `UNSUBSCRIBE`.

use super::{flag, invalid, number, queue::QueueHeaders};
use crate::{BrokerDialect, BrokerError, Time};

/// What happens to a topic's messages that a slow subscriber has no room for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum SlowPolicy {
    /// The subscriber gets an `ERROR` and is closed.
    #[default]
    Disconnect,
    /// Its oldest waiting messages go.
    DropHead,
    /// New messages pass it by.
    DropTail,
    /// A waiting message with the same value of this header is replaced by the new one.
    Conflate(Box<str>),
}

/// Where in a log a subscription starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// With the oldest message that is kept.
    First,
    /// With the newest that is kept.
    Last,
    /// With what comes.
    Next,
    /// With the message of that number, or the first after it.
    Sequence(u64),
    /// With the first message since that time.
    Since(Time),
}

/// How a message comes again after a `NACK` or the loss of its consumer; `None`: as configured.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RedeliveryHeaders {
    /// Most deliveries that may fail before the message is a dead letter; 0 or less: no limit.
    pub(crate) limit: Option<i64>,
    pub(crate) initial_delay: Option<Time>,
    pub(crate) delay: Option<Time>,
    pub(crate) exponential: Option<bool>,
    pub(crate) multiplier: Option<f64>,
    pub(crate) max_delay: Option<Time>,
}

/// What the headers of a `SUBSCRIBE` or `UNSUBSCRIBE` say.
#[derive(Debug, Default)]
pub(crate) struct SubscribeHeaders {
    pub(crate) selector: Option<Box<str>>,
    /// Most messages that are not acknowledged; `None`: the configured number; 0: no limit.
    pub(crate) credit_messages: Option<u64>,
    /// Most bytes of them; `None`: the configured number; 0: no limit.
    pub(crate) credit_bytes: Option<u64>,
    /// `durable:true`, `persistent:true`: durable under the subscription's own id.
    pub(crate) durable: bool,
    /// The name under which ActiveMQ and Artemis keep a durable subscription.
    pub(crate) durable_name: Option<Box<str>>,
    pub(crate) exclusive: bool,
    pub(crate) priority: i32,
    pub(crate) no_local: bool,
    pub(crate) browser: bool,
    /// `browser-end:false`: a browser that goes on with what comes.
    pub(crate) browser_stays: bool,
    pub(crate) start: Option<Start>,
    /// `include-seq`: the header that tells each message's number.
    pub(crate) include_sequence: Option<Box<str>>,
    /// `x-stream-filter`: values of `x-stream-filter-value` to see.
    pub(crate) stream_filter: Option<Box<[Box<str>]>>,
    pub(crate) match_unfiltered: bool,
    pub(crate) slow: Option<SlowPolicy>,
    /// `activemq.maximumPendingMessageLimit`: most messages that wait for a slow subscriber.
    pub(crate) pending_limit: Option<u64>,
    pub(crate) redelivery: RedeliveryHeaders,
    /// `x-queue-name`: the queue that keeps a durable subscription's messages.
    pub(crate) queue_name: Option<Box<str>>,
    /// `subscription-type` (Artemis): `true` for a topic.
    pub(crate) multicast: Option<bool>,
    pub(crate) queue: QueueHeaders,
    durable_rank: u8,
    conflate_key: Option<Box<str>>,
}

impl SubscribeHeaders {
    /// Reads them all.
    pub(crate) fn read<'h>(
        headers: impl Iterator<Item = (&'h str, &'h str)>,
        dialect: BrokerDialect,
    ) -> Result<Self, BrokerError> {
        let mut this = Self::default();
        for (name, value) in headers {
            this.take(name, value, dialect)?;
        }
        if let Some(SlowPolicy::Conflate(key)) = &mut this.slow
            && let Some(given) = this.conflate_key.take()
        {
            *key = given;
        }
        Ok(this)
    }

    fn take(&mut self, name: &str, value: &str, dialect: BrokerDialect) -> Result<(), BrokerError> {
        const MS: &str = "milliseconds";
        const COUNT: &str = "a number of messages";
        let given = || Some(value.into());
        match name {
            "selector" if self.selector.is_none() && !value.trim().is_empty() => {
                self.selector = given();
            }
            // RabbitMQ: 0 is no limit.
            "prefetch-count" => self.limit_messages(number(name, value, COUNT)?),
            "activemq.prefetchSize" if dialect == BrokerDialect::Artemis => {
                self.window(number(name, value, "a number of bytes")?);
            }
            "activemq.prefetchSize" => match number(name, value, COUNT)? {
                0 => {
                    return Err(invalid(
                        name,
                        value,
                        "at least 1: messages are not pulled here",
                    ));
                }
                count => self.limit_messages(count),
            },
            "consumer-window-size" => self.window(number(name, value, "a number of bytes")?),
            "credit" => {
                let (count, size) = value.split_once(',').unwrap_or((value, ""));
                self.limit_messages(number(name, count, COUNT)?);
                if !size.is_empty() {
                    self.limit_bytes(number(name, size, "messages, then bytes, as in 10,65536")?);
                }
            }
            "durable" | "persistent" => self.durable |= flag(name, value)?,
            "durable-subscription-name" => self.name_durable(3, value),
            "durable-subscriber-name" => self.name_durable(2, value),
            "activemq.subscriptionName" | "activemq.subcriptionName" => self.name_durable(1, value),
            "activemq.exclusive" | "exclusive" => self.exclusive |= flag(name, value)?,
            "activemq.priority" | "x-priority" => {
                self.priority = number(name, value, "a number")?;
            }
            "activemq.noLocal" | "no-local" => self.no_local |= flag(name, value)?,
            "browser" => self.browser |= flag(name, value)?,
            "browser-end" => self.browser_stays = !flag(name, value)?,
            "from-seq" => {
                self.start = Some(match number(name, value, "0, -1 or a number")? {
                    ..=-1_i64 => Start::Next,
                    0 => Start::First,
                    at => Start::Sequence(at as u64),
                });
            }
            "x-stream-offset" => {
                self.start = Some(stream_offset(value).ok_or_else(|| {
                    let expected = "first, last, next, offset=N or timestamp=T";
                    invalid(name, value, expected)
                })?);
            }
            "activemq.retroactive" => {
                let first = flag(name, value)?.then_some(Start::First);
                self.start = self.start.or(first);
            }
            "include-seq" => self.include_sequence = given(),
            "x-stream-filter" => {
                self.stream_filter = Some(value.split(',').map(Into::into).collect());
            }
            "x-stream-match-unfiltered" => self.match_unfiltered = flag(name, value)?,
            "overflow" => {
                self.slow = Some(match value {
                    "disconnect" => SlowPolicy::Disconnect,
                    "drop-head" => SlowPolicy::DropHead,
                    "drop-tail" | "reject" => SlowPolicy::DropTail,
                    "conflate" => SlowPolicy::Conflate("destination".into()),
                    _ => {
                        let expected = "disconnect, drop-head, drop-tail or conflate";
                        return Err(invalid(name, value, expected));
                    }
                });
            }
            "conflate-key" => self.conflate_key = given(),
            "activemq.maximumPendingMessageLimit" => {
                let limit: i64 = number(name, value, COUNT)?;
                self.pending_limit = u64::try_from(limit).ok();
                self.slow.get_or_insert(SlowPolicy::DropHead);
            }
            "x-delivery-limit" => {
                self.redelivery.limit = Some(number(name, value, "a number of deliveries")?);
            }
            // The first delivery is no redelivery.
            "activemq.maximumRedeliveries" => {
                let most: i64 = number(name, value, "a number of redeliveries")?;
                self.redelivery.limit = Some(if most < 0 { -1 } else { most.saturating_add(1) });
            }
            "activemq.initialRedeliveryDelay" => {
                self.redelivery.initial_delay = Some(number(name, value, MS)?);
            }
            "activemq.redeliveryDelay" => {
                self.redelivery.delay = Some(number(name, value, MS)?);
            }
            "activemq.useExponentialBackOff" => {
                self.redelivery.exponential = Some(flag(name, value)?);
            }
            "activemq.backOffMultiplier" => {
                let multiplier: f64 = number(name, value, "a number from 1 on")?;
                if !(1.0..=1000.0).contains(&multiplier) {
                    return Err(invalid(name, value, "a number from 1 on"));
                }
                self.redelivery.multiplier = Some(multiplier);
            }
            "activemq.maximumRedeliveryDelay" => {
                self.redelivery.max_delay = Some(number(name, value, MS)?);
            }
            "x-queue-name" => self.queue_name = given(),
            "subscription-type" => {
                self.multicast = Some(match value {
                    "MULTICAST" => true,
                    "ANYCAST" => false,
                    _ => return Err(invalid(name, value, "ANYCAST or MULTICAST")),
                });
            }
            // Users write it for `x-expires`.
            "expires" => self.queue.take("x-expires", value)?,
            _ if QueueHeaders::knows(name) => self.queue.take(name, value)?,
            _ => {}
        }
        Ok(())
    }

    /// Of several limits the strictest counts.
    fn limit_messages(&mut self, limit: u64) {
        self.credit_messages = Some(strictest(self.credit_messages, limit));
    }

    fn limit_bytes(&mut self, limit: u64) {
        self.credit_bytes = Some(strictest(self.credit_bytes, limit));
    }

    /// Artemis: 0 is one message at a time, -1 no limit.
    fn window(&mut self, bytes: i64) {
        match bytes {
            ..=-1 => self.limit_bytes(0),
            0 => self.limit_messages(1),
            bytes => self.limit_bytes(bytes as u64),
        }
    }

    fn name_durable(&mut self, rank: u8, value: &str) {
        if rank > self.durable_rank && !value.is_empty() {
            self.durable_rank = rank;
            self.durable_name = Some(value.into());
        }
    }
}

fn strictest(have: Option<u64>, limit: u64) -> u64 {
    match (have, limit) {
        (None | Some(0), limit) => limit,
        (Some(have), 0) => have,
        (Some(have), limit) => have.min(limit),
    }
}

fn stream_offset(value: &str) -> Option<Start> {
    match value {
        "first" => Some(Start::First),
        "last" => Some(Start::Last),
        "next" => Some(Start::Next),
        _ => match value.split_once('=')? {
            // RabbitMQ's offsets begin with 0, positions with 1.
            ("offset", at) => Some(Start::Sequence(at.parse::<u64>().ok()?.saturating_add(1))),
            // RabbitMQ counts seconds.
            ("timestamp", at) => Some(Start::Since(at.parse::<Time>().ok()?.checked_mul(1000)?)),
            _ => None,
        },
    }
}
