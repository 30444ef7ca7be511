//! What is heard in calls: digits told and collected, tones, fax machines and other changes of media.
//!
//! A digit that a member of a conference presses is one of the conference: it is told there and collected there.

use crate::call::{Ask, Call, Stream};
use crate::core::{Core, Timer};
use crate::ears::{Ears, Gathering};
use hookswitch_machine::Time;
use hookswitch_media::control::{Command, WatchedTone};
use hookswitch_spi::{
    CallId, DigitMonitoring, GatherEnd, GatherOptions, MediaType, MediaTypes, OperationError, Outcome,
    ProviderEvent, TonePattern,
};
use std::time::Duration;

impl Core {
    /// Begins to collect digits, from now on. What was being collected ends.
    pub(crate) fn gather_digits(
        &mut self,
        ask: &mut Ask,
        id: CallId,
        wanted: GatherOptions,
    ) -> Result<(), OperationError> {
        self.end_gathering(id, GatherEnd::Cancelled);
        let call = self.calls.get_mut(id).ok_or(OperationError::NoSuchCall(id))?;
        if let Some(completion) = ask.0.take() {
            call.extra().ears.gathering = Some(Gathering::new(completion, wanted));
        }
        self.await_digit(id);
        self.search_for_digits(id);
        Ok(())
    }

    pub(crate) fn stop_gathering(&mut self, ask: &mut Ask, id: CallId) {
        self.end_gathering(id, GatherEnd::Cancelled);
        self.done(ask, Outcome::Done);
    }

    /// The next digit did not come in time.
    pub(crate) fn digit_overdue(&mut self, id: CallId) {
        let Some(gathering) = self.gathering(id) else { return };
        gathering.timer = None;
        let ended = gathering.overdue();
        self.end_gathering(id, ended);
    }

    /// Whatever was being collected is told, and nothing is collected any more.
    pub(crate) fn end_gathering(&mut self, id: CallId, ended: GatherEnd) {
        self.stop_waiting_for_digit(id);
        let ears = self.ears_mut(id);
        let Some(gathering) = ears.and_then(|ears| ears.gathering.take()) else { return };
        let (completion, outcome) = gathering.finish(ended);
        self.complete(completion, Ok(outcome));
    }

    pub(crate) fn monitor_digits(
        &mut self,
        ask: &mut Ask,
        id: CallId,
        digits: DigitMonitoring,
    ) -> Result<(), OperationError> {
        let call = self.calls.get_mut(id).ok_or(OperationError::NoSuchCall(id))?;
        call.extra().ears.digits = Some(digits);
        self.search_for_digits(id);
        self.done(ask, Outcome::Done);
        Ok(())
    }

    pub(crate) fn monitor_tones(
        &mut self,
        ask: &mut Ask,
        id: CallId,
        tones: Vec<TonePattern>,
    ) -> Result<(), OperationError> {
        let audible = |hertz: u16| hertz == 0 || (200..=3_400).contains(&hertz);
        if let Some(tone) = tones.iter().find(|tone| !tone.frequencies.into_iter().all(audible)) {
            return Err(OperationError::InvalidParameter(format!(
                "expected frequencies between 200 and 3400 Hz, or 0 for none; got {:?}",
                tone.frequencies
            )));
        }
        let call = self.calls.get_mut(id).ok_or(OperationError::NoSuchCall(id))?;
        call.extra().ears.tones = tones;
        self.watch_tones(id);
        self.done(ask, Outcome::Done);
        Ok(())
    }

    pub(crate) fn monitor_media(
        &mut self,
        ask: &mut Ask,
        id: CallId,
        media: MediaTypes,
    ) -> Result<(), OperationError> {
        let before = self.listens_for_fax(id);
        let call = self.calls.get_mut(id).ok_or(OperationError::NoSuchCall(id))?;
        call.extra().ears.media = media;
        if before != self.listens_for_fax(id) {
            self.watch_fax(id);
        }
        self.done(ask, Outcome::Done);
        Ok(())
    }

    /// The other side begins to press a digit.
    pub(crate) fn digit_begun(&mut self, from: CallId, digit: char) {
        self.digit_controls(from, digit);
        let id = self.heard_at(from);
        self.stop_waiting_for_digit(id);
        if self.ears(id).and_then(|ears| ears.digits) == Some(DigitMonitoring::BeginningAndEnd) {
            self.tell(id, ProviderEvent::DigitBegun { call: id, digit });
        }
    }

    /// The other side pressed a digit.
    pub(crate) fn digit_heard(&mut self, from: CallId, digit: char, duration: Duration) {
        let id = self.heard_at(from);
        let told = self.ears(id).and_then(|ears| ears.digits).unwrap_or_default();
        if told != DigitMonitoring::Off {
            self.tell(id, ProviderEvent::Digit { call: id, digit, duration });
        }
        match self.gathering(id).map(|gathering| gathering.press(digit)) {
            Some(Some(ended)) => self.end_gathering(id, ended),
            Some(None) => self.await_digit(id),
            None => {}
        }
    }

    /// A tone that is watched for sounds.
    pub(crate) fn tone_heard(&mut self, id: CallId, tag: u64) {
        if self.tone_controls(id, tag) {
            return;
        }
        let wanted = |ears: &Ears| ears.tones.iter().map(|tone| tone.tag).find(|own| u64::from(*own) == tag);
        if let Some(tag) = self.ears(id).and_then(wanted) {
            self.tell(id, ProviderEvent::Tone { call: id, tag });
        }
    }

    /// A fax machine is heard.
    pub(crate) fn fax_heard(&mut self, id: CallId) {
        self.tell_media(id, MediaType::Fax.into());
    }

    /// The other side described its media anew. What was recorded of the call stays: that is the owner's to change.
    pub(crate) fn media_described(&mut self, id: CallId, types: MediaTypes) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let recorded = call.media_types;
        if types == recorded && call.extra.is_none() {
            return;
        }
        let before = call.extra().ears.carried.replace(types).unwrap_or(recorded);
        let new = before.iter().fold(types, MediaTypes::without);
        self.tell_media(id, new);
    }

    fn tell_media(&mut self, id: CallId, types: MediaTypes) {
        let wanted = self.ears(id).map_or(MediaTypes::NONE, |ears| ears.media);
        for media in types.iter() {
            self.media_controls(id, media);
            if wanted.contains(media) {
                self.tell(id, ProviderEvent::Media { call: id, media });
            }
        }
    }

    /// A stream began to run: what was asked to be listened for before is listened for now.
    pub(crate) fn listen(&mut self, id: CallId) {
        let Some(ears) = self.ears(id) else { return };
        if !ears.tones.is_empty() || self.controls_tones(id) {
            self.watch_tones(id);
        }
        self.tune(id);
        if self.listens_for_fax(id) {
            self.watch_fax(id);
        }
        self.search_for_digits(id);
    }

    /// Has the audio of a call, or of all members of a conference, searched for digits if somebody wants them. That goes for
    /// parties that send none as events (RFC 4733) only; the media threads know.
    pub(crate) fn search_for_digits(&mut self, id: CallId) {
        for from in self.members_or_self(id) {
            let by_info = self.digits_by_info(from);
            let at = self.heard_at(from);
            let wanted = !by_info
                && (self.controls_digits(at)
                    || self.ears(at).is_some_and(|ears| {
                        ears.gathering.is_some()
                            || ears.digits.is_some_and(|digits| digits != DigitMonitoring::Off)
                    }));
            let Some(call) = self.calls.get_mut(from) else { continue };
            let searched = call.extra.as_ref().is_some_and(|extra| extra.ears.in_band);
            if wanted != searched && call.stream == Stream::Running && call.leg.is_some() {
                call.extra().ears.in_band = wanted;
                self.media(Command::MonitorInBandDigits { stream: Call::stream_id(from), on: wanted });
            }
        }
    }

    pub(crate) fn watch_tones(&mut self, id: CallId) {
        let Some(call) = self.calls.get(id).filter(|call| call.stream == Stream::Running) else { return };
        let Some(extra) = call.extra.as_ref() else { return };
        let watched = |tone: &TonePattern| {
            let [first, second] = tone.frequencies;
            WatchedTone { tag: tone.tag.into(), frequencies: [first, second, 0], duration: tone.duration }
        };
        let controls = extra.controls.iter().flat_map(|controls| controls.tones());
        let tones = extra.ears.tones.iter().map(watched).chain(controls).collect();
        self.media(Command::MonitorTones { stream: Call::stream_id(id), tones });
    }

    pub(crate) fn watch_fax(&mut self, id: CallId) {
        let running = self.calls.get(id).is_some_and(|call| call.stream == Stream::Running);
        let on = self.listens_for_fax(id);
        if running {
            self.media(Command::MonitorFax { stream: Call::stream_id(id), on });
        }
    }

    pub(crate) fn listens_for_fax(&self, id: CallId) -> bool {
        self.controls_fax(id) || self.ears(id).is_some_and(|ears| ears.media.contains(MediaType::Fax))
    }

    /// Whoever pressed a digit is gone: the next is waited for again.
    pub(crate) fn go_on_gathering(&mut self, id: CallId) {
        if self.gathering(id).is_some_and(|gathering| gathering.timer.is_none()) {
            self.await_digit(id);
        }
    }

    /// Waits for the next digit as long as the request says.
    fn await_digit(&mut self, id: CallId) {
        self.stop_waiting_for_digit(id);
        let now: Time = self.now;
        let Some(after) = self.gathering(id).and_then(|gathering| gathering.patience()) else { return };
        let timer = self.timers.set(now + after, Timer::Gather(id));
        if let Some(gathering) = self.gathering(id) {
            gathering.timer = Some(timer);
        }
    }

    fn stop_waiting_for_digit(&mut self, id: CallId) {
        if let Some(timer) = self.gathering(id).and_then(|gathering| gathering.timer.take()) {
            self.timers.cancel(timer);
        }
    }

    fn ears(&self, id: CallId) -> Option<&Ears> {
        self.calls.get(id)?.extra.as_ref().map(|extra| &extra.ears)
    }

    fn ears_mut(&mut self, id: CallId) -> Option<&mut Ears> {
        self.calls.get_mut(id)?.extra.as_mut().map(|extra| &mut extra.ears)
    }

    fn gathering(&mut self, id: CallId) -> Option<&mut Gathering> {
        self.ears_mut(id)?.gathering.as_mut()
    }
}
