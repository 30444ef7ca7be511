//! What an operator can ask, and what an operator is told.

use hookswitch_machine::Flow;
use hookswitch_sip::transaction;
use std::time::Duration;

/// What can be asked of the softswitch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Who is registered, and what is alive; answered by [`Event::Snapshot`].
    Snapshot,
    /// Refuse new calls from now on (503) and hang up the calls of the extensions. What is on its way goes on.
    Drain,
}

/// What an operator wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A contact was registered or refreshed.
    Registered {
        /// The user.
        user: String,
        /// Its contact URI.
        contact: String,
        /// For how long.
        expires: Duration,
        /// The contact was not known before.
        new: bool,
        /// The path to it.
        flow: Flow,
    },
    /// A contact is gone.
    Unregistered {
        /// The user.
        user: String,
        /// Its contact URI.
        contact: String,
        /// Why.
        why: Unregistered,
    },
    /// An INVITE outside any dialog was let in.
    CallStarted {
        /// Its Call-ID.
        call_id: String,
        /// The user who calls.
        from: String,
        /// The user or extension that is called.
        to: String,
    },
    /// A call was answered.
    CallAnswered {
        /// Its Call-ID.
        call_id: String,
    },
    /// A call was hung up, or did not come about. Told once, also if both sides hang up at the same moment.
    CallEnded {
        /// Its Call-ID.
        call_id: String,
        /// The status it was refused with; `None` after an answer.
        status: Option<u16>,
    },
    /// A request was refused by the softswitch itself (challenges are not refusals).
    Refused {
        /// The method.
        method: String,
        /// The user part of From, as it was claimed.
        from: String,
        /// With this status.
        status: u16,
        /// The path it came on.
        flow: Flow,
    },
    /// The answer to [`Request::Snapshot`].
    Snapshot(Snapshot),
}

/// Why a contact is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unregistered {
    /// The user took it back.
    Removed,
    /// It was not refreshed.
    Expired,
    /// Its connection closed.
    FlowClosed,
    /// It made room for a newer one.
    Replaced,
}

/// The state of a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// All contacts, ordered by user in the order of the configuration.
    pub registrations: Vec<Registration>,
    /// What is alive.
    pub counts: Counts,
}

/// A contact that is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The user.
    pub user: String,
    /// Its contact URI.
    pub contact: String,
    /// For how long yet.
    pub expires: Duration,
    /// The path to it.
    pub flow: Flow,
}

/// What is alive, for figures and leak checks. After a drain all but `ports` are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Contacts registered.
    pub bindings: usize,
    /// Requests passed on, lingering ones included.
    pub forwarded: usize,
    /// Calls of the extensions.
    pub service_calls: usize,
    /// Requests of the extensions that wait for a response.
    pub service_requests: usize,
    /// Calls that are remembered, those of the extensions included.
    pub calls: usize,
    /// Media ports in stock.
    pub ports: usize,
    /// Timers set, those of transactions left out.
    pub timers: usize,
    /// Transactions.
    pub transactions: transaction::Counts,
    /// Since the start: octets that were no message, or no message worth an answer.
    pub dropped: u64,
}

impl Counts {
    /// Whether nothing is alive any more.
    pub fn is_idle(&self) -> bool {
        let Self { bindings, forwarded, service_calls, service_requests, timers, transactions, calls, .. } = *self;
        let nothing = bindings + forwarded + service_calls + service_requests + timers + calls == 0;
        nothing && transactions == transaction::Counts::default()
    }
}
