//! Virtual time, virtual network, virtual phones, and the loopback provider.
//!
//! Everything here is sans-IO and deterministic: the same seed gives the same octets in the same order. A [`World`] runs any
//! number of machines over a [`Network`] that loses, doubles, reorders and delays; [`Phone`]s call and are called as their
//! scripts say and take registrations; [`Stage`] puts a whole [`Engine`](hookswitch_engine::Engine) with scripted
//! applications into such a world and holds it to its [contract]. `src/bin/simulate.rs` does so with thousands of seeds.
//!
//! Reading order: `net` (the network), `device` (media without packets), `world` (the driver), `phone` (the other side),
//! `apps` and `contract` (applications and what they may expect), `rules` (what RFC 3261 asks, read off the wire), `stage` (all of
//! it together), `scenario` (random scenarios). [`loopback`] is a service
//! provider without SIP.
#![forbid(unsafe_code)]

pub mod apps;
pub mod conformance;
pub mod contract;
pub mod device;
pub mod loopback;
pub mod net;
pub mod phone;
pub mod rules;
pub mod scenario;
pub mod stage;
pub mod world;

pub use device::VirtualMedia;
pub use net::{Conditions, Network};
pub use phone::Phone;
pub use stage::Stage;
pub use world::{NodeId, World};
