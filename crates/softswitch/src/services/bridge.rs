//! Two legs that talk with one another: what one says is passed on to the other, and the end of one is the end of both.

use super::Services;
use super::member::{Asking, Bridge, Passed, Role, clean};
use crate::core::{Core, Timer};
use hookswitch_machine::{Flow, Time};
use hookswitch_sip::message::{Message, Method, Name};
use hookswitch_sip::transaction::{ClientId, ServerId};
use hookswitch_sip::ua::{Failure, LegError, LegId};
use std::fmt::Write;

/// Requests of one leg that may wait for the other at a time.
const MOST_PASSED: usize = 8;
/// The header fields that are passed on with a request.
const FIELDS: [Name<'static>; 9] = [
    Name::ReferTo,
    Name::ReferredBy,
    Name::ReferSub,
    Name::Event,
    Name::SubscriptionState,
    Name::InfoPackage,
    Name::ContentDisposition,
    Name::UserToUser,
    Name::SessionId,
];

impl Services {
    /// The leg that this one talks with.
    pub(super) fn partner(&self, leg: LegId) -> Option<LegId> {
        match &self.members.get(&leg)?.role {
            Role::Bridged(bridge) => Some(bridge.other),
            Role::Parked(_) | Role::Taking(_) | Role::Recalled(_) | Role::Replacing(_) | Role::Picking(_) => {
                None
            }
        }
    }

    pub(super) fn is_bridged(&self, leg: LegId) -> bool {
        self.partner(leg).is_some()
    }

    fn bridge(&mut self, leg: LegId) -> Option<&mut Bridge> {
        match &mut self.members.get_mut(&leg)?.role {
            Role::Bridged(bridge) => Some(bridge),
            Role::Parked(_) | Role::Taking(_) | Role::Recalled(_) | Role::Replacing(_) | Role::Picking(_) => {
                None
            }
        }
    }

    /// A leg wants to change something about its media.
    pub(super) fn asks(&mut self, leg: LegId, asking: Asking) {
        if let Some(bridge) = self.bridge(leg) {
            bridge.asking = asking;
        }
    }

    /// A re-INVITE or UPDATE of one leg goes to the other.
    pub(super) fn pass_offer(&mut self, core: &mut Core, now: Time, leg: LegId, message: &Message) {
        let Some(other) = self.partner(leg) else { return };
        if let Some(member) = self.members.get_mut(&leg) {
            member.face.heard(message.body());
        }
        if message.body().is_empty() {
            return self.offer_last(core, now, leg, other);
        }
        match self.reoffer(core, now, leg, other) {
            Ok(()) => self.asks(leg, Asking::Offered),
            Err(error) => {
                // RFC 3261 14.2: offers that cross are for the two of them to settle.
                let status = if error == LegError::OfferPending { 491 } else { 500 };
                let _ = self.agent.refuse_offer(now, &mut core.layer, leg, status, "");
            }
        }
    }

    /// Offers one leg what the other said last.
    fn reoffer(&mut self, core: &mut Core, now: Time, from: LegId, to: LegId) -> Result<(), LegError> {
        let theirs = self.members.get(&from).map(|member| member.face.theirs().clone()).unwrap_or_default();
        let member = self.members.get_mut(&to).ok_or(LegError::Gone)?;
        let sdp = member.face.offer(&theirs, &mut core.entropy);
        self.agent.offer(now, &mut core.layer, to, &sdp)
    }

    /// A leg wants an offer: it gets what the other said last, and its answer goes there as an offer.
    fn offer_last(&mut self, core: &mut Core, now: Time, leg: LegId, other: LegId) {
        let theirs = self.members.get(&other).map(|member| member.face.theirs().clone()).unwrap_or_default();
        let Some(member) = self.members.get_mut(&leg) else { return };
        let sdp = member.face.offer(&theirs, &mut core.entropy);
        if self.agent.answer_offer(now, &mut core.layer, leg, Some(&sdp)).is_ok() {
            self.asks(leg, Asking::Wanted);
        }
    }

    /// The ACK with the answer to what [`offer_last`](Self::offer_last) offered.
    pub(super) fn pass_late_answer(&mut self, core: &mut Core, now: Time, leg: LegId, message: &Message) {
        let Some(bridge) = self.bridge(leg) else { return };
        let other = bridge.other;
        if bridge.asking != Asking::Wanted {
            return;
        }
        bridge.asking = Asking::Nothing;
        if message.body().is_empty() {
            return;
        }
        if let Some(member) = self.members.get_mut(&leg) {
            member.face.heard(message.body());
        }
        // If the other one is just offering something itself, that will be answered by this leg and is newer.
        let _ = self.reoffer(core, now, leg, other);
    }

    /// A leg answered what the other offered.
    pub(super) fn pass_answer(&mut self, core: &mut Core, now: Time, leg: LegId, message: &Message) {
        let Some(other) = self.partner(leg) else { return };
        if let Some(member) = self.members.get_mut(&leg) {
            member.face.heard(message.body());
        }
        let Some(bridge) = self.bridge(other) else { return };
        match std::mem::replace(&mut bridge.asking, Asking::Nothing) {
            Asking::Offered => {}
            Asking::First | Asking::Nothing => return,
            // Its ACK is still to come.
            Asking::Wanted => return bridge.asking = Asking::Wanted,
        }
        let Some(member) = self.members.get_mut(&other) else { return };
        let sdp = member.face.answer(message.body(), &mut core.entropy);
        // It may have cancelled.
        let _ = self.agent.answer_offer(now, &mut core.layer, other, Some(&sdp));
    }

    /// A leg refused what the other offered.
    pub(super) fn pass_refusal(&mut self, core: &mut Core, now: Time, leg: LegId, failure: Failure) {
        let Some(other) = self.partner(leg) else { return };
        let Some(bridge) = self.bridge(other) else { return };
        match std::mem::replace(&mut bridge.asking, Asking::Nothing) {
            Asking::Offered => {
                let _ = self.agent.refuse_offer(now, &mut core.layer, other, failure.status(), "");
            }
            // They have no media in common: there is no call.
            Asking::First => self.hang_up(core, now, other),
            Asking::Nothing => {}
            Asking::Wanted => bridge.asking = Asking::Wanted,
        }
    }

    /// A request of one leg goes to the other; false if there is no other.
    pub(super) fn pass_request(
        &mut self,
        core: &mut Core,
        now: Time,
        leg: LegId,
        server: ServerId,
        flow: Flow,
        message: &Message,
    ) -> bool {
        let Some(bridge) = self.bridge(leg) else { return false };
        let (other, full) = (bridge.other, bridge.requests.len() >= MOST_PASSED);
        let passed =
            matches!(message.method(), Method::Info | Method::Refer | Method::Notify | Method::Message);
        if !passed || full {
            let status = if full { 500 } else { 405 };
            self.agent.respond(now, &mut core.layer, server, flow, message, status, format_args!(""));
            return true;
        }
        if message.method() == Method::Refer {
            self.refer_passes(core, now, leg, other, flow, message);
        }
        let mut fields = String::new();
        for name in FIELDS {
            if let Some(value) = message.header(name) {
                // A REFER has another number here (RFC 3515 2.4.6), and there is hardly ever more than one.
                let refer = matches!(name, Name::Event) && value.starts_with("refer;");
                let value = if refer { "refer" } else { value };
                // Writing to a String cannot fail.
                let _ = write!(fields, "{name}: {}\r\n", clean(value));
            }
        }
        let kind = message.content_type().unwrap_or("application/octet-stream");
        let body = (!message.body().is_empty()).then_some((kind, message.body()));
        match self.agent.send_within(now, &mut core.layer, other, message.method(), &fields, body) {
            Ok(client) => {
                // Copied, so that the buffer of the packet is free again.
                let request = hookswitch_sip::message::Message::parse(
                    bytes::Bytes::copy_from_slice(message.bytes()),
                    &Default::default(),
                );
                if let (Ok(request), Some(bridge)) = (request, self.bridge(leg)) {
                    bridge.requests.push(Passed { client, server, flow, request: Box::new(request) });
                }
            }
            Err(_) => {
                self.agent.respond(now, &mut core.layer, server, flow, message, 480, format_args!(""));
            }
        }
        true
    }

    /// A REFER of one leg goes to the other. As everywhere, it counts if it came on a path of its sender's.
    fn refer_passes(&self, core: &mut Core, now: Time, from: LegId, to: LegId, flow: Flow, refer: &Message) {
        let (Some(from), Some(to)) = (self.members.get(&from), self.members.get(&to)) else { return };
        let (Some(by), Some(whom)) = (from.party.user, to.party.user) else { return };
        if flow == from.flow || core.locations.is_path_of(by, flow) {
            core.referred(now, by, whom, refer, |user| self.find(user));
        }
    }

    /// The answer to a request that was passed on to this leg.
    pub(super) fn pass_response(
        &mut self,
        core: &mut Core,
        now: Time,
        leg: LegId,
        client: ClientId,
        failure: Failure,
    ) {
        let Some(bridge) = self.partner(leg).and_then(|other| self.bridge(other)) else { return };
        let Some(at) = bridge.requests.iter().position(|passed| passed.client == client) else { return };
        let Passed { server, flow, request, .. } = bridge.requests.swap_remove(at);
        let status = failure.status();
        self.agent.respond(now, &mut core.layer, server, flow, &request, status, format_args!(""));
    }

    /// Asks both legs whether they are there: one that has forgotten the call says so, or nothing (RFC 5057 5.1).
    pub(crate) fn probe(&mut self, core: &mut Core, now: Time, leg: LegId) {
        let Some(other) = self.partner(leg) else { return };
        let timer = core.timers.set_after(now, core.limits.probe, Timer::Probe(leg));
        if let Some(bridge) = self.bridge(leg) {
            bridge.probe = Some(timer);
        }
        for leg in [leg, other] {
            // One that is just ending will be gone soon.
            let _ = self.agent.send_within(now, &mut core.layer, leg, Method::Options, "", None);
        }
    }
}
