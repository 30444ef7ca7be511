//! What sessions cost in memory.

use super::*;
use crate::ua::clock::Clock;
use crate::ua::leg::{Leg, Legs};
use crate::ua::pending::Pending;
use crate::ua::usage::{Ours, Theirs};

#[test]
fn a_session_is_small() {
    let mut net = Net::new();
    let (a, _) = net.call();
    let dialog = net.sides[A].ua.dialog(a).map_or(0, size_of_val);
    println!("leg {} + dialog {dialog}, pending {}", size_of::<Leg>(), size_of::<Pending>());
    assert!(size_of::<Leg>() <= 176, "{}", size_of::<Leg>());
    assert!(size_of::<Pending>() <= 240, "{}", size_of::<Pending>());
    assert!(size_of::<Legs>() <= 64);
    let (ours, theirs) = (size_of::<Ours>(), size_of::<Theirs>());
    println!("subscription of ours {ours}, of others {theirs}, clock {}", size_of::<Clock>());
    assert!(ours <= 512 && theirs <= 320, "{ours} {theirs}");
    assert!(size_of::<Clock>() <= 80);
    net.hang_up(A, a).unwrap();
    net.drain();
}
