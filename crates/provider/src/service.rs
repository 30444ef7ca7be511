//! Lines that an application takes out of service, and back into it (lineSetLineDevStatus): the account un-registers, calls are
//! neither made nor offered, and those that are up go on.

use crate::call::Ask;
use crate::core::Core;
use hookswitch_machine::Time;
use hookswitch_sip::registration::Input;
use hookswitch_spi::{LineId, OperationError, Outcome};

impl Core {
    /// The request completes at once; that the line is in service again is told when the registrar has said so.
    pub(crate) fn set_service(
        &mut self,
        now: Time,
        ask: &mut Ask,
        id: LineId,
        on: bool,
    ) -> Result<(), OperationError> {
        let line = self.line_mut(id).ok_or(OperationError::NoSuchLine(id))?;
        let open = line.open.as_mut().ok_or(OperationError::NoSuchLine(id))?;
        let differs = std::mem::replace(&mut open.off, !on) == on;
        let registers = open.registration.is_some();
        self.done(ask, Outcome::Done);
        if !differs {
            return Ok(());
        }
        match (on, registers) {
            (true, true) => {
                self.serve(id, false, None, "registering with the switch");
                self.register(now, id, Input::Start);
            }
            (true, false) => self.serve(id, true, None, ""),
            (false, _) => {
                self.serve(id, false, None, "");
                self.register(now, id, Input::Stop);
            }
        }
        Ok(())
    }
}
