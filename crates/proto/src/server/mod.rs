//! The server's end of a connection.

mod event;
mod session;

pub use event::{AckTarget, Event};
pub use session::{Config, Session, Timeout};
