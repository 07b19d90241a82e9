//! The headers of four brokers, and what they mean here.
//!
//! Spellings end in this module: the engine sees meanings, as fields of [`send::SendHeaders`],
//! [`subscribe::SubscribeHeaders`] and [`queue::QueueHeaders`].
//!
//! # To add a spelling of something that is there
//!
//! Add it to the `match` of its frame's `take`: [`send`] for `SEND`, [`subscribe`] for `SUBSCRIBE`
//! and `UNSUBSCRIBE`, [`queue`] for what a queue is declared to be (both frames). Where brokers
//! contradict each other about a header, a guard on [`BrokerDialect`](crate::BrokerDialect) comes
//! before the general arm, as with `activemq.prefetchSize`.
//!
//! # To add a meaning
//!
//! 1. A field that says what it means, its unit and what `None` is.
//! 2. An arm of `take` that fills it. A value that makes no sense is an error that says what would
//!    ([`invalid`]); of a repeated header the first counts.
//! 3. What few messages have goes to [`send::Extras`], so that the others don't pay for it. If a
//!    message is to keep it beyond a restart there is nothing to do: headers are stored as they are
//!    and read again. If a queue is, add a line to `QueueHeaders::lines`, from which it is also
//!    compared with later declarations.
//! 4. What the engine does with it: `routing` for sending, `subscribe` and `delivery` for
//!    subscriptions, `redelivery` for what comes again.
//! 5. If only the server may say it, its name in `send::is_server_owned`.
//! 6. A test in `tests/`, by the name of what it does, and a line in `docs/broker.md`.
//!
//! # To add a dialect
//!
//! A variant of [`BrokerDialect`](crate::BrokerDialect) and its name there; then guards as above, and
//! in `destination` where names are read differently. What it leaves alone means what it means to
//! everybody.

pub(crate) mod queue;
pub(crate) mod send;
pub(crate) mod subscribe;

use crate::BrokerError;

/// Reads a header's number.
fn number<T: std::str::FromStr>(
    header: &str,
    value: &str,
    expected: &'static str,
) -> Result<T, BrokerError> {
    value
        .trim()
        .parse()
        .map_err(|_| invalid(header, value, expected))
}

/// Reads a header's `true` or `false`.
fn flag(header: &str, value: &str) -> Result<bool, BrokerError> {
    let value = value.trim();
    // Python's clients write True.
    if value.eq_ignore_ascii_case("true") {
        Ok(true)
    } else if value.eq_ignore_ascii_case("false") {
        Ok(false)
    } else {
        Err(invalid(header, value, "true or false"))
    }
}

fn invalid(header: &str, value: &str, expected: &'static str) -> BrokerError {
    BrokerError::InvalidHeader {
        header: header.chars().take(80).collect(),
        value: value.chars().take(80).collect(),
        expected,
    }
}
