//! What an application hears.

use crate::Call;
use hookswitch_spi::{AddressId, CallId, CallState, InfoParts, LineId, LineState};
use hookswitch_telephony::Privilege;
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
    /// The application did not read fast enough: so many informational events were dropped here. States and completions
    /// never are.
    Gap {
        /// How many.
        dropped: u64,
    },
}
