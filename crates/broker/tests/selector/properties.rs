//! Random selectors against the reference, and random texts. `PROPTEST_CASES` raises how many.

use proptest::{collection::vec, prelude::*, sample::select};
use stompbox_broker::selector::{MAX_BYTES, Selector, Truth};

use crate::{
    generate::{Style, condition, message},
    message::TestMessage,
    reference::{Tree, evaluate},
};

fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok();
    ProptestConfig {
        cases: cases.map_or(500, |cases| cases.parse().unwrap()),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_evaluator_agrees_with_the_reference(
        tree in condition(),
        message in message(),
        lower: bool,
        blank in select(vec![" ", "\n\t "]),
    ) {
        let plain = Style { full: false, lower, blank }.write(&tree);
        let full = Style { full: true, lower, blank }.write(&tree);
        prop_assume!(full.len() <= MAX_BYTES);
        for (prefix, converts) in [("", true), ("no_convert_string_expressions:", false)] {
            let selector = Selector::compile(&format!("{prefix}{plain}"));
            let selector = selector.map_err(|error| TestCaseError::fail(format!("{plain}: {error}")))?;
            let selector = selector.unwrap();
            let actual = selector.evaluate(&message);
            prop_assert_eq!(actual, evaluate(&tree, &message, converts), "{}", selector);
            let same = Selector::compile(&format!("{prefix}{full}")).unwrap().unwrap();
            prop_assert_eq!(&same, &selector);
            prop_assert_eq!(same.to_string(), selector.to_string());
            reads_the_same(&selector)?;
            if let Some((name, text)) = selector.equality()
                && actual == Truth::True
            {
                prop_assert!(is_equal(&message, name, text), "{}", selector);
            }
        }
    }

    /// Of few letters, so that segments often almost fit; longer than a word of bits.
    #[test]
    fn long_patterns_agree_with_the_reference(
        text in "[ab]{0,200}",
        holes in vec((0usize..200, select(vec!['_', '%', 'a'])), 0..6),
        cut in 0usize..200,
    ) {
        let mut pattern: Vec<char> = text.chars().skip(cut).collect();
        pattern.insert(0, '%');
        for (at, hole) in holes {
            if let Some(c) = pattern.get_mut(at) {
                *c = hole;
            }
        }
        let pattern: String = pattern.into_iter().collect();
        let message = TestMessage::of(&[("a", &text)]);
        let tree = Tree::Like(false, "a", pattern.clone(), None);
        let selector = Selector::compile(&format!("a LIKE '{pattern}'")).unwrap().unwrap();
        prop_assert_eq!(selector.evaluate(&message), evaluate(&tree, &message, true));
    }

    #[test]
    fn any_text_compiles_or_fails(text in ".{0,60}") {
        compile(&text)?;
    }

    #[test]
    fn any_tokens_compile_or_fail(tokens in vec(token(), 0..24), blank in select(vec!["", " "])) {
        compile(&tokens.join(blank))?;
    }
}

fn is_equal(
    message: &TestMessage,
    name: &stompbox_broker::selector::PropertyName,
    text: &str,
) -> bool {
    use stompbox_broker::selector::{Properties, PropertyName, Value};
    match name {
        PropertyName::Header(name) => message.header(name) == Some(text),
        PropertyName::Typed(name) => message.typed(*name) == Value::Str(text),
    }
}

fn token() -> impl Strategy<Value = &'static str> {
    select(vec![
        "a",
        "b-c",
        "\"d e\"",
        "\"",
        "'x'",
        "'",
        "1",
        "0x1F",
        "09",
        "1.5",
        "1e",
        ".",
        "9223372036854775808",
        "=",
        "<>",
        "<",
        "<=",
        ">",
        ">=",
        "==",
        "+",
        "-",
        "*",
        "/",
        "%",
        "(",
        ")",
        "(",
        ")",
        ",",
        "NOT",
        "AND",
        "OR",
        "BETWEEN",
        "LIKE",
        "ESCAPE",
        "IN",
        "IS",
        "NULL",
        "TRUE",
        "XPATH",
        "é",
        "😀",
        "hyphenated_props:",
        "no_convert_string_expressions:",
    ])
}

fn compile(text: &str) -> Result<(), TestCaseError> {
    match Selector::compile(text) {
        Ok(None) => {}
        Ok(Some(selector)) => reads_the_same(&selector)?,
        Err(error) => {
            prop_assert!(
                (1..=text.chars().count() + 1).contains(&error.column()),
                "{}",
                error
            );
            prop_assert!(error.to_string().chars().count() < 300, "{}", error);
        }
    }
    Ok(())
}

fn reads_the_same(selector: &Selector) -> Result<(), TestCaseError> {
    for text in [format!("{selector}"), format!("{selector:#}")] {
        if text.len() <= MAX_BYTES {
            let again = Selector::compile(&text)
                .map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?
                .unwrap();
            prop_assert_eq!(&*again, selector, "{}", text);
        }
    }
    Ok(())
}
