//! What a session hears.

use crate::journal::Weight;
use crate::{AppRequestId, CallRequest, Interest, OpenId, Privilege, RequestError};
use hookswitch_machine::Time;
use hookswitch_spi::{
    AddressId, AddressStatus, CallCounts, CallId, CallInfo, CallState, CallStatistics, Capabilities,
    CompletionId, DeviceConfig, ExtensionAnswer, ExtensionEvent, ExtensionVersion, Features, ForwardingRules,
    GatherEnd, InfoParts, InterfaceVersion, LineDescription, LineId, LineState, LineStatus, MediaType,
    Outcome, TimelineEntry, TransferOutcome,
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
    /// The other side began to press a digit; told only on request (LINEDIGITMODE_DTMFEND).
    DigitBegun {
        /// The call.
        call: CallId,
        /// `0-9 A-D * #`.
        digit: char,
    },
    /// A tone that is listened for is heard (LINE_MONITORTONE).
    Tone {
        /// The call.
        call: CallId,
        /// The tag of its pattern.
        tag: u32,
    },
    /// The call has this media type now, or sounds like it (LINE_MONITORMEDIA).
    Media {
        /// The call.
        call: CallId,
        /// Which.
        media: MediaType,
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
    /// A call alerts on a line (LINEDEVSTATE_RINGING), once for each ring cycle.
    Ringing {
        /// The line.
        line: LineId,
        /// The ring mode, from 1.
        mode: u8,
        /// Which cycle, from 0.
        count: u32,
    },
    /// Messages wait for a line's user, or none does any more (LINEDEVSTATE_MSGWAITON, MSGWAITOFF).
    MessageWaiting {
        /// The line.
        line: LineId,
        /// Whether any waits.
        waiting: bool,
        /// New ones.
        new: u32,
        /// Old ones.
        old: u32,
    },
    /// The number of calls at an address changed (LINEADDRESSSTATE_NUMCALLS).
    CallCount {
        /// The line.
        line: LineId,
        /// The address.
        address: AddressId,
        /// How many there are now.
        calls: CallCounts,
    },
    /// A call completion ended without a call (LINEDEVSTATE_COMPLCANCEL).
    CompletionEnded {
        /// The line.
        line: LineId,
        /// Which.
        completion: CompletionId,
    },
    /// What a line can do changed (LINEDEVSTATE_CAPSCHANGE).
    CapabilitiesChanged {
        /// The line.
        line: LineId,
    },
    /// Something that only a line's extension tells (LINE_DEVSPECIFIC).
    Extension {
        /// The line.
        line: LineId,
        /// What.
        event: ExtensionEvent,
    },
    /// The stored configuration changed in a way that takes effect at the next start (LINEDEVSTATE_REINIT): close what you have
    /// when you can.
    Reinitialise {
        /// What changed.
        why: String,
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
    /// Programs want calls to be made; said once until all requests are taken (LINE_REQUEST).
    RequestWaiting,
    /// A part of a picture of lines and calls. The parts come in the stream, and each is right at its place there: events after
    /// it are exactly what changes it.
    Snapshot(SnapshotPart),
    /// The session was lost and its grace has run out: it is over, nothing follows.
    GivenUp,
}

impl Event {
    /// Whether it may be dropped while too many wait to be read: what changes which calls and lines there are, and where calls
    /// are, may not, nor may answers.
    pub const fn weight(&self) -> Weight {
        match self {
            Self::Completed { .. }
            | Self::Refused { .. }
            | Self::NewCall { .. }
            | Self::CallState { .. }
            | Self::CallForgotten { .. }
            | Self::LineState { .. }
            | Self::CompletionEnded { .. }
            | Self::Reinitialise { .. }
            | Self::LineCreated { .. }
            | Self::LineRemoved { .. }
            | Self::LineClosed { .. }
            | Self::RequestWaiting
            | Self::Snapshot(_)
            | Self::GivenUp => Weight::Essential,
            Self::CallInfo { .. }
            | Self::Owners { .. }
            | Self::Digit { .. }
            | Self::DigitBegun { .. }
            | Self::Tone { .. }
            | Self::Media { .. }
            | Self::Played { .. }
            | Self::MediaFailed { .. }
            | Self::LineOpens { .. }
            | Self::Ringing { .. }
            | Self::MessageWaiting { .. }
            | Self::CallCount { .. }
            | Self::CapabilitiesChanged { .. }
            | Self::Extension { .. }
            | Self::Forwarding { .. } => Weight::Informational,
        }
    }
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
    /// A new conference and the consultation call for its next party, both owned by the session.
    Conference {
        /// The conference call.
        conference: CallId,
        /// The consultation call.
        consult: Option<CallId>,
    },
    /// Where a call is parked.
    Parked(String),
    /// A call completion was arranged.
    Completion(CompletionId),
    /// Digits that were collected.
    Gathered {
        /// `0-9 A-D * #`.
        digits: String,
        /// Why it ended.
        ended: GatherEnd,
    },
    /// The answer to a command of the line's extension.
    Extension(ExtensionAnswer),
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
    /// How the audio of a line's calls is sent.
    DeviceConfig(Box<DeviceConfig>),
    /// How a line is.
    LineStatus(Box<LineStatus>),
    /// How an address is.
    AddressStatus(Box<AddressStatus>),
    /// An address of a line.
    Address(AddressId),
    /// A version of a line's extension.
    ExtensionVersion(ExtensionVersion),
    /// What happened to a call, oldest first.
    Timeline(Vec<TimelineEntry>),
}

impl From<Outcome> for Reply {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::Done,
            Outcome::Call(call) => Self::Created(call),
            Outcome::Transferred(outcome) => Self::Transferred(outcome),
            Outcome::Conference { conference, consult } => Self::Conference { conference, consult },
            Outcome::Parked(orbit) => Self::Parked(orbit),
            Outcome::Completion(completion) => Self::Completion(completion),
            Outcome::Gathered { digits, ended } => Self::Gathered { digits, ended },
            Outcome::Statistics(figures) => Self::Statistics(figures),
            Outcome::Extension(answer) => Self::Extension(answer),
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
    /// Since when.
    pub since: Time,
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
