//! What the transports counted.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// Counters that all threads of one driver share. Every figure only grows.
        #[derive(Debug, Default)]
        pub(crate) struct Counters { $(pub(crate) $name: Counter,)+ }

        /// The counters at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Figures { $($(#[$doc])* pub $name: u64,)+ }

        impl Counters {
            /// Reads all counters.
            pub(crate) fn figures(&self) -> Figures {
                Figures { $($name: self.$name.get(),)+ }
            }
        }
    };
}

counters! {
    /// Datagrams received and handed to a machine or steered to its shard.
    datagrams_in,
    /// Datagrams given to the operating system.
    datagrams_out,
    /// Datagrams dropped because they were larger than the limit.
    oversize,
    /// Datagrams dropped because the queue to their shard was full.
    steer_dropped,
    /// Datagrams dropped because the operating system took no more.
    send_dropped,
    /// Datagrams that arrived at another shard's socket than their own.
    steered,
    /// ICMP errors received.
    icmp,
    /// Stream connections accepted.
    accepted,
    /// Stream connections opened by us.
    opened,
    /// Incoming stream connections turned away by a limit.
    turned_away,
    /// Stream connections closed because the peer did not read.
    overflows,
    /// Stream connections closed because their bytes were no SIP.
    malformed,
    /// Messages received on streams.
    frames_in,
    /// Messages written to streams' queues.
    frames_out,
    /// DNS questions asked by the machines.
    questions,
    /// Turns of the shards' loops; work per turn says how well batching goes.
    turns,
}

/// A number that many threads add to.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        if n > 0 {
            self.0.fetch_add(n, Ordering::Relaxed);
        }
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
