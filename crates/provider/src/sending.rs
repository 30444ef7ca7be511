//! Digits and tones to the other side: one at a time, a newer request takes the place of the older (lineGenerateDigits,
//! lineGenerateTone).

use crate::call::{Ask, Call, Stream, Wait};
use crate::core::Core;
use hookswitch_machine::Time;
use hookswitch_media::control::{Command, GeneratedTone, TonePart};
use hookswitch_spi::{CallId, DigitOptions, OperationError, Outcome, ToneOptions};
use std::time::Duration;

/// How long a beep lasts.
const BEEP: Duration = Duration::from_millis(400);
/// The longest tone.
const LONGEST: Duration = Duration::from_secs(600);

impl Core {
    pub(crate) fn send_digits(
        &mut self,
        now: Time,
        ask: &mut Ask,
        id: CallId,
        digits: DigitOptions,
    ) -> Result<(), OperationError> {
        let by_info = self.digits_by_info(id);
        let tag = self.take_turn(ask, id, by_info)?;
        if by_info {
            self.dictate(now, id, &digits, tag);
            return Ok(());
        }
        let DigitOptions { digits, duration, gap } = digits;
        let digits = digits.to_ascii_uppercase();
        self.media(Command::SendDigits { stream: Call::stream_id(id), digits, duration, gap, tag });
        Ok(())
    }

    pub(crate) fn send_tone(
        &mut self,
        ask: &mut Ask,
        id: CallId,
        tone: &ToneOptions,
    ) -> Result<(), OperationError> {
        let (tone, duration) = generated(tone)?;
        let tag = self.take_turn(ask, id, false)?;
        self.media(Command::SendTone { stream: Call::stream_id(id), tone, duration, tag });
        Ok(())
    }

    /// Stops what is being sent, if anything is.
    pub(crate) fn stop_sending(&mut self, ask: &mut Ask, id: CallId) {
        self.give_up_turn(id, true);
        self.done(ask, Outcome::Done);
    }

    /// What was to be sent has been, or not.
    pub(crate) fn sent(&mut self, id: CallId, tag: u64, cancelled: bool) {
        let result = if cancelled { Err(OperationError::Replaced) } else { Ok(Outcome::Done) };
        self.complete_waiting(id, |wait| wait == Wait::Sending(tag), result);
    }

    /// The request that sends completes as replaced. `tell`: the media threads stop what they still send for it.
    fn give_up_turn(&mut self, id: CallId, tell: bool) {
        let dictated = self.stop_dictating(id);
        let replaced = Err(OperationError::Replaced);
        let sent = self.complete_waiting(id, |wait| matches!(wait, Wait::Sending(_)), replaced);
        let running = self.calls.get(id).is_some_and(|call| call.stream == Stream::Running);
        if tell && sent && !dictated && running {
            self.media(Command::StopGenerating { stream: Call::stream_id(id) });
        }
    }

    /// A newer request takes the place of one that still sends. The media threads are to be told only if it sends nothing by them.
    fn take_turn(&mut self, ask: &mut Ask, id: CallId, tell: bool) -> Result<u64, OperationError> {
        if self.calls.get(id).is_none_or(|call| call.stream != Stream::Running) {
            // It is being dropped: its audio has ended already.
            return Err(OperationError::CallEnded);
        }
        self.give_up_turn(id, tell);
        let tag = self.next_tag();
        self.wait(id, ask, Wait::Sending(tag));
        Ok(tag)
    }
}

/// The tone that the media threads make, and for how long.
fn generated(tone: &ToneOptions) -> Result<(GeneratedTone, Duration), OperationError> {
    let wrong = |text: String| Err(OperationError::InvalidParameter(text));
    match tone {
        ToneOptions::Ringback(total) => lasting(*total).map(|total| (GeneratedTone::Ringback, total)),
        ToneOptions::Busy(total) => lasting(*total).map(|total| (GeneratedTone::Busy, total)),
        ToneOptions::Beep => Ok((GeneratedTone::Beep, BEEP)),
        ToneOptions::Billing => Ok((GeneratedTone::Billing, Duration::ZERO)),
        ToneOptions::Custom { frequencies, level, on, off, total } => {
            if let Some(hertz) =
                frequencies.iter().find(|hertz| **hertz != 0 && !(200..=3_400).contains(*hertz))
            {
                return wrong(format!(
                    "expected a frequency between 200 and 3400 Hz, or 0 for none; got {hertz}"
                ));
            }
            if !(-60..=0).contains(level) {
                return wrong(format!("expected a level between -60 and 0 dBm0; got {level}"));
            }
            if on.is_zero() || on.max(off) > &LONGEST {
                return wrong(
                    "expected a tone that sounds, and neither sounds nor rests for over ten minutes".into(),
                );
            }
            let part =
                |frequency: &u16| TonePart { frequency: *frequency, level: *level, on: *on, off: *off };
            let parts = frequencies.iter().filter(|hertz| **hertz != 0).map(part).collect();
            lasting(*total).map(|total| (GeneratedTone::Custom(parts), total))
        }
    }
}

fn lasting(total: Duration) -> Result<Duration, OperationError> {
    if total.is_zero() || total > LONGEST {
        return Err(OperationError::InvalidParameter(format!(
            "expected a tone of at most ten minutes; got {total:?}"
        )));
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tones_become_what_the_media_threads_make() {
        let (second, rest) = (Duration::from_secs(1), Duration::from_millis(200));
        let custom =
            |frequencies, level, on| ToneOptions::Custom { frequencies, level, on, off: rest, total: second };
        let part = |frequency| TonePart { frequency, level: -10, on: rest, off: rest };
        assert_eq!(
            generated(&custom([350, 440], -10, rest)),
            Ok((GeneratedTone::Custom(vec![part(350), part(440)]), second))
        );
        assert_eq!(
            generated(&custom([350, 0], -10, rest)),
            Ok((GeneratedTone::Custom(vec![part(350)]), second))
        );
        assert_eq!(generated(&ToneOptions::Billing), Ok((GeneratedTone::Billing, Duration::ZERO)));
        for wrong in [
            custom([100, 0], -10, rest),
            custom([350, 5_000], -10, rest),
            custom([350, 0], 3, rest),
            custom([350, 0], -61, rest),
            custom([350, 0], -10, Duration::ZERO),
            ToneOptions::Busy(Duration::ZERO),
            ToneOptions::Ringback(Duration::from_secs(601)),
        ] {
            assert!(matches!(generated(&wrong), Err(OperationError::InvalidParameter(_))), "{wrong:?}");
        }
    }
}
