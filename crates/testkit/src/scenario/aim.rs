//! Which calls a request is about: chosen when it is asked, by the states that calls are in then.

use crate::apps::App;
use hookswitch_spi::{CallId, Feature, Operation, StateKind};
use hookswitch_telephony::Request;
use std::fmt;

/// How the calls of a request are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aim {
    /// Among those in whose state it is possible, if there are any; else any.
    pub fitting: bool,
    /// Which.
    pub pick: u64,
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = if self.fitting { "that it fits" } else { "whatever its state" };
        write!(f, "of a call {of} ({})", self.pick % 100)
    }
}

/// A call as the application that asks knows it.
pub(super) type Known = (CallId, Option<StateKind>);

impl Aim {
    /// Puts what an application has in the place of a request's placeholders. False: it is about a call, and there is none.
    pub(super) fn take(self, request: &mut Request, app: &App) -> bool {
        let known: Vec<Known> = app.calls().collect();
        let known = known.as_slice();
        let partner = |call| app.partner(call);
        match request {
            Request::Operate(Operation::UncompleteCall { line, completion }) if self.fitting => {
                let all = app.completions();
                let found =
                    usize::try_from(self.pick % all.len().max(1) as u64).ok().and_then(|n| all.get(n));
                (*line, *completion) = found.copied().unwrap_or((*line, *completion));
                true
            }
            Request::Operate(Operation::SetupConference { call: about @ Some(_), .. }) => {
                *about = self.among(known, Feature::SetupConference.states());
                true
            }
            Request::Operate(operation) => {
                let feature = Feature::of(operation);
                if operation.call().is_none() {
                    return true;
                }
                let Some(call) = self.among(known, feature.states()) else { return false };
                let others: Vec<Known> = known.iter().copied().filter(|(other, _)| *other != call).collect();
                let other = match partner(call) {
                    other if other != call && self.fitting => Some(other),
                    _ => self.among(&others, feature.other_states()),
                };
                put(operation, call, other.unwrap_or(call));
                true
            }
            Request::HandOff { call, .. }
            | Request::TakeOwnership { call }
            | Request::Monitor { call }
            | Request::Release { call }
            | Request::LetGo { call }
            | Request::ConferenceCalls { call }
            | Request::CallInfo { call }
            | Request::Timeline { call } => {
                let found = self.among(known, &[]);
                *call = found.unwrap_or(*call);
                found.is_some()
            }
            Request::Attach { .. }
            | Request::Detach
            | Request::Lost
            | Request::OpenLine { .. }
            | Request::CloseOpen { .. }
            | Request::CloseLine { .. }
            | Request::SetStatusMessages { .. }
            | Request::ExistingCalls { .. }
            | Request::SetPriority { .. }
            | Request::SetRecipientPriority { .. }
            | Request::RegisterRecipient { .. }
            | Request::TakeRequest
            | Request::RequestCall { .. }
            | Request::Lines
            | Request::Capabilities { .. }
            | Request::Forwarding { .. }
            | Request::DeviceConfig { .. }
            | Request::SetDeviceConfig { .. }
            | Request::LineStatus { .. }
            | Request::AddressStatus { .. }
            | Request::AddressId { .. }
            | Request::CouldDetect { .. }
            | Request::NegotiateExtension { .. }
            | Request::SelectExtension { .. }
            | Request::Snapshot => true,
        }
    }

    fn among(self, known: &[Known], states: &[StateKind]) -> Option<CallId> {
        let fits = |(_, state): &&Known| state.is_some_and(|state| states.contains(&state));
        let fitting: Vec<CallId> = known.iter().filter(fits).map(|(call, _)| *call).collect();
        let all: Vec<CallId> = known.iter().map(|(call, _)| *call).collect();
        let from = if self.fitting && !fitting.is_empty() { fitting } else { all };
        from.get(usize::try_from(self.pick % from.len().max(1) as u64).ok()?).copied()
    }
}

/// Puts calls in the place of an operation's placeholders.
fn put(operation: &mut Operation, call: CallId, other: CallId) {
    match operation {
        Operation::MakeCall { .. }
        | Operation::Forward { .. }
        | Operation::Unpark { .. }
        | Operation::Pickup { .. }
        | Operation::UncompleteCall { .. }
        | Operation::SetService { .. } => {}
        Operation::SetupConference { call: at, .. } | Operation::Extension { call: at, .. } => {
            *at = Some(call)
        }
        Operation::SwapHold { active: at, held: with }
        | Operation::CompleteTransfer { call: at, consult: with, .. }
        | Operation::AddToConference { conference: at, member: with } => (*at, *with) = (call, other),
        Operation::Accept { call: at, .. }
        | Operation::Answer { call: at, .. }
        | Operation::Dial { call: at, .. }
        | Operation::Redirect { call: at, .. }
        | Operation::Drop { call: at, .. }
        | Operation::Hold { call: at }
        | Operation::Retrieve { call: at }
        | Operation::SetupTransfer { call: at, .. }
        | Operation::BlindTransfer { call: at, .. }
        | Operation::PrepareAddToConference { conference: at, .. }
        | Operation::RemoveFromConference { member: at }
        | Operation::Park { call: at, .. }
        | Operation::CompleteCall { call: at, .. }
        | Operation::SecureCall { call: at }
        | Operation::SendUserInfo { call: at, .. }
        | Operation::ReleaseUserInfo { call: at }
        | Operation::SetMediaType { call: at, .. }
        | Operation::SetCallData { call: at, .. }
        | Operation::SetAppSpecific { call: at, .. }
        | Operation::SetTreatment { call: at, .. }
        | Operation::SendDigits { call: at, .. }
        | Operation::SendTone { call: at, .. }
        | Operation::StopSending { call: at }
        | Operation::GatherDigits { call: at, .. }
        | Operation::StopGathering { call: at }
        | Operation::MonitorDigits { call: at, .. }
        | Operation::MonitorTones { call: at, .. }
        | Operation::MonitorMedia { call: at, .. }
        | Operation::SetMediaControl { call: at, .. }
        | Operation::SetCallParameters { call: at, .. }
        | Operation::Play { call: at, .. }
        | Operation::Record { call: at, .. }
        | Operation::Statistics { call: at } => *at = call,
    }
}
