//! The SIP service provider: profiles, lines as accounts, calls as dialogs, forwarding rules.
#![forbid(unsafe_code)]

mod dial;
mod ending;
mod forwarding;
mod profile;

pub use profile::{Alerting, HoldDirection, Profile, TransportChoice};
