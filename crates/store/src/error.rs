//! What can go wrong with a store.

use crate::EditError;
use std::io;
use std::ops::Range;

/// What is wrong with the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {message}")]
pub struct Fault {
    /// Where in the text, in octets; empty at its beginning if something is missing.
    pub span: Range<usize>,
    /// The key at fault; empty if the text is no TOML.
    pub key: String,
    /// What was expected and what came.
    pub message: String,
}

impl Fault {
    pub(crate) fn new(span: Range<usize>, key: &str, message: impl Into<String>) -> Self {
        Self { span, key: key.to_owned(), message: message.into() }
    }
}

/// Why something asked of a store was not done. Nothing was changed, except after [`Disk`](Self::Disk) as it says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is nothing to read, configure or remove.
    #[error("{0}: no provider is installed here; `hookswitch provider install` does that")]
    NotInstalled(String),
    /// Installing comes after removing (TSPI: install and remove are strictly paired).
    #[error(
        "{0}: a provider is installed here already; `hookswitch provider remove` comes before another install"
    )]
    AlreadyInstalled(String),
    /// Somebody else is changing it.
    #[error("{0}: another command is changing the store at this moment; try again")]
    Busy(String),
    /// The file is wrong.
    #[error("{0}")]
    Invalid(Fault),
    /// The file is no text.
    #[error(
        "{0}: expected UTF-8 text, found other octets; restore the file from a copy, or remove the provider and install it again"
    )]
    NoText(String),
    /// The edit cannot be made.
    #[error("{0}")]
    Edit(#[from] EditError),
    /// The edit was made on a copy, and the result is not sound.
    #[error("{0}")]
    Rejected(Box<dyn std::error::Error + Send + Sync>),
    /// The result would be longer than what is read.
    #[error("the configuration would be longer than {0} octets, which is the most that is read")]
    TooLong(usize),
    /// The disk failed. The store is as it was, or complete with the change.
    #[error("{place}: {step} failed: {error}")]
    Disk {
        /// The folder.
        place: String,
        /// What was tried.
        step: &'static str,
        /// Why it failed.
        error: io::Error,
    },
}
