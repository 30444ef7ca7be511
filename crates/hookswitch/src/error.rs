//! What can go wrong.

use hookswitch_telephony::{PhoneError, RequestError};

/// Why something that an application asked did not happen.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Refused at once: nothing was changed, nothing was sent.
    #[error("{0}")]
    Refused(RequestError),
    /// Accepted, and then it could not be carried out.
    #[error("{0}")]
    Failed(RequestError),
    /// More is asked than can be handled; try again a little later.
    #[error("the service has more requests waiting than it can take; try again")]
    Overloaded,
    /// The service has stopped.
    #[error("the service has stopped")]
    Stopped,
    /// No line has this name.
    #[error("there is no line called {name:?}; the lines are: {known}")]
    NoSuchLine {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// No line in service fits what was asked (TAPI: LINEERR_LINEMAPPERFAILED).
    #[error("no line that is in service can carry such calls")]
    NoLineFits,
    /// No user of the embedded softswitch has this name.
    #[error("the softswitch has no user called {user:?}; add an account for it, or give another user")]
    NoSuchUser {
        /// What was asked for.
        user: String,
    },
    /// No phone has this name; one appears when its user registers for the first time.
    #[error("there is no phone called {name:?}; the phones are: {known}")]
    NoSuchPhone {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// Something that was asked of a phone did not happen.
    #[error("{0}")]
    Phone(PhoneError),
    /// The line cannot be used now.
    #[error("line {line:?} is out of service: {reason}")]
    OutOfService {
        /// Its name.
        line: String,
        /// What happened and what to do.
        reason: String,
    },
    /// What is stored of the installed provider was changed and is wrong now; what runs goes on with what it has.
    #[error("{0}")]
    Stored(String),
    /// Live audio at a rate that is not spoken.
    #[error("live audio has 8000 or 16000 samples a second, not {0}")]
    Rate(u32),
}

/// Why a service could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A socket could not be opened.
    #[error("{0}")]
    Bind(#[from] hookswitch_runtime::BindError),
    /// Threads could not be started.
    #[error("{0}")]
    Driver(#[from] hookswitch_runtime::StartError),
    /// No media port could be opened.
    #[error("{0}")]
    Media(#[from] hookswitch_runtime::media::MediaError),
    /// The thread that follows the store could not be started.
    #[error("the system gave no thread to follow the store: {0}")]
    Thread(std::io::Error),
    /// The installed provider could not be read.
    #[error("{0}")]
    Installation(crate::config::InstallationError),
    /// The operating system gave no random numbers.
    #[error("{0}")]
    Entropy(#[from] hookswitch_runtime::entropy::NoEntropy),
}
