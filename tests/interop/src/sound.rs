//! Recordings, measured.

use hookswitch_media::audio::{ToneReport, measure_tone, read_wav, read_wav_channel};
use std::fs::File;
use std::path::Path;
use std::time::Duration;

const RATE: u32 = 8_000;
const LONGEST: Duration = Duration::from_secs(120);

fn samples(path: &Path, channel: Option<u16>) -> Vec<i16> {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let read = match channel {
        Some(channel) => read_wav_channel(file, channel, RATE, LONGEST),
        None => read_wav(file, RATE, LONGEST),
    };
    read.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// How much of a recording carries a tone, from the first frame that has it to the last; `channel` is one of a recording of
/// ours (0: received, 1: sent), `None` all there is.
pub fn tone(path: &Path, channel: Option<u16>, hertz: u16) -> ToneReport {
    let all = samples(path, channel);
    let frame = RATE as usize / 50;
    let whole = measure_tone(&all, RATE, hertz);
    let first = (whole.begins_after.as_millis() as usize / 20 + 1) * frame;
    let last = all.len().saturating_sub((whole.ends_before.as_millis() as usize / 20 + 1) * frame);
    measure_tone(all.get(first..last).unwrap_or_default(), RATE, hertz)
}

/// Fails unless the recording carries the tone without gaps for `seconds` at least: 99 % of its frames of 20 ms, and no gap of
/// more than 40 ms.
pub fn carries(path: &Path, channel: Option<u16>, hertz: u16, seconds: f32) {
    let report = tone(path, channel, hertz);
    let long = report.frames as f32 / 50.0;
    println!(
        "{}: {hertz} Hz in {:.2} % of {long:.2} s, longest gap {:?}, {:.1} dBm0",
        path.display(),
        100.0 * report.share(),
        report.longest_gap,
        report.level_dbm0
    );
    assert!(
        report.is_continuous() && long >= seconds,
        "{}: {hertz} Hz, {seconds} s: {report:?}",
        path.display()
    );
}

/// Whether a recording has `seconds` of a tone in it, gaps and all.
pub fn contains(path: &Path, channel: Option<u16>, hertz: u16, seconds: f32) -> bool {
    let all = samples(path, channel);
    measure_tone(&all, RATE, hertz).frames_with_tone as f32 / 50.0 >= seconds
}
