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

/// Why a session could not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LegError {
    /// The session is gone.
    #[error("this session does not exist any more")]
    Gone,
    /// The session's state does not allow it.
    #[error("this is not possible in the present state of the session")]
    State,
    /// Another offer is on its way (RFC 3264 4); ask again when it is settled.
    #[error("another offer is still to be answered")]
    OfferPending,
    /// As many sessions or transactions as allowed.
    #[error("no room for another session or transaction")]
    Full,
}
