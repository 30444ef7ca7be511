//! A line's extension: what only lines of its kind have (TAPI: lineDevSpecific).

use crate::application::Line;
use crate::{Call, Error};
use hookswitch_spi::{ExtensionAnswer, ExtensionCommand, ExtensionVersion, Operation};
use hookswitch_telephony::{Reply, Request};

impl Line {
    /// Which version of the line's extension, from `oldest` to `newest`, could be selected now (lineNegotiateExtVersion).
    pub async fn negotiate_extension(
        &self,
        oldest: ExtensionVersion,
        newest: ExtensionVersion,
    ) -> Result<ExtensionVersion, Error> {
        let what = Request::NegotiateExtension { line: self.id(), offered: (oldest, newest) };
        match self.session().request(what).await? {
            Reply::ExtensionVersion(version) => Ok(version),
            _ => Err(Error::Stopped),
        }
    }

    /// Selects a version of the line's extension; [`ExtensionVersion::NONE`] lets go of it. While any application has one
    /// selected, others can only select the same. Without, commands are refused and its events not heard.
    pub async fn select_extension(&self, version: ExtensionVersion) -> Result<(), Error> {
        self.session().request(Request::SelectExtension { line: self.id(), version }).await.map(drop)
    }

    /// A command of the extension about the line, or about one of its calls.
    pub async fn extension(
        &self,
        call: Option<&Call>,
        command: ExtensionCommand,
    ) -> Result<ExtensionAnswer, Error> {
        let call = call.map(Call::id);
        match self.operate(Operation::Extension { line: self.id(), call, command }).await? {
            Reply::Extension(answer) => Ok(answer),
            _ => Ok(ExtensionAnswer::Done),
        }
    }
}
