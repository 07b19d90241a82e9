//! The client's side of STOMP for JavaScript hosts, as small as it can be.
//!
//! Only heads cross the boundary: the host copies what may be a frame's head into a window, and finds
//! in a table where its parts lie; bodies stay the host's own texts and buffers. Nothing is allocated:
//! the window, the table, the names of headers that were seen and the state of the connections have
//! their places from the start, so this memory never grows, whatever a server sends.
//!
//! The rules of frames and sessions are those of `stompbox-proto`. Escapes, commands, versions and
//! heart-beats are its code; heads are read by code of this crate's own, which needs no heap and writes
//! no errors' texts, and `tests/equal.rs` holds it against `stompbox_proto::Decoder` and
//! `stompbox_proto::client::Session`.

pub mod abi;
mod connection;
mod escape;
mod fault;
mod head;
mod names;
mod scan;

pub use connection::{Connection, Kind};
pub use escape::escape;
pub use fault::Fault;
pub use head::{Flag, Head, Line, MAX_HEADERS, WINDOW};
pub use names::Names;
