//! What an operator can ask, and what an operator is told.

use hookswitch_machine::Flow;
use hookswitch_sip::transaction;
use std::time::Duration;

/// What can be asked of the softswitch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Who is registered, and what is alive; answered by [`Event::Snapshot`].
    Snapshot,
    /// Tell every change of a phone's calls and messages from now on, or no more: [`Event::PhoneCall`], [`Event::PhoneMessages`].
    WatchPhones(bool),
    /// So many messages wait for a user: its message waiting lamp (RFC 3842). Nothing happens if there is no such user.
    SetMessages {
        /// The user.
        user: String,
        /// What waits.
        messages: Messages,
    },
    /// Take an account away: its contacts, what it watches and its phone go at once; its calls go on. Nothing happens if there is no
    /// such user.
    RemoveAccount {
        /// The user.
        user: String,
    },
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
    /// A call of a user came about, changed its state or ended. Told while [`Request::WatchPhones`] asks for it.
    PhoneCall {
        /// The user.
        user: String,
        /// The call.
        call: PhoneCall,
    },
    /// What waits for a user has changed. Told while [`Request::WatchPhones`] asks for it.
    PhoneMessages {
        /// The user.
        user: String,
        /// What waits.
        messages: Messages,
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
    /// The users that are registered, with what their phones show.
    pub phones: Vec<Phone>,
    /// What is alive.
    pub counts: Counts,
}

/// A user that is registered: what its phones show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phone {
    /// The user.
    pub user: String,
    /// Where it is registered.
    pub contacts: Vec<PhoneContact>,
    /// Its calls, oldest first; the newest 32 of them.
    pub calls: Vec<PhoneCall>,
    /// All its calls.
    pub call_count: usize,
    /// What waits for it, if anybody said.
    pub messages: Option<Messages>,
}

/// A phone of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneContact {
    /// Its contact URI.
    pub contact: String,
    /// What it calls itself (User-Agent); empty if it says nothing.
    pub product: String,
    /// For how long it has been registered without a break.
    pub registered_for: Duration,
    /// For how long yet.
    pub expires: Duration,
    /// The path to it.
    pub flow: Flow,
}

/// A call as one of its users has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneCall {
    /// Its Call-ID at this user. A call that was parked or picked up has another one at the other side.
    pub call_id: String,
    /// How far it has come.
    pub state: PhoneCallState,
    /// Who called.
    pub direction: Direction,
    /// The other side's address.
    pub peer: String,
    /// The other side's name, if one was shown.
    pub peer_name: Option<String>,
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhoneCallState {
    /// No phone has reacted.
    Trying,
    /// It rings.
    Ringing,
    /// They talk, or one of them holds.
    Connected,
    /// It is over.
    Ended,
}

/// Who called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The user is called.
    Incoming,
    /// The user calls.
    Outgoing,
}

/// What waits in a mailbox (RFC 3842).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Messages {
    /// Messages that were not heard.
    pub new: u32,
    /// Messages that were.
    pub old: u32,
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
    /// Subscriptions to events.
    pub subscriptions: usize,
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
        let Self { bindings, forwarded, service_calls, service_requests, timers, transactions, .. } = *self;
        let nothing = bindings + forwarded + service_calls + service_requests + timers == 0;
        nothing && self.calls + self.subscriptions == 0 && transactions == transaction::Counts::default()
    }
}
