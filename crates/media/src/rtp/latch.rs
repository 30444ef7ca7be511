//! Symmetric RTP (RFC 4961): packets go where packets come from, and a stranger cannot take a running stream over.

use hookswitch_machine::Time;
use std::net::SocketAddr;
use std::time::Duration;

/// Whether a packet is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatchVerdict {
    /// From the other side.
    Taken,
    /// From the other side, seen here for the first time: whatever came from elsewhere is over.
    Moved,
    /// From elsewhere.
    Refused,
}

/// The other side's address.
///
/// The first valid packet decides where the other side really is; what SDP said counts until then. Afterwards nobody else is
/// heard unless the stream has been silent for a while, or a new answer names another address. A packet from the very
/// address that SDP named always wins over a guess. After a new answer the place that was left goes on sending for a moment,
/// as after a transfer: its packets decide nothing, unless they are still the only ones when the patience is over.
#[derive(Clone, Copy, Debug)]
pub struct Latch {
    signalled: SocketAddr,
    found: Option<Found>,
    left: Option<Left>,
    patience: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Found {
    address: SocketAddr,
    last: Time,
}

/// Where the other side was before the last answer.
#[derive(Clone, Copy, Debug)]
struct Left {
    address: SocketAddr,
    /// When something came from there since; its first packet begins the wait.
    since: Option<Time>,
}

impl Latch {
    /// Nothing has come yet; `patience` is how long the other side must be silent before somebody else is heard.
    pub const fn new(signalled: SocketAddr, patience: Duration) -> Self {
        Self { signalled, found: None, left: None, patience }
    }

    /// A new answer. The same address changes nothing: a hold must not open the stream to strangers.
    pub fn signal(&mut self, address: SocketAddr) {
        if address != self.signalled {
            let left = self.found.map_or(self.signalled, |found| found.address);
            self.left = (left != address).then_some(Left { address: left, since: None });
            self.signalled = address;
            self.found = None;
        }
    }

    /// Where to send: `None` if SDP gave no usable address and nothing has come.
    pub fn target(&self) -> Option<SocketAddr> {
        let address = self.found.map_or(self.signalled, |found| found.address);
        (address.port() != 0 && !address.ip().is_unspecified()).then_some(address)
    }

    /// Where packets really come from.
    pub fn found(&self) -> Option<SocketAddr> {
        self.found.map(|found| found.address)
    }

    /// Whether a packet from `from` would be taken; changes nothing.
    pub fn accepts(&self, now: Time, from: SocketAddr) -> bool {
        match self.found {
            None => match self.left {
                Some(left) if left.address == from => {
                    left.since.is_some_and(|since| now.since(since) >= self.patience)
                }
                Some(_) | None => true,
            },
            Some(found) => {
                found.address == from || from == self.signalled || now.since(found.last) >= self.patience
            }
        }
    }

    /// A packet that is valid in itself has come.
    pub fn take(&mut self, now: Time, from: SocketAddr) -> LatchVerdict {
        if !self.accepts(now, from) {
            if let Some(left) = self.left.as_mut().filter(|left| left.address == from) {
                left.since.get_or_insert(now);
            }
            return LatchVerdict::Refused;
        }
        let moved = self.found.is_none_or(|found| found.address != from);
        self.found = Some(Found { address: from, last: now });
        if moved { LatchVerdict::Moved } else { LatchVerdict::Taken }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNALLED: &str = "10.0.0.1:4000";
    const NAT: &str = "192.0.2.1:5000";
    const STRANGER: &str = "198.51.100.1:6000";

    fn latch() -> Latch {
        Latch::new(at(SIGNALLED), Duration::from_secs(2))
    }

    fn at(s: &str) -> SocketAddr {
        s.parse().unwrap()
    }

    #[test]
    fn packets_go_where_packets_come_from() {
        let mut l = latch();
        assert_eq!(l.target(), Some(at(SIGNALLED)));
        assert_eq!(l.take(Time::ZERO, at(NAT)), LatchVerdict::Moved);
        assert_eq!(l.take(Time::ZERO, at(NAT)), LatchVerdict::Taken);
        assert_eq!(l.target(), Some(at(NAT)));
    }

    #[test]
    fn a_stranger_is_refused_while_packets_come_and_heard_after_silence() {
        let mut l = latch();
        l.take(Time::ZERO, at(NAT));
        assert_eq!(l.take(Time::from_millis(1_999), at(STRANGER)), LatchVerdict::Refused);
        assert_eq!(l.target(), Some(at(NAT)));
        assert_eq!(l.take(Time::from_millis(2_000), at(STRANGER)), LatchVerdict::Moved);
    }

    #[test]
    fn the_signalled_address_wins_over_a_guess() {
        let mut l = latch();
        l.take(Time::ZERO, at(STRANGER));
        assert_eq!(l.take(Time::from_millis(20), at(SIGNALLED)), LatchVerdict::Moved);
        assert_eq!(l.take(Time::from_millis(40), at(STRANGER)), LatchVerdict::Refused);
    }

    #[test]
    fn a_new_answer_opens_the_latch_only_if_the_address_changes() {
        let mut l = latch();
        l.take(Time::ZERO, at(NAT));
        l.signal(at(SIGNALLED));
        assert_eq!(l.take(Time::from_millis(20), at(STRANGER)), LatchVerdict::Refused);
        l.signal(at("10.0.0.2:4000"));
        assert_eq!(l.target(), Some(at("10.0.0.2:4000")));
        assert_eq!(l.take(Time::from_millis(40), at(STRANGER)), LatchVerdict::Moved);
    }

    #[test]
    fn late_packets_of_the_place_that_was_left_decide_nothing() {
        const NEXT: &str = "10.0.0.2:4000";
        for heard_before in [true, false] {
            let mut l = latch();
            if heard_before {
                l.take(Time::ZERO, at(SIGNALLED));
            }
            l.signal(at(NEXT));
            assert_eq!(l.take(Time::from_millis(20), at(SIGNALLED)), LatchVerdict::Refused);
            assert_eq!(l.target(), Some(at(NEXT)), "who only answers what it hears is sent to");
            assert_eq!(l.take(Time::from_millis(40), at(NEXT)), LatchVerdict::Moved);
            assert_eq!(l.take(Time::from_millis(60), at(SIGNALLED)), LatchVerdict::Refused);
        }
    }

    #[test]
    fn a_place_that_was_left_and_goes_on_alone_is_heard_after_a_while() {
        let mut l = latch();
        l.take(Time::ZERO, at(NAT));
        l.signal(at("10.0.0.2:4000"));
        assert_eq!(l.take(Time::from_millis(5_000), at(NAT)), LatchVerdict::Refused);
        assert_eq!(l.take(Time::from_millis(6_999), at(NAT)), LatchVerdict::Refused);
        assert_eq!(l.take(Time::from_millis(7_000), at(NAT)), LatchVerdict::Moved);
    }

    #[test]
    fn nothing_is_sent_to_no_address() {
        for nowhere in ["0.0.0.0:4000", "10.0.0.1:0"] {
            assert_eq!(Latch::new(at(nowhere), Duration::ZERO).target(), None);
        }
    }
}
