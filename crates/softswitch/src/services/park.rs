//! Parking and retrieving.
//!
//! A call is parked by sending the other party to an orbit: by REFER, which any phone can do, or by a redirection. A call to a
//! free orbit is parked if we have seen that happen, or if the caller itself is named by its `Referred-By` or holds the
//! reservation: what a caller says of others proves nothing. Anybody else who calls a free orbit comes too late to retrieve, and
//! gets 404. Calling an occupied orbit retrieves what is parked there; whoever is sent to one gets 486, so that no two strangers
//! are connected. After a while the parker is rung back, marked by `Alert-Info: <urn:alert:service:recall:hold>` (RFC 7462).

use super::Services;
use super::codes::OrbitNo;
use super::description::Face;
use super::join::{AnswerTo, Joining, Stage};
use super::member::{Member, Role, session_of, takes_update};
use super::orbits::{MOST_OWN, Parking, Slot};
use crate::calls::Party;
use crate::core::{Core, Timer};
use crate::event::Event;
use crate::location::UserId;
use crate::own::user_of;
use crate::proxy::Diverted;
use crate::referrals::Goal;
use hookswitch_machine::{Flow, Time};
use hookswitch_media::control::Source;
use hookswitch_sip::message::{Message, Name, NameAddr, Quoted, Uri};
use hookswitch_sip::refer::{ReferredBy, Replaces};
use hookswitch_sip::ua::{Invitation, LegId};
use std::sync::Arc;

/// What marks a call that rings its parker back.
const RECALL: &str = "Alert-Info: <urn:alert:service:recall:hold>\r\n";
/// Why the parker's other phones are cancelled.
const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

impl Services {
    /// `park` was called: the answer says which orbit is free, and keeps it for a while.
    pub(super) fn reserve(&mut self, core: &mut Core, now: Time, leg: LegId, flow: Flow, message: &Message) {
        let by = core.locations.find(&user_of(&message.from()));
        let Some(by) = by.filter(|_| self.open) else {
            return self.refuse(core, now, leg, flow, message, 503);
        };
        let free = self.orbits.free(self.codes.orbits()).filter(|_| !self.orbits.has_enough(by));
        let Some(orbit) = free else { return self.refuse(core, now, leg, flow, message, 486) };
        let timer = core.timers.set_after(now, self.features.reserved, Timer::Orbit(orbit));
        self.orbits.slots.insert(orbit, Slot::Reserved { by, timer });
        let contact = format!("Contact: <sip:{orbit}@{}>\r\n", core.own.domain());
        // Who is gone does not park; the reservation ends by itself.
        let _ = self.agent.reject(now, &mut core.layer, leg, 302, format_args!("{contact}"));
    }

    /// An orbit was called.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn orbit_called(
        &mut self,
        core: &mut Core,
        now: Time,
        leg: LegId,
        flow: Flow,
        message: &Message,
        orbit: OrbitNo,
        diverted: Option<&Diverted>,
    ) {
        if !self.has_room(core) {
            return self.refuse(core, now, leg, flow, message, 486);
        }
        // Its From was checked.
        let caller = core.locations.find(&user_of(&message.from()));
        let claimed = referrer(core, message);
        let goal = Goal::Orbit(orbit);
        let sent = caller.and_then(|caller| core.referrals.sent_by(now, caller, &goal));
        if let Some(caller) = caller {
            core.referrals.followed(caller, &goal);
        }
        let by_itself = claimed.flatten().filter(|parker| Some(*parker) == caller);
        let proven = diverted.map_or(sent.or(by_itself), |diverted| diverted.by);
        let is_sent = diverted.is_some() || claimed.is_some() || sent.is_some();
        let parker = match self.orbits.slots.get(&orbit) {
            // Whoever is sent here is to be parked, not to talk with whom another has parked.
            Some(Slot::Occupied(_)) if is_sent => return self.refuse(core, now, leg, flow, message, 486),
            Some(Slot::Occupied(_)) => return self.retrieve(core, now, leg, flow, message, orbit),
            Some(Slot::Reserved { by, .. }) if proven.or(caller) == Some(*by) => *by,
            // Somebody was promised the orbit.
            Some(Slot::Reserved { .. }) if is_sent => return self.refuse(core, now, leg, flow, message, 486),
            Some(Slot::Reserved { .. }) => return self.refuse(core, now, leg, flow, message, 404),
            None => match proven {
                Some(parker) => parker,
                None => return self.refuse(core, now, leg, flow, message, 404),
            },
        };
        if Some(parker) == caller && self.parked_by_itself(parker) >= MOST_OWN {
            return self.refuse(core, now, leg, flow, message, 486);
        }
        self.park(core, now, leg, flow, message, orbit, parker);
    }

    /// In how many orbits a user is parked by itself.
    fn parked_by_itself(&self, user: UserId) -> usize {
        let own = |slot: &&Slot| match slot {
            Slot::Occupied(parking) if parking.parker == user => {
                self.members.get(&parking.leg).is_some_and(|member| member.party.user == Some(user))
            }
            Slot::Occupied(_) | Slot::Reserved { .. } => false,
        };
        self.orbits.slots.values().filter(own).count()
    }

    #[allow(clippy::too_many_arguments)]
    fn park(
        &mut self,
        core: &mut Core,
        now: Time,
        leg: LegId,
        flow: Flow,
        message: &Message,
        orbit: OrbitNo,
        parker: UserId,
    ) {
        let name = orbit.to_string();
        let member = self.parked(core, flow, message, orbit);
        self.members.insert(leg, member);
        if !self.answer(core, now, leg, flow, message, Source::Music, &name) {
            self.members.remove(&leg);
            return;
        }
        if let Some(Slot::Reserved { timer, .. }) = self.orbits.slots.remove(&orbit) {
            core.timers.cancel(timer);
        }
        let until = now + self.features.longest_park;
        let timer = self.next_look(core, now, orbit, until);
        let parking = Parking { leg, parker, until, timer, taker: None, recalls: Vec::new() };
        self.orbits.slots.insert(orbit, Slot::Occupied(parking));
    }

    fn parked(&self, core: &Core, flow: Flow, message: &Message, orbit: OrbitNo) -> Member {
        Member {
            role: Role::Parked(orbit),
            contact: self.contact(core, flow, message),
            flow,
            face: Face::of(message.body()),
            party: core.sender(message),
            call_id: message.call_id().into(),
            takes_update: takes_update(message),
            introduced: false,
            session: session_of(message),
            known: None,
        }
    }

    /// An occupied orbit was called.
    fn retrieve(
        &mut self,
        core: &mut Core,
        now: Time,
        leg: LegId,
        flow: Flow,
        message: &Message,
        orbit: OrbitNo,
    ) {
        let Some(parking) = self.orbits.parking(orbit) else { return };
        let parked = parking.leg;
        if parking.taker.is_some() || self.joins.contains_key(&parked) {
            // The first one gets it.
            return self.refuse(core, now, leg, flow, message, 486);
        }
        parking.taker = Some(leg);
        self.join_in(core, leg, flow, message, &orbit.to_string(), Role::Taking(orbit));
        self.take(core, now, leg, parked, message.body());
    }

    /// Connects the leg of an INVITE, with this offer or none, with a leg that is there.
    fn take(&mut self, core: &mut Core, now: Time, leg: LegId, there: LegId, offer: &[u8]) {
        if !offer.is_empty() {
            return self.carry(core, now, there, offer, AnswerTo::Invite(leg));
        }
        // It gets what the other one said last as our offer; its answer goes there.
        let theirs = self.members.get(&there).map(|member| member.face.theirs().clone()).unwrap_or_default();
        self.accept_with(core, now, leg, &theirs, AnswerTo::Offer(there));
    }

    /// Answers an INVITE without offer by another's description; what comes in the ACK is the answer.
    pub(super) fn accept_with(
        &mut self,
        core: &mut Core,
        now: Time,
        leg: LegId,
        description: &[u8],
        answer_to: AnswerTo,
    ) {
        let Some(member) = self.members.get_mut(&leg) else { return };
        let sdp = member.face.offer(description, &mut core.entropy);
        let contact = Arc::clone(&member.contact);
        match self.agent.accept(now, &mut core.layer, leg, contact, None, &sdp) {
            Ok(()) => drop(self.joins.insert(leg, Joining { answer_to, stage: Stage::Accepted })),
            Err(_) => self.hang_up(core, now, leg),
        }
    }

    /// An INVITE is to take the place of a leg of ours (RFC 3891): of one that is parked, or talks with another.
    pub(super) fn replace(
        &mut self,
        core: &mut Core,
        now: Time,
        leg: LegId,
        flow: Flow,
        message: &Message,
        other: LegId,
    ) {
        let Some(member) = self.members.get(&other).filter(|_| self.has_room(core)) else {
            return self.refuse(core, now, leg, flow, message, 486);
        };
        match &member.role {
            Role::Parked(orbit) => {
                let orbit = *orbit;
                let parker = sent_by(core, now, message);
                self.park_instead(core, now, leg, flow, message, orbit, parker);
            }
            Role::Bridged(bridge) => {
                let partner = bridge.other;
                if self.joins.contains_key(&partner) {
                    return self.refuse(core, now, leg, flow, message, 486);
                }
                self.join_in(core, leg, flow, message, "", Role::Replacing(other));
                self.take(core, now, leg, partner, message.body());
            }
            Role::Taking(_) | Role::Recalled(_) | Role::Replacing(_) | Role::Picking(_) => {
                self.refuse(core, now, leg, flow, message, 481);
            }
        }
    }

    /// Another leg is parked in the place of one, as by a transfer with consultation.
    #[allow(clippy::too_many_arguments)]
    fn park_instead(
        &mut self,
        core: &mut Core,
        now: Time,
        leg: LegId,
        flow: Flow,
        message: &Message,
        orbit: OrbitNo,
        parker: Option<UserId>,
    ) {
        let Some(parking) = self.orbits.parking(orbit) else { return };
        let (before, taken) = (parking.leg, parking.taker.is_some());
        if taken || self.joins.contains_key(&before) {
            return self.refuse(core, now, leg, flow, message, 486);
        }
        let member = self.parked(core, flow, message, orbit);
        self.members.insert(leg, member);
        if !self.answer(core, now, leg, flow, message, Source::Music, &orbit.to_string()) {
            self.members.remove(&leg);
            return;
        }
        if let Some(parking) = self.orbits.parking(orbit) {
            parking.leg = leg;
            parking.parker = parker.unwrap_or(parking.parker);
        }
        self.hang_up(core, now, before);
    }

    /// When something is to happen about a parked call: it is looked at again after a while, and in the end.
    fn next_look(
        &self,
        core: &mut Core,
        now: Time,
        orbit: OrbitNo,
        until: Time,
    ) -> hookswitch_machine::TimerKey {
        let next = (now + self.features.recall_after).min(until);
        core.timers.set(next, Timer::Orbit(orbit))
    }

    /// A reservation is over, or it is time to look at a parked call.
    pub(crate) fn orbit_due(&mut self, core: &mut Core, now: Time, orbit: OrbitNo) {
        let parking = match self.orbits.slots.get_mut(&orbit) {
            Some(Slot::Reserved { .. }) => return drop(self.orbits.slots.remove(&orbit)),
            Some(Slot::Occupied(parking)) => parking,
            None => return,
        };
        let (leg, parker, until, taken) =
            (parking.leg, parking.parker, parking.until, parking.taker.is_some());
        let recalls = std::mem::take(&mut parking.recalls);
        let was_ringing = !recalls.is_empty();
        for recall in recalls {
            // Nobody came.
            self.hang_up(core, now, recall);
        }
        if now >= until && !taken {
            // The timer is spent; what it stands for goes with the leg.
            return self.hang_up(core, now, leg);
        }
        let rang = !taken && !was_ringing && self.ring_back(core, now, orbit, leg, parker);
        let timer = if rang {
            let at = (now + self.features.recall_rings).min(until);
            core.timers.set(at, Timer::Orbit(orbit))
        } else {
            self.next_look(core, now, orbit, until.max(now + self.features.recall_rings))
        };
        if let Some(parking) = self.orbits.parking(orbit) {
            parking.timer = timer;
        }
    }

    /// Rings all phones of the parker; false if there is none. Their 200 brings the offer.
    fn ring_back(
        &mut self,
        core: &mut Core,
        now: Time,
        orbit: OrbitNo,
        parked: LegId,
        parker: UserId,
    ) -> bool {
        let Some(member) = self.members.get(&parked) else { return false };
        let shown = member.party.display.clone().or_else(|| {
            let uri = Uri::parse(&member.party.uri).ok()?;
            uri.user_unescaped().map(|user| user.into_owned().into())
        });
        let domain = core.own.domain();
        let from = format!("{} <sip:{orbit}@{domain}>", Quoted(&shown.unwrap_or_default()));
        let to = format!("<sip:{}@{domain}>", core.locations.name(parker));
        let phones: Vec<(Box<str>, Flow)> =
            core.locations.bindings(parker).iter().map(|b| (b.contact.clone(), b.flow)).collect();
        let mut rung = false;
        for (uri, flow) in phones {
            if !self.has_room(core) {
                break;
            }
            let contact: Arc<str> = core.own.uri(flow.endpoint, &orbit.to_string()).into();
            let invitation = Invitation {
                flow,
                account: None,
                uri: &uri,
                from: &from,
                to: &to,
                contact: Arc::clone(&contact),
                fields: RECALL,
                offer: None,
            };
            let Ok(leg) = self.agent.invite(now, &mut core.layer, &invitation) else { continue };
            let party = NameAddr::parse(&to).map(|to| Party::of(&to, Some(parker)));
            let Ok(mut party) = party else { continue };
            party.target = uri;
            let call_id = format!("recall-{orbit}-{}", now.as_millis());
            core.tell(Event::CallStarted {
                call_id: call_id.clone(),
                from: orbit.to_string(),
                to: core.locations.name(parker).to_owned(),
            });
            let (role, face) = (Role::Recalled(orbit), Face::default());
            let call_id = call_id.into();
            let (takes_update, introduced, session, known) = (false, false, None, None);
            let member = Member {
                role,
                contact,
                flow,
                face,
                party,
                call_id,
                takes_update,
                introduced,
                session,
                known,
            };
            self.members.insert(leg, member);
            if let Some(parking) = self.orbits.parking(orbit) {
                parking.recalls.push(leg);
            }
            rung = true;
        }
        rung
    }

    /// A 2xx to an INVITE of ours: the parker is there.
    pub(super) fn answered(&mut self, core: &mut Core, now: Time, leg: LegId, message: &Message) {
        let Some(member) = self.members.get_mut(&leg) else { return self.hang_up(core, now, leg) };
        let Role::Recalled(orbit) = member.role else { return self.hang_up(core, now, leg) };
        member.face.heard(message.body());
        member.takes_update = takes_update(message);
        member.session = session_of(message);
        let Some(parking) = self.orbits.parking(orbit) else { return self.hang_up(core, now, leg) };
        let (parked, taken) = (parking.leg, parking.taker.is_some());
        if taken || message.body().is_empty() || self.joins.contains_key(&parked) {
            return self.hang_up(core, now, leg);
        }
        parking.taker = Some(leg);
        let others: Vec<LegId> = parking.recalls.iter().copied().filter(|other| *other != leg).collect();
        parking.recalls.clear();
        for other in others {
            self.cancel(core, now, other);
        }
        self.carry(core, now, parked, message.body(), AnswerTo::Ack(leg));
    }

    /// Cancels a phone that rings, because somebody answered elsewhere.
    fn cancel(&mut self, core: &mut Core, now: Time, leg: LegId) {
        // A leg that is gone needs no end.
        let _ = self.agent.hang_up(now, &mut core.layer, leg, Some(ELSEWHERE));
        self.gone(core, now, leg);
    }

    /// Who was to take a parked call is gone.
    pub(super) fn taker_gone(&mut self, core: &mut Core, now: Time, orbit: OrbitNo, leg: LegId) {
        let Some(parking) = self.orbits.parking(orbit) else { return };
        parking.recalls.retain(|recall| *recall != leg);
        if parking.taker != Some(leg) {
            return;
        }
        parking.taker = None;
        let (parked, over) = (parking.leg, now >= parking.until);
        self.withdraw(parked);
        if over {
            self.hang_up(core, now, parked);
        }
    }

    /// Who was parked is gone: the orbit is free, and nobody can have the call any more.
    pub(super) fn vacate(&mut self, core: &mut Core, now: Time, orbit: OrbitNo, leg: LegId) {
        if self.orbits.parking(orbit).is_none_or(|parking| parking.leg != leg) {
            return;
        }
        let Some(Slot::Occupied(parking)) = self.orbits.slots.remove(&orbit) else { return };
        core.timers.cancel(parking.timer);
        for other in parking.recalls {
            self.hang_up(core, now, other);
        }
        if let Some(taker) = parking.taker {
            self.dismiss(core, now, taker, 480);
        }
    }

    /// A parked call was retrieved by `leg`, or is `leg`: the orbit is free.
    pub(super) fn empty(&mut self, core: &mut Core, now: Time, orbit: OrbitNo, leg: LegId) {
        let Some(parking) = self.orbits.parking(orbit) else { return };
        if parking.leg != leg && parking.taker != Some(leg) {
            return;
        }
        let Some(Slot::Occupied(parking)) = self.orbits.slots.remove(&orbit) else { return };
        core.timers.cancel(parking.timer);
        for other in parking.recalls.into_iter().filter(|other| *other != leg) {
            self.cancel(core, now, other);
        }
    }
}

/// Who gave the caller its place in a call, if we have seen that.
fn sent_by(core: &mut Core, now: Time, message: &Message) -> Option<UserId> {
    let caller = core.locations.find(&user_of(&message.from()))?;
    let replaces = Replaces::parse(message.header(Name::Replaces)?).ok()?;
    core.referrals.sent_by(now, caller, &Goal::Call(Replaces { early_only: false, ..replaces }))
}

/// Who sent the caller here, if the request says so: a user of ours or not.
fn referrer(core: &Core, message: &Message) -> Option<Option<UserId>> {
    let value = message.header(Name::ReferredBy)?;
    let by = ReferredBy::parse(value).ok();
    let by = by.as_ref().and_then(|by| Uri::parse(&by.uri).ok()).filter(|uri| core.own.is_home(uri));
    Some(by.and_then(|uri| core.locations.find(&uri.user_unescaped()?)))
}
