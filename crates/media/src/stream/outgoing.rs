//! Digits on their way out: as events if the other side takes them, as tones otherwise.

use crate::audio::DigitTones;
use crate::control::StreamParameters;
use crate::dtmf::DigitSender;
use std::time::Duration;

/// The digits of one command.
#[derive(Debug)]
pub(super) struct OutgoingDigits {
    pub(super) tag: u64,
    digits: Box<str>,
    duration: Duration,
    gap: Duration,
    pub(super) way: Way,
}

/// How they go.
#[derive(Debug)]
pub(super) enum Way {
    /// Not known yet: there are no parameters.
    Undecided,
    /// RFC 4733; the timestamp is that of the digit being sent.
    Events { sender: DigitSender, payload_type: u8, timestamp: u32 },
    /// In band.
    Tones(DigitTones),
}

impl OutgoingDigits {
    pub(super) fn new(digits: &str, duration: Duration, gap: Duration, tag: u64) -> Self {
        Self { tag, digits: digits.into(), duration, gap, way: Way::Undecided }
    }

    /// Chooses the way, once.
    pub(super) fn decide(&mut self, parameters: &StreamParameters) {
        let rate = parameters.codec.rate();
        match self.way {
            Way::Undecided => {
                self.way = match parameters.send_digits {
                    Some(payload_type) => Way::Events {
                        sender: DigitSender::new(&self.digits, self.duration, self.gap, rate),
                        payload_type,
                        timestamp: 0,
                    },
                    None => Way::Tones(DigitTones::new(rate, &self.digits, self.duration, self.gap)),
                };
            }
            Way::Events { .. } | Way::Tones(_) => {}
        }
    }
}
