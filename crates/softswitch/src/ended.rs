//! Calls that ended a moment ago: both sides may hang up at once, or hang up again, and an operator is told once.

use hookswitch_machine::{Entropy, HashKeys, Set, Time};
use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// As long as a BYE may be on its way (RFC 3261 17.1.2.2: timer F).
const WINDOW: Duration = Duration::from_secs(32);
/// Calls that are remembered; beyond it the oldest are forgotten early.
const ROOM: usize = 16_384;

/// Remembers Call-IDs by 64 bits that nobody can aim at.
#[derive(Debug)]
pub(crate) struct Ended {
    keys: HashKeys,
    order: VecDeque<(Time, u64)>,
    known: Set<u64>,
}

impl Ended {
    pub(crate) fn new(entropy: &mut Entropy) -> Self {
        Self {
            keys: entropy.hash_keys(),
            order: VecDeque::new(),
            known: Set::with_hasher(entropy.hash_keys()),
        }
    }

    /// Whether this is the first time in a while that the call ends. It has the same two tags whoever hangs up.
    pub(crate) fn is_new(&mut self, now: Time, call_id: &str, mut tags: [&str; 2]) -> bool {
        tags.sort_unstable();
        while let Some((at, key)) = self.order.front().copied()
            && (now.since(at) >= WINDOW || self.order.len() >= ROOM)
        {
            self.order.pop_front();
            self.known.remove(&key);
        }
        let mut hasher = self.keys.build_hasher();
        for text in [call_id].iter().chain(&tags) {
            hasher.write(text.as_bytes());
            // No text holds this octet, so pieces cannot run together.
            hasher.write_u8(0xff);
        }
        let key = hasher.finish();
        let new = self.known.insert(key);
        if new {
            self.order.push_back((now, key));
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_ends_once_within_the_window() {
        let mut ended = Ended::new(&mut Entropy::from_number(1));
        let at = Time::from_millis;
        assert!(ended.is_new(at(0), "a", ["1", "2"]));
        assert!(!ended.is_new(at(1_000), "a", ["2", "1"]));
        assert!(ended.is_new(at(1_000), "a", ["1", "3"]), "another call of the same name");
        assert!(ended.is_new(at(1_000), "b", ["1", "2"]));
        assert!(ended.is_new(at(32_000), "a", ["1", "2"]));
        assert!(!ended.is_new(at(32_000), "b", ["1", "2"]));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut ended = Ended::new(&mut Entropy::from_number(1));
        for n in 0..50_000 {
            assert!(ended.is_new(Time::ZERO, &n.to_string(), ["1", "2"]));
        }
        assert!(ended.order.len() <= ROOM && ended.known.len() == ended.order.len());
    }
}
