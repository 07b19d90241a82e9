//! Any text: it compiles or fails within its columns, and what compiles reads the same when it is
//! printed, evaluates, and matches nothing that its equality rules out.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use stompbox_broker::selector::{
    EqualityIndex, MAX_BYTES, Properties, Selector, TypedName, Value,
};

#[derive(Arbitrary, Debug)]
struct Message<'a> {
    text: &'a str,
    number: i64,
    flag: bool,
    selector: &'a str,
}

impl Properties for Message<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        match name.len() % 3 {
            0 => None,
            1 => Some(self.text),
            _ => Some("5"),
        }
    }

    fn typed(&self, name: TypedName) -> Value<'_> {
        match name {
            TypedName::Redelivered | TypedName::Persistent => Value::Bool(self.flag),
            TypedName::MessageId | TypedName::Destination => Value::Str(self.text),
            TypedName::GroupId | TypedName::UserId => Value::Null,
            _ => Value::Int(self.number),
        }
    }
}

fuzz_target!(|message: Message| {
    let selector = match Selector::compile(message.selector) {
        Ok(Some(selector)) => selector,
        Ok(None) => return,
        Err(error) => {
            let columns = message.selector.chars().count() + 1;
            assert!((1..=columns).contains(&error.column()));
            assert!(error.to_string().chars().count() < 300);
            return;
        }
    };
    let truth = selector.evaluate(&message);
    for printed in [format!("{selector}"), format!("{selector:#}")] {
        if printed.len() <= MAX_BYTES {
            let again = Selector::compile(&printed).unwrap().unwrap();
            assert_eq!(again, selector);
            assert_eq!(again.evaluate(&message), truth);
        }
    }
    let mut index = EqualityIndex::default();
    let mut candidates = Vec::new();
    if index.insert(1, &selector) {
        index.candidates(&message, &mut candidates);
        assert!(!selector.matches(&message) || candidates == [1]);
        assert!(index.remove(1, &selector) && index.is_empty());
    }
});
