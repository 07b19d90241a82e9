//! What a selector sees of a message.

use std::cell::OnceCell;

use crate::{
    Message,
    message::Entry,
    selector::{Properties, TypedName, Value},
};

/// A message as it will be delivered.
pub(crate) struct Seen<'a> {
    message: &'a Message,
    entry: &'a Entry,
    run: &'a str,
    /// `message-id`, if it is asked for.
    id: OnceCell<String>,
    destination: OnceCell<String>,
}

impl<'a> Seen<'a> {
    pub(crate) fn new(message: &'a Message, entry: &'a Entry, run: &'a str) -> Self {
        Self {
            message,
            entry,
            run,
            id: OnceCell::new(),
            destination: OnceCell::new(),
        }
    }
}

impl Properties for Seen<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        self.message.header(name)
    }

    fn typed(&self, name: TypedName) -> Value<'_> {
        let int = |value: u64| Value::Int(i64::try_from(value).unwrap_or(i64::MAX));
        let header = |name| self.message.header(name).map_or(Value::Null, Value::Str);
        let number = |name| {
            let value = self
                .message
                .header(name)
                .and_then(|text| text.trim().parse().ok());
            value.map_or(Value::Null, Value::Int)
        };
        match name {
            TypedName::Priority => Value::Int(i64::from(self.entry.priority)),
            TypedName::Timestamp => number("timestamp"),
            TypedName::Expiration => int(self.entry.expires),
            TypedName::Redelivered => Value::Bool(self.entry.deliveries > 0),
            TypedName::DeliveryCount => Value::Int(i64::from(self.entry.deliveries) + 1),
            TypedName::GroupSequence => number("JMSXGroupSeq"),
            TypedName::Persistent => Value::Bool(self.message.persistent),
            TypedName::Size => int(self.message.body().len() as u64),
            TypedName::MessageId => Value::Str(
                self.id
                    .get_or_init(|| format!("{}-{}", self.run, self.entry.sequence)),
            ),
            TypedName::Destination => Value::Str(
                self.destination
                    .get_or_init(|| self.message.destination().into_owned()),
            ),
            TypedName::GroupId => header("JMSXGroupID"),
            // The broker does not tell consumers who sent a message.
            TypedName::UserId => Value::Null,
        }
    }
}
