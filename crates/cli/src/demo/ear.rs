//! Hears: records what a call receives and looks for tones in it.

use super::stage::{Difference, expect};
use hookswitch::Call;
use hookswitch_media::audio::{ToneReport, measure_tone, read_wav_channel};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Telephone audio.
const RATE: u32 = 8_000;
/// Samples of a millisecond.
const MILLISECOND: usize = RATE as usize / 1_000;
/// How long the recorder may take to complete a file.
const WRITING: Duration = Duration::from_secs(2);
/// How soon a tone has to be there: jitter buffers fill first.
const SOON: Duration = Duration::from_millis(300);

/// How often a tone is listened for: a computer with much else to do may stop a thread for longer than any jitter buffer
/// lasts, which says nothing about the call.
const TRIES: u32 = 3;

/// What was received by one side.
#[derive(Debug)]
pub(crate) struct Heard(Vec<i16>);

/// Records a call for a while with the product's own recorder and reads back what was received.
pub(crate) async fn listen(call: &Call, file: PathBuf, length: Duration) -> Result<Heard, Difference> {
    call.record(&file).await?;
    tokio::time::sleep(length).await;
    call.stop_recording().await?;
    let least = (length.as_millis() as usize * MILLISECOND) * 3 / 4;
    let complete = async {
        loop {
            match read(&file) {
                Ok(samples) if samples.len() >= least => return samples,
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    match tokio::time::timeout(WRITING, complete).await {
        Ok(samples) => Ok(Heard(samples)),
        Err(_) => {
            let came = match read(&file) {
                Ok(samples) => format!("{} ms", samples.len() / MILLISECOND),
                Err(error) => error,
            };
            Err(Difference::new(format!("a recording of {} ms", length.as_millis()), came))
        }
    }
}

/// Listens for a tone that has to be there without gaps, up to [`TRIES`] times; how often is part of what is shown.
pub(crate) async fn hear(
    call: &Call,
    file: PathBuf,
    length: Duration,
    who: &str,
    hertz: u16,
) -> Result<(Heard, Tone), Difference> {
    let mut tries = 1;
    loop {
        let heard = listen(call, file.with_extension(format!("{tries}.wav")), length).await?;
        match heard.carries(who, hertz) {
            Ok(tone) => return Ok((heard, Tone { tries, ..tone })),
            Err(difference) if tries == TRIES => return Err(difference),
            Err(_) => tries += 1,
        }
    }
}

fn read(file: &Path) -> Result<Vec<i16>, String> {
    let source = std::fs::File::open(file).map_err(|error| error.to_string())?;
    read_wav_channel(std::io::BufReader::new(source), 0, RATE, Duration::from_secs(60))
        .map_err(|error| error.to_string())
}

impl Heard {
    /// The tone is there soon, and from then on without gaps.
    fn carries(&self, who: &str, hertz: u16) -> Result<Tone, Difference> {
        let begins = measure_tone(&self.0, RATE, hertz).begins_after;
        let expected = format!("{who} to hear {hertz} Hz, from {} ms on and without gaps", SOON.as_millis());
        let skip = (begins.as_millis() as usize).div_ceil(20) * 20 * MILLISECOND;
        let report = measure_tone(self.0.get(skip..).unwrap_or_default(), RATE, hertz);
        let tone = Tone { hertz, report, tries: 1 };
        expect(
            begins <= SOON && report.frames > 0,
            &expected,
            format!("the tone after {} ms", begins.as_millis()),
        )?;
        expect(report.is_continuous(), expected, tone.words())?;
        Ok(tone)
    }

    /// The tone is not there, once what was on its way has arrived.
    pub(crate) fn lacks(&self, who: &str, hertz: u16) -> Result<(), Difference> {
        let later = self.0.get(200 * MILLISECOND..).unwrap_or_default();
        let report = measure_tone(later, RATE, hertz);
        expect(
            report.frames_with_tone == 0,
            format!("{who} to hear nothing of {hertz} Hz"),
            format!("it in {} of {} frames", report.frames_with_tone, report.frames),
        )
    }
}

/// A tone that was heard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tone {
    hertz: u16,
    report: ToneReport,
    tries: u32,
}

impl Tone {
    /// Frames that carry it, the longest gap, the level.
    pub(crate) fn words(&self) -> String {
        let report = &self.report;
        let mut words = format!(
            "{} Hz in {} of {} frames, longest gap {} ms, {:.1} dBm0",
            self.hertz,
            report.frames_with_tone,
            report.frames,
            report.longest_gap.as_millis(),
            report.level_dbm0
        );
        if self.tries > 1 {
            words.push_str(&format!(" (heard the {}. time: this computer is busy)", self.tries));
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hookswitch_media::audio::Tone as Generator;

    fn tone(hertz: u16, milliseconds: usize) -> Vec<i16> {
        let mut samples = vec![0; milliseconds * MILLISECOND];
        Generator::new(RATE, [hertz, 0], -10).fill(&mut samples);
        samples
    }

    #[test]
    fn a_tone_after_a_short_silence_is_heard_and_no_other() {
        let mut samples = vec![0; 60 * MILLISECOND];
        samples.extend(tone(440, 600));
        let heard = Heard(samples);
        assert!(heard.carries("she", 440).is_ok());
        assert!(heard.lacks("she", 700).is_ok());
        assert!(heard.carries("she", 700).is_err());
        assert!(heard.lacks("she", 440).is_err());
    }

    #[test]
    fn a_late_tone_and_one_with_a_gap_are_not_good_enough() {
        let mut late = vec![0; 400 * MILLISECOND];
        late.extend(tone(440, 600));
        assert!(Heard(late).carries("he", 440).is_err());
        let mut broken = tone(440, 300);
        broken.extend(vec![0; 100 * MILLISECOND]);
        broken.extend(tone(440, 300));
        assert!(Heard(broken).carries("he", 440).is_err());
        assert!(Heard(Vec::new()).carries("he", 440).is_err());
    }
}
