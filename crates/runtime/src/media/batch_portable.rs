//! Everywhere: one system call per datagram. The interface is that of `batch.rs`.

use std::io;
use std::net::{SocketAddr, UdpSocket};

/// Datagrams taken by one call.
pub(super) const BATCH: usize = 1;
/// The longest datagram taken.
const DATAGRAM: usize = 2_048;

/// Room for one datagram.
pub(super) struct Batch {
    bytes: Box<[u8; DATAGRAM]>,
    last: Option<(SocketAddr, usize)>,
}

impl Batch {
    pub(super) fn new() -> Self {
        Self { bytes: Box::new([0; DATAGRAM]), last: None }
    }

    pub(super) fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        self.last = None;
        let (length, from) = socket.recv_from(&mut self.bytes[..])?;
        self.last = Some((from, length));
        Ok(1)
    }

    pub(super) fn get(&self, i: usize) -> Option<(SocketAddr, &[u8])> {
        let (from, length) = self.last.filter(|_| i == 0)?;
        Some((from, self.bytes.get(..length)?))
    }
}
