//! What a selector sees of a broker's message, where the broker itself can't choose.

use stompbox_broker::selector::{Properties, TypedName, Value};
use stompbox_proto::FrameRef;

/// A message's headers, unescaped.
pub(super) struct View {
    headers: Vec<(String, String)>,
    size: usize,
}

impl View {
    pub(super) fn new(frame: &FrameRef<'_>) -> Self {
        let owned = |(name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| {
            (name.into_owned(), value.into_owned())
        };
        Self {
            headers: frame.headers().map(owned).collect(),
            size: frame.body().len(),
        }
    }

    fn number(&self, name: &str) -> Value<'_> {
        let value = self.header(name).and_then(|text| text.trim().parse().ok());
        value.map_or(Value::Null, Value::Int)
    }

    fn text(&self, name: &str) -> Value<'_> {
        self.header(name).map_or(Value::Null, Value::Str)
    }
}

impl Properties for View {
    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    }

    fn typed(&self, name: TypedName) -> Value<'_> {
        match name {
            TypedName::Priority => match self.number("priority") {
                Value::Null => Value::Int(4),
                value => value,
            },
            TypedName::Timestamp => self.number("timestamp"),
            TypedName::Expiration => self.number("expires"),
            TypedName::Redelivered => Value::Bool(self.header("redelivered") == Some("true")),
            TypedName::DeliveryCount => match self.number("x-delivery-count") {
                Value::Int(before) => Value::Int(before.saturating_add(1)),
                _ => Value::Int(1),
            },
            TypedName::GroupSequence => self.number("JMSXGroupSeq"),
            TypedName::Persistent => Value::Bool(self.header("persistent") == Some("true")),
            TypedName::Size => Value::Int(i64::try_from(self.size).unwrap_or(i64::MAX)),
            TypedName::MessageId => self.text("message-id"),
            TypedName::Destination => self.text("destination"),
            TypedName::GroupId => self.text("JMSXGroupID"),
            TypedName::UserId => Value::Null,
        }
    }
}
