//! The orbits: which are free, reserved, or occupied.

use super::codes::OrbitNo;
use crate::location::UserId;
use hookswitch_machine::{Time, TimerKey};
use hookswitch_sip::ua::LegId;
use std::collections::BTreeMap;

/// Orbits that one user may have reserved at a time, and those where it may have parked itself.
pub(super) const MOST_OWN: usize = 3;

/// An orbit that is not free.
#[derive(Debug)]
pub(super) enum Slot {
    /// Somebody was told that it is free, and is about to park there.
    Reserved { by: UserId, timer: TimerKey },
    /// A call is parked there.
    Occupied(Parking),
}

/// A parked call.
#[derive(Debug)]
pub(super) struct Parking {
    pub(super) leg: LegId,
    /// Who is rung back.
    pub(super) parker: UserId,
    /// When it is hung up.
    pub(super) until: Time,
    /// For ringing back, giving that up, and the end.
    pub(super) timer: TimerKey,
    /// Who is being connected with it.
    pub(super) taker: Option<LegId>,
    /// The parker's phones, while they ring.
    pub(super) recalls: Vec<LegId>,
}

/// All orbits that are not free.
#[derive(Debug, Default)]
pub(super) struct Orbits {
    pub(super) slots: BTreeMap<OrbitNo, Slot>,
}

impl Orbits {
    /// The first of these that is free.
    pub(super) fn free(&self, mut all: impl Iterator<Item = OrbitNo>) -> Option<OrbitNo> {
        all.find(|orbit| !self.slots.contains_key(orbit))
    }

    /// Whether a user has reserved as many as permitted.
    pub(super) fn has_enough(&self, user: UserId) -> bool {
        let reserved = |slot: &&Slot| matches!(slot, Slot::Reserved { by, .. } if *by == user);
        self.slots.values().filter(reserved).count() >= MOST_OWN
    }

    pub(super) fn parking(&mut self, orbit: OrbitNo) -> Option<&mut Parking> {
        match self.slots.get_mut(&orbit) {
            Some(Slot::Occupied(parking)) => Some(parking),
            Some(Slot::Reserved { .. }) | None => None,
        }
    }
}
