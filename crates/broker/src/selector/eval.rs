//! A program and a message to a truth. Nothing is allocated.

use super::{
    Properties, PropertyName, Truth, Value,
    ast::{CompareOp, Literal},
    compare::{boolean, compare},
    name::Name,
    number::Number,
    program::{Condition, Operand},
};

/// Whether strings convert is `converts`.
pub(super) fn condition<P: Properties + ?Sized>(
    condition: &Condition,
    message: &P,
    converts: bool,
) -> Truth {
    let truth = |condition| self::condition(condition, message, converts);
    match condition {
        Condition::Constant(truth) => *truth,
        Condition::Compare(op, left, right) => {
            let left = operand(left, message, converts);
            compare(*op, left, operand(right, message, converts), converts)
        }
        Condition::Between(value, low, high) => {
            let value = operand(value, message, converts);
            let low = operand(low, message, converts);
            let high = operand(high, message, converts);
            compare(CompareOp::GreaterOrEqual, value, low, converts).and(compare(
                CompareOp::LessOrEqual,
                value,
                high,
                converts,
            ))
        }
        Condition::NotBetween(value, low, high) => {
            let value = operand(value, message, converts);
            let low = operand(low, message, converts);
            let high = operand(high, message, converts);
            compare(CompareOp::Less, value, low, converts).or(compare(
                CompareOp::Greater,
                value,
                high,
                converts,
            ))
        }
        Condition::In {
            negated,
            name,
            list,
        } => match property(name, message) {
            Value::Null => Truth::Unknown,
            value => Truth::from(list.contains(value, converts)).negated_if(*negated),
        },
        Condition::Like {
            negated,
            name,
            pattern,
        } => match property(name, message) {
            Value::Null => Truth::Unknown,
            Value::Str(text) => Truth::from(pattern.matches(text)).negated_if(*negated),
            _ => Truth::False.negated_if(*negated),
        },
        Condition::IsNull { negated, name } => {
            Truth::from((property(name, message) == Value::Null) != *negated)
        }
        Condition::Name(name) => match property(name, message) {
            Value::Null => Truth::Unknown,
            Value::Bool(value) => value.into(),
            Value::Str(text) => Truth::from(converts && boolean(text) == Some(true)),
            Value::Int(_) | Value::Float(_) => Truth::False,
        },
        Condition::Not(inner) => !truth(inner),
        Condition::And(conditions) => fold(conditions.iter().map(truth), Truth::False),
        Condition::Or(conditions) => fold(conditions.iter().map(truth), Truth::True),
    }
}

/// Joins truths, as far as the first `decisive` one.
fn fold(truths: impl Iterator<Item = Truth>, decisive: Truth) -> Truth {
    let mut result = !decisive;
    for truth in truths {
        if truth == decisive {
            return truth;
        }
        if truth == Truth::Unknown {
            result = truth;
        }
    }
    result
}

pub(super) fn operand<'a, P: Properties + ?Sized>(
    operand: &'a Operand,
    message: &'a P,
    converts: bool,
) -> Value<'a> {
    let number = |operand| Number::of(self::operand(operand, message, converts), converts);
    let computed = match operand {
        Operand::Null => return Value::Null,
        Operand::Constant(literal) => {
            return match literal {
                Literal::Str(text) => Value::Str(text),
                Literal::Int(value) => Value::Int(*value),
                Literal::Float(value) => Value::Float(*value),
                Literal::Bool(value) => Value::Bool(*value),
            };
        }
        Operand::Name(name) => return property(name, message),
        Operand::Condition(inner) => {
            return match condition(inner, message, converts) {
                Truth::True => Value::Bool(true),
                Truth::False => Value::Bool(false),
                Truth::Unknown => Value::Null,
            };
        }
        Operand::Signed(sign, inner) => number(inner).and_then(|inner| inner.signed(*sign)),
        Operand::Arithmetic(op, left, right) => number(left)
            .zip(number(right))
            .and_then(|(left, right)| left.compute(*op, right)),
    };
    computed.map_or(Value::Null, Value::from)
}

fn property<'a, P: Properties + ?Sized>(name: &Name, message: &'a P) -> Value<'a> {
    match name {
        Name::Property(PropertyName::Header(name)) => message.header(name).into(),
        Name::Property(PropertyName::Typed(name)) => message.typed(*name),
        Name::Spelled(name, yes, no) => match message.typed(*name) {
            Value::Bool(true) => Value::Str(yes),
            Value::Bool(false) => Value::Str(no),
            _ => Value::Null,
        },
        Name::Hidden => Value::Null,
    }
}
