//! The audio codecs that this crate speaks.
//!
//! Every codec here is sample by sample: no state between packets, no look-ahead, any packet time. So encoding and decoding
//! are methods of [`Codec`] on plain slices, and a relay may cut and join payloads as it likes. None of them allocates as
//! long as the caller brings a buffer with room.

mod g711;
mod l16;

use std::time::Duration;

/// An audio codec with what SDP says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 µ-law, 8 kHz (`PCMU/8000`, static payload type 0).
    Pcmu,
    /// G.711 A-law, 8 kHz (`PCMA/8000`, static payload type 8).
    Pcma,
    /// Linear 16 bit, network order, mono (`L16/RATE`, dynamic payload type).
    L16 {
        /// Samples per second: 8,000 or 16,000.
        rate: u32,
    },
}

impl Codec {
    /// Every codec of this crate, in the order of preference of a telephone network.
    pub const ALL: [Self; 4] =
        [Self::Pcmu, Self::Pcma, Self::L16 { rate: 16_000 }, Self::L16 { rate: 8_000 }];

    /// The encoding name of the rtpmap attribute (RFC 3551).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::L16 { .. } => "L16",
        }
    }

    /// The RTP clock, equal to the sampling rate, in Hz.
    pub const fn rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 8_000,
            Self::L16 { rate } => rate,
        }
    }

    /// The payload type of RFC 3551's static table, if it has one.
    pub const fn static_payload_type(self) -> Option<u8> {
        match self {
            Self::Pcmu => Some(0),
            Self::Pcma => Some(8),
            Self::L16 { .. } => None,
        }
    }

    /// The codec of a payload type that RFC 3551 assigns for good, if this crate speaks it.
    pub const fn from_static_payload_type(payload_type: u8) -> Option<Self> {
        match payload_type {
            0 => Some(Self::Pcmu),
            8 => Some(Self::Pcma),
            _ => None,
        }
    }

    /// The codec that an rtpmap names, if this crate speaks it. Names compare without case (RFC 8866 6.6); more than one
    /// channel is not spoken.
    pub fn from_rtpmap(name: &str, rate: u32, channels: u32) -> Option<Self> {
        if channels != 1 {
            return None;
        }
        Self::ALL.into_iter().find(|codec| codec.rate() == rate && codec.name().eq_ignore_ascii_case(name))
    }

    /// Payload octets that one sample takes.
    pub const fn octets_per_sample(self) -> usize {
        match self {
            Self::Pcmu | Self::Pcma => 1,
            Self::L16 { .. } => 2,
        }
    }

    /// Samples in `packet_time` of audio: what the RTP timestamp grows by with each packet.
    pub const fn samples_per_packet(self, packet_time: Duration) -> usize {
        let samples = packet_time.as_micros() * self.rate() as u128 / 1_000_000;
        if samples > 1_000_000 { 1_000_000 } else { samples as usize }
    }

    /// Payload octets of a packet that carries `packet_time` of audio.
    pub const fn octets_per_packet(self, packet_time: Duration) -> usize {
        self.samples_per_packet(packet_time) * self.octets_per_sample()
    }

    /// Samples in a payload of `octets`; an odd octet at the end of L16 does not count.
    pub const fn samples_in(self, octets: usize) -> usize {
        octets / self.octets_per_sample()
    }

    /// How long a payload of `octets` plays.
    pub const fn playing_time(self, octets: usize) -> Duration {
        Duration::from_micros(self.samples_in(octets) as u64 * 1_000_000 / self.rate() as u64)
    }

    /// The octet that silence is made of: a payload filled with it decodes to (nearly) zero.
    pub const fn silence(self) -> u8 {
        match self {
            Self::Pcmu => 0xFF,
            Self::Pcma => 0xD5,
            Self::L16 { .. } => 0,
        }
    }

    /// Appends the samples of `payload`. Every octet string is a valid payload; an odd octet at the end of L16 is dropped.
    ///
    /// Allocates only where `samples` has no room for [`Codec::samples_in`] more.
    pub fn decode(self, payload: &[u8], samples: &mut Vec<i16>) {
        match self {
            Self::Pcmu => samples.extend(payload.iter().copied().map(g711::decode_pcmu)),
            Self::Pcma => samples.extend(payload.iter().copied().map(g711::decode_pcma)),
            Self::L16 { .. } => samples.extend(l16::decode(payload)),
        }
    }

    /// Fills the front of `samples` from `payload` and says how many it filled: as many as both have.
    pub fn decode_into(self, payload: &[u8], samples: &mut [i16]) -> usize {
        let count = self.samples_in(payload.len()).min(samples.len());
        let slots = samples.iter_mut();
        match self {
            Self::Pcmu => slots.zip(payload).for_each(|(slot, octet)| *slot = g711::decode_pcmu(*octet)),
            Self::Pcma => slots.zip(payload).for_each(|(slot, octet)| *slot = g711::decode_pcma(*octet)),
            Self::L16 { .. } => slots.zip(l16::decode(payload)).for_each(|(slot, sample)| *slot = sample),
        }
        count
    }

    /// Appends the payload of `samples`, which are taken to be at [`Codec::rate`].
    ///
    /// Allocates only where `payload` has no room for [`Codec::octets_per_sample`] times their number.
    pub fn encode(self, samples: &[i16], payload: &mut Vec<u8>) {
        match self {
            Self::Pcmu => payload.extend(samples.iter().copied().map(g711::encode_pcmu)),
            Self::Pcma => payload.extend(samples.iter().copied().map(g711::encode_pcma)),
            Self::L16 { .. } => l16::encode(samples, payload),
        }
    }

    /// Fills the front of `payload` from `samples` and says how many octets it filled: whole samples only.
    pub fn encode_into(self, samples: &[i16], payload: &mut [u8]) -> usize {
        let count = samples.len().min(self.samples_in(payload.len()));
        match self {
            Self::Pcmu => {
                payload
                    .iter_mut()
                    .zip(samples)
                    .for_each(|(octet, sample)| *octet = g711::encode_pcmu(*sample));
            }
            Self::Pcma => {
                payload
                    .iter_mut()
                    .zip(samples)
                    .for_each(|(octet, sample)| *octet = g711::encode_pcma(*sample));
            }
            Self::L16 { .. } => l16::encode_into(samples, payload),
        }
        count * self.octets_per_sample()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_of_20_ms_has_the_size_that_the_rate_says() {
        let packet_time = Duration::from_millis(20);
        assert_eq!(Codec::Pcmu.samples_per_packet(packet_time), 160);
        assert_eq!(Codec::Pcmu.octets_per_packet(packet_time), 160);
        assert_eq!(Codec::L16 { rate: 16_000 }.samples_per_packet(packet_time), 320);
        assert_eq!(Codec::L16 { rate: 16_000 }.octets_per_packet(packet_time), 640);
        assert_eq!(Codec::L16 { rate: 16_000 }.playing_time(641), packet_time);
        assert_eq!(Codec::Pcma.samples_per_packet(Duration::MAX), 1_000_000);
    }

    #[test]
    fn silence_decodes_to_almost_nothing() {
        for codec in Codec::ALL {
            let mut samples = Vec::new();
            codec.decode(&[codec.silence(); 320], &mut samples);
            assert!(samples.iter().all(|sample| sample.abs() <= 8), "{codec:?}");
            assert_eq!(samples.len(), codec.samples_in(320));
        }
    }

    #[test]
    fn what_was_decoded_encodes_to_the_same_octets() {
        for codec in Codec::ALL {
            let payload: Vec<u8> = (0..=255).filter(|octet| codec != Codec::Pcmu || *octet != 0x7F).collect();
            let (mut samples, mut again) = (Vec::new(), Vec::new());
            codec.decode(&payload, &mut samples);
            codec.encode(&samples, &mut again);
            assert_eq!(again.len(), codec.samples_in(payload.len()) * codec.octets_per_sample());
            assert_eq!(again, payload[..again.len()], "{codec:?}");
        }
    }

    #[test]
    fn g711_keeps_a_sample_within_one_step() {
        for codec in [Codec::Pcmu, Codec::Pcma] {
            for sample in (-32_000..32_000).step_by(7) {
                let (mut octet, mut back) = ([0], [0]);
                codec.encode_into(&[sample], &mut octet);
                codec.decode_into(&octet, &mut back);
                let error = (i32::from(sample) - i32::from(back[0])).abs();
                assert!(error <= 16 + i32::from(sample).abs() / 16, "{codec:?} {sample} {error}");
            }
        }
    }

    #[test]
    fn slices_are_filled_as_far_as_both_reach() {
        for codec in Codec::ALL {
            let samples = [1_000, -1_000, 500, 0, 7];
            let mut payload = [0xAA; 7];
            let octets = codec.encode_into(&samples, &mut payload);
            assert_eq!(octets, if codec.octets_per_sample() == 1 { 5 } else { 6 });
            assert!(payload[octets..].iter().all(|octet| *octet == 0xAA));
            let mut back = [0; 2];
            assert_eq!(codec.decode_into(&payload[..octets], &mut back), 2);
            assert!((back[0] - 1_000).abs() < 40 && (back[1] + 1_000).abs() < 40, "{codec:?} {back:?}");
        }
    }

    #[test]
    fn rtpmap_names_compare_without_case() {
        assert_eq!(Codec::from_rtpmap("pcmu", 8_000, 1), Some(Codec::Pcmu));
        assert_eq!(Codec::from_rtpmap("l16", 16_000, 1), Some(Codec::L16 { rate: 16_000 }));
        assert_eq!(Codec::from_rtpmap("L16", 44_100, 1), None);
        assert_eq!(Codec::from_rtpmap("L16", 16_000, 2), None);
        assert_eq!(Codec::from_rtpmap("opus", 48_000, 2), None);
    }
}
