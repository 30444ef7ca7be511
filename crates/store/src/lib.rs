//! What is installed: one file that holds the provider's configuration, written all or nothing.
//!
//! An installation begins with [`Store::install`] and ends with [`Store::remove`]; in between [`Store::configure`] edits it
//! any number of times (TSPI: TUISPI_providerInstall, Config, Remove). Killed at any step, each of these has happened
//! completely or not at all. The file is TOML that people may edit; a [`Document`] keeps their comments, checks what the
//! store itself relies on, and gives every line a number that is never used again.
//!
//! Reading order: `disk` (what a store needs of a folder), `document` and `edit` (the file), `store` (the operations). `memory`
//! is a folder for tests that can stop after any step and lose power.
#![forbid(unsafe_code)]

mod disk;
mod document;
mod edit;
mod error;
pub mod memory;
mod store;

pub use disk::Disk;
pub use document::{Document, LineNumber, ProviderId};
pub use edit::{EditError, absolute_paths};
pub use error::{Fault, StoreError};
pub use store::{Check, FILE, Store};
/// A value of the file.
pub use toml_edit::Value;
