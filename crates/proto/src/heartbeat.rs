use core::{fmt, time::Duration};

/// A `heart-beat` header: what its sender can do and would like (1.2, "Heart-beating").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeartBeat {
    /// Smallest number of milliseconds between heart-beats that the party can guarantee to send;
    /// 0: it sends none.
    pub send: u32,
    /// Number of milliseconds between heart-beats that the party would like to get; 0: none.
    pub receive: u32,
}

/// A `heart-beat` header that is not two non-negative integers with a comma between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidHeartBeat;

impl fmt::Display for InvalidHeartBeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a heart-beat header is two numbers of milliseconds, as in 10000,10000")
    }
}

impl core::error::Error for InvalidHeartBeat {}

impl HeartBeat {
    /// No heart-beats in either direction, the same as no header.
    pub const NONE: Self = Self {
        send: 0,
        receive: 0,
    };

    /// What the party can send and would like to receive, in milliseconds.
    pub fn new(send: u32, receive: u32) -> Self {
        Self { send, receive }
    }

    /// Reads a header's value. Blanks around the numbers are forgiven; numbers beyond 32 bits
    /// count as the largest.
    pub fn parse(text: &str) -> Result<Self, InvalidHeartBeat> {
        let (send, receive) = text.split_once(',').ok_or(InvalidHeartBeat)?;
        Ok(Self {
            send: milliseconds(send)?,
            receive: milliseconds(receive)?,
        })
    }

    /// The interval at which the party with this header sends to the one with `peer`'s, if it does.
    pub(crate) fn interval_to(self, peer: Self) -> Option<Duration> {
        (self.send != 0 && peer.receive != 0)
            .then(|| Duration::from_millis(u64::from(self.send.max(peer.receive))))
    }
}

fn milliseconds(text: &str) -> Result<u32, InvalidHeartBeat> {
    let digits = text.trim_matches(' ');
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(InvalidHeartBeat);
    }
    // All digits: the one way to fail is to be too large.
    Ok(digits.parse().unwrap_or(u32::MAX))
}

impl fmt::Display for HeartBeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.send, self.receive)
    }
}

/// What the two ends agreed on, and when each direction was last heard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pulse {
    send_every: Option<Duration>,
    expect_every: Option<Duration>,
    /// How long the peer may be silent: `expect_every` with tolerance.
    patience: Option<Duration>,
    last_sent: Duration,
    last_heard: Duration,
}

impl Pulse {
    pub(crate) fn negotiate(
        ours: HeartBeat,
        theirs: HeartBeat,
        tolerance_percent: u32,
        now: Duration,
    ) -> Self {
        let expect_every = theirs.interval_to(ours);
        Self {
            send_every: ours.interval_to(theirs),
            expect_every,
            patience: expect_every.map(|every| every * tolerance_percent.max(100) / 100),
            last_sent: now,
            last_heard: now,
        }
    }

    pub(crate) fn heard(&mut self, now: Duration) {
        self.last_heard = now;
    }

    pub(crate) fn sent(&mut self, now: Duration) {
        self.last_sent = now;
    }

    pub(crate) fn intervals(&self) -> (Option<Duration>, Option<Duration>) {
        (self.send_every, self.expect_every)
    }

    /// When the next heart-beat is due. A beat leaves a little early, so that it is at the peer
    /// within the interval.
    fn beat_at(&self) -> Option<Duration> {
        self.send_every.map(|every| self.last_sent + every * 9 / 10)
    }

    fn silence_at(&self) -> Option<Duration> {
        self.patience.map(|patience| self.last_heard + patience)
    }

    pub(crate) fn timeout(&self) -> Option<Duration> {
        [self.beat_at(), self.silence_at()]
            .into_iter()
            .flatten()
            .min()
    }

    pub(crate) fn beat_due(&self, now: Duration) -> bool {
        self.beat_at().is_some_and(|at| now >= at)
    }

    pub(crate) fn peer_silent(&self, now: Duration) -> bool {
        self.silence_at().is_some_and(|at| now >= at)
    }
}
