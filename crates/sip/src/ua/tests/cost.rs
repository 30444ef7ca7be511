//! What sessions cost in memory.

use super::*;
use crate::ua::leg::{Leg, Legs};
use crate::ua::pending::Pending;

#[test]
fn a_session_is_small() {
    let mut net = Net::new();
    let (a, _) = net.call();
    let dialog = net.sides[A].ua.dialog(a).map_or(0, size_of_val);
    println!("leg {} + dialog {dialog}, pending {}", size_of::<Leg>(), size_of::<Pending>());
    assert!(size_of::<Leg>() <= 176, "{}", size_of::<Leg>());
    assert!(size_of::<Pending>() <= 240, "{}", size_of::<Pending>());
    assert!(size_of::<Legs>() <= 64);
    net.hang_up(A, a).unwrap();
    net.drain();
}
