//! The key of a dialog.

use crate::message::Message;
use hookswitch_machine::HashKeys;
use std::hash::{BuildHasher, Hasher};

/// Call-ID, our tag and the peer's tag (RFC 3261 12) in 128 keyed bits: small, and nobody can choose two that collide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DialogId(u128);

impl DialogId {
    /// The key of the dialog with these identifiers; a tag that is missing (RFC 2543) is empty. A dialog named by a Replaces header
    /// that we receive has its `to-tag` as `local_tag` and its `from-tag` as `remote_tag` (RFC 3891 3).
    pub fn new(keys: &HashKeys, call_id: &str, local_tag: &str, remote_tag: &str) -> Self {
        let half = |number: u8| {
            let mut hasher = keys.build_hasher();
            hasher.write_u8(number);
            for part in [call_id, local_tag, remote_tag] {
                hasher.write_usize(part.len());
                hasher.write(part.as_bytes());
            }
            u128::from(hasher.finish())
        };
        Self(half(0) << 64 | half(1))
    }

    /// The key of the dialog that a message from the peer belongs to.
    pub fn of_received(keys: &HashKeys, message: &Message) -> Self {
        let (from, to) = (message.from_tag().unwrap_or(""), message.to_tag().unwrap_or(""));
        if message.is_request() {
            Self::new(keys, message.call_id(), to, from)
        } else {
            Self::new(keys, message.call_id(), from, to)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hookswitch_machine::Entropy;

    #[test]
    fn every_part_counts_and_so_do_the_borders_between_them() {
        let mut entropy = Entropy::from_number(1);
        let keys = entropy.hash_keys();
        let id = |c, l, r| DialogId::new(&keys, c, l, r);
        let all =
            [id("c", "l", "r"), id("c", "r", "l"), id("cl", "", "r"), id("c", "lr", ""), id("d", "l", "r")];
        for (i, a) in all.iter().enumerate() {
            assert!(all.iter().skip(i + 1).all(|b| a != b));
        }
        assert_eq!(id("c", "l", "r"), id("c", "l", "r"));
        assert_ne!(id("c", "l", "r"), DialogId::new(&entropy.hash_keys(), "c", "l", "r"));
    }
}
