//! The limits, at and beyond them, and that what is within them can be evaluated.

use stompbox_broker::selector::{
    MAX_BYTES, MAX_DEPTH, MAX_LIST_ITEMS, MAX_NODES, MAX_PATTERN_BYTES, Selector, Truth,
};

use crate::message::TestMessage;

fn evaluate(text: &str) -> Truth {
    let selector = Selector::compile(text).unwrap().unwrap();
    let again = Selector::compile(&selector.to_string());
    if selector.to_string().len() <= MAX_BYTES {
        assert_eq!(again.unwrap().unwrap(), selector);
    }
    selector.evaluate(&TestMessage::of(&[("n", "5"), ("t", "true")]))
}

fn error(text: &str) -> String {
    let error = Selector::compile(text).unwrap_err();
    assert_eq!(error.code(), "invalid-selector");
    error.to_string()
}

#[test]
fn bytes() {
    let text = |length: usize| format!("n = '{}'", "x".repeat(length - 6));
    assert_eq!(evaluate(&text(MAX_BYTES)), Truth::False);
    assert_eq!(
        error(&text(MAX_BYTES + 1)),
        "column 1: the selector has 4097 bytes, the limit is 4096"
    );
}

#[test]
fn nesting_of_parentheses() {
    let text = |depth: usize| format!("{}t{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(evaluate(&text(MAX_DEPTH)), Truth::True);
    assert_eq!(
        error(&text(MAX_DEPTH + 1)),
        "column 65: the selector is nested deeper than the limit of 64"
    );
    assert!(error(&text(2000)).starts_with("column 65: "));
}

#[test]
fn nesting_of_operators() {
    // The name at the bottom is a level, too.
    let nots = |depth: usize| format!("{}t", "NOT ".repeat(depth));
    assert_eq!(evaluate(&nots(MAX_DEPTH - 1)), Truth::False);
    assert!(error(&nots(MAX_DEPTH)).contains("nested deeper"));
    assert!(error(&nots(1000)).contains("nested deeper"));
    let signs = |depth: usize| format!("{}n = 5", "- ".repeat(depth));
    assert_eq!(evaluate(&signs(MAX_DEPTH - 2)), Truth::True);
    assert!(error(&signs(MAX_DEPTH - 1)).contains("nested deeper"));
    assert!(error(&signs(2000)).contains("nested deeper"));
    let sum = |terms: usize| format!("n{} = 5", " + 0".repeat(terms - 1));
    assert_eq!(evaluate(&sum(MAX_DEPTH - 1)), Truth::True);
    assert!(error(&sum(MAX_DEPTH)).contains("nested deeper"));
}

#[test]
fn nodes() {
    // Three in the comparison and one for each OR.
    let text = |comparisons: usize| vec!["n=5"; comparisons].join(" OR ");
    assert_eq!(evaluate(&text(MAX_NODES / 4)), Truth::True);
    let names = |names: usize| vec!["n"; names].join(" OR ");
    assert_eq!(evaluate(&names(MAX_NODES / 2)), Truth::False);
    assert_eq!(
        error(&names(MAX_NODES / 2 + 1)),
        "column 1: the selector has more names, literals and operators than the limit of 256"
    );
}

#[test]
fn list_items() {
    let text = |items: usize| {
        let items: Vec<String> = (0..items).map(|item| item.to_string()).collect();
        format!("n IN ({})", items.join(","))
    };
    assert_eq!(evaluate(&text(MAX_LIST_ITEMS)), Truth::True);
    assert!(
        error(&text(MAX_LIST_ITEMS + 1)).ends_with("the list has more items than the limit of 256")
    );
}

#[test]
fn pattern_bytes() {
    let text = |length: usize| format!("n LIKE '{}'", "ä".repeat(length / 2));
    assert_eq!(evaluate(&text(MAX_PATTERN_BYTES)), Truth::False);
    assert_eq!(
        error(&text(MAX_PATTERN_BYTES + 2)),
        "column 8: the pattern has 1026 bytes, the limit is 1024"
    );
}

#[test]
fn long_pieces_are_cut_in_errors() {
    let error = error(&format!("n = 1 {}", "x".repeat(1000)));
    assert!(error.len() < 200, "{error}");
    assert!(error.contains('…'), "{error}");
}
