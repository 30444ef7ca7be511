//! Assisted telephony: programs that only want somebody to make a call for them (tapiRequestMakeCall).
//!
//! What they ask waits in one queue. The application that stands first among those registered as recipients hears that
//! something waits, once, and takes the requests until none is left.

use crate::SessionId;
use std::collections::VecDeque;

/// A call that some program wants to be made.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct CallRequest {
    /// Whom to call: a number or a URI, 1 to [`CallRequest::LONGEST`] octets.
    pub destination: String,
    /// The name of the called party, for people.
    pub called_party: String,
    /// What the call is about, for people.
    pub comment: String,
    /// The program that asks, for people.
    pub requester: String,
}

impl CallRequest {
    /// The longest of its texts, in octets.
    pub const LONGEST: usize = 1_024;

    /// A request for a call to `destination`.
    pub fn to(destination: impl Into<String>) -> Self {
        Self { destination: destination.into(), ..Self::default() }
    }

    /// Whether all of it is within its bounds.
    pub(crate) fn fits(&self) -> bool {
        let texts = [&self.destination, &self.called_party, &self.comment, &self.requester];
        !self.destination.is_empty() && texts.iter().all(|text| text.len() <= Self::LONGEST)
    }
}

/// What waits, who is registered, and who was told.
#[derive(Debug, Default)]
pub(crate) struct Assisted {
    pub(crate) waiting: VecDeque<CallRequest>,
    /// In the order in which they registered.
    pub(crate) recipients: Vec<SessionId>,
    /// Who was told that something waits; nobody else is while that is so.
    pub(crate) told: Option<SessionId>,
}

impl Assisted {
    /// A session is no recipient any more. True: it was one.
    pub(crate) fn remove(&mut self, session: SessionId) -> bool {
        let before = self.recipients.len();
        self.recipients.retain(|recipient| *recipient != session);
        self.told.take_if(|told| *told == session);
        self.recipients.len() != before
    }

    /// Lets `new` take the place of `old`.
    pub(crate) fn rename(&mut self, old: SessionId, new: SessionId) {
        for session in self.recipients.iter_mut().chain(&mut self.told) {
            if *session == old {
                *session = new;
            }
        }
    }

    /// The oldest that waits.
    pub(crate) fn take(&mut self) -> Option<CallRequest> {
        let taken = self.waiting.pop_front();
        if self.waiting.is_empty() {
            self.told = None;
        }
        taken
    }
}
