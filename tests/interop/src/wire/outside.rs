//! What plays the parties outside, seen from the suite.

use hookswitch_machine::Time;
use hookswitch_provider::Profile;
use hookswitch_spi::CallTreatment;
use hookswitch_testkit::conformance::subject::{Act, Behaviour, Incoming, LineSetup, Party, Saw};
use std::cell::RefCell;
use std::net::{SocketAddr, UdpSocket};
use std::rc::Rc;
use std::time::Duration;

/// The provider's side of the wire, as its peers need it.
#[derive(Clone)]
pub struct Wire {
    /// The provider's socket: what is sent here comes from the provider's address.
    pub socket: Rc<UdpSocket>,
    /// Its address.
    pub provider: SocketAddr,
    /// Different for each subject of the process.
    pub run: u64,
    unable: Rc<RefCell<Vec<String>>>,
}

impl Wire {
    pub(super) fn new(socket: UdpSocket, run: u64, unable: Rc<RefCell<Vec<String>>>) -> Self {
        let provider = socket.local_addr().expect("a bound socket has an address");
        Self { socket: Rc::new(socket), provider, run, unable }
    }

    /// The program that plays the parties has no means to do something: the item cannot be played, whatever it comes to. Not for
    /// hiding failures.
    pub fn unable(&self, why: impl Into<String>) {
        self.unable.borrow_mut().push(why.into());
    }
}

/// How the provider's time passes now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Somebody outside has something in hand and is about to show it: time stands still until then.
    Working,
    /// Something real is going on that takes its time (a pause before an answer, a tone): time passes as it does.
    Playing,
    /// Nothing will come by itself: time may jump to whatever is due next.
    Idle,
}

/// What has passed at the provider's socket.
#[derive(Clone, Copy, Debug)]
pub struct Traffic {
    /// Datagrams so far, both ways.
    pub datagrams: u64,
    /// How long ago the last one was, really.
    pub quiet: Duration,
}

/// Everybody outside. What is asked of it is what [`Subject`](hookswitch_testkit::conformance::subject::Subject) says of the same
/// words.
pub trait Outside {
    /// Where the provider sends to, and registers.
    fn address(&self) -> SocketAddr;

    /// Whether a datagram arrives, outward from the provider or inward to it: a wire may lose some.
    fn passes(&mut self, _outward: bool, _datagram: &[u8]) -> bool {
        true
    }

    /// What the profile of a line is like at this switch, where it is not as the suite has it.
    fn fitted(&self) -> fn(&LineSetup, &mut Profile) {
        |_, _| {}
    }

    /// Takes in what has become known, does what is due at `now`. Whether anything happened.
    fn poll(&mut self, now: Time) -> bool;

    /// When it wants to do something next, in the provider's time.
    fn next(&self) -> Option<Time>;

    /// Whether something may come without anything being asked, and how time passes until then.
    fn pace(&mut self, traffic: Traffic) -> Pace;

    /// From now on, whoever calls `address` finds it so.
    fn arrange(&mut self, now: Time, address: &str, behaviour: Behaviour);

    /// Somebody calls the line whose first address is `line` at its address `called`.
    fn call_in(&mut self, now: Time, line: &str, called: &str, call: &Incoming) -> Party;

    /// The call that last reached an address.
    fn party_at(&self, address: &str) -> Option<Party>;

    /// A party does something.
    fn act(&mut self, now: Time, party: Party, act: Act);

    /// What a party has noticed.
    fn saw(&self, party: Party) -> Vec<Saw>;

    /// Whether what `a` says reaches `b`, listened to for as long as that takes.
    fn hears(&self, a: Party, b: Party) -> bool;

    /// What a waiting party hears, if it can tell; else what the provider told its media threads counts, by [`port`](Self::port).
    fn treatment(&self, _party: Party) -> Option<CallTreatment> {
        None
    }

    /// Where a party takes audio.
    fn port(&self, _party: Party) -> Option<u16> {
        None
    }

    /// Nothing passes from now on, in no direction, or again. The subject itself lets nothing through; this is for what is more.
    fn reachable(&mut self, _reachable: bool) {}

    /// The switch says how many messages wait for a user.
    fn messages(&mut self, now: Time, user: &str, new: u32, old: u32);

    /// A station is alerted for a call of `from`.
    fn alerting_elsewhere(&mut self, now: Time, at: &str, from: &str) -> Party;
}
