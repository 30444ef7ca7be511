//! The part that a call has in a conference.

use hookswitch_media::control::MixPart;
use hookswitch_spi::{CallId, CallState};

/// The part of one call.
#[derive(Debug)]
pub(crate) enum Role {
    /// It stands for a conference.
    Conference(Conference),
    /// It is a member: *conferenced*. `outside` is where it would be by itself.
    Member { of: CallId, outside: CallState, part: Option<MixPart> },
    /// It was made to become the conference's next member.
    Consultation(CallId),
    /// It will be a member when it is retrieved; before it was the conference's consultation call, or not.
    Joining { of: CallId, consulted: bool },
    /// It will be a member when the conference, which is being made, is there.
    Promised(CallId),
}

/// What a conference call has beside.
#[derive(Debug)]
pub(crate) struct Conference {
    pub(crate) members: Vec<CallId>,
    /// Who was called to become the next member.
    pub(crate) consultation: Option<CallId>,
    pub(crate) making: Making,
    /// Only one member was left while it waited; that is acted on when it is taken back.
    pub(crate) shrunk: bool,
    /// Our own part.
    pub(crate) part: Option<MixPart>,
}

/// Whether applications know a conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Making {
    /// They do.
    Made,
    /// Not before its consultation call is under way; then `first` becomes its first member.
    SetUp { first: Option<CallId> },
    /// Not before `held` is retrieved; then both become members.
    Joined { held: CallId, consult: CallId },
}

impl Conference {
    pub(crate) const fn new(making: Making) -> Self {
        Self { members: Vec::new(), consultation: None, making, shrunk: false, part: None }
    }
}
