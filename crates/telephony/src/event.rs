//! What a session hears.

use crate::{AppRequestId, CallRequest, Interest, OpenId, Privilege, RequestError};
use hookswitch_spi::{
    AddressId, CallId, CallInfo, CallState, CallStatistics, Capabilities, Features, ForwardingRules,
    InfoParts, InterfaceVersion, LineDescription, LineId, LineState, Outcome, TimelineEntry, TransferOutcome,
};
use std::time::Duration;

/// Something one session hears, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// An accepted request is done; exactly one for each (LINE_REPLY).
    Completed {
        /// Which.
        request: AppRequestId,
        /// With what result.
        result: Result<Reply, RequestError>,
    },
    /// A request was refused at once; it changed nothing and never completes.
    Refused {
        /// Which.
        request: AppRequestId,
        /// Why.
        error: RequestError,
    },
    /// The session has a call that it did not ask for: a new one, or one that was handed to it (LINE_APPNEWCALL). A
    /// [`CallState`](Self::CallState) follows.
    NewCall {
        /// Its line.
        line: LineId,
        /// The address called or calling.
        address: AddressId,
        /// The call.
        call: CallId,
        /// What the session may do with it.
        privilege: Privilege,
        /// What is known of it.
        info: Box<CallInfo>,
    },
    /// A call is in a new state, or the session has a new privilege (LINE_CALLSTATE).
    CallState {
        /// The call.
        call: CallId,
        /// Where it is.
        state: CallState,
        /// The privilege that the session has been given now.
        privilege: Option<Privilege>,
    },
    /// Parts of a call's information changed (LINE_CALLINFO).
    CallInfo {
        /// The call.
        call: CallId,
        /// Which parts.
        changed: InfoParts,
    },
    /// Others have become, or are no longer, owners or monitors of a call (LINECALLINFOSTATE_NUMOWNERINCR and its kin).
    Owners {
        /// The call.
        call: CallId,
        /// How many own it now.
        owners: u32,
        /// How many monitor it now.
        monitors: u32,
    },
    /// The other side pressed a digit (LINE_MONITORDIGITS).
    Digit {
        /// The call.
        call: CallId,
        /// `0-9 A-D * #`.
        digit: char,
        /// How long.
        duration: Duration,
    },
    /// A file that was played came to its end.
    Played {
        /// The call.
        call: CallId,
    },
    /// A media file could not be read or written.
    MediaFailed {
        /// The call.
        call: CallId,
        /// The file and what is wrong.
        message: String,
    },
    /// The session's handle to an ended call was taken back, because it holds more of them than it may; the last event of
    /// that call.
    CallForgotten {
        /// The call.
        call: CallId,
    },
    /// The service of a line that the session has open changed (LINE_LINEDEVSTATE).
    LineState {
        /// The line.
        line: LineId,
        /// Where it is now.
        state: LineState,
    },
    /// Another application has opened or closed a line that the session has open (LINEDEVSTATE_OPEN, LINEDEVSTATE_CLOSE).
    LineOpens {
        /// The line.
        line: LineId,
        /// Opened; otherwise closed.
        opened: bool,
        /// How many openings there are now, of all applications.
        opens: u32,
    },
    /// The forwarding rules in force changed (LINE_ADDRESSSTATE).
    Forwarding {
        /// The line.
        line: LineId,
        /// The address.
        address: AddressId,
    },
    /// A line appeared (LINE_CREATE).
    LineCreated {
        /// The line.
        line: LineId,
    },
    /// A line is gone for good (LINE_REMOVE).
    LineRemoved {
        /// The line.
        line: LineId,
    },
    /// A line that the session had open was closed under it (LINE_CLOSE); its calls there are gone.
    LineClosed {
        /// The line.
        line: LineId,
    },
    /// What the application learnt when it started is not so any more: it should leave and attach again (LINEDEVSTATE_REINIT).
    Reinitialise,
    /// Programs want calls to be made; said once until all requests are taken (LINE_REQUEST).
    RequestWaiting,
    /// A part of a picture of lines and calls. The parts come in the stream, and each is right at its place there: events after
    /// it are exactly what changes it.
    Snapshot(SnapshotPart),
    /// The session was lost and its grace has run out: it is over, nothing follows.
    GivenUp,
}

/// A piece of a picture of all that a session knows.
#[derive(Clone, Debug, PartialEq)]
pub enum SnapshotPart {
    /// It begins: what was known before counts no more.
    Begin {
        /// The request that wanted it.
        request: AppRequestId,
    },
    /// A line that the session has open.
    Line(Box<LineSnapshot>),
    /// A call that it has a handle to.
    Call(Box<CallSnapshot>),
    /// It is complete.
    End {
        /// The request that wanted it.
        request: AppRequestId,
    },
}

/// A line as one session sees it at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct LineSnapshot {
    /// The line.
    pub line: LineId,
    /// Whether it can be used.
    pub state: LineState,
    /// The session's openings of it, in their order.
    pub opens: Vec<OpenLine>,
}

/// One opening of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenLine {
    /// The line.
    pub line: LineId,
    /// The number of the opening.
    pub open: OpenId,
    /// What for.
    pub interest: Interest,
}

/// What a completed request brought.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// It was carried out.
    Done,
    /// Attached; when it resumed a lost session, with what it found.
    Attached {
        /// The version of the interface that it speaks from now on.
        version: InterfaceVersion,
        /// The lines it has open.
        lines: Vec<OpenLine>,
        /// The calls it has handles to.
        calls: Vec<CallSnapshot>,
    },
    /// The line is open.
    Opened(OpenId),
    /// A call that some program wants to be made.
    CallRequest(Box<CallRequest>),
    /// The new call, which the session owns.
    Created(CallId),
    /// What became of a transfer.
    Transferred(TransferOutcome),
    /// A call's media figures.
    Statistics(CallStatistics),
    /// Calls, in the order in which they came.
    Calls(Vec<CallSnapshot>),
    /// One call.
    Call(Box<CallSnapshot>),
    /// The lines.
    Lines(Vec<LineDescription>),
    /// What a line can do.
    Capabilities(Box<Capabilities>),
    /// Forwarding rules.
    Forwarding(ForwardingRules),
    /// What happened to a call, oldest first.
    Timeline(Vec<TimelineEntry>),
}

impl From<Outcome> for Reply {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::Done,
            Outcome::Call(call) => Self::Created(call),
            Outcome::Transferred(outcome) => Self::Transferred(outcome),
            Outcome::Statistics(figures) => Self::Statistics(figures),
        }
    }
}

/// A call as one session sees it at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct CallSnapshot {
    /// The call.
    pub call: CallId,
    /// Where it is.
    pub state: CallState,
    /// What the session may do with it.
    pub privilege: Privilege,
    /// What the provider can do with it now; what of that the session may ask depends on its privilege.
    pub possible: Features,
    /// How many own it.
    pub owners: u32,
    /// How many monitor it.
    pub monitors: u32,
    /// Who calls whom, and why; `None` only if the provider knows nothing any more.
    pub info: Option<Box<CallInfo>>,
}
