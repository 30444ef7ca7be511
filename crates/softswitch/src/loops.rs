//! Loop detection (RFC 3261 16.3, 4; RFC 5393 4.2): the end of our branches stands for what decided the routing.

use hookswitch_machine::{Entropy, HashKeys};
use hookswitch_sip::message::{Message, Name};
use hookswitch_sip::transaction::Branch;
use std::hash::{BuildHasher, Hasher};

use crate::own::Own;

/// The low bits of a branch, six digits to the base of 32; the others are random.
const MASK: u64 = (1 << 30) - 1;
const DIGITS: usize = 6;

/// Mints branches and recognises requests that came back unchanged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loops {
    keys: HashKeys,
    shard: u16,
}

impl Loops {
    pub(crate) fn new(shard: u16, entropy: &mut Entropy) -> Self {
        Self { keys: entropy.hash_keys(), shard }
    }

    /// A number for everything about a request, as it came, that decides where it goes. The topmost Via is no part of it
    /// (RFC 5393 4.2.1), or longer loops would never be found.
    pub(crate) fn mark(&self, request: &Message) -> u64 {
        let mut hasher = self.keys.build_hasher();
        let mut feed = |text: &str| {
            hasher.write(text.as_bytes());
            // No text holds this octet, so pieces cannot run together.
            hasher.write_u8(0xff);
        };
        feed(request.request_uri().unwrap_or_default());
        feed(request.from_tag().unwrap_or_default());
        feed(request.to_tag().unwrap_or_default());
        feed(request.call_id());
        feed(request.method().as_str());
        request.headers(Name::Route).for_each(&mut feed);
        hasher.write_u32(request.cseq().number);
        hasher.finish() & MASK
    }

    /// A branch for a request with this mark.
    pub(crate) fn branch(&self, mark: u64, entropy: &mut Entropy) -> Branch {
        Branch::new(self.shard, entropy.next_u64() & !MASK | mark & MASK)
    }

    /// Whether we passed this very request on before.
    pub(crate) fn is_loop(&self, own: &Own, mark: u64, request: &Message) -> bool {
        let ending = Branch::new(self.shard, mark & MASK).to_string();
        let ending = ending.get(ending.len().saturating_sub(DIGITS)..).unwrap_or_default();
        request.vias().flatten().any(|via| {
            let branch = via.branch().filter(|text| Branch::parse(text).is_some()).unwrap_or_default();
            let last = branch.get(branch.len().saturating_sub(DIGITS)..).unwrap_or_default();
            own.sent(via.host(), via.port()) && last.eq_ignore_ascii_case(ending)
        })
    }
}
