//! SIP transactions (RFC 3261 17, RFC 6026) and what section 18 says about them.
//!
//! Four machines, each in a file of its own, have the states that the RFC draws: [`client_invite`], [`client_non_invite`],
//! [`server_invite`], [`server_non_invite`]. The [`Layer`] owns all transactions of a shard: `servers.rs` matches received requests
//! and carries responses out, `clients.rs` sends requests and matches responses, `keys.rs` says what matches. What a finished
//! transaction keeps is an entry of fixed size and, over datagrams, the message to send again: an answered call leaves no more than
//! that for 32 s.

mod answer;
mod branch;
pub mod client_invite;
pub mod client_non_invite;
mod clients;
mod config;
mod flows;
mod keys;
mod layer;
mod retransmit;
pub mod server_invite;
pub mod server_non_invite;
mod servers;
mod shared;
mod slots;
mod timers;

#[cfg(test)]
mod tests;

pub use answer::response_flow;
pub use branch::Branch;
pub use client_invite::ClientInvite;
pub use client_non_invite::ClientNonInvite;
pub use clients::Cancelled;
pub use config::{Config, Counts};
pub use layer::{Layer, Received, RequestError, RespondError};
pub use retransmit::{Retransmission, Retransmit2xx};
pub use server_invite::ServerInvite;
pub use server_non_invite::ServerNonInvite;
pub use shared::{ClientId, Output, ServerId};
pub use timers::Timers;

#[cfg(test)]
fn entry_sizes() -> (usize, usize) {
    (servers::ENTRY_SIZE, clients::ENTRY_SIZE)
}
