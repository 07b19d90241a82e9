//! One module a command.

pub(crate) mod acl;
pub(crate) mod config;
pub(crate) mod passwd;
pub(crate) mod publish;
pub(crate) mod serve;
pub(crate) mod store;
pub(crate) mod subscribe;

use stompbox::{Client, ConnectOptions};

use crate::{Failure, args::Connect};

/// Connects as the options say.
async fn connect(args: &Connect) -> Result<Client, Failure> {
    let mut options = ConnectOptions::new(&args.url);
    if let Some(login) = &args.login {
        options = options.login(login);
    }
    if let Some(passcode) = &args.passcode {
        options = options.passcode(&passcode.0);
    }
    Ok(options.connect().await?)
}

/// Splits `NAME:VALUE`.
fn parse_headers(headers: &[String]) -> Result<Vec<(&str, &str)>, Failure> {
    let split = |header: &'_ str| -> Option<usize> { header.find(':').filter(|at| *at > 0) };
    headers
        .iter()
        .map(|header| match split(header) {
            Some(at) => Ok((&header[..at], &header[at + 1..])),
            None => Err(format!("--header {header:?} is not NAME:VALUE").into()),
        })
        .collect()
}
