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
    /// It will be a member when the other call of its transfer is retrieved.
    Promised(CallId),
}

/// What a conference call has beside.
#[derive(Debug, Default)]
pub(crate) struct Conference {
    pub(crate) members: Vec<CallId>,
    /// Who was called to become the next member.
    pub(crate) consultation: Option<CallId>,
    /// The calls of a transfer that it comes out of, the held one first: until they are members, nobody knows the conference.
    pub(crate) joins: Option<(CallId, CallId)>,
    /// Only one member was left while it waited; that is acted on when it is taken back.
    pub(crate) shrunk: bool,
    /// Our own part.
    pub(crate) part: Option<MixPart>,
}
