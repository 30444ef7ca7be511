//! The SIP service provider: profiles, lines as accounts, calls as dialogs, forwarding rules.
//!
//! [`SipProvider`] implements the service provider interface on the SIP user agent, and shows the driver a plain sans-IO
//! side. Reading order: `profile` and `account` (what is configured), `line`, `call` and `arranged` (what is kept), `core` (what all
//! parts work on), `registering` (lines in and out of service), `inbound`, `outbound` and `dialing` (calls come up),
//! `established`, `holding`, `parameters`, `transfer`, `consulting`, `bridging` and `replacing` (calls that are up), `conference` and
//! `membership` (calls together), `parking`, `fetching` and `pickup` (calls that the switch keeps, or that alert elsewhere),
//! `watching`, `messages`, `callback` and `camping` (what is subscribed to, and what follows from it), `user_info`, `physical` and
//! `extension` (what travels with calls), `service` (lines taken out of service), `operations` (what applications ask),
//! `streams` (audio), `sending`, `info_digits`, `listening`, `controlling` and `treatment` (what is sent into it and heard in it),
//! `provider` (the interface).
//! Pure rules stand apart: `dial`, `controls`, `ears`, `ending`, `forwarding`, `parties`, `glance`, `terms`.
#![forbid(unsafe_code)]

mod able;
mod account;
mod arranged;
mod bridging;
mod call;
mod callback;
mod camping;
mod conference;
mod consulting;
mod controlling;
mod controls;
mod core;
mod data;
mod dial;
mod dialing;
mod ears;
mod ending;
mod established;
mod extension;
mod fetching;
mod forwarding;
mod glance;
mod holding;
mod inbound;
mod info_digits;
mod line;
mod listening;
mod membership;
mod messages;
mod operations;
mod outbound;
mod parameters;
mod parking;
mod parties;
mod physical;
mod pickup;
mod profile;
mod provider;
mod provisioning;
mod referral;
mod registering;
mod replacing;
mod ringing;
mod role;
mod sending;
mod service;
mod status;
mod streams;
mod terms;
mod transfer;
mod treatment;
mod user_info;
mod watching;

pub use account::{Account, AddressRange, Server};
pub use core::{Action, Counters};
pub use profile::{AcceptReferrals, Alerting, HoldDirection, MessageWaiting, Profile, TransportChoice};
pub use provider::{Alive, ProviderConfig, SipProvider, shard_of_token};
