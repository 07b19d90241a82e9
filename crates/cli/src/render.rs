//! How messages are printed.

use std::{
    io::{self, IsTerminal as _, Write},
    time::SystemTime,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};
use stompbox::Message;

use crate::{args::Output, exit::Failure, frames::printable_lines};

/// Prints messages one after the other.
pub(crate) struct Printer {
    output: Output,
    format: Option<Vec<Piece>>,
    headers_only: bool,
    /// The line above a table's columns is still to come.
    above: bool,
    /// A terminal shows it, which nothing that a peer sends may command.
    is_shown: bool,
}

/// A part of `--format`.
enum Piece {
    Text(String),
    Header(String),
    Destination,
    Body,
    Size,
    Id,
    Time,
}

impl Printer {
    pub(crate) fn new(
        output: Output,
        format: Option<&str>,
        headers_only: bool,
    ) -> Result<Self, Failure> {
        Ok(Self {
            output,
            format: format.map(pieces).transpose()?,
            headers_only,
            above: output == Output::Table,
            is_shown: io::stdout().is_terminal(),
        })
    }

    /// Prints a message.
    pub(crate) fn print(&mut self, out: &mut dyn Write, message: &Message) -> io::Result<()> {
        if !self.is_shown {
            return self.write(out, message);
        }
        let mut text = Vec::new();
        self.write(&mut text, message)?;
        out.write_all(printable_lines(&String::from_utf8_lossy(&text)).as_bytes())?;
        out.flush()
    }

    fn write(&mut self, out: &mut dyn Write, message: &Message) -> io::Result<()> {
        if let Some(format) = &self.format {
            for piece in format {
                piece.print(out, message)?;
            }
            return out.flush();
        }
        let body: &[u8] = match self.headers_only {
            true => b"",
            false => message.body(),
        };
        match self.output {
            Output::Raw if self.headers_only => {
                for (name, value) in message.headers() {
                    writeln!(out, "{name}:{value}")?;
                }
                writeln!(out)?;
            }
            Output::Raw => {
                out.write_all(body)?;
                out.write_all(b"\n")?;
            }
            Output::Text => {
                write!(out, "{} ", message.destination())?;
                out.write_all(body)?;
                out.write_all(b"\n")?;
            }
            Output::Ndjson => writeln!(out, "{}", object(message, self.headers_only))?,
            Output::Json => writeln!(out, "{:#}", object(message, self.headers_only))?,
            Output::Table => {
                if std::mem::take(&mut self.above) {
                    writeln!(
                        out,
                        "{:<30} {:<24} {:>9}  BODY",
                        "DESTINATION", "ID", "BYTES"
                    )?;
                }
                let text = String::from_utf8_lossy(body);
                let line: String = text
                    .chars()
                    .take(60)
                    .map(|c| if c.is_control() { ' ' } else { c })
                    .collect();
                writeln!(
                    out,
                    "{:<30} {:<24} {:>9}  {line}",
                    message.destination(),
                    message.id(),
                    message.body().len()
                )?;
            }
            Output::Frame => {
                writeln!(out, "MESSAGE")?;
                for (name, value) in message.headers() {
                    writeln!(out, "{name}:{value}")?;
                }
                writeln!(out)?;
                out.write_all(body)?;
                out.write_all(b"\0\n")?;
            }
        }
        out.flush()
    }
}

/// A message as an object.
fn object(message: &Message, headers_only: bool) -> Value {
    // First wins where a header is repeated.
    let mut headers = Map::new();
    for (name, value) in message.headers() {
        headers.entry(name).or_insert_with(|| value.into());
    }
    let mut object = json!({ "destination": message.destination(), "headers": headers });
    if !headers_only {
        match message.text() {
            Some(text) => object["body"] = text.into(),
            None => object["body_base64"] = BASE64_STANDARD.encode(message.body()).into(),
        }
    }
    object
}

impl Piece {
    fn print(&self, out: &mut dyn Write, message: &Message) -> io::Result<()> {
        match self {
            Self::Text(text) => out.write_all(text.as_bytes()),
            Self::Header(name) => {
                let value = message.header(name).unwrap_or_default();
                out.write_all(value.as_bytes())
            }
            Self::Destination => out.write_all(message.destination().as_bytes()),
            Self::Body => out.write_all(message.body()),
            Self::Size => write!(out, "{}", message.body().len()),
            Self::Id => out.write_all(message.id().as_bytes()),
            Self::Time => write!(
                out,
                "{}",
                humantime::format_rfc3339_millis(SystemTime::now())
            ),
        }
    }
}

/// Reads `--format`.
fn pieces(format: &str) -> Result<Vec<Piece>, Failure> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = format.chars();
    while let Some(c) = rest.next() {
        let piece = match c {
            '\\' => {
                match rest.next() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('\\') => text.push('\\'),
                    other => {
                        let other =
                            other.map_or_else(|| "nothing".to_owned(), |c| format!("{c:?}"));
                        return Err(
                            format!("--format: after \\ comes n, t or \\, not {other}").into()
                        );
                    }
                }
                continue;
            }
            '%' => match rest.next() {
                Some('%') => {
                    text.push('%');
                    continue;
                }
                Some('n') => {
                    text.push('\n');
                    continue;
                }
                Some('d') => Piece::Destination,
                Some('b') => Piece::Body,
                Some('s') => Piece::Size,
                Some('I') => Piece::Id,
                Some('t') => Piece::Time,
                Some('H') => {
                    let name = rest
                        .as_str()
                        .strip_prefix('{')
                        .and_then(|rest| rest.split_once('}'));
                    let Some((name, after)) = name else {
                        return Err("--format: %H is followed by a name, as %H{priority}".into());
                    };
                    rest = after.chars();
                    Piece::Header(name.to_owned())
                }
                other => {
                    let other = other.map_or_else(|| "nothing".to_owned(), |c| format!("{c:?}"));
                    return Err(format!(
                        "--format: after % comes d, b, s, I, t, n, H{{NAME}} or %, not {other}"
                    )
                    .into());
                }
            },
            c => {
                text.push(c);
                continue;
            }
        };
        if !text.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut text)));
        }
        pieces.push(piece);
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}
