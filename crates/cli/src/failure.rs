//! What went wrong, what to do about it, and the exit code.

use hookswitch::StartError;
use hookswitch::config::{ConfigError, InstallationError, StoreError};
use std::process::ExitCode;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The configuration is wrong.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The installed provider could not be read or changed.
    #[error("{0}")]
    Installation(#[from] InstallationError),
    /// The command line asks for what cannot be.
    #[error("{0}")]
    Usage(String),
    /// Sockets or threads could not be opened.
    #[error("{0}")]
    Start(#[from] StartError),
    /// This program's own runtime could not be set up.
    #[error("the system gave no threads or descriptors: {0}")]
    Runtime(std::io::Error),
    /// A request was refused or failed.
    #[error("{0}")]
    Request(#[from] hookswitch::Error),
    /// It was tried, and it came to nothing.
    #[error("{0}")]
    Outcome(String),
}

impl Failure {
    /// What a person can do about it, where the message does not say so itself.
    pub(crate) fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Start(StartError::Bind(_)) => Some(
                "another program may use that port: end it, or give another one, such as --listen udp:0.0.0.0:0 for any free port",
            ),
            Self::Start(StartError::Media(_)) => Some("give other ports in the configuration: [media] ports"),
            Self::Request(hookswitch::Error::OutOfService { .. }) => Some(
                "see that the switch runs and can be reached, and that user and password are right (-v shows more)",
            ),
            Self::Installation(InstallationError::Store(StoreError::Disk { error, .. }))
                if error.kind() == std::io::ErrorKind::PermissionDenied =>
            {
                Some(
                    "only its owner may read and change this store: be that (sudo), or give another folder with --store",
                )
            }
            Self::Config(_)
            | Self::Installation(_)
            | Self::Usage(_)
            | Self::Runtime(_)
            | Self::Start(_)
            | Self::Request(_)
            | Self::Outcome(_) => None,
        }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Request(_) | Self::Outcome(_) => ExitCode::from(1),
            Self::Installation(
                InstallationError::Config(_)
                | InstallationError::Rejected(_)
                | InstallationError::Store(StoreError::Edit(_)),
            ) => ExitCode::from(2),
            Self::Installation(_) => ExitCode::from(1),
            Self::Config(_) | Self::Usage(_) => ExitCode::from(2),
            Self::Start(_) | Self::Runtime(_) => ExitCode::from(3),
        }
    }
}
