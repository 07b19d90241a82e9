//! What can go wrong between the admin listener and here.

use std::{error::Error, fmt, time::Duration};

use hyper::StatusCode;
use serde_json::Value;

use super::text::plain;
use crate::exit::{Failure, NO_CONNECTION, NOTHING, REFUSED, SERVER_ERROR, TIMEOUT, USAGE};

/// What a call failed with.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// There is nobody.
    Connect { url: String, source: Failure },
    /// The connection broke.
    Lost { url: String, source: Failure },
    /// No answer in that time.
    Timeout { url: String, after: Duration },
    /// The listener says no.
    Status {
        status: StatusCode,
        /// In dashes, for programs.
        code: String,
        message: String,
        /// All that it said.
        said: Value,
    },
    /// What answers does not do so as an admin listener does.
    Answer { url: String, what: String },
}

impl ApiError {
    /// Whether there is no such thing.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Status { status, .. } if *status == StatusCode::NOT_FOUND)
    }

    /// The program's exit code.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Connect { .. } | Self::Lost { .. } => NO_CONNECTION,
            Self::Timeout { .. } => TIMEOUT,
            Self::Answer { .. } => SERVER_ERROR,
            Self::Status { status, .. } => match *status {
                // Too many refused logins are refused too.
                StatusCode::UNAUTHORIZED
                | StatusCode::FORBIDDEN
                | StatusCode::TOO_MANY_REQUESTS => REFUSED,
                StatusCode::NOT_FOUND => NOTHING,
                StatusCode::BAD_REQUEST => USAGE,
                _ => SERVER_ERROR,
            },
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { url, .. } => write!(f, "can't connect to {url}"),
            Self::Lost { url, .. } => write!(f, "the connection to {url} is lost"),
            Self::Timeout { url, after } => {
                let after = humantime::format_duration(*after);
                write!(f, "{url} did not answer in {after}")
            }
            Self::Status {
                status,
                code,
                message,
                ..
            } => {
                f.write_str(&plain(message))?;
                match *status {
                    StatusCode::UNAUTHORIZED => f.write_str(" (see --user and --passcode-file)"),
                    _ if code.is_empty() => write!(f, " ({status})"),
                    _ => Ok(()),
                }
            }
            Self::Answer { url, what } => {
                write!(
                    f,
                    "{url} does not answer as a broker's admin listener: {what}"
                )
            }
        }
    }
}

impl Error for ApiError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Connect { source, .. } | Self::Lost { source, .. } => Some(&**source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_tell_what_went_wrong() {
        let code = |status: u16| {
            ApiError::Status {
                status: StatusCode::from_u16(status).unwrap(),
                code: String::new(),
                message: String::new(),
                said: Value::Null,
            }
            .exit_code()
        };
        let codes = [400, 401, 403, 404, 405, 409, 413, 429, 503].map(code);
        assert_eq!(codes, [1, 3, 3, 6, 4, 4, 4, 3, 4]);
    }
}
