//! Asterisk and the parties at it, as the suite meets them.

use super::room::Room;
use super::start::Instance;
use crate::wire::outside::{Outside, Pace, Traffic, Wire};
use hookswitch_machine::Time;
use hookswitch_provider::Profile;
use hookswitch_testkit::conformance::subject::{Act, Behaviour, Incoming, LineSetup, Party, Saw};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::Duration;

/// So long nothing has been said when a party is asked what it noticed: digits are told a while after they were heard.
const LOOKED_AT: Duration = Duration::from_millis(100);

/// A [`Room`] that takes in what Asterisk tells also while it is only looked at.
pub(super) struct Switchroom {
    room: RefCell<Room>,
    address: SocketAddr,
}

impl Switchroom {
    /// A switch with nobody in a call.
    ///
    /// # Errors
    /// What Asterisk or the system says against it.
    pub(super) fn open(instance: &Instance, wire: Wire) -> Result<Self, String> {
        Ok(Self { room: Room::open(instance, wire)?.into(), address: instance.sip })
    }
}

impl Outside for Switchroom {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn passes(&mut self, outward: bool, datagram: &[u8]) -> bool {
        self.room.get_mut().passes(outward, datagram)
    }

    fn fitted(&self) -> fn(&LineSetup, &mut Profile) {
        |line, profile| {
            // Its dialog events do not say enough of a call to take its place.
            if line.switch_features {
                profile.pickup_prefix = "**".into();
            }
            // What AudioSocket brings has no sequence numbers, and Asterisk's translators take it for late after what has: so that
            // it translates nothing, calls are in its own format.
            profile.codecs = vec!["L16/8000".into(), "PCMU".into()];
        }
    }

    fn poll(&mut self, now: Time) -> bool {
        self.room.get_mut().poll(now)
    }

    fn next(&self) -> Option<Time> {
        self.room.borrow().next()
    }

    fn pace(&mut self, traffic: Traffic) -> Pace {
        self.room.get_mut().pace(traffic)
    }

    fn arrange(&mut self, _: Time, address: &str, behaviour: Behaviour) {
        self.room.get_mut().arrange(address, behaviour);
    }

    fn call_in(&mut self, _: Time, line: &str, called: &str, call: &Incoming) -> Party {
        self.room.get_mut().call_in(line, called, call)
    }

    fn party_at(&self, address: &str) -> Option<Party> {
        self.room.borrow_mut().settle(LOOKED_AT);
        self.room.borrow().party_at(address)
    }

    fn act(&mut self, _: Time, party: Party, act: Act) {
        self.room.get_mut().act(party, act);
    }

    fn saw(&self, party: Party) -> Vec<Saw> {
        self.room.borrow_mut().settle(LOOKED_AT);
        self.room.borrow().saw(party)
    }

    fn hears(&self, a: Party, b: Party) -> bool {
        self.room.borrow().hears(a, b)
    }

    fn port(&self, party: Party) -> Option<u16> {
        self.room.borrow().port(party)
    }

    fn reachable(&mut self, reachable: bool) {
        if !reachable {
            self.room.get_mut().loss.forget();
        }
    }

    fn messages(&mut self, _: Time, user: &str, new: u32, old: u32) {
        self.room.get_mut().messages(user, new, old);
    }

    fn alerting_elsewhere(&mut self, _: Time, at: &str, from: &str) -> Party {
        self.room.get_mut().alerting_elsewhere(at, from)
    }
}
