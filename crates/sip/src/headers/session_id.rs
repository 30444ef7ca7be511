//! The Session-ID header (RFC 7989): one name for a call, end to end.

use crate::cause::lex;
use std::fmt;

/// The two halves of a session identifier; each end makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId {
    /// The half of the sender of the message.
    pub local: u128,
    /// The half of its receiver: nil (0) until it is known; `None` if the sender speaks RFC 7329, which has one half only.
    pub remote: Option<u128>,
}

impl SessionId {
    /// What the first message of a call says, from 128 random bits.
    pub const fn first(random: u128) -> Self {
        Self { local: version_4(random), remote: Some(0) }
    }

    /// What the other end says in return: the halves change places.
    pub const fn answered(self, own: u128) -> Self {
        Self { local: own, remote: Some(self.local) }
    }

    /// Reads the header's value.
    pub fn parse(value: &str) -> Option<Self> {
        let mut parts = lex::split(value, b';');
        let local = uuid(parts.next()?)?;
        let remote = parts.map(lex::parameter).find(|(name, _)| name.eq_ignore_ascii_case("remote"));
        match remote {
            None => Some(Self { local, remote: None }),
            Some((_, remote)) => Some(Self { local, remote: Some(uuid(remote?)?) }),
        }
    }

    /// The identifier of the call whichever end says it: both halves, the smaller first. `None` until both are known.
    pub fn call(self) -> Option<(u128, u128)> {
        let remote = self.remote.filter(|remote| *remote != 0)?;
        Some((self.local.min(remote), self.local.max(remote)))
    }
}

/// A random UUID (RFC 4122 4.4) of random bits.
const fn version_4(random: u128) -> u128 {
    let version = random & !(0xf << 76) | 4 << 76;
    version & !(0b11 << 62) | 0b10 << 62
}

/// 32 hexadecimal digits.
fn uuid(digits: &str) -> Option<u128> {
    let whole = digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if whole { u128::from_str_radix(digits, 16).ok() } else { None }
}

impl fmt::Display for SessionId {
    /// The header's value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.local)?;
        self.remote.map_or(Ok(()), |remote| write!(f, ";remote={remote:032x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_read_and_written() {
        // RFC 7989 10.1.
        let first = "ab30317f1a784dc48ff824d0d3715d86;remote=00000000000000000000000000000000";
        let id = SessionId::parse(first).unwrap();
        assert_eq!((id.local, id.remote), (0xab30_317f_1a78_4dc4_8ff8_24d0_d371_5d86, Some(0)));
        assert_eq!((id.to_string().as_str(), id.call()), (first, None));
        let second = "47755a9de7794ba387653f2099600ef2;remote=ab30317f1a784dc48ff824d0d3715d86";
        let answer = id.answered(0x4775_5a9d_e779_4ba3_8765_3f20_9960_0ef2);
        assert_eq!(answer.to_string(), second);
        assert_eq!(SessionId::parse(second).unwrap().call(), answer.answered(id.local).call());
        let old = SessionId::parse("AB30317F1A784DC48FF824D0D3715D86").unwrap();
        assert_eq!((old.local, old.remote), (id.local, None));
    }

    #[test]
    fn what_is_no_identifier_is_none() {
        for value in ["", "ab", &"g".repeat(32), &"a".repeat(33), "+b30317f1a784dc48ff824d0d3715d86"] {
            assert_eq!(SessionId::parse(value), None, "{value}");
        }
        assert_eq!(SessionId::parse("ab30317f1a784dc48ff824d0d3715d86;remote=1"), None);
        assert_eq!(SessionId::parse("ab30317f1a784dc48ff824d0d3715d86;remote"), None);
    }

    #[test]
    fn a_new_one_is_a_random_uuid() {
        let text = SessionId::first(u128::MAX).to_string();
        assert_eq!(text, "ffffffffffff4fffbfffffffffffffff;remote=00000000000000000000000000000000");
    }
}
