//! WAV files, read from and written to what the caller opened.

use super::resample::{ResampleError, resample};
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use std::io::{Read, Seek, Write};
use std::time::Duration;

/// Octets of samples that a WAV file can hold, with its 32 bit lengths.
const LONGEST: u64 = u32::MAX as u64 - 1_024;

/// Why a WAV file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WavError {
    /// Not a WAV file, one cut short, or an encoding other than linear PCM.
    #[error("expected a WAV file with 8, 16, 24 or 32 bit linear samples: {0}")]
    Format(String),
    /// A sampling rate that is not one of a recording.
    #[error(transparent)]
    Rate(#[from] ResampleError),
    /// Longer than the caller allows.
    #[error("the recording is longer than the {} s allowed here: cut it", .0.as_secs())]
    TooLong(Duration),
    /// The 4 GB that a WAV file can hold are used up.
    #[error("a WAV file holds at most 4 GB: end this recording and begin another")]
    Full,
    /// Reading or writing failed.
    #[error("reading or writing the WAV file failed: {0}")]
    Io(#[from] std::io::Error),
}

impl From<hound::Error> for WavError {
    fn from(error: hound::Error) -> Self {
        match error {
            // hound says so itself when the source ends early.
            hound::Error::IoError(error) if error.kind() == std::io::ErrorKind::Other => {
                Self::Format(error.to_string())
            }
            hound::Error::IoError(error) => Self::Io(error),
            other => Self::Format(other.to_string()),
        }
    }
}

/// Reads a recording (any usual rate, 8 to 32 bit, any number of channels, which are mixed into one) as samples at `rate`.
///
/// # Errors
/// If it is no such recording, plays longer than `longest`, or cannot be read.
pub fn read_wav(source: impl Read, rate: u32, longest: Duration) -> Result<Vec<i16>, WavError> {
    read(source, None, rate, longest)
}

/// Reads one channel of a recording, the first being 0, as samples at `rate`: of a [`Recording`], 0 is what was received.
///
/// # Errors
/// If it is no such recording, has no such channel, plays longer than `longest`, or cannot be read.
pub fn read_wav_channel(
    source: impl Read,
    channel: u16,
    rate: u32,
    longest: Duration,
) -> Result<Vec<i16>, WavError> {
    read(source, Some(channel), rate, longest)
}

fn read(source: impl Read, channel: Option<u16>, rate: u32, longest: Duration) -> Result<Vec<i16>, WavError> {
    let mut reader = WavReader::new(source)?;
    let spec = reader.spec();
    // Check the rates before memory is spent: `limit` grows with the file's rate.
    resample(&[], spec.sample_rate, rate)?;
    if channel.is_some_and(|channel| channel >= spec.channels) {
        return Err(WavError::Format(format!("it has {} channels only", spec.channels)));
    }
    let part = Part { channel, channels: spec.channels };
    let limit =
        usize::try_from(longest.as_millis() * u128::from(spec.sample_rate) / 1_000).unwrap_or(usize::MAX);
    let samples = match spec.sample_format {
        SampleFormat::Int => {
            let shift = 32 - u32::from(spec.bits_per_sample.clamp(1, 32));
            let values = reader.samples::<i32>().map(|sample| sample.map(|value| (value << shift) >> 16));
            part.take(values, limit)
        }
        SampleFormat::Float => {
            let values = reader.samples::<f32>().map(|sample| sample.map(|value| (value * 32_767.0) as i32));
            part.take(values, limit)
        }
    }?;
    match samples {
        Some(samples) => Ok(resample(&samples, spec.sample_rate, rate)?),
        None => Err(WavError::TooLong(longest)),
    }
}

/// What of each moment is wanted: one channel, or the average of all.
struct Part {
    channel: Option<u16>,
    channels: u16,
}

impl Part {
    /// The moments of a recording. `None` if there are more than `limit`.
    fn take(
        &self,
        mut values: impl Iterator<Item = Result<i32, hound::Error>>,
        limit: usize,
    ) -> Result<Option<Vec<i16>>, WavError> {
        let mut samples = Vec::new();
        while let Some(first) = values.next() {
            let mut first = Some(first);
            let mut sum = 0;
            for number in 0..self.channels {
                let value = first.take().or_else(|| values.next()).transpose()?.unwrap_or(0);
                if self.channel.is_none_or(|channel| channel == number) {
                    sum += i64::from(value);
                }
            }
            if samples.len() >= limit {
                return Ok(None);
            }
            let count = if self.channel.is_some() { 1 } else { i64::from(self.channels.max(1)) };
            samples.push((sum / count).clamp(i64::from(i16::MIN), i64::from(i16::MAX)) as i16);
        }
        Ok(Some(samples))
    }
}

/// A recording of both directions of a call: two channels of 16 bit, received left, sent right.
///
/// The lengths in the header are written by [`Recording::finish`] (or, as far as that succeeds, when it is dropped) and by
/// [`Recording::checkpoint`].
pub struct Recording<W: Write + Seek> {
    writer: WavWriter<W>,
    octets: u64,
}

impl<W: Write + Seek> Recording<W> {
    /// Begins a recording at `rate` samples per second; the header is written at once. Give a buffered writer.
    ///
    /// # Errors
    /// If the writer fails.
    pub fn new(writer: W, rate: u32) -> Result<Self, WavError> {
        let spec =
            WavSpec { channels: 2, sample_rate: rate, bits_per_sample: 16, sample_format: SampleFormat::Int };
        Ok(Self { writer: WavWriter::new(writer, spec)?, octets: 0 })
    }

    /// Appends a moment of both directions; the shorter side is filled with silence.
    ///
    /// # Errors
    /// If the file is full or the writer fails.
    pub fn write(&mut self, received: &[i16], sent: &[i16]) -> Result<(), WavError> {
        let length = received.len().max(sent.len());
        if self.octets + length as u64 * 4 > LONGEST {
            return Err(WavError::Full);
        }
        let sides = received.iter().copied().chain(std::iter::repeat(0));
        let others = sent.iter().copied().chain(std::iter::repeat(0));
        for (left, right) in sides.zip(others).take(length) {
            self.writer.write_sample(left)?;
            self.writer.write_sample(right)?;
            self.octets += 4;
        }
        Ok(())
    }

    /// How many moments were written.
    pub fn samples(&self) -> u64 {
        self.octets / 4
    }

    /// Completes the header so far and goes on: whatever happens later, the file can be played up to here.
    ///
    /// # Errors
    /// If the writer fails.
    pub fn checkpoint(&mut self) -> Result<(), WavError> {
        Ok(self.writer.flush()?)
    }

    /// Completes the header.
    ///
    /// # Errors
    /// If the writer fails.
    pub fn finish(self) -> Result<(), WavError> {
        Ok(self.writer.finalize()?)
    }
}

impl<W: Write + Seek> std::fmt::Debug for Recording<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording").field("samples", &self.samples()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{Tone, level_dbm0, tone_level_dbm0};
    use std::io::Cursor;

    const LONG: Duration = Duration::from_secs(60);

    fn file(spec: WavSpec, seconds: u32) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
        let mut tone = vec![0; (spec.sample_rate * seconds) as usize];
        Tone::new(spec.sample_rate, [700, 0], -12).fill(&mut tone);
        for sample in tone {
            for _ in 0..spec.channels {
                match spec.sample_format {
                    SampleFormat::Float => writer.write_sample(f32::from(sample) / 32_768.0).unwrap(),
                    SampleFormat::Int if spec.bits_per_sample >= 16 => {
                        writer.write_sample(i32::from(sample) << (spec.bits_per_sample - 16)).unwrap();
                    }
                    SampleFormat::Int => writer.write_sample(sample >> 8).unwrap(),
                }
            }
        }
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    #[test]
    fn every_usual_format_is_heard_the_same() {
        for (bits_per_sample, sample_format) in [
            (8, SampleFormat::Int),
            (16, SampleFormat::Int),
            (24, SampleFormat::Int),
            (32, SampleFormat::Int),
            (32, SampleFormat::Float),
        ] {
            for channels in [1, 2] {
                for sample_rate in [8_000, 44_100] {
                    let spec = WavSpec { channels, sample_rate, bits_per_sample, sample_format };
                    let samples = read_wav(Cursor::new(file(spec, 1)), 16_000, LONG).unwrap();
                    assert_eq!(samples.len(), 16_000, "{spec:?}");
                    let level = tone_level_dbm0(&samples[1_600..14_400], 16_000, 700);
                    assert!((level + 12.0).abs() < 0.5, "{spec:?} {level}");
                }
            }
        }
    }

    #[test]
    fn what_is_cut_short_or_no_wav_is_an_error() {
        let spec = WavSpec {
            channels: 1,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let whole = file(spec, 1);
        for length in [0, 3, 11, 20, 43, 45, 1_001] {
            assert!(matches!(read_wav(&whole[..length], 8_000, LONG), Err(WavError::Format(_))), "{length}");
        }
        assert!(matches!(
            read_wav(&b"ID3\x04 not a WAV file at all"[..], 8_000, LONG),
            Err(WavError::Format(_))
        ));
        assert!(matches!(read_wav(&whole[..], 8_000, Duration::from_millis(999)), Err(WavError::TooLong(_))));
    }

    #[test]
    fn a_wav_file_of_one_sample_a_second_is_refused() {
        let spec =
            WavSpec { channels: 1, sample_rate: 1, bits_per_sample: 16, sample_format: SampleFormat::Int };
        assert!(matches!(read_wav(Cursor::new(file(spec, 1)), 8_000, LONG), Err(WavError::Rate(_))));
    }

    #[test]
    fn a_recording_holds_both_directions_apart() {
        let mut bytes = Cursor::new(Vec::new());
        let mut recording = Recording::new(&mut bytes, 8_000).unwrap();
        let mut received = vec![0; 160];
        Tone::new(8_000, [500, 0], -10).fill(&mut received);
        recording.write(&received, &[]).unwrap();
        recording.checkpoint().unwrap();
        recording.write(&[], &received[..80]).unwrap();
        assert_eq!(recording.samples(), 240);
        recording.finish().unwrap();

        let bytes = bytes.into_inner();
        for (channel, level) in [(0, -10.0), (1, -100.0)] {
            let samples = read_wav_channel(&bytes[..], channel, 8_000, LONG).unwrap();
            assert!((level_dbm0(&samples[..160]) - level).abs() < 0.5);
        }
        assert!(read_wav_channel(&bytes[..], 2, 8_000, LONG).is_err());
        let mut reader = WavReader::new(Cursor::new(bytes)).unwrap();
        assert_eq!((reader.spec().channels, reader.spec().sample_rate, reader.duration()), (2, 8_000, 240));
        let samples: Vec<i16> = reader.samples::<i16>().map(Result::unwrap).collect();
        let (left, right): (Vec<i16>, Vec<i16>) = samples.chunks(2).map(|pair| (pair[0], pair[1])).unzip();
        assert_eq!(left[..160], received);
        assert!(level_dbm0(&left[160..]) <= -100.0 && level_dbm0(&right[..160]) <= -100.0);
        assert_eq!(right[160..], received[..80]);
    }
}
