//! The orbits: which are free, reserved, or occupied.

use super::codes::OrbitNo;
use crate::location::UserId;
use hookswitch_machine::{Time, TimerKey};
use hookswitch_sip::ua::LegId;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a REFER to an orbit that passed by makes the next call to it one to be parked.
const EXPECTED: Duration = Duration::from_secs(32);
/// Orbits that one user may have reserved at a time.
const MOST_RESERVED: usize = 3;

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
    pub(super) parker: Option<UserId>,
    /// When it is hung up.
    pub(super) until: Time,
    /// For ringing back, giving that up, and the end.
    pub(super) timer: TimerKey,
    /// Who is being connected with it.
    pub(super) taker: Option<LegId>,
    /// The parker's phones, while they ring.
    pub(super) recalls: Vec<LegId>,
}

/// A REFER to an orbit.
#[derive(Clone, Copy, Debug)]
struct Expected {
    by: UserId,
    /// Who was sent there; `None`: somebody that is no user of ours.
    whom: Option<UserId>,
    at: Time,
}

/// All orbits that are not free.
#[derive(Debug, Default)]
pub(super) struct Orbits {
    pub(super) slots: BTreeMap<OrbitNo, Slot>,
    /// Whose REFER to an orbit passed by. No more than there are orbits.
    expected: BTreeMap<OrbitNo, Expected>,
}

impl Orbits {
    /// The first of these that is free.
    pub(super) fn free(&self, mut all: impl Iterator<Item = OrbitNo>) -> Option<OrbitNo> {
        all.find(|orbit| !self.slots.contains_key(orbit))
    }

    /// Whether a user has reserved as many as permitted.
    pub(super) fn has_enough(&self, user: UserId) -> bool {
        let reserved = |slot: &&Slot| matches!(slot, Slot::Reserved { by, .. } if *by == user);
        self.slots.values().filter(reserved).count() >= MOST_RESERVED
    }

    /// A user has sent somebody to this orbit.
    pub(super) fn expect(&mut self, now: Time, orbit: OrbitNo, by: UserId, whom: Option<UserId>) {
        self.expected.insert(orbit, Expected { by, whom, at: now });
    }

    /// Who has sent this caller to this orbit a moment ago.
    pub(super) fn expected(&mut self, now: Time, orbit: OrbitNo, caller: Option<UserId>) -> Option<UserId> {
        let expected = self.expected.get(&orbit)?;
        if expected.whom.is_some() && expected.whom != caller && now.since(expected.at) < EXPECTED {
            return None;
        }
        let Expected { by, at, .. } = self.expected.remove(&orbit)?;
        (now.since(at) < EXPECTED).then_some(by)
    }

    pub(super) fn parking(&mut self, orbit: OrbitNo) -> Option<&mut Parking> {
        match self.slots.get_mut(&orbit) {
            Some(Slot::Occupied(parking)) => Some(parking),
            Some(Slot::Reserved { .. }) | None => None,
        }
    }
}
