//! Requests that the provider has accepted and not completed.

use crate::{AppRequestId, SessionId};
use hookswitch_spi::{AddressId, CallId, LineId, RequestId};
use std::collections::BTreeMap;

/// Who waits for a request, and what it was about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    /// `None`: nobody waits (any more).
    pub(crate) who: Option<(SessionId, AppRequestId)>,
    pub(crate) line: LineId,
    pub(crate) call: Option<CallId>,
    pub(crate) purpose: Purpose,
}

/// What a completion means beyond itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A new call on this address.
    Create(AddressId),
    /// A call that nobody owns is sent away; when that fails, it is dropped.
    SendAway,
    /// Nothing.
    Plain,
}

/// All of them, in the order in which they were asked.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    table: BTreeMap<RequestId, Pending>,
    last: u64,
}

impl Requests {
    /// A new number.
    pub(crate) fn mint(&mut self) -> RequestId {
        self.last += 1;
        RequestId(self.last)
    }

    pub(crate) fn insert(&mut self, request: RequestId, pending: Pending) {
        self.table.insert(request, pending);
    }

    pub(crate) fn take(&mut self, request: RequestId) -> Option<Pending> {
        self.table.remove(&request)
    }

    pub(crate) fn get(&self, request: RequestId) -> Option<&Pending> {
        self.table.get(&request)
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Nobody waits any more for what `session` asked about `line`; returns what it had asked.
    pub(crate) fn abandon(&mut self, session: SessionId, line: LineId) -> Vec<AppRequestId> {
        let theirs = self.table.values_mut().filter(|pending| pending.line == line);
        theirs.filter_map(|pending| pending.who.take_if(|who| who.0 == session)).map(|who| who.1).collect()
    }

    /// Whether `session` waits for an answer to `request`. Looks through all.
    pub(crate) fn is_outstanding(&self, session: SessionId, request: AppRequestId) -> bool {
        self.table.values().any(|pending| pending.who == Some((session, request)))
    }

    /// `new` waits for what `old` has asked.
    pub(crate) fn rename(&mut self, old: SessionId, new: SessionId) {
        for who in self.table.values_mut().filter_map(|pending| pending.who.as_mut()) {
            if who.0 == old {
                who.0 = new;
            }
        }
    }
}
