//! From packets to an even flow of samples: jitter buffer, decoder, and something in the place of what was lost.

use crate::codec::Codec;
use crate::jitter::{Inserted, JitterBuffer, JitterLimits, Play};
use hookswitch_machine::Time;

/// What replaces lost audio fades to nothing within this many milliseconds.
const FADE_MILLIS: usize = 60;
/// The most samples of a packet that are decoded.
const LONGEST: usize = 2_048;

/// The hearing half of a stream.
#[derive(Debug)]
pub(super) struct Playout {
    codec: Codec,
    jitter: JitterBuffer,
    /// The last packet decoded; from `rest` on it is still to be played.
    packet: Vec<i16>,
    rest: usize,
    /// Samples concealed since the last packet.
    concealed: usize,
}

impl Playout {
    pub(super) fn new(codec: Codec, limits: JitterLimits) -> Self {
        Self {
            codec,
            jitter: JitterBuffer::new(codec.rate(), limits),
            packet: Vec::with_capacity(LONGEST),
            rest: 0,
            concealed: 0,
        }
    }

    pub(super) const fn codec(&self) -> Codec {
        self.codec
    }

    pub(super) const fn late(&self) -> u64 {
        self.jitter.late()
    }

    pub(super) fn restart(&mut self) {
        self.jitter.restart();
    }

    pub(super) fn insert(&mut self, now: Time, index: u64, timestamp: u32, payload: &[u8]) -> Inserted {
        let samples = self.codec.samples_in(payload.len());
        self.jitter.insert(now, index, timestamp, payload, samples)
    }

    /// Fills `samples` with what comes next.
    pub(super) fn fill(&mut self, now: Time, samples: &mut [i16]) {
        let mut filled = 0;
        while let Some(room) = samples.get_mut(filled..).filter(|room| !room.is_empty()) {
            if let Some(rest) = self.packet.get(self.rest..).filter(|rest| !rest.is_empty()) {
                let count = rest.len().min(room.len());
                room.iter_mut().zip(rest).for_each(|(slot, sample)| *slot = *sample);
                self.rest += count;
                filled += count;
                continue;
            }
            match self.jitter.play(now, room.len()) {
                Play::Packet { payload, skip } => {
                    self.packet.clear();
                    self.codec.decode(payload.get(..LONGEST).unwrap_or(payload), &mut self.packet);
                    self.rest = skip.min(self.packet.len());
                    self.concealed = 0;
                }
                Play::Conceal { samples } => {
                    let count = samples.min(room.len());
                    conceal(&self.packet, self.concealed, self.codec.rate(), &mut room[..count]);
                    self.concealed += count;
                    filled += count;
                }
                Play::Silence { samples } => {
                    let count = samples.min(room.len());
                    room[..count].fill(0);
                    filled += count;
                }
            }
        }
    }
}

/// The last packet again and again, fading: of what a short loss can be replaced with, the cheapest that is not heard.
fn conceal(last: &[i16], already: usize, rate: u32, samples: &mut [i16]) {
    let fade = rate as usize / 1_000 * FADE_MILLIS;
    for (i, slot) in samples.iter_mut().enumerate() {
        let position = already + i;
        let left = fade.saturating_sub(position);
        *slot = match last.get(position % last.len().max(1)) {
            Some(sample) if left > 0 => (i64::from(*sample) * left as i64 / fade as i64) as i16,
            _ => 0,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{Tone, level_dbm0, measure_tone};

    #[test]
    fn a_lost_packet_of_a_tone_is_not_a_hole() {
        let mut playout = Playout::new(Codec::Pcmu, JitterLimits::default());
        let mut tone = Tone::new(8_000, [400, 0], -10);
        let mut heard = Vec::new();
        for n in 0..100u64 {
            let (mut samples, mut payload) = ([0; 160], [0; 160]);
            tone.fill(&mut samples);
            Codec::Pcmu.encode_into(&samples, &mut payload);
            let now = Time::from_millis(20 * n);
            if n != 50 {
                playout.insert(now, 70_000 + n, 160 * n as u32, &payload);
            }
            playout.fill(now, &mut samples);
            heard.extend_from_slice(&samples);
        }
        let report = measure_tone(&heard, 8_000, 400);
        assert!(report.longest_gap.as_millis() <= 5, "{report:?}");
        assert!(report.frames_with_tone >= 96, "{report:?}");
    }

    #[test]
    fn a_long_loss_fades_to_silence() {
        let mut playout = Playout::new(Codec::Pcmu, JitterLimits::default());
        for n in 0..10u64 {
            playout.insert(Time::from_millis(20 * n), 70_000 + n, 160 * n as u32, &[0x20; 160]);
            playout.fill(Time::from_millis(20 * n), &mut [0; 160]);
        }
        let mut after = [0; 3_200];
        playout.fill(Time::from_millis(600), &mut after);
        assert!(level_dbm0(&after[1_600..]) <= -90.0);
    }

    #[test]
    fn packets_longer_and_shorter_than_the_beat_fill_it() {
        for packet in [80u64, 240, 480] {
            let mut playout = Playout::new(Codec::Pcma, JitterLimits::default());
            let mut tone = Tone::new(8_000, [1_000, 0], -10);
            let (mut heard, mut n) = (Vec::new(), 0);
            for beat in 0..150u64 {
                while n * packet < beat * 160 {
                    let mut samples = vec![0; packet as usize];
                    tone.fill(&mut samples);
                    let mut payload = Vec::new();
                    Codec::Pcma.encode(&samples, &mut payload);
                    playout.insert(Time::from_millis(20 * beat), 70_000 + n, (packet * n) as u32, &payload);
                    n += 1;
                }
                let mut samples = [0; 160];
                playout.fill(Time::from_millis(20 * beat), &mut samples);
                heard.extend_from_slice(&samples);
            }
            let report = measure_tone(&heard[1_600..], 8_000, 1_000);
            assert!(report.is_continuous(), "packets of {packet}: {report:?}");
        }
    }
}
