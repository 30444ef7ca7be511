//! What a source that we send needs to remember: numbers, the media clock, and totals for RTCP.

use super::header::Header;
use hookswitch_machine::{Entropy, Time};
use std::time::Duration;

/// The sending half of an RTP session: one synchronisation source.
#[derive(Clone, Debug)]
pub struct RtpSender {
    ssrc: u32,
    next_sequence: u16,
    /// The timestamp at `origin`.
    base: u32,
    origin: Time,
    rate: u32,
    packets: u64,
    octets: u64,
    /// Packets and octets of this source alone, for its sender reports.
    source_packets: u32,
    source_octets: u32,
    last_sent: Option<Time>,
}

impl RtpSender {
    /// A source whose identifier, first sequence number and first timestamp are random (RFC 3550 5.1).
    pub fn new(now: Time, rate: u32, entropy: &mut Entropy) -> Self {
        Self {
            ssrc: entropy.next_u32(),
            next_sequence: entropy.next_u32() as u16,
            base: entropy.next_u32(),
            origin: now,
            rate,
            packets: 0,
            octets: 0,
            source_packets: 0,
            source_octets: 0,
            last_sent: None,
        }
    }

    /// Our synchronisation source.
    pub const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Samples per second of the media clock.
    pub const fn rate(&self) -> u32 {
        self.rate
    }

    /// Packets and payload octets sent since the beginning.
    pub const fn totals(&self) -> (u64, u64) {
        (self.packets, self.octets)
    }

    /// Packets and payload octets sent under the present synchronisation source, as a sender report wants them.
    pub const fn source_totals(&self) -> (u32, u32) {
        (self.source_packets, self.source_octets)
    }

    /// When the last packet went out.
    pub const fn last_sent(&self) -> Option<Time> {
        self.last_sent
    }

    /// Goes over to another clock rate: a new source (RFC 7160 explains what becomes of reports otherwise).
    pub fn set_rate(&mut self, now: Time, rate: u32, entropy: &mut Entropy) {
        if rate != self.rate {
            let (packets, octets) = self.totals();
            *self = Self { packets, octets, ..Self::new(now, rate, entropy) };
        }
    }

    /// The media clock at `now`.
    pub fn timestamp(&self, now: Time) -> u32 {
        let nanos = u128::from(now.as_nanos().saturating_sub(self.origin.as_nanos()));
        self.base.wrapping_add((nanos * u128::from(self.rate) / 1_000_000_000) as u32)
    }

    /// The sequence number of the next packet.
    pub const fn next_sequence(&self) -> u16 {
        self.next_sequence
    }

    /// Whether a packet sent at `now` comes after a pause of more than `pause`, or is the first.
    pub fn after_pause(&self, now: Time, pause: Duration) -> bool {
        self.last_sent.is_none_or(|last| now.since(last) > pause)
    }

    /// The header of the next packet of our own.
    pub fn next(
        &mut self,
        now: Time,
        marker: bool,
        payload_type: u8,
        timestamp: u32,
        octets: usize,
    ) -> Header {
        let sequence = self.next_sequence;
        self.relay(now, marker, payload_type, sequence, timestamp, octets)
    }

    /// The header of a packet whose place in the order is given by what it was copied from.
    pub fn relay(
        &mut self,
        now: Time,
        marker: bool,
        payload_type: u8,
        sequence: u16,
        timestamp: u32,
        octets: usize,
    ) -> Header {
        // A packet that overtook others moves the next number forward, one that was overtaken does not move it back.
        if sequence.wrapping_sub(self.next_sequence) < 0x8000 {
            self.next_sequence = sequence.wrapping_add(1);
        }
        self.packets += 1;
        self.octets += octets as u64;
        self.source_packets = self.source_packets.wrapping_add(1);
        self.source_octets = self.source_octets.wrapping_add(octets as u32);
        self.last_sent = Some(now);
        Header { marker, payload_type, sequence, timestamp, ssrc: self.ssrc }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_media_clock_moves_with_time_and_wraps() {
        let mut entropy = Entropy::from_number(1);
        let sender = RtpSender::new(Time::from_millis(5), 8_000, &mut entropy);
        let start = sender.timestamp(Time::from_millis(5));
        assert_eq!(sender.timestamp(Time::from_millis(25)).wrapping_sub(start), 160);
        let week = Time::from_millis(5 + 7 * 24 * 3_600_000);
        assert_eq!(sender.timestamp(week).wrapping_sub(start), (7u64 * 24 * 3_600 * 8_000) as u32);
    }

    #[test]
    fn sequence_numbers_increase_by_one_and_relayed_ones_never_move_them_back() {
        let mut entropy = Entropy::from_number(2);
        let mut sender = RtpSender::new(Time::ZERO, 8_000, &mut entropy);
        let first = sender.next(Time::ZERO, true, 0, 0, 160).sequence;
        assert_eq!(sender.next(Time::ZERO, false, 0, 160, 160).sequence, first.wrapping_add(1));
        sender.relay(Time::ZERO, false, 0, first.wrapping_add(5), 0, 160);
        sender.relay(Time::ZERO, false, 0, first.wrapping_add(4), 0, 160);
        assert_eq!(sender.next_sequence(), first.wrapping_add(6));
        assert_eq!(sender.totals(), (4, 640));
    }

    #[test]
    fn another_rate_is_another_source_with_the_same_totals() {
        let mut entropy = Entropy::from_number(3);
        let mut sender = RtpSender::new(Time::ZERO, 8_000, &mut entropy);
        sender.next(Time::ZERO, true, 0, 0, 160);
        let before = sender.ssrc();
        sender.set_rate(Time::from_millis(20), 16_000, &mut entropy);
        assert_ne!(sender.ssrc(), before);
        assert_eq!(sender.totals(), (1, 160));
        assert_eq!(sender.source_totals(), (0, 0));
    }
}
