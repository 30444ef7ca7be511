//! A line that an application has taken out of service makes no calls and offers none, says so, and is as before when it is back.

use super::Observer;
use hookswitch_machine::Time;
use hookswitch_spi::{CallId, CallInfo, LineId, LineState, Operation, OperationError, Reason};
use hookswitch_telephony::{Event, Reply, Request, RequestError, SessionId};
use std::collections::BTreeMap;

/// Lines that applications have taken out of service.
#[derive(Debug, Default)]
pub(super) struct Service {
    /// Since when.
    off: BTreeMap<LineId, Time>,
    /// Calls that came to such a line, and since when it was out of service: those that were called before may come still.
    came: Vec<(CallId, Time)>,
}

/// Whether it brings a call into being that goes anywhere: one that is only off-hook ends without a dialtone.
fn creates(operation: &Operation) -> bool {
    match operation {
        Operation::MakeCall { destination, .. } => !destination.is_empty(),
        Operation::SetupTransfer { .. }
        | Operation::PrepareAddToConference { .. }
        | Operation::Unpark { .. }
        | Operation::Pickup { .. } => true,
        _ => false,
    }
}

impl Observer {
    /// Whether a request is about a line that was taken out of service.
    pub(super) fn is_off(&self, session: SessionId, request: &Request) -> bool {
        let Request::Operate(operation) = request else { return false };
        self.line_of(session, operation).is_some_and(|line| self.service.off.contains_key(&line))
    }

    /// A request was answered; `off`: its line was out of service by request when it was asked.
    pub(super) fn served(
        &mut self,
        now: Time,
        session: SessionId,
        request: &Request,
        off: bool,
        how: Result<&Result<Reply, RequestError>, &RequestError>,
    ) {
        if let (Request::Operate(Operation::SetService { line, on }), Ok(Ok(_))) = (request, how) {
            if *on {
                self.service.off.remove(line);
            } else {
                self.service.off.entry(*line).or_insert(now);
            }
        }
        // Nobody has it open any more: it begins anew.
        let Self { openings, service, .. } = self;
        service.off.retain(|line, _| openings.is_open(*line));
        let Request::Operate(operation) = request else { return };
        let taken_out = |error: &RequestError| {
            let RequestError::Operation(OperationError::OutOfService(why)) = error else { return false };
            why.starts_with("taken out")
        };
        let text = match how {
            Ok(Ok(_)) if off && creates(operation) => {
                Some(format!("{session}: {} on a line that was taken out of service", operation.name()))
            }
            Err(error) if !off && taken_out(error) => Some(format!(
                "{session}: {} was refused, though its line is back in service",
                operation.name()
            )),
            _ => None,
        };
        if let Some(text) = text {
            self.breach(now, text);
        }
    }

    /// A call came to a line.
    pub(super) fn comes(&mut self, now: Time, line: LineId, call: CallId, info: &CallInfo) {
        let Some(since) = self.service.off.get(&line).copied() else { return };
        if self.calls.contains(&call) {
            return;
        }
        if info.reason == Reason::CallCompletion {
            return self
                .breach(now, format!("{call} completes another one on {line}, which is out of service"));
        }
        self.service.came.push((call, since));
    }

    /// News of a line.
    pub(super) fn told_of_service(&mut self, now: Time, session: SessionId, event: &Event) {
        if let Event::LineState { line, state: LineState::InService } = event
            && self.service.off.contains_key(line)
        {
            self.breach(now, format!("{session} hears that {line} is in service, which was taken out of it"));
        }
    }

    /// Nothing is on its way between the engine and its sessions: lines are where they were put.
    pub fn rest_of_lines(&mut self, now: Time, state_of: impl Fn(LineId) -> Option<LineState>) {
        let wrong = self.service.off.keys().find(|line| state_of(**line) == Some(LineState::InService));
        if let Some(line) = wrong.copied() {
            self.breach(now, format!("{line} was taken out of service, and is in service"));
        }
    }

    /// Calls that came to a line that was out of service by request, and since when it was.
    pub fn came_while_off(&self) -> &[(CallId, Time)] {
        &self.service.came
    }
}
