//! Recordings, measured.

use hookswitch_media::audio::{ToneReport, measure_tone, read_wav, read_wav_channel, tone_level_dbm0};
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

/// What a recording of several tones at once carries, over the stretch in which all of them are there.
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    /// The share of frames of 20 ms that carry all of the tones, 0 to 1.
    pub share: f32,
    /// The length of the stretch.
    pub seconds: f32,
    /// The mean level of each tone, in dBm0.
    pub levels: Vec<f32>,
    /// The mean level of the tone that should not be there.
    pub absent: f32,
}

/// A tone of this level in a frame is heard: tones are sent at -10 dBm0 or more.
const HEARD_DBM0: f32 = -30.0;

/// The level of a tone in each frame of 20 ms. Of several tones at multiples of 50 Hz none disturbs another.
fn levels(samples: &[i16], hertz: u16) -> Vec<f32> {
    samples.chunks_exact(RATE as usize / 50).map(|frame| tone_level_dbm0(frame, RATE, hertz)).collect()
}

/// Which of these tones are heard at once and how loud, from the first frame that has all of them to the last, and how loud another
/// one is meanwhile.
pub fn mixture(path: &Path, channel: Option<u16>, hertz: &[u16], absent: u16) -> Mixture {
    let all = samples(path, channel);
    let tones: Vec<Vec<f32>> = hertz.iter().map(|hertz| levels(&all, *hertz)).collect();
    let other = levels(&all, absent);
    let has = |frame: usize| tones.iter().all(|levels| levels[frame] >= HEARD_DBM0);
    let frames: Vec<usize> = (0..other.len()).filter(|frame| has(*frame)).collect();
    // The first and the last frame are cut by the beginning and the end.
    let (Some(first), Some(last)) = (frames.get(1), frames.len().checked_sub(2).map(|n| frames[n])) else {
        return Mixture { share: 0.0, seconds: 0.0, levels: vec![-100.0; tones.len()], absent: -100.0 };
    };
    let stretch = *first..=last;
    let whole = stretch.clone().count();
    let mean = |levels: &[f32]| {
        let power: f32 = levels[stretch.clone()].iter().map(|level| 10f32.powf(level / 10.0)).sum();
        10.0 * (power / whole as f32).log10()
    };
    let found = Mixture {
        share: (frames.len() - 2) as f32 / whole as f32,
        seconds: whole as f32 / 50.0,
        levels: tones.iter().map(|levels| mean(levels)).collect(),
        absent: mean(&other),
    };
    println!("{}: {hertz:?} without {absent} Hz: {found:?}", path.display());
    found
}

/// For how many seconds in all a tone is there, alone or among others.
pub fn seconds_of(path: &Path, channel: Option<u16>, hertz: u16) -> f32 {
    let all = samples(path, channel);
    let seconds = levels(&all, hertz).iter().filter(|level| **level >= HEARD_DBM0).count() as f32 / 50.0;
    println!("{}: {hertz} Hz for {seconds:.2} s", path.display());
    seconds
}

/// The longest stretch of a recording between two times at which a tone is heard.
pub fn without(path: &Path, channel: Option<u16>, hertz: u16) -> Vec<i16> {
    let all = samples(path, channel);
    let frames: Vec<usize> =
        (0..).zip(levels(&all, hertz)).filter(|(_, l)| *l >= HEARD_DBM0).map(|(n, _)| n).collect();
    let pause = frames.windows(2).max_by_key(|pair| pair[1] - pair[0]);
    let length = RATE as usize / 50;
    pause
        .and_then(|pair| all.get((pair[0] + 2) * length..(pair[1].saturating_sub(1)) * length))
        .unwrap_or_default()
        .to_vec()
}

/// The share of tenths of a second in which one of these notes sounds, 0 to 1.
pub fn plays(samples: &[i16], notes: &[u16]) -> f32 {
    let parts: Vec<&[i16]> = samples.chunks_exact(RATE as usize / 10).collect();
    let sounds = |part: &[i16]| notes.iter().any(|note| tone_level_dbm0(part, RATE, *note) >= -35.0);
    parts.iter().filter(|part| sounds(part)).count() as f32 / parts.len().max(1) as f32
}
