//! Sockets: what is listened on, and how bytes travel.
//!
//! [`Bound`] opens everything before any machine exists, so that machines can be told their [`Endpoint`]s. UDP sockets go to
//! the shards' threads (`udp`); listeners and connections live on the streams' thread (`tcp`), reached through
//! commands (`command.rs`).

mod bound;
pub(crate) mod command;
mod steer;
pub(crate) mod tcp;
pub(crate) mod udp;

pub use bound::{BindError, Bound, Listen};
#[cfg(doc)]
use hookswitch_machine::Endpoint;
pub(crate) use steer::Steer;
pub use tcp::StreamOptions;
