//! What is generated in the place of audio: digits, as events if the other side takes them and as tones otherwise, or a tone.
//! One thing at a time; a newer one cancels the older.

use super::feed::Outbox;
use crate::audio::{CadencedTone, DigitTones};
use crate::control::{Event, GeneratedTone, StreamId};
use crate::dtmf::{DigitSender, ReceivedDigit};
use std::time::Duration;

/// Silence after a digit that is passed on.
const GAP: Duration = Duration::from_millis(50);

/// The digits or the tone of one command.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// That of the command; `None` for a digit passed on.
    tag: Option<u64>,
    what: What,
    pub(super) way: Way,
}

#[derive(Debug)]
enum What {
    Digits { digits: Box<str>, duration: Duration, gap: Duration },
    Tone { tone: GeneratedTone, duration: Duration },
}

/// How it goes.
#[derive(Debug)]
pub(super) enum Way {
    /// Not known yet: there are no parameters.
    Undecided,
    /// RFC 4733; the timestamp is that of the digit being sent.
    Events { sender: DigitSender, payload_type: u8, timestamp: u32 },
    /// Digits in band.
    Digits(DigitTones),
    /// A tone.
    Tone(CadencedTone),
}

impl Outgoing {
    pub(super) fn digits(digits: &str, duration: Duration, gap: Duration, tag: u64) -> Self {
        let what = What::Digits { digits: digits.into(), duration, gap };
        Self { tag: Some(tag), what, way: Way::Undecided }
    }

    /// A digit that the other side of a bridge pressed.
    pub(super) fn passed_on(digit: ReceivedDigit) -> Self {
        let what =
            What::Digits { digits: digit.digit.to_string().into(), duration: digit.duration, gap: GAP };
        Self { tag: None, what, way: Way::Undecided }
    }

    pub(super) const fn tone(tone: GeneratedTone, duration: Duration, tag: u64) -> Self {
        Self { tag: Some(tag), what: What::Tone { tone, duration }, way: Way::Undecided }
    }

    /// Chooses the way, once; a tone goes on at another rate where the rate has changed.
    pub(super) fn decide(&mut self, rate: u32, send_digits: Option<u8>) {
        match (&self.what, &mut self.way) {
            (What::Digits { digits, duration, gap }, way @ Way::Undecided) => {
                *way = match send_digits {
                    Some(payload_type) => Way::Events {
                        sender: DigitSender::new(digits, *duration, *gap, rate),
                        payload_type,
                        timestamp: 0,
                    },
                    None => Way::Digits(DigitTones::new(rate, digits, *duration, *gap)),
                };
            }
            (What::Tone { tone, duration }, way @ Way::Undecided) => {
                *way = Way::Tone(CadencedTone::new(rate, tone, *duration));
            }
            (What::Tone { tone, duration }, Way::Tone(old)) if old.rate() != rate => {
                *old = old.at_rate(rate, tone, *duration);
            }
            (What::Digits { .. } | What::Tone { .. }, Way::Events { .. } | Way::Digits(_) | Way::Tone(_)) => {
            }
        }
    }

    /// The samples of this moment, whose rest is silent, if it goes as samples; false at its end.
    pub(super) fn fill(&mut self, samples: &mut [i16]) -> bool {
        let filled = match &mut self.way {
            Way::Digits(tones) => tones.fill(samples),
            Way::Tone(tone) => tone.fill(samples),
            Way::Undecided | Way::Events { .. } => 0,
        };
        if let Some(rest) = samples.get_mut(filled..) {
            rest.fill(0);
        }
        filled > 0
    }

    /// Tells signalling of its end.
    pub(super) fn report(&self, stream: StreamId, cancelled: bool, out: &mut dyn Outbox) {
        let Some(tag) = self.tag else { return };
        out.event(match self.what {
            What::Digits { .. } => Event::DigitsSent { stream, tag, cancelled },
            What::Tone { .. } => Event::ToneSent { stream, tag, cancelled },
        });
    }
}
