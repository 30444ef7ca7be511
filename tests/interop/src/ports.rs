//! Port numbers for peers: below the range that the system gives out by itself, each once in a process.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 17_000;
const LAST: u16 = 24_900;
/// SIPp binds four media ports beside each other, and a free one beside is left to it.
const APART: u16 = 10;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// The first of ten ports that nobody has.
pub fn free_port() -> u16 {
    let places = (LAST - FIRST) / APART;
    // Processes that run beside each other begin at different places.
    let begin = std::process::id() as u16 % places;
    for _ in 0..places {
        let place = (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % places;
        let port = FIRST + place * APART;
        if (port..port + APART).all(|port| UdpSocket::bind(("127.0.0.1", port)).is_ok()) {
            return port;
        }
    }
    panic!("no ten free ports between {FIRST} and {LAST}");
}

/// A range of ports for one service's audio.
pub fn free_media_ports() -> (u16, u16) {
    (25_000, 32_000)
}
