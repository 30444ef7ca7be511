//! Legs that are more than a call to an extension: what they are for, and what ends with them.

use super::Services;
use super::codes::OrbitNo;
use super::description::Face;
use super::join::{AnswerTo, Joining};
use crate::calls::{CallNo, CallState, Party};
use crate::core::{Core, Timer};
use crate::event::Event;
use crate::own::user_of;
use hookswitch_machine::{Flow, Time, TimerKey};
use hookswitch_sip::message::{Message, Method, Name, Quoted};
use hookswitch_sip::refer::Replaces;
use hookswitch_sip::transaction::{ClientId, ServerId};
use hookswitch_sip::ua::LegId;
use std::sync::Arc;

/// What a leg is for.
#[derive(Debug)]
pub(super) enum Role {
    /// It hears music in an orbit.
    Parked(OrbitNo),
    /// It called the orbit, and waits for the phone that is parked there.
    Taking(OrbitNo),
    /// It is the parker, who is rung back.
    Recalled(OrbitNo),
    /// It is to take the place of another leg (RFC 3891).
    Replacing(LegId),
    /// It picks up a call that still rings elsewhere.
    Picking(CallNo),
    /// It talks with another leg, or will.
    Bridged(Box<Bridge>),
}

/// One direction of two legs that talk with one another.
#[derive(Debug)]
pub(super) struct Bridge {
    pub(super) other: LegId,
    pub(super) asking: Asking,
    /// Its requests that the other leg is to answer.
    pub(super) requests: Vec<Passed>,
    /// When both are asked whether they are there; one of the two has it.
    pub(super) probe: Option<TimerKey>,
}

impl Bridge {
    pub(super) const fn to(other: LegId) -> Self {
        Self { other, asking: Asking::Nothing, requests: Vec::new(), probe: None }
    }
}

/// What a leg wants to change about its media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    Nothing,
    /// Its offer is with the other leg.
    Offered,
    /// Its answer to the other's description went there as an offer, by which the two first meet.
    First,
    /// It wanted an offer and got the other's last description; its ACK brings the answer.
    Wanted,
}

/// A request that was passed on.
#[derive(Debug)]
pub(super) struct Passed {
    pub(super) client: ClientId,
    pub(super) server: ServerId,
    pub(super) flow: Flow,
    pub(super) request: Box<Message>,
}

/// Stands for a session that nobody named (RFC 7989 5).
const NO_SESSION: &str = "00000000000000000000000000000000";

/// The sender's own part of the Session-ID.
pub(super) fn session_of(message: &Message) -> Option<Box<str>> {
    let own = message.header(Name::SessionId)?.split(';').next()?.trim();
    (own.len() == NO_SESSION.len() && own.bytes().all(|c| c.is_ascii_hexdigit())).then(|| own.into())
}

/// What may stand in a header field line.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Whether the sender of a message takes UPDATE.
pub(super) fn takes_update(message: &Message) -> bool {
    message.lists(Name::Allow, Method::Update.as_str())
}

/// A leg that is more than a call to an extension.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) role: Role,
    /// The URI in our Contact.
    pub(super) contact: Arc<str>,
    /// The path that its INVITE came on, or went on.
    pub(super) flow: Flow,
    pub(super) face: Face,
    /// Who it is.
    pub(super) party: Party,
    pub(super) call_id: Box<str>,
    /// It takes UPDATE (RFC 3311), so it can be told with whom it talks.
    pub(super) takes_update: bool,
    /// It has been.
    pub(super) introduced: bool,
    /// Its part of the Session-ID (RFC 7989).
    pub(super) session: Option<Box<str>>,
    /// As it is remembered for its user, once it is connected.
    pub(super) known: Option<CallNo>,
}

impl Services {
    /// Takes a leg in, whose INVITE came. Nothing has been said to it yet.
    pub(super) fn join_in(
        &mut self,
        core: &mut Core,
        leg: LegId,
        flow: Flow,
        invite: &Message,
        to: &str,
        role: Role,
    ) {
        let party = core.sender(invite);
        core.tell(Event::CallStarted {
            call_id: invite.call_id().to_owned(),
            from: user_of(&invite.from()),
            to: to.to_owned(),
        });
        let member = Member {
            role,
            contact: self.contact(core, flow, invite),
            flow,
            face: Face::of(invite.body()),
            party,
            call_id: invite.call_id().into(),
            takes_update: takes_update(invite),
            introduced: false,
            session: session_of(invite),
            known: None,
        };
        self.members.insert(leg, member);
    }

    /// Our Contact in a dialog: the user that was called, at the address that the call came to.
    pub(super) fn contact(&self, core: &Core, flow: Flow, invite: &Message) -> Arc<str> {
        let user = invite.uri().ok().and_then(|uri| uri.user().map(str::to_owned)).unwrap_or_default();
        core.own.uri(flow.endpoint, &user).into()
    }

    /// Refuses an INVITE, and tells the operator.
    pub(super) fn refuse(
        &mut self,
        core: &mut Core,
        now: Time,
        leg: LegId,
        flow: Flow,
        message: &Message,
        status: u16,
    ) {
        // A leg that is gone needs no answer.
        let _ = self.agent.reject(now, &mut core.layer, leg, status, format_args!(""));
        self.refused = status;
        let (method, from) = (message.method().to_string(), user_of(&message.from()));
        core.tell(Event::Refused { method, from, status, flow });
        self.gone(core, now, leg);
    }

    /// Ends a leg: with this status, if its INVITE still waits.
    pub(super) fn dismiss(&mut self, core: &mut Core, now: Time, leg: LegId, status: u16) {
        // One that is answered is hung up.
        let _ = self.agent.reject(now, &mut core.layer, leg, status, format_args!(""));
        self.hang_up(core, now, leg);
    }

    /// Whether there is room for one more member.
    pub(super) fn has_room(&self, core: &Core) -> bool {
        self.open && self.members.len() < core.limits.service_calls
    }

    /// A description of ours went to a leg.
    pub(super) fn said(&mut self, leg: LegId, sdp: &[u8]) {
        if let Some(member) = self.members.get_mut(&leg) {
            member.face.said(sdp);
        }
    }

    /// A description of ours for a leg that may have seen others: as part of the one session that it sees.
    pub(super) fn as_one(&mut self, core: &mut Core, leg: LegId, theirs: &[u8], sdp: Vec<u8>) -> Vec<u8> {
        match self.members.get_mut(&leg) {
            Some(member) if theirs.is_empty() => member.face.offer(&sdp, &mut core.entropy),
            Some(member) => {
                member.face.heard(theirs);
                member.face.answer(&sdp, &mut core.entropy)
            }
            None => sdp,
        }
    }

    /// Two legs were brought together: they hear us no more, and what they say is passed on. `one` has answered and is answered.
    pub(super) fn connected(&mut self, core: &mut Core, now: Time, one: LegId, other: LegId) {
        for leg in [one, other] {
            self.settle_role(core, now, leg);
            self.stop(core, leg);
        }
        let timer = core.timers.set_after(now, core.limits.probe, Timer::Probe(one));
        let mut probe = Some(timer);
        for (leg, partner) in [(one, other), (other, one)] {
            let known = self.know(core, now, leg, partner);
            let Some(member) = self.members.get_mut(&leg) else { continue };
            core.tell(Event::CallAnswered { call_id: member.call_id.to_string() });
            // It may have talked with somebody else before.
            member.introduced = false;
            std::mem::replace(&mut member.known, known).iter().for_each(|no| core.call_ends(*no));
            member.role = Role::Bridged(Box::new(Bridge { probe: probe.take(), ..Bridge::to(partner) }));
        }
        self.introduce(core, now, one);
    }

    /// Tells a leg with whom it talks (RFC 3325, RFC 5876 4.2), and which call that is (RFC 7989), once, if it can be told.
    pub(super) fn introduce(&mut self, core: &mut Core, now: Time, leg: LegId) {
        let Some(other) = self.partner(leg).and_then(|other| self.members.get(&other)) else { return };
        let display = other.party.display.as_deref();
        let name = display.map(|name| format!("{} ", Quoted(&clean(name)))).unwrap_or_default();
        let mut fields = format!("P-Asserted-Identity: {name}<{}>\r\n", other.party.uri);
        let session = other.session.clone();
        let Some(member) = self.members.get_mut(&leg).filter(|member| member.takes_update) else { return };
        if let Some(session) = session {
            // RFC 7989 7: to this phone we are the other one.
            let own = member.session.as_deref().unwrap_or(NO_SESSION);
            fields.push_str(&format!("Session-ID: {session};remote={own}\r\n"));
        }
        if !std::mem::replace(&mut member.introduced, true) {
            // One that is just ending need not know.
            let _ = self.agent.send_within(now, &mut core.layer, leg, Method::Update, &fields, None);
        }
    }

    /// Remembers the call that a leg has now, for its user's lamp.
    fn know(&self, core: &mut Core, now: Time, leg: LegId, partner: LegId) -> Option<CallNo> {
        let (member, other) = (self.members.get(&leg)?, self.members.get(&partner)?);
        let dialog = self.agent.dialog(leg)?;
        let mut us = other.party.clone();
        // The other one's lamp is about its own dialog.
        (us.user, us.tag, us.target) = (None, dialog.local_tag().into(), (*member.contact).into());
        let them = member.party.clone().tagged(dialog.remote_tag());
        let (caller, callee) = match dialog.role() {
            hookswitch_sip::dialog::Role::Server => (them, us),
            hookswitch_sip::dialog::Role::Client => (us, them),
        };
        core.call_begins(now, dialog.call_id(), caller, callee, CallState::Confirmed)
    }

    /// A leg leaves: what it was for comes to its end.
    pub(super) fn leave(&mut self, core: &mut Core, now: Time, leg: LegId) {
        if let Some(Joining { answer_to: AnswerTo::Invite(other) | AnswerTo::Ack(other), .. }) =
            self.joins.remove(&leg).filter(Joining::is_awaited)
        {
            // It waits for an answer that will not come.
            self.dismiss(core, now, other, 480);
        }
        let Some(member) = self.members.remove(&leg) else { return };
        member.known.iter().for_each(|no| core.call_ends(*no));
        core.tell(Event::CallEnded { call_id: member.call_id.into(), status: None });
        match member.role {
            Role::Parked(orbit) => self.vacate(core, now, orbit, leg),
            Role::Taking(orbit) | Role::Recalled(orbit) => self.taker_gone(core, now, orbit, leg),
            Role::Replacing(other) => {
                if let Some(partner) = self.partner(other) {
                    self.withdraw(partner);
                }
            }
            Role::Picking(call) => {
                if let Some(call) = core.calls.get_mut(call) {
                    call.claimed = false;
                }
            }
            Role::Bridged(bridge) => {
                let other = bridge.other;
                self.part(core, now, *bridge);
                self.hang_up(core, now, other);
            }
        }
    }

    /// What hung on two legs that talk with one another no more.
    fn part(&mut self, core: &mut Core, now: Time, bridge: Bridge) {
        if let Some(timer) = bridge.probe {
            core.timers.cancel(timer);
        }
        for Passed { server, flow, request, .. } in bridge.requests {
            self.agent.respond(now, &mut core.layer, server, flow, &request, 481, format_args!(""));
        }
    }

    /// What a leg was for is done, because it is connected now.
    fn settle_role(&mut self, core: &mut Core, now: Time, leg: LegId) {
        let Some(member) = self.members.get_mut(&leg) else { return };
        match &mut member.role {
            Role::Parked(orbit) | Role::Taking(orbit) | Role::Recalled(orbit) => {
                let orbit = *orbit;
                self.empty(core, now, orbit, leg);
            }
            Role::Replacing(other) => {
                let other = *other;
                let Some(old) = self.members.remove(&other) else { return };
                // Its partner goes on with another.
                old.known.iter().for_each(|no| core.call_ends(*no));
                core.tell(Event::CallEnded { call_id: old.call_id.into(), status: None });
                if let Role::Bridged(bridge) = old.role {
                    self.part(core, now, *bridge);
                }
                self.hang_up(core, now, other);
            }
            Role::Bridged(bridge) => {
                // Its partner changed, or has only now come.
                let bridge = std::mem::replace(&mut **bridge, Bridge::to(leg));
                self.part(core, now, bridge);
            }
            Role::Picking(_) => {}
        }
    }

    /// Whether an INVITE is to take the place of a leg of ours (RFC 3891).
    pub(crate) fn is_replaced(&self, invite: &Message) -> bool {
        let value = invite.header(Name::Replaces).filter(|_| invite.method() == Method::Invite);
        let replaces = value.and_then(|value| Replaces::parse(value).ok());
        replaces.is_some_and(|replaces| self.agent.own_leg(&replaces.to_tag).is_some())
    }
}
