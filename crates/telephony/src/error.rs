//! Why a request was refused or failed.

use crate::OpenId;
use hookswitch_spi::{CallId, LineError, LineId, OperationError, VersionRange};

/// Why a request was refused or failed (TAPI: LINEERR).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The session has not attached, or is gone (LINEERR_UNINITIALIZED).
    #[error("attach first: this session is not an application")]
    NotAttached,
    /// It has.
    #[error("this session is attached already")]
    AlreadyAttached,
    /// The session to be resumed is not waiting: it is gone, was never lost, or had another name.
    #[error(
        "there is no lost session of this name to come back to; attach without resuming and open the lines again"
    )]
    NothingToResume,
    /// No version in common (LINEERR_INCOMPATIBLEAPIVERSION).
    #[error("no interface version in common: {spoken:?} is spoken here, not {offered:?}")]
    IncompatibleVersion {
        /// What the session can live with.
        offered: VersionRange,
        /// What there is.
        spoken: VersionRange,
    },
    /// The number of a request that has not completed was used again.
    #[error("request number {0} is outstanding; use another")]
    DuplicateRequest(u64),
    /// An application's name is empty or too long.
    #[error("an application's name has 1 to 255 octets, this one has {0}")]
    InvalidName(usize),
    /// A priority list is too long.
    #[error("a priority list names at most {0} applications")]
    PriorityListTooLong(usize),
    /// Too many sessions.
    #[error("{0} applications are attached, the most allowed; detach one or raise the limit")]
    TooManySessions(u32),
    /// The session has too many lines open.
    #[error("this application has {0} lines open, the most allowed")]
    TooManyLines(u32),
    /// The session has opened one line too often.
    #[error("this application has the line open {0} times, the most allowed; close one of them")]
    TooManyOpens(u32),
    /// The session has not opened the line under that number, or has closed it (LINEERR_INVALLINEHANDLE).
    #[error("{1} of {0} does not exist, or was closed")]
    NoSuchOpen(LineId, OpenId),
    /// The session has too many requests outstanding.
    #[error("{0} requests of this application are outstanding, the most allowed; wait for a completion")]
    TooManyRequests(u32),
    /// The session has not opened the line (LINEERR_INVALLINEHANDLE).
    #[error("{0} is not open here; open it first")]
    LineNotOpen(LineId),
    /// The line has no such address (LINEERR_INVALADDRESSID).
    #[error("{0} has no address of that number")]
    NoSuchAddress(LineId),
    /// The line could not be opened.
    #[error(transparent)]
    Line(#[from] LineError),
    /// The session has no handle to the call (LINEERR_INVALCALLHANDLE).
    #[error("{0} does not exist, or this application has no handle to it")]
    NoSuchCall(CallId),
    /// The call neither is a conference nor belongs to one (LINEERR_NOCONFERENCE).
    #[error("{0} is not part of a conference")]
    NoConference(CallId),
    /// The session only monitors the call (LINEERR_NOTOWNER).
    #[error("{0} is not this application's own; take ownership first")]
    NotOwner(CallId),
    /// The session is the only owner of a call that is not idle (LINEERR_INVALCALLSTATE).
    #[error("{0} has no other owner; hand it off, drop it or release it")]
    SoleOwner(CallId),
    /// The application that hands off is the best target itself (LINEERR_TARGETSELF).
    #[error("the call would come back to this application")]
    TargetSelf,
    /// Nobody fits (LINEERR_TARGETNOTFOUND).
    #[error("no application of that kind has the line open as owner")]
    TargetNotFound,
    /// No application takes requests for calls (TAPIERR_NOREQUESTRECIPIENT).
    #[error("no application takes requests for calls; start one that registers for them")]
    NoRequestRecipient,
    /// Too many requests for calls wait (TAPIERR_REQUESTQUEUEFULL).
    #[error("{0} requests for calls wait already, the most allowed; try again later")]
    RequestQueueFull(u32),
    /// A request for a call has no destination, or one of its texts is too long.
    #[error("a request for a call needs a destination, and texts of at most {0} octets")]
    InvalidCallRequest(usize),
    /// No request for a call waits (LINEERR_NOREQUEST).
    #[error("no request for a call waits")]
    NoRequest,
    /// The session has not registered for requests for calls (LINEERR_NOTREGISTERED).
    #[error("register as a recipient of requests for calls first")]
    NotRecipient,
    /// The provider refused it, or it failed there.
    #[error(transparent)]
    Operation(#[from] OperationError),
}
