//! One socket of one shard.

use super::datagram::{Arrival, BATCH, Departure, Rejection};
use super::pool::Pool;
use super::system::{Receiver, Sender, next_rejection};
use crate::counters::Counters;
use bytes::Bytes;
use hookswitch_machine::{CloseReason, EndpointId, Flow};
use mio::net::UdpSocket;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// How many datagrams may wait for a socket that takes no more. They are lost beyond that, as on any full link.
const BACKLOG: usize = 4_096;
/// How many ICMP errors are reported in one turn.
const REJECTIONS: usize = 64;

/// A UDP socket with its memory: slabs to receive into, a queue to send from.
pub(crate) struct UdpEndpoint {
    id: EndpointId,
    socket: UdpSocket,
    limit: usize,
    stride: usize,
    pool: Pool,
    receiver: Receiver,
    arrivals: Vec<Arrival>,
    sender: Sender,
    departures: Vec<Departure>,
    counters: Arc<Counters>,
    /// There may be datagrams to read.
    readable: bool,
    /// There may be errors to read.
    rejected: bool,
}

impl UdpEndpoint {
    /// `socket` is registered with the shard's readiness queue for reading.
    pub(crate) fn new(id: EndpointId, socket: UdpSocket, limit: usize, counters: Arc<Counters>) -> Self {
        // One byte more than allowed, so that larger ones show; and no power of two, so that the beginnings of the slots
        // do not compete for the same cache lines.
        let stride = (limit + 1).next_multiple_of(64) + 9 * 64;
        Self {
            id,
            socket,
            limit,
            stride,
            pool: Pool::new(stride * BATCH),
            receiver: Receiver::new(),
            arrivals: Vec::with_capacity(BATCH),
            sender: Sender::new(),
            departures: Vec::with_capacity(BATCH),
            counters,
            readable: true,
            rejected: false,
        }
    }

    /// Takes a readiness event.
    pub(crate) fn ready(&mut self, event: &mio::event::Event) {
        self.readable |= event.is_readable();
        self.rejected |= event.is_error();
    }

    /// Whether a turn would find work here without waiting for readiness.
    pub(crate) fn is_readable(&self) -> bool {
        self.readable || self.rejected
    }

    /// Whether something waits to be sent.
    pub(crate) fn has_backlog(&self) -> bool {
        !self.departures.is_empty()
    }

    /// Receives one batch and hands each datagram on; how many there were.
    pub(crate) fn receive(&mut self, mut each: impl FnMut(Flow, Bytes)) -> usize {
        let mut slab = self.pool.take();
        self.arrivals.clear();
        match self.receiver.receive(&self.socket, &mut slab, self.stride, &mut self.arrivals) {
            Ok(more) => self.readable = more,
            Err(error) => {
                self.readable = match error.kind() {
                    io::ErrorKind::WouldBlock => false,
                    // An ICMP error waits in the error queue; the datagrams behind it are still there.
                    _ => {
                        self.rejected = true;
                        true
                    }
                };
                self.pool.give(slab);
                return 0;
            }
        }
        let slab = slab.freeze();
        let mut taken = 0;
        for arrival in self.arrivals.drain(..) {
            if arrival.truncated || arrival.length > self.limit {
                self.counters.oversize.add(1);
                tracing::debug!(target: "hookswitch::udp", peer = %arrival.peer, limit = self.limit, "datagram too large");
                continue;
            }
            let end = arrival.offset + arrival.length;
            if arrival.length > 0 && end <= slab.len() {
                taken += 1;
                each(Flow::to(self.id, arrival.peer), slab.slice(arrival.offset..end));
            }
        }
        self.pool.give_frozen(slab);
        self.counters.datagrams_in.add(taken);
        taken as usize
    }

    /// Reports what the network refused.
    pub(crate) fn rejections(&mut self, mut each: impl FnMut(Flow, CloseReason)) {
        if !self.rejected {
            return;
        }
        for _ in 0..REJECTIONS {
            let Some(Rejection { peer, error }) = next_rejection(&self.socket) else {
                self.rejected = false;
                return;
            };
            self.counters.icmp.add(1);
            each(Flow::to(self.id, peer), reason(&error));
        }
    }

    /// Queues a datagram; [`flush`](Self::flush) sends it.
    pub(crate) fn send(&mut self, peer: SocketAddr, bytes: Bytes) {
        if self.departures.len() >= BACKLOG {
            self.counters.send_dropped.add(1);
            return;
        }
        self.departures.push(Departure { peer, bytes });
    }

    /// Gives the queue to the system. What it does not take now stays for the next turn; what it refuses is reported.
    pub(crate) fn flush(&mut self, mut failed: impl FnMut(Flow, CloseReason)) {
        let mut done = 0;
        let mut sent = 0;
        let mut again = true;
        while done < self.departures.len() {
            match self.sender.send(&self.socket, &self.departures[done..]) {
                Ok(count) => {
                    done += count.max(1);
                    sent += count;
                    again = true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // A pending ICMP error of another peer is reported by whatever call comes next: try once more.
                Err(_) if again => {
                    self.rejected = true;
                    again = false;
                }
                Err(error) => {
                    if let Some(departure) = self.departures.get(done) {
                        tracing::debug!(target: "hookswitch::udp", peer = %departure.peer, %error, "send failed");
                        failed(Flow::to(self.id, departure.peer), reason(&error));
                    }
                    done += 1;
                    again = true;
                }
            }
        }
        self.departures.drain(..done);
        self.counters.datagrams_out.add(sent as u64);
    }
}

fn reason(error: &io::Error) -> CloseReason {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => CloseReason::Refused,
        _ => CloseReason::Failed,
    }
}
