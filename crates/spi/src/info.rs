//! Call information: who calls whom, why, and with what (TAPI: LINECALLINFO; sources in SIP: spec 2.7 and 2.8).

use crate::set::member;
use crate::{AddressId, CallTreatment, CompletionId, LineId, MediaTypes, PhysicalCallId, UserInfo};
use serde::{Deserialize, Serialize};

/// What is known of a call. Readable in every state, *idle* included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallInfo {
    /// The line.
    pub line: LineId,
    /// The address of the line that was called or calls.
    pub address: AddressId,
    /// The physical call, equal on every leg that passes the same switch.
    pub physical: PhysicalCallId,
    /// Which way it was set up.
    pub origin: Origin,
    /// Why it is here.
    pub reason: Reason,
    /// The media types of the last offer.
    pub media: MediaTypes,
    /// Who calls.
    pub caller: Party,
    /// What the caller dialled.
    pub called: Party,
    /// Who is talked to now.
    pub connected: Party,
    /// Who diverted the call to here.
    pub redirecting: Party,
    /// Where the call was sent from here.
    pub redirection: Party,
    /// The physical call that this one came out of: of a consultation call the held one, of a call completion the attempt.
    pub related: Option<PhysicalCallId>,
    /// The call completion that this call is the result of, or waits for.
    pub completion: Option<CompletionId>,
    /// What the application side keeps with the call; survives hand-off.
    pub call_data: Box<[u8]>,
    /// A number of the application's.
    pub app_specific: u32,
    /// What a waiting party hears.
    pub treatment: Option<CallTreatment>,
    /// What the other side told last and was not yet read.
    pub user_info: Option<UserInfo>,
    /// No interruption of the call is let through.
    pub secure: bool,
    /// The text that came with the call, for the display; may be empty.
    pub display: Box<str>,
    /// The Call-ID, for those who compare with other logs; empty in other providers.
    pub sip_call_id: Box<str>,
}

/// A party of a call.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Party {
    /// A URI or a number; empty unless `presentation` is [`Presentation::Known`].
    pub address: Box<str>,
    /// The display name; may be empty.
    pub name: Box<str>,
    /// Whether the address is known, or why it is not.
    pub presentation: Presentation,
}

impl Party {
    /// A known party.
    pub fn known(address: impl Into<Box<str>>, name: impl Into<Box<str>>) -> Self {
        Self { address: address.into(), name: name.into(), presentation: Presentation::Known }
    }

    /// A party with nothing but the reason why it is not known.
    pub fn withheld(presentation: Presentation) -> Self {
        Self { address: "".into(), name: "".into(), presentation }
    }
}

/// Whether a party's address is known (TAPI: LINECALLPARTYID).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presentation {
    /// It is.
    Known,
    /// Withheld by the party (RFC 3323).
    Blocked,
    /// The network between could not pass it.
    OutOfArea,
    /// Not yet known, may come.
    Unknown,
    /// Not known and will not be.
    #[default]
    Unavailable,
}

/// Which way a call was set up (TAPI: LINECALLORIGIN).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// By us.
    Outbound,
    /// To us.
    Inbound,
    /// By a conference of ours.
    Conference,
    /// From within the line's own domain (INTERNAL).
    Internal,
    /// From elsewhere (EXTERNAL).
    External,
}

/// Why a call is here (TAPI: LINECALLREASON).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Dialled.
    Direct,
    /// Diverted because the called party forwards everything.
    ForwardedUnconditional,
    /// Diverted because the called party was busy.
    ForwardedBusy,
    /// Diverted because nobody answered.
    ForwardedNoAnswer,
    /// Diverted for this one call.
    Redirected,
    /// Transferred to us.
    Transferred,
    /// Picked up by us.
    PickedUp,
    /// Retrieved from an orbit.
    Unparked,
    /// A parked call that comes back.
    Reminder,
    /// A call completion that we asked for.
    CallCompletion,
    /// A call that is parked at this address.
    Parked,
    /// A call that waits until we are free.
    CampedOn,
    /// Another party that broke in.
    Intrusion,
    /// Not known, may be learnt.
    Unknown,
    /// Not known and will not be.
    Unavailable,
}

/// Which parts of [`CallInfo`] changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InfoParts(pub u16);

impl InfoParts {
    /// The caller.
    pub const CALLER: Self = Self(1);
    /// The called party.
    pub const CALLED: Self = Self(2);
    /// The connected party.
    pub const CONNECTED: Self = Self(4);
    /// The diverting party.
    pub const REDIRECTING: Self = Self(8);
    /// Where the call was sent.
    pub const REDIRECTION: Self = Self(16);
    /// The media types.
    pub const MEDIA: Self = Self(32);
    /// Reason or origin.
    pub const REASON: Self = Self(64);
    /// Codec or other media details.
    pub const STREAM: Self = Self(128);
    /// The call data.
    pub const CALL_DATA: Self = Self(256);
    /// The application's number.
    pub const APP_SPECIFIC: Self = Self(512);
    /// The treatment.
    pub const TREATMENT: Self = Self(1_024);
    /// User information of the other side.
    pub const USER_INFO: Self = Self(2_048);
    /// Whether it is secured.
    pub const SECURE: Self = Self(4_096);
    /// The physical call, the related one, or the call completion.
    pub const IDENTITY: Self = Self(8_192);
    /// The display text.
    pub const DISPLAY: Self = Self(16_384);
    /// All parts.
    pub const ALL: Self = Self(32_767);

    /// Both together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `part` is in it.
    pub const fn contains(self, part: Self) -> bool {
        self.0 & part.0 == part.0
    }
}

member!(Origin: Outbound, Inbound, Conference, Internal, External);
member!(Reason: Direct, ForwardedUnconditional, ForwardedBusy, ForwardedNoAnswer, Redirected, Transferred, PickedUp, Unparked,
    Reminder, CallCompletion, Parked, CampedOn, Intrusion, Unknown, Unavailable);
