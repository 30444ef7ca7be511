//! A line of the exchange, and what it can do.

use hookswitch_spi::{
    AddressDescription, AddressId, Bounds, BusyMode, CallCounts, CallTreatment, Capabilities,
    CapabilityFlags, CompletionMode, ConnectedMode, DeviceChoices, DeviceConfig, DigitMonitoring,
    DigitTransport, DisconnectMode, ExtensionVersion, Features, ForwardingRules, InfoParts, InterfaceVersion,
    LineState, MediaControlSizes, MediaType, MediaTypes, OfferingMode, Origin, ParkKind, PickupKind, Reason,
    RejectReason, SIP_EXTENSION, Set, StateKind, StatusKind, TransferMode, UserInfoSizes,
};
use std::time::Duration;

/// What a configuration can be made of.
pub(crate) const CHOICES: DeviceChoices =
    DeviceChoices { codecs: &["PCMU", "PCMA", "L16/16000"], packet_times: &[20, 40], digits: Set::ALL };

/// What parties outside understand.
pub(crate) const UNDERSTOOD: [&str; 2] = ["PCMU", "PCMA"];

/// What every line begins with.
fn usual() -> DeviceConfig {
    let codecs = UNDERSTOOD.map(str::to_owned).into();
    DeviceConfig { codecs, packet_time: 20, digits: DigitTransport::EventsOrAudio }
}

/// A line to be added to a [`Loopback`](super::Loopback).
#[derive(Clone, Debug)]
pub struct LoopbackLine {
    /// Its permanent name.
    pub name: String,
    /// Its addresses, numbered from 0.
    pub addresses: Vec<String>,
    /// The group from which it picks calls up.
    pub group: String,
    /// How it refuses calls unless it is told how.
    pub reject: RejectReason,
    /// What it can do: everything, unless a test wants less.
    pub capabilities: Capabilities,
}

impl LoopbackLine {
    /// A line with one address that can do everything, with speech, fax and video, and up to 100 calls.
    pub fn new(name: impl Into<String>, address: impl Into<String>) -> Self {
        let capabilities = everything();
        let (addresses, group, reject) = (vec![address.into()], "all".into(), RejectReason::Busy);
        Self { name: name.into(), addresses, group, reject, capabilities }
    }
}

/// All that the exchange has built.
fn everything() -> Capabilities {
    Capabilities {
        features: Features::ALL,
        media: MediaTypes::VOICE.with(MediaType::Fax).with(MediaType::Video),
        states: Set::ALL.without(StateKind::Unknown),
        disconnect_modes: Set::ALL.without(DisconnectMode::NoDialtone),
        connected_modes: Set::of(&[ConnectedMode::Active, ConnectedMode::ActiveHeld]),
        offering_modes: Set::of(&[OfferingMode::Active]),
        busy_modes: Set::of(&[BusyMode::Station]),
        reasons: Set::ALL
            .without(Reason::Parked)
            .without(Reason::CampedOn)
            .without(Reason::Unknown)
            .without(Reason::Unavailable),
        origins: Set::<Origin>::ALL,
        info_parts: InfoParts::ALL,
        status: Set::of(&[
            StatusKind::Service,
            StatusKind::Ringing,
            StatusKind::MessageWaiting,
            StatusKind::CallCount,
            StatusKind::Forwarding,
            StatusKind::Completions,
        ]),
        max_calls: 100,
        max_conference: 8,
        max_forward_rules: 10,
        forward_conditions: Set::ALL,
        no_answer_after: Bounds { least: Duration::from_millis(1), most: Duration::from_secs(3_600) },
        transfer_modes: Set::of(&[TransferMode::Transfer, TransferMode::Conference]),
        park_modes: Set::of(&[ParkKind::Orbit, ParkKind::Anywhere]),
        pickup_from: Set::of(&[PickupKind::Address, PickupKind::Group, PickupKind::Waiting]),
        completion_modes: Set::of(&[CompletionMode::CampOn, CompletionMode::CallBack]),
        max_completions: 4,
        treatments: Set::of(&[
            CallTreatment::Silence,
            CallTreatment::Ringback,
            CallTreatment::Busy,
            CallTreatment::Music,
        ]),
        digit_monitoring: Set::of(&[
            DigitMonitoring::Off,
            DigitMonitoring::Digits,
            DigitMonitoring::BeginningAndEnd,
        ]),
        gather_after: Bounds { least: Duration::from_millis(1), most: Duration::from_secs(3_600) },
        max_tone_patterns: 8,
        device: CHOICES,
        media_control: MediaControlSizes { digits: 16, tones: 8, media: 8, states: 16 },
        user_info: UserInfoSizes {
            make_call: 128,
            accept: 128,
            answer: 128,
            drop: 128,
            send: 128,
            received: 128,
        },
        max_call_data: 1_024,
        removed_member: StateKind::OnHold,
        flags: CapabilityFlags {
            close_drops: true,
            accept_alerts: false,
            reconnects: true,
            partial_dialing: true,
            conference_from_nothing: true,
            forwarding_known: true,
            bridges: false,
        },
        extension: Some(SIP_EXTENSION),
        ..Capabilities::none()
    }
}

/// A line that exists.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) group: String,
    pub(crate) reject: RejectReason,
    pub(crate) addresses: Vec<AddressDescription>,
    pub(crate) capabilities: Capabilities,
    pub(crate) state: LineState,
    pub(crate) open: Option<Open>,
    pub(crate) forwarding: Vec<ForwardingRules>,
    /// The numbers of calls that were told last, by address.
    pub(crate) counted: Vec<CallCounts>,
    /// Messages that wait: new and old ones.
    pub(crate) messages: (u32, u32),
    /// What its later calls begin with.
    pub(crate) config: DeviceConfig,
}

/// What holds of a line while it is open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open {
    pub(crate) version: InterfaceVersion,
    pub(crate) detected: MediaTypes,
    /// Which changes are told. What every application needs, until somebody says.
    pub(crate) told: Set<StatusKind>,
    pub(crate) extension: ExtensionVersion,
}

impl Open {
    pub(crate) fn new(version: InterfaceVersion) -> Self {
        let told = Set::of(&[StatusKind::Service, StatusKind::Forwarding, StatusKind::Completions]);
        Self { version, detected: MediaTypes::NONE, told, extension: ExtensionVersion::NONE }
    }
}

impl Line {
    pub(crate) fn new(line: LoopbackLine) -> Self {
        let number = |n| AddressId(u16::try_from(n).unwrap_or(u16::MAX));
        let addresses = line.addresses.into_iter().enumerate();
        let addresses: Vec<_> =
            addresses.map(|(n, uri)| AddressDescription { address: number(n), uri }).collect();
        Self {
            name: line.name,
            group: line.group,
            reject: line.reject,
            forwarding: vec![ForwardingRules::default(); addresses.len()],
            counted: vec![CallCounts::default(); addresses.len()],
            addresses,
            capabilities: line.capabilities,
            state: LineState::InService,
            open: None,
            messages: (0, 0),
            config: usual(),
        }
    }

    /// Its own address of that number.
    pub(crate) fn uri(&self, address: AddressId) -> Option<&str> {
        self.addresses.get(usize::from(address.0)).map(|address| address.uri.as_str())
    }

    /// The address that others dial so: in full, or its user part.
    pub(crate) fn dialled(&self, dialled: &str) -> Option<AddressId> {
        let known = |known: &&AddressDescription| {
            known.uri == dialled || (!dialled.contains([':', '@']) && user(&known.uri) == dialled)
        };
        self.addresses.iter().find(known).map(|known| known.address)
    }

    /// What is in force while it is closed, too, is told to nobody.
    pub(crate) fn tells(&self, kind: StatusKind) -> bool {
        self.open.is_some_and(|open| open.told.contains(kind))
    }

    /// Nothing learnt in one session is known in the next.
    pub(crate) fn forget(&mut self) {
        self.open = None;
        self.messages = (0, 0);
        self.config = usual();
        self.forwarding.fill(ForwardingRules::default());
        self.counted.fill(CallCounts::default());
    }
}

/// The user part of an address.
pub(crate) fn user(uri: &str) -> &str {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    rest.split_once('@').map_or(rest, |(user, _)| user)
}

/// The domain of an address; empty if it has none.
pub(crate) fn domain(uri: &str) -> &str {
    uri.split_once('@').map_or("", |(_, domain)| domain)
}
