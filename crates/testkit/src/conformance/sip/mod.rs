//! The SIP provider as a subject: a scripted peer writes and reads its messages as text, so that it shares nothing with the stack
//! under test but the parser. `leg` is one dialog of the peer, `peer` all of it, `lineup` the provider's lines, `subject` the
//! provider with the peer, a media device and virtual time. Lines and peer serve real sockets as well.

mod leg;
mod lineup;
mod peer;
mod sources;
mod subject;

pub use leg::{DOMAIN, Leg, Place};
pub use lineup::Lineup;
pub use peer::Peer;
pub use sources::Sources;
pub use subject::left_over;

use super::Factory;
use super::items::Installed;
use super::subject::{Setup, Subject};

/// Makes SIP subjects.
#[derive(Clone, Copy, Debug)]
pub struct Sip;

impl Factory for Sip {
    fn name(&self) -> &'static str {
        "sip"
    }

    fn subject(&self, setup: &Setup) -> Box<dyn Subject> {
        Box::new(subject::SipSubject::new(setup))
    }

    fn installation(&self) -> Box<dyn Installed> {
        super::items::stored("sip")
    }
}
