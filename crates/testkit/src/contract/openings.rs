//! Which lines sessions have open: of others they hear nothing.

use hookswitch_spi::LineId;
use hookswitch_telephony::{Event, OpenLine, Request, SessionId};
use std::collections::{BTreeMap, BTreeSet};

/// What sessions have open, and who is gone.
#[derive(Debug, Default)]
pub(super) struct Openings {
    /// How often. News may come before an opening is answered, so that it counts from when it was asked for.
    open: BTreeMap<(SessionId, LineId), u32>,
    gone: BTreeSet<SessionId>,
}

impl Openings {
    pub(super) fn asked(&mut self, session: SessionId, request: &Request) {
        if let Request::OpenLine { line, .. } = request {
            *self.open.entry((session, *line)).or_default() += 1;
        }
    }

    pub(super) fn answered(&mut self, session: SessionId, request: &Request, done: bool) {
        match request {
            Request::OpenLine { line, .. } if !done => self.take(session, *line),
            Request::CloseOpen { line, .. } if done => self.take(session, *line),
            Request::CloseLine { line } if done => self.closed(session, *line),
            Request::Detach if done => self.gone(session),
            _ => {}
        }
    }

    fn take(&mut self, session: SessionId, line: LineId) {
        if let Some(opens) = self.open.get_mut(&(session, line)) {
            *opens = opens.saturating_sub(1);
        }
    }

    /// A session is there, with these openings.
    pub(super) fn attached(&mut self, session: SessionId, lines: &[OpenLine]) {
        self.gone.remove(&session);
        self.open.retain(|(of, _), _| *of != session);
        for open in lines {
            *self.open.entry((session, open.line)).or_default() += 1;
        }
    }

    pub(super) fn closed(&mut self, session: SessionId, line: LineId) {
        self.open.remove(&(session, line));
    }

    /// A session is over: nothing follows.
    pub(super) fn gone(&mut self, session: SessionId) {
        self.open.retain(|(of, _), _| *of != session);
        self.gone.insert(session);
    }

    /// Whether any session has a line open.
    pub(super) fn is_open(&self, line: LineId) -> bool {
        self.open.iter().any(|((_, of), opens)| *of == line && *opens > 0)
    }

    pub(super) fn has(&self, session: SessionId, line: LineId) -> bool {
        self.open.get(&(session, line)).is_some_and(|opens| *opens > 0)
    }

    /// Whether a session may not hear this, and why.
    pub(super) fn unheard(&self, session: SessionId, event: &Event) -> Option<String> {
        let line = match event {
            Event::Refused { .. } => return None,
            Event::Completed { .. } => None,
            Event::NewCall { line, .. }
            | Event::LineState { line, .. }
            | Event::LineOpens { line, .. }
            | Event::Ringing { line, .. }
            | Event::MessageWaiting { line, .. }
            | Event::CallCount { line, .. }
            | Event::CompletionEnded { line, .. }
            | Event::CapabilitiesChanged { line }
            | Event::Extension { line, .. }
            | Event::Forwarding { line, .. } => Some(*line),
            _ => None,
        };
        if self.gone.contains(&session) {
            return Some(format!("{session} is over and hears {event:?}"));
        }
        line.filter(|line| !self.has(session, *line))
            .map(|line| format!("{session} hears of {line}, which it has not open: {event:?}"))
    }
}
