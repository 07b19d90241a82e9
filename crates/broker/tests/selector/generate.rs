//! Random selectors, and how they are written.

use proptest::{collection::vec, prelude::*, sample::select};
use stompbox_broker::selector::TypedName;

use crate::{
    message::{Owned, TestMessage},
    reference::Tree,
};

const NAMES: [&str; 10] = [
    "a",
    "b",
    "c-d",
    "e.f",
    "missing",
    "receipt",
    "JMSPriority",
    "JMSRedelivered",
    "JMSXUserID",
    "JMSDeliveryMode",
];

const TEXTS: [&str; 28] = [
    "",
    "5",
    "5.0",
    "+5",
    "-3",
    "abc",
    "a%b",
    "a_c",
    "true",
    "TRUE",
    "false",
    "PERSISTENT",
    "1e3",
    ".5",
    "5.",
    "1e",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "9007199254740993",
    "1e999",
    "-0.0",
    "NaN",
    "0x10",
    " 5",
    "it's",
    "größe\n",
    "😀",
];

const INTS: [i64; 9] = [
    0,
    1,
    2,
    3,
    5,
    1000,
    9_007_199_254_740_992,
    9_007_199_254_740_993,
    i64::MAX,
];

const FLOATS: [f64; 7] = [
    0.0,
    0.5,
    5.0,
    1e3,
    9_007_199_254_740_992.0,
    9.223_372_036_854_776e18,
    1e308,
];

pub(crate) fn message() -> impl Strategy<Value = TestMessage> {
    let header = (select(vec!["a", "b", "c-d", "e.f"]), select(TEXTS.to_vec()));
    let priority = select(vec![Owned::Int(4), Owned::Int(5), Owned::Int(i64::MIN)]);
    let user = select(vec![Owned::Null, Owned::Str("5".into())]);
    let headers = vec(header, 0..6);
    (headers, priority, user, any::<[bool; 2]>()).prop_map(|(headers, priority, user, flags)| {
        let mut message = TestMessage::of(&headers);
        message.typed = vec![
            (TypedName::Priority, priority),
            (TypedName::UserId, user),
            (TypedName::Redelivered, Owned::Bool(flags[0])),
            (TypedName::Persistent, Owned::Bool(flags[1])),
        ];
        message
    })
}

/// Something that can be true.
pub(crate) fn condition() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        1 => any::<bool>().prop_map(Tree::Bool),
        2 => name().prop_map(Tree::Name),
        6 => comparison(numeric(), any_value()),
        2 => test(),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|part| Tree::Not(Box::new(part))),
            vec(inner.clone(), 2..5).prop_map(Tree::And),
            vec(inner.clone(), 2..5).prop_map(Tree::Or),
            comparison(numeric(), inner.clone().boxed()),
            // A condition is a value, too.
            comparison(inner.clone().boxed(), inner.boxed()),
        ]
    })
}

fn name() -> impl Strategy<Value = &'static str> + Clone {
    select(NAMES.to_vec())
}

fn text() -> impl Strategy<Value = String> + Clone {
    select(TEXTS.to_vec()).prop_map(str::to_owned)
}

fn comparison(left: BoxedStrategy<Tree>, right: BoxedStrategy<Tree>) -> BoxedStrategy<Tree> {
    let op = select(vec!["=", "<>", "<", "<=", ">", ">="]);
    let compare = (op, left, right).prop_map(|(op, left, right)| {
        // Strings and booleans have no order, which is an error.
        let unordered = |tree: &Tree| matches!(tree, Tree::Str(_) | Tree::Bool(_));
        let op = if unordered(&left) || unordered(&right) {
            if op.len() == 2 { "<>" } else { "=" }
        } else {
            op
        };
        Tree::Compare(op, Box::new(left), Box::new(right))
    });
    compare.boxed()
}

fn any_value() -> BoxedStrategy<Tree> {
    prop_oneof![
        2 => numeric(),
        1 => text().prop_map(Tree::Str),
        1 => any::<bool>().prop_map(Tree::Bool),
    ]
    .boxed()
}

/// What can be computed with.
fn numeric() -> BoxedStrategy<Tree> {
    let leaf = prop_oneof![
        4 => name().prop_map(Tree::Name),
        2 => select(INTS.to_vec()).prop_map(Tree::Int),
        1 => Just(Tree::Int(i64::MIN)),
        2 => select(FLOATS.to_vec()).prop_map(Tree::Float),
    ];
    let recursive = leaf.prop_recursive(3, 8, 2, |inner| {
        let op = select(vec!['+', '-', '*', '/', '%']);
        prop_oneof![
            (select(vec!['+', '-']), inner.clone())
                .prop_map(|(sign, inner)| Tree::Sign(sign, Box::new(inner))),
            (op, inner.clone(), inner).prop_map(|(op, left, right)| Tree::Arithmetic(
                op,
                Box::new(left),
                Box::new(right)
            )),
        ]
    });
    recursive.boxed()
}

fn test() -> BoxedStrategy<Tree> {
    let item = prop_oneof![
        text().prop_map(Tree::Str),
        select(INTS.to_vec()).prop_map(Tree::Int),
        select(INTS.to_vec()).prop_map(|value| Tree::Int((-1i64).wrapping_sub(value))),
        select(FLOATS.to_vec()).prop_map(Tree::Float),
        select(FLOATS.to_vec()).prop_map(|value| Tree::Float(-value)),
    ];
    let pattern = (
        vec(
            select(vec!['a', 'b', 'c', '5', '_', '%', '!', '😀', 'ß']),
            0..6,
        ),
        select(vec![None, None, Some('!'), Some('%'), Some('_'), Some('a')]),
    );
    let between = (any::<bool>(), numeric(), numeric(), numeric());
    prop_oneof![
        (any::<bool>(), name(), vec(item, 1..14))
            .prop_map(|(negated, name, items)| Tree::In(negated, name, items)),
        (any::<bool>(), name(), pattern).prop_map(|(negated, name, (mut pattern, escape))| {
            // An escape character at the end is an error, any other character is not.
            while pattern.last().is_some() && pattern.last() == escape.as_ref() {
                pattern.pop();
            }
            Tree::Like(negated, name, pattern.into_iter().collect(), escape)
        }),
        (any::<bool>(), name()).prop_map(|(negated, name)| Tree::IsNull(negated, name)),
        between.prop_map(|(negated, value, low, high)| Tree::Between(
            negated,
            Box::new(value),
            Box::new(low),
            Box::new(high)
        )),
    ]
    .boxed()
}

/// How a tree is written.
#[derive(Clone, Copy)]
pub(crate) struct Style {
    /// Parentheses around everything that may have them.
    pub(crate) full: bool,
    pub(crate) lower: bool,
    pub(crate) blank: &'static str,
}

impl Style {
    pub(crate) fn write(self, tree: &Tree) -> String {
        let (b, not) = (self.blank, |negated: &bool| {
            if *negated {
                format!("{}{}", self.word("NOT"), self.blank)
            } else {
                String::new()
            }
        });
        match tree {
            Tree::Str(text) => string(text),
            Tree::Int(value) => value.to_string(),
            Tree::Float(value) => format!("{value:?}"),
            Tree::Bool(true) => self.word("TRUE"),
            Tree::Bool(false) => self.word("FALSE"),
            Tree::Name("e.f") => "\"e.f\"".into(),
            Tree::Name(name) => (*name).into(),
            Tree::Sign(sign, inner) => format!("{sign}{b}{}", self.operand(6, inner)),
            Tree::Arithmetic(op, left, right) => {
                let level = level(tree);
                let left = self.operand(level, left);
                format!("{left}{b}{op}{b}{}", self.operand(level + 1, right))
            }
            Tree::Compare(op, left, right) => {
                let (left, right) = (self.operand(4, left), self.operand(4, right));
                format!("{left}{b}{op}{b}{right}")
            }
            Tree::Between(negated, value, low, high) => {
                let [value, low, high] = [value, low, high].map(|part| self.operand(4, part));
                let (between, and) = (self.word("BETWEEN"), self.word("AND"));
                format!(
                    "{value}{b}{}{between}{b}{low}{b}{and}{b}{high}",
                    not(negated)
                )
            }
            Tree::In(negated, name, items) => {
                let items: Vec<String> = items.iter().map(|item| self.write(item)).collect();
                let (name, items) = (self.write(&Tree::Name(name)), items.join(","));
                format!("{name}{b}{}{}{b}({items})", not(negated), self.word("IN"))
            }
            Tree::Like(negated, name, pattern, escape) => {
                let (name, pattern) = (self.write(&Tree::Name(name)), string(pattern));
                let like = self.word("LIKE");
                let escape = escape.map(|escape| string(&escape.to_string()));
                let escape = escape.map(|text| format!("{b}{}{b}{text}", self.word("ESCAPE")));
                let escape = escape.unwrap_or_default();
                format!("{name}{b}{}{like}{b}{pattern}{escape}", not(negated))
            }
            Tree::IsNull(negated, name) => {
                let (name, is) = (self.write(&Tree::Name(name)), self.word("IS"));
                format!("{name}{b}{is}{b}{}{}", not(negated), self.word("NULL"))
            }
            Tree::Not(inner) => format!("{}{b}{}", self.word("NOT"), self.operand(2, inner)),
            Tree::And(parts) => self.chain("AND", 2, parts),
            Tree::Or(parts) => self.chain("OR", 1, parts),
        }
    }

    fn chain(self, word: &str, least: u8, parts: &[Tree]) -> String {
        let parts: Vec<String> = parts.iter().map(|part| self.operand(least, part)).collect();
        parts.join(&format!("{0}{1}{0}", self.blank, self.word(word)))
    }

    fn operand(self, least: u8, tree: &Tree) -> String {
        if self.full || level(tree) < least {
            format!("({})", self.write(tree))
        } else {
            self.write(tree)
        }
    }

    fn word(self, word: &str) -> String {
        if self.lower {
            word.to_lowercase()
        } else {
            word.to_owned()
        }
    }
}

fn string(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn level(tree: &Tree) -> u8 {
    match tree {
        Tree::Or(_) => 0,
        Tree::And(_) => 1,
        Tree::Not(_) => 2,
        Tree::Compare(..) | Tree::Between(..) | Tree::In(..) => 3,
        Tree::Like(..) | Tree::IsNull(..) => 3,
        Tree::Arithmetic('+' | '-', ..) => 4,
        Tree::Arithmetic(..) => 5,
        Tree::Sign(..) | Tree::Int(i64::MIN..=-1) => 6,
        _ => 7,
    }
}
