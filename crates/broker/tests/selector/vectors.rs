//! The vectors in `*.txt` beside this file.
//!
//! `message` begins a message, whose headers and typed properties are indented. Other lines are an
//! outcome and a selector: `T`, `F`, `U`, `NONE` for no selector at all, or `E` and the column of
//! the error, whose text may follow after `>`. `<LF>` and the like stand for characters that a
//! line can't have.

use std::{fs, path::Path};

use stompbox_broker::selector::{Selector, Truth};

use crate::message::TestMessage;

#[test]
fn all_vectors_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/selector");
    let mut vectors = 0;
    let mut failures = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            let text = fs::read_to_string(&path).unwrap();
            let file = path.file_name().unwrap().to_string_lossy();
            vectors += check(&file, &text, &mut failures);
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(vectors > 400, "only {vectors} vectors were found");
}

fn check(file: &str, text: &str, failures: &mut Vec<String>) -> usize {
    let mut message = TestMessage::default();
    let mut vectors = 0;
    let mut lines = text.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line == "message" {
            message = TestMessage::default();
            continue;
        }
        if let Some(header) = line.strip_prefix("  ") {
            message.add(&characters(header));
            continue;
        }
        let (wanted, selector) = line.split_once(' ').unwrap_or((line, ""));
        let selector = characters(selector.trim_start());
        let result = Selector::compile(&selector);
        let mut actual = match &result {
            Err(error) => format!("E{}", error.column()),
            Ok(None) => "NONE".into(),
            Ok(Some(selector)) => match selector.evaluate(&message) {
                Truth::True => "T".into(),
                Truth::False => "F".into(),
                Truth::Unknown => "U".into(),
            },
        };
        let mut wanted = wanted.to_owned();
        if let Some((_, error)) = lines.next_if(|(_, line)| line.starts_with("> ")) {
            wanted += &error[1..];
            actual += &result
                .as_ref()
                .map_or_else(|e| format!(" {e}"), |_| String::new());
        }
        if wanted != actual {
            let reason = result
                .as_ref()
                .map_or_else(|e| format!(": {e}"), |_| String::new());
            failures.push(format!(
                "{file}:{}: {selector}\n  wanted {wanted}, is {actual}{reason}",
                number + 1
            ));
        }
        if let Ok(Some(selector)) = &result {
            for text in [format!("{selector}"), format!("{selector:#}")] {
                let again = Selector::compile(&text).ok().flatten();
                assert_eq!(again.as_ref(), Some(selector), "{text}");
            }
        }
        vectors += 1;
    }
    vectors
}

fn characters(text: &str) -> String {
    let names = [
        ("<LF>", "\n"),
        ("<HT>", "\t"),
        ("<CR>", "\r"),
        ("<FF>", "\u{c}"),
        ("<VT>", "\u{b}"),
        ("<NBSP>", "\u{a0}"),
        ("<NUL>", "\0"),
        ("<SP>", " "),
    ];
    names
        .iter()
        .fold(text.to_owned(), |text, (name, c)| text.replace(name, c))
}
