//! Streams: listeners, and connections in both directions.
//!
//! Everything here runs on one thread and shares its state without locks. The [`Hub`] knows all connections (`table.rs`:
//! numbers, limits); a task owns each of them (`connection.rs`): it frames what arrives, steers each message to
//! its shard, and writes what its bounded queue holds (`queue.rs`). Whatever ends a connection is told to every shard.

mod connection;
mod hub;
mod queue;
mod table;

pub(crate) use hub::{Hub, HubParts};

use hookswitch_sip::message::Limits;
use std::time::Duration;

/// Limits of stream connections.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StreamOptions {
    /// How many connections there may be, in both directions.
    pub connections: usize,
    /// How many of them may come from one address (for IPv6: from one /64).
    pub connections_per_address: usize,
    /// How many bytes may wait to be written to one connection; more closes it.
    pub write_queue: usize,
    /// How many framed messages may wait for a shard before connections are no longer read.
    pub messages_per_shard: usize,
    /// How large messages may be.
    pub messages: Limits,
    /// How long opening a connection may take.
    pub connect: Duration,
    /// How soon an accepted connection has to bring its first whole message or keep-alive, and how long any message may take
    /// from its first byte to its last.
    pub message_time: Duration,
    /// A connection on which nothing whole has come or gone for this long is closed.
    pub idle: Duration,
    /// How often a connection that we opened is probed with a double CRLF (RFC 5626 3.5.1, 4.4.1).
    pub ping: Duration,
    /// How soon the answer to a probe has to come, from peers that have answered one before (RFC 5626 4.4.1).
    pub pong: Duration,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_address: 200,
            write_queue: 1 << 20,
            messages_per_shard: 4_096,
            messages: Limits::default(),
            connect: Duration::from_secs(4),
            message_time: Duration::from_secs(30),
            idle: Duration::from_secs(900),
            ping: Duration::from_secs(100),
            pong: Duration::from_secs(10),
        }
    }
}
