//! Phone devices: telephones as devices of their own, beside lines (TAPI: the phone functions). A phone and a line are
//! independent; that they share an extension is told by [`PhoneDescription::address`].

use crate::set::member;
use crate::{LineError, OperationError, PhoneId, RequestId, Set};
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

/// What a phone can do (TAPI: PHONECAPS).
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize)]
pub struct PhoneCapabilities {
    /// Which settings can be read and are told when they change.
    pub told: Set<PhonePart>,
    /// Which settings can be changed.
    pub settable: Set<PhonePart>,
    /// Its lamps, by name.
    pub lamps: Vec<String>,
    /// Ways it can ring, 0 for none.
    pub ring_modes: u8,
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
}

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

/// Something a provider of phones tells (TSPI: PHONEEVENT).
#[derive(Clone, Debug, PartialEq)]
pub enum PhoneEvent {
    /// An accepted request is done.
    Completed {
        /// Which.
        request: RequestId,
        /// With what result.
        result: Result<(), OperationError>,
    },
    /// A phone appeared (PHONE_CREATE).
    Created(PhoneId),
    /// A phone is gone (PHONE_REMOVE).
    Removed(PhoneId),
    /// A part of a phone changed (PHONE_STATE).
    Changed {
        /// Which phone.
        phone: PhoneId,
        /// Which part; `None`: whether it is in service.
        part: Option<PhonePart>,
    },
}

/// A provider of phones. It may be another than the one of the lines; a provider without phones is fine.
pub trait PhoneProvider {
    /// The phones that exist.
    fn phones(&self) -> Vec<PhoneDescription>;

    /// What a phone can do.
    fn phone_capabilities(&self, phone: PhoneId) -> Option<&PhoneCapabilities>;

    /// Begins to tell of a phone (phoneOpen).
    fn open_phone(&mut self, phone: PhoneId) -> Result<(), LineError>;

    /// Ends it; what is outstanding completes first (phoneClose).
    fn close_phone(&mut self, phone: PhoneId);

    /// How a phone is.
    fn phone_status(&self, phone: PhoneId) -> Option<PhoneStatus>;

    /// Asks for a change. `Err`: refused, never completes; `Ok`: completes exactly once.
    fn set_phone(
        &mut self,
        request: RequestId,
        phone: PhoneId,
        setting: PhoneSetting,
    ) -> Result<(), OperationError>;

    /// The next event.
    fn poll_phone_event(&mut self) -> Option<PhoneEvent>;
}
