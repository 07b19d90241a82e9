//! `stompbox completion`.

use std::io::Write as _;

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use crate::{
    args::{Args, Completion},
    exit::Failure,
};

/// Prints a completion script.
pub(crate) fn run(args: &Completion) -> Result<(), Failure> {
    let shell: Shell = args.shell.parse()?;
    let mut script = Vec::new();
    generate(shell, &mut Args::command(), "stompbox", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(())
}
