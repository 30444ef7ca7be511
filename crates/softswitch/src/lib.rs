//! The embedded softswitch, so that the system works with nothing else running: registrar, forking proxy, and extensions for
//! echo, tone and music.
//!
//! [`Softswitch`] is one [`Machine`](hookswitch_machine::Machine). `softswitch.rs` sorts what arrives, `users.rs` what is for users; `registrar.rs` keeps
//! contacts in `location.rs`; `proxy/` passes requests on, statefully, to all contacts of a user; `calls.rs` remembers the calls that
//! pass; `services/` answers calls to the extensions, parks calls and picks them up; `watch/` tells watchers, `phones.rs` the operator, what happens to them;
//! `devices/` makes phone devices of those who are registered ([`PhoneProvider`](hookswitch_spi::PhoneProvider)); `gate.rs` asks for credentials; `routing.rs` and `passage.rs` lead requests within dialogs to the other
//! side without state of our own; `core.rs` is what they use together.
#![forbid(unsafe_code)]

mod calls;
mod config;
mod core;
mod devices;
mod ended;
mod event;
mod failures;
mod gate;
mod location;
mod loops;
mod own;
mod passage;
mod phones;
mod proxy;
mod reach;
mod registrar;
mod routing;
mod services;
mod softswitch;
mod users;
mod watch;

pub use config::{Account, Config, Features, Limits, Rule};
pub use event::{
    Counts, Direction, Event, Messages, Phone, PhoneCall, PhoneCallState, PhoneContact, Registration,
    Request, Snapshot, Unregistered,
};
pub use softswitch::Softswitch;
