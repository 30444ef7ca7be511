//! A melody of our own, for callers who wait: eight slow bars over four chords, rendered once and then only copied.

use super::level::{nearest_sample, peak_amplitude};
use super::oscillator::Oscillator;

/// A quarter note, in milliseconds: 92 in a minute.
const BEAT: u32 = 652;
const BEATS_PER_BAR: u32 = 4;

/// Chords as semitones above the C below middle C, one a bar, played as broken eighths.
const CHORDS: [[i32; 4]; 8] = [
    [0, 7, 12, 16],
    [9, 12, 16, 21],
    [5, 12, 17, 21],
    [7, 14, 17, 23],
    [4, 7, 12, 16],
    [9, 12, 16, 19],
    [5, 9, 12, 17],
    [7, 11, 14, 19],
];

/// The upper voice: bar, eighth in the bar, semitones above the same C, length in eighths.
const SONG: [(u32, u32, i32, u32); 26] = [
    (0, 0, 28, 3),
    (0, 3, 31, 1),
    (0, 4, 36, 4),
    (1, 0, 33, 3),
    (1, 3, 31, 1),
    (1, 4, 28, 4),
    (2, 0, 29, 2),
    (2, 2, 31, 2),
    (2, 4, 33, 3),
    (2, 7, 31, 1),
    (3, 0, 31, 6),
    (3, 6, 26, 2),
    (4, 0, 28, 3),
    (4, 3, 31, 1),
    (4, 4, 36, 2),
    (4, 6, 38, 2),
    (5, 0, 40, 3),
    (5, 3, 38, 1),
    (5, 4, 36, 4),
    (6, 0, 33, 2),
    (6, 2, 31, 2),
    (6, 4, 29, 2),
    (6, 6, 28, 2),
    (7, 0, 26, 4),
    (7, 4, 31, 2),
    (7, 6, 26, 2),
];

/// The level of the loudest moment, in dBm0: music at a comfortable −20 dBm0 on average.
const PEAK: f32 = -5.0;

/// The melody as samples at `rate`, about 21 seconds, whose end runs into its beginning. Takes some milliseconds: render it
/// once and share it (see [`Playback`](super::Playback)).
pub fn render_melody(rate: u32) -> Vec<i16> {
    let eighth = (u64::from(rate) * u64::from(BEAT) / 2_000) as usize;
    let bar = eighth * 2 * BEATS_PER_BAR as usize;
    let mut sum = vec![0.0; bar * CHORDS.len()];
    for (number, chord) in CHORDS.iter().enumerate() {
        for (step, place) in [0, 1, 2, 3, 2, 3, 1, 2].into_iter().enumerate() {
            if let Some(semitones) = chord.get(place) {
                let loudness = if step == 0 { 0.5 } else { 0.28 };
                play(&mut sum, number * bar + step * eighth, 3 * eighth, *semitones, loudness, rate);
            }
        }
    }
    for (number, step, semitones, length) in SONG {
        let start = number as usize * bar + step as usize * eighth;
        play(&mut sum, start, (length as usize + 1) * eighth, semitones, 0.8, rate);
    }
    let loudest = sum.iter().fold(1.0f32, |loudest, value| loudest.max(value.abs()));
    let scale = peak_amplitude(PEAK) / loudest;
    sum.into_iter().map(|value| nearest_sample(value * scale)).collect()
}

/// Adds a plucked note; what sounds past the end goes to the beginning.
fn play(sum: &mut [f32], start: usize, length: usize, semitones: i32, loudness: f32, rate: u32) {
    let pitch = 130.81 * 2f64.powf(f64::from(semitones) / 12.0);
    let mut partials = [1.0, 2.0, 3.0].map(|harmonic| Oscillator::new(pitch * harmonic, rate));
    let attack = (rate / 100) as f32;
    let fade = (rate / 20) as f32;
    let decay = (-1.0 / (0.55 * rate as f32)).exp();
    let mut strength = loudness;
    let whole = sum.len().max(1);
    for n in 0..length {
        let [first, second, third] = &mut partials;
        let sound = first.next() + 0.3 * second.next() + 0.1 * third.next();
        let begins = (n as f32 / attack).min(1.0);
        let ends = ((length - n) as f32 / fade).min(1.0);
        if let Some(slot) = sum.get_mut((start + n) % whole) {
            *slot += sound * strength * begins * ends;
        }
        strength *= decay;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::level_dbm0;

    #[test]
    fn it_is_heard_throughout_and_never_clips() {
        for rate in [8_000, 16_000] {
            let samples = render_melody(rate);
            assert!((20 * rate as usize..22 * rate as usize).contains(&samples.len()));
            assert!(samples.iter().all(|sample| sample.abs() < 16_000));
            for half_second in samples.chunks_exact(rate as usize / 2) {
                assert!((-32.0..-8.0).contains(&level_dbm0(half_second)), "{}", level_dbm0(half_second));
            }
        }
    }

    #[test]
    fn the_loop_has_no_click() {
        let samples = render_melody(8_000);
        let steps = samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).max().unwrap();
        assert!((samples[0] - samples[samples.len() - 1]).abs() <= steps);
    }
}
