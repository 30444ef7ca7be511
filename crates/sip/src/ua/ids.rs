//! Names of sessions and accounts, and why a session refuses.

/// Names the credentials of one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AccountId(pub u32);

/// Names an INVITE session of one [`UserAgent`](super::UserAgent). Never valid for another session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LegId {
    pub(super) index: u32,
    pub(super) generation: u32,
}

/// Names a subscription of one [`UserAgent`](super::UserAgent), ours or somebody's with us. Never valid for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionId(pub(super) u64);

/// Why a session could not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LegError {
    /// The session or subscription is gone.
    #[error("this session or subscription does not exist any more")]
    Gone,
    /// Its state does not allow it.
    #[error("this is not possible in the present state of the session or subscription")]
    State,
    /// Another offer is on its way (RFC 3264 4); ask again when it is settled.
    #[error("another offer is still to be answered")]
    OfferPending,
    /// As many sessions or transactions as allowed.
    #[error("no room for another session or transaction")]
    Full,
}
