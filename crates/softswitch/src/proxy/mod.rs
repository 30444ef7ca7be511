//! The forking proxy (RFC 3261 16): one context per request, one branch per copy of it.
//!
//! `choose.rs` says which of several refusals goes upstream, `context.rs` holds the states, `copy.rs` writes what is sent on;
//! `forward.rs` opens branches and ends them, `responses.rs` reacts to what they bring back.

mod choose;
mod context;
mod copy;
mod forward;
mod responses;

pub(crate) use context::Kind;
pub(crate) use copy::{Target, breadth, stateless_copy};
pub(crate) use forward::{Arrived, Proxy};
pub(crate) use responses::{Diverted, Onward};
