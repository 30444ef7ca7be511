//! Between 8 and 16 kHz without aliases and images: a half-band filter that remembers the frame before.
//!
//! Every second tap of a half-band filter is zero and the middle one is a half, so that a sample costs six multiplications. The
//! delay is eleven samples at 16 kHz, 0.7 ms.

use super::level::nearest_sample;
use std::f32::consts::PI;

/// Taps on one side that are not zero: at distances 1, 3, 5, ...
const TAPS: usize = 6;
/// The longest frame at 16 kHz, 10 ms.
const FRAME: usize = 160;
const HALVING: usize = 4 * TAPS - 2;
const DOUBLING: usize = 2 * TAPS - 1;

/// The taps of one side, nearest first; together they are a quarter.
fn taps() -> [f32; TAPS] {
    let mut taps: [f32; TAPS] = std::array::from_fn(|n| {
        let distance = (2 * n + 1) as f32;
        let sign = if n % 2 == 0 { 1.0 } else { -1.0 };
        let place = PI * distance / (2 * TAPS) as f32;
        // Blackman's window.
        let window = 0.42 + 0.5 * place.cos() + 0.08 * (2.0 * place).cos();
        sign * window / (PI * distance)
    });
    let sum: f32 = taps.iter().sum();
    taps.iter_mut().for_each(|tap| *tap *= 0.25 / sum);
    taps
}

/// From 16 to 8 kHz.
#[derive(Clone, Debug)]
pub(crate) struct Halver {
    taps: [f32; TAPS],
    history: [i16; HALVING],
}

impl Halver {
    pub(crate) fn new() -> Self {
        Self { taps: taps(), history: [0; HALVING] }
    }

    /// Fills `to`, half as long as `from`; frames of at most 10 ms.
    pub(crate) fn convert(&mut self, from: &[i16], to: &mut [i16]) {
        let mut buffer = [0; HALVING + FRAME];
        let (old, new) = buffer.split_at_mut(HALVING);
        old.copy_from_slice(&self.history);
        new.iter_mut().zip(from).for_each(|(slot, sample)| *slot = *sample);
        for (slot, window) in to.iter_mut().zip(buffer.windows(HALVING + 1).step_by(2)) {
            let (before, rest) = window.split_at(HALVING / 2);
            let (Some(middle), after) = (rest.first(), rest.iter().skip(1)) else { continue };
            let pairs = before.iter().rev().zip(after).step_by(2);
            *slot = nearest_sample(0.5 * f32::from(*middle) + weigh(&self.taps, pairs));
        }
        self.history = last(&buffer, from.len());
    }
}

/// From 8 to 16 kHz.
#[derive(Clone, Debug)]
pub(crate) struct Doubler {
    taps: [f32; TAPS],
    history: [i16; DOUBLING],
}

impl Doubler {
    pub(crate) fn new() -> Self {
        Self { taps: taps(), history: [0; DOUBLING] }
    }

    /// Fills `to`, twice as long as `from`; frames of at most 10 ms.
    pub(crate) fn convert(&mut self, from: &[i16], to: &mut [i16]) {
        let mut buffer = [0; DOUBLING + FRAME / 2];
        let (old, new) = buffer.split_at_mut(DOUBLING);
        old.copy_from_slice(&self.history);
        new.iter_mut().zip(from).for_each(|(slot, sample)| *slot = *sample);
        for (slots, window) in to.chunks_exact_mut(2).zip(buffer.windows(DOUBLING + 1)) {
            let (before, after) = window.split_at(TAPS);
            if let ([even, odd], Some(middle)) = (slots, before.last()) {
                *even = *middle;
                *odd = nearest_sample(2.0 * weigh(&self.taps, before.iter().rev().zip(after)));
            }
        }
        self.history = last(&buffer, from.len());
    }
}

fn weigh<'a>(taps: &[f32; TAPS], pairs: impl Iterator<Item = (&'a i16, &'a i16)>) -> f32 {
    let pair = |(tap, (before, after)): (&f32, (&i16, &i16))| tap * (f32::from(*before) + f32::from(*after));
    taps.iter().zip(pairs).map(pair).sum()
}

/// What the next frame's filter needs of this one: the end of what was filled.
fn last<const N: usize>(buffer: &[i16], filled: usize) -> [i16; N] {
    let mut history = [0; N];
    history.iter_mut().zip(buffer.iter().skip(filled)).for_each(|(slot, sample)| *slot = *sample);
    history
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{Tone, level_dbm0, tone_level_dbm0};

    fn halved(frequency: u16) -> Vec<i16> {
        let (mut tone, mut halver) = (Tone::new(16_000, [frequency, 0], -10), Halver::new());
        let (mut from, mut to) = ([0; 160], [0; 80]);
        let mut all = Vec::new();
        for _ in 0..100 {
            tone.fill(&mut from);
            halver.convert(&from, &mut to);
            all.extend(to);
        }
        all
    }

    fn doubled(frequency: u16) -> Vec<i16> {
        let (mut tone, mut doubler) = (Tone::new(8_000, [frequency, 0], -10), Doubler::new());
        let (mut from, mut to) = ([0; 80], [0; 160]);
        let mut all = Vec::new();
        for _ in 0..100 {
            tone.fill(&mut from);
            doubler.convert(&from, &mut to);
            all.extend(to);
        }
        all
    }

    #[test]
    fn the_telephone_band_passes_as_it_is() {
        for frequency in [300, 1_000, 2_000, 2_700, 3_000] {
            let (half, double) = (halved(frequency), doubled(frequency));
            for (samples, rate) in [(&half, 8_000), (&double, 16_000)] {
                let level = tone_level_dbm0(samples, rate, frequency);
                assert!((level + 10.0).abs() < 0.7, "{frequency} at {rate}: {level}");
            }
        }
    }

    #[test]
    fn aliases_and_images_are_gone() {
        for frequency in [5_500, 6_000, 7_500] {
            let level = level_dbm0(&halved(frequency)[100..]);
            assert!(level < -45.0, "{frequency}: {level}");
        }
        for frequency in [300, 1_500, 2_500] {
            let level = tone_level_dbm0(&doubled(frequency), 16_000, 8_000 - frequency);
            assert!(level < -45.0, "{frequency}: {level}");
        }
    }

    #[test]
    fn frames_join_without_a_seam() {
        for frequency in [300, 1_000, 2_300] {
            for (samples, rate) in [(halved(frequency), 8_000), (doubled(frequency), 16_000)] {
                let whole = level_dbm0(&samples[100..]);
                let tone = tone_level_dbm0(&samples[100..], rate, frequency);
                assert!((whole - tone).abs() < 0.1, "{frequency} at {rate}: {whole} and {tone}");
                let steps = samples[100..].windows(2).map(|pair| (pair[1] - pair[0]).abs()).max().unwrap();
                let steepest = std::f32::consts::TAU * f32::from(frequency) / rate as f32 * 7_050.0;
                assert!(f32::from(steps) < 1.1 * steepest, "{frequency} at {rate}: {steps}");
            }
        }
    }
}
