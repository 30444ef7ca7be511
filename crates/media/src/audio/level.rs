//! Levels in dBm0: what "−10 dBm0" is in samples.

/// The level of the loudest sine that G.711 µ-law carries (ITU-T G.711 table 2), whose peak is [`FULL_SCALE_PEAK`].
pub const FULL_SCALE_DBM0: f32 = 3.17;

/// The largest value that a µ-law octet decodes to.
const FULL_SCALE_PEAK: f32 = 32_124.0;

/// The lowest level that is told apart from silence.
const FLOOR_DBM0: f32 = -100.0;

/// The peak, in sample units, of a sine of this level. Levels above full scale are cut there.
pub fn peak_amplitude(dbm0: f32) -> f32 {
    FULL_SCALE_PEAK * 10f32.powf((dbm0.min(FULL_SCALE_DBM0) - FULL_SCALE_DBM0) / 20.0)
}

/// The sample nearest to a value; what is out of range is clipped. (`f32::round` is a library call on many targets.)
#[inline]
pub(super) fn nearest_sample(value: f32) -> i16 {
    (value + 0.5f32.copysign(value)) as i16
}

/// The level of a sine with this peak; −100 for silence.
pub(super) fn peak_to_dbm0(peak: f32) -> f32 {
    if peak <= 0.0 {
        return FLOOR_DBM0;
    }
    (FULL_SCALE_DBM0 + 20.0 * (peak / FULL_SCALE_PEAK).log10()).max(FLOOR_DBM0)
}

/// The mean power of samples, in squared sample units; 0 if there are none.
pub(super) fn mean_power(samples: &[i16]) -> f32 {
    if samples.is_empty() {
        return 0.0;
    }
    let sum: u64 = samples.iter().map(|sample| i64::from(*sample).pow(2) as u64).sum();
    sum as f32 / samples.len() as f32
}

/// Makes samples so many decibels louder; what gets out of range is clipped.
pub fn amplify(samples: &mut [i16], decibels: i8) {
    let factor = 10f32.powf(f32::from(decibels) / 20.0);
    samples.iter_mut().for_each(|sample| *sample = nearest_sample(f32::from(*sample) * factor));
}

/// How loud samples are on average, whatever they carry, in dBm0; −100 for silence or no samples.
pub fn level_dbm0(samples: &[i16]) -> f32 {
    peak_to_dbm0((2.0 * mean_power(samples)).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_scale_sine_has_full_scale_level() {
        let sine: Vec<i16> =
            (0..8_000).map(|n| ((n as f32 * 0.3).sin() * peak_amplitude(FULL_SCALE_DBM0)) as i16).collect();
        assert!((level_dbm0(&sine) - FULL_SCALE_DBM0).abs() < 0.01);
    }

    #[test]
    fn samples_are_rounded_and_clipped() {
        for (value, sample) in [(0.4, 0), (0.5, 1), (-0.5, -1), (-7.6, -8), (4e4, i16::MAX), (-4e4, i16::MIN)]
        {
            assert_eq!(nearest_sample(value), sample);
        }
        assert_eq!(nearest_sample(f32::NAN), 0);
    }

    #[test]
    fn twenty_decibels_are_a_tenth_of_the_peak() {
        assert!((peak_amplitude(-16.83) - FULL_SCALE_PEAK / 10.0).abs() < 1.0);
        assert!((peak_to_dbm0(peak_amplitude(-30.0)) + 30.0).abs() < 0.01);
    }

    #[test]
    fn what_is_amplified_is_louder_and_never_wraps_around() {
        let mut samples = [1_000, -1_000, 20_000, -20_000, 0];
        amplify(&mut samples, 6);
        assert_eq!(samples, [1_995, -1_995, i16::MAX, i16::MIN, 0]);
        let mut samples = [1_000, -1_000];
        amplify(&mut samples, -20);
        assert_eq!(samples, [100, -100]);
    }

    #[test]
    fn silence_is_the_floor() {
        assert_eq!(level_dbm0(&[0; 160]), FLOOR_DBM0);
        assert_eq!(level_dbm0(&[]), FLOOR_DBM0);
    }
}
