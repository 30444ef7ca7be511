//! How long the timers of RFC 3261 17 (table 4) run.

use std::time::Duration;

/// The values all transaction timers are computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// The estimate of the round-trip time; 500 ms (RFC 3261 17.1.1.1).
    pub t1: Duration,
    /// The longest interval between retransmissions of anything but INVITE; 4 s (RFC 3261 17.1.2.2).
    pub t2: Duration,
    /// How long a message stays in the network; 5 s (RFC 3261 17.1.2.2).
    pub t4: Duration,
    /// How long an INVITE may stay unanswered before a 100 Trying is sent by itself; 200 ms (RFC 3261 17.2.1). `None`: never,
    /// the user promises to answer in time.
    pub trying: Option<Duration>,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            trying: Some(Duration::from_millis(200)),
        }
    }
}

impl Timers {
    /// 64·T1, the life of a request that nobody answers: timers B, F, H, L, M and, over datagrams, D and J.
    pub fn lifetime(&self) -> Duration {
        self.t1.saturating_mul(64)
    }

    /// T1 doubled `times` times: timer A.
    pub(crate) fn doubled(&self, times: u8) -> Duration {
        // Six doublings make 64·T1, when every machine has given up.
        self.t1.saturating_mul(1 << times.min(6))
    }

    /// T1 doubled `times` times, T2 at the most: timers E and G.
    pub(crate) fn doubled_to_t2(&self, times: u8) -> Duration {
        self.doubled(times).min(self.t2)
    }

    /// 64·T1 over datagrams, nothing over streams: timers D and J.
    pub(crate) fn absorb(&self, reliable: bool) -> Duration {
        if reliable { Duration::ZERO } else { self.lifetime() }
    }

    /// T4 over datagrams, nothing over streams: timers I and K.
    pub(crate) fn drain(&self, reliable: bool) -> Duration {
        if reliable { Duration::ZERO } else { self.t4 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_double_from_t1() {
        let timers = Timers::default();
        let millis = |n| timers.doubled(n).as_millis();
        assert_eq!([0, 1, 2, 5, 6, 255].map(millis), [500, 1_000, 2_000, 16_000, 32_000, 32_000]);
        let capped = |n| timers.doubled_to_t2(n).as_millis();
        assert_eq!([0, 1, 2, 3, 4, 255].map(capped), [500, 1_000, 2_000, 4_000, 4_000, 4_000]);
    }

    #[test]
    fn streams_need_no_lingering() {
        let timers = Timers::default();
        assert_eq!([timers.absorb(true), timers.drain(true)], [Duration::ZERO; 2]);
        assert_eq!(
            [timers.absorb(false), timers.drain(false)],
            [Duration::from_secs(32), Duration::from_secs(5)]
        );
    }
}
