//! Applications on top of a subject: the telephony crate driven over it, for the items of part G.

use super::subject::{Setup, Subject};

/// Applications and a subject.
pub struct Desk {
    /// The subject.
    pub subject: Box<dyn Subject>,
}

/// A way in which the application side can be broken, to show that an item bites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeskFault {}

impl Desk {
    /// A desk without applications.
    pub fn open(subject: Box<dyn Subject>, _setup: &Setup, _fault: Option<DeskFault>) -> Self {
        Self { subject }
    }
}
