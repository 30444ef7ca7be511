//! What a provider tells.

use crate::{
    AddressId, CallId, CallState, InfoParts, LineId, MediaTypes, OperationError, Outcome, RequestId,
    TimelineEntry,
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
    /// A call that no request created; always its first event (TSPI: LINE_NEWCALL). A state follows at once.
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
