//! `stompbox events`.

use std::{
    fmt::Write as _,
    io::{IsTerminal as _, Write as _, stdout},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::timeout,
};

use super::{
    api::{Api, query},
    text::{at, json, plain},
};
use crate::{
    args::{Events, Report},
    exit::{Exit, Failure, NO_CONNECTION, SERVER_ERROR},
};

/// Each 15 seconds there is at least an empty line: after three times that the broker is gone.
const SILENCE: Duration = Duration::from_secs(45);

/// Prints events until there were enough, the broker ends, or Ctrl-C.
pub(crate) async fn events(args: Events) -> Result<(), Failure> {
    let output = args.output.unwrap_or_else(|| match stdout().is_terminal() {
        true => Report::Text,
        false => Report::Ndjson,
    });
    let mut api = Api::of(&args.admin)?;
    let kinds = (!args.kinds.is_empty()).then(|| args.kinds.join(","));
    let path = query("/events", &[("kinds", kinds.as_deref())]);
    let mut lines = api.lines(&path).await?;
    // One for all the time: a signal between two waits is not lost.
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut seen = 0;
    while args.count.is_none_or(|count| seen < count) {
        let next = tokio::select! {
            next = timeout(SILENCE, lines.next()) => next,
            _ = interrupted.recv() => return Err(Exit::interrupted()),
        };
        let line = match next {
            Ok(line) => line?,
            Err(_) => {
                let silence = SILENCE.as_secs();
                let text = format!("{} said nothing for {silence} s", api.url());
                return Err(Exit::failure(NO_CONNECTION, text));
            }
        };
        let Some(line) = line else {
            let text = format!("{} has ended the stream of events", api.url());
            return Err(Exit::failure(NO_CONNECTION, text));
        };
        if line.trim_ascii().is_empty() {
            continue;
        }
        let event: Value = serde_json::from_slice(&line).map_err(|error| {
            Exit::failure(SERVER_ERROR, format!("an event is no JSON: {error}"))
        })?;
        let mut out = stdout().lock();
        match output {
            Report::Text => writeln!(out, "{}", words(&event))?,
            Report::Json => writeln!(out, "{}", json(&event, true))?,
            Report::Ndjson => writeln!(out, "{}", json(&event, false))?,
        }
        out.flush()?;
        seen += 1;
    }
    Ok(())
}

/// An event in a line: when, what, and the rest as NAME=VALUE.
fn words(event: &Value) -> String {
    let when = event.get("at").and_then(Value::as_u64).map(at);
    let kind = event.get("kind").and_then(Value::as_str).unwrap_or("?");
    let mut line = format!("{} {}", when.unwrap_or_else(|| "-".into()), plain(kind));
    for (name, value) in event.as_object().into_iter().flatten() {
        if name == "at" || name == "kind" || value.is_null() {
            continue;
        }
        let is_plain = |text: &str| {
            let is_special = |c: char| c.is_whitespace() || matches!(c, '"' | '=');
            !text.is_empty() && !text.contains(is_special)
        };
        let value = match value {
            Value::String(text) if is_plain(text) => text.clone(),
            other => json(other, false),
        };
        // Writing to a text does not fail.
        let _ = write!(line, " {}={}", plain(name), plain(&value));
    }
    line
}

#[cfg(test)]
mod tests {
    use serde_json::json as object;

    use super::*;

    #[test]
    fn events_are_lines() {
        let event = object!({
            "at": 1_700_000_000_123_u64,
            "kind": "error",
            "connection": "7",
            "code": "bad-frame",
            "message": "a\u{1b}[31m \u{9b}b",
            "more": null,
            "n": 3,
        });
        assert_eq!(
            words(&event),
            "2023-11-14T22:13:20.123Z error code=bad-frame connection=7 \
             message=\"a\\u001b[31m \\u009bb\" n=3"
        );
        assert_eq!(words(&object!({ "kind": "x\ny" })), "- x\\ny");
        assert_eq!(words(&object!(7)), "- ?");
    }
}
