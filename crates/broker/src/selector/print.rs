//! Tree to text.

use std::fmt::{Formatter, Result, Write};

use super::{
    ast::{ArithmeticOp, Expr, Literal, Sign},
    lexer::is_plain_name,
};

/// How tightly something binds: what is looser than its place allows gets parentheses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Or,
    And,
    Not,
    Predicate,
    Sum,
    Product,
    Factor,
    Primary,
}

/// With as few parentheses as say the same; with all of them in the alternate form.
pub(super) fn expr(expr: &Expr, f: &mut Formatter<'_>) -> Result {
    match expr {
        Expr::Literal(value) => literal(value, f),
        Expr::Name(text) => name(text, f),
        Expr::Signed(sign, inner) => {
            f.write_str(sign.symbol())?;
            // Two minus signs side by side would be an error.
            if *sign == Sign::Minus && begins_with_minus(inner) {
                f.write_char(' ')?;
            }
            at(Level::Factor, inner, f)
        }
        Expr::Arithmetic(op, left, right) => {
            let (left_level, right_level) = match level(expr) {
                Level::Sum => (Level::Sum, Level::Product),
                _ => (Level::Product, Level::Factor),
            };
            at(left_level, left, f)?;
            write!(f, " {} ", op.symbol())?;
            at(right_level, right, f)
        }
        Expr::Compare(op, left, right) => {
            at(Level::Sum, left, f)?;
            write!(f, " {} ", op.symbol())?;
            at(Level::Sum, right, f)
        }
        Expr::Between {
            negated,
            value,
            low,
            high,
        } => {
            at(Level::Sum, value, f)?;
            f.write_str(not(*negated))?;
            f.write_str(" BETWEEN ")?;
            at(Level::Sum, low, f)?;
            f.write_str(" AND ")?;
            at(Level::Sum, high, f)
        }
        Expr::In {
            negated,
            name: text,
            items,
        } => {
            name(text, f)?;
            f.write_str(not(*negated))?;
            f.write_str(" IN (")?;
            for (at, item) in items.iter().enumerate() {
                f.write_str(if at > 0 { ", " } else { "" })?;
                literal(item, f)?;
            }
            f.write_char(')')
        }
        Expr::Like {
            negated,
            name: text,
            pattern,
            escape,
        } => {
            name(text, f)?;
            f.write_str(not(*negated))?;
            f.write_str(" LIKE ")?;
            delimited(pattern, '\'', f)?;
            match escape {
                Some(escape) => {
                    f.write_str(" ESCAPE ")?;
                    delimited(escape.encode_utf8(&mut [0; 4]), '\'', f)
                }
                None => Ok(()),
            }
        }
        Expr::IsNull {
            negated,
            name: text,
        } => {
            name(text, f)?;
            write!(f, " IS{} NULL", not(*negated))
        }
        Expr::Not(inner) => {
            f.write_str("NOT ")?;
            at(Level::Not, inner, f)
        }
        Expr::And(parts) => chain(parts, " AND ", Level::Not, f),
        Expr::Or(parts) => chain(parts, " OR ", Level::And, f),
    }
}

fn chain(parts: &[Expr], word: &str, level: Level, f: &mut Formatter<'_>) -> Result {
    for (index, part) in parts.iter().enumerate() {
        f.write_str(if index > 0 { word } else { "" })?;
        at(level, part, f)?;
    }
    Ok(())
}

/// An operand at a place that needs `least`.
fn at(least: Level, operand: &Expr, f: &mut Formatter<'_>) -> Result {
    let actual = level(operand);
    if actual < least || f.alternate() && actual < Level::Factor {
        f.write_char('(')?;
        expr(operand, f)?;
        f.write_char(')')
    } else {
        expr(operand, f)
    }
}

fn level(expr: &Expr) -> Level {
    match expr {
        Expr::Or(_) => Level::Or,
        Expr::And(_) => Level::And,
        Expr::Not(_) => Level::Not,
        Expr::Compare(..)
        | Expr::Between { .. }
        | Expr::In { .. }
        | Expr::Like { .. }
        | Expr::IsNull { .. } => Level::Predicate,
        Expr::Arithmetic(ArithmeticOp::Add | ArithmeticOp::Subtract, ..) => Level::Sum,
        Expr::Arithmetic(..) => Level::Product,
        Expr::Signed(..) => Level::Factor,
        Expr::Literal(Literal::Int(i64::MIN..=-1)) => Level::Factor,
        Expr::Literal(_) | Expr::Name(_) => Level::Primary,
    }
}

fn begins_with_minus(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Signed(Sign::Minus, _) | Expr::Literal(Literal::Int(i64::MIN..=-1))
    )
}

fn not(negated: bool) -> &'static str {
    if negated { " NOT" } else { "" }
}

fn literal(literal: &Literal, f: &mut Formatter<'_>) -> Result {
    match literal {
        Literal::Str(text) => delimited(text, '\'', f),
        Literal::Int(value) => write!(f, "{value}"),
        // The form that is a float again when it is read.
        Literal::Float(value) => write!(f, "{value:?}"),
        Literal::Bool(true) => f.write_str("TRUE"),
        Literal::Bool(false) => f.write_str("FALSE"),
    }
}

fn name(name: &str, f: &mut Formatter<'_>) -> Result {
    if is_plain_name(name) {
        f.write_str(name)
    } else {
        delimited(name, '"', f)
    }
}

fn delimited(text: &str, quote: char, f: &mut Formatter<'_>) -> Result {
    f.write_char(quote)?;
    for c in text.chars() {
        f.write_char(c)?;
        if c == quote {
            f.write_char(c)?;
        }
    }
    f.write_char(quote)
}
