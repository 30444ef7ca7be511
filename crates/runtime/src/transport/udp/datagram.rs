//! What the batched calls take and give.

use bytes::Bytes;
use std::io;
use std::net::SocketAddr;

/// The most datagrams one call receives or sends.
pub(super) const BATCH: usize = 64;

/// A datagram that arrived: where in the slab it lies and who sent it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) offset: usize,
    pub(super) length: usize,
    pub(super) peer: SocketAddr,
    /// The datagram was larger than its slot; the rest is lost.
    pub(super) truncated: bool,
}

/// A datagram to be sent.
#[derive(Clone, Debug)]
pub(super) struct Departure {
    pub(super) peer: SocketAddr,
    pub(super) bytes: Bytes,
}

/// An ICMP error about a datagram that we sent.
#[derive(Debug)]
pub(super) struct Rejection {
    pub(super) peer: SocketAddr,
    pub(super) error: io::Error,
}
