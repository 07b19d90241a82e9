//! The canonical text, with the fewest parentheses and with all of them.

use stompbox_broker::selector::Selector;

#[test]
fn selectors_print_in_one_way() {
    let cases = [
        (
            "not a=1 and(b<>'it''s' or c)",
            "NOT a = 1 AND (b <> 'it''s' OR c)",
            "(NOT (a = 1)) AND ((b <> 'it''s') OR c)",
        ),
        ("((a))", "a", "a"),
        (
            "a - (b - c) - d > -(-e)",
            "a - (b - c) - d > - -e",
            "((a - (b - c)) - d) > - -e",
        ),
        (
            "(a+b)*c/d%2=0",
            "(a + b) * c / d % 2 = 0",
            "((((a + b) * c) / d) % 2) = 0",
        ),
        ("-(a+b) = +c", "-(a + b) = +c", "-(a + b) = +c"),
        (
            "a - -9223372036854775808 = - - 9223372036854775808",
            "a - -9223372036854775808 = - -9223372036854775808",
            "(a - -9223372036854775808) = - -9223372036854775808",
        ),
        (
            "a = 0x10 and b = 017L and c = 5E10 and d = 1.e300",
            "a = 16 AND b = 15 AND c = 50000000000.0 AND d = 1e300",
            "(a = 16) AND (b = 15) AND (c = 50000000000.0) AND (d = 1e300)",
        ),
        (
            "(a and b) and c and (d)",
            "(a AND b) AND c AND d",
            "(a AND b) AND c AND d",
        ),
        (
            "a not in('x',-5,+.5) or b not like 'x!%'escape'!'",
            "a NOT IN ('x', -5, 0.5) OR b NOT LIKE 'x!%' ESCAPE '!'",
            "(a NOT IN ('x', -5, 0.5)) OR (b NOT LIKE 'x!%' ESCAPE '!')",
        ),
        (
            "a+1 not between b and c*2 or d is not null",
            "a + 1 NOT BETWEEN b AND c * 2 OR d IS NOT NULL",
            "((a + 1) NOT BETWEEN b AND (c * 2)) OR (d IS NOT NULL)",
        ),
        (
            "\"a\" = \"b-c\" or \"d e\" = \"not\" or \"x\"\"y\" = \"xpath\"",
            "a = b-c OR \"d e\" = \"not\" OR \"x\"\"y\" = \"xpath\"",
            "(a = b-c) OR (\"d e\" = \"not\") OR (\"x\"\"y\" = \"xpath\")",
        ),
        ("no_hyphenated_props:a-b = 1", "a - b = 1", "(a - b) = 1"),
        (
            "convert_string_expressions:no_convert_string_expressions:a",
            "no_convert_string_expressions: a",
            "no_convert_string_expressions: a",
        ),
    ];
    for (text, printed, full) in cases {
        let selector = Selector::compile(text).unwrap().unwrap();
        assert_eq!(selector.to_string(), printed);
        assert_eq!(format!("{selector:#}"), full);
        for again in [printed, full] {
            assert_eq!(Selector::compile(again).unwrap().unwrap(), selector);
        }
        assert_eq!(selector.text(), text);
    }
}

#[test]
fn what_reads_differently_is_not_equal() {
    let compile = |text| Selector::compile(text).unwrap().unwrap();
    for (one, other) in [
        ("a AND b", "b AND a"),
        ("a", "no_convert_string_expressions:a"),
        ("a - (b - c) = 1", "a - b - c = 1"),
        ("a = 1", "a = 1.0"),
        ("a = 'x'", "A = 'x'"),
    ] {
        assert_ne!(compile(one), compile(other));
    }
}
