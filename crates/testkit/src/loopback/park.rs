//! Calls that wait at an orbit, and calls that are taken from where they alert.

use super::agenda::Task;
use super::exchange::Loopback;
use super::faults::Fault;
use super::leg::{self, Leg, Other, Taken};
use super::line::user;
use super::stranger::{Noticed, PartyId};
use hookswitch_spi::{
    AddressId, CallId, CallState, Disconnect, DisconnectMode, EndedBy, LineId, LineState, MediaTypes,
    OperationError, Origin, Outcome, ParkAt, Party, PhysicalCallId, PickupFrom, Reason, RequestId,
};

/// The orbits that are given out.
const ORBITS: std::ops::Range<u32> = 701..800;
/// So many parties may be parked at a time.
const PARKED_MOST: usize = 256;

/// A party that waits at an orbit.
#[derive(Debug)]
pub(crate) struct Parked {
    pub(crate) orbit: String,
    pub(crate) other: Other,
    pub(crate) physical: PhysicalCallId,
    pub(crate) media: MediaTypes,
    /// Who called whom.
    parties: (Party, Party),
    /// Where it comes back to.
    from: (LineId, AddressId),
}

impl Loopback {
    pub(crate) fn park(&mut self, request: RequestId, call: CallId, at: &ParkAt) {
        let taken = |orbit: &str| self.orbits.values().any(|parked| parked.orbit == orbit);
        let orbit = match at {
            ParkAt::Orbit(orbit) => Some(orbit.clone()).filter(|orbit| !taken(orbit)),
            ParkAt::Anywhere => ORBITS.map(|orbit| orbit.to_string()).find(|orbit| !taken(orbit)),
        };
        let Some(orbit) = orbit.filter(|_| self.orbits.len() < PARKED_MOST) else {
            let reason = "the orbit is taken".into();
            return self.complete(request, Err(OperationError::Refused { status: 486, reason }));
        };
        let Some(leg) = self.legs.get(&call) else { return };
        let parked = Parked {
            orbit: orbit.clone(),
            other: Other::Nobody,
            physical: leg.info.physical,
            media: leg.info.media,
            parties: (leg.info.caller.clone(), leg.info.called.clone()),
            from: (leg.line, leg.address),
        };
        let number = u32::try_from(self.mint()).unwrap_or(u32::MAX);
        self.orbits.insert(number, parked);
        let other = self.unlink(Other::Leg(call));
        self.link(Other::Orbit(number), other);
        if let Other::Leg(other) = other {
            self.refresh(other);
        }
        self.complete(request, Ok(Outcome::Parked(orbit)));
        self.finish_media(call);
        self.enter(call, CallState::Idle);
        self.fail_all(call, &OperationError::CallEnded, |_| true);
        self.leave(call);
        let wait = self.recall_after;
        self.after(wait, Task::Recall(number));
        self.look_for_free_soon();
    }

    pub(crate) fn unpark(&mut self, request: RequestId, orbit: &str) {
        let Some(call) = self.created(request) else { return };
        let found = self.orbits.iter().find(|(_, parked)| parked.orbit == orbit).map(|(n, _)| *n);
        let Some(parked) = found.and_then(|number| self.orbits.remove(&number)) else {
            return self.complete(request, Err(OperationError::NothingThere(orbit.into())));
        };
        let party = self.party_at(parked.other);
        let direct = self.broken(Fault::UnparkForgetsWhy) || self.broken(Fault::ForgetsReasons);
        if let Some(leg) = self.legs.get_mut(&call) {
            leg.info.physical = parked.physical;
            leg.info.media = parked.media;
            leg.info.reason = if direct { Reason::Direct } else { Reason::Unparked };
            leg.info.called = Party::known(orbit, "");
            leg.info.connected = party;
        }
        self.connect_new(request, call, parked.other);
    }

    /// A new call that is connected from its beginning.
    fn connect_new(&mut self, request: RequestId, call: CallId, other: Other) {
        self.born(call);
        if let Some(leg) = self.legs.get_mut(&call) {
            leg.answered = true;
        }
        self.complete(request, Ok(Outcome::Call(call)));
        self.link(Other::Leg(call), other);
        self.enter(call, CallState::Connected(self.mode_of(call)));
        self.join(Other::Leg(call), other);
    }

    /// A parked call comes back to where it was parked, if there is room; else later.
    pub(crate) fn recall(&mut self, number: u32) {
        let Some(parked) = self.orbits.get(&number) else { return };
        let (line, address) = parked.from;
        let other = parked.other;
        let ready = self.has_room(line, 1)
            && self.lines.get(&line).is_some_and(|l| l.open.is_some() && l.state == LineState::InService);
        if !ready || other == Other::Nobody {
            let wait = self.recall_after;
            return self.after(wait, Task::Recall(number));
        }
        let Some(parked) = self.orbits.remove(&number) else { return };
        let (caller, called) = parked.parties;
        let mut info =
            leg::info(line, address, parked.physical, Origin::Inbound, parked.media, caller, called);
        info.reason = Reason::Reminder;
        self.offer(info, other, 1);
    }

    /// Takes a call that alerts elsewhere.
    pub(crate) fn pick_up(
        &mut self,
        request: RequestId,
        (line, address): (LineId, AddressId),
        from: &PickupFrom,
    ) {
        let Some(call) = self.created(request) else { return };
        if let Some(caller) = self.alerting_outside(line, from) {
            return self.pick_up_outside(request, call, caller);
        }
        let Some(alerting) = self.alerting(line, address, from) else {
            let place = match from {
                PickupFrom::Address(address) => address.clone(),
                PickupFrom::Group(group) => group.clone(),
                PickupFrom::Waiting => "this address".into(),
            };
            return self.complete(request, Err(OperationError::NothingThere(place)));
        };
        let Some(before) = self.legs.get(&alerting) else { return };
        let info = before.info.clone();
        let other = self.unlink(Other::Leg(alerting));
        let end = Disconnect::new(DisconnectMode::Pickup, EndedBy::Network, "picked up elsewhere");
        self.end(alerting, end);
        let forgets = self.broken(Fault::ForgetsReasons) || self.broken(Fault::PickupForgetsWhy);
        if let Some(leg) = self.legs.get_mut(&call) {
            leg.info.physical = info.physical;
            leg.info.origin = info.origin;
            leg.info.reason = if forgets { Reason::Direct } else { Reason::PickedUp };
            leg.info.media = info.media;
            leg.info.connected = info.caller.clone();
            (leg.info.caller, leg.info.called) = (info.caller, info.called);
        }
        self.connect_new(request, call, other);
        self.notes(other, Noticed::Answered(Vec::new()));
        if let Other::Leg(caller) = other {
            self.far_answers(caller);
        }
    }

    /// The caller that alerts a station outside and would be picked up.
    fn alerting_outside(&self, line: LineId, from: &PickupFrom) -> Option<PartyId> {
        let own = self.lines.get(&line)?;
        let found = self.strangers.iter().find(|(_, party)| {
            let Some(at) = party.alerts.as_deref().filter(|_| !party.gone) else { return false };
            match from {
                PickupFrom::Address(address) => at == address || user(at) == address,
                PickupFrom::Group(group) => group.is_empty() || *group == own.group,
                PickupFrom::Waiting => false,
            }
        });
        found.map(|(id, _)| *id)
    }

    fn pick_up_outside(&mut self, request: RequestId, call: CallId, caller: PartyId) {
        let Some(party) = self.strangers.get_mut(&caller) else { return };
        let called = Party::known(party.alerts.take().unwrap_or_default(), "");
        party.present = true;
        party.note(Noticed::Answered(Vec::new()));
        let party = Party::known(party.address.clone(), "");
        let forgets = self.broken(Fault::ForgetsReasons) || self.broken(Fault::PickupForgetsWhy);
        if let Some(leg) = self.legs.get_mut(&call) {
            leg.info.origin = Origin::Inbound;
            leg.info.reason = if forgets { Reason::Direct } else { Reason::PickedUp };
            (leg.info.caller, leg.info.called) = (party.clone(), called);
            leg.info.connected = party;
        }
        self.connect_new(request, call, Other::Stranger(caller));
    }

    /// The call that would be picked up: the one that has alerted longest.
    fn alerting(&self, line: LineId, address: AddressId, from: &PickupFrom) -> Option<CallId> {
        let own = self.lines.get(&line)?;
        let fits = |leg: &Leg| match from {
            PickupFrom::Address(uri) => {
                self.lines.get(&leg.line).is_some_and(|other| other.dialled(uri) == Some(leg.address))
            }
            PickupFrom::Group(group) => {
                let group = if group.is_empty() { &own.group } else { group };
                leg.line != line && self.lines.get(&leg.line).is_some_and(|other| other.group == *group)
            }
            PickupFrom::Waiting => leg.line == line && leg.address == address,
        };
        let found = self.legs.iter().find(|(_, leg)| {
            leg.is_offered()
                && leg.decides.is_none()
                && leg.rest.calls.is_none()
                && leg.taken == Taken::Yes
                && !leg.info.secure
                && fits(leg)
        });
        found.map(|(call, _)| *call)
    }
}
