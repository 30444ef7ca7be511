//! UDP: a flood. In a process of its own, because it measures memory.
#![allow(clippy::disallowed_methods)]

mod common;

use common::{Ask, DEADLINE, Echoing, Told};
use hookswitch_machine::Transport;
use hookswitch_runtime::Options;
use std::net::UdpSocket;

#[cfg(target_os = "linux")]
#[test]
fn a_flood_takes_no_memory() {
    let resident = || {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap() * 4_096
    };
    let echoing = Echoing::with(&[(Transport::Udp, "127.0.0.1:0")], Options::default(), 1, |echo| {
        echo.quiet = true;
    });
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_write_timeout(Some(DEADLINE)).unwrap();
    let message = [7; 600];
    let flood = |count: u64| {
        for _ in 0..count {
            // A full buffer is the kernel's way of dropping; the echoes are dropped in ours, as nobody reads them.
            let _ = peer.send_to(&message, echoing.address(0));
        }
        // The driver has handled everything once it answers a request that was posted after.
        echoing.ask(Ask::Ping(1));
        while echoing.next() != Told::Pong(1) {}
    };
    flood(10_000);
    let before = resident();
    flood(200_000);
    let grown = resident().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes more after the flood");
    assert!(echoing.running.figures().datagrams_in > 20_000);
    echoing.stop();
}
