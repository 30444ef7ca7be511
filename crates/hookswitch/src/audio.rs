//! What the other side of a call hears.

use crate::Error;
use hookswitch_runtime::media::{LivePcm, Media};
use hookswitch_spi::AudioSource;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// What the other side of a call hears.
#[derive(Clone, Debug, PartialEq)]
pub struct Audio(AudioSource);

impl Audio {
    /// Silence.
    pub const fn silence() -> Self {
        Self(AudioSource::Silence)
    }

    /// Its own voice.
    pub const fn echo() -> Self {
        Self(AudioSource::Echo)
    }

    /// Music.
    pub const fn music() -> Self {
        Self(AudioSource::Music)
    }

    /// A steady tone in hertz, at -10 dBm0.
    pub const fn tone(hertz: u16) -> Self {
        Self(AudioSource::Tone { frequencies: [hertz, 0], level: -10 })
    }

    /// A WAV file, once.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(AudioSource::File { path: path.into(), repeat: false })
    }

    /// A WAV file, again and again.
    pub fn repeat(path: impl Into<PathBuf>) -> Self {
        Self(AudioSource::File { path: path.into(), repeat: true })
    }

    pub(crate) fn into_source(self) -> AudioSource {
        self.0
    }
}

impl From<Audio> for AudioSource {
    fn from(audio: Audio) -> Self {
        audio.0
    }
}

/// The audio of a call as 16 bit frames in and out of this program.
pub struct LiveAudio {
    pcm: LivePcm,
    ready: Arc<Notify>,
    /// A stream has used it.
    attached: bool,
}

/// How long to wait for a frame before looking whether the stream still runs.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

impl LiveAudio {
    pub(crate) fn open(media: &Media, rate: u32) -> Result<Self, Error> {
        let pcm = media.live().open(rate).map_err(|_| Error::Rate(rate))?;
        let ready = Arc::new(Notify::new());
        let wake = Arc::clone(&ready);
        pcm.on_frame(move || wake.notify_one());
        Ok(Self { pcm, ready, attached: false })
    }

    pub(crate) fn source(&self) -> AudioSource {
        AudioSource::Live(self.pcm.id().0)
    }

    /// Samples a second.
    pub fn rate(&self) -> u32 {
        self.pcm.rate()
    }

    /// Fills `frame` with what the other side says, waiting for it; at most half a second of it. False once the call's audio has
    /// ended: then `frame` is left as it was.
    pub async fn read(&mut self, frame: &mut [i16]) -> bool {
        let wanted = frame.len().min(self.pcm.rate() as usize / 4);
        while self.pcm.readable() < wanted {
            if self.pcm.is_attached() {
                self.attached = true;
            } else if self.attached {
                return false;
            }
            // The end of the stream wakes nobody; a frame is due every few hundredths of a second.
            let _ = tokio::time::timeout(LOOK_AGAIN, self.ready.notified()).await;
        }
        if let Some(part) = frame.get_mut(..wanted) {
            self.pcm.read_frame(part);
        }
        true
    }

    /// Says `frame`; returns how many samples there was room for. About half a second fits.
    pub fn write(&mut self, frame: &[i16]) -> usize {
        self.pcm.write_frame(frame)
    }
}
