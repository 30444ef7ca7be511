//! Digits heard as tones (ITU-T Q.23, Q.24), for peers that send no telephone events.
//!
//! Windows of 20 ms overlap by half and are weighted towards their middle, so that a strong frequency does not leak into the
//! filters of the others. A digit is one frequency of each group with nearly all of the power between them; it begins with two
//! windows that agree (30 ms) and ends with two that do not.

use super::receive::{DigitChange, ReceivedDigit};
use crate::audio::{DETECTION_FRAME, Goertzel, digit_of_frequencies, power_of_dbm0};
use std::f32::consts::TAU;
use std::time::Duration;

const LOW: [u16; 4] = [697, 770, 852, 941];
const HIGH: [u16; 4] = [1_209, 1_336, 1_477, 1_633];
/// Samples between two windows: 10 ms.
const STEP: usize = DETECTION_FRAME / 2;
const STEP_TIME: Duration = Duration::from_millis(10);

/// The share of a window's power that the pair must have.
const SHARE: f32 = 0.82;
/// How much stronger than its neighbours a frequency must be (6 dB).
const ALONE: f32 = 4.0;
/// The weakest frequency heard, in dBm0.
const WEAKEST_DBM0: f32 = -36.0;
/// The high frequency may be stronger by 6 dB and weaker by 10 dB: Q.24's 4 and 8 and what a line adds.
const HIGH_STRONGER: f32 = 4.0;
const HIGH_WEAKER: f32 = 10.0;
/// The mean of the weights, and the sum of their squares.
const GAIN: f32 = 0.54;
const SQUARES: f32 = (0.54 * 0.54 + 0.46 * 0.46 / 2.0) * DETECTION_FRAME as f32;
/// Windows that make or end a digit.
const AGREEING: u32 = 2;

/// Hears digits in samples at 8 kHz.
#[derive(Clone, Debug)]
pub struct InBandDigits {
    low: [Filters; 4],
    high: [Filters; 4],
    window: [i16; DETECTION_FRAME],
    weights: Box<[f32; DETECTION_FRAME]>,
    state: State,
}

/// Filters for one frequency of the groups.
#[derive(Clone, Copy, Debug)]
struct Filters {
    name: u16,
    exact: Goertzel,
    /// A little below and above: what an offset takes from `exact` is found there.
    beside: [Goertzel; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Quiet,
    /// A digit was in so many windows.
    Rising {
        digit: char,
        windows: u32,
    },
    /// Pressed for so many windows, `missed` of which were something else just now.
    Pressed {
        digit: char,
        windows: u32,
        missed: u32,
    },
}

impl Default for InBandDigits {
    fn default() -> Self {
        Self::new()
    }
}

impl InBandDigits {
    /// Nothing is pressed.
    pub fn new() -> Self {
        Self {
            low: LOW.map(Filters::new),
            high: HIGH.map(Filters::new),
            window: [0; DETECTION_FRAME],
            weights: Box::new(hamming()),
            state: State::Quiet,
        }
    }

    /// Takes the next 20 ms; something can happen in each half.
    pub fn hear(&mut self, frame: &[i16]) -> [Option<DigitChange>; 2] {
        let mut changes = [None; 2];
        for (change, step) in changes.iter_mut().zip(frame.chunks_exact(STEP)) {
            self.window.copy_within(STEP.., 0);
            if let Some(newest) = self.window.get_mut(STEP..) {
                newest.copy_from_slice(step);
            }
            let found = self.digit();
            *change = self.step(found);
        }
        changes
    }

    /// Nothing more comes: what is pressed has ended.
    pub fn end(&mut self) -> Option<ReceivedDigit> {
        match std::mem::replace(&mut self.state, State::Quiet) {
            State::Pressed { digit, windows, .. } => Some(pressed(digit, windows)),
            State::Quiet | State::Rising { .. } => None,
        }
    }

    fn step(&mut self, found: Option<char>) -> Option<DigitChange> {
        match (self.state, found) {
            (State::Quiet, None) => None,
            (State::Rising { .. }, None) => {
                self.state = State::Quiet;
                None
            }
            (State::Rising { digit, windows }, Some(same)) if same == digit => {
                let windows = windows + 1;
                if windows < AGREEING {
                    self.state = State::Rising { digit, windows };
                    return None;
                }
                self.state = State::Pressed { digit, windows, missed: 0 };
                Some(DigitChange::Begun(digit))
            }
            (State::Quiet | State::Rising { .. }, Some(digit)) => {
                self.state = State::Rising { digit, windows: 1 };
                None
            }
            (State::Pressed { digit, windows, missed }, Some(same)) if same == digit => {
                self.state = State::Pressed { digit, windows: windows + missed + 1, missed: 0 };
                None
            }
            (State::Pressed { digit, windows, missed }, other) => {
                if missed + 1 < AGREEING {
                    self.state = State::Pressed { digit, windows, missed: missed + 1 };
                    return None;
                }
                self.state = match other {
                    Some(digit) => State::Rising { digit, windows: 1 },
                    None => State::Quiet,
                };
                Some(DigitChange::Ended(pressed(digit, windows)))
            }
        }
    }

    /// The digit in the window, if it is one and nothing else.
    fn digit(&self) -> Option<char> {
        let mut weighted = [0.0; DETECTION_FRAME];
        for ((slot, sample), weight) in weighted.iter_mut().zip(self.window).zip(self.weights.iter()) {
            *slot = f32::from(sample) * weight;
        }
        let whole = weighted.iter().map(|value| value * value).sum::<f32>() / SQUARES;
        let weakest = power_of_dbm0(WEAKEST_DBM0);
        if whole < 2.0 * weakest {
            return None;
        }
        let (low, low_power) = strongest(&self.low, &weighted)?;
        let (high, high_power) = strongest(&self.high, &weighted)?;
        let loud = low_power >= weakest && high_power >= weakest;
        let balanced = high_power <= low_power * HIGH_STRONGER && high_power * HIGH_WEAKER >= low_power;
        let alone = low_power + high_power >= SHARE * whole;
        if loud && balanced && alone { digit_of_frequencies(low, high) } else { None }
    }
}

impl Filters {
    fn new(name: u16) -> Self {
        let filter = |factor: f32| Goertzel::new(f32::from(name) * factor, DETECTION_FRAME);
        Self { name, exact: filter(1.0), beside: [filter(0.99), filter(1.01)] }
    }
}

fn power(filter: Goertzel, window: &[f32; DETECTION_FRAME]) -> f32 {
    filter.power_of_values(window.iter().copied()) / (GAIN * GAIN)
}

/// The frequency of a group that stands out, with its power.
fn strongest(filters: &[Filters; 4], window: &[f32; DETECTION_FRAME]) -> Option<(u16, f32)> {
    let found = filters.map(|filters| (filters, power(filters.exact, window)));
    let (filters, most) = found.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let others = found.iter().filter(|(other, _)| other.name != filters.name);
    if others.map(|(_, power)| *power).fold(0.0, f32::max) * ALONE > most {
        return None;
    }
    let all = filters.beside.map(|filter| power(filter, window));
    Some((filters.name, all.into_iter().fold(most, f32::max)))
}

/// Hamming's window.
fn hamming() -> [f32; DETECTION_FRAME] {
    std::array::from_fn(|n| GAIN - 0.46 * (TAU * (n as f32 + 0.5) / DETECTION_FRAME as f32).cos())
}

/// Windows overlap: the first is two steps long, each further one adds a step.
fn pressed(digit: char, windows: u32) -> ReceivedDigit {
    ReceivedDigit { digit, duration: STEP_TIME * (windows + 1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::test_sounds::{noise, speech};
    use crate::audio::{DigitTones, digit_frequencies, peak_amplitude, render_melody};
    use hookswitch_machine::Entropy;

    fn hear(samples: &[i16]) -> Vec<DigitChange> {
        let mut receiver = InBandDigits::new();
        let frames = samples.chunks_exact(DETECTION_FRAME);
        let mut changes: Vec<_> = frames.flat_map(|frame| receiver.hear(frame)).flatten().collect();
        changes.extend(receiver.end().map(DigitChange::Ended));
        changes
    }

    fn digits(samples: &[i16]) -> String {
        let ended = |change| match change {
            DigitChange::Begun(_) => None,
            DigitChange::Ended(ended) => Some(ended),
        };
        hear(samples).into_iter().filter_map(ended).map(|ended: ReceivedDigit| ended.digit).collect()
    }

    fn dial(text: &str, on: u64, off: u64, lead: usize) -> Vec<i16> {
        let mut samples = vec![0; text.len() * 8 * (on + off) as usize + lead + 800];
        let mut tones = DigitTones::new(8_000, text, Duration::from_millis(on), Duration::from_millis(off));
        tones.fill(&mut samples[lead..]);
        samples
    }

    fn key(digit: char, offset: f32, low: f32, high: f32, samples: usize) -> Vec<i16> {
        let [f, g] = digit_frequencies(digit).unwrap().map(|hz| f32::from(hz) * (1.0 + offset) / 8_000.0);
        let (a, b) = (peak_amplitude(low), peak_amplitude(high));
        let turn = std::f32::consts::TAU;
        (0..samples)
            .map(|n| (a * (turn * f * n as f32).sin() + b * (turn * g * n as f32).sin()) as i16)
            .collect()
    }

    #[test]
    fn every_key_is_heard_once_with_its_duration_wherever_it_begins() {
        let keys = "0123456789ABCD*#1122";
        for lead in [0, 40, 77, 131] {
            for (on, off) in [(100, 100), (50, 50), (40, 45)] {
                let changes = hear(&dial(keys, on, off, lead));
                let mut ended = changes.iter().filter_map(|change| match change {
                    DigitChange::Ended(ended) => Some(*ended),
                    DigitChange::Begun(_) => None,
                });
                for key in keys.chars() {
                    let digit = ended.next().unwrap();
                    assert_eq!(digit.digit, key, "{on} {off} {lead}");
                    let off = digit.duration.abs_diff(Duration::from_millis(on));
                    assert!(off <= Duration::from_millis(15), "{key}: {:?} of {on} ms", digit.duration);
                }
                assert_eq!(changes.len(), 2 * keys.len());
            }
        }
    }

    #[test]
    fn offset_twist_and_level_within_the_standard_are_heard() {
        for digit in "0123456789ABCD*#".chars() {
            for offset in [-0.015, 0.0, 0.015] {
                for (low, high) in [(-8.0, -8.0), (-15.0, -23.0), (-15.0, -11.0), (-30.0, -30.0)] {
                    let heard = digits(&[key(digit, offset, low, high, 800), vec![0; 800]].concat());
                    assert_eq!(heard, digit.to_string(), "{offset} {low} {high}");
                }
            }
        }
    }

    #[test]
    fn one_frequency_alone_or_much_twist_is_no_digit() {
        for (low, high) in [(-10.0, -100.0), (-100.0, -10.0), (-10.0, -26.0), (-26.0, -10.0), (-45.0, -45.0)]
        {
            assert_eq!(digits(&key('5', 0.0, low, high, 8_000)), "", "{low} {high}");
        }
    }

    #[test]
    fn digits_are_heard_through_noise_and_g711() {
        let mut entropy = Entropy::from_number(9);
        let keys = "159D*0#";
        let mut samples = dial(keys, 100, 80, 50);
        let hiss = noise(&mut entropy, samples.len(), -25.0);
        samples.iter_mut().zip(hiss).for_each(|(sample, hiss)| *sample = sample.saturating_add(hiss));
        let (mut payload, mut back) = (Vec::new(), Vec::new());
        crate::codec::Codec::Pcmu.encode(&samples, &mut payload);
        crate::codec::Codec::Pcmu.decode(&payload, &mut back);
        assert_eq!(digits(&back), keys);
    }

    #[test]
    fn speech_music_and_noise_dial_nothing() {
        let mut entropy = Entropy::from_number(6);
        assert_eq!(digits(&render_melody(8_000)), "");
        assert_eq!(digits(&noise(&mut entropy, 400_000, -10.0)), "");
        for pitch in [85.0, 110.0, 150.0, 190.0, 230.0, 270.0] {
            assert_eq!(digits(&speech(&mut entropy, pitch, 60_000)), "", "pitch {pitch}");
        }
    }
}
