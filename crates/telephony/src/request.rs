//! What a session can ask for.

use crate::SessionId;
use hookswitch_spi::{AddressId, CallId, LineId, MediaType, MediaTypes, Operation};
use std::time::Duration;

/// Something a session asks. Answered by exactly one [`Completed`](crate::Event::Completed) or
/// [`Refused`](crate::Event::Refused); only [`Lost`](Self::Lost) has no answer, as there is nobody to hear it.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Becomes an application (lineInitialize); the first request of every session.
    Attach {
        /// Its name, 1 to 255 octets: the target of directed hand-off and the word in priority lists.
        name: Box<str>,
        /// How long its live calls wait for it when it is lost; capped by the server.
        grace: Duration,
        /// A session of the same name that was lost: its lines, calls and outstanding requests become this session's.
        /// Whoever attaches has to have proved that it is allowed to.
        resume: Option<SessionId>,
    },
    /// Leaves on purpose (lineShutdown): closes all its lines.
    Detach,
    /// It is gone without a word: its process died or its connection broke. Nobody hears an answer.
    Lost,
    /// Opens a line (lineOpen). A line that the session has open already gets the new interest.
    OpenLine {
        /// Which.
        line: LineId,
        /// For what.
        interest: Interest,
    },
    /// Closes a line (lineClose): calls that only this session owns are dropped.
    CloseLine {
        /// Which.
        line: LineId,
    },
    /// Asks the provider for something. Everything about a call but statistics needs ownership of it; calls and
    /// forwarding rules need the line open.
    Operate(Operation),
    /// Gives a call to somebody else (lineHandoff, lineBlindTransfer).
    HandOff {
        /// Which call.
        call: CallId,
        /// To whom.
        to: HandOffTarget,
    },
    /// Becomes an owner of a call that the session has a handle to (lineSetCallPrivilege, OWNER).
    TakeOwnership {
        /// Which call.
        call: CallId,
    },
    /// Becomes a monitor of it (lineSetCallPrivilege, MONITOR); refused to the only owner of a call that is not idle.
    Monitor {
        /// Which call.
        call: CallId,
    },
    /// Gives the handle back (lineDeallocateCall). When nobody has one any more, the call is closed.
    Release {
        /// Which call.
        call: CallId,
    },
    /// Handles, as a monitor, to calls of a line that the session has none to yet and that have not ended (lineGetNewCalls).
    ExistingCalls {
        /// Which line.
        line: LineId,
    },
    /// Sets the order in which applications are offered calls of a media type (lineSetAppPriority); takes effect at the next
    /// call or hand-off. Applications that are not in the list come after it, first opener first.
    SetPriority {
        /// For which media type.
        media: MediaType,
        /// Application names, highest first.
        order: Vec<Box<str>>,
    },
    /// The lines that exist.
    Lines,
    /// What a line can do (lineGetDevCaps, lineGetAddressCaps).
    Capabilities {
        /// Which line.
        line: LineId,
    },
    /// The forwarding rules in force (lineGetAddressStatus).
    Forwarding {
        /// Which line.
        line: LineId,
        /// Which of its addresses.
        address: AddressId,
    },
    /// All that is known of a call (lineGetCallInfo, lineGetCallStatus).
    CallInfo {
        /// Which call.
        call: CallId,
    },
    /// What happened to a call, also after its end, as far as it is still remembered.
    Timeline {
        /// Which call.
        call: CallId,
    },
    /// All calls that the session has handles to, as of this place in its stream of events.
    Snapshot,
}

/// Why a session opens a line (TAPI: privileges and media modes of lineOpen). With nothing wanted it can still make calls,
/// which it then owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Interest {
    /// Offered calls of these types may become its own; empty: it is no candidate for ownership.
    pub owner: MediaTypes,
    /// It wants to see every call of the line.
    pub monitor: bool,
    /// First ownership only of calls to this address (TAPI: LINEOPENOPTION_SINGLEADDRESS).
    pub address: Option<AddressId>,
}

impl Interest {
    /// In making calls only.
    pub const NONE: Self = Self { owner: MediaTypes::NONE, monitor: false, address: None };

    /// In owning calls of these types.
    pub const fn owner(media: MediaTypes) -> Self {
        Self { owner: media, monitor: false, address: None }
    }

    /// In seeing all calls.
    pub const fn monitor() -> Self {
        Self { owner: MediaTypes::NONE, monitor: true, address: None }
    }
}

/// To whom a call is handed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandOffTarget {
    /// To the application of that name (the first opener, if several share it).
    Application(Box<str>),
    /// To the application that stands first for that media type.
    Media(MediaType),
    /// To a telephone address: a transfer if the call is up, a redirection if it is still offered.
    Address(String),
}
