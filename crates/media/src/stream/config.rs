//! What is the same for every stream of a driver.

use crate::jitter::JitterLimits;
use std::time::Duration;

/// Settings of streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamConfig {
    /// Between what the delay of the jitter buffer may vary.
    pub jitter: JitterLimits,
    /// After how long without a packet [`Event::Silent`](crate::control::Event::Silent) comes; `None` for never.
    pub silence_limit: Option<Duration>,
    /// How long the other side must be silent before packets from another address are taken for its own.
    pub latch_patience: Duration,
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self {
            jitter: JitterLimits::default(),
            silence_limit: Some(Duration::from_secs(30)),
            latch_patience: Duration::from_secs(2),
        }
    }
}
