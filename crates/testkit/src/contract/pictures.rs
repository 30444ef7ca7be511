//! What is said twice is said alike: by status and refusal, by events and pictures, by events and what is, by what is told and what
//! was advertised, before a loss and after it.

use super::{Asked, Observer};
use hookswitch_machine::Time;
use hookswitch_spi::{CallId, CallState, LineId, OperationError, StateKind, StatusKind};
use hookswitch_telephony::{
    AppRequestId, CallSnapshot, Event, Reply, Request, RequestError, SessionId, SnapshotPart,
};
use std::collections::BTreeMap;

impl Observer {
    /// What a call can be asked is what its status says.
    pub(super) fn kept(
        &mut self,
        now: Time,
        session: SessionId,
        request: &Request,
        possible: Option<bool>,
        how: Result<&Result<Reply, RequestError>, &RequestError>,
    ) {
        let Request::Operate(operation) = request else { return };
        let name = operation.name();
        if how.is_ok() {
            *self.accepted.entry(name).or_default() += 1;
        }
        let line = self.line_of(session, operation);
        if how.is_ok()
            && let Some(line) = line
            && let Some(text) = self.table.feature(line, operation)
        {
            self.breach(now, text);
        }
        let text = match (how, possible) {
            (Ok(_), Some(false)) => {
                format!("{session}: {name} was accepted, though its status says it is impossible")
            }
            (Err(RequestError::Operation(OperationError::InvalidCallState { state, .. })), Some(true))
                if operation.other_call().is_none() =>
            {
                format!("{session}: {name} was refused while {state}, though its status says it is possible")
            }
            (Ok(_) | Err(_), _) => return,
        };
        self.breach(now, text);
    }

    /// What is told was advertised.
    pub(super) fn told(&mut self, now: Time, session: SessionId, event: &Event) {
        if self.old.contains(&session) {
            return;
        }
        let line = |call: &CallId| self.seen.get(&(session, *call)).and_then(|seen| seen.line);
        let table = &self.table;
        let status = |line: &LineId, kind| table.status(*line, kind);
        let text = match event {
            Event::NewCall { line, info, .. } => table.info(*line, info),
            Event::CallState { call, state, .. } => line(call).and_then(|line| table.state(line, state)),
            Event::CallInfo { call, changed } => line(call).and_then(|line| table.parts(line, *changed)),
            Event::LineState { line, .. } => status(line, StatusKind::Service),
            Event::Ringing { line, .. } => status(line, StatusKind::Ringing),
            Event::MessageWaiting { line, .. } => status(line, StatusKind::MessageWaiting),
            Event::CallCount { line, .. } => status(line, StatusKind::CallCount),
            Event::Forwarding { line, .. } => status(line, StatusKind::Forwarding),
            Event::CompletionEnded { line, .. } => status(line, StatusKind::Completions),
            Event::CapabilitiesChanged { line } => status(line, StatusKind::Capabilities),
            _ => None,
        };
        if let Some(text) = text {
            self.breach(now, text);
        }
    }

    /// A picture shows what the session was told.
    pub(super) fn pictured(&mut self, now: Time, session: SessionId, part: &SnapshotPart) {
        match part {
            SnapshotPart::Begin { .. } => {
                self.pictures.insert(session, Vec::new());
            }
            SnapshotPart::Line(line) => {
                if !self.openings.has(session, line.line) {
                    self.breach(now, format!("a picture shows {}, which {session} has not open", line.line));
                }
            }
            SnapshotPart::Call(call) => {
                self.pictures.entry(session).or_default().push((**call).clone());
            }
            SnapshotPart::End { .. } => {
                let calls = self.pictures.remove(&session).unwrap_or_default();
                self.compare(now, session, &calls, "a picture");
            }
        }
    }

    pub(super) fn compare(&mut self, now: Time, session: SessionId, calls: &[CallSnapshot], what: &str) {
        let known = self.seen.iter().filter(|((of, _), seen)| *of == session && !seen.dropped);
        let known: BTreeMap<CallId, Option<CallState>> =
            known.map(|((_, call), seen)| (*call, seen.state.clone())).collect();
        let mut texts = Vec::new();
        for shown in calls {
            match known.get(&shown.call) {
                Some(Some(state)) if *state != shown.state => {
                    texts.push(format!("{what} shows {} {}, not {state}", shown.call, shown.state));
                }
                Some(_) => {}
                None => texts.push(format!("{what} shows {}, which {session} does not know", shown.call)),
            }
        }
        for call in known.keys().filter(|call| !calls.iter().any(|shown| shown.call == **call)) {
            texts.push(format!("{what} does not show {call}, which {session} knows"));
        }
        for text in texts {
            self.breach(now, text);
        }
    }

    /// A lost session has come back, as another: what it had is what it finds.
    pub(super) fn came_back(
        &mut self,
        now: Time,
        lost: SessionId,
        session: SessionId,
        calls: &[CallSnapshot],
    ) {
        // Handles that were dropped in the moment of the loss are kept.
        for shown in calls {
            if let Some(seen) = self.seen.get_mut(&(lost, shown.call)) {
                seen.dropped = false;
            }
        }
        if self.old.remove(&lost) {
            self.old.insert(session);
        }
        self.compare(now, lost, calls, "what came back");
        let outstanding: Vec<AppRequestId> = self
            .requests
            .iter()
            .filter(|((of, _), asked)| *of == lost && matches!(asked, Asked::Open(_)))
            .map(|((_, id), _)| *id)
            .collect();
        for id in outstanding {
            if let Some(asked) = self.requests.remove(&(lost, id)) {
                self.requests.insert((session, id), asked);
            }
        }
        self.seen.retain(|(of, _), _| *of != lost);
        for owners in self.owners.values_mut() {
            if owners.remove(&lost) {
                owners.insert(session);
            }
        }
        self.selected.renamed(lost, session);
        self.openings.gone(lost);
    }

    /// Nothing is on its way between the engine and its sessions: what they were told last is what is.
    pub fn rest(&mut self, now: Time, state_of: impl Fn(CallId) -> Option<CallState>) {
        let mut texts = Vec::new();
        for ((session, call), seen) in &self.seen {
            let Some(told) = &seen.state else { continue };
            if seen.dropped || self.old.contains(session) {
                continue;
            }
            match state_of(*call) {
                None => texts.push(format!("{call} is gone, but {session} has a handle to it")),
                Some(state) if state != *told => {
                    texts.push(format!("{call} is {state}, but {session} was told that it is {told}"));
                }
                Some(CallState::Conferenced(conference)) => {
                    let conference_state = state_of(conference);
                    let over = conference_state.as_ref().is_none_or(|state| {
                        matches!(state.kind(), StateKind::Disconnected | StateKind::Idle)
                    });
                    if over {
                        texts.push(format!(
                            "{call} is conferenced in {conference}, which is {conference_state:?}"
                        ));
                    }
                }
                Some(_) => {}
            }
        }
        for text in texts {
            if !self.violations.iter().any(|known| known.ends_with(&text)) {
                self.breach(now, text);
            }
        }
    }
}
