//! Asterisk plays the parties.
//!
//! An instance of its own (`docker/asterisk/wire`) is the registrar and the switch; each party is a phone in its dialplan, joined with
//! the line's call by a bridge. What parties do is told to Asterisk, and what they notice is heard from it, over its manager
//! interface ([`ami`]); what they say and hear goes through [`phones`]. One [`leg`] is one call of a party.
//!
//! Asterisk answers every INVITE with a 100 at once. An address that is silent, or that refuses before anything else, is therefore
//! behind a wire that loses what would come before ([`Loss`]); so is a party that falls silent.

mod ami;
mod asked;
mod leg;
mod loss;
mod outside;
mod phones;
mod room;
mod start;

use super::Peers;
use super::outside::{Outside, Wire};
use hookswitch_testkit::conformance::subject::Setup;
pub use start::Instance;

/// Makes parties that Asterisk plays.
#[derive(Debug)]
pub struct Asterisk {
    instance: Instance,
}

impl Asterisk {
    /// At an instance that runs.
    ///
    /// # Errors
    /// What is against it.
    pub fn start() -> Result<Self, String> {
        Ok(Self { instance: Instance::start()? })
    }
}

impl Peers for Asterisk {
    fn name(&self) -> &'static str {
        "asterisk"
    }

    fn in_its_own_time(&self) -> bool {
        true
    }

    fn outside(&self, wire: Wire, _: &Setup) -> Box<dyn Outside> {
        let outside = outside::Switchroom::open(&self.instance, wire);
        Box::new(outside.unwrap_or_else(|error| panic!("Asterisk: {error}")))
    }
}
