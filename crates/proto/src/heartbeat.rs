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
        Self::read(text.as_bytes())
    }

    /// As [`parse`](Self::parse), of octets that nobody has found to be a text.
    pub fn read(octets: &[u8]) -> Result<Self, InvalidHeartBeat> {
        // A second comma is no digit.
        let mut parts = octets.splitn(2, |octet| *octet == b',');
        match (parts.next(), parts.next()) {
            (Some(send), Some(receive)) => Ok(Self {
                send: milliseconds(send)?,
                receive: milliseconds(receive)?,
            }),
            _ => Err(InvalidHeartBeat),
        }
    }

    /// The milliseconds between what the party with this header sends to the one with `peer`'s;
    /// 0: it sends nothing.
    pub fn interval_to(self, peer: Self) -> u32 {
        if self.send == 0 || peer.receive == 0 {
            0
        } else {
            self.send.max(peer.receive)
        }
    }
}

fn milliseconds(octets: &[u8]) -> Result<u32, InvalidHeartBeat> {
    let mut number = None;
    // Blanks may stand before and after the digits, not between them.
    let mut ended = false;
    for octet in octets {
        let digit = octet.wrapping_sub(b'0');
        if *octet == b' ' {
            ended = number.is_some();
        } else if digit > 9 || ended {
            return Err(InvalidHeartBeat);
        } else {
            let tens = number.unwrap_or(0u32).saturating_mul(10);
            number = Some(tens.saturating_add(u32::from(digit)));
        }
    }
    number.ok_or(InvalidHeartBeat)
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
        let every = |milliseconds: u32| {
            (milliseconds != 0).then(|| Duration::from_millis(u64::from(milliseconds)))
        };
        let expect_every = every(theirs.interval_to(ours));
        Self {
            send_every: every(ours.interval_to(theirs)),
            expect_every,
            patience: expect_every.map(|every| every * tolerance_percent.max(100) / 100),
            last_sent: now,
            last_heard: now,
        }
    }

    /// Allows for the way of what comes, beyond the tolerance: half an interval, and no more than 500 ms.
    ///
    /// A server whose timer leaves a beat out where a frame went since its last tick is silent for two
    /// whole intervals after it. ActiveMQ is after `CONNECTED`, with which its timer starts (its issue
    /// AMQ-4710), and may be after any frame; what it sends then comes a little later than twice the
    /// interval, which is the usual tolerance.
    pub(crate) fn allow_for_the_way(&mut self) {
        if let (Some(every), Some(patience)) = (self.expect_every, &mut self.patience) {
            *patience += (every / 2).min(Duration::from_millis(500));
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
