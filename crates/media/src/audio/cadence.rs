//! Tones that go on and off: ringback, busy, beeps, and whatever an application composes.

use super::level::{nearest_sample, peak_amplitude};
use super::oscillator::Oscillator;
use crate::control::{GeneratedTone, MAX_TONE_PARTS, TonePart};
use std::time::Duration;

/// One frequency with its cadence, in samples.
#[derive(Clone, Debug)]
struct Part {
    wave: Oscillator,
    peak: f32,
    /// Amplitude lost per sample, for tones that fade.
    fade: f32,
    /// Sounds first after so many samples.
    after: u64,
    on: u64,
    /// On and off together; 0 if it sounds once, or always.
    period: u64,
}

/// Generates a tone with a cadence. See [`GeneratedTone`].
#[derive(Clone, Debug)]
pub struct CadencedTone {
    rate: u32,
    parts: Vec<Part>,
    position: u64,
    /// Samples in all; `None` for no end.
    length: Option<u64>,
}

impl CadencedTone {
    /// The tone at `rate` samples per second, for `duration`; zero for the tone's own duration.
    pub fn new(rate: u32, tone: &GeneratedTone, duration: Duration) -> Self {
        let lasts = if duration.is_zero() { tone.usual_duration() } else { Some(duration) };
        let parts = match tone {
            GeneratedTone::Custom(parts) => {
                parts.iter().take(MAX_TONE_PARTS).map(|part| Part::new(rate, part)).collect()
            }
            GeneratedTone::Ringback => pair(rate, [440, 480], -19, 2_000, 4_000),
            GeneratedTone::Busy => pair(rate, [480, 620], -24, 500, 500),
            GeneratedTone::Beep => pair(rate, [1_000, 0], -13, 1_000, 0),
            GeneratedTone::Billing => {
                // The short # and the dial tone after it, of which nothing is left after a second.
                let mut parts = pair(rate, [941, 1_477], -10, 60, 100_000);
                let mut dial = pair(rate, [350, 440], -10, 940, 100_000);
                for part in &mut dial {
                    part.after = samples(Duration::from_millis(60), rate);
                    part.fade = part.peak / part.on.max(1) as f32;
                }
                parts.append(&mut dial);
                parts
            }
        };
        Self { rate, parts, position: 0, length: lasts.map(|lasts| samples(lasts, rate)) }
    }

    /// The same tone at another rate, from this moment on.
    pub(crate) fn at_rate(&self, rate: u32, tone: &GeneratedTone, duration: Duration) -> Self {
        let position = self.position * u64::from(rate) / u64::from(self.rate.max(1));
        Self { position, ..Self::new(rate, tone, duration) }
    }

    /// Samples per second.
    pub const fn rate(&self) -> u32 {
        self.rate
    }

    /// Overwrites the front of `samples` and says how many it wrote: fewer than asked at the end, then 0.
    pub fn fill(&mut self, samples: &mut [i16]) -> usize {
        let left = self.length.map_or(u64::MAX, |length| length.saturating_sub(self.position));
        let count = left.min(samples.len() as u64) as usize;
        let Some(samples) = samples.get_mut(..count) else { return 0 };
        for (n, slot) in samples.iter_mut().enumerate() {
            let position = self.position + n as u64;
            *slot = nearest_sample(self.parts.iter_mut().map(|part| part.next(position)).sum());
        }
        self.parts.iter_mut().for_each(|part| part.wave.steady());
        self.position += count as u64;
        count
    }
}

impl Part {
    fn new(rate: u32, part: &TonePart) -> Self {
        let (on, off) = (samples(part.on, rate), samples(part.off, rate));
        Self {
            wave: Oscillator::new(f64::from(part.frequency), rate),
            peak: peak_amplitude(f32::from(part.level.clamp(-60, 0))),
            fade: 0.0,
            after: 0,
            on,
            period: if off == 0 { 0 } else { on + off },
        }
    }

    fn next(&mut self, position: u64) -> f32 {
        let Some(sounding) = position.checked_sub(self.after) else { return 0.0 };
        let place = match self.period {
            0 => 0,
            period => sounding % period,
        };
        // A part without a rest sounds always.
        if self.period != 0 && place >= self.on {
            return 0.0;
        }
        self.wave.next() * (self.peak - self.fade * place as f32).max(0.0)
    }
}

fn pair(rate: u32, frequencies: [u16; 2], level: i8, on: u64, off: u64) -> Vec<Part> {
    let (on, off) = (Duration::from_millis(on), Duration::from_millis(off));
    let part = |frequency| Part::new(rate, &TonePart { frequency, level, on, off });
    frequencies.into_iter().filter(|frequency| *frequency != 0).map(part).collect()
}

/// At most a day, so that nothing overflows.
fn samples(time: Duration, rate: u32) -> u64 {
    let time = time.min(Duration::from_secs(86_400));
    (time.as_micros() * u128::from(rate) / 1_000_000) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{level_dbm0, measure_tone};

    fn play(tone: &GeneratedTone, rate: u32, millis: u64, most: usize) -> Vec<i16> {
        let mut generator = CadencedTone::new(rate, tone, Duration::from_millis(millis));
        let mut all = Vec::new();
        while all.len() < most {
            let mut packet = vec![7; rate as usize / 50];
            let count = generator.fill(&mut packet);
            all.extend_from_slice(&packet[..count]);
            if count < packet.len() {
                assert_eq!(generator.fill(&mut packet), 0, "nothing comes after the end");
                break;
            }
        }
        all
    }

    #[test]
    fn ringback_sounds_two_seconds_of_six() {
        for rate in [8_000, 16_000] {
            let samples = play(&GeneratedTone::Ringback, rate, 8_000, usize::MAX);
            let second = rate as usize;
            assert_eq!(samples.len(), 8 * second);
            for (begin, end, sounds) in [(0, 2, true), (2, 6, false), (6, 8, true)] {
                let part = &samples[begin * second..end * second];
                for frequency in [440, 480] {
                    let level = crate::audio::tone_level_dbm0(part, rate, frequency);
                    if sounds {
                        assert!((level + 19.0).abs() < 0.5, "{level}");
                    }
                }
                assert_eq!(level_dbm0(part) > -90.0, sounds);
            }
        }
    }

    #[test]
    fn every_kind_has_its_frequencies_and_some_end_by_themselves() {
        for (kind, frequency, ends) in [
            (GeneratedTone::Busy, 620, false),
            (GeneratedTone::Beep, 1_000, true),
            (GeneratedTone::Billing, 440, true),
        ] {
            let samples = play(&kind, 8_000, 0, 80_000);
            assert_eq!(samples.len() < 80_000, ends, "{kind:?}");
            assert!(measure_tone(&samples[480..], 8_000, frequency).frames_with_tone >= 20, "{kind:?}");
        }
    }

    #[test]
    fn the_parts_of_a_custom_tone_keep_their_own_cadence() {
        let part = |frequency, on, off| TonePart {
            frequency,
            level: -12,
            on: Duration::from_millis(on),
            off: Duration::from_millis(off),
        };
        let tone = GeneratedTone::Custom(vec![part(700, 100, 100), part(1_700, 50, 350), part(2_500, 1, 0)]);
        let samples = play(&tone, 8_000, 4_000, usize::MAX);
        for (frequency, frames) in [(700, 90..=110), (1_700, 20..=40), (2_500, 200..=200)] {
            let report = measure_tone(&samples, 8_000, frequency);
            assert!(frames.contains(&report.frames_with_tone), "{frequency}: {report:?}");
        }
    }

    #[test]
    fn nonsense_is_silent_and_ends() {
        let silly = TonePart { frequency: 65_535, level: 127, on: Duration::MAX, off: Duration::MAX };
        let tone = GeneratedTone::Custom(vec![silly; 1_000]);
        assert!(play(&tone, 8_000, 100, usize::MAX).iter().all(|sample| *sample == 0));
        assert_eq!(play(&GeneratedTone::Custom(vec![]), 8_000, 100, usize::MAX), vec![0; 800]);
        let loud = TonePart { frequency: 1_000, level: 0, on: Duration::ZERO, off: Duration::ZERO };
        let clipped = play(&GeneratedTone::Custom(vec![loud; 8]), 8_000, 100, usize::MAX);
        assert!(clipped.contains(&i16::MAX));
    }
}
