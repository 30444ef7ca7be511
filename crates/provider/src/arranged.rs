//! What is arranged with the switch: calls to be fetched or parked, what is subscribed to, call completions.

use hookswitch_machine::{Time, TimerKey};
use hookswitch_sip::event::{DIALOG, DIALOG_INFO, KnownDialogs, MESSAGE_SUMMARY, SIMPLE_MESSAGE_SUMMARY};
use hookswitch_sip::ua::{LegId, SubscriptionId};
use hookswitch_spi::{AddressId, CallId, CompletionId, LineId, MediaTypes, Party, PhysicalCallId};

/// What a call that is fetched has beside.
#[derive(Debug)]
pub(crate) struct Fetch {
    /// From where, as it was asked for.
    pub(crate) from: Box<str>,
    /// What tells what alerts there.
    pub(crate) watch: Option<SubscriptionId>,
}

/// A call that is to be parked.
#[derive(Debug)]
pub(crate) struct Parking {
    /// Where; empty until the switch has named a free orbit.
    pub(crate) orbit: Box<str>,
    /// The session in which it is asked for one.
    pub(crate) finder: Option<(LegId, TimerKey)>,
}

/// What a subscription is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watched {
    /// What waits for a line's user.
    Mailbox(LineId),
    /// Whether the called party of a call completion is free.
    Callee(LineId, CompletionId),
    /// What alerts at a station, for a call that is to be picked up.
    Station(LineId, CallId),
}

impl Watched {
    pub(crate) const fn line(self) -> LineId {
        match self {
            Self::Mailbox(line) | Self::Callee(line, _) | Self::Station(line, _) => line,
        }
    }

    /// The event package and the type of its bodies.
    pub(crate) const fn package(self) -> (&'static str, &'static str) {
        match self {
            Self::Mailbox(_) => (MESSAGE_SUMMARY, SIMPLE_MESSAGE_SUMMARY),
            Self::Callee(..) | Self::Station(..) => (DIALOG, DIALOG_INFO),
        }
    }
}

/// A call completion.
#[derive(Debug)]
pub(crate) struct Callback {
    pub(crate) line: LineId,
    pub(crate) address: AddressId,
    /// Who is to be called, and as whom it is shown.
    pub(crate) party: Party,
    pub(crate) attempt: PhysicalCallId,
    pub(crate) media: MediaTypes,
    pub(crate) watch: SubscriptionId,
    pub(crate) known: KnownDialogs,
    pub(crate) was_busy: bool,
    /// The attempt, while nothing was heard of the party.
    pub(crate) asked: Option<CallId>,
    pub(crate) then: Then,
    /// It was not arranged in time, it ends, or it may come about now.
    pub(crate) timer: TimerKey,
    pub(crate) ends: Time,
}

/// What a call completion does when the party is free.
#[derive(Debug)]
pub(crate) enum Then {
    /// It offers a call to whoever asked.
    CallBack,
    /// It sends the call on that has waited.
    CampOn(Queued),
}

/// A call that waits for its party.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) call: CallId,
    /// How often it went out and found the party busy, or is out.
    pub(crate) tries: u8,
    /// Its INVITE is out.
    pub(crate) trying: bool,
    /// It rests until then.
    pub(crate) not_before: Time,
}

impl Callback {
    /// The call that waits, if one does.
    pub(crate) const fn queued(&self) -> Option<&Queued> {
        match (&self.then, self.asked) {
            (Then::CampOn(queued), None) => Some(queued),
            (Then::CampOn(_), Some(_)) | (Then::CallBack, _) => None,
        }
    }

    /// As [`queued`](Self::queued), to be changed.
    pub(crate) const fn queued_mut(&mut self) -> Option<&mut Queued> {
        match (&mut self.then, self.asked) {
            (Then::CampOn(queued), None) => Some(queued),
            (Then::CampOn(_), Some(_)) | (Then::CallBack, _) => None,
        }
    }

    /// Whether the party can be called now, as far as it is known.
    pub(crate) fn is_due(&self) -> bool {
        self.asked.is_none() && self.was_busy && self.known.is_known() && !self.known.is_busy()
    }
}
