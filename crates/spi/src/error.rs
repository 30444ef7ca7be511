//! Why something asked of a provider was refused or failed.

use crate::{CallId, LineId, StateKind};

/// Why an operation was refused or failed (TAPI: LINEERR).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OperationError {
    /// The line cannot do this at all (LINEERR_OPERATIONUNAVAIL).
    #[error("this line cannot {0}; see its capabilities")]
    Unavailable(&'static str),
    /// The call is in a state in which this makes no sense (LINEERR_INVALCALLSTATE).
    #[error("{operation}: not possible while the call is {state}")]
    InvalidCallState {
        /// What was asked.
        operation: &'static str,
        /// Where the call is.
        state: StateKind,
    },
    /// No such call (LINEERR_INVALCALLHANDLE).
    #[error("{0} does not exist, or was closed")]
    NoSuchCall(CallId),
    /// No such line (LINEERR_INVALLINEHANDLE, LINEERR_NODEVICE).
    #[error("{0} does not exist, or is not open")]
    NoSuchLine(LineId),
    /// The line is out of service (LINEERR_INVALLINESTATE).
    #[error("the line is out of service: {0}")]
    OutOfService(String),
    /// The address cannot be dialled (LINEERR_INVALADDRESS); nothing was changed.
    #[error("'{address}' is no address that can be dialled: {why}")]
    InvalidAddress {
        /// What was given.
        address: String,
        /// What is wrong with it.
        why: String,
    },
    /// A dial string character that the line does not support (LINEERR_DIALBILLING and its kin).
    #[error("'{0}' in a dial string is not supported on this line")]
    UnsupportedDialCharacter(char),
    /// An argument is out of range (LINEERR_INVALPARAM).
    #[error("{0}")]
    InvalidParameter(String),
    /// As many calls as the line can take (LINEERR_CALLUNAVAIL).
    #[error("the line already has {0} calls, the most it can take")]
    TooManyCalls(u32),
    /// Something needed is used up for now (LINEERR_RESOURCEUNAVAIL).
    #[error("no {0} left at the moment; try again")]
    ResourceUnavailable(&'static str),
    /// The other side refused.
    #[error("the other side refused: {status} {reason}")]
    Refused {
        /// The SIP status.
        status: u16,
        /// Its reason phrase.
        reason: String,
    },
    /// The other side did not answer in time.
    #[error("no answer from the other side within {0:?}")]
    TimedOut(std::time::Duration),
    /// More user information than the message can carry (LINEERR_USERUSERINFOTOOBIG).
    #[error("{got} octets of user information, but at most {most} can go with this message")]
    UserInfoTooBig {
        /// How many were given.
        got: usize,
        /// How many fit.
        most: u16,
    },
    /// The conference has as many members as it can take (LINEERR_CONFERENCEFULL).
    #[error("the conference already has {0} members, the most it can take")]
    ConferenceFull(u16),
    /// The call is not part of a conference, or not a conference (LINEERR_NOCONFERENCE, LINEERR_INVALCONFCALLHANDLE).
    #[error("{0} is not a conference, or not part of one")]
    NoConference(CallId),
    /// The second call does not belong to the first (LINEERR_INVALCONSULTCALLHANDLE).
    #[error("{0} is no consultation call of the other call")]
    NotConsultation(CallId),
    /// No such call completion (LINEERR_INVALCOMPLETIONID).
    #[error("{0} does not exist, or has ended")]
    NoSuchCompletion(crate::CompletionId),
    /// As many call completions as the line can take (LINEERR_COMPLETIONOVERRUN).
    #[error("the line already waits for {0} call completions, the most it can take")]
    TooManyCompletions(u16),
    /// There is nothing to be fetched or picked up there.
    #[error("no call waits at '{0}'")]
    NothingThere(String),
    /// The line's extension, or a version of it that has this, is not selected (LINEERR_INCOMPATIBLEEXTVERSION).
    #[error("the extension '{0}' is not selected on this line in a version that has this; select one first")]
    ExtensionNotSelected(&'static str),
    /// A newer request of the same kind took its place.
    #[error("replaced by a newer request")]
    Replaced,
    /// The call ended before the request was carried out.
    #[error("the call ended first")]
    CallEnded,
    /// The line or the provider was closed (LINEERR_OPERATIONFAILED).
    #[error("the line was closed")]
    Closed,
    /// Anything else (LINEERR_OPERATIONFAILED).
    #[error("{0}")]
    Failed(String),
}

/// Why a line could not be opened or set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// No such line (LINEERR_NODEVICE).
    #[error("{0} does not exist")]
    NoSuchLine(LineId),
    /// It is open already.
    #[error("{0} is open already")]
    AlreadyOpen(LineId),
    /// It is not open.
    #[error("{0} is not open")]
    NotOpen(LineId),
    /// No version in common (LINEERR_INCOMPATIBLEAPIVERSION).
    #[error("no interface version in common: this provider speaks {0:?}")]
    IncompatibleVersion(crate::VersionRange),
    /// No version of the extension in common, or another one is selected (LINEERR_INCOMPATIBLEEXTVERSION).
    #[error("no version of the line's extension can be had in that range now")]
    IncompatibleExtension,
    /// The line has no such address (LINEERR_INVALADDRESSID, LINEERR_INVALADDRESS).
    #[error("the line has no such address")]
    NoSuchAddress,
    /// It waits for the next start (LINEERR_REINIT).
    #[error("the provider is to be started again first; close your lines and wait")]
    Reinitialise,
    /// What is stored of the provider cannot be used (LINEERR_INIFILECORRUPT).
    #[error("{0}")]
    Stored(String),
    /// The line cannot carry this media type (LINEERR_INVALMEDIAMODE).
    #[error("the line cannot carry {0}")]
    UnsupportedMedia(crate::MediaTypes),
    /// What the line is to be set to is not possible (LINEERR_INVALPARAM); nothing was changed.
    #[error("{0}")]
    InvalidParameter(String),
    /// The provider is shut down or not yet initialised (LINEERR_UNINITIALIZED).
    #[error("the provider is not initialised")]
    NotInitialised,
}
