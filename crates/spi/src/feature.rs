//! Features: what can be asked, one for each operation, and the call states in which it makes sense.

use crate::set::{Set, member};
use crate::{Operation, StateKind};
use serde::{Deserialize, Serialize};

/// Something a line may be able to do; one for each [`Operation`] (TAPI: LINECALLFEATURE, LINEADDRFEATURE).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // each is the operation of the same name
pub enum Feature {
    MakeCall,
    Dial,
    Accept,
    Answer,
    Redirect,
    Forward,
    Drop,
    Hold,
    Retrieve,
    SwapHold,
    SetupTransfer,
    CompleteTransfer,
    BlindTransfer,
    SetupConference,
    PrepareAddToConference,
    AddToConference,
    RemoveFromConference,
    Park,
    Unpark,
    Pickup,
    CompleteCall,
    UncompleteCall,
    SecureCall,
    SendUserInfo,
    ReleaseUserInfo,
    SetMediaType,
    SetCallData,
    SetAppSpecific,
    SetCallParameters,
    SetTreatment,
    SetService,
    SendDigits,
    SendTone,
    StopSending,
    GatherDigits,
    StopGathering,
    MonitorDigits,
    MonitorTones,
    MonitorMedia,
    SetMediaControl,
    Play,
    Record,
    Statistics,
    Extension,
}

member!(Feature: MakeCall, Dial, Accept, Answer, Redirect, Forward, Drop, Hold, Retrieve, SwapHold, SetupTransfer, CompleteTransfer, BlindTransfer, SetupConference, PrepareAddToConference, AddToConference, RemoveFromConference, Park, Unpark, Pickup, CompleteCall, UncompleteCall, SecureCall, SendUserInfo, ReleaseUserInfo, SetMediaType, SetCallData, SetAppSpecific, SetCallParameters, SetTreatment, SetService, SendDigits, SendTone, StopSending, GatherDigits, StopGathering, MonitorDigits, MonitorTones, MonitorMedia, SetMediaControl, Play, Record, Statistics, Extension);

/// A set of features.
pub type Features = Set<Feature>;

impl Feature {
    /// The feature that an operation needs.
    pub const fn of(operation: &Operation) -> Self {
        match operation {
            Operation::MakeCall { .. } => Self::MakeCall,
            Operation::Dial { .. } => Self::Dial,
            Operation::Accept { .. } => Self::Accept,
            Operation::Answer { .. } => Self::Answer,
            Operation::Redirect { .. } => Self::Redirect,
            Operation::Forward { .. } => Self::Forward,
            Operation::Drop { .. } => Self::Drop,
            Operation::Hold { .. } => Self::Hold,
            Operation::Retrieve { .. } => Self::Retrieve,
            Operation::SwapHold { .. } => Self::SwapHold,
            Operation::SetupTransfer { .. } => Self::SetupTransfer,
            Operation::CompleteTransfer { .. } => Self::CompleteTransfer,
            Operation::BlindTransfer { .. } => Self::BlindTransfer,
            Operation::SetupConference { .. } => Self::SetupConference,
            Operation::PrepareAddToConference { .. } => Self::PrepareAddToConference,
            Operation::AddToConference { .. } => Self::AddToConference,
            Operation::RemoveFromConference { .. } => Self::RemoveFromConference,
            Operation::Park { .. } => Self::Park,
            Operation::Unpark { .. } => Self::Unpark,
            Operation::Pickup { .. } => Self::Pickup,
            Operation::CompleteCall { .. } => Self::CompleteCall,
            Operation::UncompleteCall { .. } => Self::UncompleteCall,
            Operation::SecureCall { .. } => Self::SecureCall,
            Operation::SendUserInfo { .. } => Self::SendUserInfo,
            Operation::ReleaseUserInfo { .. } => Self::ReleaseUserInfo,
            Operation::SetMediaType { .. } => Self::SetMediaType,
            Operation::SetCallData { .. } => Self::SetCallData,
            Operation::SetAppSpecific { .. } => Self::SetAppSpecific,
            Operation::SetCallParameters { .. } => Self::SetCallParameters,
            Operation::SetTreatment { .. } => Self::SetTreatment,
            Operation::SetService { .. } => Self::SetService,
            Operation::SendDigits { .. } => Self::SendDigits,
            Operation::SendTone { .. } => Self::SendTone,
            Operation::StopSending { .. } => Self::StopSending,
            Operation::GatherDigits { .. } => Self::GatherDigits,
            Operation::StopGathering { .. } => Self::StopGathering,
            Operation::MonitorDigits { .. } => Self::MonitorDigits,
            Operation::MonitorTones { .. } => Self::MonitorTones,
            Operation::MonitorMedia { .. } => Self::MonitorMedia,
            Operation::SetMediaControl { .. } => Self::SetMediaControl,
            Operation::Play { .. } => Self::Play,
            Operation::Record { .. } => Self::Record,
            Operation::Statistics { .. } => Self::Statistics,
            Operation::Extension { .. } => Self::Extension,
        }
    }

    /// The word used in timelines, errors and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MakeCall => "make call",
            Self::Dial => "dial",
            Self::Accept => "accept",
            Self::Answer => "answer",
            Self::Redirect => "redirect",
            Self::Forward => "forward",
            Self::Drop => "drop",
            Self::Hold => "hold",
            Self::Retrieve => "retrieve",
            Self::SwapHold => "swap hold",
            Self::SetupTransfer => "set up transfer",
            Self::CompleteTransfer => "complete transfer",
            Self::BlindTransfer => "transfer",
            Self::SetupConference => "set up conference",
            Self::PrepareAddToConference => "prepare to add to conference",
            Self::AddToConference => "add to conference",
            Self::RemoveFromConference => "remove from conference",
            Self::Park => "park",
            Self::Unpark => "unpark",
            Self::Pickup => "pick up",
            Self::CompleteCall => "complete call",
            Self::UncompleteCall => "cancel call completion",
            Self::SecureCall => "secure call",
            Self::SendUserInfo => "send user information",
            Self::ReleaseUserInfo => "release user information",
            Self::SetMediaType => "set media type",
            Self::SetCallData => "set call data",
            Self::SetAppSpecific => "set application value",
            Self::SetCallParameters => "set call parameters",
            Self::SetTreatment => "set treatment",
            Self::SetService => "set service",
            Self::SendDigits => "send digits",
            Self::SendTone => "send tone",
            Self::StopSending => "stop sending",
            Self::GatherDigits => "gather digits",
            Self::StopGathering => "stop gathering",
            Self::MonitorDigits => "monitor digits",
            Self::MonitorTones => "monitor tones",
            Self::MonitorMedia => "monitor media",
            Self::SetMediaControl => "set media control",
            Self::Play => "play",
            Self::Record => "record",
            Self::Statistics => "statistics",
            Self::Extension => "extension",
        }
    }

    /// The call states in which it makes sense (spec: TAPI's call features by state); empty for what needs no call. What refers to
    /// two calls has the states of the first here, those of the second in [`other_states`](Self::other_states).
    pub const fn states(self) -> &'static [StateKind] {
        use StateKind as S;
        match self {
            Self::MakeCall
            | Self::Forward
            | Self::Unpark
            | Self::Pickup
            | Self::UncompleteCall
            | Self::SetService => &[],
            Self::Dial => &[S::Dialtone, S::Dialing],
            Self::Accept | Self::Redirect => &[S::Offering],
            Self::Answer => &[S::Offering, S::Accepted],
            Self::Drop => NOT_IDLE,
            Self::Hold | Self::BlindTransfer | Self::SetupTransfer | Self::SetupConference | Self::Park => {
                &[S::Connected]
            }
            Self::SwapHold | Self::PrepareAddToConference | Self::SendTone | Self::SendDigits => {
                &[S::Connected]
            }
            Self::Retrieve => &[S::OnHold, S::OnHoldPendingTransfer, S::OnHoldPendingConference],
            Self::CompleteTransfer => &[S::OnHoldPendingTransfer],
            Self::AddToConference => &[S::OnHoldPendingConference, S::OnHold],
            Self::RemoveFromConference => &[S::Conferenced],
            Self::CompleteCall => &[S::Proceeding, S::Ringback, S::Busy],
            Self::SecureCall => ALIVE,
            Self::SendUserInfo => &[S::Offering, S::Accepted, S::Ringback, S::Connected],
            Self::ReleaseUserInfo | Self::SetAppSpecific => ANY,
            Self::SetMediaType | Self::SetCallData => NOT_IDLE,
            Self::SetCallParameters => &[S::Offering, S::Accepted, S::Dialtone, S::Dialing, S::Connected],
            Self::SetTreatment => ALIVE,
            Self::StopSending
            | Self::GatherDigits
            | Self::StopGathering
            | Self::MonitorDigits
            | Self::MonitorTones
            | Self::MonitorMedia
            | Self::SetMediaControl => ALIVE,
            Self::Play | Self::Record => {
                &[S::Offering, S::Accepted, S::Proceeding, S::Ringback, S::Connected, S::OnHold]
            }
            Self::Statistics => &[
                S::Connected,
                S::OnHold,
                S::OnHoldPendingTransfer,
                S::OnHoldPendingConference,
                S::Conferenced,
                S::Disconnected,
            ],
            Self::Extension => ANY,
        }
    }

    /// The states of the second call: the held call of a swap, the consultation call, the new member.
    pub const fn other_states(self) -> &'static [StateKind] {
        use StateKind as S;
        match self {
            Self::SwapHold => &[S::OnHold, S::OnHoldPendingTransfer, S::OnHoldPendingConference],
            Self::CompleteTransfer => &[S::Connected, S::Ringback, S::Busy, S::Proceeding],
            Self::AddToConference => &[S::Connected, S::OnHold, S::Proceeding, S::Ringback],
            _ => &[],
        }
    }

    /// Whether it moves the call, so that only its owner may ask for it (spec: what a monitor keeps are the monitoring
    /// features and reading).
    pub const fn needs_owner(self) -> bool {
        !matches!(self, Self::MonitorDigits | Self::MonitorTones | Self::MonitorMedia | Self::Statistics)
    }
}

/// All states; the two in which a call has ended come first.
const ANY: &[StateKind] = &[
    StateKind::Idle,
    StateKind::Disconnected,
    StateKind::Offering,
    StateKind::Accepted,
    StateKind::Dialtone,
    StateKind::Dialing,
    StateKind::Proceeding,
    StateKind::Ringback,
    StateKind::Busy,
    StateKind::Connected,
    StateKind::OnHold,
    StateKind::OnHoldPendingTransfer,
    StateKind::OnHoldPendingConference,
    StateKind::Conferenced,
    StateKind::Unknown,
];

/// All but *idle*.
const NOT_IDLE: &[StateKind] = ANY.split_at(1).1;

/// Those in which a call has not ended.
const ALIVE: &[StateKind] = ANY.split_at(2).1;
