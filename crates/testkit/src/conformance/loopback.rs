//! The exchange in memory as a subject, and the faults that show that items bite.

use super::Factory;
use super::items::Installed;
use super::subject::{Setup, Subject};
use std::process::ExitCode;

/// Makes loopback subjects.
#[derive(Clone, Copy, Debug)]
pub struct Exchange;

impl Factory for Exchange {
    fn name(&self) -> &'static str {
        "loopback"
    }

    fn subject(&self, setup: &Setup) -> Box<dyn Subject> {
        // TODO(loopback subject)
        super::sip::Sip.subject(setup)
    }

    fn installation(&self) -> Box<dyn Installed> {
        super::items::stored("loopback")
    }
}

/// Runs every fault against its item, and says which do not bite.
pub fn mutants(_only: &[u8], _tell: impl FnMut(String)) -> ExitCode {
    ExitCode::FAILURE
}
