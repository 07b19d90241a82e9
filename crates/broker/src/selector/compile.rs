//! Tree to program.

use super::{
    Properties, Truth, TypedName, Value,
    ast::{Expr, Literal},
    eval,
    like::Pattern,
    list::List,
    name::Name,
    program::{Condition, Operand},
};

/// Compiles an expression that stands where a condition must.
pub(super) fn condition(expr: &Expr, converts: bool) -> Condition {
    let operand = |expr| operand(expr, converts);
    let compiled = match expr {
        Expr::Compare(op, left, right) => Condition::Compare(*op, operand(left), operand(right)),
        Expr::Between {
            negated,
            value,
            low,
            high,
        } => {
            let (value, low, high) = (operand(value), operand(low), operand(high));
            if *negated {
                Condition::NotBetween(value, low, high)
            } else {
                Condition::Between(value, low, high)
            }
        }
        Expr::In {
            negated,
            name,
            items,
        } => Condition::In {
            negated: *negated,
            name: Name::resolve(name),
            list: List::new(items, converts),
        },
        Expr::Like {
            negated,
            name,
            pattern,
            escape,
        } => Condition::Like {
            negated: *negated,
            name: Name::resolve(name),
            pattern: Pattern::new(pattern, *escape),
        },
        Expr::IsNull { negated, name } => Condition::IsNull {
            negated: *negated,
            name: Name::resolve(name),
        },
        Expr::Name(name) => Condition::Name(Name::resolve(name)),
        Expr::Not(inner) => Condition::Not(Box::new(condition(inner, converts))),
        Expr::And(parts) => return join(parts, converts, Truth::False, Condition::And),
        Expr::Or(parts) => return join(parts, converts, Truth::True, Condition::Or),
        Expr::Literal(Literal::Bool(value)) => Condition::Constant((*value).into()),
        // The parser lets none of them be a condition.
        Expr::Literal(_) | Expr::Signed(..) | Expr::Arithmetic(..) => {
            Condition::Constant(Truth::False)
        }
    };
    fold(compiled, converts)
}

/// A chain, without what can't change its result. `decisive` is what settles it alone.
fn join(
    parts: &[Expr],
    converts: bool,
    decisive: Truth,
    build: fn(Box<[Condition]>) -> Condition,
) -> Condition {
    let mut conditions = Vec::with_capacity(parts.len());
    for part in parts {
        match condition(part, converts) {
            Condition::Constant(truth) if truth == decisive => return Condition::Constant(truth),
            Condition::Constant(truth) if truth == !decisive => {}
            condition => conditions.push(condition),
        }
    }
    match conditions.pop() {
        None => Condition::Constant(!decisive),
        Some(only) if conditions.is_empty() => only,
        Some(last) => {
            conditions.push(last);
            build(conditions.into())
        }
    }
}

fn operand(expr: &Expr, converts: bool) -> Operand {
    let compiled = match expr {
        Expr::Literal(literal) => return Operand::Constant(literal.clone()),
        Expr::Name(name) => match Name::resolve(name) {
            Name::Hidden => return Operand::Null,
            name => return Operand::Name(name),
        },
        Expr::Signed(sign, inner) => Operand::Signed(*sign, Box::new(operand(inner, converts))),
        Expr::Arithmetic(op, left, right) => {
            let (left, right) = (operand(left, converts), operand(right, converts));
            Operand::Arithmetic(*op, Box::new(left), Box::new(right))
        }
        _ => Operand::Condition(Box::new(condition(expr, converts))),
    };
    let constant = match &compiled {
        Operand::Signed(_, inner) => inner.is_constant(),
        Operand::Arithmetic(_, left, right) => left.is_constant() && right.is_constant(),
        Operand::Condition(inner) => matches!(**inner, Condition::Constant(_)),
        _ => false,
    };
    if constant {
        Operand::constant(eval::operand(&compiled, &NoMessage, converts))
    } else {
        compiled
    }
}

/// Computes a condition that depends on nothing.
fn fold(condition: Condition, converts: bool) -> Condition {
    let constant = match &condition {
        Condition::Compare(_, left, right) => left.is_constant() && right.is_constant(),
        Condition::Between(value, low, high) | Condition::NotBetween(value, low, high) => {
            value.is_constant() && low.is_constant() && high.is_constant()
        }
        Condition::Not(inner) => matches!(**inner, Condition::Constant(_)),
        Condition::In { name, .. }
        | Condition::Like { name, .. }
        | Condition::IsNull { name, .. }
        | Condition::Name(name) => matches!(name, Name::Hidden),
        _ => false,
    };
    if constant {
        Condition::Constant(eval::condition(&condition, &NoMessage, converts))
    } else {
        condition
    }
}

/// For constants, which ask for nothing.
struct NoMessage;

impl Properties for NoMessage {
    fn header(&self, _: &str) -> Option<&str> {
        None
    }

    fn typed(&self, _: TypedName) -> Value<'_> {
        Value::Null
    }
}
