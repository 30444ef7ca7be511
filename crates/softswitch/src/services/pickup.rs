//! Picking up what rings elsewhere.
//!
//! The picker's own call is answered at once, with silence; then it gets the caller's offer in a re-INVITE, and its answer becomes the
//! 200 to the caller's INVITE, which the proxy gives away: the phones that ring are cancelled. So neither caller nor picker needs
//! to know anything but RFC 3261, and as long as the picker has not answered, nothing is lost for the phones that ring.

use super::Services;
use super::join::AnswerTo;
use super::member::{Bridge, Role};
use crate::calls::CallNo;
use crate::core::Core;
use crate::own::user_of;
use crate::reach::by_its_flow;
use hookswitch_machine::{Flow, Time};
use hookswitch_media::control::Source;
use hookswitch_sip::message::Message;
use hookswitch_sip::transaction::{Received, ServerId};
use hookswitch_sip::ua::{Indication, LegId};
use std::sync::Arc;

/// A call that rings.
#[derive(Debug)]
pub(crate) struct Ringing {
    pub(crate) call: CallNo,
    /// The caller's INVITE.
    pub(crate) server: ServerId,
    /// As it came.
    pub(crate) request: Message,
}

/// An INVITE that is wanted from the proxy, to be answered for a picker.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// The INVITE.
    pub(crate) server: ServerId,
    /// Who picks it up.
    pub(super) picker: LegId,
    /// The picker's description: the answer, or an offer where the INVITE has none.
    pub(super) answer: Vec<u8>,
}

impl Services {
    /// A user wants to pick up what rings.
    pub(crate) fn pick_up(
        &mut self,
        core: &mut Core,
        now: Time,
        server: ServerId,
        flow: Flow,
        message: &Message,
        ringing: &Ringing,
    ) {
        let reachable = by_its_flow(core, flow, message);
        let message = reachable.as_ref().unwrap_or(message);
        let leg = match self.agent.dispatch(now, &mut core.layer, Received::Request(server), flow, message) {
            Indication::Incoming(leg) => leg,
            other => return self.indicated(core, now, other, flow, Some(message)),
        };
        let (offer, wanted) = (ringing.request.body(), message.body());
        let claimed = core.calls.get_mut(ringing.call).filter(|call| !call.claimed);
        let Some(call) = claimed.filter(|_| self.has_room_for(core.limits.service_calls)) else {
            return self.refuse(core, now, leg, flow, message, 486);
        };
        if offer.is_empty() && wanted.is_empty() {
            // Somebody has to begin.
            return self.refuse(core, now, leg, flow, message, 488);
        }
        call.claimed = true;
        let to = user_of(&ringing.request.to());
        self.join_in(core, leg, flow, message, &to, Role::Picking(ringing.call));
        match (offer.is_empty(), wanted.is_empty()) {
            (false, true) => {
                self.accept_with(core, now, leg, offer, AnswerTo::Ringing(ringing.server));
            }
            (false, false) => self.pick_up_silent(core, now, leg, flow, message, ringing),
            (true, _) => {
                let wanted = Wanted { server: ringing.server, picker: leg, answer: wanted.to_vec() };
                self.wanted.push_back(wanted);
            }
        }
    }

    fn has_room_for(&self, most: usize) -> bool {
        self.open && self.members.len() + 1 < most
    }

    /// Answers the picker with silence, and brings it the caller's offer.
    fn pick_up_silent(
        &mut self,
        core: &mut Core,
        now: Time,
        leg: LegId,
        flow: Flow,
        message: &Message,
        ringing: &Ringing,
    ) {
        let user = message.uri().ok().and_then(|uri| uri.user().map(str::to_owned)).unwrap_or_default();
        if self.answer(core, now, leg, flow, message, Source::Silence, &user) {
            self.carry(core, now, leg, ringing.request.body(), AnswerTo::Ringing(ringing.server));
        } else {
            self.leave(core, now, leg);
        }
    }

    /// The next INVITE that is wanted from the proxy.
    pub(crate) fn wanted(&mut self) -> Option<Wanted> {
        self.wanted.pop_front()
    }

    /// The proxy gave the INVITE away, or could not, because it has an answer or is cancelled.
    pub(crate) fn given(
        &mut self,
        core: &mut Core,
        now: Time,
        wanted: &Wanted,
        given: Option<(Flow, Message)>,
    ) {
        let picker = wanted.picker;
        let Some((flow, request)) = given else { return self.dismiss(core, now, picker, 480) };
        let reachable = by_its_flow(core, flow, &request);
        let request = reachable.as_ref().unwrap_or(&request);
        let received = Received::Request(wanted.server);
        let leg = match self.agent.dispatch(now, &mut core.layer, received, flow, request) {
            Indication::Incoming(leg) => leg,
            other => {
                self.indicated(core, now, other, flow, Some(request));
                return self.dismiss(core, now, picker, 480);
            }
        };
        let to = self.members.get(&picker).map_or_else(String::new, |picker| picker.party.uri.to_string());
        let bridge = |other| Role::Bridged(Box::new(Bridge::to(other)));
        self.join_in(core, leg, flow, request, &to, bridge(picker));
        let Some(member) = self.members.get_mut(&picker) else { return self.dismiss(core, now, leg, 480) };
        member.role = bridge(leg);
        if request.body().is_empty() {
            return self.accept_with(core, now, leg, &wanted.answer, AnswerTo::Invite(picker));
        }
        let Some(member) = self.members.get_mut(&leg) else { return };
        let sdp = member.face.answer(&wanted.answer, &mut core.entropy);
        let contact = Arc::clone(&member.contact);
        match self.agent.accept(now, &mut core.layer, leg, contact, None, &sdp) {
            Ok(()) => self.connected(core, now, picker, leg),
            Err(_) => self.hang_up(core, now, leg),
        }
    }
}
