//! Older versions of the interface: what an application that attached with one does not know is told in words that it does.
//!
//! One version exists. The one before it is synthetic: it has what TAPI had before 1.4 and 2.0, so that this table, the only
//! place that knows the difference, is exercised. A version is fixed for a session when it attaches.

use crate::{CallSnapshot, Event, Reply, RequestError, SnapshotPart};
use hookswitch_spi::{
    CallInfo, CallState, ConnectedMode, Disconnect, DisconnectMode, InterfaceVersion, Origin, Reason,
    VersionRange,
};

/// The synthetic version before the first: without the constants that TAPI got later, and with its older rule that the only
/// owner of a live call cannot release it (spec C3).
pub const OLDEST: InterfaceVersion = InterfaceVersion(0);

/// The versions of the application interface that are spoken here.
pub const SPOKEN: VersionRange = VersionRange { low: OLDEST, high: InterfaceVersion::V1 };

/// The highest version that both sides know.
pub(crate) fn negotiate(offered: VersionRange) -> Result<InterfaceVersion, RequestError> {
    let high = offered.high.min(SPOKEN.high);
    // Between the two there is nothing.
    let version = if high < InterfaceVersion::V1 { OLDEST } else { InterfaceVersion::V1 };
    let fits = offered.low <= version && version <= offered.high;
    if fits { Ok(version) } else { Err(RequestError::IncompatibleVersion { offered, spoken: SPOKEN }) }
}

/// What a session of the oldest version hears instead of an event.
pub(crate) fn event(event: Event) -> Event {
    match event {
        Event::CallState { call, state, privilege } => {
            Event::CallState { call, state: state_of(state), privilege }
        }
        Event::NewCall { line, address, call, privilege, info: known } => {
            Event::NewCall { line, address, call, privilege, info: Box::new(info(*known)) }
        }
        Event::Completed { request, result } => Event::Completed { request, result: result.map(reply) },
        Event::Snapshot(SnapshotPart::Call(call)) => {
            Event::Snapshot(SnapshotPart::Call(Box::new(snapshot(*call))))
        }
        // TAPI before 1.4: all that can be said is that it had better start over.
        Event::LineCreated { line } => Event::Reinitialise { why: format!("{line} appeared") },
        Event::LineRemoved { line } => Event::Reinitialise { why: format!("{line} is gone") },
        Event::CapabilitiesChanged { line } => {
            Event::Reinitialise { why: format!("what {line} can do has changed") }
        }
        other @ (Event::Refused { .. }
        | Event::CallInfo { .. }
        | Event::Owners { .. }
        | Event::Digit { .. }
        | Event::Played { .. }
        | Event::MediaFailed { .. }
        | Event::CallForgotten { .. }
        | Event::LineState { .. }
        | Event::LineOpens { .. }
        | Event::Forwarding { .. }
        | Event::LineClosed { .. }
        | Event::Reinitialise { .. }
        | Event::DigitBegun { .. }
        | Event::Tone { .. }
        | Event::Media { .. }
        | Event::Ringing { .. }
        | Event::MessageWaiting { .. }
        | Event::CallCount { .. }
        | Event::CompletionEnded { .. }
        | Event::Extension { .. }
        | Event::RequestWaiting
        | Event::Snapshot(_)
        | Event::GivenUp) => other,
    }
}

fn reply(reply: Reply) -> Reply {
    match reply {
        Reply::Calls(calls) => Reply::Calls(calls.into_iter().map(snapshot).collect()),
        Reply::Call(call) => Reply::Call(Box::new(snapshot(*call))),
        Reply::Attached { version, lines, calls } => {
            Reply::Attached { version, lines, calls: calls.into_iter().map(snapshot).collect() }
        }
        other => other,
    }
}

fn snapshot(call: CallSnapshot) -> CallSnapshot {
    CallSnapshot { state: state_of(call.state), info: call.info.map(|known| Box::new(info(*known))), ..call }
}

fn state_of(state: CallState) -> CallState {
    match state {
        CallState::Connected(mode) => CallState::Connected(connected(mode)),
        CallState::Disconnected(end) => {
            CallState::Disconnected(Disconnect { mode: disconnected(end.mode), ..end })
        }
        older => older,
    }
}

/// TAPI 2.0 knows more than active and inactive.
const fn connected(mode: ConnectedMode) -> ConnectedMode {
    match mode {
        ConnectedMode::Active | ConnectedMode::ActiveHeld => ConnectedMode::Active,
        ConnectedMode::Inactive | ConnectedMode::InactiveHeld => ConnectedMode::Inactive,
    }
}

/// TAPI 1.4 has no dialtone, 2.0 the others (spec 2.6).
const fn disconnected(mode: DisconnectMode) -> DisconnectMode {
    use DisconnectMode as M;
    match mode {
        M::Normal
        | M::Unknown
        | M::Reject
        | M::Pickup
        | M::Forwarded
        | M::Busy
        | M::NoAnswer
        | M::BadAddress
        | M::Unreachable
        | M::Congestion
        | M::Incompatible
        | M::Unavailable => mode,
        M::Cancelled => M::Normal,
        M::NoDialtone
        | M::NumberChanged
        | M::OutOfOrder
        | M::TemporaryFailure
        | M::QosUnavailable
        | M::Blocked
        | M::DoNotDisturb => M::Unknown,
    }
}

fn info(info: CallInfo) -> CallInfo {
    let origin = match info.origin {
        // TAPI 1.4 added inbound and outbound (spec 2.7); before, a call was from within or from elsewhere.
        Origin::Inbound | Origin::Outbound | Origin::External => Origin::External,
        Origin::Internal => Origin::Internal,
        Origin::Conference => Origin::Conference,
    };
    CallInfo { origin, reason: reason(info.reason), ..info }
}

/// TAPI 1.4 and 2.0 added reasons.
const fn reason(reason: Reason) -> Reason {
    match reason {
        Reason::Direct
        | Reason::ForwardedUnconditional
        | Reason::ForwardedBusy
        | Reason::ForwardedNoAnswer
        | Reason::Redirected
        | Reason::Transferred
        | Reason::PickedUp
        | Reason::Unparked
        | Reason::CallCompletion
        | Reason::Unknown
        | Reason::Unavailable => reason,
        Reason::Reminder | Reason::Parked | Reason::CampedOn | Reason::Intrusion => Reason::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hookswitch_spi::{CallId, EndedBy};

    const fn range(low: u32, high: u32) -> VersionRange {
        VersionRange { low: InterfaceVersion(low), high: InterfaceVersion(high) }
    }

    #[test]
    fn the_highest_common_version_is_taken() {
        let v1 = InterfaceVersion::V1.0;
        for (offered, version) in [
            (range(v1, v1), Some(InterfaceVersion::V1)),
            (range(0, u32::MAX), Some(InterfaceVersion::V1)),
            (range(0, v1 - 1), Some(OLDEST)),
            (range(0, 0), Some(OLDEST)),
            (range(v1 + 1, u32::MAX), None),
            (range(1, 5), None),
            (range(v1, 0), None),
        ] {
            assert_eq!(negotiate(offered).ok(), version, "{offered:?}");
        }
    }

    #[test]
    fn newer_words_become_older_ones() {
        let ended = |mode| CallState::Disconnected(Disconnect::new(mode, EndedBy::Peer, ""));
        for (new, old) in [
            (ended(DisconnectMode::Cancelled), ended(DisconnectMode::Normal)),
            (ended(DisconnectMode::DoNotDisturb), ended(DisconnectMode::Unknown)),
            (ended(DisconnectMode::Busy), ended(DisconnectMode::Busy)),
            (CallState::Connected(ConnectedMode::ActiveHeld), CallState::Connected(ConnectedMode::Active)),
            (CallState::OnHold, CallState::OnHold),
        ] {
            let told = |state| Event::CallState { call: CallId(1), state, privilege: None };
            assert_eq!(event(told(new)), told(old));
        }
        let created = Event::LineCreated { line: hookswitch_spi::LineId(3) };
        assert!(matches!(event(created), Event::Reinitialise { .. }));
    }
}
