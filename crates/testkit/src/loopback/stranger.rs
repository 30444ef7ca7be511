//! Parties outside the exchange: what a test plays, and what they notice of us.

use super::leg::Other;
use hookswitch_spi::{
    AddressId, AudioSource, CallTreatment, LineId, MediaTypes, Party, PhysicalCallId, Reason, UserInfo,
};

/// So many things are kept that a party has noticed.
const NOTICED_MOST: usize = 1_024;

/// A party outside, in one call; it is remembered after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartyId(pub u64);

/// What a party outside notices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Noticed {
    /// Our call arrived, with user information.
    Called(Vec<u8>),
    /// It hears ringing, with user information.
    Alerted(Vec<u8>),
    /// We answered, with user information.
    Answered(Vec<u8>),
    /// We refused with this status.
    Refused(u16),
    /// We sent it to this address.
    SentTo(Box<str>),
    /// The answer, from whichever side, was confirmed.
    Confirmed,
    /// We gave up our call.
    Cancelled,
    /// We hung up, with user information.
    HungUp(Vec<u8>),
    /// We hold it.
    Held,
    /// We took it back.
    Resumed,
    /// It is asked to talk to this address, in the place of that party if one is named.
    Transferred(Box<str>, Option<PartyId>),
    /// It was connected with another party; we are out.
    Joined,
    /// A digit.
    Digit(char),
    /// User information by itself.
    UserInfo(Vec<u8>),
    /// A request of the extension's, by its method.
    Request(Box<str>),
}

/// A party outside.
#[derive(Debug)]
pub(crate) struct Stranger {
    pub(crate) address: Box<str>,
    pub(crate) other: Other,
    /// It takes part: it called, or it has answered.
    pub(crate) present: bool,
    /// It has left, or was let go.
    pub(crate) gone: bool,
    /// It was called, and has not said a word.
    pub(crate) silent: bool,
    /// It holds the other end.
    pub(crate) holds: bool,
    /// It never confirms anything any more.
    pub(crate) deaf: bool,
    /// It refuses with this status what it is asked within the call.
    pub(crate) refuses: Option<u16>,
    /// What becomes of it when it is transferred: a status of the target, or 0 if it does not let itself be transferred.
    pub(crate) transfer: Option<u16>,
    /// Of one that alerts a station outside: which.
    pub(crate) alerts: Option<Box<str>>,
    pub(crate) noticed: Vec<Noticed>,
}

impl Stranger {
    pub(crate) fn new(address: impl Into<Box<str>>, present: bool) -> Self {
        Self {
            address: address.into(),
            other: Other::Nobody,
            present,
            gone: false,
            silent: false,
            holds: false,
            deaf: false,
            refuses: None,
            transfer: None,
            alerts: None,
            noticed: Vec::new(),
        }
    }

    pub(crate) fn note(&mut self, what: Noticed) {
        if self.noticed.len() < NOTICED_MOST {
            self.noticed.push(what);
        }
    }
}

/// The octets of user information, none if there is none.
pub(crate) fn octets(data: Option<&UserInfo>) -> Vec<u8> {
    data.map(|data| data.0.clone()).unwrap_or_default()
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
    /// The media of its offer; none: there is no offer.
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
    /// The physical call that it is a leg of; a new one if absent.
    pub physical: Option<PhysicalCallId>,
    /// It takes the place of this party.
    pub replaces: Option<PartyId>,
    /// It breaks into the call with this party.
    pub joins: Option<PartyId>,
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
            physical: None,
            replaces: None,
            joins: None,
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
