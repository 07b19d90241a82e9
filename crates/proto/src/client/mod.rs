//! The client's end of a connection.

mod event;
mod session;

pub use event::{AckRef, Event};
pub use session::{Config, RequestError, Session, Timeout};
