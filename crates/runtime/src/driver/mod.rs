//! Runs [`Machine`]s over the real network.
//!
//! A [`Driver`] takes open sockets and one machine per shard; [`start`](Driver::start) gives each machine a thread
//! (`shard.rs`) and starts the thread for streams and names (`network.rs`). What comes back is [`Running`]: a
//! [`DriverHandle`] per shard for requests and media events, counters, and the way to stop. Events and media commands
//! leave through the shard's [`Sink`].

mod handle;
mod network;
mod options;
mod pace;
mod shard;
mod sink;
mod start;

pub use handle::{DriverHandle, RequestError, Running, Unfinished};
#[cfg(doc)]
use hookswitch_machine::Machine;
pub use options::Options;
pub use sink::Sink;
pub use start::{Driver, StartError};
