//! Wrong passwords: whoever guesses at a user's password waits.

use hookswitch_machine::{Entropy, HashKeys, Map, Time};
use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;
use std::time::Duration;

/// Wrong passwords within a minute, for one user from one address, until nothing is checked any more.
const MOST: u32 = 20;
const WINDOW: Duration = Duration::from_secs(60);
/// Pairs of user and address that are remembered. Beyond it, what is over is forgotten first, then everything.
const ROOM: usize = 4_096;

#[derive(Clone, Copy, Debug)]
struct Count {
    since: Time,
    wrong: u32,
}

/// Counts wrong passwords. The user itself is not locked out at other addresses.
#[derive(Debug)]
pub(crate) struct Failures {
    keys: HashKeys,
    counts: Map<u64, Count>,
}

impl Failures {
    pub(crate) fn new(entropy: &mut Entropy) -> Self {
        Self { keys: entropy.hash_keys(), counts: Map::with_hasher(entropy.hash_keys()) }
    }

    fn key(&self, user: &str, from: IpAddr) -> u64 {
        let mut hasher = self.keys.build_hasher();
        match from {
            IpAddr::V4(ip) => hasher.write(&ip.octets()),
            // Hosts choose the lower half of their addresses as they like.
            IpAddr::V6(ip) => hasher.write(ip.octets().get(..8).unwrap_or_default()),
        }
        hasher.write(user.as_bytes());
        hasher.finish()
    }

    /// Whether nothing is to be checked for this user from this address now.
    pub(crate) fn is_blocked(&mut self, now: Time, user: &str, from: IpAddr) -> bool {
        if self.counts.is_empty() {
            return false;
        }
        let key = self.key(user, from);
        match self.counts.get(&key).copied() {
            Some(count) if now.since(count.since) >= WINDOW => {
                self.counts.remove(&key);
                false
            }
            Some(count) => count.wrong >= MOST,
            None => false,
        }
    }

    /// A password was wrong, or the user unknown.
    pub(crate) fn wrong(&mut self, now: Time, user: &str, from: IpAddr) {
        if self.counts.len() >= ROOM {
            self.counts.retain(|_, count| now.since(count.since) < WINDOW);
            if self.counts.len() >= ROOM {
                self.counts.clear();
            }
        }
        let key = self.key(user, from);
        let count = self.counts.entry(key).or_insert(Count { since: now, wrong: 0 });
        count.wrong = count.wrong.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_bounded() {
        let mut failures = Failures::new(&mut Entropy::from_number(1));
        for n in 0..20_000u32 {
            failures.wrong(Time::ZERO, "ann", IpAddr::V4(n.into()));
        }
        assert!(failures.counts.len() <= ROOM);
    }
}
