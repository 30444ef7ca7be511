//! The user agent: INVITE sessions on top of transactions and dialogs, without I/O and without SDP.
//!
//! A [`UserAgent`] keeps one [`LegId`] for each INVITE session, incoming or outgoing. What arrives comes back as at most one
//! [`Indication`]; the caller decides at once or later by the methods named there. The agent does by itself what RFC 3261
//! leaves no choice in: validation (8.2), digest (22), CANCEL and its glare with 200 (9.1, 15), retransmission of 2xx and its
//! ACK (13), refusal of crossing offers (14), answers to BYE and OPTIONS. It carries bodies and knows which message offers and
//! which answers (RFC 3264 by way of RFC 6337), not what stands in them.
//!
//! `leg.rs` holds the states; `incoming.rs` reacts to requests, `outgoing.rs` and `ending.rs` carry out what the caller wants,
//! `responses.rs` reacts to responses, `exchange.rs` holds what concerns offers within a session, `sending.rs` repeats
//! requests with credentials or over another transport. Beside sessions the agent keeps subscriptions (RFC 6665): `subscribing.rs`
//! ours, `notifying.rs` those that others have with us. `timing.rs` holds session timers (RFC 4028), `replacing.rs` sessions that take the
//! place of others (RFC 3891), `outside.rs` requests outside any session.

mod agent;
mod clock;
mod ending;
mod exchange;
mod hop;
mod ids;
mod incoming;
mod indication;
mod leg;
mod notifying;
mod outgoing;
mod outside;
mod pending;
mod replacing;
mod reply;
mod responses;
mod sending;
mod subscribing;
mod timing;
mod usage;

pub use agent::{Config, UserAgent};
pub use ids::{AccountId, LegError, LegId, SubscriptionId};
pub use indication::{Failure, Indication};
pub use notifying::{Grant, Notified};
pub use outgoing::Invitation;
pub use outside::Errand;
pub use reply::Reply;
pub use subscribing::Watch;

#[cfg(test)]
mod tests;
