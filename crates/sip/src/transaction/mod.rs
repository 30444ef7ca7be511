//! SIP transactions (RFC 3261 17, RFC 6026) and what section 18 says about them.
//!
//! Four machines, each in a file of its own, have the states that the RFC draws: [`client_invite`], [`client_non_invite`],
//! [`server_invite`], [`server_non_invite`].

pub mod client_invite;
pub mod client_non_invite;
pub mod server_invite;
pub mod server_non_invite;
mod timers;

pub use client_invite::ClientInvite;
pub use client_non_invite::ClientNonInvite;
pub use server_invite::ServerInvite;
pub use server_non_invite::ServerNonInvite;
pub use timers::Timers;
