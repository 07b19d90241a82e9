//! What was seen where something does not work.

use std::{error::Error, fmt::Write as _};

/// What was seen instead of what was to be seen.
#[derive(Debug)]
pub(crate) struct Seen(pub(crate) String);

/// Of a check.
pub(crate) type Outcome<T = ()> = Result<T, Seen>;

/// The most characters that are kept.
const MOST: usize = 200;

impl<E: Error> From<E> for Seen {
    /// The error with its causes, in one line.
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let more = error.to_string();
            // Some say their cause themselves.
            if !text.contains(&more) {
                let _ = write!(text, ": {more}");
            }
            cause = error.source();
        }
        let line = text.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        Self(line.chars().take(MOST).collect())
    }
}

/// Fails with what was seen, unless it is as it should be.
pub(crate) fn expect(holds: bool, seen: impl Into<String>) -> Outcome {
    if holds {
        Ok(())
    } else {
        Err(Seen(seen.into()))
    }
}
