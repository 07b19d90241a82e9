//! Who is at the other end of a connection, and how much went over it.

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use serde::{Serialize, Serializer};
use stompbox_broker::Time;
use stompbox_proto::Version;
use stompbox_store::Usage;

/// How a client came here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Transport {
    #[default]
    Tcp,
    Ws,
    Tls,
    Wss,
    /// With TLS below or without.
    SockJs,
}

impl Transport {
    pub(crate) const ALL: [Self; 5] = [Self::Tcp, Self::Ws, Self::Tls, Self::Wss, Self::SockJs];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Ws => "ws",
            Self::Tls => "tls",
            Self::Wss => "wss",
            Self::SockJs => "sockjs",
        }
    }

    /// Frames are messages of a WebSocket.
    pub(crate) fn is_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss | Self::SockJs)
    }
}

/// Where a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remote {
    At(SocketAddr),
    /// On this machine, by a Unix socket.
    Unix,
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

impl Serialize for Remote {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What is known of a client before it says anything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Via {
    pub(crate) transport: Transport,
    /// There is TLS below.
    pub(crate) secure: bool,
    pub(crate) remote: Option<Remote>,
    /// The program, as it called itself when it asked for the WebSocket.
    pub(crate) agent: Option<Box<str>>,
    /// Messages of its WebSocket may be compressed.
    pub(crate) deflate: bool,
}

/// What is known of a client from its login on.
#[derive(Debug)]
pub(crate) struct About {
    pub(crate) user: Box<str>,
    pub(crate) client_id: Box<str>,
    pub(crate) version: Option<Version>,
    /// Milliseconds between heart-beats, out and in; 0: none.
    pub(crate) heart_beat: [u64; 2],
    pub(crate) connected_at: Time,
}

/// One connection.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    pub(crate) via: Via,
    pub(crate) about: OnceLock<Box<About>>,
    pub(crate) flow: Flow,
}

/// How much went over a connection, or over all. Messages are counted as they are read and written.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    pub(crate) messages_in: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) messages_out: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
}

/// Adds to a counter that one task alone changes: cheaper than [`add`].
#[inline]
fn own(counter: &AtomicU64, count: u64) {
    counter.store(counter.load(Ordering::Relaxed) + count, Ordering::Relaxed);
}

#[inline]
fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

pub(crate) fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// How much the store held when it was last asked.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    pub(crate) messages: AtomicU64,
    /// Bytes that its files take of the disk.
    pub(crate) disk: AtomicU64,
}

impl Stored {
    pub(crate) fn set(&self, usage: Usage) {
        self.messages.store(usage.messages, Ordering::Relaxed);
        self.disk.store(usage.disk, Ordering::Relaxed);
    }
}

/// The counters of all connections, those that are over too.
#[derive(Debug, Default)]
pub(crate) struct Census {
    pub(crate) flow: Flow,
    pub(crate) logins_refused: AtomicU64,
    pub(crate) store: Stored,
    /// Connections that are logged in, by transport and version.
    here: [[AtomicUsize; 3]; 5],
}

impl Census {
    /// A read brought so much. Once a read, not once a message.
    #[inline]
    pub(crate) fn received(&self, peer: &Peer, messages: u64, bytes: u64) {
        own(&peer.flow.bytes_in, bytes);
        add(&self.flow.bytes_in, bytes);
        if messages > 0 {
            own(&peer.flow.messages_in, messages);
            add(&self.flow.messages_in, messages);
        }
    }

    /// So many messages go out.
    #[inline]
    pub(crate) fn sent_messages(&self, peer: &Peer, messages: u64) {
        own(&peer.flow.messages_out, messages);
        add(&self.flow.messages_out, messages);
    }

    /// So many bytes went out.
    #[inline]
    pub(crate) fn sent_bytes(&self, peer: &Peer, bytes: u64) {
        own(&peer.flow.bytes_out, bytes);
        add(&self.flow.bytes_out, bytes);
    }

    pub(crate) fn enter(&self, transport: Transport, version: Option<Version>) {
        if let Some(place) = self.place(transport, version) {
            place.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn leave(&self, transport: Transport, version: Option<Version>) {
        if let Some(place) = self.place(transport, version) {
            place.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn place(&self, transport: Transport, version: Option<Version>) -> Option<&AtomicUsize> {
        self.here
            .get(transport as usize)?
            .get(version.unwrap_or(Version::V1_0) as usize)
    }

    /// How many are here.
    pub(crate) fn all(&self) -> usize {
        Transport::ALL.map(|it| self.by_transport(it)).iter().sum()
    }

    /// How many are here that came by that transport.
    pub(crate) fn by_transport(&self, transport: Transport) -> usize {
        let row = self.here.get(transport as usize).into_iter().flatten();
        row.map(|it| it.load(Ordering::Relaxed)).sum()
    }

    /// How many are here that speak that version.
    pub(crate) fn by_version(&self, version: Version) -> usize {
        let column = self.here.iter().filter_map(|row| row.get(version as usize));
        column.map(|it| it.load(Ordering::Relaxed)).sum()
    }
}
