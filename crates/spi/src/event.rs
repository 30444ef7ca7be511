//! What a provider tells.

use crate::{
    AddressId, CallCounts, CallId, CallState, CompletionId, ExtensionEvent, InfoParts, LineId, MediaType,
    MediaTypes, OperationError, Outcome, RequestId, TimelineEntry,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Something a provider tells the application side, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum ProviderEvent {
    /// An accepted request is done, exactly once each (TSPI: ASYNC_COMPLETION).
    Completed {
        /// Which.
        request: RequestId,
        /// With what result.
        result: Result<Outcome, OperationError>,
    },
    /// A call that no request created; always its first event (TSPI: LINE_NEWCALL). Nothing else is told about it before
    /// [`Provider::take_call`](crate::Provider::take_call) has taken it; then its state follows at once. A call that is not taken
    /// is announced again later, or refused.
    NewCall {
        /// Its line.
        line: LineId,
        /// The address that was called.
        address: AddressId,
        /// The call.
        call: CallId,
    },
    /// A call is in a new state, or the detail of its state changed (LINE_CALLSTATE).
    CallState {
        /// The call.
        call: CallId,
        /// Where it is now.
        state: CallState,
        /// The media types of the call, which decide who owns it.
        media: MediaTypes,
    },
    /// Parts of the call's information changed; never after *idle* (LINE_CALLINFO).
    CallInfo {
        /// The call.
        call: CallId,
        /// Which.
        changed: InfoParts,
    },
    /// The other side began to press a digit; told only on request
    /// ([`DigitMonitoring::BeginningAndEnd`](crate::DigitMonitoring::BeginningAndEnd)). A [`Digit`](Self::Digit) follows.
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
    /// The call has this media type now, or sounds like it (LINE_MONITORMEDIA). For information; the recorded media types stay.
    Media {
        /// The call.
        call: CallId,
        /// Which.
        media: MediaType,
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
        /// For people: the file and what is wrong.
        message: String,
    },
    /// The line's service changed (LINE_LINEDEVSTATE).
    LineState {
        /// The line.
        line: LineId,
        /// Where it is now.
        state: LineState,
    },
    /// A call alerts on the line (LINEDEVSTATE_RINGING): once for each ring cycle while it is offered.
    Ringing {
        /// The line.
        line: LineId,
        /// The ring mode, from 1.
        mode: u8,
        /// Which cycle, from 0.
        count: u32,
    },
    /// Messages wait for the line's user, or none does any more (LINEDEVSTATE_MSGWAITON, MSGWAITOFF); once for each change.
    MessageWaiting {
        /// The line.
        line: LineId,
        /// Whether any waits.
        waiting: bool,
        /// New ones, as far as the switch tells.
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
    /// A call completion ended without a call (LINEDEVSTATE_COMPLCANCEL). A call that waited for it is *disconnected*.
    CompletionEnded {
        /// The line.
        line: LineId,
        /// Which.
        completion: CompletionId,
    },
    /// What the line can do changed (LINEDEVSTATE_CAPSCHANGE).
    CapabilitiesChanged {
        /// The line.
        line: LineId,
    },
    /// Something that only the line's extension tells (LINE_DEVSPECIFIC).
    Extension {
        /// The line.
        line: LineId,
        /// What.
        event: ExtensionEvent,
    },
    /// The provider wants the line closed (LINE_CLOSE); everything outstanding on it has completed. It stays usable until it is
    /// closed.
    CloseRequested {
        /// The line.
        line: LineId,
        /// For people: why.
        why: String,
    },
    /// The stored configuration changed in a way that takes effect only at the next start (LINEDEVSTATE_REINIT); told once.
    Reinitialise {
        /// For people: what changed.
        why: String,
    },
    /// The forwarding rules in force changed (LINE_ADDRESSSTATE, FORWARD).
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
    /// A line is gone for good (LINE_REMOVE); its calls have ended.
    LineRemoved {
        /// The line.
        line: LineId,
    },
    /// Something for the call's timeline.
    Recorded(TimelineEntry),
}

/// Whether a line can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineState {
    /// Calls can be made and come in.
    InService,
    /// They cannot for now.
    OutOfService(OutOfService),
}

/// Why a line is out of service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutOfService {
    /// The status of the registrar, if it answered.
    pub status: Option<u16>,
    /// For people: what happened and what to do.
    pub reason: String,
}
