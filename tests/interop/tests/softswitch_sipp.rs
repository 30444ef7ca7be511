//! SIPp as a user of our own softswitch.
#![allow(clippy::disallowed_methods, clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use hookswitch_interop::{Sipp, Switchboard, needs};
use std::time::Duration;

/// So many registrations, each challenged: twice as many requests.
const REGISTRATIONS: u32 = 2_000;

/// Registers over a transport; `left` contacts are there when SIPp has gone: those of a connection go with it.
async fn registers(transport: &str, left: usize) {
    if !needs(&["sipp"]) {
        return;
    }
    let board = Switchboard::start();
    let registrations = REGISTRATIONS.to_string();
    let options = ["-m", &registrations, "-r", "500", "-l", "200", "-t", transport];
    let sipp = Sipp::calls("registers-load", board.address(), &options);
    let took = sipp.passed_within(Duration::from_secs(60)).await;
    println!("{REGISTRATIONS} registrations, each with its challenge, in {took:.1?}");
    let left = board.registrations(left).await;
    assert_eq!(left.counts.dropped, 0, "{left:?}");
    board.switch.shutdown(Duration::from_secs(4)).await;
}

#[tokio::test]
async fn registers_two_thousand_times_over_udp() {
    registers("u1", 1).await;
}

#[tokio::test]
async fn registers_two_thousand_times_over_tcp() {
    registers("t1", 0).await;
}
