//! What the program's exit code is: 0 all well, 1 asked wrongly or failed on this side, 2 can't
//! connect, 3 refused, 4 the server reported an error, 5 it took too long, 6 nothing matched,
//! 130 interrupted.

use std::{error::Error, fmt};

use stompbox::{Closed, ConnectError, ReceiptError, RequestError, Unavailable};

use crate::commands::admin::ApiError;

/// What a command failed with, in words for the user.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

pub(crate) const USAGE: u8 = 1;
pub(crate) const NO_CONNECTION: u8 = 2;
pub(crate) const REFUSED: u8 = 3;
pub(crate) const SERVER_ERROR: u8 = 4;
pub(crate) const TIMEOUT: u8 = 5;
pub(crate) const NOTHING: u8 = 6;
pub(crate) const INTERRUPTED: u8 = 130;

/// A failure whose exit code is known. Without a text nothing is printed.
#[derive(Debug)]
pub(crate) struct Exit {
    pub(crate) code: u8,
    text: String,
}

impl Exit {
    pub(crate) fn failure(code: u8, text: impl Into<String>) -> Failure {
        let text = text.into();
        Box::new(Self { code, text })
    }

    /// Ctrl-C.
    pub(crate) fn interrupted() -> Failure {
        Self::failure(INTERRUPTED, "")
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Exit {}

/// The exit code of a failure.
pub(crate) fn code_of(error: &(dyn Error + 'static)) -> u8 {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(code) = own_code(error) {
            return code;
        }
        cause = error.source();
    }
    USAGE
}

fn own_code(error: &(dyn Error + 'static)) -> Option<u8> {
    if let Some(exit) = error.downcast_ref::<Exit>() {
        return Some(exit.code);
    }
    if let Some(error) = error.downcast_ref::<ApiError>() {
        return Some(error.exit_code());
    }
    if let Some(error) = error.downcast_ref::<ConnectError>() {
        return Some(match error {
            error if error.is_refused() => REFUSED,
            ConnectError::Url { .. }
            | ConnectError::Option { .. }
            | ConnectError::Header(_)
            | ConnectError::Passcode
            | ConnectError::Credentials(_) => USAGE,
            // 401 and 403 refuse, whatever else says that there is no server for us.
            ConnectError::WebSocket { source, .. }
                if ["401", "403"]
                    .iter()
                    .any(|it| source.to_string().contains(it)) =>
            {
                REFUSED
            }
            _ => NO_CONNECTION,
        });
    }
    if let Some(closed) = error.downcast_ref::<Closed>() {
        return Some(match closed {
            Closed::ServerError { message, .. } if is_refusal(message) => REFUSED,
            Closed::ServerError { .. } => SERVER_ERROR,
            Closed::NotReconnected { source, .. } => code_of(source),
            _ => NO_CONNECTION,
        });
    }
    let is_timeout = matches!(
        error.downcast_ref::<ReceiptError>(),
        Some(ReceiptError::Timeout)
    ) || matches!(
        error.downcast_ref::<RequestError>(),
        Some(RequestError::Timeout)
    ) || matches!(
        error.downcast_ref::<Unavailable>(),
        Some(Unavailable::Timeout)
    );
    is_timeout.then_some(TIMEOUT)
}

/// Whether an ERROR's message is about what its client may do.
fn is_refusal(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    [
        "access",
        "denied",
        "refused",
        "not authorized",
        "unauthorized",
        "bad connect",
    ]
    .iter()
    .any(|word| message.contains(word))
}
