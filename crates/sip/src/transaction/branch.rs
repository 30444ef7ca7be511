//! The branches that we mint: the magic cookie, the shard, and 64 random bits.

use std::fmt;

/// What the branch of every element that follows RFC 3261 begins with (8.1.1.7).
const COOKIE: &[u8; 7] = b"z9hG4bK";
const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
const SHARD_DIGITS: usize = 4;
const TOKEN_DIGITS: usize = 13;
const LENGTH: usize = COOKIE.len() + SHARD_DIGITS + TOKEN_DIGITS;

/// A branch of ours. Displays as 24 characters: `z9hG4bK`, 4 digits to the base of 32 for the shard, 13 for the random part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Branch {
    shard: u16,
    token: u64,
}

impl Branch {
    /// A branch of a shard; `token` must be unpredictable.
    pub const fn new(shard: u16, token: u64) -> Self {
        Self { shard, token }
    }

    /// Reads a branch of ours; `None` if it is anybody else's.
    pub fn parse(text: &str) -> Option<Self> {
        let text: &[u8; LENGTH] = text.as_bytes().try_into().ok()?;
        let (cookie, rest) = text.split_at(COOKIE.len());
        if !cookie.eq_ignore_ascii_case(COOKIE) {
            return None;
        }
        let (shard, token) = rest.split_at(SHARD_DIGITS);
        let shard = u16::try_from(number(shard)?).ok()?;
        let token = u64::try_from(number(token)?).ok()?;
        Some(Self { shard, token })
    }

    /// The shard that minted it: where the response belongs.
    pub const fn shard(self) -> u16 {
        self.shard
    }

    /// The random part.
    pub(crate) const fn token(self) -> u64 {
        self.token
    }
}

fn number(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0u128, |sum, c| {
        let digit = match c.to_ascii_lowercase() {
            c @ b'0'..=b'9' => c - b'0',
            c @ b'a'..=b'v' => c - b'a' + 10,
            _ => return None,
        };
        Some(sum << 5 | u128::from(digit))
    })
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; LENGTH];
        let (cookie, rest) = text.split_at_mut(COOKIE.len());
        cookie.copy_from_slice(COOKIE);
        let (shard, token) = rest.split_at_mut(SHARD_DIGITS);
        for (digits, mut value) in [(shard, u64::from(self.shard)), (token, self.token)] {
            for digit in digits.iter_mut().rev() {
                *digit = DIGITS[(value & 31) as usize];
                value >>= 5;
            }
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_reads_back() {
        for (shard, token) in [(0, 0), (1, 31), (u16::MAX, u64::MAX), (7, 0x0123_4567_89ab_cdef)] {
            let branch = Branch::new(shard, token);
            let text = branch.to_string();
            assert_eq!(text.len(), 24);
            assert!(text.starts_with("z9hG4bK"));
            assert_eq!(Branch::parse(&text), Some(branch));
            assert_eq!(Branch::parse(&text.to_uppercase()), Some(branch));
        }
    }

    #[test]
    fn the_branches_of_others_are_not_ours() {
        for text in [
            "",
            "z9hG4bK",
            "z9hG4bK776asdhds",
            "z9hG4bKvvvv0000000000000",
            "z9hG4bK0000vvvvvvvvvvvvv",
            "z9hG4bK0000000000000000w",
            "z9hG4bL00000000000000000",
            "z9hG4bK000000000000000000",
            "z9hG4bK0000é0000000000",
        ] {
            assert_eq!(Branch::parse(text), None, "{text}");
        }
    }
}
