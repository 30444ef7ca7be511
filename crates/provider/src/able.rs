//! What a line can do: from its account and profile, nothing that was not built.

use crate::Account;
use hookswitch_spi::{
    Bounds, BusyMode, CallTreatment, Capabilities, CapabilityFlags, ConnectedMode, DigitMonitoring,
    DisconnectMode, Feature, Features, ForwardCondition, InfoParts, OfferingMode, Origin, Reason, Set,
    StateKind, StatusKind, TransferMode,
};
use std::time::Duration;

/// The table of a line.
pub(crate) fn capabilities(account: &Account) -> Capabilities {
    let profile = &account.profile;
    let mut features = Features::of(&[
        Feature::MakeCall,
        Feature::Dial,
        Feature::Accept,
        Feature::Answer,
        Feature::Drop,
        Feature::Hold,
        Feature::Retrieve,
        Feature::SwapHold,
        Feature::SetupTransfer,
        Feature::CompleteTransfer,
        Feature::SecureCall,
        Feature::SendDigits,
        Feature::Play,
        Feature::Record,
        Feature::Statistics,
        Feature::ReleaseUserInfo,
        Feature::SetMediaType,
        Feature::SetCallData,
        Feature::SetAppSpecific,
        Feature::SendTone,
        Feature::StopSending,
        Feature::GatherDigits,
        Feature::StopGathering,
        Feature::MonitorDigits,
        Feature::MonitorTones,
        Feature::MonitorMedia,
        Feature::SetTreatment,
    ]);
    let mut states = Set::of(&[
        StateKind::Idle,
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
        StateKind::Disconnected,
    ]);
    let mut origins = Set::of(&[Origin::Inbound, Origin::Internal, Origin::External, Origin::Outbound]);
    let mut transfer_modes = Set::of(&[TransferMode::Transfer]);
    if profile.max_conference > 0 {
        features = features.union(Features::of(&[
            Feature::SetupConference,
            Feature::PrepareAddToConference,
            Feature::AddToConference,
            Feature::RemoveFromConference,
        ]));
        states = states.with(StateKind::OnHoldPendingConference).with(StateKind::Conferenced);
        origins = origins.with(Origin::Conference);
        transfer_modes = transfer_modes.with(TransferMode::Conference);
    }
    if profile.redirect {
        features = features.with(Feature::Redirect).with(Feature::Forward);
    }
    if profile.refer {
        features = features.with(Feature::BlindTransfer);
    }
    Capabilities {
        features,
        media: account.media,
        states,
        disconnect_modes: Set::<DisconnectMode>::ALL,
        connected_modes: Set::of(&[ConnectedMode::Active, ConnectedMode::ActiveHeld]),
        offering_modes: Set::of(&[OfferingMode::Active]),
        busy_modes: Set::of(&[BusyMode::Station]),
        reasons: Set::of(&[
            Reason::Direct,
            Reason::ForwardedUnconditional,
            Reason::ForwardedBusy,
            Reason::ForwardedNoAnswer,
            Reason::Redirected,
            Reason::Transferred,
        ]),
        origins,
        info_parts: InfoParts::CONNECTED
            .union(InfoParts::CALLER)
            .union(InfoParts::REASON)
            .union(InfoParts::SECURE)
            .union(InfoParts::IDENTITY)
            .union(InfoParts::REDIRECTION)
            .union(InfoParts::MEDIA)
            .union(InfoParts::CALL_DATA)
            .union(InfoParts::APP_SPECIFIC)
            .union(InfoParts::TREATMENT),
        max_call_data: 1_024,
        status: Set::of(&[
            StatusKind::Service,
            StatusKind::Ringing,
            StatusKind::CallCount,
            StatusKind::Forwarding,
        ]),
        answer_mode: profile.answer_mode,
        max_calls: account.max_calls,
        max_forward_rules: crate::account::MOST_FORWARD_RULES,
        forward_conditions: Set::<ForwardCondition>::ALL,
        no_answer_after: crate::forwarding::NO_ANSWER,
        max_conference: profile.max_conference,
        transfer_modes,
        removed_member: StateKind::Connected,
        treatments: Set::<CallTreatment>::ALL,
        digit_monitoring: Set::<DigitMonitoring>::ALL,
        gather_after: Bounds { least: Duration::from_millis(100), most: Duration::from_secs(600) },
        max_tone_patterns: hookswitch_media::control::MAX_WATCHED_TONES as u16,
        flags: CapabilityFlags {
            close_drops: true,
            accept_alerts: profile.alerting == crate::profile::Alerting::OnAccept,
            forwarding_known: true,
            conference_from_nothing: profile.max_conference > 0,
            reconnects: profile.reconnect,
            partial_dialing: true,
            bridges: !profile.refer,
        },
        ..Capabilities::none()
    }
}
