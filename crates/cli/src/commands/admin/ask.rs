//! Asking before something is done that can't be undone.

use std::io::{BufRead as _, IsTerminal as _, Write as _, stderr, stdin};

use crate::exit::{Exit, Failure, USAGE};

/// Asks, unless that was answered before; an error if it is not to be done.
pub(crate) fn ask(question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !stdin().is_terminal() {
        let text = format!("{question} Nobody can be asked here: say --yes");
        return Err(Exit::failure(USAGE, text));
    }
    let mut out = stderr().lock();
    write!(out, "{question} [y/N] ")?;
    out.flush()?;
    let mut line = String::new();
    stdin().lock().read_line(&mut line)?;
    match line.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Exit::failure(USAGE, "nothing was done")),
    }
}
