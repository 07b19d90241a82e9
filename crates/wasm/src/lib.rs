//! `client::Session` for JavaScript hosts: the protocol is here, sockets and timers are theirs.
//!
//! There is no glue generator: the host writes its arguments into one buffer, calls an export, and
//! finds the results at the places that [`abi`] tells. Texts cross as lists whose items a NUL ends,
//! which no STOMP header can hold; a frame's head is thus decoded at once.

pub mod abi;
mod connection;
mod fields;

pub use connection::{Connection, Kind, Received};
