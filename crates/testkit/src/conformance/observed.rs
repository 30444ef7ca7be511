//! What was advertised, observed and exercised in the whole suite, for the test of both against each other (checklist 16).

use hookswitch_spi::{
    BusyMode, CallState, Capabilities, ConnectedMode, DisconnectMode, Feature, Features, InfoParts, LineId,
    OfferingMode, Operation, OperationError, Origin, ProviderEvent, Reason, Set, StateKind, StatusKind,
};
use std::collections::BTreeMap;

/// Everything seen so far of one kind of subject.
#[derive(Debug, Default)]
pub struct Observed {
    /// What any line advertised.
    pub advertised: Advertised,
    /// Features asked for with success.
    pub exercised: Features,
    /// Features not refused as unavailable.
    pub accepted: Features,
    /// States seen.
    pub states: Set<StateKind>,
    /// Ends seen.
    pub disconnect_modes: Set<DisconnectMode>,
    /// Kinds of connection seen.
    pub connected_modes: Set<ConnectedMode>,
    /// Kinds of offer seen.
    pub offering_modes: Set<OfferingMode>,
    /// What was busy.
    pub busy_modes: Set<BusyMode>,
    /// Reasons seen.
    pub reasons: Set<Reason>,
    /// Origins seen.
    pub origins: Set<Origin>,
    /// Changes of information seen.
    pub info_parts: InfoParts,
    /// Changes of lines and addresses seen.
    pub status: Set<StatusKind>,
    lines: BTreeMap<LineId, ()>,
}

/// The union of what lines advertised.
#[derive(Debug, Default)]
#[allow(missing_docs)] // each is a field of the capabilities
pub struct Advertised {
    pub features: Features,
    pub states: Set<StateKind>,
    pub disconnect_modes: Set<DisconnectMode>,
    pub connected_modes: Set<ConnectedMode>,
    pub offering_modes: Set<OfferingMode>,
    pub busy_modes: Set<BusyMode>,
    pub reasons: Set<Reason>,
    pub origins: Set<Origin>,
    pub info_parts: InfoParts,
    pub status: Set<StatusKind>,
}

impl Observed {
    /// A line advertises this.
    pub fn line(&mut self, line: LineId, able: &Capabilities) {
        self.lines.insert(line, ());
        let all = &mut self.advertised;
        all.features = all.features.union(able.features);
        all.states = all.states.union(able.states);
        all.disconnect_modes = all.disconnect_modes.union(able.disconnect_modes);
        all.connected_modes = all.connected_modes.union(able.connected_modes);
        all.offering_modes = all.offering_modes.union(able.offering_modes);
        all.busy_modes = all.busy_modes.union(able.busy_modes);
        all.reasons = all.reasons.union(able.reasons);
        all.origins = all.origins.union(able.origins);
        all.info_parts = all.info_parts.union(able.info_parts);
        all.status = all.status.union(able.status);
    }

    /// Something was asked.
    pub fn asked(
        &mut self,
        operation: &Operation,
        _state: Option<StateKind>,
        refusal: Option<&OperationError>,
    ) {
        let feature = Feature::of(operation);
        match refusal {
            None => {
                self.exercised = self.exercised.with(feature);
                self.accepted = self.accepted.with(feature);
            }
            Some(OperationError::Unavailable(_)) => {}
            Some(_) => self.accepted = self.accepted.with(feature),
        }
    }

    /// Information of a call was read.
    pub fn info(&mut self, reason: Reason, origin: Origin) {
        self.reasons = self.reasons.with(reason);
        self.origins = self.origins.with(origin);
    }

    /// Something was told.
    pub fn told(&mut self, event: &ProviderEvent) {
        match event {
            ProviderEvent::CallState { state, .. } => {
                self.states = self.states.with(state.kind());
                match state {
                    CallState::Offering(mode) => self.offering_modes = self.offering_modes.with(*mode),
                    CallState::Busy(mode) => self.busy_modes = self.busy_modes.with(*mode),
                    CallState::Connected(mode) => self.connected_modes = self.connected_modes.with(*mode),
                    CallState::Disconnected(end) => {
                        self.disconnect_modes = self.disconnect_modes.with(end.mode);
                    }
                    _ => {}
                }
            }
            ProviderEvent::CallInfo { changed, .. } => self.info_parts = self.info_parts.union(*changed),
            ProviderEvent::LineState { .. } => self.status = self.status.with(StatusKind::Service),
            ProviderEvent::Ringing { .. } => self.status = self.status.with(StatusKind::Ringing),
            ProviderEvent::MessageWaiting { .. } => {
                self.status = self.status.with(StatusKind::MessageWaiting)
            }
            ProviderEvent::CallCount { .. } => self.status = self.status.with(StatusKind::CallCount),
            ProviderEvent::Forwarding { .. } => self.status = self.status.with(StatusKind::Forwarding),
            ProviderEvent::CompletionEnded { .. } => self.status = self.status.with(StatusKind::Completions),
            ProviderEvent::CapabilitiesChanged { .. } => {
                self.status = self.status.with(StatusKind::Capabilities);
            }
            _ => {}
        }
    }

    /// What was seen and not advertised, or advertised and never exercised; a sentence each.
    pub fn differences(&self) -> Vec<String> {
        let mut all = Vec::new();
        let seen = &self.advertised;
        let mut beyond = |what: &str, beyond: String, empty: bool| {
            if !empty {
                all.push(format!("{what} seen but not advertised: {beyond}"));
            }
        };
        let states = self.states.minus(seen.states);
        beyond("states", format!("{states:?}"), states.is_empty());
        let modes = self.disconnect_modes.minus(seen.disconnect_modes);
        beyond("ends", format!("{modes:?}"), modes.is_empty());
        let modes = self.connected_modes.minus(seen.connected_modes);
        beyond("kinds of connection", format!("{modes:?}"), modes.is_empty());
        let modes = self.offering_modes.minus(seen.offering_modes);
        beyond("kinds of offer", format!("{modes:?}"), modes.is_empty());
        let modes = self.busy_modes.minus(seen.busy_modes);
        beyond("kinds of busy", format!("{modes:?}"), modes.is_empty());
        let reasons = self.reasons.minus(seen.reasons);
        beyond("reasons", format!("{reasons:?}"), reasons.is_empty());
        let origins = self.origins.minus(seen.origins);
        beyond("origins", format!("{origins:?}"), origins.is_empty());
        let status = self.status.minus(seen.status);
        beyond("status kinds", format!("{status:?}"), status.is_empty());
        let parts = InfoParts(self.info_parts.0 & !seen.info_parts.0);
        beyond("changes of information", format!("{parts:?}"), parts.0 == 0);
        let accepted = self.accepted.minus(seen.features);
        beyond("features", format!("{accepted:?}"), accepted.is_empty());
        let never = seen.features.minus(self.exercised);
        if !never.is_empty() {
            all.push(format!("features advertised and never exercised: {never:?}"));
        }
        let never = seen.states.minus(self.states);
        if !never.is_empty() {
            all.push(format!("states advertised and never seen: {never:?}"));
        }
        let never = seen.disconnect_modes.minus(self.disconnect_modes);
        if !never.is_empty() {
            all.push(format!("ends advertised and never seen: {never:?}"));
        }
        let never = seen.connected_modes.minus(self.connected_modes);
        if !never.is_empty() {
            all.push(format!("kinds of connection advertised and never seen: {never:?}"));
        }
        let never = seen.reasons.minus(self.reasons);
        if !never.is_empty() {
            all.push(format!("reasons advertised and never seen: {never:?}"));
        }
        let never = seen.origins.minus(self.origins);
        if !never.is_empty() {
            all.push(format!("origins advertised and never seen: {never:?}"));
        }
        let never = seen.status.minus(self.status);
        if !never.is_empty() {
            all.push(format!("status kinds advertised and never seen: {never:?}"));
        }
        all
    }
}
