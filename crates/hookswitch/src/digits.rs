//! Digits and tones of a call: sent, collected, listened for; and what its audio does by itself when they come.

use crate::{Call, Error};
use hookswitch_spi::{
    DigitMonitoring, DigitOptions, GatherEnd, GatherOptions, MediaControl, MediaTypes, Operation,
    ToneOptions, TonePattern,
};
use hookswitch_telephony::Reply;

/// Digits that were collected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathered {
    /// `0-9 A-D * #`, the terminator included.
    pub digits: String,
    /// Why it ended.
    pub ended: GatherEnd,
}

impl Call {
    /// Sends digits (lineGenerateDigits); done when the last was sent.
    pub async fn send_digits(&self, digits: &str) -> Result<(), Error> {
        self.send_digits_with(DigitOptions::new(digits)).await
    }

    /// As [`send_digits`](Self::send_digits), of another duration.
    pub async fn send_digits_with(&self, digits: DigitOptions) -> Result<(), Error> {
        self.operate(Operation::SendDigits { call: self.id(), digits }).await.map(drop)
    }

    /// Sends a tone (lineGenerateTone); done when it was sent. Digits and tones take turns: a newer request ends an older one,
    /// which fails as replaced.
    pub async fn send_tone(&self, tone: ToneOptions) -> Result<(), Error> {
        self.operate(Operation::SendTone { call: self.id(), tone }).await.map(drop)
    }

    /// Ends the digits or the tone that is being sent.
    pub async fn stop_sending(&self) -> Result<(), Error> {
        self.operate(Operation::StopSending { call: self.id() }).await.map(drop)
    }

    /// Collects digits of the other side (lineGatherDigits). A newer request, or [`stop_gathering`](Self::stop_gathering), ends
    /// an older one with what it has.
    pub async fn gather_digits(&self, gather: GatherOptions) -> Result<Gathered, Error> {
        match self.operate(Operation::GatherDigits { call: self.id(), gather }).await? {
            Reply::Gathered { digits, ended } => Ok(Gathered { digits, ended }),
            _ => Err(Error::Stopped),
        }
    }

    /// Ends collecting digits.
    pub async fn stop_gathering(&self) -> Result<(), Error> {
        self.operate(Operation::StopGathering { call: self.id() }).await.map(drop)
    }

    /// Which digits of the other side this application hears (lineMonitorDigits): each once, unless it says otherwise.
    pub async fn monitor_digits(&self, digits: DigitMonitoring) -> Result<(), Error> {
        self.operate(Operation::MonitorDigits { call: self.id(), digits }).await.map(drop)
    }

    /// Which tones this application listens for (lineMonitorTones); none ends it. [`Event::Tone`](crate::Event::Tone) tells.
    pub async fn monitor_tones(&self, tones: &[TonePattern]) -> Result<(), Error> {
        self.operate(Operation::MonitorTones { call: self.id(), tones: tones.to_vec() }).await.map(drop)
    }

    /// Which media types this application listens for (lineMonitorMedia); none ends it. [`Event::Media`](crate::Event::Media)
    /// tells.
    pub async fn monitor_media(&self, media: MediaTypes) -> Result<(), Error> {
        self.operate(Operation::MonitorMedia { call: self.id(), media }).await.map(drop)
    }

    /// What the call's audio does by itself from now on, when a digit, a tone, a media type or a state comes (lineSetMediaControl).
    /// It happens where the audio is made: at once, whether or not this application is there, and whether or not anybody
    /// wants to hear of what set it off. Takes the place of the list before; an empty one ends it. Bounds are in
    /// [`Capabilities::media_control`](hookswitch_spi::Capabilities::media_control).
    ///
    /// ```no_run
    /// # use hookswitch::{Audio, Call, Error, MediaAction, MediaControl};
    /// # async fn menu(call: &Call) -> Result<(), Error> {
    /// // The menu is played until the caller presses a key.
    /// call.control_media(&MediaControl::at_any_digit(&MediaAction::Stop)).await?;
    /// call.play(Audio::file("menu.wav")).await?;
    /// # Ok(()) }
    /// ```
    pub async fn control_media(&self, controls: &[MediaControl]) -> Result<(), Error> {
        self.operate(Operation::SetMediaControl { call: self.id(), controls: controls.to_vec() })
            .await
            .map(drop)
    }
}
