use std::ops::Not;

use super::TypedName;

/// What a selector sees of a message.
pub trait Properties {
    /// The value of the first header of that name in the message as it will be delivered.
    ///
    /// Not called for `receipt`, `transaction`, `subscription`, `ack` and `content-length`, which
    /// selectors don't see.
    fn header(&self, name: &str) -> Option<&str>;

    /// A property that is no header, or has another type than a string. Each name tells which
    /// type it has; [`Value::Null`] is a property that the message lacks.
    fn typed(&self, name: TypedName) -> Value<'_>;
}

/// The value of a property.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Missing.
    Null,
    /// A boolean.
    Bool(bool),
    /// An exact number.
    Int(i64),
    /// An approximate number.
    Float(f64),
    /// A text, as headers are.
    Str(&'a str),
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Value::Null, Value::Str)
    }
}

/// What a selector says of a message. Only `True` matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It doesn't.
    False,
    /// Something that it depends on is missing or can't be computed.
    Unknown,
}

impl Truth {
    /// The stronger of two in a conjunction: false, then unknown, then true.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::False, _) | (_, Self::False) => Self::False,
            (Self::True, Self::True) => Self::True,
            _ => Self::Unknown,
        }
    }

    /// The stronger of two in a disjunction: true, then unknown, then false.
    pub(super) fn or(self, other: Self) -> Self {
        !(!self).and(!other)
    }

    pub(super) fn negated_if(self, negated: bool) -> Self {
        if negated { !self } else { self }
    }
}

impl Not for Truth {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
        }
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}
