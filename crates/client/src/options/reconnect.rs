use std::time::Duration;

use crate::ConnectError;

/// When to connect again after a loss.
///
/// The wait doubles with each attempt up to [`longest`](Self::longest), and varies at random, so
/// that the clients of a broker that restarts don't come all at once.
#[derive(Clone, Debug)]
pub struct Reconnect {
    shortest: Duration,
    longest: Duration,
    jitter_percent: u32,
    attempts: u32,
    on_refusal: bool,
    pub(crate) first: bool,
}

impl Default for Reconnect {
    fn default() -> Self {
        Self {
            shortest: Duration::from_millis(200),
            longest: Duration::from_secs(30),
            jitter_percent: 50,
            attempts: u32::MAX,
            on_refusal: false,
            first: false,
        }
    }
}

impl Reconnect {
    /// The wait before the first attempt. Default: 200 ms.
    #[must_use]
    pub fn shortest(mut self, wait: Duration) -> Self {
        self.shortest = wait;
        self
    }

    /// The longest wait. Default: 30 s.
    #[must_use]
    pub fn longest(mut self, wait: Duration) -> Self {
        self.longest = wait;
        self
    }

    /// By how much a wait may be shorter than it would be, in percent of it; at most 100.
    /// Default: 50.
    #[must_use]
    pub fn jitter(mut self, percent: u32) -> Self {
        self.jitter_percent = percent.min(100);
        self
    }

    /// The most attempts after a loss. Default: no limit.
    #[must_use]
    pub fn attempts(mut self, most: u32) -> Self {
        self.attempts = most;
        self
    }

    /// Whether to go on if the server answers `CONNECT` with `ERROR`, as it does if it refuses the
    /// login. Default: no.
    #[must_use]
    pub fn after_refusal(mut self, go_on: bool) -> Self {
        self.on_refusal = go_on;
        self
    }

    /// Whether [`connect`](crate::ConnectOptions::connect) itself tries again too. Default: no.
    #[must_use]
    pub fn first_connect(mut self, too: bool) -> Self {
        self.first = too;
        self
    }

    /// How long to wait before the attempt of a number, from 1 on.
    pub(crate) fn wait(&self, attempt: u32) -> Duration {
        let doubled = 1u32.checked_shl(attempt.saturating_sub(1));
        let wait = doubled.and_then(|times| self.shortest.checked_mul(times));
        let wait = wait.unwrap_or(self.longest).min(self.longest);
        wait - wait * fastrand::u32(0..=self.jitter_percent) / 100
    }

    /// How long to wait after an attempt that failed; `None`: it was the last.
    pub(crate) fn next(&self, attempt: u32, error: &ConnectError) -> Option<Duration> {
        let ends =
            attempt >= self.attempts || error.is_final() || error.is_refused() && !self.on_refusal;
        (!ends).then(|| self.wait(attempt.saturating_add(1)))
    }

    /// Whether there may be an attempt at all.
    pub(crate) fn permits(&self, attempt: u32) -> bool {
        attempt <= self.attempts
    }
}

/// What becomes of messages that were sent with a receipt, which did not come before the
/// connection was lost: the broker may have them or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InFlight {
    /// [`ReceiptError::ConnectionLost`](crate::ReceiptError::ConnectionLost) says so, and the
    /// program decides.
    #[default]
    Fail,
    /// They are sent again, in order and before those that were queued: none is lost, and some may
    /// come twice.
    Retry,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Closed;

    #[test]
    fn waits_double_up_to_the_longest_and_vary_within_the_jitter() {
        let policy = Reconnect::default()
            .shortest(Duration::from_secs(1))
            .longest(Duration::from_secs(5))
            .jitter(0);
        let waits: Vec<_> = [1, 2, 3, 4, 40, u32::MAX]
            .map(|n| policy.wait(n).as_secs())
            .into();
        assert_eq!(waits, [1, 2, 4, 5, 5, 5]);
        let policy = policy.jitter(50);
        for _ in 0..1000 {
            let wait = policy.wait(3);
            assert!((Duration::from_secs(2)..=Duration::from_secs(4)).contains(&wait));
        }
    }

    #[test]
    fn it_ends_with_the_attempts_and_with_a_refusal() {
        let policy = Reconnect::default().attempts(2);
        let lost = ConnectError::Timeout;
        assert!(policy.next(1, &lost).is_some() && policy.next(2, &lost).is_none());
        let refused = ConnectError::Closed(Closed::ServerError {
            message: "Bad CONNECT".into(),
            detail: String::new(),
            receipt_id: None,
        });
        assert!(policy.next(1, &refused).is_none());
        assert!(
            policy
                .clone()
                .after_refusal(true)
                .next(1, &refused)
                .is_some()
        );
        assert!(
            policy
                .after_refusal(true)
                .next(1, &ConnectError::Passcode)
                .is_none()
        );
    }
}
