//! The list of `IN`, sorted, so that its length costs little.

use super::{
    Value,
    ast::Literal,
    compare::boolean,
    number::{Number, to_f64},
};

/// The items, by the type of the value that is sought among them.
#[derive(Debug)]
pub(super) struct List {
    strings: Box<[Box<str>]>,
    /// What a string is sought in, if it is a number and strings convert.
    numbers: Numbers,
    /// What a number is sought in: also the strings that are numbers, if strings convert.
    all_numbers: Numbers,
    has_true: bool,
    has_false: bool,
}

impl List {
    pub(super) fn new(items: &[Literal], converts: bool) -> Self {
        let mut strings: Vec<Box<str>> = Vec::new();
        let mut numbers = Vec::new();
        for item in items {
            match item {
                Literal::Str(text) => strings.push(text.clone()),
                Literal::Int(value) => numbers.push(Number::Int(*value)),
                Literal::Float(value) => numbers.push(Number::Float(*value)),
                // No list has them.
                Literal::Bool(_) => {}
            }
        }
        strings.sort_unstable();
        let spelled = strings.iter().filter_map(|text| Number::parse(text));
        let spelled = spelled.filter(|_| converts);
        let has = |wanted| converts && strings.iter().any(|text| boolean(text) == Some(wanted));
        Self {
            all_numbers: Numbers::new(numbers.iter().copied().chain(spelled)),
            numbers: Numbers::new(numbers.iter().copied()),
            has_true: has(true),
            has_false: has(false),
            strings: strings.into(),
        }
    }

    /// Whether the value, not a missing one, equals one of the items.
    pub(super) fn contains(&self, value: Value<'_>, converts: bool) -> bool {
        match value {
            Value::Null => false,
            Value::Bool(true) => self.has_true,
            Value::Bool(false) => self.has_false,
            Value::Int(value) => self.all_numbers.contains(Number::Int(value)),
            Value::Float(value) => self.all_numbers.contains(Number::Float(value)),
            Value::Str(text) => {
                self.strings
                    .binary_search_by(|item| (**item).cmp(text))
                    .is_ok()
                    || converts
                        && !self.numbers.all.is_empty()
                        && Number::parse(text).is_some_and(|number| self.numbers.contains(number))
            }
        }
    }
}

/// Numbers, sorted. An integer equals integers exactly but floats as a float; a float equals all
/// as a float.
#[derive(Debug)]
struct Numbers {
    ints: Box<[i64]>,
    floats: Box<[f64]>,
    /// Both, as floats.
    all: Box<[f64]>,
}

impl Numbers {
    fn new(numbers: impl Iterator<Item = Number>) -> Self {
        let (mut ints, mut floats) = (Vec::new(), Vec::new());
        for number in numbers {
            match number {
                Number::Int(value) => ints.push(value),
                // Adding 0 makes 0 of -0, which sorts elsewhere.
                Number::Float(value) => floats.push(value + 0.0),
            }
        }
        ints.sort_unstable();
        let mut all: Vec<f64> = ints.iter().map(|value| to_f64(*value)).collect();
        all.extend(&floats);
        floats.sort_unstable_by(f64::total_cmp);
        all.sort_unstable_by(f64::total_cmp);
        Self {
            ints: ints.into(),
            floats: floats.into(),
            all: all.into(),
        }
    }

    fn contains(&self, number: Number) -> bool {
        match number {
            Number::Int(value) => {
                self.ints.binary_search(&value).is_ok() || find(&self.floats, to_f64(value))
            }
            Number::Float(value) => find(&self.all, value),
        }
    }
}

fn find(sorted: &[f64], value: f64) -> bool {
    let value = value + 0.0;
    let sought = |item: &f64| item.total_cmp(&value);
    // What is no number would be found among its like, but equals nothing.
    !value.is_nan() && sorted.binary_search_by(sought).is_ok()
}
