//! Calls that are dialled step by step: off-hook with a dialtone, digits one after another, and then the INVITE (spec 2.5).

use crate::call::Ask;
use crate::core::Core;
use crate::dial::{self, Dialled};
use hookswitch_machine::Time;
use hookswitch_spi::{
    CallId, CallState, Completion, Disconnect, DisconnectMode, EndedBy, OperationError, Outcome,
};

impl Core {
    /// A call that a request created comes into being: the request completes, and then it goes off-hook, or is dialled.
    pub(crate) fn begin(&mut self, now: Time, id: CallId, completion: Option<Completion>) {
        let Some(call) = self.calls.get_mut(id) else {
            self.complete(completion, Err(OperationError::CallEnded));
            return;
        };
        call.embryo = false;
        call.state = CallState::Unknown;
        let line = call.line;
        let (text, placing) = {
            let extra = call.extra();
            (std::mem::take(&mut extra.dialled), extra.placing.clone())
        };
        self.complete(completion, Ok(Outcome::Call(id)));
        self.recount(id);
        let domain = self.line(line).map(|line| line.account.domain.clone()).unwrap_or_default();
        match dial::dialled(&text, &domain) {
            Ok(Dialled::Nothing) if self.line(line).is_some_and(|line| line.is_in_service()) => {
                self.enter(id, CallState::Dialtone);
            }
            Ok(Dialled::Nothing) => {
                let why = "the line is not registered";
                let end = Disconnect::new(DisconnectMode::NoDialtone, EndedBy::Network, why);
                self.enter(id, CallState::Disconnected(end));
            }
            Ok(Dialled::Part) => {
                if let Some(call) = self.calls.get_mut(id) {
                    call.extra().dialled = dial::part(&text).0.to_owned();
                }
                self.enter(id, CallState::Dialing);
            }
            Ok(Dialled::Whole(uri)) => match self.place(now, id, uri, &placing) {
                Ok(()) => {
                    self.enter(id, CallState::Dialing);
                    self.enter(id, CallState::Proceeding);
                }
                Err(error) => self.not_placed(id, &error),
            },
            Err(error) => self.not_placed(id, &error),
        }
    }

    /// A call that exists for applications could not be sent.
    fn not_placed(&mut self, id: CallId, error: &OperationError) {
        let mode = match error {
            OperationError::ResourceUnavailable(_) => DisconnectMode::Congestion,
            OperationError::InvalidAddress { .. } => DisconnectMode::BadAddress,
            _ => DisconnectMode::Unreachable,
        };
        let end = Disconnect::new(mode, EndedBy::Us, error.to_string());
        self.stop_stream(id);
        self.enter(id, CallState::Disconnected(end));
    }

    /// More digits (lineDial). The request completes when the address is taken: at once, or with the INVITE that it is sent in.
    pub(crate) fn dial(
        &mut self,
        now: Time,
        ask: &mut Ask,
        id: CallId,
        digits: &str,
    ) -> Result<(), OperationError> {
        let call = self.calls.get(id).ok_or(OperationError::NoSuchCall(id))?;
        let line = self.line(call.line).ok_or(OperationError::Closed)?;
        let known = call.extra.as_ref().map_or("", |extra| extra.dialled.as_str());
        let whole = format!("{known}{}", digits.trim());
        match dial::dialled(&whole, &line.account.domain)? {
            Dialled::Nothing => Err(OperationError::InvalidAddress {
                address: String::new(),
                why: "nothing was dialled; send digits first, or drop the call".into(),
            }),
            Dialled::Part => {
                if let Some(call) = self.calls.get_mut(id) {
                    call.extra().dialled = dial::part(&whole).0.to_owned();
                }
                self.done(ask, Outcome::Done);
                self.enter(id, CallState::Dialing);
                Ok(())
            }
            Dialled::Whole(uri) => {
                if !line.is_in_service() {
                    return Err(OperationError::OutOfService("the line was lost while dialling".into()));
                }
                let placing = call.extra.as_ref().map(|extra| extra.placing.clone()).unwrap_or_default();
                self.place(now, id, uri, &placing)?;
                self.done(ask, Outcome::Done);
                self.enter(id, CallState::Dialing);
                self.enter(id, CallState::Proceeding);
                Ok(())
            }
        }
    }
}
