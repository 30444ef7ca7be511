//! The jitter buffer: packets in as the network brings them, audio out as time goes.
//!
//! [`JitterBuffer`] orders packets by sequence number and plays them by timestamp, some [`Delay`] after they arrive. The
//! delay follows what the network does: it is set where a talkspurt begins, a packet that comes too late makes it longer, and
//! a buffer that never runs low makes it shorter. What is missing is named: lost (to be concealed) or never sent (silence).
//! Storage is bounded and reused: nothing is allocated for a packet once a stream has run for a second.

mod buffer;
mod delay;

pub use buffer::{Inserted, JitterBuffer, JitterLimits, Play};
pub use delay::Delay;
