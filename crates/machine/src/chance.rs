//! Chance as an input: a seeded generator, and hash maps keyed from it.

use rand_chacha::ChaCha12Rng;
use rand_core::{RngCore, SeedableRng};
use siphasher::sip::SipHasher13;
use std::hash::BuildHasher;

/// A deterministic generator for tags, branches, Call-IDs, jitter. Seeded by the operating system in production and by the
/// test's seed in simulation. Key material for SRTP comes from a generator of its own.
#[derive(Clone, Debug)]
pub struct Entropy(ChaCha12Rng);

impl Entropy {
    /// A generator that yields the same numbers for the same seed.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ChaCha12Rng::from_seed(seed))
    }

    /// A generator for tests and simulations.
    pub fn from_number(seed: u64) -> Self {
        Self(ChaCha12Rng::seed_from_u64(seed))
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// A number in `0..bound`, or 0 if `bound` is 0. The bias is below 2⁻³² for every bound this project uses.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// True in `numerator` of `denominator` cases.
    pub fn chance(&mut self, numerator: u32, denominator: u32) -> bool {
        self.below(u64::from(denominator)) < u64::from(numerator)
    }

    /// An independent generator, so that parts do not disturb one another's sequence.
    pub fn fork(&mut self) -> Self {
        let mut seed = [0; 32];
        self.0.fill_bytes(&mut seed);
        Self::from_seed(seed)
    }

    /// Keys for hash maps.
    pub fn hash_keys(&mut self) -> HashKeys {
        HashKeys(self.next_u64(), self.next_u64())
    }
}

/// Keys of a SipHash-1-3, so that a peer that chooses tags and Call-IDs cannot choose collisions.
#[derive(Clone, Copy, Debug, Default)]
pub struct HashKeys(u64, u64);

impl BuildHasher for HashKeys {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}

/// A hash map with keyed hashing. Nothing may depend on its iteration order.
pub type Map<K, V> = hashbrown::HashMap<K, V, HashKeys>;
/// A hash set with keyed hashing. Nothing may depend on its iteration order.
pub type Set<K> = hashbrown::HashSet<K, HashKeys>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_yields_the_same_numbers() {
        let (mut a, mut b) = (Entropy::from_number(7), Entropy::from_number(7));
        assert!((0..100).all(|_| a.next_u64() == b.next_u64()));
        assert_ne!(Entropy::from_number(8).next_u64(), Entropy::from_number(7).next_u64());
    }

    #[test]
    fn below_stays_below() {
        let mut e = Entropy::from_number(1);
        assert!((0..1_000).all(|_| e.below(7) < 7));
        assert_eq!(e.below(0), 0);
    }
}
