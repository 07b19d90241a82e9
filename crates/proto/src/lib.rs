//! STOMP 1.0, 1.1 and 1.2 as a sans-IO core, for both ends of a connection.
//!
//! This crate opens no socket and reads no clock. Bytes and the time go in; frames, events and
//! bytes come out. The broker, the Rust client and the JavaScript library all run it, so that the
//! same rules hold at every end.
//!
//! - [`Decoder`] turns chunks of bytes into [`FrameRef`]s, [`encode`] does the reverse.
//! - [`server::Session`] and [`client::Session`] hold the rules of a connection: negotiation,
//!   heart-beats, which frames are allowed when, receipts, transactions and the forms of `ACK`.
//!
//! # Driving a session
//!
//! ```
//! use core::time::Duration;
//! use stompbox_proto::{Decoder, Limits, client, server};
//!
//! let now = Duration::ZERO; // since any moment of the caller's choice, never backwards
//! let mut broker = server::Session::new(server::Config::default(), now);
//! let mut decoder = Decoder::new(Limits::default());
//! let mut peer = client::Session::new(client::Config::new("localhost"), now)?;
//!
//! while let Some(bytes) = peer.poll_transmit() {
//!     broker.heard(now);
//!     let mut input = &bytes[..];
//!     while let Some(frame) = decoder.decode(&mut input, broker.dialect())? {
//!         match broker.receive(&frame, now)? {
//!             server::Event::Connect { .. } => broker.accept("session-1", &[], now),
//!             other => panic!("expected CONNECT, got {other:?}"),
//!         }
//!     }
//! }
//! assert!(broker.is_connected());
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
#![no_std]

extern crate alloc;

pub mod client;
pub mod server;

mod ack;
mod command;
mod decoder;
mod dialect;
mod encoder;
mod error;
mod frame;
mod heartbeat;
mod limits;
mod scan;
mod version;

pub use ack::{AckMode, InvalidAckMode};
pub use command::Command;
pub use decoder::Decoder;
pub use dialect::{Dialect, Escapes, Octet, Part, escape, unescape};
pub use encoder::{ContentLength, encode, encode_head, write_number};
pub use error::{DecodeError, EncodeError, ProtocolError};
pub use frame::{Frame, FrameRef, Headers};
pub use heartbeat::{HeartBeat, InvalidHeartBeat};
pub use limits::Limits;
pub use version::{UnknownVersion, Version, Versions};
