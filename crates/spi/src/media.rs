//! Media types: what an application registers interest in, and what an offer contains.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One kind of media (TAPI: media mode).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaType {
    /// Speech (TAPI: INTERACTIVEVOICE): an `audio` m-line.
    Voice,
    /// Moving pictures: a `video` m-line.
    Video,
    /// Facsimile (TAPI: G3FAX): an `image` m-line with T.38.
    Fax,
    /// Real-time text (TAPI: TDD): a `text` m-line.
    Text,
    /// Anything else (TAPI: DIGITALDATA): `message`, `application`.
    Data,
    /// Not known: the INVITE carried no offer.
    Unknown,
}

impl MediaType {
    /// All types, in the order in which an unknown call is probed for an owner.
    pub const ALL: [Self; 6] = [Self::Voice, Self::Fax, Self::Text, Self::Data, Self::Video, Self::Unknown];

    const fn bit(self) -> u8 {
        1 << self as u8
    }

    /// The word used in configuration and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Voice => "voice",
            Self::Video => "video",
            Self::Fax => "fax",
            Self::Text => "text",
            Self::Data => "data",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of media types.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(from = "Vec<MediaType>", into = "Vec<MediaType>")]
pub struct MediaTypes(u8);

impl MediaTypes {
    /// The empty set.
    pub const NONE: Self = Self(0);
    /// Speech only: the common case.
    pub const VOICE: Self = Self(MediaType::Voice.bit());
    /// Every type.
    pub const ALL: Self = Self(0b11_1111);

    /// Whether `media` is in the set.
    pub const fn contains(self, media: MediaType) -> bool {
        self.0 & media.bit() != 0
    }

    /// The set with `media` added.
    #[must_use]
    pub const fn with(self, media: MediaType) -> Self {
        Self(self.0 | media.bit())
    }

    /// The set with `media` taken out.
    #[must_use]
    pub const fn without(self, media: MediaType) -> Self {
        Self(self.0 & !media.bit())
    }

    /// What either contains.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What both contain.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether every type of `other` is in the set.
    pub const fn covers(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The types in probing order.
    pub fn iter(self) -> impl Iterator<Item = MediaType> {
        MediaType::ALL.into_iter().filter(move |m| self.contains(*m))
    }
}

impl From<MediaType> for MediaTypes {
    fn from(media: MediaType) -> Self {
        Self(media.bit())
    }
}

impl FromIterator<MediaType> for MediaTypes {
    fn from_iter<I: IntoIterator<Item = MediaType>>(iter: I) -> Self {
        iter.into_iter().fold(Self::NONE, Self::with)
    }
}

impl From<Vec<MediaType>> for MediaTypes {
    fn from(list: Vec<MediaType>) -> Self {
        list.into_iter().collect()
    }
}

impl From<MediaTypes> for Vec<MediaType> {
    fn from(set: MediaTypes) -> Self {
        set.iter().collect()
    }
}

impl fmt::Debug for MediaTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for MediaTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        for (i, media) in self.iter().enumerate() {
            if i > 0 {
                f.write_str("+")?;
            }
            f.write_str(media.name())?;
        }
        Ok(())
    }
}
