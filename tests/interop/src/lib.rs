//! Support for tests with real peers: our line on one side, a program that others wrote on the other.
//!
//! `rig` starts a service with lines from a few words of configuration; `sipp` runs a scenario of `tests/sipp`; `peers` says
//! which programs are there and runs the scripts of `tests/peers`; `asterisk` asks Asterisk's console;
//! `softphone` is baresip; `switchboard` starts our own softswitch; `sound` measures recordings; `wire` runs the conformance suite over
//! real sockets (`cargo run --release -p hookswitch-interop --bin wire`). Nothing here waits for a fixed time: every wait is for
//! something, with a deadline. Tests run beside each other, but for those that need Asterisk.
//!
//! A test begins with [`needs`]: where a peer is missing it is left out and says so, and with `CI=true` it fails.
#![forbid(unsafe_code)]
// Tests of the whole: sockets, files, processes and clocks are what they are about.
#![allow(clippy::disallowed_methods, clippy::expect_used, clippy::unwrap_used, clippy::panic)]

pub mod asterisk;
mod peers;
mod ports;
mod rig;
mod sipp;
mod softphone;
pub mod sound;
mod switchboard;
mod wait;
pub mod wire;

pub use peers::{Script, needs, root, script};
pub use ports::{free_media_ports, free_port};
pub use rig::{Rig, TestLine, line_toml, reached};
pub use sipp::Sipp;
pub use softphone::{PhoneEvent, Softphone, recorded};
pub use switchboard::Switchboard;
pub use wait::{DEADLINE, soon, until, within};

pub use hookswitch_spi::{TimelineEntry, TimelineFact, Way};

/// Whether something of a call's timeline crossed the wire.
pub fn is_sip(entry: &TimelineEntry) -> bool {
    matches!(entry.fact, TimelineFact::Request { .. } | TimelineFact::Response { .. })
}
