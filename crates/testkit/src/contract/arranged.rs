//! What is arranged with the switch comes about as it was arranged: call completions, and the lamp that says that messages wait.

use super::Observer;
use hookswitch_machine::Time;
use hookswitch_spi::{CallId, CallInfo, CompletionId, CompletionMode, LineId, Operation, Reason};
use hookswitch_telephony::{Event, Reply, Request, RequestError, SessionId};
use std::collections::{BTreeMap, BTreeSet};

/// A call completion, from the answer that named it.
#[derive(Debug)]
struct Arranged {
    /// The call whose completion it is.
    attempt: CallId,
    mode: CompletionMode,
    /// What became of it.
    over: Option<Over>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Offered(CallId),
    Cancelled,
    Ended,
}

/// What sessions have arranged, and which lamps they were told of.
#[derive(Debug, Default)]
pub(super) struct Arrangements {
    completions: BTreeMap<(LineId, CompletionId), Arranged>,
    /// Calls that came into being because their party is free: answering one calls it.
    offered: BTreeSet<CallId>,
    /// Calls that wait themselves until their party is free.
    waiting: BTreeSet<CallId>,
    lamps: BTreeMap<(SessionId, LineId), bool>,
}

impl Arrangements {
    /// Whether a call was made because its party is free.
    pub(super) fn is_offered(&self, call: CallId) -> bool {
        self.offered.contains(&call)
    }

    /// Whether a call waits, or has waited, for its party.
    pub(super) fn waits(&self, call: CallId) -> bool {
        self.waiting.contains(&call)
    }

    /// A session wants other news of a line than before: a lamp may change without it.
    pub(super) fn deaf(&mut self, session: SessionId) {
        self.lamps.retain(|(of, _), _| *of != session);
    }
}

impl Observer {
    /// Call completions that were arranged and have not come about.
    pub fn completions(&self) -> impl Iterator<Item = (LineId, CompletionId)> {
        let all = self.arrangements.completions.iter();
        all.filter(|(_, arranged)| arranged.over.is_none()).map(|(named, _)| *named)
    }

    /// Whether a call waits, or has waited, for its party.
    pub fn waits(&self, call: CallId) -> bool {
        self.arrangements.waits(call)
    }

    /// A request about a completion was answered.
    pub(super) fn arranged(
        &mut self,
        now: Time,
        session: SessionId,
        request: &Request,
        how: Result<&Result<Reply, RequestError>, &RequestError>,
    ) {
        let Ok(Ok(reply)) = how else { return };
        match (request, reply) {
            (Request::Operate(Operation::CompleteCall { call, mode }), Reply::Completion(completion)) => {
                let Some(line) = self.seen.get(&(session, *call)).and_then(|seen| seen.line) else { return };
                if *mode == CompletionMode::CampOn {
                    self.arrangements.waiting.insert(*call);
                }
                let arranged = Arranged { attempt: *call, mode: *mode, over: None };
                if self.arrangements.completions.insert((line, *completion), arranged).is_some() {
                    self.breach(now, format!("{completion} of {line} was arranged twice"));
                }
            }
            (Request::Operate(Operation::CompleteCall { .. }), _) => {
                self.breach(now, format!("{request:?} of {session} was answered by {reply:?}"));
            }
            (Request::Operate(Operation::UncompleteCall { line, completion }), _) => {
                self.over(now, *line, *completion, Over::Cancelled);
            }
            (Request::SetStatusMessages { .. } | Request::OpenLine { .. }, _) => {
                self.arrangements.deaf(session);
            }
            (Request::CloseOpen { .. } | Request::CloseLine { .. } | Request::Attach { .. }, _) => {
                self.arrangements.deaf(session);
            }
            _ => {}
        }
    }

    fn over(&mut self, now: Time, line: LineId, completion: CompletionId, how: Over) {
        let text = match self.arrangements.completions.get_mut(&(line, completion)) {
            None => format!("{completion} of {line} is {how:?}, and was never arranged"),
            Some(arranged) => match arranged.over.replace(how) {
                None => return,
                // Everybody who has the line open is told.
                Some(Over::Ended) if how == Over::Ended => return,
                Some(Over::Offered(call)) if how == Over::Offered(call) => return,
                Some(before) => format!("{completion} of {line} is {how:?} after it was {before:?}"),
            },
        };
        self.breach(now, text);
    }

    /// A call is new to a session: one that completes another was arranged.
    pub(super) fn completes(&mut self, now: Time, line: LineId, call: CallId, info: &CallInfo) {
        if info.reason != Reason::CallCompletion {
            return;
        }
        let Some(completion) = info.completion else {
            return self.breach(now, format!("{call} completes another one, but names no completion"));
        };
        self.arrangements.offered.insert(call);
        self.over(now, line, completion, Over::Offered(call));
        let arranged = self.arrangements.completions.get(&(line, completion));
        let waits = arranged.is_some_and(|arranged| arranged.mode == CompletionMode::CampOn);
        if waits && arranged.is_some_and(|arranged| arranged.attempt != call) {
            self.breach(now, format!("{call} is offered, though another call waits for its party"));
        }
    }

    /// News of what was arranged.
    pub(super) fn told_of_arrangements(&mut self, now: Time, session: SessionId, event: &Event) {
        if let Event::CompletionEnded { line, completion } = event {
            self.over(now, *line, *completion, Over::Ended);
        }
        if let Event::MessageWaiting { line, waiting, .. } = event
            && self.arrangements.lamps.insert((session, *line), *waiting) == Some(*waiting)
        {
            self.breach(now, format!("{session} was told twice that the lamp of {line} is {waiting}"));
        }
    }
}
