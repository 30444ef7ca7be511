//! The retransmission of a 2xx to an INVITE: the duty of who sent it, not of the transaction (RFC 3261 13.3.1.4, RFC 6026 7.1).

use super::timers::Timers;
use hookswitch_machine::Time;

/// When a 2xx is sent again, over any transport, until its ACK comes. Drop it when the ACK comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retransmit2xx {
    again: u8,
    next: Time,
    until: Time,
}

/// What [`Retransmit2xx::timeout`] asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retransmission {
    /// Nothing yet.
    Wait,
    /// Send the 2xx again.
    Send,
    /// No ACK came for 64·T1: the dialog is confirmed, but the session should be ended with a BYE (RFC 3261 13.3.1.4).
    GiveUp,
}

impl Retransmit2xx {
    /// The 2xx has been sent for the first time.
    pub fn new(now: Time, timers: &Timers) -> Self {
        Self { again: 0, next: now + timers.t1, until: now + timers.lifetime() }
    }

    /// When to call [`timeout`](Self::timeout).
    pub fn next_timeout(&self) -> Time {
        self.next.min(self.until)
    }

    /// What is to be done now. The intervals double from T1 to T2.
    pub fn timeout(&mut self, now: Time, timers: &Timers) -> Retransmission {
        if now >= self.until {
            return Retransmission::GiveUp;
        }
        if now < self.next {
            return Retransmission::Wait;
        }
        self.again = self.again.saturating_add(1);
        self.next = now + timers.doubled_to_t2(self.again);
        Retransmission::Send
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_2xx_is_sent_again_until_64_t1() {
        let timers = Timers::default();
        let start = Time::from_millis(1_000);
        let mut state = Retransmit2xx::new(start, &timers);
        assert_eq!(state.timeout(start, &timers), Retransmission::Wait);
        let mut sent = Vec::new();
        let end = loop {
            let now = state.next_timeout();
            match state.timeout(now, &timers) {
                Retransmission::Send => sent.push(now.since(start).as_millis()),
                Retransmission::GiveUp => break now,
                Retransmission::Wait => unreachable!("woken too early"),
            }
        };
        assert_eq!(sent, [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
        assert_eq!(end.since(start), timers.lifetime());
    }
}
