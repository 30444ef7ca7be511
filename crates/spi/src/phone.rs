//! Phone devices: telephones as devices of their own, beside lines (TAPI: the phone functions). A phone and a line are
//! independent; that they share an extension is told by [`PhoneDescription::address`].

use crate::set::member;
use crate::{PhoneId, RequestId, Set};
use serde::{Deserialize, Serialize};

/// A telephone that exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneDescription {
    /// Its number.
    pub phone: PhoneId,
    /// Its permanent name.
    pub name: String,
    /// The address whose calls ring it, if it has one.
    pub address: Option<String>,
    /// What it says it is; may be empty.
    pub product: String,
}

/// What a phone can do (TAPI: PHONECAPS). What is possible at the moment stands in [`PhoneStatus::settable`].
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize)]
pub struct PhoneCapabilities {
    /// Which parts can be read and are told when they change.
    pub told: Set<PhonePart>,
    /// Which parts can ever be changed; anything else is [`PhoneFailure::Unavailable`].
    pub settable: Set<PhonePart>,
    /// To what its hook switch can be set (dwSettableHandsetHookSwitchModes).
    pub hook_switches: Set<HookSwitch>,
    /// Its lamps. One that was listed stays in its place; new ones may follow ([`PhoneEvent::CapabilitiesChanged`]).
    pub lamps: Vec<PhoneLamp>,
    /// Ways it can ring, 0 for none.
    pub ring_modes: u8,
}

/// A lamp of a phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PhoneLamp {
    /// What it is for.
    pub meaning: LampMeaning,
    /// What it can show.
    pub shows: Set<LampState>,
    /// To what it can be set.
    pub settable: Set<LampState>,
}

/// What a lamp is for (TAPI: PHONEBUTTONFUNCTION of the button beside it).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LampMeaning {
    /// Messages wait (PHONEBUTTONFUNCTION_MSGINDICATOR).
    Messages,
    /// Somebody alerts or talks: that user's busy lamp (PHONEBUTTONFUNCTION_STATIONAPP).
    Busy(String),
}

impl std::fmt::Display for LampMeaning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Messages => f.write_str("messages"),
            Self::Busy(user) => f.write_str(user),
        }
    }
}

/// A part of a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhonePart {
    /// Its hook switch.
    HookSwitch,
    /// Its ringer.
    Ringer,
    /// Its lamps.
    Lamp,
    /// Its volume.
    Volume,
}

member!(PhonePart: HookSwitch, Ringer, Lamp, Volume);

impl std::fmt::Display for PhonePart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::HookSwitch => "hook switch",
            Self::Ringer => "ringer",
            Self::Lamp => "lamp",
            Self::Volume => "volume",
        })
    }
}

/// A hook switch (TAPI: PHONEHOOKSWITCHMODE).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookSwitch {
    /// Not in use.
    #[default]
    OnHook,
    /// In use: microphone and speaker.
    OffHook,
    /// Not known.
    Unknown,
}

member!(HookSwitch: OnHook, OffHook, Unknown);

/// A lamp (TAPI: PHONELAMPMODE).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LampState {
    /// Dark.
    #[default]
    Off,
    /// Lit.
    Steady,
    /// Flashing, as for a call that alerts.
    Flash,
    /// Winking, as for a call on hold.
    Wink,
    /// Not known: the phone was told nothing, or did not say that it understood (PHONELAMPMODE_UNKNOWN).
    Unknown,
}

member!(LampState: Off, Steady, Flash, Wink, Unknown);

/// A phone at the moment (phoneGetStatus).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PhoneStatus {
    /// It can be reached.
    pub in_service: bool,
    /// Its hook switch.
    pub hook_switch: HookSwitch,
    /// The way it rings, 0 while it does not.
    pub ring_mode: u8,
    /// Its lamps, in the order of its capabilities.
    pub lamps: Vec<LampState>,
    /// 0 to 65,535, where it can be known.
    pub volume: Option<u16>,
    /// Which of the settable parts can be changed now; the others are [`PhoneFailure::NotNow`].
    pub settable: Set<PhonePart>,
}

/// Something to change at a phone (phoneSetHookSwitch and its kin).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PhoneSetting {
    /// Its hook switch: on-hook ends its calls.
    HookSwitch(HookSwitch),
    /// Make it ring (0: stop).
    Ring(u8),
    /// A lamp.
    Lamp {
        /// Which, from 0.
        lamp: u8,
        /// How.
        state: LampState,
    },
    /// Its volume.
    Volume(u16),
}

impl PhoneSetting {
    /// The part that it changes.
    pub const fn part(&self) -> PhonePart {
        match self {
            Self::HookSwitch(_) => PhonePart::HookSwitch,
            Self::Ring(_) => PhonePart::Ringer,
            Self::Lamp { .. } => PhonePart::Lamp,
            Self::Volume(_) => PhonePart::Volume,
        }
    }
}

/// Why something asked of a phone was refused or failed (TAPI: PHONEERR).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PhoneFailure {
    /// No such phone (PHONEERR_NODEVICE).
    #[error("{0} does not exist")]
    NoSuchPhone(PhoneId),
    /// It is not open (PHONEERR_INVALPHONEHANDLE).
    #[error("{0} is not open; open it first")]
    NotOpen(PhoneId),
    /// It is open already.
    #[error("{0} is open already")]
    AlreadyOpen(PhoneId),
    /// The phone cannot do this at all (PHONEERR_OPERATIONUNAVAIL).
    #[error("nobody can set this phone's {0} from here; see its capabilities")]
    Unavailable(PhonePart),
    /// No lamp has this number (PHONEERR_INVALBUTTONLAMPID).
    #[error("the phone has no lamp {0}; see its capabilities")]
    NoSuchLamp(u8),
    /// The part can be set, but not to this (PHONEERR_INVALHOOKSWITCHMODE, PHONEERR_INVALLAMPMODE, PHONEERR_INVALRINGMODE).
    #[error("the phone's {0} cannot be set to that; see its capabilities")]
    InvalidSetting(PhonePart),
    /// Not in this state (PHONEERR_INVALPHONESTATE).
    #[error("the phone's {part} cannot be set now: {why}")]
    NotNow {
        /// Of what.
        part: PhonePart,
        /// What stands in the way.
        why: &'static str,
    },
    /// The phone did not take it (PHONEERR_OPERATIONFAILED).
    #[error("the phone did not take it: {0}")]
    NotTaken(&'static str),
    /// A newer request of the same kind took its place.
    #[error("replaced by a newer request")]
    Replaced,
    /// The phone was closed, or is gone.
    #[error("the phone was closed first")]
    Closed,
}

/// Something a provider of phones tells (TSPI: PHONEEVENT).
#[derive(Clone, Debug, PartialEq)]
pub enum PhoneEvent {
    /// An accepted request is done.
    Completed {
        /// Which.
        request: RequestId,
        /// With what result.
        result: Result<(), PhoneFailure>,
    },
    /// A phone appeared (PHONE_CREATE).
    Created(PhoneId),
    /// A phone is gone (PHONE_REMOVE).
    Removed(PhoneId),
    /// A part of a phone changed (PHONE_STATE): how it is, or whether it can be set now. Told after each request that succeeds,
    /// also if it was so before.
    Changed {
        /// Which phone.
        phone: PhoneId,
        /// Which part; `None`: whether it is in service.
        part: Option<PhonePart>,
    },
    /// What a phone can do changed (PHONESTATE_CAPSCHANGE): it has a lamp more.
    CapabilitiesChanged(PhoneId),
}

/// A provider of phones. It may be another than the one of the lines; a provider without phones is fine.
///
/// Requests are refused at once, or accepted and completed exactly once; each one that succeeds is followed by
/// [`PhoneEvent::Changed`]. Only phones that are open are told of, apart from those that come and go.
pub trait PhoneProvider {
    /// The phones that exist.
    fn phones(&self) -> Vec<PhoneDescription>;

    /// What a phone can do.
    fn phone_capabilities(&self, phone: PhoneId) -> Option<&PhoneCapabilities>;

    /// Begins to tell of a phone (phoneOpen).
    fn open_phone(&mut self, phone: PhoneId) -> Result<(), PhoneFailure>;

    /// Ends it; what is outstanding completes first (phoneClose).
    fn close_phone(&mut self, phone: PhoneId);

    /// How a phone is.
    fn phone_status(&self, phone: PhoneId) -> Option<PhoneStatus>;

    /// Asks for a change of a phone that is open. `Err`: refused, never completes; `Ok`: completes exactly once. A provider that is
    /// a machine carries it out at its next input.
    fn set_phone(
        &mut self,
        request: RequestId,
        phone: PhoneId,
        setting: PhoneSetting,
    ) -> Result<(), PhoneFailure>;

    /// The next event.
    fn poll_phone_event(&mut self) -> Option<PhoneEvent>;
}
