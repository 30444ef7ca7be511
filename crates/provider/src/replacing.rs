//! INVITEs that take the place of a session of ours (RFC 3891): somebody transferred the other side of a call, or picked up the
//! call that we make. For applications it stays the same call with another party.

use crate::core::Core;
use crate::inbound::refusal;
use hookswitch_machine::Time;
use hookswitch_media::control::Direction;
use hookswitch_media::negotiate::{MediaSession, NegotiateError, OfferAnswer};
use hookswitch_sip::message::Message;
use hookswitch_sip::refer::Replaces;
use hookswitch_sip::ua::LegId;
use hookswitch_spi::{CallId, CallState, InfoParts, LineId, Party, Reason, StateKind};

/// What the picked-up side is told of its INVITE: somebody else has answered (RFC 3326 2).
const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

impl Core {
    /// An INVITE with Replaces: taken without a question if it names a session of a call of this line.
    pub(crate) fn replaced(
        &mut self,
        now: Time,
        leg: LegId,
        line: LineId,
        value: &str,
        caller: Party,
        message: &Message,
    ) {
        let found =
            Replaces::parse(value).map_err(|_| 400).and_then(|replaces| self.replaced_call(line, &replaces));
        let result = match found {
            Ok(id) => self.take_place(now, leg, line, id, message).map(|()| id),
            Err(status) => Err((status, String::new())),
        };
        match result {
            Ok(id) => self.other_party(id, caller),
            Err((status, fields)) => self.refuse(now, leg, status, &fields),
        }
    }

    /// The call whose session is meant, or the status of the refusal (RFC 3891 3).
    fn replaced_call(&self, line: LineId, replaces: &Replaces) -> Result<CallId, u16> {
        let old = self.ua.own_leg(&replaces.to_tag).ok_or(481_u16)?;
        let id = self.call_by_leg(old).ok_or(481_u16)?;
        let call =
            self.calls.get(id).filter(|call| call.leg == Some(old) && call.line == line).ok_or(481_u16)?;
        let dialog = self
            .ua
            .dialogs(old)
            .find(|dialog| dialog.call_id() == replaces.call_id && dialog.remote_tag() == replaces.from_tag);
        replaces.permits(dialog)?;
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
        if let Some(old) = old {
            self.by_leg.remove(&old);
            if !holds {
                // A CANCEL says where the call went; for a BYE it is as true.
                let _ = self.ua.hang_up(now, &mut self.layer, old, Some(ELSEWHERE));
            }
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
