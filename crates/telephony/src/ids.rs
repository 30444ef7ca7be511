//! What a session is called, what its requests are called, and what it may do with a call.

use std::fmt;

/// One attached application (TAPI: hLineApp). Chosen by whoever attaches it; never reused while the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session-{}", self.0)
    }
}

/// One request of a session, numbered by the session as it likes; it comes back in [`Completed`](crate::Event::Completed)
/// or [`Refused`](crate::Event::Refused).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppRequestId(pub u64);

/// One opening of a line by a session (TAPI: hLine); a session may open a line several times for different things. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpenId(pub u64);

impl fmt::Display for OpenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "open-{}", self.0)
    }
}

/// What the holder of a call may do with it (TAPI: LINECALLPRIVILEGE).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Privilege {
    /// Watch it.
    Monitor,
    /// Control it.
    Owner,
}

impl Privilege {
    /// The word used everywhere.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Monitor => "monitor",
            Self::Owner => "owner",
        }
    }
}
