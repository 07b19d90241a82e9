//! The equality that a selector asks for, and the index of many.

use proptest::prelude::*;
use stompbox_broker::selector::{EqualityIndex, PropertyName, Selector, TypedName};

use crate::{
    generate::{Style, condition, message},
    message::TestMessage,
};

fn equality(text: &str) -> Option<(PropertyName, String)> {
    let selector = Selector::compile(text).unwrap().unwrap();
    let (name, text) = selector.equality()?;
    Some((name.clone(), text.into()))
}

fn header(name: &str, text: &str) -> Option<(PropertyName, String)> {
    Some((PropertyName::Header(name.into()), text.into()))
}

#[test]
fn only_equality_of_strings_is_found() {
    assert_eq!(equality("room = 'x'"), header("room", "x"));
    assert_eq!(equality("'x' = room"), header("room", "x"));
    assert_eq!(equality("n > 3 AND room = 'x'"), header("room", "x"));
    assert_eq!(
        equality("n > 3 AND (a < 1 AND room = 'x')"),
        header("room", "x")
    );
    assert_eq!(equality("a = 'x' AND b = 'y'"), header("a", "x"));
    assert_eq!(equality("TRUE AND room = ''"), header("room", ""));
    assert_eq!(
        equality("no_convert_string_expressions:room = 'x'"),
        header("room", "x")
    );
    assert_eq!(equality("n = '5'"), header("n", "5"));
    assert_eq!(equality("JMSType = 't'"), header("type", "t"));
    let user = PropertyName::Typed(TypedName::UserId);
    assert_eq!(equality("JMSXUserID = 'a'"), Some((user, "a".into())));
    for text in [
        "n = 5",
        "flag = TRUE",
        "room <> 'x'",
        "room = 'x' OR n = 5",
        "NOT room = 'x'",
        "room LIKE 'x'",
        "room = other",
        "JMSPriority = '4'",
        "JMSRedelivered = 'true'",
        "JMSDeliveryMode = 'PERSISTENT'",
        "ack = 'x'",
        "(room = 'x') = TRUE",
        "'x' = 'x'",
        "FALSE AND room = 'x'",
    ] {
        assert_eq!(equality(text), None, "{text}");
    }
}

#[test]
fn candidates_are_sorted_and_only_those_of_the_text() {
    let mut index = EqualityIndex::default();
    let compile = |text: &str| Selector::compile(text).unwrap().unwrap();
    let (x, y, user) = (
        compile("room = 'x'"),
        compile("room = 'y'"),
        compile("user = 'a'"),
    );
    for key in [5, 1, 9] {
        assert!(index.insert(key, &x));
    }
    assert!(index.insert(1, &x), "twice is once");
    assert!(index.insert(2, &y));
    assert!(index.insert(4, &user));
    assert!(!index.insert(3, &compile("n > 3")));
    let candidates = |index: &EqualityIndex<i32>, headers: &[(&str, &str)]| {
        let mut out = vec![100];
        index.candidates(&TestMessage::of(headers), &mut out);
        assert_eq!(out.remove(0), 100, "what was there stays");
        out
    };
    assert_eq!(candidates(&index, &[("room", "x")]), [1, 5, 9]);
    assert_eq!(candidates(&index, &[("room", "y")]), [2]);
    assert_eq!(candidates(&index, &[("room", "z")]), [0; 0]);
    assert_eq!(candidates(&index, &[]), [0; 0]);
    assert_eq!(
        candidates(&index, &[("user", "a"), ("room", "x"), ("room", "y")]),
        [1, 4, 5, 9]
    );
    assert!(index.remove(5, &x));
    assert!(!index.remove(5, &x));
    assert!(!index.remove(2, &x));
    assert_eq!(candidates(&index, &[("room", "x")]), [1, 9]);
    for (key, selector) in [(1, &x), (9, &x), (2, &y), (4, &user)] {
        assert!(index.remove(key, selector));
    }
    assert!(index.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_index_loses_no_match(
        trees in proptest::collection::vec(condition(), 1..20),
        room in prop_oneof![Just("5"), Just("abc"), Just("")],
        message in message(),
    ) {
        let style = Style { full: false, lower: false, blank: " " };
        let mut index = EqualityIndex::default();
        let mut selectors = Vec::new();
        for (key, tree) in trees.iter().enumerate() {
            let text = style.write(tree);
            let text = if key % 2 == 0 { text } else { format!("a = '{room}' AND ({text})") };
            let selector = Selector::compile(&text).unwrap().unwrap();
            let indexed = index.insert(key, &selector);
            selectors.push((selector, indexed));
        }
        let mut candidates = Vec::new();
        index.candidates(&message, &mut candidates);
        prop_assert!(candidates.is_sorted());
        for (key, (selector, indexed)) in selectors.iter().enumerate() {
            let found = candidates.contains(&key);
            prop_assert!(!found || *indexed);
            prop_assert!(!selector.matches(&message) || !indexed || found, "{}", selector);
        }
    }
}
