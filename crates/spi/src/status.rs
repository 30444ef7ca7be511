//! How calls, addresses and lines are at the moment.

use crate::feature::Features;
use crate::set::member;
use crate::{CallState, ForwardingRules, LineState};
use hookswitch_machine::Time;
use serde::{Deserialize, Serialize};

/// Where a call is and what can be asked of it now (lineGetCallStatus).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallStatus {
    /// Its state.
    pub state: CallState,
    /// Since when.
    pub since: Time,
    /// What is possible now: by its state, its part in transfers and conferences, and the limits of the line.
    pub possible: Features,
}

/// Numbers of calls. A call that a request creates counts from the completion of that request on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CallCounts {
    /// Neither held nor waiting.
    pub active: u32,
    /// *On hold*.
    pub held: u32,
    /// *On hold pending transfer* or *conference*.
    pub pending: u32,
}

impl CallCounts {
    /// All of them.
    pub const fn all(self) -> u32 {
        self.active + self.held + self.pending
    }
}

/// An address at the moment (lineGetAddressStatus).
#[derive(Clone, Debug, PartialEq)]
pub struct AddressStatus {
    /// Its calls.
    pub calls: CallCounts,
    /// What can be asked of it now that needs no call.
    pub possible: Features,
    /// The forwarding rules in force.
    pub forwarding: ForwardingRules,
}

/// A line at the moment (lineGetLineDevStatus).
#[derive(Clone, Debug, PartialEq)]
pub struct LineStatus {
    /// Whether it can be used.
    pub state: LineState,
    /// Whether it is open.
    pub open: bool,
    /// Its calls.
    pub calls: CallCounts,
    /// Call completions that are arranged.
    pub completions: u32,
    /// Whether messages wait for its user.
    pub message_waiting: bool,
    /// What can be asked of it now that needs no call.
    pub possible: Features,
}

/// What can be told about lines and addresses (TAPI: LINEDEVSTATE, LINEADDRESSSTATE).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StatusKind {
    /// It came into service or went out of it (INSERVICE, OUTOFSERVICE).
    Service,
    /// A call alerts here (RINGING).
    Ringing,
    /// Messages wait, or none does any more (MSGWAITON, MSGWAITOFF).
    MessageWaiting,
    /// The number of calls changed (NUMCALLS).
    CallCount,
    /// The forwarding rules changed (FORWARD).
    Forwarding,
    /// A call completion was arranged or ended (NUMCOMPLETIONS, COMPLCANCEL).
    Completions,
    /// What it can do changed (CAPSCHANGE).
    Capabilities,
    /// Another application opened it or closed it (OPEN, CLOSE); told by the application side, never by a provider.
    OtherOpens,
}

member!(StatusKind: Service, Ringing, MessageWaiting, CallCount, Forwarding, Completions, Capabilities, OtherOpens);
