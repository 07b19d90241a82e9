//! Ports that nobody has.

use std::{
    io::{self, Error},
    net::TcpListener,
    ops::Range,
    sync::atomic::{AtomicU16, Ordering},
};

/// Below those that outgoing connections get: one of these might be taken before the node is up.
const PORTS: Range<u16> = 20_000..32_000;

/// Where a process begins to look, so that those that run side by side don't look at the same.
const PROCESS: u16 = 10;

/// How many were looked at by this process.
static LOOKED: AtomicU16 = AtomicU16::new(0);

/// What a node listens at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub(crate) stomp: u16,
    pub(crate) web: u16,
    pub(crate) amqp: u16,
    pub(crate) distribution: u16,
    /// Erlang's name server.
    pub(crate) names: u16,
}

impl Ports {
    /// Ports that are free now; no two calls in a process give the same.
    pub(crate) fn free() -> io::Result<Self> {
        Ok(Self {
            stomp: free()?,
            web: free()?,
            amqp: free()?,
            distribution: free()?,
            names: free()?,
        })
    }
}

fn free() -> io::Result<u16> {
    let process = u16::try_from(std::process::id() % u32::from(PORTS.len() as u16 / PROCESS));
    let first = process.unwrap_or_default() * PROCESS;
    for _ in PORTS {
        let step = LOOKED.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + (first + step % PORTS.len() as u16) % PORTS.len() as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err(Error::other(format!("no port of {PORTS:?} is free")))
}
