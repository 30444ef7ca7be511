//! Versions of the interface: which are spoken, and what the older one is told instead of what it does not know.
//!
//! The older version exists in the loopback only, so that negotiation and the downgrade of constants can be proved. The version
//! in force is that of the line, from opening to closing it; lines do not share it.

use hookswitch_spi::{
    CallInfo, CallState, ConnectedMode, DisconnectMode, InterfaceVersion, LineError, Origin, Reason,
    VersionRange,
};

/// The synthetic older version of the interface.
pub const V0: InterfaceVersion = InterfaceVersion(0x0000_8000);

/// What is spoken, the newest first.
const SPOKEN: [InterfaceVersion; 2] = [InterfaceVersion::V1, V0];

/// The newest version within what is offered.
pub(crate) fn negotiate(offered: VersionRange) -> Result<InterfaceVersion, LineError> {
    let common = SPOKEN.into_iter().find(|version| offered.low <= *version && *version <= offered.high);
    common.ok_or(LineError::IncompatibleVersion(VersionRange { low: V0, high: InterfaceVersion::V1 }))
}

/// A state as a version knows it.
pub(crate) fn state(version: InterfaceVersion, mut state: CallState) -> CallState {
    if version > V0 {
        return state;
    }
    match &mut state {
        CallState::Connected(mode) => *mode = connected(*mode),
        CallState::Disconnected(end) => end.mode = disconnected(end.mode),
        CallState::Idle
        | CallState::Offering(_)
        | CallState::Accepted
        | CallState::Dialtone
        | CallState::Dialing
        | CallState::Proceeding
        | CallState::Ringback
        | CallState::Busy(_)
        | CallState::OnHold
        | CallState::OnHoldPendingTransfer
        | CallState::OnHoldPendingConference
        | CallState::Conferenced(_)
        | CallState::Unknown => {}
    }
    state
}

/// What is known of a call, as a version knows it.
pub(crate) fn info(version: InterfaceVersion, mut info: CallInfo) -> CallInfo {
    if version <= V0 {
        info.origin = origin(info.origin);
        info.reason = reason(info.reason);
    }
    info
}

const fn connected(mode: ConnectedMode) -> ConnectedMode {
    match mode {
        ConnectedMode::Active | ConnectedMode::ActiveHeld | ConnectedMode::InactiveHeld => {
            ConnectedMode::Active
        }
        ConnectedMode::Inactive => ConnectedMode::Inactive,
    }
}

const fn disconnected(mode: DisconnectMode) -> DisconnectMode {
    use DisconnectMode as M;
    match mode {
        M::Cancelled => M::Normal,
        M::NoDialtone
        | M::NumberChanged
        | M::OutOfOrder
        | M::TemporaryFailure
        | M::QosUnavailable
        | M::Blocked
        | M::DoNotDisturb => M::Unknown,
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
    }
}

const fn origin(origin: Origin) -> Origin {
    match origin {
        Origin::Internal | Origin::External => Origin::Inbound,
        Origin::Outbound | Origin::Inbound | Origin::Conference => origin,
    }
}

const fn reason(reason: Reason) -> Reason {
    use Reason as R;
    match reason {
        R::Parked | R::CampedOn | R::Intrusion => R::Unavailable,
        R::Direct
        | R::ForwardedUnconditional
        | R::ForwardedBusy
        | R::ForwardedNoAnswer
        | R::Redirected
        | R::Transferred
        | R::PickedUp
        | R::Unparked
        | R::Reminder
        | R::CallCompletion
        | R::Unknown
        | R::Unavailable => reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_in_common_is_offered() {
        let v = InterfaceVersion;
        let rows = [
            (0, 0x7fff, None),
            (0, 0x8000, Some(V0)),
            (0, 0xffff, Some(V0)),
            (0x8001, 0xffff, None),
            (0, u32::MAX, Some(InterfaceVersion::V1)),
            (0x1_0000, 0x9_0000, Some(InterfaceVersion::V1)),
            (0x1_0001, u32::MAX, None),
            (u32::MAX, 0, None),
        ];
        for (low, high, expected) in rows {
            let got = negotiate(VersionRange { low: v(low), high: v(high) }).ok();
            assert_eq!(got, expected, "{low:#x}..{high:#x}");
        }
    }
}
