//! What a line can do: one table from which capabilities, features possible now and errors are all computed.

use crate::{MediaTypes, Operation, OperationError, StateKind};
use serde::{Deserialize, Serialize};

/// Something a line may be able to do; one for each [`Operation`] (TAPI: LINECALLFEATURE, LINEADDRFEATURE).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // each is the operation of the same name
pub enum Feature {
    MakeCall,
    Accept,
    Answer,
    Redirect,
    Forward,
    Drop,
    Hold,
    Retrieve,
    BlindTransfer,
    SendDigits,
    Play,
    Record,
    Statistics,
}

impl Feature {
    /// All features.
    pub const ALL: [Self; 13] = [
        Self::MakeCall,
        Self::Accept,
        Self::Answer,
        Self::Redirect,
        Self::Forward,
        Self::Drop,
        Self::Hold,
        Self::Retrieve,
        Self::BlindTransfer,
        Self::SendDigits,
        Self::Play,
        Self::Record,
        Self::Statistics,
    ];

    /// The feature that an operation needs.
    pub const fn of(operation: &Operation) -> Self {
        match operation {
            Operation::MakeCall { .. } => Self::MakeCall,
            Operation::Accept { .. } => Self::Accept,
            Operation::Answer { .. } => Self::Answer,
            Operation::Redirect { .. } => Self::Redirect,
            Operation::Forward { .. } => Self::Forward,
            Operation::Drop { .. } => Self::Drop,
            Operation::Hold { .. } => Self::Hold,
            Operation::Retrieve { .. } => Self::Retrieve,
            Operation::BlindTransfer { .. } => Self::BlindTransfer,
            Operation::SendDigits { .. } => Self::SendDigits,
            Operation::Play { .. } => Self::Play,
            Operation::Record { .. } => Self::Record,
            Operation::Statistics { .. } => Self::Statistics,
        }
    }

    /// The call states in which it makes sense; empty for what needs no call.
    pub const fn states(self) -> &'static [StateKind] {
        crate::operation::states_of(self)
    }
}

/// A set of features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Features(u32);

impl Features {
    /// No feature.
    pub const NONE: Self = Self(0);
    /// Every feature.
    pub const ALL: Self = Self((1 << Feature::ALL.len()) - 1);

    /// Whether `feature` is in it.
    pub const fn contains(self, feature: Feature) -> bool {
        self.0 & (1 << feature as u32) != 0
    }

    /// With `feature`.
    #[must_use]
    pub const fn with(self, feature: Feature) -> Self {
        Self(self.0 | 1 << feature as u32)
    }

    /// Without `feature`.
    #[must_use]
    pub const fn without(self, feature: Feature) -> Self {
        Self(self.0 & !(1 << feature as u32))
    }

    /// The features in it.
    pub fn iter(self) -> impl Iterator<Item = Feature> {
        Feature::ALL.into_iter().filter(move |f| self.contains(*f))
    }
}

/// What a line can ever do (TAPI: LINEDEVCAPS and LINEADDRESSCAPS).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// What can be asked at all.
    pub features: Features,
    /// Media types that calls can carry and owners can register for.
    pub media: MediaTypes,
    /// Calls in progress at a time.
    pub max_calls: u32,
    /// Rules in one forwarding list.
    pub max_forward_rules: u16,
    /// Dropping the last handle of a live call hangs up (TAPI: LINEDEVCAPFLAGS_CLOSEDROP).
    pub close_drops: bool,
}

impl Capabilities {
    /// Whether `operation` is possible for a call in `state` (`None` if it needs no call): the one place where the two
    /// errors are told apart.
    pub fn check(&self, operation: &Operation, state: Option<StateKind>) -> Result<(), OperationError> {
        let feature = Feature::of(operation);
        if !self.features.contains(feature) {
            return Err(OperationError::Unavailable(operation.name()));
        }
        match state {
            Some(state) if !feature.states().contains(&state) => {
                Err(OperationError::InvalidCallState { operation: operation.name(), state })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// What can be asked of a call in `state` now.
    pub fn possible(&self, state: StateKind) -> Features {
        self.features.iter().filter(|f| f.states().contains(&state)).fold(Features::NONE, Features::with)
    }
}
