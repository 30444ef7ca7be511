//! A request that waits for its final response.

use super::ids::{AccountId, LegId, SubscriptionId};
use crate::auth;
use crate::transaction::ClientId;
use bytes::Bytes;
use hookswitch_machine::Flow;

/// A request that waits for its final response.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) purpose: Purpose,
    pub(super) account: Option<AccountId>,
    pub(super) flow: Flow,
    /// Where it goes if its stream cannot be had.
    pub(super) instead: Option<Box<Flow>>,
    /// What the user knows it as, if it went on as another transaction.
    pub(super) first: Option<ClientId>,
    /// As it was sent, to be sent again with changes. Shared with the transaction.
    pub(super) bytes: Bytes,
    /// Which challenges were answered already; of requests with an account.
    pub(super) attempt: Option<Box<auth::Attempt>>,
    /// Hashes of the To tags in 2xx that were dealt with: each gets its ACK every time, but only one BYE.
    pub(super) settled: Vec<u64>,
}

impl Pending {
    /// Forks of one INVITE that are remembered.
    const MAX_SETTLED: usize = 16;

    /// Notes a 2xx by the hash of its To tag; false if it was noted before.
    pub(super) fn settle(&mut self, tag: u64) -> bool {
        let new = !self.settled.contains(&tag);
        if new && self.settled.len() < Self::MAX_SETTLED {
            self.settled.push(tag);
        }
        new
    }
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Sets up a session.
    Invite(LegId),
    /// Would have set up a session that the user has let go of: it is cancelled, and a 2xx is not wanted.
    Abandoned,
    /// Offers within a session.
    Offer(LegId),
    /// Refreshes a session.
    Refresh(LegId),
    /// Ends a session that the user still knows.
    Bye(LegId),
    /// Ends a session that the user does not know any more.
    Farewell,
    /// A request of the user within a session.
    Within(LegId),
    /// A request of the user outside any session.
    Outside,
    /// Asks for a subscription, refreshes it or ends it.
    Subscribe(SubscriptionId),
    /// Tells a subscriber.
    Notify(SubscriptionId),
}

impl Purpose {
    pub(super) const fn leg(self) -> Option<LegId> {
        match self {
            Self::Invite(leg)
            | Self::Offer(leg)
            | Self::Refresh(leg)
            | Self::Bye(leg)
            | Self::Within(leg) => Some(leg),
            Self::Abandoned | Self::Farewell | Self::Outside | Self::Subscribe(_) | Self::Notify(_) => None,
        }
    }

    pub(super) const fn subscription(self) -> Option<SubscriptionId> {
        match self {
            Self::Subscribe(id) | Self::Notify(id) => Some(id),
            Self::Invite(_)
            | Self::Offer(_)
            | Self::Refresh(_)
            | Self::Bye(_)
            | Self::Within(_)
            | Self::Abandoned
            | Self::Farewell
            | Self::Outside => None,
        }
    }
}
