//! A sine by rotation: one complex multiplication a sample, no table and no trigonometry after the start.

use std::f64::consts::TAU;

/// A sine of fixed frequency that keeps its phase.
#[derive(Clone, Copy, Debug)]
pub(super) struct Oscillator {
    cosine: f64,
    sine: f64,
    step_cosine: f64,
    step_sine: f64,
}

impl Oscillator {
    /// A sine of `frequency` Hz at `rate` samples per second, which begins at zero and rises. Frequencies of more than half
    /// the rate, which cannot be told from lower ones, are silent, and so is 0.
    pub(super) fn new(frequency: f64, rate: u32) -> Self {
        let audible = frequency > 0.0 && frequency < f64::from(rate) / 2.0;
        let step = if audible { TAU * frequency / f64::from(rate) } else { 0.0 };
        let length = if audible { 1.0 } else { 0.0 };
        Self { cosine: length, sine: 0.0, step_cosine: step.cos(), step_sine: step.sin() }
    }

    /// The same wave a quarter of a period ahead: the cosine to this sine.
    pub(super) fn ahead_by_a_quarter(self) -> Self {
        Self { cosine: -self.sine, sine: self.cosine, ..self }
    }

    /// The next value, -1 to 1.
    #[inline]
    pub(super) fn next(&mut self) -> f32 {
        let value = self.sine;
        let cosine = self.cosine * self.step_cosine - self.sine * self.step_sine;
        self.sine = self.cosine * self.step_sine + self.sine * self.step_cosine;
        self.cosine = cosine;
        value as f32
    }

    /// Takes back the rounding that would let the amplitude drift; called once per packet.
    pub(super) fn steady(&mut self) {
        let correction = (3.0 - (self.cosine * self.cosine + self.sine * self.sine)) / 2.0;
        self.cosine *= correction;
        self.sine *= correction;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_later_the_amplitude_is_the_same() {
        let mut oscillator = Oscillator::new(1_004.0, 8_000);
        for _ in 0..3_600 * 50 {
            (0..160).for_each(|_| {
                oscillator.next();
            });
            oscillator.steady();
        }
        let peak = (0..8_000).map(|_| oscillator.next()).fold(0.0, f32::max);
        assert!((peak - 1.0).abs() < 0.001, "{peak}");
    }

    #[test]
    fn what_cannot_be_sampled_is_silent() {
        for frequency in [0.0, -5.0, 4_000.0, 1e9, f64::NAN] {
            let mut oscillator = Oscillator::new(frequency, 8_000);
            assert!((0..100).all(|_| oscillator.next() == 0.0), "{frequency}");
        }
    }
}
