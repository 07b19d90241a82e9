//! A message of plain strings and values.

use stompbox_broker::selector::{Properties, TypedName, Value};

/// A typed property, owned.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Owned {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
}

#[derive(Clone, Debug)]
pub(crate) struct TestMessage {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) typed: Vec<(TypedName, Owned)>,
}

impl Default for TestMessage {
    fn default() -> Self {
        Self {
            headers: Vec::new(),
            typed: vec![
                (TypedName::Priority, Owned::Int(4)),
                (TypedName::Expiration, Owned::Int(0)),
                (TypedName::Redelivered, Owned::Bool(false)),
                (TypedName::DeliveryCount, Owned::Int(1)),
                (TypedName::Persistent, Owned::Bool(false)),
            ],
        }
    }
}

impl TestMessage {
    pub(crate) fn of(headers: &[(&str, &str)]) -> Self {
        let headers = headers.iter().map(|(n, v)| (n.to_string(), v.to_string()));
        Self {
            headers: headers.collect(),
            ..Self::default()
        }
    }

    /// Reads `name:value`, or `@Name type value` for a typed property.
    pub(crate) fn add(&mut self, line: &str) {
        let Some(typed) = line.strip_prefix('@') else {
            let (name, value) = line.split_once(':').expect("a header has a colon");
            self.headers.push((name.into(), value.into()));
            return;
        };
        let mut words = typed.splitn(3, ' ');
        let name = words.next().and_then(typed_name).expect("a typed name");
        let kind = words.next().expect("a type");
        let value = words.next().unwrap_or("");
        let value = match kind {
            "null" => Owned::Null,
            "bool" => Owned::Bool(value.parse().unwrap()),
            "int" => Owned::Int(value.parse().unwrap()),
            "float" => Owned::Float(value.parse().unwrap()),
            "str" => Owned::Str(value.into()),
            _ => panic!("no type {kind:?}"),
        };
        self.typed.retain(|(other, _)| *other != name);
        self.typed.push((name, value));
    }
}

impl Properties for TestMessage {
    fn header(&self, name: &str) -> Option<&str> {
        let hidden = [
            "receipt",
            "transaction",
            "subscription",
            "ack",
            "content-length",
        ];
        assert!(!hidden.contains(&name), "{name} is asked for");
        let mut headers = self.headers.iter();
        Some(&headers.find(|(other, _)| other == name)?.1)
    }

    fn typed(&self, name: TypedName) -> Value<'_> {
        let mut typed = self.typed.iter();
        match typed.find(|(other, _)| *other == name).map(|(_, v)| v) {
            None | Some(Owned::Null) => Value::Null,
            Some(Owned::Bool(value)) => Value::Bool(*value),
            Some(Owned::Int(value)) => Value::Int(*value),
            Some(Owned::Float(value)) => Value::Float(*value),
            Some(Owned::Str(value)) => Value::Str(value),
        }
    }
}

fn typed_name(name: &str) -> Option<TypedName> {
    let all = [
        TypedName::Priority,
        TypedName::Timestamp,
        TypedName::Expiration,
        TypedName::Redelivered,
        TypedName::DeliveryCount,
        TypedName::GroupSequence,
        TypedName::Persistent,
        TypedName::Size,
        TypedName::MessageId,
        TypedName::Destination,
        TypedName::GroupId,
        TypedName::UserId,
    ];
    all.into_iter().find(|typed| format!("{typed:?}") == name)
}
