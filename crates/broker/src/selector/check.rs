//! What is wrong with a selector whatever the message, though its grammar is right.

use super::{
    MAX_PATTERN_BYTES,
    ast::{Expr, Literal},
    error::{Fault, quote},
    number::Number,
};

/// An operand that is compared by size or computed with can't be a text or a boolean.
pub(super) fn number(operand: &Expr, operator: &str) -> Result<(), Fault> {
    match operand {
        Expr::Literal(Literal::Str(text)) => {
            let number = Number::parse(text).is_some();
            let fault = Fault::new(format!("{operator} needs numbers, not a string"));
            Err(if number {
                fault.hint("leave out the quotes")
            } else {
                fault.hint("strings compare with = and <>")
            })
        }
        Expr::Literal(Literal::Bool(_)) => Err(Fault::new(format!(
            "{operator} needs numbers, not TRUE or FALSE"
        ))),
        _ => Ok(()),
    }
}

/// What stands for a condition must be able to be true.
pub(super) fn condition(expr: &Expr) -> Result<(), Fault> {
    let what = match expr {
        Expr::Literal(Literal::Str(_)) => "a string",
        Expr::Literal(Literal::Int(_) | Literal::Float(_))
        | Expr::Signed(..)
        | Expr::Arithmetic(..) => "a number",
        _ => return Ok(()),
    };
    Err(Fault::new(format!("{what} alone is no condition")).hint("compare it with something"))
}

/// The name that `IN`, `LIKE` and `IS` need on their left.
pub(super) fn name(expr: Expr, operator: &str) -> Result<Box<str>, Fault> {
    match expr {
        Expr::Name(name) => Ok(name),
        _ => Err(Fault::new(format!(
            "{operator} needs the name of a header on its left"
        ))),
    }
}

/// `ESCAPE` takes one character.
pub(super) fn escape(text: &str) -> Result<char, Fault> {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(escape), None) => Ok(escape),
        _ => Err(Fault::new(format!(
            "ESCAPE needs one character, {} has {}",
            quote(text),
            text.chars().count()
        ))),
    }
}

/// A pattern is not too long, and an escape character at its end escapes nothing.
pub(super) fn pattern(pattern: &str, escape: Option<char>) -> Result<(), Fault> {
    if pattern.len() > MAX_PATTERN_BYTES {
        return Err(Fault::new(format!(
            "the pattern has {} bytes, the limit is {MAX_PATTERN_BYTES}",
            pattern.len()
        )));
    }
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        if Some(c) != escape {
            continue;
        }
        let escaped = chars.next_if(|next| matches!(next, '%' | '_') || Some(*next) == escape);
        if escaped.is_none() && chars.peek().is_none() {
            let fault = Fault::new("the pattern ends with an escape character alone");
            return Err(fault.hint("double it"));
        }
    }
    Ok(())
}
