//! The embedded softswitch, so that the system works with nothing else running: registrar, forking proxy, and extensions for
//! echo, tone and music.
//!
//! [`Softswitch`] is one [`Machine`](hookswitch_machine::Machine). `softswitch.rs` takes what arrives, `arrival.rs` sorts it,
//! `users.rs` what is for users; `registrar.rs` keeps contacts in `location.rs`; `proxy/` passes requests on, statefully, to all
//! contacts of a user; `calls.rs` remembers the calls that pass, `referrals.rs` who sent whom where, `takeover.rs` says who may
//! take whose place; `services/` answers calls to the extensions, parks calls and picks them up; `watch/` tells watchers,
//! `phones.rs` the operator, what happens to them; `devices/` makes phone devices of those who are registered
//! ([`PhoneProvider`](hookswitch_spi::PhoneProvider)); `gate.rs` asks for credentials; `routing.rs` and `passage.rs` lead
//! requests within dialogs to the other side without state of our own; `core.rs` is what they use together.
#![forbid(unsafe_code)]

mod arrival;
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
mod referrals;
mod registrar;
mod routing;
mod services;
mod softswitch;
mod takeover;
mod users;
mod watch;

pub use config::{Account, Config, Features, Limits, Rule};
pub use event::{
    Counts, Direction, Event, Messages, Phone, PhoneCall, PhoneCallState, PhoneContact, Registration,
    Request, Snapshot, Unregistered,
};
pub use softswitch::Softswitch;
