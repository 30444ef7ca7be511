//! One call of one line: a leg, and what is at its other end.

use super::stranger::PartyId;
use hookswitch_machine::Time;
use hookswitch_spi::{
    AddressId, AudioSource, CallId, CallInfo, CallOptions, CallState, DeviceConfig, DigitMonitoring,
    GatherOptions, LineId, MediaControl, MediaTypes, Origin, Party, PhysicalCallId, Reason, RequestId,
    TonePattern, UserInfo,
};
use std::collections::VecDeque;

/// A call as its line sees it.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) line: LineId,
    pub(crate) address: AddressId,
    pub(crate) state: CallState,
    pub(crate) taken: Taken,
    /// When it entered its state.
    pub(crate) since: Time,
    /// Not before its creation has completed may anybody hear of it.
    pub(crate) embryo: bool,
    pub(crate) other: Other,
    /// The two ends have talked: a call that is not answered can be a member of a conference already.
    pub(crate) answered: bool,
    pub(crate) info: CallInfo,
    pub(crate) part: Part,
    /// Of the target of a transfer: the transfer that it decides.
    pub(crate) decides: Option<RequestId>,
    pub(crate) rest: Box<Rest>,
}

/// Whether the application side has a place for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Yes,
    /// It was announced, and so often there was no place.
    Waits {
        refused: u8,
    },
}

/// What part a call has in something of several calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Plain,
    /// A consultation call for this held call or waiting conference.
    Consults(CallId),
    /// A conference with these members.
    Conference(Vec<CallId>),
}

/// What most calls never have.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    /// The address as far as it is dialled.
    pub(crate) dialled: String,
    pub(crate) options: CallOptions,
    /// What the other party is played.
    pub(crate) playing: Playing,
    /// What that does by itself.
    pub(crate) controls: Vec<MediaControl>,
    /// How its audio is sent.
    pub(crate) config: Option<DeviceConfig>,
    pub(crate) digits: DigitMonitoring,
    pub(crate) tones: Vec<TonePattern>,
    pub(crate) watched: MediaTypes,
    /// What the other side offered last, if it was not its first offer.
    pub(crate) offered: Option<MediaTypes>,
    pub(crate) gather: Option<Gather>,
    pub(crate) sending: Option<Sending>,
    /// User information that waits behind what is shown.
    pub(crate) user_info: VecDeque<UserInfo>,
    /// Header fields that the application adds.
    pub(crate) headers: Vec<(Box<str>, Box<str>)>,
    pub(crate) ring_mode: u8,
    /// Of a consultation call that is not answered yet: the transfer that waits for it.
    pub(crate) completes: Option<RequestId>,
    /// Of a call that comes of a call completion: who is called once it is answered.
    pub(crate) calls: Option<Box<str>>,
}

/// What the other party of a call is played, whether it hears it at the moment or not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Playing {
    /// What.
    pub source: AudioSource,
    /// It stands still.
    pub paused: bool,
    /// Decibels louder than it is.
    pub gain: i8,
}

/// Digits being collected.
#[derive(Debug)]
pub(crate) struct Gather {
    pub(crate) request: RequestId,
    pub(crate) wanted: GatherOptions,
    pub(crate) digits: String,
}

/// Digits or a tone being sent.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) request: RequestId,
    pub(crate) digits: VecDeque<char>,
}

/// An end of a connection, and what is at the other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Other {
    /// Nobody (yet, or any more).
    Nobody,
    /// A leg of a line.
    Leg(CallId),
    /// A party outside.
    Stranger(PartyId),
    /// An orbit in which a party is parked.
    Orbit(u32),
}

impl Leg {
    pub(crate) fn new(now: Time, info: CallInfo, taken: Taken) -> Self {
        Self {
            line: info.line,
            address: info.address,
            state: CallState::Unknown,
            taken,
            since: now,
            embryo: taken == Taken::Yes,
            other: Other::Nobody,
            answered: false,
            info,
            part: Part::Plain,
            decides: None,
            rest: Box::default(),
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        match self.state {
            CallState::Idle | CallState::Disconnected(_) => false,
            CallState::Offering(_)
            | CallState::Accepted
            | CallState::Dialtone
            | CallState::Dialing
            | CallState::Proceeding
            | CallState::Ringback
            | CallState::Busy(_)
            | CallState::Connected(_)
            | CallState::OnHold
            | CallState::OnHoldPendingTransfer
            | CallState::OnHoldPendingConference
            | CallState::Conferenced(_)
            | CallState::Unknown => true,
        }
    }

    pub(crate) fn is_offered(&self) -> bool {
        matches!(self.state, CallState::Offering(_) | CallState::Accepted)
    }

    pub(crate) fn is_held(&self) -> bool {
        matches!(
            self.state,
            CallState::OnHold | CallState::OnHoldPendingTransfer | CallState::OnHoldPendingConference
        )
    }

    pub(crate) fn is_connected(&self) -> bool {
        matches!(self.state, CallState::Connected(_))
    }

    /// Whether anybody may hear of it.
    pub(crate) fn is_known(&self) -> bool {
        !self.embryo && self.taken == Taken::Yes
    }

    /// Its members, if it is a conference.
    pub(crate) fn members(&self) -> Option<&[CallId]> {
        match &self.part {
            Part::Conference(members) => Some(members),
            Part::Plain | Part::Consults(_) => None,
        }
    }

    /// The call for which it is a consultation call.
    pub(crate) fn consults(&self) -> Option<CallId> {
        match self.part {
            Part::Consults(held) => Some(held),
            Part::Plain | Part::Conference(_) => None,
        }
    }
}

/// What is known of a new call.
pub(crate) fn info(
    line: LineId,
    address: AddressId,
    physical: PhysicalCallId,
    origin: Origin,
    media: MediaTypes,
    caller: Party,
    called: Party,
) -> CallInfo {
    CallInfo {
        line,
        address,
        physical,
        origin,
        reason: Reason::Direct,
        media,
        caller,
        called,
        connected: Party::default(),
        redirecting: Party::default(),
        redirection: Party::default(),
        related: None,
        completion: None,
        call_data: Box::default(),
        app_specific: 0,
        treatment: None,
        user_info: None,
        secure: false,
        display: "".into(),
        sip_call_id: "".into(),
    }
}
