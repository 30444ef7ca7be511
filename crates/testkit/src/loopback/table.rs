//! Which call state may follow which.

use hookswitch_spi::StateKind;

/// Whether a call in `from` may enter `to` (spec 2.4 and 2.5). A state may follow itself when only its detail changes.
pub const fn may_follow(from: StateKind, to: StateKind) -> bool {
    use StateKind as S;
    match to {
        // A call is never offered again, and nobody goes back to dialling.
        S::Offering => matches!(from, S::Unknown),
        S::Accepted => matches!(from, S::Offering),
        S::Dialtone => matches!(from, S::Unknown),
        S::Dialing => matches!(from, S::Unknown | S::Dialtone),
        // Whoever camps on waits.
        S::Proceeding => matches!(from, S::Unknown | S::Dialtone | S::Dialing | S::Ringback | S::Busy),
        S::Ringback => matches!(from, S::Proceeding),
        S::Busy => matches!(from, S::Proceeding | S::Ringback),
        S::Connected => !matches!(from, S::Idle | S::Disconnected | S::Busy),
        S::OnHold => matches!(
            from,
            S::Connected | S::OnHold | S::OnHoldPendingTransfer | S::OnHoldPendingConference | S::Conferenced
        ),
        S::OnHoldPendingTransfer => matches!(from, S::Connected | S::OnHold),
        // A conference begins so.
        S::OnHoldPendingConference => matches!(from, S::Unknown | S::Connected | S::OnHold),
        // Whoever is called may be a member before the answer.
        S::Conferenced => matches!(
            from,
            S::Connected
                | S::OnHold
                | S::OnHoldPendingConference
                | S::OnHoldPendingTransfer
                | S::Proceeding
                | S::Ringback
                | S::Busy
        ),
        S::Disconnected => !matches!(from, S::Idle | S::Disconnected),
        // Final, and from everywhere.
        S::Idle => !matches!(from, S::Idle),
        S::Unknown => matches!(from, S::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use StateKind as S;

    #[test]
    fn nothing_follows_idle_and_only_idle_follows_disconnected() {
        let all = [
            S::Idle,
            S::Offering,
            S::Accepted,
            S::Dialtone,
            S::Dialing,
            S::Proceeding,
            S::Ringback,
            S::Busy,
            S::Connected,
            S::OnHold,
            S::OnHoldPendingTransfer,
            S::OnHoldPendingConference,
            S::Conferenced,
            S::Disconnected,
            S::Unknown,
        ];
        for to in all {
            assert!(!may_follow(S::Idle, to), "{to} after idle");
            assert_eq!(may_follow(S::Disconnected, to), to == S::Idle, "{to} after disconnected");
        }
    }
}
