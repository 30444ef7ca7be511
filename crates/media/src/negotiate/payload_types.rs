//! The payload types that we receive by, which must not change their meaning while the dialog lives (RFC 3264 8.3.2).

use crate::codec::Codec;

/// What a payload type can stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    Codec(Codec),
    /// Telephone events at this clock.
    Digits(u32),
}

const COUNT: usize = Codec::ALL.len() + 2;
const NONE: u8 = u8::MAX;
/// The numbers taken where nothing speaks against them, in the order of [`Payload::slot`].
const USUAL: [u8; COUNT] = [0, 8, 96, 97, 101, 102];

impl Payload {
    /// Its place in the table, if it is one of ours.
    pub(super) fn slot(self) -> Option<usize> {
        match self {
            Self::Codec(codec) => Codec::ALL.into_iter().position(|other| other == codec),
            Self::Digits(8_000) => Some(Codec::ALL.len()),
            Self::Digits(16_000) => Some(Codec::ALL.len() + 1),
            Self::Digits(_) => None,
        }
    }
}

/// Our numbers, and every number that means something in this dialog on either side.
#[derive(Clone, Copy, Debug)]
pub(super) struct PayloadTypes {
    numbers: [u8; COUNT],
    taken: [u64; 2],
}

impl PayloadTypes {
    pub(super) const fn new() -> Self {
        Self { numbers: [NONE; COUNT], taken: [0; 2] }
    }

    /// Our number for a payload, found on first use. `None` if it is none of ours or no number is left.
    pub(super) fn number(&mut self, payload: Payload) -> Option<u8> {
        let slot = payload.slot()?;
        let known = self.numbers.get(slot).copied().filter(|number| *number != NONE);
        let number = known.or_else(|| {
            let usual = USUAL.get(slot).copied().filter(|number| *number < 96 || !self.is_taken(*number));
            usual.or_else(|| (96..128).find(|number| !self.is_taken(*number)))
        })?;
        self.set(slot, number);
        Some(number)
    }

    /// The number for a payload that their offer calls `theirs`: theirs too (RFC 3264 6.1), unless we use it for another.
    pub(super) fn adopt(&mut self, payload: Payload, theirs: u8) -> Option<u8> {
        let slot = payload.slot()?;
        let other = self.numbers.iter().enumerate().any(|(other, number)| other != slot && *number == theirs);
        if other {
            return self.number(payload);
        }
        self.set(slot, theirs);
        Some(theirs)
    }

    /// A number that means something to the other side: not to be given to anything else.
    pub(super) fn reserve(&mut self, number: u8) {
        if let Some(half) = self.taken.get_mut(usize::from(number / 64)) {
            *half |= 1 << (number % 64);
        }
    }

    /// The payload that we receive by a number.
    pub(super) fn is(&self, payload: Payload, number: u8) -> bool {
        payload.slot().and_then(|slot| self.numbers.get(slot)).is_some_and(|own| *own == number)
    }

    fn set(&mut self, slot: usize, number: u8) {
        if let Some(own) = self.numbers.get_mut(slot) {
            *own = number;
        }
        self.reserve(number);
    }

    fn is_taken(&self, number: u8) -> bool {
        self.taken.get(usize::from(number / 64)).is_none_or(|half| half & (1 << (number % 64)) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: Payload = Payload::Codec(Codec::L16 { rate: 16_000 });

    #[test]
    fn numbers_stay_what_they_are() {
        let mut numbers = PayloadTypes::new();
        assert_eq!(numbers.number(WIDE), Some(96));
        numbers.reserve(101);
        assert_eq!(numbers.number(Payload::Digits(8_000)), Some(97));
        assert_eq!(numbers.number(Payload::Codec(Codec::L16 { rate: 8_000 })), Some(98));
        assert_eq!(numbers.number(WIDE), Some(96));
        assert_eq!(numbers.number(Payload::Codec(Codec::Pcmu)), Some(0));
        assert_eq!(numbers.number(Payload::Digits(48_000)), None);
        assert!(numbers.is(WIDE, 96) && !numbers.is(WIDE, 97));
    }

    #[test]
    fn theirs_is_adopted_unless_it_means_something_else_here() {
        let mut numbers = PayloadTypes::new();
        assert_eq!(numbers.number(Payload::Digits(8_000)), Some(101));
        assert_eq!(numbers.adopt(WIDE, 101), Some(96));
        assert_eq!(numbers.adopt(Payload::Digits(8_000), 110), Some(110));
        assert_eq!(numbers.number(Payload::Digits(8_000)), Some(110));
    }

    #[test]
    fn when_all_are_taken_there_is_none() {
        let mut numbers = PayloadTypes::new();
        (0..=255).for_each(|number| numbers.reserve(number));
        assert_eq!(numbers.number(WIDE), None);
        assert_eq!(numbers.number(Payload::Codec(Codec::Pcma)), Some(8));
    }
}
