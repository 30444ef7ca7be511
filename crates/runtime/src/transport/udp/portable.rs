//! Everywhere: one call per datagram, nothing unsafe. The interface is that of `mmsg.rs`.
#![cfg_attr(target_os = "linux", allow(dead_code))]

use super::datagram::{Arrival, BATCH, Departure, Rejection};
use mio::net::UdpSocket;
use std::io;

/// Receives batches.
pub(super) struct Receiver;

impl Receiver {
    pub(super) fn new() -> Self {
        Self
    }

    /// Receives what is there into slots of `stride` bytes of `slab`, at most one batch. True if the socket may hold more.
    pub(super) fn receive(
        &mut self,
        socket: &UdpSocket,
        slab: &mut [u8],
        stride: usize,
        arrivals: &mut Vec<Arrival>,
    ) -> io::Result<bool> {
        for (i, slot) in slab.chunks_exact_mut(stride.max(1)).take(BATCH).enumerate() {
            match socket.recv_from(slot) {
                // A datagram that fills its slot may have been larger: slots have room to spare for all that are allowed.
                Ok((length, peer)) => {
                    let truncated = length == stride;
                    arrivals.push(Arrival { offset: i * stride, length, peer, truncated });
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if i == 0 => return Err(error),
                Err(_) => return Ok(true),
            }
        }
        Ok(true)
    }
}

/// Sends batches.
pub(super) struct Sender;

impl Sender {
    pub(super) fn new() -> Self {
        Self
    }

    /// Sends from the front, at most one batch; how many were taken. An error speaks of the first datagram.
    pub(super) fn send(&mut self, socket: &UdpSocket, departures: &[Departure]) -> io::Result<usize> {
        for (i, departure) in departures.iter().take(BATCH).enumerate() {
            match socket.send_to(&departure.bytes, departure.peer) {
                Ok(_) => {}
                Err(error) if i == 0 => return Err(error),
                Err(_) => return Ok(i),
            }
        }
        Ok(departures.len().min(BATCH))
    }
}

/// Nothing more than what `socket.rs` sets everywhere.
pub(super) fn prepare(_: &UdpSocket, _ipv6: bool, _receive_buffer: usize) {}

/// ICMP errors are not told apart here; they show as lost datagrams.
pub(super) fn next_rejection(_: &UdpSocket) -> Option<Rejection> {
    None
}
