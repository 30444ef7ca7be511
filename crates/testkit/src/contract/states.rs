//! Which states may follow which.

use hookswitch_spi::StateKind;

/// The states that may follow a state (spec 2.4 and 2.5), as far as this release reaches them.
pub const fn successors(state: StateKind) -> &'static [StateKind] {
    use StateKind as S;
    match state {
        S::Offering => &[S::Accepted, S::Connected, S::Disconnected, S::Idle],
        S::Accepted => &[S::Connected, S::Disconnected, S::Idle],
        S::Dialtone => &[S::Dialing, S::Proceeding, S::Disconnected, S::Idle],
        S::Dialing => &[S::Proceeding, S::Ringback, S::Connected, S::Busy, S::Disconnected, S::Idle],
        S::Proceeding => &[S::Ringback, S::Connected, S::Busy, S::Conferenced, S::Disconnected, S::Idle],
        // Whoever camps on waits for the called party.
        S::Ringback => &[S::Proceeding, S::Connected, S::Busy, S::Conferenced, S::Disconnected, S::Idle],
        S::Busy => &[S::Proceeding, S::Disconnected, S::Idle],
        // Connected follows itself when the other side holds or retrieves.
        S::Connected => &[
            S::Connected,
            S::OnHold,
            S::OnHoldPendingTransfer,
            S::OnHoldPendingConference,
            S::Conferenced,
            S::Disconnected,
            S::Idle,
        ],
        // An exchange makes a call pending that was not.
        S::OnHold => &[
            S::Connected,
            S::OnHoldPendingTransfer,
            S::OnHoldPendingConference,
            S::Conferenced,
            S::Disconnected,
            S::Idle,
        ],
        S::OnHoldPendingTransfer => &[S::Connected, S::OnHold, S::Conferenced, S::Disconnected, S::Idle],
        S::OnHoldPendingConference => &[S::Connected, S::OnHold, S::Disconnected, S::Idle],
        // One that leaves its conference is where it has come to outside.
        S::Conferenced => &[S::Connected, S::OnHold, S::Proceeding, S::Ringback, S::Disconnected, S::Idle],
        S::Disconnected => &[S::Idle],
        S::Idle => &[],
        // A monitor sees a call that another application makes as unknown first.
        S::Unknown => &[
            S::Offering,
            S::Dialtone,
            S::Dialing,
            S::Proceeding,
            S::Ringback,
            S::Connected,
            S::Busy,
            S::OnHoldPendingConference,
            S::Disconnected,
            S::Idle,
        ],
    }
}
