//! Media control: what a call's audio does by itself when something happens in the call (lineSetMediaControl).
//!
//! An application that stops its prompt when it hears of a digit is always a little late, and is not there at all while a call
//! passes from one application to another. A list of these acts where the audio is made.

use crate::options::AudioSource;
use crate::{Capabilities, MediaType, OperationError, StateKind};
use serde::Serialize;
use std::time::Duration;

/// When something happens in a call, its audio does something (TAPI: LINEMEDIACONTROLDIGIT, -TONE, -MEDIA and -CALLSTATE).
#[derive(Clone, Debug, PartialEq)]
pub struct MediaControl {
    /// What is to happen.
    pub when: MediaTrigger,
    /// What is done then.
    pub then: MediaAction,
}

/// What sets off a media control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaTrigger {
    /// The other side begins to press this digit, `0-9 A-D * #`: monitored, gathered or not. Whoever wants to hear of it does.
    Digit(char),
    /// A tone sounds in what the other side sends.
    Tone {
        /// Up to two frequencies in hertz, 200 to 3,400 (0: none); both 0: silence.
        frequencies: [u16; 2],
        /// How long it must last.
        duration: Duration,
    },
    /// A media type appears, as it does for [`MonitorMedia`](crate::Operation::MonitorMedia).
    Media(MediaType),
    /// The call comes into this state from another one. Not one in which it has ended: its audio has ended too.
    State(StateKind),
}

impl MediaTrigger {
    /// Every digit there is.
    pub const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', '*', '#'];
}

/// What a media control does with what the call plays (TAPI: LINEMEDIACONTROL). Speeds are missing: nothing here can change them.
#[derive(Clone, Debug, PartialEq)]
pub enum MediaAction {
    /// Plays this from its beginning, as [`Play`](crate::Operation::Play) does (START).
    Start(AudioSource),
    /// Plays silence; what was played is gone (RESET).
    Stop,
    /// What is played stands still, and silence is sent (PAUSE), until it is resumed or something else is played; what a call plays
    /// begins anew after a hold. Of live audio, what is said meanwhile is lost.
    Pause,
    /// It goes on where it stood (RESUME).
    Resume,
    /// Three decibels louder, at most twelve more than normal (VOLUMEUP).
    VolumeUp,
    /// Three decibels softer, at most twenty-four less than normal (VOLUMEDOWN).
    VolumeDown,
    /// As loud as it is (VOLUMENORMAL).
    VolumeNormal,
}

impl MediaAction {
    /// The decibels that one step of the volume changes.
    pub const STEP: i8 = 3;
    /// The least and the most decibels that what is played is louder than normal.
    pub const GAINS: (i8, i8) = (-24, 12);

    /// The gain in decibels that it makes of `gain`.
    pub const fn gain_after(&self, gain: i8) -> i8 {
        let (least, most) = Self::GAINS;
        match self {
            Self::Start(_) | Self::Stop | Self::Pause | Self::Resume => gain,
            Self::VolumeUp if gain > most - Self::STEP => most,
            Self::VolumeUp => gain + Self::STEP,
            Self::VolumeDown if gain < least + Self::STEP => least,
            Self::VolumeDown => gain - Self::STEP,
            Self::VolumeNormal => 0,
        }
    }
}

impl MediaControl {
    /// At any digit: one entry for each.
    pub fn at_any_digit(then: &MediaAction) -> Vec<Self> {
        let entry = |digit| Self { when: MediaTrigger::Digit(digit), then: then.clone() };
        MediaTrigger::DIGITS.into_iter().map(entry).collect()
    }
}

/// How many entries of each kind one list can have; 0: none (TAPI: dwMedCtlDigitMaxListSize and its kin).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize)]
pub struct MediaControlSizes {
    /// For digits.
    pub digits: u16,
    /// For tones.
    pub tones: u16,
    /// For media types.
    pub media: u16,
    /// For call states.
    pub states: u16,
}

/// Whether a list is one that a line can carry out: all of it, or it is refused (LINEERR_INVALDIGITLIST and its kin).
pub(crate) fn check(line: &Capabilities, controls: &[MediaControl]) -> Result<(), OperationError> {
    let wrong = |message: String| Err(OperationError::InvalidParameter(message));
    let sizes = &line.media_control;
    let (mut digits, mut tones, mut media, mut states) = (0, 0, 0, 0);
    for control in controls {
        match control.when {
            MediaTrigger::Digit(digit) if !MediaTrigger::DIGITS.contains(&digit.to_ascii_uppercase()) => {
                return wrong(format!("'{digit}' is no digit: expected 0-9, A-D, * or #"));
            }
            MediaTrigger::Digit(_) => digits += 1,
            MediaTrigger::Tone { frequencies, .. } => {
                let audible = |hertz: &u16| *hertz == 0 || (200..=3_400).contains(hertz);
                if !frequencies.iter().all(audible) {
                    return wrong(format!(
                        "expected frequencies between 200 and 3400 Hz, or 0 for none; got {frequencies:?}"
                    ));
                }
                tones += 1;
            }
            MediaTrigger::Media(kind) => {
                if !line.media.with(MediaType::Unknown).contains(kind) {
                    return wrong(format!("the line cannot carry {}", crate::MediaTypes::from(kind)));
                }
                media += 1;
            }
            MediaTrigger::State(state) => {
                let over = matches!(state, StateKind::Idle | StateKind::Disconnected);
                if over || !line.states.contains(state) {
                    return wrong(format!(
                        "expected a state in which calls of the line have audio; got {state}"
                    ));
                }
                states += 1;
            }
        }
    }
    for (got, most, what) in [
        (digits, sizes.digits, "digits"),
        (tones, sizes.tones, "tones"),
        (media, sizes.media, "media types"),
        (states, sizes.states, "call states"),
    ] {
        if got > usize::from(most) {
            return wrong(format!("expected at most {most} entries for {what}; got {got}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MediaTypes, Set};

    fn line() -> Capabilities {
        Capabilities {
            media: MediaTypes::VOICE.with(MediaType::Fax),
            states: Set::of(&[StateKind::Connected, StateKind::Idle, StateKind::OnHold]),
            media_control: MediaControlSizes { digits: 16, tones: 1, media: 1, states: 1 },
            ..Capabilities::none()
        }
    }

    #[test]
    fn a_list_is_taken_whole_or_refused() {
        let then = MediaAction::Stop;
        let tone = |hertz| MediaTrigger::Tone { frequencies: [hertz, 0], duration: Duration::ZERO };
        for (triggers, taken) in [
            (vec![], true),
            (vec![MediaTrigger::Digit('d'), tone(425), MediaTrigger::Media(MediaType::Fax)], true),
            (vec![MediaTrigger::Digit('1'), MediaTrigger::Digit('x')], false),
            (vec![tone(425), tone(0)], false),
            (vec![tone(100)], false),
            (vec![MediaTrigger::Media(MediaType::Video)], false),
            (vec![MediaTrigger::State(StateKind::OnHold)], true),
            (vec![MediaTrigger::State(StateKind::Conferenced)], false),
            (vec![MediaTrigger::State(StateKind::Idle)], false),
        ] {
            let entry = |when| MediaControl { when, then: then.clone() };
            let controls: Vec<_> = triggers.iter().copied().map(entry).collect();
            assert_eq!(check(&line(), &controls).is_ok(), taken, "{triggers:?}");
        }
        let mut all = MediaControl::at_any_digit(&then);
        assert_eq!(check(&line(), &all), Ok(()));
        all.push(MediaControl { when: MediaTrigger::Digit('1'), then });
        assert!(check(&line(), &all).is_err());
    }

    #[test]
    fn the_volume_stays_within_its_bounds() {
        let mut gain = 0;
        for _ in 0..20 {
            gain = MediaAction::VolumeUp.gain_after(gain);
        }
        assert_eq!(gain, 12);
        for _ in 0..20 {
            gain = MediaAction::VolumeDown.gain_after(gain);
        }
        assert_eq!((gain, MediaAction::VolumeNormal.gain_after(gain)), (-24, 0));
        assert_eq!(MediaAction::Pause.gain_after(gain), gain);
    }
}
