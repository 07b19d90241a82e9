//! Showing frames that pass: no secrets, and nothing that commands the terminal.

use std::{
    io::Write as _,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::SystemTime,
};

use stompbox::Traffic;
use stompbox_proto::{Command, Decoder, Dialect, FrameRef, Limits, Version};
use tokio::sync::mpsc;

/// Headers whose values nobody is to see.
pub(crate) const SECRET: [&str; 6] = [
    "passcode",
    "password",
    "authorization",
    "cookie",
    "token",
    "access_token",
];

/// The longest body that is followed.
const LONGEST: usize = 1 << 30;

/// The frames of one direction of a connection.
pub(crate) struct Reader {
    /// `None`: what came is no STOMP.
    decoder: Option<Decoder>,
    /// Tens and ones of the version that `CONNECTED` said, which tells how headers are escaped; the
    /// other direction has the same.
    version: Arc<AtomicU8>,
}

impl Reader {
    /// Both directions of a new connection.
    pub(crate) fn pair() -> [Self; 2] {
        let version = Arc::new(AtomicU8::new(0));
        [Arc::clone(&version), version].map(|version| Self {
            decoder: Some(Decoder::new(Limits::default().with_body(LONGEST))),
            version,
        })
    }

    /// Gives each frame that the bytes complete, and says once where they are no STOMP any more.
    pub(crate) fn read(
        &mut self,
        mut bytes: &[u8],
        mut see: impl FnMut(Result<&FrameRef<'_>, String>),
    ) {
        while let Some(decoder) = &mut self.decoder {
            let dialect = match self.version.load(Ordering::Relaxed) {
                10 => Dialect::V1_0,
                11 => Dialect::V1_1,
                12 => Dialect::V1_2,
                _ => Dialect::Handshake,
            };
            match decoder.decode(&mut bytes, dialect) {
                Ok(Some(frame)) => {
                    if frame.command() == Command::Connected {
                        let agreed = frame.header("version");
                        let agreed = agreed.as_deref().and_then(|it| it.parse().ok());
                        let number = match agreed.unwrap_or(Version::V1_0) {
                            Version::V1_0 => 10,
                            Version::V1_1 => 11,
                            Version::V1_2 => 12,
                        };
                        self.version.store(number, Ordering::Relaxed);
                    }
                    see(Ok(&frame));
                }
                Ok(None) => return,
                Err(error) => {
                    see(Err(format!("is no STOMP from here on: {error}")));
                    self.decoder = None;
                }
            }
        }
    }
}

/// What `-v` shows of the connections of one client: with one `-v` how they are made and what errors
/// come, with two all frames, with three the beginnings of bodies too.
pub(crate) fn verbose(level: u8) -> impl Fn(Traffic<'_>) + Send + Sync + 'static {
    static CLIENTS: AtomicU64 = AtomicU64::new(0);
    let number = CLIENTS.fetch_add(1, Ordering::Relaxed) + 1;
    let bodies = if level > 2 { 1 << 10 } else { 0 };
    let readers = Mutex::new(Reader::pair());
    move |traffic| {
        let mut readers = readers.lock().unwrap_or_else(PoisonError::into_inner);
        let [sent, received] = &mut *readers;
        let see = |side: &str, frame: Result<&FrameRef<'_>, String>| match frame {
            Ok(frame) => {
                let is_shown = match frame.command() {
                    Command::Connected | Command::Error => true,
                    _ => level > 1,
                };
                if is_shown {
                    tell(number, side, &line(frame, bodies));
                }
            }
            Err(text) => tell(number, side, &text),
        };
        match traffic {
            Traffic::Connecting(url) => {
                *readers = Reader::pair();
                tell(number, "--", &format!("connects to {}", printable(url)));
            }
            Traffic::Sent(bytes) => sent.read(bytes, |frame| see("C>", frame)),
            Traffic::Received(bytes) => received.read(bytes, |frame| see("S<", frame)),
            _ => {}
        }
    }
}

/// Where the lines of `-v` go, if not to standard error: a prompt stands there.
static ELSEWHERE: OnceLock<mpsc::Sender<String>> = OnceLock::new();

/// From now on the lines of `-v` go there; those that find no room are left out.
pub(crate) fn divert(to: mpsc::Sender<String>) {
    // There is one prompt.
    let _ = ELSEWHERE.set(to);
}

fn tell(number: u64, side: &str, text: &str) {
    let line = stamped(number, side, text);
    match ELSEWHERE.get() {
        Some(elsewhere) => drop(elsewhere.try_send(line)),
        // Nobody may be there to read it.
        None => drop(std::io::stderr().write_all(line.as_bytes())),
    }
}

/// A line with the time of the day, a connection's number and the side that speaks.
pub(crate) fn stamped(number: u64, side: &str, text: &str) -> String {
    let now = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    let clock = now.get(11..23).unwrap_or_default();
    format!("{clock} {number} {side} {text}\n")
}

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
