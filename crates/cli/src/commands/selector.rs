//! `stompbox selector`.

use std::io::Write as _;

use stompbox_broker::selector::{Properties, Selector, Truth, TypedName, Value};

use crate::{
    args::SelectorVerb,
    exit::{Exit, Failure, NOTHING, USAGE},
    target::headers,
};

/// Checks, explains or tries a selector.
pub(crate) fn run(verb: SelectorVerb) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match verb {
        SelectorVerb::Check { selector } => {
            compile(&selector)?;
            writeln!(out, "ok")?;
        }
        SelectorVerb::Explain { selector } => {
            let compiled = compile(&selector)?;
            writeln!(out, "{compiled:#}")?;
            if compiled.equality().is_some() {
                writeln!(
                    out,
                    "found by an index: a message that differs costs nothing"
                )?;
            }
        }
        SelectorVerb::Test {
            selector,
            headers: given,
        } => {
            let compiled = compile(&selector)?;
            let message = Headers(headers("--header", &given)?);
            let truth = compiled.evaluate(&message);
            let word = match truth {
                Truth::True => "true",
                Truth::False => "false",
                Truth::Unknown => "unknown",
            };
            writeln!(out, "{word}")?;
            if truth != Truth::True {
                return Err(Exit::failure(NOTHING, ""));
            }
        }
    }
    Ok(())
}

fn compile(text: &str) -> Result<std::sync::Arc<Selector>, Failure> {
    match Selector::compile(text) {
        Ok(Some(selector)) => Ok(selector),
        Ok(None) => Err("the selector is empty: everything is taken".into()),
        Err(error) => {
            let column = error.column();
            let mut shown = format!("{error}\n  {text}\n  {:>column$}", "^");
            if let Some(hint) = error.hint() {
                shown.push_str(&format!("\n  {hint}"));
            }
            Err(Exit::failure(USAGE, shown))
        }
    }
}

/// A message that has these headers, and came just now.
struct Headers<'a>(Vec<(&'a str, &'a str)>);

impl Properties for Headers<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(n, _)| *n == name);
        found.map(|(_, value)| *value)
    }

    fn typed(&self, name: TypedName) -> Value<'_> {
        let text = |name| self.header(name).map_or(Value::Null, Value::Str);
        let number = |name| {
            let value = self.header(name).and_then(|text| text.trim().parse().ok());
            value.map_or(Value::Null, Value::Int)
        };
        let or = |value, default| match value {
            Value::Null => Value::Int(default),
            value => value,
        };
        match name {
            TypedName::Priority => or(number("priority"), 4),
            TypedName::Timestamp => number("timestamp"),
            TypedName::Expiration => or(number("expires"), 0),
            TypedName::Redelivered => Value::Bool(self.header("redelivered") == Some("true")),
            TypedName::DeliveryCount => or(number("x-delivery-count"), 1),
            TypedName::GroupSequence => number("JMSXGroupSeq"),
            TypedName::Persistent => Value::Bool(self.header("persistent") == Some("true")),
            TypedName::Size => or(number("content-length"), 0),
            TypedName::MessageId => text("message-id"),
            TypedName::Destination => text("destination"),
            TypedName::GroupId => text("JMSXGroupID"),
            TypedName::UserId => Value::Null,
        }
    }
}
