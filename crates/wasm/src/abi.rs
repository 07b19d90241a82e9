//! What the host calls.
//!
//! Connections have numbers; one that is not open is ignored. The host reads a table, and writes to the
//! window that begins where the table ends; they stay where they are. What the words of the table mean,
//! [`Head`] tells.
#![allow(
    unsafe_code,
    reason = "only the attribute that names the exports, no unsafe block"
)]

use std::cell::RefCell;

use stompbox_proto::{Command, Dialect, Escapes, HeartBeat, Part};

use crate::{Connection, Head, Names, WINDOW, escape as escape_in};

/// How many connections there can be; the host makes another instance of this module for more.
const CONNECTIONS: usize = 1024;

#[repr(C)]
struct State {
    head: Head,
    window: [u8; WINDOW],
    names: Names,
    connections: [Connection; CONNECTIONS],
}

thread_local! {
    static STATE: RefCell<State> = const {
        RefCell::new(State {
            head: Head::new(),
            window: [0; WINDOW],
            names: Names::new(),
            connections: [Connection::FREE; CONNECTIONS],
        })
    };
}

fn with<T: Default>(f: impl FnOnce(&mut State) -> Option<T>) -> T {
    // Neither can fail, since no export calls another; what could panic would bring the code that
    // writes of panics.
    let done = STATE.try_with(|state| f(&mut *state.try_borrow_mut().ok()?));
    done.ok().flatten().unwrap_or_default()
}

/// The address of the table: words of 32 bits. The window is next to it.
#[unsafe(no_mangle)]
pub extern "C" fn table() -> u32 {
    STATE.with(|state| state.as_ptr() as usize as u32)
}

/// Opens a connection: its number plus one, 0 if there is no room. `versions` has bit 0 for 1.0, 1 for
/// 1.1, 2 for 1.2, and 0 for a connection that only reads frames. Heart-beats are in milliseconds.
#[unsafe(no_mangle)]
pub extern "C" fn open(versions: u32, send: u32, receive: u32) -> u32 {
    with(|state| {
        let mut places = (1..).zip(&mut state.connections);
        let (number, free) = places.find(|(_, place)| place.is_free())?;
        *free = match versions {
            0 => Connection::READER,
            _ => Connection::open(versions, HeartBeat { send, receive }),
        };
        Some(number)
    })
}

/// Closes a connection; its number will be used again.
#[unsafe(no_mangle)]
pub extern "C" fn close(id: u32) {
    with(|state| {
        *state.connections.get_mut(id as usize)? = Connection::FREE;
        Some(())
    });
}

/// Reads the head that the window's first `length` octets begin with: the number of a
/// [`Kind`](crate::Kind) or of a [`Fault`](crate::Fault), 0 if more is needed.
#[unsafe(no_mangle)]
pub extern "C" fn head(id: u32, length: u32) -> u32 {
    with(|state| {
        let window = state.window.get_mut(..length as usize)?;
        let connection = state.connections.get_mut(id as usize)?;
        Some(
            match connection.head(window, &mut state.head, &mut state.names) {
                Ok(kind) => kind.map_or(0, |kind| kind as u32),
                Err(fault) => fault as u32,
            },
        )
    })
}

/// Escapes the window's first `length` octets, as a name (1) or value (0) of a frame, which is the
/// `CONNECT` as long as nothing is negotiated, and puts what comes of it at the window's end. Its length
/// plus one, 0 if it can't be written.
#[unsafe(no_mangle)]
pub extern "C" fn escape(id: u32, length: u32, name: u32) -> u32 {
    with(|state| {
        let connection = state.connections.get(id as usize)?;
        let command = match connection.dialect() {
            Dialect::Handshake => Command::Connect,
            _ => Command::Send,
        };
        let part = if name == 0 { Part::Value } else { Part::Name };
        let escapes = Escapes::of(connection.dialect(), command);
        escape_in(&mut state.window, length as usize, part, escapes).map(|length| length as u32 + 1)
    })
}
