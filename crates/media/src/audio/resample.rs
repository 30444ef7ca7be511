//! Changes the sampling rate of a whole recording: a windowed sinc, one filter per phase.

use super::level::nearest_sample;
use std::f64::consts::PI;

/// The rates that recordings come in, in Hz.
const RATES: std::ops::RangeInclusive<u32> = 4_000..=192_000;
/// Zero crossings of the sinc on each side: -60 dB of what folds back.
const CROSSINGS: f64 = 16.0;
/// What of the lower band is kept; the rest is the filter's slope.
const PASS: f64 = 0.92;
/// Filters kept at most. Pairs of rates that would need more take the nearest phase.
const PHASES: u64 = 1_024;

/// The rates cannot be converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sampling rate of {rate} Hz is not one of a recording: give 4,000 to 192,000 Hz")]
#[non_exhaustive]
pub struct ResampleError {
    /// The rate that is out of range.
    pub rate: u32,
}

/// The same recording at another rate.
///
/// # Errors
/// If a rate is below 4,000 or above 192,000 Hz.
pub fn resample(samples: &[i16], from: u32, to: u32) -> Result<Vec<i16>, ResampleError> {
    if let Some(rate) = [from, to].into_iter().find(|rate| !RATES.contains(rate)) {
        return Err(ResampleError { rate });
    }
    if from == to {
        return Ok(samples.to_vec());
    }
    let bank = FilterBank::new(from, to);
    let (from, to) = (u64::from(from), u64::from(to));
    let length = samples.len() as u64 * to / from;
    Ok((0..length).map(|n| bank.sample(samples, n * from / to, n * from % to, to)).collect())
}

/// One low-pass filter for each place that an output sample can have between two input samples.
struct FilterBank {
    filters: Vec<f32>,
    phases: u64,
    /// Input samples on each side of the output sample.
    reach: usize,
}

impl FilterBank {
    fn new(from: u32, to: u32) -> Self {
        let phases = u64::from(to / greatest_common_divisor(from, to)).min(PHASES);
        let cutoff = PASS * (f64::from(to) / f64::from(from)).min(1.0);
        let reach = (CROSSINGS / cutoff).ceil();
        let taps = 2 * reach as usize;
        let mut filters = Vec::with_capacity(phases as usize * taps);
        for phase in 0..phases {
            let offset = phase as f64 / phases as f64;
            let filter: Vec<f64> = (0..taps)
                .map(|tap| {
                    let distance = tap as f64 - (reach - 1.0) - offset;
                    sinc(distance * cutoff) * window(distance / reach)
                })
                .collect();
            // Each phase passes a constant unchanged.
            let sum: f64 = filter.iter().sum();
            filters.extend(filter.into_iter().map(|value| (value / sum) as f32));
        }
        Self { filters, phases, reach: reach as usize }
    }

    /// The value `fraction / of` after input sample `whole`.
    fn sample(&self, samples: &[i16], whole: u64, fraction: u64, of: u64) -> i16 {
        let phase = (fraction * self.phases / of) as usize;
        let taps = 2 * self.reach;
        let filter = self.filters.get(phase * taps..(phase + 1) * taps).unwrap_or(&[]);
        // The first tap lies before the recording at its beginning: skip as many.
        let first = whole as i64 - (self.reach as i64 - 1);
        let skip = (-first).max(0) as usize;
        let source = samples.get(first.max(0) as usize..).unwrap_or(&[]);
        let sum: f32 =
            filter.iter().skip(skip).zip(source).map(|(weight, sample)| weight * f32::from(*sample)).sum();
        nearest_sample(sum)
    }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// Blackman, over -1 to 1.
fn window(x: f64) -> f64 {
    if x.abs() >= 1.0 { 0.0 } else { 0.42 + 0.5 * (PI * x).cos() + 0.08 * (2.0 * PI * x).cos() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{Tone, level_dbm0, tone_level_dbm0};

    fn second_of(frequency: u16, rate: u32) -> Vec<i16> {
        let mut samples = vec![0; rate as usize];
        Tone::new(rate, [frequency, 0], -10).fill(&mut samples);
        samples
    }

    #[test]
    fn a_tone_keeps_its_pitch_level_and_length_at_common_rates() {
        for from in [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000] {
            for to in [8_000, 16_000] {
                let out = resample(&second_of(1_000, from), from, to).unwrap();
                assert_eq!(out.len(), to as usize);
                let middle = &out[to as usize / 10..to as usize * 9 / 10];
                assert!((tone_level_dbm0(middle, to, 1_000) + 10.0).abs() < 0.3, "{from} to {to}");
            }
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_carry_is_gone() {
        let out = resample(&second_of(6_000, 48_000), 48_000, 8_000).unwrap();
        assert!(level_dbm0(&out[400..7_600]) < -55.0, "{}", level_dbm0(&out[400..7_600]));
    }

    #[test]
    fn odd_and_impossible_rates() {
        assert_eq!(resample(&[0; 100], 3_999, 8_000), Err(ResampleError { rate: 3_999 }));
        assert_eq!(resample(&[0; 100], 8_000, 0), Err(ResampleError { rate: 0 }));
        assert_eq!(resample(&[], 44_100, 8_000), Ok(vec![]));
        let out = resample(&second_of(1_000, 44_101), 44_101, 8_000).unwrap();
        assert!((tone_level_dbm0(&out[800..7_200], 8_000, 1_000) + 10.0).abs() < 0.3);
    }
}
