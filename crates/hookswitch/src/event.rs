//! What an application hears.

use crate::{Call, Error};
use hookswitch_spi::{AddressId, CallId, CallState, InfoParts, LineId, LineState};
use hookswitch_telephony::{CallSnapshot, LineSnapshot, Privilege};
use std::time::Duration;

/// Something an application hears, in order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A call is offered to this application, which owns it now: accept, answer, redirect, hand off or drop it. Letting go of
    /// the handle ends it.
    Offered(Call),
    /// Another call that the application has not asked for: one handed to it, or one that it monitors. The state is its
    /// present one.
    Appeared {
        /// The call.
        call: Call,
        /// Where it is.
        state: CallState,
        /// What the application may do with it.
        privilege: Privilege,
    },
    /// A call is in a new state. [`Call::state`] knows it as well.
    State {
        /// The call.
        call: CallId,
        /// Where it is now.
        state: CallState,
        /// The privilege given with it, if that changed.
        privilege: Option<Privilege>,
    },
    /// Parts of a call's information changed; [`Call::info`] has the new ones.
    Info {
        /// The call.
        call: CallId,
        /// Which parts.
        changed: InfoParts,
    },
    /// Who owns or monitors a call has changed.
    Owners {
        /// The call.
        call: CallId,
        /// Owners now.
        owners: u32,
        /// Monitors now.
        monitors: u32,
    },
    /// The other side pressed a digit.
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
    /// A line's service changed.
    Line {
        /// The line.
        line: LineId,
        /// Where it is now.
        state: LineState,
    },
    /// The forwarding rules of an address changed.
    Forwarding {
        /// The line.
        line: LineId,
        /// The address.
        address: AddressId,
    },
    /// A line was closed under the application; its calls there are gone.
    LineClosed {
        /// The line.
        line: LineId,
    },
    /// Another application has opened or closed a line.
    LineOpens {
        /// The line.
        line: LineId,
        /// Opened; otherwise closed.
        opened: bool,
        /// How many openings there are now, of all applications.
        opens: u32,
    },
    /// What the application learnt when it started is not so any more: it should close and attach again.
    Reinitialise,
    /// A line appeared.
    LineCreated {
        /// The line.
        line: LineId,
    },
    /// A line is gone for good.
    LineRemoved {
        /// The line.
        line: LineId,
    },
    /// Programs want calls to be made: [`Application::take_request`](crate::Application::take_request) until there is none. Said
    /// once until then.
    RequestWaiting,
    /// A request that was outstanding when the application was lost has completed meanwhile.
    Completed {
        /// What was asked.
        what: &'static str,
        /// The call that it was about, or made.
        call: Option<CallId>,
        /// What became of it.
        result: Result<(), Error>,
    },
    /// A picture of lines and calls begins, as [`Application::snapshot`](crate::Application::snapshot) asked: what was known
    /// counts no more. Each part is right at its place in the stream; events after it are exactly what changes it.
    SnapshotBegin,
    /// A line of the picture.
    SnapshotLine(Box<LineSnapshot>),
    /// A call of the picture.
    SnapshotCall {
        /// Its handle.
        call: Call,
        /// What is known of it.
        snapshot: Box<CallSnapshot>,
    },
    /// The picture is complete.
    SnapshotEnd {
        /// The number of its beginning.
        begin: u64,
    },
    /// The events with these numbers are missing: the application did not read fast enough, so that informational events were
    /// dropped, or they are not kept any more. A [snapshot](crate::Application::snapshot) says what is so now.
    Gap {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
}
