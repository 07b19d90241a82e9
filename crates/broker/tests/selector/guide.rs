//! Every example of `docs/selectors.md` is true.

use std::{fs, path::Path};

use stompbox_broker::selector::{Selector, Truth};

use crate::message::TestMessage;

#[test]
fn the_examples_hold() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/selectors.md");
    let text = fs::read_to_string(path).unwrap();
    let message = &message(&text);
    let mut examples = 0;
    let mut in_table = false;
    for line in text.lines() {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let (first, second) = (cells.next(), cells.next());
        in_table = first.is_some() && (in_table || first == Some("Selector"));
        let (true, Some(first), Some(second)) = (in_table, first, second) else {
            continue;
        };
        if first == "Selector" || first.starts_with("---") {
            continue;
        }
        let selector = first.trim_matches('`');
        assert_eq!(format!("`{selector}`"), first, "no selector");
        assert_eq!(result(selector, message), second, "{selector}");
        examples += 1;
    }
    assert!(examples > 70, "only {examples} examples were found");
}

#[test]
fn the_frame_has_a_selector_that_is_right() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/selectors.md");
    let text = fs::read_to_string(path).unwrap();
    let mut selectors = text
        .lines()
        .filter_map(|line| line.strip_prefix("selector:"));
    assert_eq!(result(selectors.next().unwrap(), &message(&text)), "true");
    assert_eq!(selectors.next(), None);
}

fn message(text: &str) -> TestMessage {
    let (_, block) = text.split_once("```message\n").unwrap();
    let (headers, _) = block.split_once("```").unwrap();
    let mut message = TestMessage::default();
    for header in headers.lines() {
        message.add(header);
    }
    message.add("@Destination str /topic/prices");
    message
}

fn result(selector: &str, message: &TestMessage) -> String {
    match Selector::compile(selector) {
        Err(error) => error.to_string(),
        Ok(selector) => match selector.expect("it is not blank").evaluate(message) {
            Truth::True => "true".into(),
            Truth::False => "false".into(),
            Truth::Unknown => "unknown".into(),
        },
    }
}
