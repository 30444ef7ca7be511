//! What was advertised, observed and exercised in the whole suite, for the test of both against each other (checklist 16).

use hookswitch_spi::{
    BusyMode, CallState, Capabilities, CompletionMode, ConnectedMode, DisconnectMode, Feature, Features,
    InfoParts, Member, OfferingMode, Operation, OperationError, Origin, ProviderEvent, Reason, Set,
    StateKind, StatusKind,
};
use std::fmt::Debug;

/// What is compared: as advertised by any line, or as seen.
#[derive(Debug, Default)]
#[allow(missing_docs)] // each is a field of the capabilities
pub struct Kinds {
    pub states: Set<StateKind>,
    pub disconnect_modes: Set<DisconnectMode>,
    pub connected_modes: Set<ConnectedMode>,
    pub offering_modes: Set<OfferingMode>,
    pub busy_modes: Set<BusyMode>,
    pub reasons: Set<Reason>,
    pub origins: Set<Origin>,
    pub info_parts: InfoParts,
    pub status: Set<StatusKind>,
    pub completion_modes: Set<CompletionMode>,
}

/// Everything of one kind of subject so far.
#[derive(Debug, Default)]
pub struct Observed {
    /// The union of what lines advertised.
    pub advertised: Kinds,
    /// What was seen.
    pub seen: Kinds,
    /// Features that any line advertised.
    pub features: Features,
    /// Features asked for with success.
    pub exercised: Features,
    /// Features not refused as unavailable.
    pub accepted: Features,
}

impl Observed {
    /// A line advertises this.
    pub fn line(&mut self, able: &Capabilities) {
        self.features = self.features.union(able.features);
        let all = &mut self.advertised;
        all.states = all.states.union(able.states);
        all.disconnect_modes = all.disconnect_modes.union(able.disconnect_modes);
        all.connected_modes = all.connected_modes.union(able.connected_modes);
        all.offering_modes = all.offering_modes.union(able.offering_modes);
        all.busy_modes = all.busy_modes.union(able.busy_modes);
        all.reasons = all.reasons.union(able.reasons);
        all.origins = all.origins.union(able.origins);
        all.info_parts = all.info_parts.union(able.info_parts);
        all.status = all.status.union(able.status);
        all.completion_modes = all.completion_modes.union(able.completion_modes);
    }

    /// Something was asked, and refused or not.
    pub fn asked(&mut self, operation: &Operation, refusal: Option<&OperationError>) {
        let feature = Feature::of(operation);
        match refusal {
            None => {
                if let Operation::CompleteCall { mode, .. } = operation {
                    note(&mut self.seen.completion_modes, *mode);
                }
                self.exercised = self.exercised.with(feature);
                self.accepted = self.accepted.with(feature);
            }
            Some(OperationError::Unavailable(_)) => {}
            Some(_) => self.accepted = self.accepted.with(feature),
        }
    }

    /// Information of a call was read.
    pub fn info(&mut self, reason: Reason, origin: Origin) {
        note(&mut self.seen.reasons, reason);
        note(&mut self.seen.origins, origin);
    }

    /// Something was told.
    pub fn told(&mut self, event: &ProviderEvent) {
        let seen = &mut self.seen;
        match event {
            ProviderEvent::CallState { state, .. } => {
                note(&mut seen.states, state.kind());
                match state {
                    CallState::Offering(mode) => note(&mut seen.offering_modes, *mode),
                    CallState::Busy(mode) => note(&mut seen.busy_modes, *mode),
                    CallState::Connected(mode) => note(&mut seen.connected_modes, *mode),
                    CallState::Disconnected(end) => note(&mut seen.disconnect_modes, end.mode),
                    _ => {}
                }
            }
            ProviderEvent::CallInfo { changed, .. } => seen.info_parts = seen.info_parts.union(*changed),
            ProviderEvent::LineState { .. } => note(&mut seen.status, StatusKind::Service),
            ProviderEvent::Ringing { .. } => note(&mut seen.status, StatusKind::Ringing),
            ProviderEvent::MessageWaiting { .. } => note(&mut seen.status, StatusKind::MessageWaiting),
            ProviderEvent::CallCount { .. } => note(&mut seen.status, StatusKind::CallCount),
            ProviderEvent::Forwarding { .. } => note(&mut seen.status, StatusKind::Forwarding),
            ProviderEvent::CompletionEnded { .. } => note(&mut seen.status, StatusKind::Completions),
            ProviderEvent::CapabilitiesChanged { .. } => note(&mut seen.status, StatusKind::Capabilities),
            _ => {}
        }
    }

    /// What was seen and not advertised, or advertised and never exercised; a sentence each.
    pub fn differences(&self) -> Vec<String> {
        let (told, seen) = (&self.advertised, &self.seen);
        let mut all = Vec::new();
        compare(&mut all, "states", told.states, seen.states);
        compare(&mut all, "ends", told.disconnect_modes, seen.disconnect_modes);
        compare(&mut all, "kinds of connection", told.connected_modes, seen.connected_modes);
        compare(&mut all, "kinds of offer", told.offering_modes, seen.offering_modes);
        compare(&mut all, "kinds of busy", told.busy_modes, seen.busy_modes);
        compare(&mut all, "reasons", told.reasons, seen.reasons);
        compare(&mut all, "origins", told.origins, seen.origins);
        compare(&mut all, "status kinds", told.status, seen.status);
        compare(&mut all, "ways of call completion", told.completion_modes, seen.completion_modes);
        let parts = InfoParts(seen.info_parts.0 & !told.info_parts.0);
        if parts.0 != 0 {
            all.push(format!("changes of information seen but not advertised: {parts:?}"));
        }
        let accepted = self.accepted.minus(self.features);
        if !accepted.is_empty() {
            all.push(format!("features seen but not advertised: {accepted:?}"));
        }
        let never = self.features.minus(self.exercised);
        if !never.is_empty() {
            all.push(format!("features advertised and never exercised: {never:?}"));
        }
        all
    }
}

fn note<T: Member>(set: &mut Set<T>, one: T) {
    *set = set.with(one);
}

/// What one of the two has and the other has not.
fn compare<T: Member + Debug>(all: &mut Vec<String>, what: &str, advertised: Set<T>, seen: Set<T>) {
    let beyond = seen.minus(advertised);
    if !beyond.is_empty() {
        all.push(format!("{what} seen but not advertised: {beyond:?}"));
    }
    let never = advertised.minus(seen);
    if !never.is_empty() {
        all.push(format!("{what} advertised and never seen: {never:?}"));
    }
}
