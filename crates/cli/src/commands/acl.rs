//! `stompbox acl`.

use std::io::Write as _;

use clap::ArgMatches;
use stompbox_server::{Access, Principal};

use crate::{
    Failure,
    args::{AccessKind, AclCommand},
    settings::Settings,
};

/// Says whether a user may do something.
pub(crate) fn run(command: &AclCommand, matches: &ArgMatches) -> Result<(), Failure> {
    let AclCommand::Check {
        login,
        access,
        destination,
        options,
    } = command;
    let config = Settings::resolve(options, matches)?.config;
    let user = config.users.iter().find(|user| user.login() == login);
    let principal = match user {
        Some(user) => Principal::new(login, user.groups()),
        None if config.users.is_empty() => Principal::anonymous(),
        None => return Err(format!("there is no user {login:?}").into()),
    };
    let access = match access {
        AccessKind::Read => Access::Read,
        AccessKind::Write => Access::Write,
    };
    match config.acl.may(&principal, access, destination) {
        Ok(()) => Ok(writeln!(std::io::stdout(), "allowed")?),
        Err(denied) => Err(match denied.by {
            Some((who, permission)) => format!("denied to {who}: {permission}"),
            None => "denied: no rule allows it".to_owned(),
        }
        .into()),
    }
}
