//! What lines advertise, and what is beyond it.

use hookswitch_spi::{CallInfo, CallState, Capabilities, Feature, InfoParts, LineId, Operation, StatusKind};
use std::collections::BTreeMap;

/// What each line says that it can do. Every question is answered by what is wrong.
#[derive(Debug, Default)]
pub(super) struct Table {
    lines: BTreeMap<LineId, Capabilities>,
}

impl Table {
    pub(super) fn line(&mut self, line: LineId, able: Option<Capabilities>) {
        match able {
            Some(able) => self.lines.insert(line, able),
            None => self.lines.remove(&line),
        };
    }

    /// An operation was accepted.
    pub(super) fn feature(&self, line: LineId, operation: &Operation) -> Option<String> {
        let able = self.lines.get(&line)?;
        let unable =
            !able.features.contains(Feature::of(operation)) || able.check_arguments(operation).is_err();
        unable.then(|| {
            format!("{} was accepted, which {line} does not advertise: {operation:?}", operation.name())
        })
    }

    /// A call is in a state.
    pub(super) fn state(&self, line: LineId, state: &CallState) -> Option<String> {
        let able = self.lines.get(&line)?;
        let detail = match state {
            CallState::Disconnected(end) => able.disconnect_modes.contains(end.mode),
            CallState::Connected(mode) => able.connected_modes.contains(*mode),
            CallState::Offering(mode) => able.offering_modes.contains(*mode),
            CallState::Busy(mode) => able.busy_modes.contains(*mode),
            CallState::Idle
            | CallState::Accepted
            | CallState::Dialtone
            | CallState::Dialing
            | CallState::Proceeding
            | CallState::Ringback
            | CallState::OnHold
            | CallState::OnHoldPendingTransfer
            | CallState::OnHoldPendingConference
            | CallState::Conferenced(_)
            | CallState::Unknown => true,
        };
        // Unknown is a word of the application side: what monitors hear of a call that begins.
        let known = (able.states.contains(state.kind()) || *state == CallState::Unknown) && detail;
        (!known).then(|| format!("a call on {line} is {state}, which is not advertised"))
    }

    /// What is known of a new call.
    pub(super) fn info(&self, line: LineId, info: &CallInfo) -> Option<String> {
        let able = self.lines.get(&line)?;
        let known = able.reasons.contains(info.reason) && able.origins.contains(info.origin);
        (!known).then(|| {
            format!(
                "a call on {line} is here by {:?}, {:?}, which is not advertised",
                info.origin, info.reason
            )
        })
    }

    /// Parts of what is known of a call changed.
    pub(super) fn parts(&self, line: LineId, changed: InfoParts) -> Option<String> {
        let beyond = InfoParts(changed.0 & !self.lines.get(&line)?.info_parts.0);
        (beyond.0 != 0).then(|| format!("{beyond:?} of a call on {line} changed, which is not advertised"))
    }

    /// Something about a line changed.
    pub(super) fn status(&self, line: LineId, kind: StatusKind) -> Option<String> {
        let known = self.lines.get(&line)?.status.contains(kind);
        (!known).then(|| format!("{line} tells of {kind:?}, which is not advertised"))
    }
}
