//! Digits one by one in INFO requests, the way some switches still want them, to a party that takes none as events (RFC 4733).

use crate::call::Wait;
use crate::core::{Core, Timer};
use crate::established::refused;
use hookswitch_machine::{Time, TimerKey};
use hookswitch_sip::message::{Message, Method};
use hookswitch_sip::transaction::ClientId;
use hookswitch_sip::ua::{Failure, LegError};
use hookswitch_spi::{CallId, DigitOptions, OperationError, Outcome};
use std::collections::VecDeque;
use std::time::Duration;

/// The body that carries one digit and its duration.
pub(crate) const RELAY: &str = "application/dtmf-relay";
/// What a comma is.
const PAUSE: Duration = Duration::from_secs(2);

/// Digits that are being sent so.
#[derive(Debug)]
pub(crate) struct Dictation {
    left: VecDeque<char>,
    duration: Duration,
    gap: Duration,
    tag: u64,
    /// When the next goes out.
    timer: Option<TimerKey>,
    /// The INFO on its way.
    asked: Option<ClientId>,
}

impl Core {
    /// Whether a call's digits go by INFO.
    pub(crate) fn digits_by_info(&self, id: CallId) -> bool {
        let Some(call) = self.calls.get(id).filter(|call| call.leg.is_some()) else { return false };
        let wanted = self.terms(id).is_some_and(|terms| terms.info_digits);
        wanted && call.media.parameters().is_none_or(|parameters| parameters.send_digits.is_none())
    }

    /// Begins to send digits; [`Wait::Sending`] with this tag completes when the last was sent.
    pub(crate) fn dictate(&mut self, now: Time, id: CallId, digits: &DigitOptions, tag: u64) {
        let Some(call) = self.calls.get_mut(id) else { return };
        call.extra().dictation = Some(Box::new(Dictation {
            left: digits.digits.to_ascii_uppercase().chars().collect(),
            duration: digits.duration,
            gap: digits.gap,
            tag,
            timer: None,
            asked: None,
        }));
        self.dictate_next(now, id);
    }

    /// The next digit is due.
    pub(crate) fn dictate_next(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let (Some(leg), Some(extra)) = (call.leg, call.extra.as_mut()) else { return };
        let Some(dictation) = extra.dictation.as_mut() else { return };
        dictation.timer = None;
        let (tag, duration) = (dictation.tag, dictation.duration);
        let after = match dictation.left.pop_front() {
            None => {
                extra.dictation = None;
                self.complete_waiting(id, |wait| wait == Wait::Sending(tag), Ok(Outcome::Done));
                return;
            }
            Some(',') => PAUSE,
            Some(digit) => {
                let after = duration + dictation.gap;
                let body = format!("Signal={digit}\r\nDuration={}\r\n", duration.as_millis());
                let body = Some((RELAY, body.as_bytes()));
                match self.ua.send_within(now, &mut self.layer, leg, Method::Info, "", body) {
                    Ok(client) => {
                        if let Some(dictation) = self.dictation(id) {
                            dictation.asked = Some(client);
                        }
                        after
                    }
                    Err(error) => {
                        let error = match error {
                            LegError::Full => OperationError::ResourceUnavailable("transaction"),
                            _ => OperationError::CallEnded,
                        };
                        self.stop_dictating(id);
                        self.complete_waiting(id, |wait| wait == Wait::Sending(tag), Err(error));
                        return;
                    }
                }
            }
        };
        let timer = self.timers.set(now + after, Timer::Dictate(id));
        if let Some(dictation) = self.dictation(id) {
            dictation.timer = Some(timer);
        }
    }

    /// Whether a response is to such an INFO; one that is refused ends the sending.
    pub(crate) fn digit_answered(
        &mut self,
        id: CallId,
        client: ClientId,
        failure: Failure,
        message: Option<&Message>,
    ) -> bool {
        let asked = self.dictation(id).is_some_and(|dictation| dictation.asked == Some(client));
        // With credentials it went out again under another number: then its method tells.
        if !asked && message.is_none_or(|message| message.method() != Method::Info) {
            return false;
        }
        if failure.is_success() {
            return true;
        }
        if let Some(tag) = self.dictation(id).map(|dictation| dictation.tag) {
            self.stop_dictating(id);
            let error = refused(failure, message);
            self.complete_waiting(id, |wait| wait == Wait::Sending(tag), Err(error));
        }
        true
    }

    /// No further digit goes out; whether any was still to.
    pub(crate) fn stop_dictating(&mut self, id: CallId) -> bool {
        let extra = self.calls.get_mut(id).and_then(|call| call.extra.as_mut());
        let Some(dictation) = extra.and_then(|extra| extra.dictation.take()) else { return false };
        if let Some(timer) = dictation.timer {
            self.timers.cancel(timer);
        }
        true
    }

    fn dictation(&mut self, id: CallId) -> Option<&mut Dictation> {
        self.calls.get_mut(id)?.extra.as_mut()?.dictation.as_deref_mut()
    }
}
