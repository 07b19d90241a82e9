use std::fmt;

use thiserror::Error;

/// A selector that can't be used, and where it goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct SelectorError {
    column: usize,
    message: String,
    hint: Option<&'static str>,
}

impl SelectorError {
    pub(super) fn new(text: &str, at: usize, fault: Fault) -> Self {
        let before = text.get(..at).unwrap_or(text);
        Self {
            column: before.chars().count() + 1,
            message: fault.message,
            hint: fault.hint,
        }
    }

    /// A short name for programs, the same in all releases.
    pub fn code(&self) -> &'static str {
        "invalid-selector"
    }

    /// Where, in characters of the header's value, from 1. One past the last if something is
    /// missing at the end.
    pub fn column(&self) -> usize {
        self.column
    }

    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to write instead, where that can be guessed.
    pub fn hint(&self) -> Option<&str> {
        self.hint
    }
}

impl fmt::Display for SelectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column, self.message)?;
        match self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// What is wrong, without where.
#[derive(Debug)]
pub(super) struct Fault {
    message: String,
    hint: Option<&'static str>,
}

impl Fault {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    pub(super) fn hint(self, hint: &'static str) -> Self {
        Self {
            hint: Some(hint),
            ..self
        }
    }
}

/// A piece of the selector as an error shows it: quoted, and not all of a long one.
pub(super) fn quote(piece: &str) -> String {
    const SHOWN: usize = 40;
    match piece.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("\"{}…\"", piece.get(..end).unwrap_or(piece)),
        None => format!("\"{piece}\""),
    }
}
