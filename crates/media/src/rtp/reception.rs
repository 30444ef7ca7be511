//! The books on a source that we receive: order, loss, jitter, and when a new source is believed.

use hookswitch_machine::Time;
use std::time::Duration;

/// A jump forward of this many packets or more is a new beginning (RFC 3550 A.1).
const MAX_DROPOUT: u16 = 3_000;
/// A packet may be this far behind the newest (RFC 3550 A.1).
const MAX_MISORDER: u16 = 100;
/// How many of the newest packets are remembered one by one, to tell duplicates.
const WINDOW: u64 = 128;
/// Sequence numbers are counted from here, so that packets before the first one have a number too.
const FIRST_CYCLE: u64 = 1 << 32;

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// New: to be taken.
    Fresh {
        /// The sequence number with its cycles: increases by one from packet to packet, never wraps.
        index: u64,
        /// No newer one has come before it.
        newest: bool,
        /// What came before has nothing to do with it: another source, or another numbering.
        restarted: bool,
    },
    /// It has come before, or it is too old to tell.
    Duplicate,
    /// From another source, or far from the numbers before; believed if the next packet goes on from it.
    Probation,
}

/// Loss since the last report (RFC 3550 A.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LossSince {
    /// Of 256.
    pub fraction: u8,
    /// Since the beginning of the source; 24 bits.
    pub cumulative: u32,
}

#[derive(Clone, Debug)]
struct Counted {
    ssrc: u32,
    first: u64,
    newest: u64,
    /// Bit n: the packet `newest - n` has come.
    seen: u128,
    received: u64,
    expected_prior: u64,
    received_prior: u64,
    transit: Option<u32>,
    /// 16 times the jitter (RFC 3550 A.8).
    jitter: u32,
}

impl Counted {
    fn new(ssrc: u32, sequence: u16) -> Self {
        let index = FIRST_CYCLE + u64::from(sequence);
        Self {
            ssrc,
            first: index,
            newest: index,
            seen: 1,
            received: 1,
            expected_prior: 0,
            received_prior: 0,
            transit: None,
            jitter: 0,
        }
    }

    const fn expected(&self) -> u64 {
        self.newest - self.first + 1
    }

    const fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }
}

/// The receiving half of an RTP session.
#[derive(Clone, Debug, Default)]
pub struct Reception {
    current: Option<Counted>,
    /// Source and sequence number that would make a change believed.
    candidate: Option<(u32, u16)>,
    /// Of sources before the current one.
    received_before: u64,
    lost_before: u64,
    octets: u64,
}

impl Reception {
    /// Nothing has come yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The source in use.
    pub fn ssrc(&self) -> Option<u32> {
        self.current.as_ref().map(|c| c.ssrc)
    }

    /// Packets taken.
    pub fn received(&self) -> u64 {
        self.received_before + self.current.as_ref().map_or(0, |c| c.received)
    }

    /// Payload octets taken.
    pub const fn octets(&self) -> u64 {
        self.octets
    }

    /// Packets that never came (RFC 3550 A.3); one that comes late after all is taken off again.
    pub fn lost(&self) -> u64 {
        self.lost_before + self.current.as_ref().map_or(0, Counted::lost)
    }

    /// The highest sequence number with its cycles, as a report block wants it.
    pub fn extended_highest(&self) -> u32 {
        self.current.as_ref().map_or(0, |c| c.newest as u32)
    }

    /// Interarrival jitter in timestamp units.
    pub fn jitter_units(&self) -> u32 {
        self.current.as_ref().map_or(0, |c| c.jitter >> 4)
    }

    /// Interarrival jitter at a clock of `rate` Hz.
    pub fn jitter(&self, rate: u32) -> Duration {
        Duration::from_nanos(u64::from(self.jitter_units()) * 1_000_000_000 / u64::from(rate.max(1)))
    }

    /// Forgets the source (not the totals), so that the next packet starts anew without probation.
    pub fn restart(&mut self) {
        self.retire();
        self.candidate = None;
    }

    fn retire(&mut self) {
        if let Some(old) = self.current.take() {
            self.received_before += old.received;
            self.lost_before += old.lost();
        }
    }

    fn start(&mut self, ssrc: u32, sequence: u16, octets: usize, restarted: bool) -> Verdict {
        self.retire();
        self.candidate = None;
        let counted = Counted::new(ssrc, sequence);
        let index = counted.newest;
        self.current = Some(counted);
        self.octets += octets as u64;
        Verdict::Fresh { index, newest: true, restarted }
    }

    /// Takes a packet into the books.
    pub fn take(&mut self, ssrc: u32, sequence: u16, octets: usize) -> Verdict {
        let Some(current) = &mut self.current else {
            return self.start(ssrc, sequence, octets, self.received_before > 0);
        };
        let ahead = sequence.wrapping_sub(current.newest as u16);
        let behind = (current.newest as u16).wrapping_sub(sequence);
        if current.ssrc != ssrc || (ahead >= MAX_DROPOUT && behind > MAX_MISORDER) {
            // RFC 3550 A.1: two in a row make another source, or another numbering, believed.
            if self.candidate == Some((ssrc, sequence)) {
                return self.start(ssrc, sequence, octets, true);
            }
            self.candidate = Some((ssrc, sequence.wrapping_add(1)));
            return Verdict::Probation;
        }
        if ahead != 0 && ahead < MAX_DROPOUT {
            current.newest += u64::from(ahead);
            current.seen = current.seen.checked_shl(u32::from(ahead)).unwrap_or(0) | 1;
            current.received += 1;
            self.octets += octets as u64;
            return Verdict::Fresh { index: current.newest, newest: true, restarted: false };
        }
        let index = current.newest - u64::from(behind);
        let bit = 1u128 << (u64::from(behind) % WINDOW);
        if current.seen & bit != 0 {
            return Verdict::Duplicate;
        }
        current.seen |= bit;
        current.received += 1;
        current.first = current.first.min(index);
        self.octets += octets as u64;
        Verdict::Fresh { index, newest: false, restarted: false }
    }

    /// Takes the timing of an audio packet into the jitter (RFC 3550 A.8). Digits, whose timestamps stand still, are left out.
    pub fn time(&mut self, now: Time, timestamp: u32, rate: u32) {
        let Some(current) = &mut self.current else { return };
        let arrival = (u128::from(now.as_nanos()) * u128::from(rate) / 1_000_000_000) as u32;
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(before) = current.transit {
            let d = (transit.wrapping_sub(before) as i32).unsigned_abs();
            // A jump of the sender's clock is no jitter.
            if d < rate.saturating_mul(2) {
                current.jitter = (current.jitter + d).saturating_sub((current.jitter + 8) >> 4);
            }
        }
        current.transit = Some(transit);
    }

    /// Loss for a report block; the next call counts from here.
    pub fn report_loss(&mut self) -> LossSince {
        let Some(current) = &mut self.current else { return LossSince::default() };
        let expected = current.expected() - current.expected_prior.min(current.expected());
        let received = current.received - current.received_prior.min(current.received);
        current.expected_prior = current.expected();
        current.received_prior = current.received;
        let lost = expected.saturating_sub(received);
        let fraction = (lost * 256).checked_div(expected).unwrap_or(0).min(255) as u8;
        LossSince { fraction, cumulative: current.lost().min(0x7f_ffff) as u32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh(verdict: Verdict) -> u64 {
        match verdict {
            Verdict::Fresh { index, .. } => index,
            other => panic!("expected a fresh packet, got {other:?}"),
        }
    }

    #[test]
    fn numbers_go_on_across_the_wrap() {
        let mut r = Reception::new();
        let first = fresh(r.take(1, 65_534, 160));
        for (i, seq) in [65_535u16, 0, 1, 2].into_iter().enumerate() {
            assert_eq!(fresh(r.take(1, seq, 160)), first + 1 + i as u64);
        }
        assert_eq!((r.received(), r.lost(), r.octets()), (5, 0, 800));
        assert_eq!(r.extended_highest(), 0x1_0002);
    }

    #[test]
    fn loss_is_taken_back_when_a_late_packet_comes() {
        let mut r = Reception::new();
        for seq in [10, 11, 14] {
            r.take(1, seq, 160);
        }
        assert_eq!(r.lost(), 2);
        assert!(matches!(r.take(1, 12, 160), Verdict::Fresh { newest: false, .. }));
        assert_eq!(r.lost(), 1);
        assert_eq!(r.take(1, 12, 160), Verdict::Duplicate);
        assert_eq!((r.lost(), r.received()), (1, 4));
    }

    #[test]
    fn packets_before_the_first_count_as_expected() {
        let mut r = Reception::new();
        r.take(1, 10, 160);
        let index = fresh(r.take(1, 8, 160));
        assert_eq!(index, fresh(r.take(1, 11, 160)) - 3);
        assert_eq!((r.received(), r.lost()), (3, 1));
    }

    #[test]
    fn another_source_is_believed_after_two_packets_in_a_row() {
        let mut r = Reception::new();
        r.take(1, 10, 160);
        assert_eq!(r.take(2, 500, 160), Verdict::Probation);
        assert_eq!(r.take(2, 700, 160), Verdict::Probation);
        assert_eq!(r.ssrc(), Some(1));
        assert!(matches!(r.take(2, 701, 160), Verdict::Fresh { restarted: true, .. }));
        assert_eq!((r.ssrc(), r.received()), (Some(2), 2));
    }

    #[test]
    fn a_jump_in_the_numbers_is_believed_after_two_packets_in_a_row() {
        let mut r = Reception::new();
        r.take(1, 10, 160);
        assert_eq!(r.take(1, 30_000, 160), Verdict::Probation);
        assert!(matches!(r.take(1, 30_001, 160), Verdict::Fresh { restarted: true, .. }));
        assert_eq!(r.lost(), 0);
    }

    #[test]
    fn a_report_counts_from_the_one_before() {
        let mut r = Reception::new();
        for seq in [0, 1, 3] {
            r.take(1, seq, 160);
        }
        assert_eq!(r.report_loss(), LossSince { fraction: 64, cumulative: 1 });
        for seq in [4, 5, 6, 7] {
            r.take(1, seq, 160);
        }
        assert_eq!(r.report_loss(), LossSince { fraction: 0, cumulative: 1 });
        assert_eq!(r.report_loss(), LossSince { fraction: 0, cumulative: 1 });
    }

    #[test]
    fn jitter_is_zero_on_the_beat_and_approaches_the_mean_deviation_off_it() {
        let mut r = Reception::new();
        for i in 0..500u64 {
            r.take(1, i as u16, 160);
            r.time(Time::from_millis(20 * i), (160 * i) as u32, 8_000);
        }
        assert_eq!(r.jitter(8_000), Duration::ZERO);
        for i in 500..1_500u64 {
            r.take(1, i as u16, 160);
            r.time(Time::from_millis(20 * i + 10 * (i % 2)), (160 * i) as u32, 8_000);
        }
        let jitter = r.jitter(8_000).as_millis();
        assert!((9..=10).contains(&jitter), "{jitter} ms");
    }
}
