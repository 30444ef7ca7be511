//! Being reachable: the client's side of registration (RFC 3261 10.2, RFC 5626 4.5) as a machine without I/O.
//!
//! [`Registration`] says when to send which REGISTER and is told what came of it ([`Answer`], or a failure). It refreshes in
//! time, answers challenges, obeys 423 and Retry-After, backs off with jitter, and takes its binding back at the end. The
//! caller builds the messages, owns the transactions and the Contact.
//!
//! Reading order: `policy` (how long to wait), `answer` (what a response says), `events`, `machine`.

mod answer;
mod events;
mod machine;
mod policy;

#[cfg(test)]
mod exchange_tests;

pub use answer::{Answer, Granted};
pub use events::{Cause, Input, Output, Register, StateName};
pub use machine::Registration;
pub use policy::Config;
pub(crate) use policy::{lifetime, refresh_after};
