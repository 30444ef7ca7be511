//! What a user part means to the softswitch itself: an extension, a place to park, a pickup.

use crate::config::Config;
use hookswitch_media::control::Source;
use std::ops::RangeInclusive;

/// What an extension sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Echo,
    Tone,
    Music,
}

impl Service {
    pub(super) const fn source(self) -> Source {
        match self {
            Self::Echo => Source::Echo,
            Self::Tone => Source::Tone { frequencies: [440, 0], level: -10 },
            Self::Music => Source::Music,
        }
    }
}

/// The number of an orbit.
pub(crate) type OrbitNo = u32;

/// What is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// An extension that answers.
    Service(Service),
    /// An orbit is to be chosen.
    Park,
    /// An orbit.
    Orbit(OrbitNo),
    /// What rings at this user, or in the caller's groups.
    Pickup(Option<String>),
}

/// The most orbits there can be.
const MOST_ORBITS: u32 = 1_000;

/// All names that mean something.
#[derive(Debug)]
pub(crate) struct Codes {
    extensions: [(Box<str>, Service); 3],
    park: Box<str>,
    orbits: RangeInclusive<OrbitNo>,
    pickup: Box<str>,
    /// Users that have such a name all the same.
    taken: Vec<Box<str>>,
}

impl Codes {
    pub(crate) fn new(config: &Config) -> Self {
        let features = &config.features;
        let (first, last) = (*features.orbits.start(), *features.orbits.end());
        let mut codes = Self {
            extensions: [
                (config.echo.as_str().into(), Service::Echo),
                (config.tone.as_str().into(), Service::Tone),
                (config.music.as_str().into(), Service::Music),
            ],
            park: features.park.as_str().into(),
            orbits: first..=last.min(first.saturating_add(MOST_ORBITS - 1)),
            pickup: features.pickup.as_str().into(),
            taken: Vec::new(),
        };
        let users = config.accounts.iter().map(|account| account.user.as_str());
        codes.taken = users.filter(|user| codes.find(user).is_some()).map(Box::from).collect();
        codes
    }

    /// What this user part means.
    pub(crate) fn find(&self, user: &str) -> Option<Code> {
        if let Some((_, service)) = self.extensions.iter().find(|(name, _)| **name == *user) {
            return Some(Code::Service(*service));
        }
        if self.taken.iter().any(|taken| **taken == *user) {
            return None;
        }
        if !self.park.is_empty() && *self.park == *user {
            return Some(Code::Park);
        }
        if let Some(orbit) = self.orbit(user) {
            return Some(Code::Orbit(orbit));
        }
        let whom = user.strip_prefix(&*self.pickup).filter(|_| !self.pickup.is_empty())?;
        Some(Code::Pickup((!whom.is_empty()).then(|| whom.to_owned())))
    }

    /// The orbit of this name.
    fn orbit(&self, user: &str) -> Option<OrbitNo> {
        // Written as a person would: no sign, no leading zeros.
        let number = user.parse().ok().filter(|number: &u32| number.to_string() == user)?;
        self.orbits.contains(&number).then_some(number)
    }

    /// All orbits.
    pub(crate) fn orbits(&self) -> impl Iterator<Item = OrbitNo> {
        self.orbits.clone().filter(|orbit| self.taken.is_empty() || self.find(&orbit.to_string()).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Account, Features};

    #[test]
    fn users_go_before_codes_and_extensions_before_users() {
        let account = |user: &str| Account { user: user.into(), password: "x".into(), groups: Vec::new() };
        let codes = Codes::new(&Config {
            listen: Vec::new(),
            domain: "example.org".into(),
            echo: "600".into(),
            tone: "601".into(),
            music: "602".into(),
            features: Features::default(),
            accounts: ["ann", "705", "600"].map(account).into(),
        });
        for (user, expected) in [
            ("600", Some(Code::Service(Service::Echo))),
            ("park", Some(Code::Park)),
            ("701", Some(Code::Orbit(701))),
            ("720", Some(Code::Orbit(720))),
            ("721", None),
            ("0701", None),
            ("+701", None),
            ("705", None),
            ("*8", Some(Code::Pickup(None))),
            ("*8ann", Some(Code::Pickup(Some("ann".into())))),
            ("*7", None),
            ("ann", None),
            ("", None),
        ] {
            assert_eq!(codes.find(user), expected, "{user}");
        }
        assert_eq!(codes.orbits().count(), 19);
    }
}
