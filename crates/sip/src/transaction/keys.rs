//! How messages find their transaction (RFC 3261 17.1.3, 17.2.3), as short hashes under secret keys: equal for all that counts as
//! the same transaction, and nobody can choose two that collide.

use super::branch::Branch;
use crate::message::{Host, Message, Method, Name, Via};
use hookswitch_machine::{Entropy, HashKeys};
use std::hash::{BuildHasher, Hasher};

/// The identity of a server transaction: branch, sent-by, method and CSeq number; or what RFC 2543 compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ServerKey(u64, u64);

impl ServerKey {
    /// A number that is the same for every copy of the request: the To tag of an answer given without a transaction
    /// (RFC 3261 8.2.7).
    pub(crate) const fn number(self) -> u64 {
        self.0 ^ self.1.rotate_left(32)
    }
}

/// What a merged request shares with the one that came before (RFC 3261 8.2.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MergeKey(u64);

/// The identity of a client transaction: our branch and the method in CSeq.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClientKey {
    token: u64,
    method: u32,
}

impl ClientKey {
    pub(crate) fn new(branch: Branch, method: Method<'_>) -> Self {
        // FNV-1a: the branch is secret, the method only tells a CANCEL from its INVITE.
        let fold = |hash: u32, c: u8| (hash ^ u32::from(c)).wrapping_mul(0x0100_0193);
        Self { token: branch.token(), method: method.as_str().bytes().fold(0x811c_9dc5, fold) }
    }

    /// The CANCEL for the request of this key carries the same branch (RFC 3261 9.1).
    pub(crate) fn with_method(self, method: Method<'_>) -> Self {
        Self { token: self.token, ..Self::new(Branch::new(0, self.token), method) }
    }
}

/// The secret keys.
#[derive(Debug)]
pub(crate) struct Keys(HashKeys, HashKeys);

impl Keys {
    pub(crate) fn new(entropy: &mut Entropy) -> Self {
        Self(entropy.hash_keys(), entropy.hash_keys())
    }

    /// The key of the transaction that a request with this topmost Via and method belongs to.
    pub(crate) fn server(&self, message: &Message, via: &Via<'_>, method: Method<'_>) -> ServerKey {
        let branch = via.rfc3261_branch();
        let number = message.cseq().number;
        let hash = |keys: &HashKeys| {
            let mut hasher = keys.build_hasher();
            match branch {
                Some(branch) => feed_request(&mut hasher, branch, via),
                None => feed_rfc2543_request(&mut hasher, message),
            }
            feed(&mut hasher, method.as_str());
            // Not in RFC 3261 17.2.3, but the same in all messages of a transaction; there are elements that send a request with
            // credentials under the old branch.
            hasher.write_u32(number);
            hasher.finish()
        };
        ServerKey(hash(&self.0), hash(&self.1))
    }

    /// The key that merged copies of a request share.
    pub(crate) fn merge(&self, message: &Message) -> MergeKey {
        let mut hasher = self.0.build_hasher();
        let cseq = message.cseq();
        feed(&mut hasher, message.call_id());
        feed(&mut hasher, message.from_tag().unwrap_or_default());
        hasher.write_u32(cseq.number);
        feed(&mut hasher, cseq.method.as_str());
        MergeKey(hasher.finish())
    }
}

/// RFC 3261 17.2.3: branch and sent-by; both compare without case.
fn feed_request(hasher: &mut impl Hasher, branch: &str, via: &Via<'_>) {
    hasher.write_u8(1);
    feed_without_case(hasher, branch);
    match via.host() {
        Host::Name(name) => {
            hasher.write_u8(0);
            feed_without_case(hasher, name);
        }
        Host::V4(address) => {
            hasher.write_u8(4);
            hasher.write(&address.octets());
        }
        Host::V6(address) => {
            hasher.write_u8(6);
            hasher.write(&address.octets());
        }
    }
    hasher.write_u16(via.port().unwrap_or(5060));
}

/// RFC 3261 17.2.3 for elements of RFC 2543. The To tag is left out, since the one in an ACK comes from our response: the rest
/// already tells transactions apart.
fn feed_rfc2543_request(hasher: &mut impl Hasher, message: &Message) {
    hasher.write_u8(2);
    feed(hasher, message.request_uri().unwrap_or_default());
    feed(hasher, message.call_id());
    feed(hasher, message.from_tag().unwrap_or_default());
    feed(hasher, message.header(Name::Via).unwrap_or_default());
}

fn feed(hasher: &mut impl Hasher, text: &str) {
    hasher.write(text.as_bytes());
    // No text holds this octet, so pieces cannot run together.
    hasher.write_u8(0xff);
}

fn feed_without_case(hasher: &mut impl Hasher, text: &str) {
    let mut buffer = [0u8; 64];
    for part in text.as_bytes().chunks(buffer.len()) {
        if let Some(lower) = buffer.get_mut(..part.len()) {
            lower.copy_from_slice(part);
            lower.make_ascii_lowercase();
            hasher.write(lower);
        }
    }
    hasher.write_u8(0xff);
}
