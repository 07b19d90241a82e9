//! What of frames may be shown: no secrets, and nothing that commands the terminal.

use stompbox_proto::FrameRef;

/// Headers whose values nobody is to see.
pub(crate) const SECRET: [&str; 6] = [
    "passcode",
    "password",
    "authorization",
    "cookie",
    "token",
    "access_token",
];

/// A frame in a line, without secrets, and with that many bytes of its body.
pub(crate) fn line(frame: &FrameRef<'_>, bodies: usize) -> String {
    let mut line = frame.command_text().to_owned();
    for (name, value) in frame.headers() {
        let hidden = SECRET
            .iter()
            .any(|secret| name.eq_ignore_ascii_case(secret));
        let value = if hidden { "****" } else { &*value };
        line.push(' ');
        line.push_str(&printable(&name));
        line.push(':');
        line.push_str(&printable(value));
    }
    let body = frame.body();
    if !body.is_empty() {
        line.push_str(&format!(" [{} bytes]", body.len()));
        if bodies > 0 {
            let part = String::from_utf8_lossy(&body[..body.len().min(bodies)]);
            line.push(' ');
            line.push_str(&printable(&part));
        }
    }
    line
}

/// Nothing that a peer sends may command the terminal.
pub(crate) fn printable(text: &str) -> String {
    escaped(text, char::is_control)
}

/// As [`printable`], but for texts of several lines.
pub(crate) fn printable_lines(text: &str) -> String {
    escaped(text, |c| c.is_control() && c != '\n' && c != '\t')
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match is_escaped(c) {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_commands_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\\n");
        assert_eq!(printable_lines("a\u{9b}2J\n\tb"), "a\\u{9b}2J\n\tb");
    }
}
