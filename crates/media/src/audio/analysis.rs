//! Finds a tone in a recording again: how much of it got through, how loud, with what gaps.
//!
//! Frames are judged one by one (Goertzel's question: how much of this frame's power is this frequency?), so that a share of
//! frames can be demanded. Gaps are measured to a millisecond by shifting the tone to zero frequency and watching its
//! amplitude, since a gap need not begin where a frame does.

use super::level::{mean_power, peak_to_dbm0};
use super::oscillator::Oscillator;
use std::collections::VecDeque;
use std::time::Duration;

/// The length of the frames that are counted.
pub const FRAME_TIME: Duration = Duration::from_millis(20);

/// The share of a frame's power that the tone must have: half of a pair of tones, less what noise and edges take.
const SHARE_OF_POWER: f32 = 0.25;
/// The level that the tone must have in a frame.
const LOWEST_DBM0: f32 = -50.0;

/// What [`measure_tone`] found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ToneReport {
    /// Frames of 20 ms in the recording; a shorter rest is not counted.
    pub frames: u32,
    /// Frames that carry the tone.
    pub frames_with_tone: u32,
    /// The longest time without the tone, between the first and the last time it was there.
    pub longest_gap: Duration,
    /// How long the recording runs before the tone begins; all of it if the tone never does.
    pub begins_after: Duration,
    /// How long the recording runs after the tone ended; all of it if the tone never began.
    pub ends_before: Duration,
    /// The tone's level in the frames that carry it, in dBm0; −100 if none does.
    pub level_dbm0: f32,
    /// The tone's power against everything else in the frames that carry it, in dB, at most 100; 0 if none does.
    pub signal_to_noise_db: f32,
}

impl ToneReport {
    /// The share of frames that carry the tone, 0 to 1; 0 of an empty recording.
    pub fn share(&self) -> f32 {
        if self.frames == 0 { 0.0 } else { self.frames_with_tone as f32 / self.frames as f32 }
    }

    /// Whether the tone got through as a good line carries it: at least 99 % of the frames have it and no gap is longer than
    /// 40 ms.
    pub fn is_continuous(&self) -> bool {
        self.share() >= 0.99 && self.longest_gap <= Duration::from_millis(40)
    }
}

/// Looks for a tone of `frequency` Hz in a recording at `rate` samples per second.
///
/// Tones less than 150 Hz apart are not told from each other, and a tone below 200 Hz is not measured well.
pub fn measure_tone(samples: &[i16], rate: u32, frequency: u16) -> ToneReport {
    let frame_length = (rate as usize / 50).max(2);
    let frames = samples.chunks_exact(frame_length);
    let mut report = ToneReport {
        frames: u32::try_from(frames.len()).unwrap_or(u32::MAX),
        frames_with_tone: 0,
        longest_gap: Duration::ZERO,
        begins_after: duration_of(samples.len(), rate),
        ends_before: duration_of(samples.len(), rate),
        level_dbm0: peak_to_dbm0(0.0),
        signal_to_noise_db: 0.0,
    };
    let (mut tone_power, mut whole_power) = (0.0, 0.0);
    for frame in frames {
        let (tone, whole) = (power_of_tone(frame, rate, frequency), mean_power(frame));
        if tone >= SHARE_OF_POWER * whole && peak_to_dbm0((2.0 * tone).sqrt()) >= LOWEST_DBM0 {
            report.frames_with_tone += 1;
            tone_power += tone;
            whole_power += whole;
        }
    }
    if report.frames_with_tone == 0 {
        return report;
    }
    let peak = (2.0 * tone_power / report.frames_with_tone as f32).sqrt();
    report.level_dbm0 = peak_to_dbm0(peak);
    let noise = (whole_power - tone_power).max(tone_power * 1e-10);
    report.signal_to_noise_db = 10.0 * (tone_power / noise).log10();
    let presence = Presence::of(samples, rate, frequency, peak / 2.0);
    report.longest_gap = duration_of(presence.longest_gap, rate);
    report.begins_after = duration_of(presence.first, rate);
    report.ends_before = duration_of(samples.len().saturating_sub(presence.last + 1), rate);
    report
}

/// The level in dBm0 of the part of `samples` that is a steady sine of `frequency` Hz; −100 if there is none.
pub fn tone_level_dbm0(samples: &[i16], rate: u32, frequency: u16) -> f32 {
    peak_to_dbm0(peak_of_tone(samples, rate, frequency))
}

/// The peak of the sine of `frequency` that fits best.
fn peak_of_tone(samples: &[i16], rate: u32, frequency: u16) -> f32 {
    if samples.is_empty() {
        return 0.0;
    }
    let mut shifted = Shifter::new(rate, frequency);
    let (real, imaginary) = samples.iter().fold((0.0, 0.0), |(real, imaginary), sample| {
        let (a, b) = shifted.next(*sample);
        (real + a, imaginary + b)
    });
    2.0 * real.hypot(imaginary) / samples.len() as f32
}

/// The tone's power in a frame. The halves are judged apart, so that a jump of phase (a packet dropped or played twice)
/// does not make the tone cancel itself.
fn power_of_tone(frame: &[i16], rate: u32, frequency: u16) -> f32 {
    let (first, second) = frame.split_at(frame.len() / 2);
    let power = |half: &[i16]| peak_of_tone(half, rate, frequency).powi(2) / 2.0;
    (power(first) + power(second)) / 2.0
}

/// Multiplies by a rotating vector, which moves `frequency` to zero.
struct Shifter {
    sine: Oscillator,
    cosine: Oscillator,
}

impl Shifter {
    fn new(rate: u32, frequency: u16) -> Self {
        let sine = Oscillator::new(f64::from(frequency), rate);
        Self { sine, cosine: sine.ahead_by_a_quarter() }
    }

    fn next(&mut self, sample: i16) -> (f32, f32) {
        let sample = f32::from(sample);
        (sample * self.cosine.next(), sample * self.sine.next())
    }
}

/// Where the tone is there and where not, sample by sample.
struct Presence {
    first: usize,
    last: usize,
    longest_gap: usize,
}

impl Presence {
    /// The tone is there where its amplitude, over the 10 ms around, is at least `threshold`: half of what it usually is, so
    /// that the edge of a gap is where the tone ends.
    fn of(samples: &[i16], rate: u32, frequency: u16, threshold: f32) -> Self {
        let length = (rate as usize / 100).max(1);
        let mut shifter = Shifter::new(rate, frequency);
        let mut window: VecDeque<(f32, f32)> = VecDeque::with_capacity(length + 1);
        // In f64: sums that are carried along must not drift.
        let (mut real, mut imaginary) = (0.0f64, 0.0f64);
        let mut seen: Option<(usize, usize)> = None;
        let mut longest_gap = 0;
        let silence = std::iter::repeat_n(0, length / 2);
        for (end, sample) in samples.iter().copied().chain(silence).enumerate() {
            let (a, b) = shifter.next(sample);
            window.push_back((a, b));
            real += f64::from(a);
            imaginary += f64::from(b);
            if window.len() > length
                && let Some((a, b)) = window.pop_front()
            {
                real -= f64::from(a);
                imaginary -= f64::from(b);
            }
            let amplitude = 2.0 * real.hypot(imaginary) / length as f64;
            let Some(place) = end.checked_sub(length / 2) else { continue };
            if amplitude >= f64::from(threshold) {
                if let Some((_, last)) = seen {
                    longest_gap = longest_gap.max(place - last - 1);
                }
                seen = Some((seen.map_or(place, |(first, _)| first), place));
            }
        }
        let (first, last) = seen.unwrap_or((samples.len(), samples.len()));
        Self { first, last, longest_gap }
    }
}

fn duration_of(samples: usize, rate: u32) -> Duration {
    Duration::from_micros(samples as u64 * 1_000_000 / u64::from(rate.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{Playback, Tone, digit_frequencies, render_melody};
    use crate::codec::Codec;

    fn tone(frequencies: [u16; 2], level: i8, milliseconds: usize) -> Vec<i16> {
        let mut samples = vec![0; milliseconds * 8];
        Tone::new(8_000, frequencies, level).fill(&mut samples);
        samples
    }

    fn about(a: Duration, milliseconds: u64) -> bool {
        a.abs_diff(Duration::from_millis(milliseconds)) <= Duration::from_millis(1)
    }

    #[test]
    fn each_tone_is_found_and_no_other() {
        let tones = [300, 440, 700, 1_000, 1_300, 2_000, 3_100];
        for sent in tones {
            let samples = tone([sent, 0], -16, 2_000);
            for asked in tones {
                let report = measure_tone(&samples, 8_000, asked);
                assert_eq!(report.frames, 100);
                if asked == sent {
                    assert_eq!(report.frames_with_tone, 100, "{sent}");
                    assert!(report.is_continuous() && report.longest_gap.is_zero());
                    assert!((report.level_dbm0 + 16.0).abs() < 0.3, "{sent} {}", report.level_dbm0);
                    assert!(report.signal_to_noise_db > 15.0, "{sent} {}", report.signal_to_noise_db);
                } else {
                    assert_eq!(report.frames_with_tone, 0, "{sent} taken for {asked}");
                    assert_eq!(report.begins_after, Duration::from_secs(2));
                }
            }
        }
    }

    #[test]
    fn mu_law_and_a_law_carry_a_tone_with_little_noise() {
        for codec in [Codec::Pcmu, Codec::Pcma] {
            let (mut payload, mut back) = (Vec::new(), Vec::new());
            codec.encode(&tone([1_000, 0], -10, 1_000), &mut payload);
            codec.decode(&payload, &mut back);
            let report = measure_tone(&back, 8_000, 1_000);
            assert!(report.is_continuous());
            assert!(report.signal_to_noise_db > 33.0, "{codec:?} {}", report.signal_to_noise_db);
        }
    }

    #[test]
    fn a_gap_is_measured_wherever_it_begins() {
        for start in [4_000, 4_037, 4_111] {
            for gap in [20, 40, 41, 60, 200] {
                let mut samples = tone([1_000, 0], -16, 2_000);
                samples[start..start + gap * 8].fill(0);
                let report = measure_tone(&samples, 8_000, 1_000);
                assert!(about(report.longest_gap, gap as u64), "{gap} ms at {start}: {report:?}");
            }
        }
    }

    #[test]
    fn the_longest_of_several_gaps_counts() {
        let mut samples = tone([700, 0], -16, 10_000);
        samples[8_000..8_160].fill(0);
        samples[20_000..20_400].fill(0);
        let report = measure_tone(&samples, 8_000, 700);
        assert!(about(report.longest_gap, 50));
        assert!(report.share() > 0.99 && !report.is_continuous());
    }

    #[test]
    fn silence_before_and_after_is_no_gap() {
        let mut samples = vec![0; 800];
        samples.extend(tone([1_000, 0], -16, 500));
        samples.extend([0; 2_400]);
        let report = measure_tone(&samples, 8_000, 1_000);
        assert!(about(report.begins_after, 100) && about(report.ends_before, 300), "{report:?}");
        assert!(report.longest_gap.is_zero());
        assert_eq!((report.frames, report.frames_with_tone), (45, 25));
    }

    #[test]
    fn a_lost_packet_that_shifts_the_phase_is_no_lost_tone() {
        let mut samples = tone([1_050, 0], -16, 1_000);
        samples.drain(3_000..3_160);
        samples.drain(6_001..6_005);
        let report = measure_tone(&samples, 8_000, 1_050);
        assert!(report.share() >= 0.98 && report.longest_gap <= Duration::from_millis(10), "{report:?}");
    }

    #[test]
    fn both_tones_of_a_pair_are_found() {
        for key in "0123456789ABCD*#".chars() {
            let frequencies = digit_frequencies(key).unwrap();
            let samples = tone(frequencies, -10, 400);
            for frequency in frequencies {
                assert_eq!(measure_tone(&samples, 8_000, frequency).share(), 1.0, "{key} {frequency}");
            }
        }
    }

    #[test]
    fn music_is_no_tone() {
        let mut samples = vec![0; 80_000];
        Playback::new(render_melody(8_000).into(), true).fill(&mut samples);
        assert!(measure_tone(&samples, 8_000, 1_900).share() < 0.05);
    }

    #[test]
    fn nothing_and_nonsense_are_measured_as_nothing() {
        for (samples, rate) in
            [(vec![], 8_000), (vec![0; 8_000], 8_000), (vec![i16::MIN; 500], 0), (vec![5; 3], 1)]
        {
            let report = measure_tone(&samples, rate, 1_000);
            assert_eq!(report.frames_with_tone, 0);
            assert_eq!(report.share(), 0.0);
        }
    }
}
