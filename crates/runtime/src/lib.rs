//! The only crate with sockets, threads, clocks and entropy: it runs state machines over the real network.
//!
//! What runs where:
//! * **One thread per shard** ([`driver`]) owns one [`Machine`](hookswitch_machine::Machine) and the shard's UDP sockets. It
//!   sleeps in the system's readiness call; one turn takes datagrams in batches, everything in its mailbox and the timer, and
//!   sends in batches. Nothing on this path is a task, a future or a lock held across work.
//! * **One thread for streams and names** runs a tokio runtime: a task per TCP connection ([`transport`]) and a task
//!   per DNS question ([`dns`]). What they learn reaches the shards as messages in their mailboxes.
//! * **Users** of a machine call a [`DriverHandle`] from any thread; it never blocks. Events leave through a [`Sink`].
//!
//! [`Clock`] and [`entropy`] are where time and chance come from; everything below this crate receives them as inputs.

#![deny(unsafe_code)]
// This is the crate that may read clocks, open sockets and start threads; everything below it may not.
#![allow(clippy::disallowed_methods)]

mod clock;
mod counters;
pub mod dns;
pub mod driver;
pub mod entropy;
mod mailbox;
pub mod media;
pub mod transport;

pub use clock::Clock;
pub use counters::Figures;
pub use driver::{Driver, DriverHandle, Options, RequestError, Running, Sink, StartError};
pub use transport::{BindError, Bound, Listen};
