//! Numbers: how headers spell them, how they compare, how they are computed with.

use std::cmp::Ordering;

use super::{
    Value,
    ast::{ArithmeticOp, Sign},
};

#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    /// A value as a number; a string only if strings convert.
    pub(super) fn of(value: Value<'_>, converts: bool) -> Option<Self> {
        match value {
            Value::Int(value) => Some(Self::Int(value)),
            Value::Float(value) => Some(Self::Float(value)),
            Value::Str(text) if converts => Self::parse(text),
            _ => None,
        }
    }

    /// Reads `[+-]?digits`, or `[+-]?(digits[.digits]|.digits)([eE][+-]?digits)?`. No blanks, no
    /// suffixes, no names for infinity.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (whole, rest) = digits(unsigned);
        if rest.is_empty() && whole > 0 {
            let exact = text.parse().map(Self::Int).ok();
            return exact.or_else(|| text.parse().map(Self::Float).ok());
        }
        let rest = match rest.strip_prefix('.') {
            Some(rest) => {
                let (fraction, rest) = digits(rest);
                if fraction == 0 {
                    return None;
                }
                rest
            }
            None if whole == 0 => return None,
            None => rest,
        };
        let rest = match rest.strip_prefix(['e', 'E']) {
            Some(exponent) => {
                let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
                let (exponent, rest) = digits(exponent);
                if exponent == 0 {
                    return None;
                }
                rest
            }
            None => rest,
        };
        // What remains, Rust's own syntax has too; it has more, which ends here.
        let float = rest.is_empty().then(|| text.parse().ok())?;
        float.map(Self::Float)
    }

    pub(super) fn to_f64(self) -> f64 {
        match self {
            Self::Int(value) => to_f64(value),
            Self::Float(value) => value,
        }
    }

    /// Two integers exactly, others as 64-bit floating point.
    pub(super) fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(left), Self::Int(right)) => Some(left.cmp(&right)),
            _ => self.to_f64().partial_cmp(&other.to_f64()),
        }
    }

    pub(super) fn signed(self, sign: Sign) -> Option<Self> {
        match (sign, self) {
            (Sign::Plus, _) => Some(self),
            (Sign::Minus, Self::Int(value)) => value.checked_neg().map(Self::Int),
            (Sign::Minus, Self::Float(value)) => Some(Self::Float(-value)),
        }
    }

    /// `None` if the result is too large or there is none.
    pub(super) fn compute(self, op: ArithmeticOp, other: Self) -> Option<Self> {
        if let (Self::Int(left), Self::Int(right)) = (self, other) {
            match op {
                ArithmeticOp::Add => return left.checked_add(right).map(Self::Int),
                ArithmeticOp::Subtract => return left.checked_sub(right).map(Self::Int),
                ArithmeticOp::Multiply => return left.checked_mul(right).map(Self::Int),
                ArithmeticOp::Divide | ArithmeticOp::Remainder => {}
            }
        }
        let (left, right) = (self.to_f64(), other.to_f64());
        let result = match op {
            ArithmeticOp::Add => left + right,
            ArithmeticOp::Subtract => left - right,
            ArithmeticOp::Multiply => left * right,
            // A divisor of 0 makes them infinite or no number.
            ArithmeticOp::Divide => left / right,
            ArithmeticOp::Remainder => left % right,
        };
        result.is_finite().then_some(Self::Float(result))
    }
}

impl From<Number> for Value<'_> {
    fn from(number: Number) -> Self {
        match number {
            Number::Int(value) => Self::Int(value),
            Number::Float(value) => Self::Float(value),
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "an integer beside a float compares and computes as the nearest float"
)]
pub(super) fn to_f64(value: i64) -> f64 {
    value as f64
}

/// How many digits a text begins with, and what follows.
fn digits(text: &str) -> (usize, &str) {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    (text.len() - rest.len(), rest)
}
