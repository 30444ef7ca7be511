//! Whether the other side is heard.

use hookswitch_machine::Time;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No packet has come since this time.
    Waiting { since: Time },
    /// Packets come; the last at this time.
    Heard { last: Time },
    /// Silence was reported.
    Silent,
}

/// Watches the arrival of packets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Liveness(State);

impl Liveness {
    pub(super) const fn new(now: Time) -> Self {
        Self(State::Waiting { since: now })
    }

    /// Silence counts from now on: the direction has changed.
    pub(super) const fn restart(&mut self, now: Time) {
        self.0 = match self.0 {
            State::Waiting { .. } | State::Silent => State::Waiting { since: now },
            State::Heard { .. } => State::Heard { last: now },
        };
    }

    /// An RTP packet has come: true if it is the first, or the first after silence was reported.
    pub(super) fn heard(&mut self, now: Time) -> bool {
        let first = !matches!(self.0, State::Heard { .. });
        self.0 = State::Heard { last: now };
        first
    }

    /// A sign of life that is no audio (RTCP) has come: silence counts from now on.
    pub(super) fn lives(&mut self, now: Time) {
        match &mut self.0 {
            State::Waiting { since } => *since = now,
            State::Heard { last } => *last = now,
            State::Silent => {}
        }
    }

    /// When silence has lasted for `limit`; `None` if that was reported.
    pub(super) fn deadline(&self, limit: Duration) -> Option<Time> {
        match self.0 {
            State::Waiting { since: last } | State::Heard { last } => Some(last + limit),
            State::Silent => None,
        }
    }

    /// How long silence has lasted, once, when that is `limit` or more.
    pub(super) fn silent(&mut self, now: Time, limit: Duration) -> Option<Duration> {
        let (State::Waiting { since: last } | State::Heard { last }) = self.0 else { return None };
        if now.since(last) < limit {
            return None;
        }
        self.0 = State::Silent;
        Some(now.since(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    fn at(seconds: u64) -> Time {
        Time::from_millis(seconds * 1_000)
    }

    #[test]
    fn silence_is_reported_once_and_ends_with_a_packet() {
        let mut liveness = Liveness::new(at(0));
        assert!(liveness.heard(at(1)));
        assert!(!liveness.heard(at(2)));
        assert_eq!(liveness.silent(at(31), LIMIT), None);
        assert_eq!(liveness.deadline(LIMIT), Some(at(32)));
        assert_eq!(liveness.silent(at(32), LIMIT), Some(LIMIT));
        assert_eq!(liveness.silent(at(90), LIMIT), None);
        assert_eq!(liveness.deadline(LIMIT), None);
        assert!(liveness.heard(at(91)));
    }

    #[test]
    fn rtcp_alone_is_a_sign_of_life() {
        let mut liveness = Liveness::new(at(0));
        liveness.lives(at(20));
        assert_eq!(liveness.silent(at(40), LIMIT), None);
        assert_eq!(liveness.silent(at(50), LIMIT), Some(LIMIT));
    }
}
