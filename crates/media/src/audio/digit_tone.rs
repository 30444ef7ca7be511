//! Digits in band (ITU-T Q.23): for peers that take no telephone events.

use super::tone::Tone;
use std::time::Duration;

const LOW: [u16; 4] = [697, 770, 852, 941];
const HIGH: [u16; 4] = [1_209, 1_336, 1_477, 1_633];
const KEYS: [[char; 4]; 4] =
    [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

/// The level of each frequency, in dBm0: loud enough for every receiver (ITU-T Q.24), short of clipping together.
const LEVEL: i8 = -8;
/// What a comma stands for, as in a modem's dial string.
const PAUSE: Duration = Duration::from_secs(2);

/// The two frequencies of a key (`0-9 A-D * #`, small letters too) in Hz, low group first.
pub fn digit_frequencies(digit: char) -> Option<[u16; 2]> {
    let digit = digit.to_ascii_uppercase();
    LOW.into_iter().zip(KEYS).find_map(|(low, row)| {
        row.into_iter().zip(HIGH).find(|(key, _)| *key == digit).map(|(_, high)| [low, high])
    })
}

/// The key of two frequencies of the groups.
pub fn digit_of_frequencies(low: u16, high: u16) -> Option<char> {
    let row = LOW.iter().position(|frequency| *frequency == low)?;
    let column = HIGH.iter().position(|frequency| *frequency == high)?;
    KEYS.get(row)?.get(column).copied()
}

/// Generates a string of digits: each for its duration, then the gap.
#[derive(Clone, Debug)]
pub struct DigitTones {
    rate: u32,
    digits: Vec<char>,
    next: usize,
    sounding: Option<Tone>,
    left: usize,
    on: usize,
    off: usize,
}

impl DigitTones {
    /// The digits `0-9 A-D * #`, comma for a pause of two seconds; other characters are left out. Each sounds for `duration`
    /// and is followed by `gap` of silence, both at most ten seconds.
    pub fn new(rate: u32, digits: &str, duration: Duration, gap: Duration) -> Self {
        let digits =
            digits.chars().filter(|digit| *digit == ',' || digit_frequencies(*digit).is_some()).collect();
        let (on, off) = (samples_of(duration, rate), samples_of(gap, rate));
        Self { rate, digits, next: 0, sounding: None, left: 0, on, off }
    }

    /// Overwrites the front of `samples` and says how many it wrote: fewer than asked at the end, then 0.
    pub fn fill(&mut self, samples: &mut [i16]) -> usize {
        let mut written = 0;
        while let Some(rest) = samples.get_mut(written..).filter(|rest| !rest.is_empty()) {
            if self.left == 0 && !self.advance() {
                break;
            }
            let count = self.left.min(rest.len());
            let (part, _) = rest.split_at_mut(count);
            match &mut self.sounding {
                Some(tone) => tone.fill(part),
                None => part.fill(0),
            }
            self.left -= count;
            written += count;
        }
        written
    }

    /// Whether the last digit and its gap were written.
    pub fn is_finished(&self) -> bool {
        self.left == 0 && self.sounding.is_none() && self.next >= self.digits.len()
    }

    /// From a tone to its gap, or from a gap to the next digit. False at the end.
    fn advance(&mut self) -> bool {
        if self.sounding.take().is_some() && self.off > 0 {
            self.left = self.off;
            return true;
        }
        let Some(digit) = self.digits.get(self.next) else { return false };
        self.next += 1;
        match digit_frequencies(*digit) {
            Some(frequencies) => {
                self.sounding = Some(Tone::new(self.rate, frequencies, LEVEL));
                self.left = self.on;
            }
            None => self.left = samples_of(PAUSE, self.rate),
        }
        true
    }
}

/// At least one sample for what is to be heard, so that every digit makes progress.
fn samples_of(time: Duration, rate: u32) -> usize {
    let micros = time.min(Duration::from_secs(10)).as_micros() as usize;
    let samples = micros * rate as usize / 1_000_000;
    if time.is_zero() { 0 } else { samples.max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::analysis::tone_level_dbm0;

    const KEYPAD: &str = "0123456789ABCD*#";

    #[test]
    fn every_key_has_two_frequencies_that_name_it() {
        for key in KEYPAD.chars() {
            let [low, high] = digit_frequencies(key).unwrap();
            assert_eq!(digit_of_frequencies(low, high), Some(key));
        }
        assert_eq!(digit_frequencies('x'), None);
        assert_eq!(digit_of_frequencies(440, 1_209), None);
    }

    #[test]
    fn each_digit_sounds_and_then_rests() {
        let mut tones = DigitTones::new(8_000, "1x#", Duration::from_millis(100), Duration::from_millis(50));
        let mut samples = vec![0x55; 4_000];
        let mut written = 0;
        while written < 4_000 {
            match tones.fill(&mut samples[written..(written + 160).min(4_000)]) {
                0 => break,
                count => written += count,
            }
        }
        assert_eq!(written, 2 * (800 + 400));
        assert!(tones.is_finished());
        for (start, low, high) in [(0, 697, 1_209), (1_200, 941, 1_477)] {
            let sound = &samples[start..start + 800];
            assert!((tone_level_dbm0(sound, 8_000, low) + 8.0).abs() < 0.5);
            assert!((tone_level_dbm0(sound, 8_000, high) + 8.0).abs() < 0.5);
            assert!(samples[start + 800..start + 1_200].iter().all(|sample| *sample == 0));
        }
    }

    #[test]
    fn a_comma_is_two_seconds_and_no_duration_is_no_sound() {
        let mut samples = vec![1; 20_000];
        assert_eq!(DigitTones::new(8_000, ",", Duration::ZERO, Duration::ZERO).fill(&mut samples), 16_000);
        assert_eq!(DigitTones::new(8_000, "123", Duration::ZERO, Duration::ZERO).fill(&mut samples), 0);
    }
}
