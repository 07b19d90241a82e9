//! What the host calls.
//!
//! The host gets the address of a buffer of the size it needs from `buffer`, fills it, and calls.
//! Results are at the address that `results` gives: address and length of the head or text, then of
//! the body. They hold until the next call. Connections have numbers; one that is not open is
//! ignored. `now` is in milliseconds from any fixed moment.
#![allow(
    unsafe_code,
    reason = "only the attribute that names the exports, no unsafe block"
)]

use std::{cell::RefCell, time::Duration};

use crate::{Connection, Received};

#[derive(Default)]
struct State {
    buffer: Vec<u8>,
    results: [u32; 4],
    head: Vec<u8>,
    body: Vec<u8>,
    connections: Vec<Option<Connection>>,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

impl State {
    fn show(&mut self, head: Vec<u8>, body: Vec<u8>) {
        self.head = head;
        self.body = body;
        let address = |bytes: &[u8]| bytes.as_ptr() as usize as u32;
        self.results = [
            address(&self.head),
            self.head.len() as u32,
            address(&self.body),
            self.body.len() as u32,
        ];
    }

    fn add(&mut self, connection: Connection) -> i32 {
        let free = self.connections.iter().position(Option::is_none);
        let at = free.unwrap_or(self.connections.len());
        if free.is_none() {
            self.connections.push(None);
        }
        self.connections[at] = Some(connection);
        at as i32
    }
}

fn with<T: Default>(id: i32, f: impl FnOnce(&mut Connection) -> T) -> T {
    STATE.with_borrow_mut(|state| {
        let at = usize::try_from(id).unwrap_or(usize::MAX);
        state
            .connections
            .get_mut(at)
            .and_then(Option::as_mut)
            .map(f)
            .unwrap_or_default()
    })
}

fn time(now: f64) -> Duration {
    Duration::try_from_secs_f64(now / 1000.0).unwrap_or_default()
}

/// The address of a buffer of that many bytes, for the next call.
#[unsafe(no_mangle)]
pub extern "C" fn buffer(length: u32) -> u32 {
    STATE.with_borrow_mut(|state| {
        state.buffer.clear();
        state.buffer.resize(length as usize, 0);
        state.buffer.as_ptr() as usize as u32
    })
}

/// The address of the results: four numbers of 32 bits.
#[unsafe(no_mangle)]
pub extern "C" fn results() -> u32 {
    STATE.with_borrow(|state| state.results.as_ptr() as usize as u32)
}

/// Opens a connection; the buffer has the list of [`Connection::open`]. Its number, or -1 and a
/// text.
#[unsafe(no_mangle)]
pub extern "C" fn open(now: f64) -> i32 {
    STATE.with_borrow_mut(|state| match Connection::open(&state.buffer, time(now)) {
        Ok(connection) => state.add(connection),
        Err(text) => {
            state.show(text.into_bytes(), Vec::new());
            -1
        }
    })
}

/// Opens a connection that only reads frames.
#[unsafe(no_mangle)]
pub extern "C" fn open_reader() -> i32 {
    STATE.with_borrow_mut(|state| state.add(Connection::reader()))
}

/// Closes a connection; its number will be used again.
#[unsafe(no_mangle)]
pub extern "C" fn close(id: i32) {
    STATE.with_borrow_mut(|state| {
        let at = usize::try_from(id).unwrap_or(usize::MAX);
        if let Some(connection) = state.connections.get_mut(at) {
            *connection = None;
        }
        // What the last frame needed is not kept for ever.
        state.buffer = Vec::new();
        state.show(Vec::new(), Vec::new());
    });
}

/// Takes the buffer as bytes from the socket.
#[unsafe(no_mangle)]
pub extern "C" fn feed(id: i32, now: f64) {
    let bytes = STATE.with_borrow_mut(|state| std::mem::take(&mut state.buffer));
    with(id, |connection| connection.feed(bytes, time(now)));
}

/// The kind of what the bytes hold next, and its head and body; 0: nothing more.
#[unsafe(no_mangle)]
pub extern "C" fn next(id: i32, now: f64) -> u32 {
    match with(id, |connection| connection.next(time(now))) {
        None => 0,
        Some(Received { kind, head, body }) => {
            STATE.with_borrow_mut(|state| state.show(head, body));
            kind as u32
        }
    }
}

/// Makes a request; the first `list` bytes of the buffer are its list, the rest is the body. 0, or 1
/// and a text.
#[unsafe(no_mangle)]
pub extern "C" fn request(id: i32, kind: u32, list: u32) -> u32 {
    let bytes = STATE.with_borrow_mut(|state| std::mem::take(&mut state.buffer));
    let (list, body) = bytes.split_at((list as usize).min(bytes.len()));
    let result = with(id, |connection| Some(connection.request(kind, list, body)));
    match result.unwrap_or_else(|| Err("the connection is closed".into())) {
        Ok(()) => 0,
        Err(text) => {
            STATE.with_borrow_mut(|state| state.show(text.into_bytes(), Vec::new()));
            1
        }
    }
}

/// Whether there is a frame to send; it is the body of the results.
#[unsafe(no_mangle)]
pub extern "C" fn transmit(id: i32) -> u32 {
    match with(id, Connection::transmit) {
        None => 0,
        Some(frame) => {
            STATE.with_borrow_mut(|state| state.show(Vec::new(), frame));
            1
        }
    }
}

/// Queues a heart-beat.
#[unsafe(no_mangle)]
pub extern "C" fn beat(id: i32, now: f64) {
    with(id, |connection| connection.beat(time(now)));
}

/// 1 if the server has been silent for too long.
#[unsafe(no_mangle)]
pub extern "C" fn is_silent(id: i32, now: f64) -> u32 {
    u32::from(with(id, |connection| connection.is_silent(time(now))))
}

/// The agreed heart-beat out, in milliseconds; 0: none.
#[unsafe(no_mangle)]
pub extern "C" fn beat_out(id: i32) -> u32 {
    with(id, |connection| connection.heart_beat().0)
}

/// The agreed heart-beat in, in milliseconds; 0: none.
#[unsafe(no_mangle)]
pub extern "C" fn beat_in(id: i32) -> u32 {
    with(id, |connection| connection.heart_beat().1)
}

/// The negotiated version: 10, 11 or 12; 0: none yet.
#[unsafe(no_mangle)]
pub extern "C" fn version(id: i32) -> u32 {
    with(id, |connection| connection.version())
}
