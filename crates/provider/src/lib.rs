//! The SIP service provider: profiles, lines as accounts, calls as dialogs, forwarding rules.
#![forbid(unsafe_code)]

mod account;
mod dial;
mod ending;
mod forwarding;
mod profile;

pub use account::{Account, AddressRange, Server};
pub use profile::{Alerting, HoldDirection, Profile, TransportChoice};
