//! Datagrams: the fast path.
//!
//! A [`UdpEndpoint`] is one socket of one shard. It receives into slabs of a pool and hands out slices of them without a copy;
//! it queues what is to be sent and gives it to the system in batches. On Linux both directions use the `mmsg` calls
//! (`mmsg.rs`, the only unsafe code of this crate); elsewhere one call per datagram (`portable.rs`).

#[cfg(any(not(target_os = "linux"), test))]
mod portable;
#[cfg(target_os = "linux")]
#[path = "mmsg.rs"]
mod system;
#[cfg(not(target_os = "linux"))]
use portable as system;
mod datagram;
mod endpoint;
mod pool;
mod socket;

pub(crate) use endpoint::UdpEndpoint;
pub(crate) use socket::open;
