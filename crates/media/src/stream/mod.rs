//! One audio stream of one call, driven by its packet clock and without I/O.
//!
//! The driver owns the sockets and the clock: it hands datagrams to [`Stream::receive`] and [`Stream::receive_rtcp`], calls
//! [`Stream::tick`] when [`Stream::timeout`] says so, and gives an [`Outbox`] that takes packets and events. What is sent
//! comes from a [`Feed`]; what is heard goes to a [`Recorder`] or to [`LiveAudio`], and is put through a jitter buffer and
//! decoded only for them. An echo copies payloads as they come. Nothing is allocated for a packet.
//!
//! Streams that hear each other are in a [`Mix`], which has a clock of its own: ten milliseconds of every member are added up
//! (`mixed.rs`), and a member's packet goes out when enough of them have come together.

mod common;
mod config;
mod core;
mod ears;
mod echo;
mod feed;
mod liveness;
mod mix;
#[cfg(test)]
mod mix_tests;
mod mixed;
mod outgoing;
mod playout;
mod receive;
mod send;
mod session;
#[cfg(test)]
mod tests;

pub use config::StreamConfig;
pub use core::Stream;
pub use feed::{Feed, LiveAudio, Outbox, Recorder};
pub use mix::{Full, Members, Mix};
