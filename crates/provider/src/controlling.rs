//! Media control: what a call's audio does by itself when something happens in the call (lineSetMediaControl).
//!
//! It acts here and not in an application, whose turn would come too late and who may be gone: the list is the call's, whoever
//! owns it. It listens for itself; what others listen for and are told stays as it is.

use crate::call::{Ask, Call, Stream, source};
use crate::controls::Controls;
use crate::core::Core;
use hookswitch_media::control::Command;
use hookswitch_spi::{
    AudioSource, CallId, MediaAction, MediaControl, MediaTrigger, MediaType, OperationError, Outcome,
    StateKind,
};

impl Core {
    pub(crate) fn set_media_control(
        &mut self,
        ask: &mut Ask,
        id: CallId,
        entries: Vec<MediaControl>,
    ) -> Result<(), OperationError> {
        let number = self.next_tag();
        let (tones, fax) = (self.controls_tones(id), self.listens_for_fax(id));
        let call = self.calls.get_mut(id).ok_or(OperationError::NoSuchCall(id))?;
        let gain = call.extra.as_ref().and_then(|extra| extra.controls.as_ref()).map_or(0, |c| c.gain);
        let controls = Controls::new(entries, number, gain);
        call.extra().controls = Some(Box::new(controls)).filter(|controls| !controls.is_idle());
        if tones || self.controls_tones(id) {
            self.watch_tones(id);
        }
        if fax != self.listens_for_fax(id) {
            self.watch_fax(id);
        }
        self.search_for_digits(id);
        self.done(ask, Outcome::Done);
        Ok(())
    }

    /// The call has ended, and this with it.
    pub(crate) fn end_media_control(&mut self, id: CallId) {
        if let Some(extra) = self.calls.get_mut(id).and_then(|call| call.extra.as_mut()) {
            extra.controls = None;
        }
    }

    /// A stream began to run: it is as loud as it is to be.
    pub(crate) fn tune(&mut self, id: CallId) {
        let gain = self.controls(id).map_or(0, |controls| controls.gain);
        if gain != 0 {
            self.media(Command::Gain { stream: Call::stream_id(id), decibels: gain });
        }
    }

    pub(crate) fn controls(&self, id: CallId) -> Option<&Controls> {
        self.calls.get(id)?.extra.as_ref()?.controls.as_deref()
    }

    /// Whether digits set something off in a call.
    pub(crate) fn controls_digits(&self, id: CallId) -> bool {
        self.controls(id).is_some_and(Controls::wants_digits)
    }

    /// Whether a fax machine does.
    pub(crate) fn controls_fax(&self, id: CallId) -> bool {
        self.controls(id).is_some_and(Controls::wants_fax)
    }

    pub(crate) fn controls_tones(&self, id: CallId) -> bool {
        self.controls(id).is_some_and(|controls| controls.tones().next().is_some())
    }

    /// The other side begins to press a digit.
    pub(crate) fn digit_controls(&mut self, from: CallId, digit: char) {
        let id = self.heard_at(from);
        self.set_off(
            id,
            |trigger| matches!(trigger, MediaTrigger::Digit(wanted) if wanted.eq_ignore_ascii_case(&digit)),
        );
    }

    /// A tone that was listened for here sounds. False: it was not.
    pub(crate) fn tone_controls(&mut self, id: CallId, tag: u64) -> bool {
        if !Controls::tagged(tag) {
            return false;
        }
        if let Some(action) = self.controls(id).and_then(|controls| controls.at_tone(tag)) {
            self.act(id, action);
        }
        true
    }

    /// A media type appears.
    pub(crate) fn media_controls(&mut self, id: CallId, media: MediaType) {
        self.set_off(id, |trigger| *trigger == MediaTrigger::Media(media));
    }

    /// The call came into another state.
    pub(crate) fn state_controls(&mut self, id: CallId, state: StateKind) {
        self.set_off(id, |trigger| *trigger == MediaTrigger::State(state));
    }

    fn set_off(&mut self, id: CallId, happened: impl Fn(&MediaTrigger) -> bool) {
        let Some(controls) = self.controls(id) else { return };
        let actions = controls.set_off(happened);
        actions.into_iter().for_each(|action| self.act(id, action));
    }

    fn act(&mut self, id: CallId, action: MediaAction) {
        let now = self.now;
        let running = self.calls.get(id).is_some_and(|call| call.stream == Stream::Running);
        let stream = Call::stream_id(id);
        match action {
            MediaAction::Start(audio) => {
                self.note_media(now, id, "media control: started");
                self.sound(id, audio);
            }
            MediaAction::Stop => {
                self.note_media(now, id, "media control: stopped");
                self.sound(id, AudioSource::Silence);
            }
            MediaAction::Pause if running => {
                self.note_media(now, id, "media control: paused");
                self.media(Command::Pause { stream, on: true });
            }
            MediaAction::Resume if running => {
                self.note_media(now, id, "media control: resumed");
                self.media(Command::Pause { stream, on: false });
            }
            // Nothing plays that could stand still or go on.
            MediaAction::Pause | MediaAction::Resume => {}
            MediaAction::VolumeUp | MediaAction::VolumeDown | MediaAction::VolumeNormal => {
                let extra = self.calls.get_mut(id).and_then(|call| call.extra.as_mut());
                let Some(controls) = extra.and_then(|extra| extra.controls.as_mut()) else { return };
                let gain = action.gain_after(controls.gain);
                if gain == std::mem::replace(&mut controls.gain, gain) {
                    return;
                }
                if running {
                    self.media(Command::Gain { stream, decibels: gain });
                }
                self.note_media(now, id, "media control: volume");
            }
        }
    }

    /// The other party of a call hears this from now on, or once there is audio.
    pub(crate) fn sound(&mut self, id: CallId, audio: AudioSource) {
        let Some(call) = self.calls.get_mut(id) else { return };
        call.source = audio;
        if call.stream == Stream::Running {
            let command = Command::Send { stream: Call::stream_id(id), source: source(&call.source) };
            self.media(command);
        }
    }
}
