//! Digits and tones, both ways: one thing is sent at a time; what comes is collected and told.

use super::agenda::Task;
use super::exchange::Loopback;
use super::faults::Fault;
use super::leg::{Gather, Leg, Other, Sending};
use super::stranger::Noticed;
use hookswitch_spi::{
    CallId, DigitMonitoring, DigitOptions, GatherEnd, GatherOptions, MediaControl, MediaTrigger, Operation,
    OperationError, Outcome, ProviderEvent, RequestId, ToneOptions,
};
use std::time::Duration;

/// What a comma among digits means.
const PAUSE: Duration = Duration::from_secs(2);
/// The longest tone.
const TONE_MOST: Duration = Duration::from_secs(600);

impl Loopback {
    pub(crate) fn send_digits(&mut self, request: RequestId, call: CallId, digits: &DigitOptions) {
        if !self.broken(Fault::DigitsDoNotReplace) {
            self.replace_sending(call);
        }
        let Some(leg) = self.legs.get_mut(&call) else { return };
        leg.rest.sending = Some(Sending { request, digits: digits.digits.chars().collect() });
        self.next_digit(request);
    }

    /// Whatever is being sent is not any more.
    pub(crate) fn replace_sending(&mut self, call: CallId) {
        let sending = self.legs.get_mut(&call).and_then(|leg| leg.rest.sending.take());
        if let Some(sending) = sending {
            self.complete(sending.request, Err(OperationError::Replaced));
        }
    }

    pub(crate) fn next_digit(&mut self, request: RequestId) {
        let Some(asked) = self.asked.get(&request) else { return };
        let Operation::SendDigits { call, digits } = &asked.operation else { return };
        let (call, duration, gap) = (*call, digits.duration, digits.gap);
        let sending = self.legs.get_mut(&call).and_then(|leg| leg.rest.sending.as_mut());
        let Some(sending) = sending.filter(|sending| sending.request == request) else {
            // Only where digits do not replace each other is it still asked for.
            return self.done(request);
        };
        match sending.digits.pop_front() {
            None => {
                self.with_sending_over(call);
                self.done(request);
            }
            Some(',') => self.after(PAUSE, Task::NextDigit(request)),
            Some(digit) => {
                let other = self.legs.get(&call).map_or(Other::Nobody, |leg| leg.other);
                self.begin_digit(call, other, digit, duration);
                self.after(duration + gap, Task::NextDigit(request));
            }
        }
    }

    fn with_sending_over(&mut self, call: CallId) {
        if let Some(leg) = self.legs.get_mut(&call) {
            leg.rest.sending = None;
        }
    }

    /// A digit sounds at the other end of a call, or of every member of a conference.
    fn begin_digit(&mut self, call: CallId, other: Other, digit: char, duration: Duration) {
        let members = self.members_of(call);
        let ends: Vec<_> = members.iter().filter_map(|m| self.legs.get(m)).map(|leg| leg.other).collect();
        for end in ends.into_iter().chain([other]) {
            match end {
                Other::Leg(heard) => {
                    self.digit_begins(heard, digit);
                    self.after(duration, Task::DigitOver(heard, digit, duration));
                }
                Other::Stranger(_) => self.notes(end, Noticed::Digit(digit)),
                Other::Orbit(_) | Other::Nobody => {}
            }
        }
    }

    /// The other side of a call begins to press a digit.
    pub(crate) fn digit_begins(&mut self, call: CallId, digit: char) {
        let call = self.told_at(call);
        let told = self.legs.get(&call).is_some_and(|leg| {
            leg.is_up() && leg.answered && leg.rest.digits == DigitMonitoring::BeginningAndEnd
        });
        if told {
            self.events.push_back(ProviderEvent::DigitBegun { call, digit });
        }
        if self.legs.get(&call).is_some_and(|leg| leg.answered) {
            let pressed = |trigger: &MediaTrigger| matches!(trigger, MediaTrigger::Digit(wanted) if wanted.eq_ignore_ascii_case(&digit));
            self.set_off(call, pressed);
        }
    }

    /// A digit of the other side is over: it is told, and counts where digits are collected.
    pub(crate) fn digit_over(&mut self, call: CallId, digit: char, duration: Duration) {
        let call = self.told_at(call);
        let Some(leg) = self.legs.get_mut(&call).filter(|leg| leg.is_up() && leg.answered) else { return };
        match leg.rest.digits {
            DigitMonitoring::Off => {}
            DigitMonitoring::Digits | DigitMonitoring::BeginningAndEnd => {
                self.events.push_back(ProviderEvent::Digit { call, digit, duration });
            }
        }
        let fits = |control: &MediaControl| matches!(control.when, MediaTrigger::Digit(d) if d == digit);
        if leg.rest.controls.iter().any(fits) && self.faults.contains(&Fault::ControlSwallowsDigits) {
            return;
        }
        let Some(gather) = leg.rest.gather.as_mut() else { return };
        gather.digits.push(digit);
        let (request, count) = (gather.request, gather.digits.len());
        let terminator = gather.wanted.terminators.chars().any(|c| c.eq_ignore_ascii_case(&digit));
        if terminator && !self.faults.contains(&Fault::IgnoresTerminators) {
            self.gathered(call, GatherEnd::Terminator);
        } else if count >= usize::from(gather.wanted.count) {
            self.gathered(call, GatherEnd::Full);
        } else if let Some(wait) = gather.wanted.next_after {
            self.after(wait, Task::GatherLate(request, count));
        }
    }

    pub(crate) fn gather(&mut self, request: RequestId, call: CallId, wanted: GatherOptions) {
        self.stop_gathering(call);
        let first = wanted.first_after;
        if let Some(leg) = self.legs.get_mut(&call) {
            leg.rest.gather = Some(Gather { request, wanted, digits: String::new() });
        }
        if let Some(first) = first {
            self.after(first, Task::GatherLate(request, 0));
        }
    }

    pub(crate) fn stop_gathering(&mut self, call: CallId) {
        self.gathered(call, GatherEnd::Cancelled);
    }

    /// No digit has come since there were so many.
    pub(crate) fn gather_late(&mut self, request: RequestId, count: usize) {
        let Some(call) = self.asked.get(&request).and_then(|asked| asked.call) else { return };
        let gather = self.legs.get(&call).and_then(|leg| leg.rest.gather.as_ref());
        if gather.is_some_and(|gather| gather.request == request && gather.digits.len() == count) {
            let ended = if count == 0 { GatherEnd::FirstTimeout } else { GatherEnd::NextTimeout };
            self.gathered(call, ended);
        }
    }

    fn gathered(&mut self, call: CallId, ended: GatherEnd) {
        let gather = self.legs.get_mut(&call).and_then(|leg| leg.rest.gather.take());
        if let Some(gather) = gather {
            self.complete(gather.request, Ok(Outcome::Gathered { digits: gather.digits, ended }));
        }
    }

    pub(crate) fn send_tone(&mut self, request: RequestId, call: CallId, tone: &ToneOptions) {
        self.replace_sending(call);
        let other = self.legs.get(&call).map_or(Other::Nobody, |leg| leg.other);
        if let Some(leg) = self.legs.get_mut(&call) {
            leg.rest.sending = Some(Sending { request, digits: Default::default() });
        }
        let (frequencies, sounds, total) = heard(tone);
        if let Other::Leg(other) = other {
            self.hear_tone(other, frequencies, sounds);
        }
        self.after(total, Task::ToneSent(request));
    }

    pub(crate) fn tone_sent(&mut self, request: RequestId) {
        if let Some(call) = self.asked.get(&request).and_then(|asked| asked.call) {
            self.with_sending_over(call);
            self.done(request);
        }
    }

    /// A tone sounds in what a call receives.
    pub(crate) fn hear_tone(&mut self, call: CallId, frequencies: [u16; 2], sounds: Duration) {
        let call = self.told_at(call);
        let Some(leg) = self.legs.get(&call).filter(|leg| leg.is_up() && leg.answered) else { return };
        let sorted = |mut pair: [u16; 2]| {
            pair.sort_unstable();
            pair
        };
        let heard = leg.rest.tones.iter().filter(|pattern| {
            sorted(pattern.frequencies) == sorted(frequencies) && sounds >= pattern.duration
        });
        let tags: Vec<_> = heard.map(|pattern| pattern.tag).collect();
        for tag in tags {
            self.events.push_back(ProviderEvent::Tone { call, tag });
        }
        self.set_off(call, |trigger| match trigger {
            MediaTrigger::Tone { frequencies: wanted, duration } => {
                sorted(*wanted) == sorted(frequencies) && sounds >= *duration
            }
            MediaTrigger::Digit(_) | MediaTrigger::Media(_) | MediaTrigger::State(_) => false,
        });
    }

    /// The other side of a call presses a digit.
    pub fn press(&mut self, call: CallId, digit: char) {
        self.press_begin(call, digit);
        self.press_end(call, digit, Duration::from_millis(100));
    }

    /// The other side of a call begins to press a digit.
    pub fn press_begin(&mut self, call: CallId, digit: char) {
        if self.known(call).is_some_and(Leg::is_up) {
            self.digit_begins(call, digit);
        }
    }

    /// It lets go of it after this long.
    pub fn press_end(&mut self, call: CallId, digit: char, duration: Duration) {
        if self.known(call).is_some_and(Leg::is_up) {
            self.digit_over(call, digit, duration);
        }
    }

    /// The other side of a call sounds a tone for this long.
    pub fn sound(&mut self, call: CallId, frequencies: [u16; 2], duration: Duration) {
        self.hear_tone(call, frequencies, duration);
    }

    /// The other side of a call presses a digit for this long, in virtual time.
    pub fn presses(&mut self, call: CallId, digit: char, duration: Duration) {
        self.press_begin(call, digit);
        self.after(duration, Task::DigitOver(call, digit, duration));
    }
}

/// A tone as it is heard: its frequencies, how long it sounds at a time, and how long altogether.
fn heard(tone: &ToneOptions) -> ([u16; 2], Duration, Duration) {
    let short = Duration::from_millis(200);
    match tone {
        ToneOptions::Ringback(total) => ([440, 480], Duration::from_secs(2).min(*total), *total),
        ToneOptions::Busy(total) => ([480, 620], Duration::from_millis(500).min(*total), *total),
        ToneOptions::Beep => ([1_000, 0], short, short),
        ToneOptions::Billing => ([1_400, 0], short, short),
        ToneOptions::Custom { frequencies, on, off, total, .. } => {
            let sounds = if off.is_zero() { *total } else { (*on).min(*total) };
            (*frequencies, sounds, *total)
        }
    }
}

/// Whether a tone can be made.
pub(crate) fn check_tone(tone: &ToneOptions) -> Result<(), OperationError> {
    let wrong = |what: &str| Err(OperationError::InvalidParameter(what.into()));
    let total = match tone {
        ToneOptions::Ringback(total) | ToneOptions::Busy(total) => *total,
        ToneOptions::Beep | ToneOptions::Billing => return Ok(()),
        ToneOptions::Custom { frequencies, level, on, total, .. } => {
            if frequencies.iter().any(|f| *f != 0 && !(200..=3_400).contains(f)) {
                return wrong("expected frequencies between 200 and 3,400 hertz, or 0");
            }
            if !(-60..=0).contains(level) {
                return wrong("expected a level between 0 and -60 dBm0");
            }
            if on.is_zero() {
                return wrong("expected a tone that sounds");
            }
            *total
        }
    };
    if total.is_zero() || total > TONE_MOST {
        return wrong("expected a tone of at most ten minutes");
    }
    Ok(())
}
