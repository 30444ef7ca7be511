//! Hears tones in what people say: is this frame that tone and nothing else?
//!
//! Each frequency is asked for with a Goertzel filter over blocks short enough that a tone 1.5 % off still counts: blocks of 20 ms
//! would let a shifted 2,100 Hz fall between two answers, blocks of 5 ms could not tell 440 from 480 Hz. Speech is kept out by
//! what a tone must be: nearly all of the frame's power, no frequency much weaker than another, steady from frame to frame.

use super::level::{mean_power, peak_amplitude};
use crate::control::WatchedTone;
use std::f32::consts::TAU;
use std::time::Duration;

/// Samples of a frame: 20 ms at 8 kHz.
pub(crate) const DETECTION_FRAME: usize = 160;
const RATE: f32 = 8_000.0;
const FRAME_TIME: Duration = Duration::from_millis(20);

/// The share of a frame's power that the tone must have.
const SHARE: f32 = 0.62;
/// No frequency of a tone may be weaker than another by more than this (8 dB).
const TWIST: f32 = 6.3;
/// The weakest tone that is heard, in dBm0 (ITU-T T.30 asks for -43).
const WEAKEST_DBM0: f32 = -43.0;
/// Silence is what is weaker than this, in dBm0.
const SILENCE_DBM0: f32 = -50.0;
/// From frame to frame, a tone does not grow or shrink by more than this (6 dB).
const STEADY: f32 = 4.0;
/// The shortest time that counts.
const SHORTEST: Duration = Duration::from_millis(40);
/// Frames in a row without the tone after which it has ended; what was lost on the way is no end.
const MISSES: u32 = 3;

/// A Goertzel filter for one frequency at 8 kHz.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Goertzel {
    coefficient: f32,
    /// Samples in a block.
    block: usize,
}

impl Goertzel {
    /// A filter whose blocks are as long as a tone 1.5 % off allows.
    pub(crate) fn tolerant(frequency: f32) -> Self {
        let block = if frequency <= 750.0 {
            DETECTION_FRAME
        } else if frequency <= 1_500.0 {
            DETECTION_FRAME / 2
        } else {
            DETECTION_FRAME / 4
        };
        Self::new(frequency, block)
    }

    pub(crate) fn new(frequency: f32, block: usize) -> Self {
        Self { coefficient: 2.0 * (TAU * frequency / RATE).cos(), block: block.max(1) }
    }

    /// The power of the frequency in a frame, comparable with its [`mean_power`].
    pub(crate) fn power(self, frame: &[i16]) -> f32 {
        let (mut power, mut blocks) = (0.0, 0u16);
        for block in frame.chunks_exact(self.block) {
            power += self.power_of_values(block.iter().map(|sample| f32::from(*sample)));
            blocks += 1;
        }
        power / f32::from(blocks.max(1))
    }

    /// The same of one block.
    pub(crate) fn power_of_values(self, block: impl Iterator<Item = f32>) -> f32 {
        let (mut last, mut before) = (0.0f32, 0.0f32);
        for value in block {
            let next = value + self.coefficient * last - before;
            before = last;
            last = next;
        }
        let power = last * last + before * before - self.coefficient * last * before;
        2.0 * power.max(0.0) / (self.block as f32 * self.block as f32)
    }
}

/// The mean power of a sine of this level.
pub(crate) fn power_of_dbm0(level: f32) -> f32 {
    peak_amplitude(level).powi(2) / 2.0
}

/// Watches for one tone.
#[derive(Clone, Debug)]
pub struct ToneDetector {
    filters: [Option<Goertzel>; 3],
    silence: bool,
    needed: u32,
    /// Frames that had it in this run, counting those that were missed in between.
    heard: u32,
    missed: u32,
    last_power: f32,
    told: bool,
}

impl ToneDetector {
    /// Watches for a tone at 8,000 samples per second. Frequencies of 4,000 Hz and more are never heard.
    pub fn new(tone: &WatchedTone) -> Self {
        let filter = |frequency: u16| match frequency {
            0 => None,
            frequency => Some(Goertzel::tolerant(f32::from(frequency))),
        };
        let audible = tone.frequencies.iter().all(|frequency| *frequency < 4_000);
        let needed = tone.duration.max(SHORTEST).as_millis().div_ceil(FRAME_TIME.as_millis());
        Self {
            filters: tone.frequencies.map(filter),
            silence: tone.frequencies == [0; 3],
            needed: if audible { u32::try_from(needed).unwrap_or(u32::MAX) } else { u32::MAX },
            heard: 0,
            missed: 0,
            last_power: 0.0,
            told: false,
        }
    }

    /// Takes the next 20 ms; true once each time the tone has lasted for its duration.
    pub fn hear(&mut self, frame: &[i16]) -> bool {
        let whole = mean_power(frame);
        if self.is_there(frame, whole) {
            // A tone that was reported may fade; one that jumps before that begins anew.
            let goes_on = self.told || self.is_steady(whole);
            self.heard = if goes_on { self.heard.saturating_add(1 + self.missed) } else { 1 };
            self.missed = 0;
            self.last_power = whole;
        } else if self.heard > 0 {
            self.missed += 1;
            if self.missed >= MISSES {
                (self.heard, self.missed, self.told) = (0, 0, false);
            }
        }
        if self.told || self.heard < self.needed {
            return false;
        }
        self.told = true;
        true
    }

    fn is_steady(&self, power: f32) -> bool {
        self.silence
            || self.heard == 0
            || (power <= self.last_power * STEADY && power * STEADY >= self.last_power)
    }

    fn is_there(&self, frame: &[i16], whole: f32) -> bool {
        if self.silence {
            return whole < power_of_dbm0(SILENCE_DBM0);
        }
        if whole < power_of_dbm0(WEAKEST_DBM0) {
            return false;
        }
        let (mut sum, mut least, mut most) = (0.0f32, f32::MAX, 0.0f32);
        for filter in self.filters.iter().flatten() {
            let power = filter.power(frame);
            sum += power;
            least = least.min(power);
            most = most.max(power);
        }
        sum >= SHARE * whole && least * TWIST >= most
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::test_sounds::{noise, speech};
    use crate::audio::{Tone, render_melody};

    fn watch(frequencies: [u16; 3], millis: u64) -> ToneDetector {
        ToneDetector::new(&WatchedTone { tag: 1, frequencies, duration: Duration::from_millis(millis) })
    }

    fn count(detector: &mut ToneDetector, samples: &[i16]) -> usize {
        samples.chunks_exact(DETECTION_FRAME).filter(|frame| detector.hear(frame)).count()
    }

    /// Frequencies in hertz, with their levels.
    fn sound(parts: &[(f32, f32)], millis: usize) -> Vec<i16> {
        let mut samples = vec![0.0f32; millis * 8];
        for (frequency, level) in parts {
            let peak = peak_amplitude(*level);
            for (n, sample) in samples.iter_mut().enumerate() {
                *sample += peak * (TAU * frequency / RATE * n as f32).sin();
            }
        }
        samples.into_iter().map(|sample| sample as i16).collect()
    }

    #[test]
    fn a_tone_up_to_one_and_a_half_percent_off_is_heard_once() {
        for frequency in [350.0f32, 440.0, 700.0, 1_000.0, 1_100.0, 1_400.0, 2_100.0, 2_600.0, 3_400.0] {
            for offset in [-0.015, -0.007, 0.0, 0.007, 0.015] {
                let mut detector = watch([frequency as u16, 0, 0], 200);
                let heard = sound(&[(frequency * (1.0 + offset), -15.0)], 1_000);
                assert_eq!(count(&mut detector, &heard), 1, "{frequency} {offset}");
            }
        }
    }

    #[test]
    fn a_neighbour_of_another_frequency_is_not_heard() {
        for (asked, sent) in [
            (440, 480.0),
            (440, 350.0),
            (1_000, 1_100.0),
            (1_100, 1_000.0),
            (2_100, 1_900.0),
            (2_100, 2_300.0),
        ] {
            let mut detector = watch([asked, 0, 0], 40);
            assert_eq!(count(&mut detector, &sound(&[(sent, -15.0)], 2_000)), 0, "{asked} {sent}");
        }
    }

    #[test]
    fn a_pair_is_heard_with_some_twist_and_not_with_much_or_half_of_it() {
        for pair in [[440, 480, 0], [350, 440, 0], [480, 620, 0], [1_400, 2_060, 0]] {
            let [a, b] = [f32::from(pair[0]), f32::from(pair[1])];
            for (second, expected) in [(-15.0, 1), (-19.0, 1), (-11.0, 1), (-30.0, 0), (-100.0, 0)] {
                let heard = sound(&[(a, -15.0), (b, second)], 1_000);
                assert_eq!(count(&mut watch(pair, 200), &heard), expected, "{pair:?} {second}");
            }
        }
    }

    #[test]
    fn noise_below_a_tone_does_not_hide_it_and_above_it_does() {
        let mut entropy = hookswitch_machine::Entropy::from_number(3);
        for (level, expected) in [(-30.0, 1), (-25.0, 1), (-10.0, 0)] {
            let mut heard = sound(&[(1_100.0, -15.0)], 2_000);
            for (sample, noise) in heard.iter_mut().zip(noise(&mut entropy, 16_000, level)) {
                *sample = sample.saturating_add(noise);
            }
            assert_eq!(count(&mut watch([1_100, 0, 0], 400), &heard), expected, "noise of {level}");
        }
    }

    #[test]
    fn duration_decides_and_a_pause_begins_anew() {
        let mut detector = watch([1_000, 0, 0], 300);
        let long = sound(&[(1_000.0, -20.0)], 400);
        let short = sound(&[(1_000.0, -20.0)], 240);
        let pause = vec![0; 800];
        assert_eq!(count(&mut detector, &[&short[..], &pause, &short, &pause].concat()), 0);
        assert_eq!(count(&mut detector, &[&long[..], &pause, &long, &pause].concat()), 2);
        // One lost packet does not make two tones of one.
        let mut torn = sound(&[(1_000.0, -20.0)], 2_000);
        torn[4_800..4_960].fill(0);
        assert_eq!(count(&mut detector, &torn), 1);
    }

    #[test]
    fn silence_can_be_watched_for() {
        let mut detector = watch([0; 3], 500);
        let heard =
            [sound(&[(500.0, -30.0)], 1_000), vec![3; 8_000], sound(&[(500.0, -30.0)], 1_000)].concat();
        assert_eq!(count(&mut detector, &heard), 1);
    }

    #[test]
    fn speech_music_and_noise_are_no_tones() {
        let mut entropy = hookswitch_machine::Entropy::from_number(5);
        let mut sounds = vec![render_melody(8_000), noise(&mut entropy, 160_000, -15.0)];
        for pitch in [90.0, 130.0, 180.0, 240.0] {
            sounds.push(speech(&mut entropy, pitch, 30_000));
        }
        for tone in [[1_100, 0, 0], [2_100, 0, 0], [440, 480, 0], [480, 620, 0], [1_000, 0, 0], [425, 0, 0]] {
            for (number, sound) in sounds.iter().enumerate() {
                // The melody plays notes, which are tones; a note of 200 ms is not what it is watched for.
                let found = count(&mut watch(tone, 400), sound);
                assert_eq!(found, 0, "{tone:?} in sound {number}");
            }
        }
    }

    #[test]
    fn g711_and_a_quiet_line_are_no_hindrance() {
        let (mut payload, mut back) = (Vec::new(), Vec::new());
        let mut tone = vec![0; 8_000];
        Tone::new(8_000, [2_100, 0], -38).fill(&mut tone);
        crate::codec::Codec::Pcma.encode(&tone, &mut payload);
        crate::codec::Codec::Pcma.decode(&payload, &mut back);
        assert_eq!(count(&mut watch([2_100, 0, 0], 500), &back), 1);
    }

    #[test]
    fn what_no_sampling_carries_is_never_heard() {
        let loud = sound(&[(3_000.0, 0.0)], 1_000);
        assert_eq!(count(&mut watch([5_000, 0, 0], 40), &loud), 0);
        assert_eq!(count(&mut watch([65_535; 3], 40), &[i16::MIN; 8_000]), 0);
    }
}
