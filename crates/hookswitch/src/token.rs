//! What a lost application comes back with.

use hookswitch_telephony::SessionId;

/// What an application shows to come back after it was lost, together with its name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SessionToken {
    pub(crate) session: SessionId,
    secret: [u64; 2],
}

impl SessionToken {
    pub(crate) const fn new(session: SessionId, secret: [u64; 2]) -> Self {
        Self { session, secret }
    }
}

impl std::fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The secret is none of a log's business.
        write!(f, "SessionToken({})", self.session)
    }
}
