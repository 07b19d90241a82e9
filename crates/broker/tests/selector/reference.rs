//! What selectors mean, told a second time and in the plainest way: owned values, no compilation.

use stompbox_broker::selector::{Properties, Truth, TypedName, Value};

use crate::message::{Owned, TestMessage};

/// A selector as a tree.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    Str(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    Name(&'static str),
    Sign(char, Box<Self>),
    Arithmetic(char, Box<Self>, Box<Self>),
    Compare(&'static str, Box<Self>, Box<Self>),
    Between(bool, Box<Self>, Box<Self>, Box<Self>),
    In(bool, &'static str, Vec<Self>),
    Like(bool, &'static str, String, Option<char>),
    IsNull(bool, &'static str),
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
}

pub(crate) fn evaluate(tree: &Tree, message: &TestMessage, converts: bool) -> Truth {
    let reference = Reference { message, converts };
    truth(reference.condition(tree))
}

struct Reference<'a> {
    message: &'a TestMessage,
    converts: bool,
}

/// Unknown is none.
type Three = Option<bool>;

fn truth(three: Three) -> Truth {
    match three {
        Some(true) => Truth::True,
        Some(false) => Truth::False,
        None => Truth::Unknown,
    }
}

fn not(three: Three) -> Three {
    three.map(|truth| !truth)
}

fn and(left: Three, right: Three) -> Three {
    match (left, right) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn or(left: Three, right: Three) -> Three {
    match (left, right) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}

impl Reference<'_> {
    fn condition(&self, tree: &Tree) -> Three {
        match tree {
            Tree::Bool(value) => Some(*value),
            Tree::Name(_) => match self.value(tree) {
                Owned::Null => None,
                Owned::Bool(value) => Some(value),
                Owned::Str(text) => Some(self.converts && text.to_lowercase() == "true"),
                Owned::Int(_) | Owned::Float(_) => Some(false),
            },
            Tree::Compare(op, left, right) => {
                self.compare(op, &self.value(left), &self.value(right))
            }
            Tree::Between(negated, value, low, high) => {
                let (value, low, high) = (self.value(value), self.value(low), self.value(high));
                if *negated {
                    or(
                        self.compare("<", &value, &low),
                        self.compare(">", &value, &high),
                    )
                } else {
                    and(
                        self.compare(">=", &value, &low),
                        self.compare("<=", &value, &high),
                    )
                }
            }
            Tree::In(negated, name, items) => {
                let value = self.value(&Tree::Name(name));
                let equal = |item| self.compare("=", &value, &self.value(item));
                let any = items.iter().map(equal).fold(Some(false), or);
                if *negated { not(any) } else { any }
            }
            Tree::Like(negated, name, pattern, escape) => {
                let like = match self.value(&Tree::Name(name)) {
                    Owned::Null => None,
                    Owned::Str(text) => {
                        let text: Vec<char> = text.chars().collect();
                        let pattern: Vec<char> = pattern.chars().collect();
                        Some(like(&pattern, &text, *escape))
                    }
                    _ => Some(false),
                };
                if *negated { not(like) } else { like }
            }
            Tree::IsNull(negated, name) => {
                Some((self.value(&Tree::Name(name)) == Owned::Null) != *negated)
            }
            Tree::Not(inner) => not(self.condition(inner)),
            Tree::And(parts) => parts
                .iter()
                .map(|part| self.condition(part))
                .fold(Some(true), and),
            Tree::Or(parts) => parts
                .iter()
                .map(|part| self.condition(part))
                .fold(Some(false), or),
            Tree::Str(_)
            | Tree::Int(_)
            | Tree::Float(_)
            | Tree::Sign(..)
            | Tree::Arithmetic(..) => panic!("no condition: {tree:?}"),
        }
    }

    fn value(&self, tree: &Tree) -> Owned {
        match tree {
            Tree::Str(text) => Owned::Str(text.clone()),
            Tree::Int(value) => Owned::Int(*value),
            Tree::Float(value) => Owned::Float(*value),
            Tree::Bool(value) => Owned::Bool(*value),
            Tree::Name(name) => self.property(name),
            Tree::Sign(sign, inner) => match (sign, self.number(&self.value(inner))) {
                ('-', Some(Owned::Int(value))) => exact(-i128::from(value)),
                ('-', Some(Owned::Float(value))) => Owned::Float(-value),
                (_, number) => number.unwrap_or(Owned::Null),
            },
            Tree::Arithmetic(op, left, right) => {
                let (left, right) = (self.value(left), self.value(right));
                match (self.number(&left), self.number(&right)) {
                    (Some(left), Some(right)) => compute(*op, &left, &right),
                    _ => Owned::Null,
                }
            }
            condition => match self.condition(condition) {
                Some(value) => Owned::Bool(value),
                None => Owned::Null,
            },
        }
    }

    fn property(&self, name: &str) -> Owned {
        let typed = |name| match self.message.typed(name) {
            Value::Null => Owned::Null,
            Value::Bool(value) => Owned::Bool(value),
            Value::Int(value) => Owned::Int(value),
            Value::Float(value) => Owned::Float(value),
            Value::Str(text) => Owned::Str(text.to_owned()),
        };
        match name {
            "JMSPriority" => typed(TypedName::Priority),
            "JMSRedelivered" => typed(TypedName::Redelivered),
            "JMSXUserID" => typed(TypedName::UserId),
            "JMSDeliveryMode" => match typed(TypedName::Persistent) {
                Owned::Bool(true) => Owned::Str("PERSISTENT".into()),
                Owned::Bool(false) => Owned::Str("NON_PERSISTENT".into()),
                _ => Owned::Null,
            },
            "receipt" => Owned::Null,
            name => {
                let mut headers = self.message.headers.iter();
                match headers.find(|(other, _)| other == name) {
                    Some((_, value)) => Owned::Str(value.clone()),
                    None => Owned::Null,
                }
            }
        }
    }

    fn compare(&self, op: &str, left: &Owned, right: &Owned) -> Three {
        if *left == Owned::Null || *right == Owned::Null {
            return None;
        }
        if op == "<>" {
            let unlike = match (left, right) {
                (Owned::Str(_), Owned::Str(_)) | (Owned::Bool(_), Owned::Bool(_)) => false,
                (Owned::Str(_) | Owned::Bool(_), _) | (_, Owned::Str(_) | Owned::Bool(_)) => true,
                _ => false,
            };
            if unlike && !self.converts {
                return Some(false);
            }
            return not(self.compare("=", left, right));
        }
        if op == "=" {
            match (left, right) {
                (Owned::Str(left), Owned::Str(right)) => return Some(left == right),
                (Owned::Bool(left), Owned::Bool(right)) => return Some(left == right),
                (Owned::Bool(value), Owned::Str(text)) | (Owned::Str(text), Owned::Bool(value)) => {
                    return Some(self.converts && text.to_lowercase() == value.to_string());
                }
                _ => {}
            }
        }
        let (Some(left), Some(right)) = (self.number(left), self.number(right)) else {
            return Some(false);
        };
        if let (Owned::Int(left), Owned::Int(right)) = (&left, &right) {
            return Some(match op {
                "=" => left == right,
                "<" => left < right,
                "<=" => left <= right,
                ">" => left > right,
                _ => left >= right,
            });
        }
        let (left, right) = (float(&left), float(&right));
        Some(match op {
            "=" => left == right,
            "<" => left < right,
            "<=" => left <= right,
            ">" => left > right,
            _ => left >= right,
        })
    }

    fn number(&self, value: &Owned) -> Option<Owned> {
        match value {
            Owned::Int(_) | Owned::Float(_) => Some(value.clone()),
            Owned::Str(text) if self.converts => number_of(text),
            _ => None,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "what is meant")]
fn float(number: &Owned) -> f64 {
    match number {
        Owned::Int(value) => *value as f64,
        Owned::Float(value) => *value,
        _ => panic!("no number"),
    }
}

fn exact(value: i128) -> Owned {
    i64::try_from(value).map_or(Owned::Null, Owned::Int)
}

fn compute(op: char, left: &Owned, right: &Owned) -> Owned {
    if let (Owned::Int(left), Owned::Int(right)) = (left, right) {
        let (left, right) = (i128::from(*left), i128::from(*right));
        match op {
            '+' => return exact(left + right),
            '-' => return exact(left - right),
            '*' => return exact(left * right),
            _ => {}
        }
    }
    let (left, right) = (float(left), float(right));
    let result = match op {
        '+' => left + right,
        '-' => left - right,
        '*' => left * right,
        '/' => left / right,
        _ => left % right,
    };
    let defined = !(right == 0.0 && "/%".contains(op)) && result.is_finite();
    if defined {
        Owned::Float(result)
    } else {
        Owned::Null
    }
}

fn number_of(text: &str) -> Option<Owned> {
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let unsigned = |text: &str| match text.as_bytes().first() {
        Some(b'+' | b'-') => text[1..].to_owned(),
        _ => text.to_owned(),
    };
    let body = unsigned(text);
    if all_digits(&body)
        && let Ok(value) = text.trim_start_matches('+').parse()
    {
        return Some(Owned::Int(value));
    }
    let (mantissa, exponent) = match body.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(unsigned(exponent))),
        None => (body.as_str(), None),
    };
    let mantissa_is_right = match mantissa.split_once('.') {
        Some(("", fraction)) => all_digits(fraction),
        Some((whole, fraction)) => all_digits(whole) && all_digits(fraction),
        None => all_digits(mantissa),
    };
    let exponent_is_right = exponent.is_none_or(|exponent| all_digits(&exponent));
    (mantissa_is_right && exponent_is_right).then(|| Owned::Float(text.parse().unwrap()))
}

fn like(pattern: &[char], text: &[char], escape: Option<char>) -> bool {
    match pattern {
        [] => text.is_empty(),
        [e, next, rest @ ..]
            if Some(*e) == escape && (*next == '%' || *next == '_' || Some(*next) == escape) =>
        {
            text.first() == Some(next) && like(rest, &text[1..], escape)
        }
        ['%', rest @ ..] => (0..=text.len()).any(|taken| like(rest, &text[taken..], escape)),
        ['_', rest @ ..] => !text.is_empty() && like(rest, &text[1..], escape),
        [c, rest @ ..] => text.first() == Some(c) && like(rest, &text[1..], escape),
    }
}
