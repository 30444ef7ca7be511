//! What every sans-IO state machine of Hookswitch shares.
//!
//! A [`Machine`] is given the time and its inputs and hands out outputs; it never reads a clock, a socket, a file or the
//! operating system's entropy. One driver (`hookswitch-runtime`) runs machines over real sockets, one simulator
//! (`hookswitch-testkit`) runs them in virtual time. What they need in common stands here: [`Time`] and [`WallClock`],
//! [`Flow`]s and [`Endpoint`]s, seeded [`Entropy`], keyed hash maps ([`Map`]), and the [`TimerQueue`].

mod chance;
mod flow;
mod machine;
mod time;
mod timers;

pub use chance::{Entropy, HashKeys, Map, Set};
pub use flow::{Endpoint, EndpointId, Flow, Transport};
pub use machine::{CloseReason, Input, Machine, Output, QueryId, Question, ResolveError, Target};
pub use time::{Time, WallClock};
pub use timers::{TimerKey, TimerQueue};
