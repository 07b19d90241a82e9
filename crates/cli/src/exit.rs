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

    /// A failure of a part, with its place and its causes; the exit code is its own.
    pub(crate) fn at(place: &str, error: Failure) -> Failure {
        let text = Self::text_of(&*error);
        Self::failure(code_of(&*error), format!("{place}: {text}"))
    }

    /// An error with its causes, in a line.
    pub(crate) fn text_of(error: &(dyn Error + 'static)) -> String {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let more = error.to_string();
            // Many an error tells its cause itself.
            if !text.contains(&more) {
                text.push_str(": ");
                text.push_str(&more);
            }
            cause = error.source();
        }
        text
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

/// Whether an ERROR's message is about what its client may do. Brokers have no code for it in
/// common, so that their words must do.
fn is_refusal(message: &str) -> bool {
    // What is in quotes is the client's own, such as a destination.
    let words: String = message.split('"').step_by(2).collect();
    let words = words.to_ascii_lowercase();
    [
        "access denied",
        "access_refused",
        "access refused",
        "not authorized",
        "unauthorized",
        "does not have permission",
        "denied",
        "refused",
        "bad connect",
    ]
    .iter()
    .any(|word| words.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_brokers_refuse_is_known() {
        for message in [
            "access denied",
            "connection refused",
            "access_refused",
            "Bad CONNECT",
            "User bob is not authorized to write to: queue://a",
            "AMQ229032: User: bob does not have permission='SEND' on address a",
        ] {
            assert!(is_refusal(message), "{message}");
        }
        for message in [
            "destination \"/access denied\" begins with none of /queue/",
            "not_found",
            "Processing error",
        ] {
            assert!(!is_refusal(message), "{message}");
        }
    }
}
