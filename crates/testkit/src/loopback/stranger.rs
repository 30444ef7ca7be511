//! Parties outside the exchange: what a test plays, and what it can learn of them.

use super::leg::Other;
use hookswitch_spi::{AddressId, AudioSource, CallTreatment, LineId, MediaTypes, Party, Reason, UserInfo};

/// A party outside while it is in a call.
#[derive(Debug)]
pub(crate) struct Stranger {
    pub(crate) address: Box<str>,
    pub(crate) other: Other,
    /// It takes part: it called, or it has answered.
    pub(crate) present: bool,
    /// It holds the other end.
    pub(crate) holds: bool,
    /// It never confirms that a call has ended.
    pub(crate) deaf: bool,
    /// It lets itself be transferred.
    pub(crate) transferable: bool,
    pub(crate) digits: String,
}

impl Stranger {
    pub(crate) fn new(address: impl Into<Box<str>>, present: bool) -> Self {
        Self {
            address: address.into(),
            other: Other::Nobody,
            present,
            holds: false,
            deaf: false,
            transferable: true,
            digits: String::new(),
        }
    }
}

/// A call from outside.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The line that is called.
    pub line: LineId,
    /// At which of its addresses.
    pub address: AddressId,
    /// Who calls.
    pub from: Party,
    /// Where the caller can be reached, told to nobody if `from` is withheld.
    pub uri: Box<str>,
    /// What was dialled, if it is not the address.
    pub dialled: Option<Box<str>>,
    /// The media of its offer.
    pub media: MediaTypes,
    /// Why it comes.
    pub reason: Reason,
    /// Who sent it here.
    pub redirecting: Party,
    /// What the caller tells along with it.
    pub user_info: Option<UserInfo>,
    /// Text for the display.
    pub display: Box<str>,
    /// How it rings, from 1.
    pub ring_mode: u8,
}

impl Incoming {
    /// An ordinary voice call to the first address of a line.
    pub fn new(line: LineId, from: &str) -> Self {
        Self {
            line,
            address: AddressId(0),
            from: Party::known(from, ""),
            uri: from.into(),
            dialled: None,
            media: MediaTypes::VOICE,
            reason: Reason::Direct,
            redirecting: Party::default(),
            user_info: None,
            display: "".into(),
            ring_mode: 1,
        }
    }
}

/// Why a caller gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivesUp {
    /// Without a reason.
    Cancelled,
    /// Another has answered (Reason: SIP;cause=200).
    AnsweredElsewhere,
    /// It was sent elsewhere (Reason: SIP;cause=302).
    Forwarded,
}

/// How the party outside of a call fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It rings, or hears ringing.
    Alerts,
    /// It is in the call.
    Talks,
    /// It was refused with this status.
    Refused(u16),
    /// It was sent to this address.
    SentTo(Box<str>),
    /// We hung up on it.
    HungUp,
    /// It was connected with another party; we are out.
    Joined,
    /// It left by itself.
    Left,
}

/// What the other party of a call hears.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// Nothing.
    Nothing,
    /// Those who talk to it.
    Talk,
    /// What it hears while it waits.
    Treatment(CallTreatment),
    /// What we play.
    Source(AudioSource),
}
