//! What several people say at once, added up: each hears all the others.
//!
//! The sum of all is made once per frame; what one hears is the sum less what it said itself. Sums are kept in 32 bits and fitted
//! into 16 by a knee, so that three loud voices are soft-limited and not torn.

use std::time::Duration;

/// Samples per second of a mix.
pub const MIX_RATE: u32 = 8_000;
/// Samples of a mixed frame.
pub const MIX_FRAME: usize = 80;
/// The time of a mixed frame.
pub const MIX_TIME: Duration = Duration::from_millis(10);

/// Samples that stay below this are silence or a line's own noise, about -60 dBm0: sixty of them would be heard.
const INAUDIBLE: u16 = 24;
/// Up to here a sum stays as it is; beyond, it comes nearer and nearer to full scale.
const KNEE: i32 = 24_576;

/// One frame of a mix.
#[derive(Clone, Debug)]
pub struct MixFrame {
    sum: [i32; MIX_FRAME],
    voices: u32,
}

impl Default for MixFrame {
    fn default() -> Self {
        Self { sum: [0; MIX_FRAME], voices: 0 }
    }
}

impl MixFrame {
    /// Silence.
    pub fn new() -> Self {
        Self::default()
    }

    /// Silence again.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// How many have spoken.
    pub const fn voices(&self) -> u32 {
        self.voices
    }

    /// Adds what one says.
    pub fn add(&mut self, said: &[i16; MIX_FRAME]) {
        self.sum.iter_mut().zip(said).for_each(|(sum, sample)| *sum += i32::from(*sample));
        self.voices += 1;
    }

    /// What somebody hears who said nothing.
    pub fn all(&self, heard: &mut [i16; MIX_FRAME]) {
        fit(&self.sum, heard);
    }

    /// What somebody hears who [added](Self::add) `said`.
    pub fn without(&self, said: &[i16; MIX_FRAME], heard: &mut [i16; MIX_FRAME]) {
        let mut others = self.sum;
        others.iter_mut().zip(said).for_each(|(sum, sample)| *sum -= i32::from(*sample));
        fit(&others, heard);
    }
}

/// Whether samples are more than silence.
pub fn is_audible(samples: &[i16]) -> bool {
    samples.iter().fold(0u16, |most, sample| most.max(sample.unsigned_abs())) > INAUDIBLE
}

fn fit(sum: &[i32; MIX_FRAME], samples: &mut [i16; MIX_FRAME]) {
    let loudest = sum.iter().fold(0, |most, value| most.max(value.abs()));
    if loudest <= KNEE {
        samples.iter_mut().zip(sum).for_each(|(sample, value)| *sample = *value as i16);
    } else {
        samples.iter_mut().zip(sum).for_each(|(sample, value)| *sample = limit(*value));
    }
}

/// Full scale is reached only in infinity, and nothing jumps at the knee.
fn limit(value: i32) -> i16 {
    let room = i32::from(i16::MAX) - KNEE;
    let over = value.abs() - KNEE;
    if over <= 0 {
        return value as i16;
    }
    let limited = KNEE + (i64::from(over) * i64::from(room) / i64::from(over + room)) as i32;
    (limited * value.signum()) as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{Tone, measure_tone, tone_level_dbm0};

    const TONES: [u16; 3] = [500, 1_100, 1_900];

    /// Seconds of three voices mixed: what each hears, and what a listener hears.
    fn conference(level: i8) -> [Vec<i16>; 4] {
        let mut voices = TONES.map(|frequency| Tone::new(MIX_RATE, [frequency, 0], level));
        let mut heard: [Vec<i16>; 4] = Default::default();
        let mut frame = MixFrame::new();
        for _ in 0..200 {
            frame.clear();
            let said = std::array::from_fn::<_, 3, _>(|n| {
                let mut said = [0; MIX_FRAME];
                voices[n].fill(&mut said);
                frame.add(&said);
                said
            });
            let mut out = [0; MIX_FRAME];
            for (ears, said) in heard.iter_mut().zip(&said) {
                frame.without(said, &mut out);
                ears.extend(out);
            }
            frame.all(&mut out);
            heard[3].extend(out);
        }
        heard
    }

    #[test]
    fn each_hears_the_others_and_not_itself() {
        let heard = conference(-12);
        for (n, ears) in heard.iter().enumerate() {
            for (m, frequency) in TONES.into_iter().enumerate() {
                let report = measure_tone(ears, MIX_RATE, frequency);
                if n == m {
                    assert_eq!(report.frames_with_tone, 0);
                    assert!(tone_level_dbm0(ears, MIX_RATE, frequency) < -60.0);
                } else {
                    assert!(report.is_continuous(), "{n} hears {m}: {report:?}");
                }
            }
        }
    }

    #[test]
    fn loud_voices_are_limited_and_still_heard() {
        let heard = conference(0);
        let ears = &heard[3];
        assert!(ears.iter().any(|sample| sample.abs() > 30_000));
        for frequency in TONES {
            assert!(measure_tone(ears, MIX_RATE, frequency).share() >= 0.99);
        }
    }

    #[test]
    fn the_knee_is_smooth_and_never_overflows() {
        let mut last = limit(-3_000_000);
        for value in (-3_000_000..=3_000_000).step_by(50) {
            let limited = limit(value);
            assert!((0..=50).contains(&(i32::from(limited) - i32::from(last))), "{value}");
            last = limited;
        }
        assert_eq!((limit(i32::from(i16::MIN)), limit(KNEE), limit(0)), (-28_671, 24_576, 0));
        let mut frame = MixFrame::new();
        (0..1_000).for_each(|_| frame.add(&[i16::MIN; MIX_FRAME]));
        let mut heard = [0; MIX_FRAME];
        frame.all(&mut heard);
        assert!(heard.iter().all(|sample| *sample <= -32_000));
    }

    #[test]
    fn the_silence_of_codecs_is_not_audible() {
        for codec in crate::codec::Codec::ALL {
            let mut samples = [0; 160];
            codec.decode_into(&[codec.silence(); 160], &mut samples);
            assert!(!is_audible(&samples));
        }
        assert!(is_audible(&[0, -25]) && is_audible(&[i16::MIN]));
    }
}
