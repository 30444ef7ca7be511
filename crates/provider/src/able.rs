//! What a line can do: from its account and profile, nothing that was not built.

use crate::Account;
use crate::profile::MessageWaiting;
use hookswitch_media::control::MAX_WATCHED_TONES;
use hookswitch_spi::{
    Bounds, BusyMode, CallTreatment, Capabilities, CapabilityFlags, CompletionMode, ConnectedMode,
    DigitMonitoring, DisconnectMode, Feature, Features, ForwardCondition, InfoParts, MediaControlSizes,
    OfferingMode, Origin, ParkKind, PickupKind, Reason, SIP_EXTENSION, Set, StateKind, StatusKind,
    TransferMode, UserInfoSizes,
};
use std::time::Duration;

/// Octets of user information that are read; more in one message is ignored.
const RECEIVED_USER_INFO: u16 = 2_048;

/// Of the tones that a stream is watched for, so many are for media control.
const CONTROL_TONES: usize = 8;

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
        Feature::SetMediaControl,
        Feature::SetTreatment,
        Feature::SetCallParameters,
        Feature::Extension,
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
    let mut reasons = Set::of(&[
        Reason::Direct,
        Reason::ForwardedUnconditional,
        Reason::ForwardedBusy,
        Reason::ForwardedNoAnswer,
        Reason::Redirected,
        Reason::Transferred,
    ]);
    let mut status =
        Set::of(&[StatusKind::Service, StatusKind::Ringing, StatusKind::CallCount, StatusKind::Forwarding]);
    if profile.message_waiting != MessageWaiting::No {
        status = status.with(StatusKind::MessageWaiting);
    }
    if profile.user_info > 0 {
        features = features.with(Feature::SendUserInfo);
    }
    if account.register {
        features = features.with(Feature::SetService);
    }
    let (mut park_modes, mut pickup_from) = (Set::NONE, Set::NONE);
    if profile.park && profile.refer {
        features = features.with(Feature::Park).with(Feature::Unpark);
        reasons = reasons.with(Reason::Unparked).with(Reason::Reminder);
        park_modes = park_modes.with(ParkKind::Orbit);
        if !profile.park_finder.is_empty() {
            park_modes = park_modes.with(ParkKind::Anywhere);
        }
    }
    if profile.dialog_events || !profile.pickup_prefix.is_empty() {
        pickup_from = pickup_from.with(PickupKind::Address).with(PickupKind::Waiting);
    }
    if !profile.group_pickup_code.is_empty() {
        pickup_from = pickup_from.with(PickupKind::Group);
    }
    if !pickup_from.is_empty() {
        features = features.with(Feature::Pickup);
        reasons = reasons.with(Reason::PickedUp);
    }
    let mut completion_modes = Set::NONE;
    if profile.dialog_events {
        features = features.with(Feature::CompleteCall).with(Feature::UncompleteCall);
        reasons = reasons.with(Reason::CallCompletion);
        status = status.with(StatusKind::Completions);
        completion_modes = completion_modes.with(CompletionMode::CallBack).with(CompletionMode::CampOn);
    }
    let max_completions = if completion_modes.is_empty() { 0 } else { crate::callback::MOST };
    let (sent, received) = (profile.user_info, RECEIVED_USER_INFO);
    let user_info =
        UserInfoSizes { make_call: sent, accept: sent, answer: sent, drop: sent, send: sent, received };
    Capabilities {
        features,
        media: account.media,
        states,
        disconnect_modes: Set::<DisconnectMode>::ALL,
        connected_modes: Set::of(&[ConnectedMode::Active, ConnectedMode::ActiveHeld]),
        offering_modes: Set::of(&[OfferingMode::Active]),
        busy_modes: Set::of(&[BusyMode::Station]),
        reasons,
        origins,
        info_parts: InfoParts::CONNECTED
            .union(InfoParts::CALLER)
            .union(InfoParts::REASON)
            .union(InfoParts::SECURE)
            .union(InfoParts::IDENTITY)
            .union(InfoParts::REDIRECTION)
            .union(InfoParts::MEDIA)
            .union(InfoParts::STREAM)
            .union(InfoParts::CALL_DATA)
            .union(InfoParts::APP_SPECIFIC)
            .union(InfoParts::TREATMENT)
            .union(InfoParts::USER_INFO),
        max_call_data: 1_024,
        status,
        answer_mode: profile.answer_mode,
        max_calls: account.max_calls,
        max_forward_rules: crate::account::MOST_FORWARD_RULES,
        forward_conditions: Set::<ForwardCondition>::ALL,
        no_answer_after: crate::forwarding::NO_ANSWER,
        max_conference: profile.max_conference,
        transfer_modes,
        park_modes,
        pickup_from,
        completion_modes,
        max_completions,
        user_info,
        extension: Some(SIP_EXTENSION),
        removed_member: StateKind::Connected,
        treatments: Set::<CallTreatment>::ALL,
        digit_monitoring: Set::<DigitMonitoring>::ALL,
        gather_after: Bounds { least: Duration::from_millis(100), most: Duration::from_secs(600) },
        device: crate::terms::CHOICES,
        max_tone_patterns: (MAX_WATCHED_TONES - CONTROL_TONES) as u16,
        media_control: MediaControlSizes { digits: 32, tones: CONTROL_TONES as u16, media: 8, states: 16 },
        flags: CapabilityFlags {
            close_drops: true,
            accept_alerts: profile.alerting == crate::profile::Alerting::OnAccept,
            forwarding_known: true,
            conference_from_nothing: profile.max_conference > 0,
            reconnects: profile.reconnect,
            partial_dialing: true,
            bridges: !profile.refer,
        },
    }
}
