//! What is evaluated: names resolved, constants computed, conditions apart from values.

use super::{
    PropertyName, Truth, Value,
    ast::{ArithmeticOp, CompareOp, Literal, Sign},
    like::Pattern,
    list::List,
    name::Name,
};

/// Something that is true, false or unknown.
#[derive(Debug)]
pub(super) enum Condition {
    Constant(Truth),
    Compare(CompareOp, Operand, Operand),
    Between(Operand, Operand, Operand),
    NotBetween(Operand, Operand, Operand),
    In {
        negated: bool,
        name: Name,
        list: List,
    },
    Like {
        negated: bool,
        name: Name,
        pattern: Pattern,
    },
    IsNull {
        negated: bool,
        name: Name,
    },
    /// A name alone.
    Name(Name),
    Not(Box<Self>),
    And(Box<[Self]>),
    Or(Box<[Self]>),
}

/// Something that has a value.
#[derive(Debug)]
pub(super) enum Operand {
    Null,
    Constant(Literal),
    Name(Name),
    Signed(Sign, Box<Self>),
    Arithmetic(ArithmeticOp, Box<Self>, Box<Self>),
    Condition(Box<Condition>),
}

impl Condition {
    /// The first conjunct that says that a string property equals a text.
    pub(super) fn equality(&self) -> Option<(PropertyName, Box<str>)> {
        match self {
            Self::And(conditions) => conditions.iter().find_map(Self::equality),
            Self::Compare(CompareOp::Equal, Operand::Name(name), Operand::Constant(literal))
            | Self::Compare(CompareOp::Equal, Operand::Constant(literal), Operand::Name(name)) => {
                match (name.as_string(), literal) {
                    (Some(name), Literal::Str(text)) => Some((name.clone(), text.clone())),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

impl Operand {
    /// A constant, owned.
    pub(super) fn constant(value: Value<'_>) -> Self {
        Self::Constant(match value {
            Value::Null => return Self::Null,
            Value::Bool(value) => Literal::Bool(value),
            Value::Int(value) => Literal::Int(value),
            Value::Float(value) => Literal::Float(value),
            Value::Str(text) => Literal::Str(text.into()),
        })
    }

    pub(super) fn is_constant(&self) -> bool {
        matches!(self, Self::Null | Self::Constant(_))
    }
}
