//! INVITEs that take the place of a session of ours (RFC 3891): somebody transferred the other side of a call, or picked up the
//! call that we make. For applications it stays the same call with another party.

use crate::core::Core;
use crate::inbound::refusal;
use hookswitch_machine::Time;
use hookswitch_media::control::Direction;
use hookswitch_media::negotiate::{MediaSession, NegotiateError, OfferAnswer};
use hookswitch_sip::message::Message;
use hookswitch_sip::ua::LegId;
use hookswitch_spi::{CallId, CallState, InfoParts, LineId, Party, Reason, StateKind};

impl Core {
    /// An INVITE that wants the place of a session of ours: taken without a question if that is of a call of this line.
    pub(crate) fn replaced(
        &mut self,
        now: Time,
        leg: LegId,
        line: LineId,
        old: LegId,
        caller: Party,
        message: &Message,
    ) {
        let found = self.replaced_call(line, old).map_err(|status| (status, String::new()));
        let result = found.and_then(|id| self.take_place(now, leg, line, id, message).map(|()| id));
        match result {
            Ok(id) => self.other_party(id, caller),
            Err((status, fields)) => self.refuse(now, leg, status, &fields),
        }
    }

    /// The call whose session is meant, or the status of the refusal.
    fn replaced_call(&self, line: LineId, old: LegId) -> Result<CallId, u16> {
        let id = self.call_by_leg(old).ok_or(481_u16)?;
        let call = self.calls.get(id).ok_or(481_u16)?;
        if call.leg != Some(old) || call.line != line {
            return Err(481);
        }
        if call.is_leaving() || call.bridge().is_some() { Err(491) } else { Ok(id) }
    }

    /// Answers the INVITE and puts its session into the call.
    fn take_place(
        &mut self,
        now: Time,
        leg: LegId,
        line: LineId,
        id: CallId,
        message: &Message,
    ) -> Result<(), (u16, String)> {
        let mut media = MediaSession::new(self.entropy.next_u64());
        let types = self.offered_types(line, &mut media, message)?;
        let rtp = self.port(id).ok_or((503, String::new()))?.rtp;
        let capabilities = self.line_media(id).ok_or((480, String::new()))?;
        let call = self.calls.get(id).ok_or((481, String::new()))?;
        let answered = call.media.parameters().is_some();
        let wanted = if answered { call.media.wanted() } else { Direction::SendRecv };
        let failed = |error: NegotiateError| refusal(&error);
        let (sdp, parameters) = if media.state() == OfferAnswer::RemoteOffer {
            let (sdp, parameters) = media.answer(&capabilities, rtp, wanted).map_err(failed)?;
            (sdp, Some(parameters))
        } else {
            (media.offer(&capabilities, rtp, wanted).map_err(failed)?, None)
        };
        let contact = self.contact_of(line);
        let credentials = self.line(line).map(|line| line.credentials);
        let accepted = self.ua.accept(now, &mut self.layer, leg, contact, credentials, &sdp);
        if accepted.is_err() {
            // The INVITE was cancelled meanwhile; the call is as it was.
            return Err((487, String::new()));
        }
        // Of a call that we make, this is the answer.
        self.proceeding(id);
        self.fetched(id);
        self.abandon_referral(now, id);
        let Some(call) = self.calls.get_mut(id) else { return Ok(()) };
        let (old, timer) = (call.leg.replace(leg), call.timer.take());
        call.last_leg = Some(leg);
        call.media = media;
        call.media_types = types;
        let holds = matches!(
            call.state.kind(),
            StateKind::OnHold
                | StateKind::OnHoldPendingTransfer
                | StateKind::OnHoldPendingConference
                | StateKind::Conferenced
        );
        self.by_leg.insert(leg, id);
        if let Some(timer) = timer {
            self.timers.cancel(timer);
        }
        self.leg_changed(id);
        self.note_session(id, message);
        if let Some(old) = old {
            self.by_leg.remove(&old);
            // The agent has ended it; nothing more of it concerns the call.
            self.ua.abandon(now, &mut self.layer, old);
        }
        self.start_stream(id);
        if let Some(parameters) = parameters {
            self.configure(id, parameters);
        }
        if !holds {
            let mode = self.connected_mode(id);
            self.enter(id, CallState::Connected(mode));
        }
        Ok(())
    }

    /// The call has another party now.
    fn other_party(&mut self, id: CallId, party: Party) {
        let Some(call) = self.calls.get_mut(id) else { return };
        call.facts.connected = party;
        call.facts.reason = Reason::Transferred;
        self.changed(id, InfoParts::CONNECTED.union(InfoParts::REASON));
    }
}
