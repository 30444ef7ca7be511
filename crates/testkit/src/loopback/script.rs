//! What a test has arranged: how parties outside behave, and which requests fail.

use hookswitch_spi::{Feature, OperationError};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How a party outside the exchange behaves when it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// Rings, and answers after this long.
    Answers(Duration),
    /// Rings until the caller gives up.
    Rings,
    /// Refuses with this SIP status after this long.
    Refuses(u16, Duration),
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
}
