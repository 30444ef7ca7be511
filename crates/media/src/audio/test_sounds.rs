//! What detectors must not take for a tone: noise, and something like speech.

use super::level::peak_amplitude;
use hookswitch_machine::Entropy;
use std::f32::consts::TAU;

fn chance(entropy: &mut Entropy) -> f32 {
    entropy.below(20_001) as f32 / 10_000.0 - 1.0
}

/// White noise with the power of a sine of this level.
pub(crate) fn noise(entropy: &mut Entropy, samples: usize, dbm0: f32) -> Vec<i16> {
    // Uniform between -1 and 1 has a third of the power of its peak; a sine has half.
    let peak = peak_amplitude(dbm0) * 1.5f32.sqrt();
    (0..samples).map(|_| (chance(entropy) * peak) as i16).collect()
}

/// Vowels of changing formants over a pitch that wanders, with hisses and pauses between them.
pub(crate) fn speech(entropy: &mut Entropy, pitch: f32, millis: usize) -> Vec<i16> {
    const VOWELS: [[f32; 3]; 6] = [
        [270.0, 2_290.0, 3_010.0],
        [530.0, 1_840.0, 2_480.0],
        [730.0, 1_090.0, 2_440.0],
        [570.0, 840.0, 2_410.0],
        [300.0, 870.0, 2_240.0],
        [640.0, 1_190.0, 2_390.0],
    ];
    let mut samples = Vec::with_capacity(millis * 8);
    while samples.len() < millis * 8 {
        let length = 800 + entropy.below(1_600) as usize;
        match entropy.below(6) {
            0 => samples.extend(std::iter::repeat_n(0, length / 2)),
            1 => samples.extend(noise(entropy, length / 2, -25.0)),
            _ => {
                let vowel = VOWELS[entropy.below(6) as usize];
                let (start, drift) = (pitch * (1.0 + 0.15 * chance(entropy)), 0.2 * chance(entropy));
                let mut phase = 0.0f32;
                for n in 0..length {
                    let part = n as f32 / length as f32;
                    let now = start * (1.0 + drift * part);
                    phase = (phase + now / 8_000.0).fract();
                    let harmonics = (3_600.0 / now) as u32;
                    let mut sum = 0.0;
                    for harmonic in 1..=harmonics {
                        let frequency = now * harmonic as f32;
                        let near = |formant: f32| 1.0 / (1.0 + ((frequency - formant) / 90.0).powi(2));
                        let strength = near(vowel[0]) + 0.5 * near(vowel[1]) + 0.25 * near(vowel[2]) + 0.02;
                        sum += strength * (TAU * phase * harmonic as f32).sin();
                    }
                    let envelope = (part * std::f32::consts::PI).sin();
                    samples.push((peak_amplitude(-16.0) * envelope * sum) as i16);
                }
            }
        }
    }
    samples
}
