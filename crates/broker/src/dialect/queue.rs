//! The headers, RabbitMQ's `x-` arguments among them, that say what a queue is like.

use super::{flag, invalid, number};
use crate::{BrokerError, Time, pattern::Pattern};

/// What happens to a message that a full queue has no room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Overflow {
    /// The oldest goes.
    #[default]
    DropHead,
    /// The new one is refused.
    Reject,
    /// The new one is refused and goes to the dead letters.
    RejectDeadLetter,
}

/// What a queue is declared to be. `None`: not said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct QueueHeaders {
    /// `x-message-ttl`: milliseconds that a message may wait.
    pub(crate) message_ttl: Option<Time>,
    /// `x-expires`: milliseconds after which an unused queue goes, with its messages.
    pub(crate) expires: Option<Time>,
    /// `x-max-length`: messages.
    pub(crate) max_length: Option<u64>,
    /// `x-max-length-bytes`.
    pub(crate) max_length_bytes: Option<u64>,
    /// `x-overflow`.
    pub(crate) overflow: Option<Overflow>,
    /// `x-max-priority`: higher ones count as this one.
    pub(crate) max_priority: Option<u8>,
    /// Where dead letters go; `/topic/` alone: to the topic that has the queue's name.
    pub(crate) dead_letter: Option<Box<str>>,
    /// `x-delivery-limit`.
    pub(crate) delivery_limit: Option<u32>,
    /// `x-single-active-consumer`.
    pub(crate) single_active: Option<bool>,
    /// `auto-delete`: the queue goes with its last consumer.
    pub(crate) auto_delete: Option<bool>,
    /// `x-queue-type: stream`: a log that is read and not consumed.
    pub(crate) stream: Option<bool>,
    /// `x-max-age`: milliseconds that a stream keeps a message.
    pub(crate) max_age: Option<Time>,
    /// `x-dead-letter-exchange:amq.topic`.
    dead_letter_topic: bool,
    /// `x-dead-letter-routing-key`, as it was written.
    dead_letter_key: Option<Box<str>>,
}

impl QueueHeaders {
    /// Whether the header is one of these.
    pub(crate) fn knows(name: &str) -> bool {
        name.starts_with("x-") || name == "auto-delete"
    }

    /// Takes a header; unknown ones mean nothing.
    pub(crate) fn take(&mut self, name: &str, value: &str) -> Result<(), BrokerError> {
        const MS: &str = "milliseconds";
        match name {
            "x-message-ttl" => self.message_ttl = Some(number(name, value, MS)?),
            "x-expires" => self.expires = Some(number(name, value, MS)?),
            "x-max-length" => self.max_length = Some(number(name, value, "a number of messages")?),
            "x-max-length-bytes" => {
                self.max_length_bytes = Some(number(name, value, "a number of bytes")?);
            }
            "x-max-priority" => {
                let priority: u64 = number(name, value, "a number from 0 to 10")?;
                self.max_priority = Some(priority.min(10) as u8);
            }
            "x-overflow" => {
                self.overflow = Some(match value {
                    "drop-head" => Overflow::DropHead,
                    "reject-publish" => Overflow::Reject,
                    "reject-publish-dlx" => Overflow::RejectDeadLetter,
                    _ => {
                        let expected = "drop-head, reject-publish or reject-publish-dlx";
                        return Err(invalid(name, value, expected));
                    }
                });
            }
            "x-dead-letter-exchange" => {
                match value {
                    // RabbitMQ's default exchange: the routing key is a queue's name.
                    "" => {}
                    "amq.topic" => self.dead_letter_topic = true,
                    _ => return Err(invalid(name, value, "nothing or amq.topic")),
                }
                self.name_dead_letter();
            }
            "x-dead-letter-routing-key" => {
                let bare = value.trim_start_matches("/queue/");
                let bare = bare.trim_start_matches("/topic/");
                if bare.is_empty()
                    || bare.starts_with('/')
                    || bare.contains(['\n', '\r', ','])
                    || Pattern::parse(value).is_some()
                {
                    let expected = "a name, or /queue/NAME or /topic/NAME";
                    return Err(invalid(name, value, expected));
                }
                self.dead_letter_key = Some(value.into());
                self.name_dead_letter();
            }
            "x-delivery-limit" => {
                self.delivery_limit = Some(number(name, value, "a number of deliveries")?);
            }
            "x-single-active-consumer" => self.single_active = Some(flag(name, value)?),
            "auto-delete" => self.auto_delete = Some(flag(name, value)?),
            "x-queue-type" => match value {
                "stream" => self.stream = Some(true),
                "classic" | "quorum" => self.stream = Some(false),
                _ => return Err(invalid(name, value, "classic, quorum or stream")),
            },
            "x-max-age" => {
                self.max_age = Some(age(value).ok_or_else(|| {
                    invalid(name, value, "a number and a unit of Y, M, D, h, m, s")
                })?);
            }
            _ => {}
        }
        Ok(())
    }

    fn name_dead_letter(&mut self) {
        let kind = if self.dead_letter_topic {
            "topic"
        } else {
            "queue"
        };
        self.dead_letter = match self.dead_letter_key.as_deref() {
            Some(key) if key.starts_with('/') => Some(key.into()),
            Some(key) => Some(format!("/{kind}/{key}").into()),
            // The messages' own names, as topics.
            None if self.dead_letter_topic => Some("/topic/".into()),
            None => None,
        };
    }

    /// The first argument of a later declaration that differs from what the queue has, with both
    /// values. What the later one does not say differs from nothing.
    pub(crate) fn conflict(&self, later: &Self) -> Option<(&'static str, String, String)> {
        let have = self.lines();
        for (name, said) in later.lines() {
            let has = have.iter().find(|(other, _)| *other == name);
            let has = has.map_or_else(|| default_of(name), |(_, value)| value);
            // Who made a queue knows when it is to go.
            if name != "auto-delete" && has != said {
                return Some((name, has.to_owned(), said));
            }
        }
        None
    }

    /// What is said, as headers.
    pub(crate) fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = Vec::new();
        let mut line = |name, value: Option<String>| lines.extend(value.map(|it| (name, it)));
        line("x-message-ttl", self.message_ttl.map(|it| it.to_string()));
        line("x-expires", self.expires.map(|it| it.to_string()));
        line("x-max-length", self.max_length.map(|it| it.to_string()));
        let bytes = self.max_length_bytes.map(|it| it.to_string());
        line("x-max-length-bytes", bytes);
        let overflow = self.overflow.map(|it| match it {
            Overflow::DropHead => "drop-head",
            Overflow::Reject => "reject-publish",
            Overflow::RejectDeadLetter => "reject-publish-dlx",
        });
        line("x-overflow", overflow.map(str::to_owned));
        line("x-max-priority", self.max_priority.map(|it| it.to_string()));
        let exchange = self.dead_letter_topic.then(|| "amq.topic".to_owned());
        line("x-dead-letter-exchange", exchange);
        let key = self.dead_letter_key.as_deref().map(str::to_owned);
        line("x-dead-letter-routing-key", key);
        let limit = self.delivery_limit.map(|it| it.to_string());
        line("x-delivery-limit", limit);
        let single = self.single_active.map(|it| it.to_string());
        line("x-single-active-consumer", single);
        line("auto-delete", self.auto_delete.map(|it| it.to_string()));
        let kind = self.stream.map(|it| if it { "stream" } else { "classic" });
        line("x-queue-type", kind.map(str::to_owned));
        let age = self.max_age.map(|it| format!("{}s", it / 1000));
        line("x-max-age", age);
        lines
    }

    /// Lines as in a head, for the store.
    pub(crate) fn to_text(&self) -> String {
        let lines = self.lines().into_iter();
        lines
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect()
    }

    /// What [`to_text`](Self::to_text) wrote.
    pub(crate) fn from_text(text: &str) -> Self {
        let mut headers = Self::default();
        for (name, value) in text.lines().filter_map(|line| line.split_once(':')) {
            // It was good when it was written.
            let _ = headers.take(name, value);
        }
        headers
    }

    /// Whether nothing is said.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether messages are taken as they are, however many.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.message_ttl.is_none()
            && self.max_length.is_none()
            && self.max_length_bytes.is_none()
            && self.max_priority.is_none()
    }
}

/// What a queue is that was not declared otherwise.
fn default_of(argument: &str) -> &'static str {
    match argument {
        "x-overflow" => "drop-head",
        "x-single-active-consumer" => "false",
        "x-queue-type" => "classic",
        _ => "none",
    }
}

/// `7D`, `30m`: as RabbitMQ writes ages.
fn age(value: &str) -> Option<Time> {
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    let unit = match unit {
        "Y" => 365 * 86_400_000,
        "M" => 30 * 86_400_000,
        "D" => 86_400_000,
        "h" => 3_600_000,
        "m" => 60_000,
        "s" => 1_000,
        _ => return None,
    };
    digits.parse::<Time>().ok()?.checked_mul(unit)
}
