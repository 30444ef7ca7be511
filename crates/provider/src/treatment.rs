//! What a party hears that waits: on hold, alone in a conference that waits, or unanswered where the profile lets us answer the
//! offer early (183).

use crate::call::{Ask, Call, Stream, source};
use crate::core::Core;
use hookswitch_machine::Time;
use hookswitch_media::control::{Command, Direction, GeneratedTone, MixPart, Source};
use hookswitch_media::negotiate::OfferAnswer;
use hookswitch_spi::{CallId, CallTreatment, InfoParts, OperationError, Outcome, StateKind};

impl Core {
    pub(crate) fn set_treatment(
        &mut self,
        now: Time,
        ask: &mut Ask,
        id: CallId,
        treatment: CallTreatment,
    ) -> Result<(), OperationError> {
        let call = self.calls.get_mut(id).ok_or(OperationError::NoSuchCall(id))?;
        call.extra().treatment = Some(treatment);
        self.early_audio(now, id);
        self.treat(id);
        self.done(ask, Outcome::Done);
        self.changed(id, InfoParts::TREATMENT);
        Ok(())
    }

    /// Sends what the other party is to hear where it is, if that is another thing than before.
    pub(crate) fn treat(&mut self, id: CallId) {
        if self.calls.get(id).is_none_or(|call| call.stream != Stream::Running) {
            return;
        }
        let wanted = self.wanted_treatment(id);
        let Some(call) = self.calls.get_mut(id) else { return };
        let before = call.extra.as_ref().and_then(|extra| extra.heard);
        if wanted == before {
            return;
        }
        let own = source(&call.source);
        call.extra().heard = wanted;
        let stream = Call::stream_id(id);
        let source = match wanted {
            None => own,
            Some(CallTreatment::Silence) => Source::Silence,
            Some(CallTreatment::Music) => Source::Music,
            Some(CallTreatment::Ringback) => Source::Generated(GeneratedTone::Ringback),
            Some(CallTreatment::Busy) => Source::Generated(GeneratedTone::Busy),
        };
        self.media(Command::Send { stream, source });
    }

    /// `None`: the call's own source.
    fn wanted_treatment(&self, id: CallId) -> Option<CallTreatment> {
        let call = self.calls.get(id)?;
        let extra = call.extra.as_ref();
        let chosen = extra.and_then(|extra| extra.treatment);
        let state = call.state.kind();
        if matches!(state, StateKind::Offering | StateKind::Accepted) {
            return chosen.filter(|_| extra.is_some_and(|extra| extra.early.is_some()));
        }
        let held =
            matches!(state, StateKind::OnHold | StateKind::OnHoldPendingTransfer) && call.leg.is_some();
        if !held && self.part_of(id) != Some(MixPart::Away) {
            return None;
        }
        let music = self.line(call.line).is_some_and(|line| line.account.profile.hold_music);
        chosen.or(music.then_some(CallTreatment::Music))
    }

    /// Answers the offer of an unanswered call in a 183, so that its caller hears what we choose (RFC 3960 3.2): where the
    /// profile has it so, and once.
    fn early_audio(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get(id) else { return };
        let line_id = call.line;
        let wanted = self.line(line_id).is_some_and(|line| line.account.profile.early_treatment);
        let offered = matches!(call.state.kind(), StateKind::Offering | StateKind::Accepted)
            && call.media.state() == OfferAnswer::RemoteOffer;
        let (Some(leg), true) = (call.leg, wanted && offered) else { return };
        // An offer that cannot be answered is the answer's to refuse.
        let mut media = call.media.clone();
        let (Some(port), Some(capabilities)) = (self.port(id), self.line_media(id)) else { return };
        let Ok((sdp, parameters)) = media.answer(&capabilities, port.rtp, Direction::SendRecv) else {
            return;
        };
        let contact = self.contact_of(line_id);
        if self.ua.ring(now, &mut self.layer, leg, 183, &contact, Some(&sdp)).is_err() {
            return;
        }
        let Some(call) = self.calls.get_mut(id) else { return };
        call.media = media;
        call.alerted = true;
        call.extra().early = Some(sdp.into());
        self.start_stream(id);
        self.configure(id, parameters);
        self.note_media(now, id, "early media");
    }
}
