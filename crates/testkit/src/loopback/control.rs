//! What a call plays, and what that does by itself when something happens in the call (media control).

use super::agenda::Task;
use super::exchange::Loopback;
use super::faults::Fault;
use super::leg::{Leg, Playing};
use hookswitch_spi::{
    AudioSource, CallId, DigitMonitoring, MediaAction, MediaControl, MediaTrigger, OperationError,
};
use std::time::Duration;

impl Loopback {
    pub(crate) fn play(&mut self, call: CallId, source: AudioSource) {
        if let AudioSource::File { repeat: false, .. } = source {
            self.after(Duration::from_secs(1), Task::PlayedOut(call));
        }
        if let Some(leg) = self.legs.get_mut(&call) {
            leg.rest.playing.source = source;
            leg.rest.playing.paused = false;
        }
    }

    pub(crate) fn control_media(&mut self, call: CallId, controls: Vec<MediaControl>) {
        let appends = self.broken(Fault::ControlAppends);
        if let Some(leg) = self.legs.get_mut(&call) {
            if !appends {
                leg.rest.controls.clear();
            }
            leg.rest.controls.extend(controls);
        }
    }

    /// Something happened in a call.
    pub(crate) fn set_off(&mut self, call: CallId, happened: impl Fn(&MediaTrigger) -> bool) {
        let only_told = self.broken(Fault::ControlsWhatIsTold);
        let Some(leg) = self.legs.get(&call).filter(|leg| leg.is_up()) else { return };
        let told = leg.rest.digits != DigitMonitoring::Off;
        let fitting = leg.rest.controls.iter().filter(|control| happened(&control.when));
        let fitting =
            fitting.filter(|control| !only_told || told || !matches!(control.when, MediaTrigger::Digit(_)));
        let actions: Vec<_> = fitting.map(|control| control.then.clone()).collect();
        actions.into_iter().for_each(|action| self.act(call, action));
    }

    fn act(&mut self, call: CallId, action: MediaAction) {
        let Some(leg) = self.legs.get_mut(&call) else { return };
        let playing = &mut leg.rest.playing;
        playing.gain = action.gain_after(playing.gain);
        match action {
            MediaAction::Start(source) => self.play(call, source),
            MediaAction::Stop => self.play(call, AudioSource::Silence),
            MediaAction::Pause => playing.paused = true,
            MediaAction::Resume => playing.paused = false,
            MediaAction::VolumeUp | MediaAction::VolumeDown | MediaAction::VolumeNormal => {}
        }
    }

    /// A list that was refused; a broken exchange has forgotten the one before.
    pub(crate) fn control_refused(&mut self, call: CallId, error: &OperationError) {
        if matches!(error, OperationError::InvalidParameter(_)) && self.broken(Fault::WrongControlClears) {
            self.control_media(call, Vec::new());
        }
    }

    /// What the other party of a call is played.
    pub fn playing(&self, call: CallId) -> Option<Playing> {
        self.known(call).filter(|leg| Leg::is_up(leg)).map(|leg| leg.rest.playing.clone())
    }
}
