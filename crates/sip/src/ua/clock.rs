//! How long a session lives without a refresh (RFC 4028).

use crate::session_timer::{Agreed, Refresher};
use crate::transaction::ClientId;
use bytes::Bytes;
use hookswitch_machine::{Time, TimerKey};

/// The session timer of a session.
#[derive(Debug)]
pub(super) struct Clock {
    pub(super) agreed: Agreed,
    /// Who refreshes.
    pub(super) side: Side,
    /// How we would.
    pub(super) by: By,
    /// When it ends if nobody does.
    pub(super) until: Time,
    pub(super) timer: TimerKey,
    /// Our refresh that is out.
    pub(super) client: Option<ClientId>,
}

/// Who refreshes a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Us,
    Them,
}

impl Side {
    /// From what was agreed on a request of ours.
    pub(super) const fn by_our_request(refresher: Refresher) -> Self {
        match refresher {
            Refresher::Uac => Self::Us,
            Refresher::Uas => Self::Them,
        }
    }

    /// From what was agreed on a request of theirs.
    pub(super) const fn by_their_request(refresher: Refresher) -> Self {
        match refresher {
            Refresher::Uac => Self::Them,
            Refresher::Uas => Self::Us,
        }
    }

    /// As a request of ours says it.
    pub(super) const fn in_our_request(self) -> Refresher {
        match self {
            Self::Us => Refresher::Uac,
            Self::Them => Refresher::Uas,
        }
    }

    /// As a request of theirs says it.
    pub(super) const fn in_their_request(self) -> Refresher {
        match self {
            Self::Us => Refresher::Uas,
            Self::Them => Refresher::Uac,
        }
    }
}

/// How a session is refreshed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// By an UPDATE without an offer.
    Update,
    /// By a re-INVITE that offers what was said last (RFC 4028 7.4): the other side does not take UPDATE.
    Invite(Bytes),
}

/// What a 2xx of ours will agree to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answering {
    pub(super) agreed: Agreed,
    /// Whether the other side takes UPDATE.
    pub(super) takes_update: bool,
}
