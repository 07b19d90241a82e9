//! The headers of `SEND`.

use super::{flag, invalid, number, queue::QueueHeaders};
use crate::{BrokerError, Time, schedule::Cron};

/// Headers that say something to the server alone, or that the server itself writes.
pub(crate) fn is_server_owned(name: &str) -> bool {
    let mut name = name;
    // To a 1.0 consumer blanks around a name are padding, whoever sent it.
    if name.starts_with(' ') || name.ends_with(' ') {
        name = name.trim_matches(' ');
    }
    matches!(
        name,
        "destination"
            | "content-length"
            | "receipt"
            | "transaction"
            | "subscription"
            | "message-id"
            | "ack"
            | "redelivered"
            | "x-delivery-count"
            | "JMSXUserID"
            | "JMSXDeliveryCount"
    )
}

/// What becomes of a topic's retained message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retain {
    /// This message is the one that later subscribers get first.
    Set,
    /// None is.
    Remove,
}

/// When a message is to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// `AMQ_SCHEDULED_DELAY`, `x-delay`: milliseconds before the first.
    pub(crate) delay: Time,
    /// `AMQ_SCHEDULED_PERIOD`: milliseconds between the first and its repetitions.
    pub(crate) period: Time,
    /// `AMQ_SCHEDULED_REPEAT`: how many more; without end if it is -1.
    pub(crate) repeat: i64,
    /// `AMQ_SCHEDULED_CRON`.
    pub(crate) cron: Option<Cron>,
}

/// What few messages have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extras {
    /// `JMSXGroupID`, `message_group`: messages of a group go to one consumer.
    pub(crate) group: Option<Box<str>>,
    /// `JMSXGroupSeq`: -1 ends the group.
    pub(crate) group_ends: bool,
    pub(crate) schedule: Option<Schedule>,
    pub(crate) retain: Option<Retain>,
    /// `retain-ttl`: for how many milliseconds.
    pub(crate) retain_ttl: Time,
    /// `destination-type` (Artemis): `true` for a topic.
    pub(crate) multicast: Option<bool>,
    /// `reply-to:/temp-queue/…`: the destination that the sender's connection is to have.
    pub(crate) temp_reply: Option<Box<str>>,
    /// What the queue is to be like, if the message makes it.
    pub(crate) queue: Option<Box<QueueHeaders>>,
}

/// What the headers of a `SEND` say.
pub(crate) struct SendHeaders {
    now: Time,
    pub(crate) persistent: bool,
    pub(crate) priority: u8,
    pub(crate) expires: Time,
    pub(crate) extras: Option<Box<Extras>>,
    priority_given: bool,
    /// A message that its scheduler sends carries it: it is not scheduled once more.
    job: bool,
}

impl SendHeaders {
    /// None yet.
    pub(crate) fn new(now: Time) -> Self {
        Self {
            now,
            persistent: false,
            priority: 4,
            expires: 0,
            extras: None,
            priority_given: false,
            job: false,
        }
    }

    pub(crate) fn extras(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    /// Takes a header; of a repeated one the first counts.
    #[inline]
    pub(crate) fn take(&mut self, name: &str, value: &str) -> Result<(), BrokerError> {
        match name {
            "persistent" => self.persistent |= flag(name, value)?,
            "delivery-mode" => self.persistent |= value == "2" || value == "PERSISTENT",
            "priority" => {
                let priority: u64 = number(name, value, "a number from 0 to 9")?;
                if !self.priority_given {
                    self.priority = priority.min(9) as u8;
                    self.priority_given = true;
                }
            }
            // 0 is "never" to JMS.
            "expires" => match number(name, value, "milliseconds since 1970")? {
                0 => {}
                at => self.expires_at(at),
            },
            "expiration" | "ttl" => {
                let ttl: Time = number(name, value, "milliseconds")?;
                self.expires_at(self.now.saturating_add(ttl).max(1));
            }
            "JMSXGroupID" | "message_group" => {
                let group = (!value.is_empty()).then(|| value.into());
                self.extras().group = group;
            }
            "JMSXGroupSeq" => self.extras().group_ends = value.trim().starts_with('-'),
            "AMQ_SCHEDULED_DELAY" | "x-delay" => {
                let delay = number(name, value, "milliseconds")?;
                self.schedule().delay = delay;
            }
            "AMQ_SCHEDULED_PERIOD" => {
                let period = number(name, value, "milliseconds")?;
                self.schedule().period = period;
            }
            "AMQ_SCHEDULED_REPEAT" => {
                let repeat = number(name, value, "a number, or -1")?;
                self.schedule().repeat = repeat;
            }
            "AMQ_SCHEDULED_CRON" => {
                let cron = Cron::parse(value)
                    .ok_or_else(|| invalid(name, value, "five fields, as in 0 9 * * 1-5"))?;
                self.schedule().cron = Some(cron);
            }
            "scheduledJobId" => self.job = true,
            "retain" => {
                let retain = match value {
                    "set" | "true" => Some(Retain::Set),
                    "remove" => Some(Retain::Remove),
                    "false" => None,
                    _ => return Err(invalid(name, value, "set, true or remove")),
                };
                self.extras().retain = retain;
            }
            "retain-ttl" => {
                let ttl = number(name, value, "milliseconds")?;
                self.extras().retain_ttl = ttl;
            }
            "destination-type" => {
                let multicast = match value {
                    "MULTICAST" => true,
                    "ANYCAST" => false,
                    _ => return Err(invalid(name, value, "ANYCAST or MULTICAST")),
                };
                self.extras().multicast = Some(multicast);
            }
            _ if QueueHeaders::knows(name) => {
                self.extras()
                    .queue
                    .get_or_insert_default()
                    .take(name, value)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The earlier of several times counts.
    fn expires_at(&mut self, at: Time) {
        if self.expires == 0 || at < self.expires {
            self.expires = at;
        }
    }

    fn schedule(&mut self) -> &mut Schedule {
        self.extras().schedule.get_or_insert_default()
    }

    /// To be called when all are taken.
    pub(crate) fn done(&mut self) {
        if self.job
            && let Some(extras) = &mut self.extras
        {
            extras.schedule = None;
        }
    }
}
