//! Leaving a call at an orbit of the switch (linePark): the other party is sent there by REFER, so that the outcome is what really
//! happened. Where it is to be *anywhere*, the switch is first asked for a free orbit: it redirects who calls for that.

use crate::arranged::Parking;
use crate::call::{Ask, Wait};
use crate::core::{Core, Timer};
use crate::established::refused;
use crate::fetching::coded;
use crate::transfer::Ended;
use hookswitch_machine::Time;
use hookswitch_sip::message::{Contact, Message};
use hookswitch_sip::ua::{Indication, Invitation, LegId};
use hookswitch_spi::{CallId, OperationError, Outcome, ParkAt, StateKind, TransferOutcome};
use std::time::Duration;

/// How long the switch may take to name a free orbit.
const FINDER: Duration = Duration::from_secs(10);
/// How long it may take to park.
const PARKED: Duration = Duration::from_secs(20);

impl Core {
    pub(crate) fn park(
        &mut self,
        now: Time,
        ask: &mut Ask,
        id: CallId,
        at: &ParkAt,
    ) -> Result<(), OperationError> {
        let call = self.calls.get(id).ok_or(OperationError::NoSuchCall(id))?;
        let finding = call.waiting.iter().any(|waiting| waiting.what == Wait::Finding);
        if call.is_leaving() || finding {
            return Err(OperationError::Failed("a transfer of this call is already on its way".into()));
        }
        match at {
            ParkAt::Orbit(orbit) => {
                let what = self.park_at(now, id, orbit)?;
                self.wait(id, ask, what);
            }
            ParkAt::Anywhere => {
                let leg = self.find_orbit(now, id)?;
                let timer = self.timers.set(now + FINDER, Timer::Finder(id));
                self.finders.insert(leg, id);
                self.set_parking(id, Parking { orbit: Box::default(), finder: Some((leg, timer)) });
                self.wait(id, ask, Wait::Finding);
            }
        }
        Ok(())
    }

    /// Sends the other party to an orbit.
    fn park_at(&mut self, now: Time, id: CallId, orbit: &str) -> Result<Wait, OperationError> {
        let call = self.calls.get(id).ok_or(OperationError::NoSuchCall(id))?;
        let line = self.line(call.line).ok_or(OperationError::Closed)?;
        let uri = coded(&line.account.profile.park_code, orbit, &line.account.domain)?;
        let what = self.transfer(now, id, &uri, PARKED)?;
        self.set_parking(id, Parking { orbit: orbit.into(), finder: None });
        Ok(what)
    }

    fn set_parking(&mut self, id: CallId, parking: Parking) {
        if let Some(call) = self.calls.get_mut(id) {
            call.extra().parking = Some(Box::new(parking));
        }
    }

    /// Calls who names a free orbit, without an offer: nobody is to be talked to.
    fn find_orbit(&mut self, now: Time, id: CallId) -> Result<LegId, OperationError> {
        let call = self.calls.get(id).ok_or(OperationError::NoSuchCall(id))?;
        let line = self.line(call.line).ok_or(OperationError::Closed)?;
        let flow = line.flow().ok_or_else(|| OperationError::OutOfService("no path to the switch".into()))?;
        let uri = coded("", &line.account.profile.park_finder, &line.account.domain)?;
        let invitation = Invitation {
            flow,
            account: Some(line.credentials),
            uri: &uri,
            from: &format!("<{}>", line.uri(call.address)),
            to: &format!("<{uri}>"),
            contact: self.contact_of(call.line),
            fields: "",
            offer: None,
        };
        let full = OperationError::ResourceUnavailable("transaction");
        self.ua.invite(now, &mut self.layer, &invitation).map_err(|_| full)
    }

    /// Whether an indication is about a session that asks for a free orbit; then it is dealt with here.
    pub(crate) fn of_finder(
        &mut self,
        now: Time,
        indication: &Indication,
        message: Option<&Message>,
    ) -> bool {
        let (leg, error) = match indication {
            Indication::Progress(leg) => return self.finders.contains_key(leg),
            Indication::Redirected(leg) => (*leg, None),
            Indication::Failed(leg, failure) => (*leg, Some(refused(*failure, message))),
            Indication::Answered(leg)
            | Indication::Ended(leg)
            | Indication::Lost(leg, _)
            | Indication::HungUp(leg) => {
                let text = "the switch does not say which orbit is free";
                (*leg, Some(OperationError::Failed(text.into())))
            }
            Indication::None
            | Indication::Incoming(_)
            | Indication::Replacing { .. }
            | Indication::Cancelled(_)
            | Indication::Confirmed(_)
            | Indication::NotAcknowledged(_)
            | Indication::Offered(_)
            | Indication::OfferConfirmed(_)
            | Indication::OfferAnswered(_)
            | Indication::Refreshed(_)
            | Indication::OfferRefused(..)
            | Indication::Request(..)
            | Indication::Response(..)
            | Indication::OutOfDialog(_)
            | Indication::OutOfDialogResponse(..)
            | Indication::Subscription(..)
            | Indication::NotifyDue(_)
            | Indication::SubscriberGone(_) => return false,
        };
        let Some(id) = self.finders.remove(&leg) else { return false };
        self.ua.abandon(now, &mut self.layer, leg);
        self.found(now, id, error.map_or_else(|| orbit_of(message), Err));
        true
    }

    /// The switch did not say in time which orbit is free.
    pub(crate) fn finder_due(&mut self, now: Time, id: CallId) {
        self.found(now, id, Err(OperationError::TimedOut(FINDER)));
    }

    /// Which orbit is free, or that none is.
    fn found(&mut self, now: Time, id: CallId, orbit: Result<String, OperationError>) {
        let parking = self.calls.get_mut(id).and_then(|call| call.extra.as_mut()?.parking.take());
        if let Some(parking) = parking {
            self.stop_finding(now, *parking);
        }
        let Some(call) = self.calls.get_mut(id) else { return };
        let (connected, leaving) = (call.state.kind() == StateKind::Connected, call.is_leaving());
        let Some(waiting) = call.take_waiting(|wait| wait == Wait::Finding) else { return };
        let asked = match orbit {
            Ok(orbit) if connected && !leaving => self.park_at(now, id, &orbit),
            Ok(_) => Err(OperationError::CallEnded),
            Err(error) => Err(error),
        };
        match asked {
            Ok(what) => self.wait_on(id, waiting.completion, what),
            Err(error) => self.complete(waiting.completion, Err(error)),
        }
    }

    /// Nobody wants to know any more which orbit is free.
    pub(crate) fn stop_finding(&mut self, now: Time, parking: Parking) {
        if let Some((leg, timer)) = parking.finder {
            self.timers.cancel(timer);
            if self.finders.remove(&leg).is_some() {
                self.ua.abandon(now, &mut self.layer, leg);
            }
        }
    }

    /// What became of a transfer, if that was to park the call: where it is parked. A switch that takes the transfer on and says no
    /// more leaves that open.
    pub(crate) fn parked(&mut self, id: CallId, ended: Ended) -> Ended {
        let parking = self.calls.get_mut(id).and_then(|call| {
            let parking = &mut call.extra.as_mut()?.parking;
            parking.take_if(|parking| parking.finder.is_none())
        });
        match (parking, ended) {
            (Some(parking), Ok(Outcome::Transferred(TransferOutcome::Succeeded))) => {
                Ok(Outcome::Parked(parking.orbit.into()))
            }
            (Some(parking), Ok(_)) => {
                let orbit = parking.orbit;
                Err(OperationError::Failed(format!("nobody said whether the call was parked at {orbit}")))
            }
            (Some(_), Err(error)) => Err(error),
            (None, ended) => ended,
        }
    }
}

/// The orbit that a redirection names: the user part of its first Contact.
fn orbit_of(message: Option<&Message>) -> Result<String, OperationError> {
    let contacts = message.into_iter().flat_map(|message| message.contacts().take(4));
    let mut users = contacts.filter_map(|contact| match contact {
        Ok(Contact::Address(address)) => Some(address.uri().user_unescaped()?.into_owned()),
        Ok(_) | Err(_) => None,
    });
    let fits = |user: &String| {
        !user.is_empty()
            && user.len() <= 64
            && user.bytes().all(|b| b.is_ascii_alphanumeric() || b"*#+-_.".contains(&b))
    };
    users
        .find(fits)
        .ok_or_else(|| OperationError::Failed("the switch names no orbit that can be dialled".into()))
}
