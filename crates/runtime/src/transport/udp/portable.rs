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

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use std::time::Duration;

    #[test]
    fn batches_go_out_and_come_in_one_call_each() {
        let any = "127.0.0.1:0".parse().unwrap();
        let (mut to, from) = (UdpSocket::bind(any).unwrap(), UdpSocket::bind(any).unwrap());
        let mut poll = mio::Poll::new().unwrap();
        poll.registry().register(&mut to, mio::Token(0), mio::Interest::READABLE).unwrap();
        let peer = to.local_addr().unwrap();
        let departures: Vec<_> = ["one", "two", "three and more"]
            .map(|text| Departure { peer, bytes: Bytes::from_static(text.as_bytes()) })
            .into();
        assert_eq!(Sender::new().send(&from, &departures).unwrap(), 3);
        let (mut slab, mut arrivals) = ([0; 80], Vec::new());
        while arrivals.len() < 3 {
            let mut events = mio::Events::with_capacity(1);
            poll.poll(&mut events, Some(Duration::from_secs(5))).unwrap();
            assert!(!events.is_empty());
            let begin = arrivals.len() * 8;
            assert!(!Receiver::new().receive(&to, &mut slab[begin..], 8, &mut arrivals).unwrap());
        }
        assert_eq!(arrivals.iter().map(|arrival| arrival.length).collect::<Vec<_>>(), [3, 3, 8]);
        assert_eq!(
            arrivals.iter().map(|arrival| arrival.truncated).collect::<Vec<_>>(),
            [false, false, true]
        );
        assert_eq!((&slab[..3], arrivals[0].peer), (&b"one"[..], from.local_addr().unwrap()));
    }
}
