//! What a test has arranged: how parties outside behave, and which requests fail.

use super::cause::Refusal;
use hookswitch_spi::{Feature, OperationError};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How a party outside the exchange behaves when it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outside {
    /// Rings, and answers after this long.
    Answers(Duration),
    /// Rings until the caller gives up.
    Rings,
    /// Refuses with this SIP status after this long.
    Refuses(u16, Duration),
    /// Rings, and refuses after this long, with this status and reason.
    RingsThenRefuses(Refusal, Duration),
    /// Refuses with this status and reason after this long.
    RefusesWith(Refusal, Duration),
    /// Sends the call on to this address.
    MovedTo(Box<str>),
    /// Refuses at once, without a word before: no call comes about.
    RefusesAtOnce(Refusal),
    /// Says that the call is on its way, and nothing more until it is told to.
    Proceeds,
    /// Says nothing at all until it is told to: no call comes about before.
    Silent,
}

/// The arrangements.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) outside: BTreeMap<Box<str>, Outside>,
    refuse: BTreeMap<Feature, VecDeque<OperationError>>,
    fail: BTreeMap<Feature, VecDeque<OperationError>>,
}

impl Script {
    pub(crate) fn refuse_next(&mut self, feature: Feature, error: OperationError) {
        self.refuse.entry(feature).or_default().push_back(error);
    }

    pub(crate) fn fail_next(&mut self, feature: Feature, error: OperationError) {
        self.fail.entry(feature).or_default().push_back(error);
    }

    pub(crate) fn refusal(&mut self, feature: Feature) -> Option<OperationError> {
        self.refuse.get_mut(&feature)?.pop_front()
    }

    pub(crate) fn failure(&mut self, feature: Feature) -> Option<OperationError> {
        self.fail.get_mut(&feature)?.pop_front()
    }

    /// The party outside with this address, in full or by its user part.
    pub(crate) fn party(&self, dialled: &str) -> Option<(&str, &Outside)> {
        if let Some((uri, outside)) = self.outside.get_key_value(dialled) {
            return Some((uri, outside));
        }
        if dialled.contains([':', '@']) {
            return None;
        }
        let by_user = self.outside.iter().find(|(uri, _)| super::line::user(uri) == dialled);
        by_user.map(|(uri, outside)| (&**uri, outside))
    }
}
