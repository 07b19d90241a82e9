//! Words and numbers for people.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

/// Text from the network: what a terminal would obey, or would show in another order than it came,
/// is escaped.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match is_harmful(c) {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// JSON that does nothing to a terminal, and means the same: serde_json escapes but some of what `plain`
/// does, and it occurs in texts only.
pub(crate) fn json(value: &Value, is_indented: bool) -> String {
    let text = match is_indented {
        true => format!("{value:#}"),
        false => value.to_string(),
    };
    let is_fine = |c: char| !is_harmful(c) || (is_indented && c == '\n');
    if text.chars().all(is_fine) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match is_fine(c) {
            true => out.push(c),
            // All of them have four digits.
            false => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        }
    }
    out
}

fn is_harmful(c: char) -> bool {
    // Directions, line and paragraph separators, and what has no width: names could be made to look like others.
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// As much of a text as there is room for, in columns of a terminal.
pub(crate) fn cut(text: &str, width: usize) -> Cow<'_, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    for c in text.chars() {
        out.push(c);
        if out.width() >= width {
            out.pop();
            break;
        }
    }
    if width > 0 {
        out.push('\u{2026}');
    }
    Cow::Owned(out)
}

/// A number, as 9999, 12.3k, 123k or 4.5M: in six columns.
pub(crate) fn count(number: u64) -> String {
    match number {
        0..10_000 => number.to_string(),
        _ => scaled(number as f64, 1000.0, &["", "k", "M", "G", "T", "P", "E"]),
    }
}

/// Bytes, as 999 B, 1.2 KiB or 345 GiB: in eight columns.
pub(crate) fn bytes(number: u64) -> String {
    scaled(
        number as f64,
        1024.0,
        &[" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"],
    )
}

/// Something a second, as 0, 0.4, 12, 1234 12.3k or 123k.
pub(crate) fn rate(number: f64) -> String {
    match number {
        number if !number.is_finite() || number < 0.05 => "0".into(),
        number if number < 9.95 => format!("{number:.1}"),
        number => count(number.round() as u64),
    }
}

fn scaled(mut number: f64, base: f64, units: &[&str]) -> String {
    let mut unit = 0;
    // What would be rounded up to the next unit is written in it.
    while number >= base - 0.5 && unit + 1 < units.len() {
        number /= base;
        unit += 1;
    }
    let name = units.get(unit).copied().unwrap_or_default();
    match unit > 0 && number < 99.95 {
        true => format!("{number:.1}{name}"),
        false => format!("{number:.0}{name}"),
    }
}

/// A time, in the two largest units: 350ms, 12s, 3m 20s, 2h 5m or 3d 4h.
pub(crate) fn age(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    let two = |large: u64, a: &str, small: u64, b: &str| match small {
        0 => format!("{large}{a}"),
        _ => format!("{large}{a} {small}{b}"),
    };
    match seconds {
        0 => format!("{milliseconds}ms"),
        1..60 => format!("{seconds}s"),
        60..3600 => two(seconds / 60, "m", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "m"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// A time of the broker, milliseconds since 1970, as in RFC 3339.
pub(crate) fn at(milliseconds: u64) -> String {
    humantime::format_rfc3339_millis(time(milliseconds)).to_string()
}

/// The same without milliseconds.
pub(crate) fn seconds(milliseconds: u64) -> String {
    humantime::format_rfc3339_seconds(time(milliseconds)).to_string()
}

fn time(milliseconds: u64) -> SystemTime {
    // Beyond the year 9999 there is no such text, and the broker may say anything.
    const LAST: u64 = 253_402_300_799_999;
    UNIX_EPOCH + Duration::from_millis(milliseconds.min(LAST))
}

/// `1 message`, `2 messages`.
pub(crate) fn messages(number: u64) -> String {
    match number {
        1 => "1 message".into(),
        number => format!("{number} messages"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(plain("/queue/\u{e4} b"), "/queue/\u{e4} b");
        assert_eq!(plain("a\u{1b}[31mb\n"), "a\\u{1b}[31mb\\n");
        assert_eq!(plain("\u{9b}31m\u{202e}x"), "\\u{9b}31m\\u{202e}x");
        let value = Value::from("\u{1b}\u{7f}\u{9b}\u{e4}\u{202e}");
        assert_eq!(
            json(&value, false),
            "\"\\u001b\\u007f\\u009b\u{e4}\\u202e\""
        );
        let value = serde_json::json!({ "a": "\u{9b}" });
        let text = json(&value, true);
        assert_eq!(text, "{\n  \"a\": \"\\u009b\"\n}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        assert_eq!(plain("a\u{200b}b\u{feff}"), "a\\u{200b}b\\u{feff}");
    }

    #[test]
    fn texts_are_cut_to_columns() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab\u{2026}");
        assert_eq!(cut("\u{6f22}\u{5b57}\u{6f22}", 4), "\u{6f22}\u{2026}");
        assert_eq!(cut("abcd", 1), "\u{2026}");
        assert_eq!(cut("abcd", 0), "");
    }

    #[test]
    fn numbers_have_units() {
        let counts = [0, 9_999, 10_000, 99_960, 999_499, 999_500, u64::MAX];
        assert_eq!(
            counts.map(count),
            ["0", "9999", "10.0k", "100k", "999k", "1.0M", "18.4E"]
        );
        let sizes = [0, 1023, 1024, 1_047_000, 1_048_575, u64::MAX];
        assert_eq!(
            sizes.map(bytes),
            [
                "0 B", "1023 B", "1.0 KiB", "1022 KiB", "1.0 MiB", "16.0 EiB"
            ]
        );
        let rates = [
            0.0,
            0.04,
            0.4,
            9.96,
            1234.4,
            123_456.0,
            f64::NAN,
            f64::INFINITY,
        ];
        assert_eq!(
            rates.map(rate),
            ["0", "0", "0.4", "10", "1234", "123k", "0", "0"]
        );
        let ages = [0, 350, 12_999, 200_000, 7_500_000, 273_600_000, 60_000];
        assert_eq!(
            ages.map(age),
            ["0ms", "350ms", "12s", "3m 20s", "2h 5m", "3d 4h", "1m"]
        );
        assert_eq!(at(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        assert_eq!(seconds(1_700_000_000_123), "2023-11-14T22:13:20Z");
        assert_eq!(at(u64::MAX), "9999-12-31T23:59:59.999Z");
        assert_eq!([messages(1), messages(0)], ["1 message", "0 messages"]);
    }
}
