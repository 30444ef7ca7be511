//! The conformance suite over real sockets: the SIP provider, its media threads, and parties that a program of others plays.
//!
//! [`subject`] is the provider with a socket and a clock that runs fast where nothing is going on; [`outside`] is what plays the
//! parties, seen from there, and [`sipp`] is one; [`scripted`] lets the suite's own peer play them behind a socket, for finding out on which side a fault
//! lies. [`audio`] is what parties say and hear where the program itself cannot tell. [`report`] runs the items and writes the
//! page.

pub mod asterisk;
pub mod audio;
pub mod outside;
pub mod report;
pub mod scripted;
pub mod sipp;
pub mod subject;

use hookswitch_testkit::conformance::items::{Installed, stored_with};
use hookswitch_testkit::conformance::subject::{Setup, Subject};
use outside::{Outside, Wire};
use std::cell::RefCell;
use std::rc::Rc;

/// The first of a thousand ports that belong to this process (`WIRE_PORTS` names another): the peer has the first hundred, media
/// threads the next six hundred, and parties' own audio the rest.
pub fn first_port() -> u16 {
    std::env::var("WIRE_PORTS").ok().and_then(|port| port.parse().ok()).unwrap_or(26_000)
}

/// A program that can play parties.
pub trait Peers {
    /// `sipp`, `asterisk`.
    fn name(&self) -> &'static str;

    /// It does things when it likes, not when it is told: how a point comes out may depend on how busy the machine is, so one that fails
    /// is played once more.
    fn in_its_own_time(&self) -> bool {
        false
    }

    /// Everybody outside, for a provider that was just started: nobody is left of those before.
    fn outside(&self, wire: Wire, setup: &Setup) -> Box<dyn Outside>;
}

/// Makes subjects whose parties are played by a program.
pub struct Factory<'a> {
    peers: &'a dyn Peers,
    /// What the program could not play in the item under way.
    unable: Rc<RefCell<Vec<String>>>,
    trace: bool,
}

impl<'a> Factory<'a> {
    /// With these peers; `trace` prints what passes.
    pub fn new(peers: &'a dyn Peers, trace: bool) -> Self {
        Self { peers, unable: Rc::default(), trace }
    }

    /// What could not be played since the last time, each once.
    pub fn take_unable(&self) -> Vec<String> {
        let mut all = std::mem::take(&mut *self.unable.borrow_mut());
        all.sort();
        all.dedup();
        all
    }
}

impl hookswitch_testkit::conformance::Factory for Factory<'_> {
    fn name(&self) -> &'static str {
        "sip"
    }

    fn subject(&self, setup: &Setup) -> Box<dyn Subject> {
        let make = |wire: Wire| self.peers.outside(wire, setup);
        Box::new(subject::WireSubject::new(setup, make, Rc::clone(&self.unable), self.trace))
    }

    fn installation(&self) -> Box<dyn Installed> {
        stored_with(None)
    }
}
