//! What an application hears.

use crate::{Call, Error};
use hookswitch_spi::{
    AddressId, CallCounts, CallId, CallState, CompletionId, ExtensionEvent, InfoParts, LineId, LineState,
    MediaType,
};
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
    /// The other side began to press a digit; only when that was asked for.
    DigitBegun {
        /// The call.
        call: CallId,
        /// `0-9 A-D * #`.
        digit: char,
    },
    /// A tone that is listened for is heard.
    Tone {
        /// The call.
        call: CallId,
        /// The tag of its pattern.
        tag: u32,
    },
    /// The call has this media type now, or sounds like it.
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
    /// A line's service changed.
    Line {
        /// The line.
        line: LineId,
        /// Where it is now.
        state: LineState,
    },
    /// A call alerts on a line; once for each ring cycle.
    Ringing {
        /// The line.
        line: LineId,
        /// The ring mode, from 1.
        mode: u8,
        /// Which cycle, from 0.
        count: u32,
    },
    /// Messages wait for a line's user, or none does any more.
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
    /// The number of calls at an address changed.
    CallCount {
        /// The line.
        line: LineId,
        /// The address.
        address: AddressId,
        /// How many there are now.
        calls: CallCounts,
    },
    /// A call completion ended without a call.
    CompletionEnded {
        /// The line.
        line: LineId,
        /// Which.
        completion: CompletionId,
    },
    /// What a line can do changed.
    CapabilitiesChanged {
        /// The line.
        line: LineId,
    },
    /// Something that only a line's extension tells.
    Extension {
        /// The line.
        line: LineId,
        /// What.
        event: ExtensionEvent,
    },
    /// The stored configuration changed in a way that takes effect at the next start.
    Reinitialise {
        /// What changed.
        why: String,
    },
    /// A line appeared: it can be opened.
    LineCreated {
        /// The line.
        line: LineId,
    },
    /// A line is gone for good.
    LineRemoved {
        /// The line.
        line: LineId,
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
