//! What can be set, and what can be counted.

use super::timers::Timers;

/// The settings of a [`Layer`](super::Layer).
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The lengths of the timers.
    pub timers: Timers,
    /// The number that every branch of ours carries, so that responses find their shard.
    pub shard: u16,
    /// The most server transactions at a time, lingering ones included; at most 16,777,216. The last eighth is kept for requests
    /// inside dialogs and CANCELs, so that an overloaded system can still end calls.
    pub max_server: usize,
    /// The most client transactions at a time, lingering ones included; at most 16,777,216. The last eighth is kept for requests
    /// other than INVITE.
    pub max_client: usize,
    /// Whether copies of a request that came another way are told apart from new requests (RFC 3261 8.2.2.2). For user agents;
    /// a proxy wants its spirals back.
    pub detect_merged: bool,
    /// How many 503 a second are sent when there is no room for a transaction; further requests are dropped.
    pub refusals_per_second: u32,
    /// The Retry-After of these 503, in seconds; 0 for none.
    pub retry_after: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            timers: Timers::default(),
            shard: 0,
            max_server: 800_000,
            max_client: 400_000,
            detect_merged: true,
            refusals_per_second: 1_000,
            retry_after: 5,
        }
    }
}

/// What a layer holds, for metrics and leak checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// INVITEs that we sent.
    pub client_invite: usize,
    /// Other requests that we sent, CANCELs of the layer's own included.
    pub client_non_invite: usize,
    /// INVITEs that we received.
    pub server_invite: usize,
    /// Other requests that we received.
    pub server_non_invite: usize,
    /// Timers that are set.
    pub timers: usize,
}
