//! Small sets of named things: states, modes, features.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::marker::PhantomData;

/// Something that can be in a [`Set`]: an enum of at most 64 variants.
pub trait Member: Copy + 'static {
    /// All of them, in the order of their places.
    const ALL: &'static [Self];

    /// Its place in `ALL`.
    fn place(self) -> u32;
}

/// A set of such things, in 8 octets.
#[derive(Serialize, Deserialize)]
#[serde(from = "Vec<T>", into = "Vec<T>")]
#[serde(bound(serialize = "T: Member + Serialize", deserialize = "T: Member + Deserialize<'de>"))]
pub struct Set<T>(u64, PhantomData<T>);

impl<T: Member> Set<T> {
    /// Nothing.
    pub const NONE: Self = Self(0, PhantomData);
    /// Everything.
    pub const ALL: Self = Self(u64::MAX >> (64 - T::ALL.len()), PhantomData);

    /// Of these.
    pub fn of(members: &[T]) -> Self {
        members.iter().fold(Self::NONE, |set, member| set.with(*member))
    }

    /// Whether `member` is in it.
    pub fn contains(self, member: T) -> bool {
        self.0 & (1 << member.place()) != 0
    }

    /// With `member`.
    #[must_use]
    pub fn with(self, member: T) -> Self {
        Self(self.0 | 1 << member.place(), PhantomData)
    }

    /// Without `member`.
    #[must_use]
    pub fn without(self, member: T) -> Self {
        Self(self.0 & !(1 << member.place()), PhantomData)
    }

    /// What either has.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0, PhantomData)
    }

    /// What both have.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0, PhantomData)
    }

    /// What this has and `other` has not.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0, PhantomData)
    }

    /// Whether everything of `other` is in it.
    pub fn covers(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there is nothing in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in it, in order.
    pub fn iter(self) -> impl Iterator<Item = T> {
        T::ALL.iter().copied().filter(move |member| self.contains(*member))
    }
}

impl<T> Clone for Set<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Set<T> {}

impl<T> PartialEq for Set<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T> Eq for Set<T> {}

impl<T> Default for Set<T> {
    fn default() -> Self {
        Self(0, PhantomData)
    }
}

impl<T: Member + fmt::Debug> fmt::Debug for Set<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl<T: Member> From<Vec<T>> for Set<T> {
    fn from(members: Vec<T>) -> Self {
        Self::of(&members)
    }
}

impl<T: Member> From<Set<T>> for Vec<T> {
    fn from(set: Set<T>) -> Self {
        set.iter().collect()
    }
}

impl<T: Member> FromIterator<T> for Set<T> {
    fn from_iter<I: IntoIterator<Item = T>>(members: I) -> Self {
        members.into_iter().fold(Self::NONE, Self::with)
    }
}

/// Makes an enum without data a [`Member`].
macro_rules! member {
    ($name:ident: $($variant:ident),+ $(,)?) => {
        impl $crate::set::Member for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn place(self) -> u32 {
                self as u32
            }
        }
    };
}
pub(crate) use member;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Colour {
        Red,
        Green,
        Blue,
    }
    member!(Colour: Red, Green, Blue);

    #[test]
    fn sets_behave_like_sets() {
        let warm = Set::of(&[Colour::Red]);
        let all = Set::<Colour>::ALL;
        assert!(all.covers(warm) && !warm.covers(all));
        assert_eq!(all.minus(warm).iter().collect::<Vec<_>>(), [Colour::Green, Colour::Blue]);
        assert_eq!(warm.with(Colour::Blue).without(Colour::Red), Set::of(&[Colour::Blue]));
        assert!(warm.intersection(all.minus(warm)).is_empty());
    }

    #[test]
    fn every_member_stands_in_its_place() {
        fn check<T: Member>() {
            assert!(T::ALL.len() <= 64);
            for (place, member) in T::ALL.iter().enumerate() {
                assert_eq!(member.place() as usize, place);
            }
        }
        check::<crate::Feature>();
        check::<crate::StateKind>();
        check::<crate::DisconnectMode>();
        check::<crate::ConnectedMode>();
        check::<crate::OfferingMode>();
        check::<crate::BusyMode>();
        check::<crate::Reason>();
        check::<crate::Origin>();
        check::<crate::TransferMode>();
        check::<crate::CompletionMode>();
        check::<crate::CallTreatment>();
        check::<crate::ForwardCondition>();
        check::<crate::DigitMonitoring>();
        check::<crate::StatusKind>();
        check::<crate::ParkKind>();
        check::<crate::PickupKind>();
        check::<crate::PhonePart>();
        check::<crate::HookSwitch>();
        check::<crate::LampState>();
    }
}
