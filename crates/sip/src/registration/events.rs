//! What goes into the registration machine and comes out of it.

use super::answer::Answer;
use crate::auth::{Place, Refused};
use hookswitch_machine::Time;
use std::fmt;
use std::net::SocketAddr;

/// What happens to a registration.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// Register, and stay registered. While waiting to retry: try now.
    Start,
    /// Take the binding back.
    Stop,
    /// Our Contact is another one now: register it. The binding of the old one is left to expire.
    ContactChanged,
    /// The final response to a REGISTER.
    Response(&'a Answer<'a>),
    /// The REGISTER with this CSeq number was not answered.
    TimedOut {
        /// The number.
        cseq: u32,
    },
    /// The REGISTER with this CSeq number could not be sent, or its target not be found.
    TransportFailed {
        /// The number.
        cseq: u32,
    },
    /// The flow to the registrar is gone; calls would not reach us over it (RFC 5626 4.4).
    FlowClosed,
    /// The time that [`Registration::timeout`](super::Registration::timeout) named has come.
    Timer,
}

/// What a registration wants done or known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a REGISTER.
    SendRegister(Register),
    /// Our Contact is bound, for the first time or again.
    Registered {
        /// The lifetime granted, in seconds.
        expires: u32,
        /// Since when without interruption.
        since: Time,
    },
    /// The registrar sees us at another address than before (RFC 3581).
    Observed(SocketAddr),
    /// An attempt failed.
    Failed {
        /// Why.
        cause: Cause,
        /// When the next one follows.
        retry_at: Time,
        /// Until when an earlier binding still holds.
        bound_until: Option<Time>,
    },
    /// The binding ran out while attempts to refresh it failed.
    Lapsed,
    /// Stopped: the binding is gone, or all was done to that end within the time for it.
    Unregistered,
}

/// A REGISTER to send: To and From are the account's address, the Call-ID is the configuration's.
#[derive(Clone, PartialEq, Eq)]
pub struct Register {
    /// The number of the CSeq.
    pub cseq: u32,
    /// The lifetime to ask for in seconds; 0 takes the binding back.
    pub expires: u32,
    /// Values of Authorization and Proxy-Authorization. They hold digests: not to be logged.
    pub credentials: Vec<(Place, String)>,
}

impl fmt::Debug for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Register {{ cseq: {}, expires: {}, .. }}", self.cseq, self.expires)
    }
}

/// Why an attempt to register failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// Credentials are asked for and the account has none.
    #[error("the registrar asks for credentials and the account has none")]
    NoCredentials,
    /// The challenge could not be answered, or the answer was refused.
    #[error(transparent)]
    Credentials(#[from] Refused),
    /// A refusal that will not pass by itself, such as 403 and 404.
    #[error("the registrar refused with status {0}; check the account")]
    Rejected(u16),
    /// A refusal that may pass, such as 503.
    #[error("the registrar cannot register now, status {0}")]
    Unavailable(u16),
    /// The registrar names other places (3xx).
    #[error("the registrar redirects with status {0}; registration follows no redirection")]
    Redirected(u16),
    /// The registrar accepted, but does not list our Contact.
    #[error("the registrar accepted without binding our contact")]
    NotBound,
    /// No answer.
    #[error("the registrar did not answer")]
    TimedOut,
    /// It could not be sent.
    #[error("the registrar cannot be reached")]
    TransportFailed,
    /// The flow to the registrar was lost.
    #[error("the connection to the registrar was lost")]
    FlowClosed,
}

impl Cause {
    /// Whether it may pass without anybody changing something.
    pub const fn is_temporary(self) -> bool {
        match self {
            Self::NoCredentials | Self::Credentials(_) | Self::Rejected(_) | Self::Redirected(_) => false,
            Self::Unavailable(_)
            | Self::NotBound
            | Self::TimedOut
            | Self::TransportFailed
            | Self::FlowClosed => true,
        }
    }

    pub(super) const fn of_status(status: u16) -> Self {
        match status {
            // 430: RFC 5626 11.5. 429 and 480 say "later".
            408 | 429 | 430 | 480 | 500..=599 => Self::Unavailable(status),
            300..=399 => Self::Redirected(status),
            _ => Self::Rejected(status),
        }
    }
}

/// The states, without their data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StateName {
    /// Not wanted.
    Idle,
    /// A REGISTER is out; nothing is bound.
    Registering,
    /// Bound.
    Registered,
    /// Bound; a REGISTER is out.
    Refreshing,
    /// The last attempt failed.
    WaitingToRetry,
    /// Not wanted any more; a REGISTER is still out (RFC 3261 10.2: one at a time).
    Stopping,
    /// A REGISTER that takes the binding back is out.
    Unregistering,
}
