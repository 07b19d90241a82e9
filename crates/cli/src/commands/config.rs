//! `stompbox config`.

use std::io::Write as _;

use clap::ArgMatches;

use crate::{Failure, args::ConfigCommand, settings::Settings};

/// Checks or prints the configuration.
pub(crate) fn run(command: &ConfigCommand, matches: &ArgMatches) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    match command {
        ConfigCommand::Check(options) => {
            let config = Settings::resolve(options, matches)?.config;
            config.validate()?;
            writeln!(
                out,
                "ok: {} listeners, {} users, {} rules",
                config.listen.len(),
                config.users.len(),
                config.acl.rules().len()
            )?;
        }
        ConfigCommand::Show(options) => {
            write!(out, "{}", Settings::resolve(options, matches)?)?;
        }
    }
    Ok(())
}
