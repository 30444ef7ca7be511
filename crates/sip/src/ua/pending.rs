//! A request that waits for its final response.

use super::ids::{AccountId, LegId};
use crate::auth;
use bytes::Bytes;
use hookswitch_machine::Flow;

/// A request that waits for its final response.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) purpose: Purpose,
    pub(super) account: Option<AccountId>,
    pub(super) flow: Flow,
    /// Went over a stream because of its size; if that cannot be had, goes here.
    pub(super) instead: Option<Flow>,
    /// As it was sent, to be sent again with changes. Shared with the transaction.
    pub(super) bytes: Bytes,
    /// Which challenges were answered already.
    pub(super) attempt: auth::Attempt,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Sets up a session.
    Invite(LegId),
    /// Offers within a session.
    Offer(LegId),
    /// Ends a session that the user still knows.
    Bye(LegId),
    /// Ends a session that the user does not know any more.
    Farewell,
    /// A request of the user within a session.
    Within(LegId),
    /// A request of the user outside any session.
    Outside,
}

impl Purpose {
    pub(super) const fn leg(self) -> Option<LegId> {
        match self {
            Self::Invite(leg) | Self::Offer(leg) | Self::Bye(leg) | Self::Within(leg) => Some(leg),
            Self::Farewell | Self::Outside => None,
        }
    }
}
