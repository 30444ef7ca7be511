//! A steady tone of one or two frequencies.

use super::level::{nearest_sample, peak_amplitude};
use super::oscillator::Oscillator;

/// Generates a steady tone, continuous over any number of [`Tone::fill`]s.
#[derive(Clone, Debug)]
pub struct Tone {
    oscillators: [Oscillator; 2],
    peak: f32,
}

impl Tone {
    /// A tone of one or two frequencies in Hz (0 for none), each at `level` dBm0, at `rate` samples per second.
    pub fn new(rate: u32, frequencies: [u16; 2], level: i8) -> Self {
        let oscillators = frequencies.map(|frequency| Oscillator::new(f64::from(frequency), rate));
        Self { oscillators, peak: peak_amplitude(f32::from(level)) }
    }

    /// Overwrites `samples` with the next of the tone. Two tones that are louder together than full scale are clipped.
    pub fn fill(&mut self, samples: &mut [i16]) {
        let [low, high] = &mut self.oscillators;
        for sample in samples {
            *sample = nearest_sample((low.next() + high.next()) * self.peak);
        }
        low.steady();
        high.steady();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::level::level_dbm0;

    #[test]
    fn packets_join_without_a_seam() {
        let mut whole = vec![0; 1_600];
        Tone::new(8_000, [440, 480], -12).fill(&mut whole);
        let mut parts = vec![0; 1_600];
        let mut tone = Tone::new(8_000, [440, 480], -12);
        parts.chunks_mut(160).for_each(|packet| tone.fill(packet));
        assert!(whole.iter().zip(&parts).all(|(a, b)| (a - b).abs() <= 1));
    }

    #[test]
    fn the_level_is_what_was_asked() {
        for level in [0, -10, -30, -60] {
            let mut samples = vec![0; 8_000];
            Tone::new(8_000, [1_000, 0], level).fill(&mut samples);
            assert!(
                (level_dbm0(&samples) - f32::from(level)).abs() < 0.2,
                "{level} {}",
                level_dbm0(&samples)
            );
        }
    }
}
