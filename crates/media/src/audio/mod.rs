//! Audio as plain 16 bit samples: what is generated, read, written and measured.
//!
//! `level` fixes what a level in dBm0 means. `tone`, `digit_tone` and `melody` generate; `wav` reads and writes files that
//! the caller opened; `resample` fits a recording to a codec's rate, `rate` and `halfband` a frame; `playback` plays samples once or in a loop;
//! `cadence` generates tones that go on and off and `detect` hears them in what people say; `mix` adds up what many say;
//! `analysis` finds a tone in a recording again and says how much of it got through.
//!
//! Generators fill a slice and keep their phase: a tone filled in packets of 20 ms is the same as one filled at once.

mod analysis;
mod cadence;
mod detect;
mod digit_tone;
mod halfband;
mod level;
mod melody;
mod mix;
mod oscillator;
mod playback;
mod rate;
mod resample;
#[cfg(test)]
pub(crate) mod test_sounds;
mod tone;
mod wav;

pub use analysis::{FRAME_TIME, ToneReport, measure_tone, tone_level_dbm0};
pub use cadence::CadencedTone;
pub use detect::ToneDetector;
pub(crate) use detect::{DETECTION_FRAME, Goertzel, power_of_dbm0};
pub use digit_tone::{DigitTones, digit_frequencies, digit_of_frequencies};
pub(crate) use halfband::{Doubler, Halver};
pub use level::{FULL_SCALE_DBM0, amplify, level_dbm0, peak_amplitude};
pub use melody::render_melody;
pub use mix::{MIX_FRAME, MIX_RATE, MIX_TIME, MixFrame, is_audible};
pub use playback::Playback;
pub use rate::convert;
pub use resample::{ResampleError, resample};
pub use tone::Tone;
pub use wav::{Recording, WavError, read_wav, read_wav_channel};
