//! How a driver is tuned.

use crate::dns::DnsOptions;
use crate::transport::StreamOptions;
use std::time::Duration;

/// Limits and tuning of a driver. The defaults suit a server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The largest datagram accepted, in bytes (RFC 3261 18.1.1 asks for all that UDP can carry). Larger ones are counted
    /// and dropped.
    pub datagram_limit: usize,
    /// How many datagrams of one socket are handled before the mailbox and the timers have their turn.
    pub datagrams_per_turn: usize,
    /// How many users' requests may wait for one shard.
    pub requests: usize,
    /// How many media events may wait for one shard.
    pub media_events: usize,
    /// How many datagrams that came to another shard's socket may wait for one shard.
    pub steered_datagrams: usize,
    /// How long a shard with more than 1,000 inputs a second lets datagrams gather before it takes them; zero takes each as
    /// soon as it arrives. Gathering costs this much latency and saves a wake-up and system calls per datagram. A shard
    /// that is less busy never waits.
    pub gather: Duration,
    /// Streams: sizes, counts and times.
    pub streams: StreamOptions,
    /// How hosts are looked up.
    pub dns: DnsOptions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            datagram_limit: 65_535,
            datagrams_per_turn: 256,
            requests: 4_096,
            media_events: 65_536,
            steered_datagrams: 8_192,
            gather: Duration::from_millis(1),
            streams: StreamOptions::default(),
            dns: DnsOptions::default(),
        }
    }
}
