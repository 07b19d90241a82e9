//! Two values side by side.

use std::cmp::Ordering;

use super::{Truth, Value, ast::CompareOp, number::Number};

/// `left op right`. A missing side makes it unknown.
pub(super) fn compare(op: CompareOp, left: Value<'_>, right: Value<'_>, converts: bool) -> Truth {
    if left == Value::Null || right == Value::Null {
        return Truth::Unknown;
    }
    let ordering = || order(left, right, converts);
    Truth::from(match op {
        CompareOp::Equal => equal(left, right, converts),
        // Without conversion unlike types are neither equal nor unequal, as JMS has it.
        CompareOp::NotEqual => (converts || alike(left, right)) && !equal(left, right, converts),
        CompareOp::Less => ordering().is_some_and(Ordering::is_lt),
        CompareOp::LessOrEqual => ordering().is_some_and(Ordering::is_le),
        CompareOp::Greater => ordering().is_some_and(Ordering::is_gt),
        CompareOp::GreaterOrEqual => ordering().is_some_and(Ordering::is_ge),
    })
}

/// A string that stands for a boolean.
pub(super) fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

fn equal(left: Value<'_>, right: Value<'_>, converts: bool) -> bool {
    match (left, right) {
        (Value::Str(left), Value::Str(right)) => left == right,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Bool(value), Value::Str(text)) | (Value::Str(text), Value::Bool(value)) => {
            converts && boolean(text) == Some(value)
        }
        _ => order(left, right, converts) == Some(Ordering::Equal),
    }
}

/// `None` if one of them is no number.
fn order(left: Value<'_>, right: Value<'_>, converts: bool) -> Option<Ordering> {
    Number::of(left, converts)?.compare(Number::of(right, converts)?)
}

fn alike(left: Value<'_>, right: Value<'_>) -> bool {
    matches!(
        (left, right),
        (Value::Str(_), Value::Str(_))
            | (Value::Bool(_), Value::Bool(_))
            | (
                Value::Int(_) | Value::Float(_),
                Value::Int(_) | Value::Float(_)
            )
    )
}
