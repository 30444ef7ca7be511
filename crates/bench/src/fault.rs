//! Why a measurement failed.

use std::io;

/// Anything that ends the program without figures, or with figures that must not stand.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("{0}")]
    Usage(String),
    #[error("{program} cannot be started ({source}): install it ({package}) and try again")]
    Missing { program: &'static str, package: &'static str, source: io::Error },
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
    #[error("{0}")]
    Measurement(String),
}

impl Fault {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    pub(crate) fn measurement(error: impl std::fmt::Display) -> Self {
        Self::Measurement(error.to_string())
    }
}
