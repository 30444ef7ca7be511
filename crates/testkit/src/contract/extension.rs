//! Nothing of a line's extension without it: commands, header fields and news only for sessions that have selected a version that has
//! them, and one version for all.

use super::Observer;
use hookswitch_machine::Time;
use hookswitch_spi::{
    ExtensionEvent, ExtensionVersion, LineError, LineId, Operation, OperationError, SIP_EXTENSION,
};
use hookswitch_telephony::{Event, Reply, Request, RequestError, SessionId};
use std::collections::{BTreeMap, BTreeSet};

/// Which versions are in force, and who has selected them.
#[derive(Debug, Default)]
pub(super) struct Selected {
    lines: BTreeMap<LineId, (ExtensionVersion, BTreeSet<SessionId>)>,
}

impl Selected {
    fn version(&self, line: LineId) -> Option<ExtensionVersion> {
        self.lines.get(&line).map(|(version, _)| *version)
    }

    /// Whether a session has what is `since` a version.
    fn has(&self, session: SessionId, line: LineId, since: ExtensionVersion) -> bool {
        let in_force = self.lines.get(&line);
        in_force.is_some_and(|(version, users)| *version >= since && users.contains(&session))
    }

    /// Whether somebody but this session has it.
    fn others(&self, session: SessionId, line: LineId) -> bool {
        let in_force = self.lines.get(&line);
        in_force.is_some_and(|(_, users)| users.iter().any(|user| *user != session))
    }

    pub(super) fn leaves(&mut self, session: SessionId, line: LineId) {
        if let Some((_, users)) = self.lines.get_mut(&line) {
            users.remove(&session);
            if users.is_empty() {
                self.lines.remove(&line);
            }
        }
    }

    pub(super) fn gone(&mut self, session: SessionId) {
        let lines: Vec<LineId> = self.lines.keys().copied().collect();
        for line in lines {
            self.leaves(session, line);
        }
    }

    pub(super) fn renamed(&mut self, before: SessionId, now: SessionId) {
        for (_, users) in self.lines.values_mut() {
            if users.remove(&before) {
                users.insert(now);
            }
        }
    }
}

/// The version that has what an operation asks for, if that belongs to the extension.
fn needed(operation: &Operation) -> Option<ExtensionVersion> {
    let headers = match operation {
        Operation::Extension { command, .. } => return Some(command.since()),
        Operation::MakeCall { options, .. } => &options.headers,
        Operation::SetupTransfer { consult, .. }
        | Operation::SetupConference { consult, .. }
        | Operation::PrepareAddToConference { consult, .. } => &consult.call.headers,
        _ => return None,
    };
    (!headers.is_empty()).then_some(SIP_EXTENSION.low)
}

impl Observer {
    /// Whether what a request needs of the extension is selected, if it needs any of it.
    pub(super) fn is_selected(&self, session: SessionId, request: &Request) -> Option<bool> {
        let Request::Operate(operation) = request else { return None };
        let since = needed(operation)?;
        Some(self.selected.has(session, self.line_of(session, operation)?, since))
    }

    /// A request was answered; `selected`: whether what it needed was selected when it was asked.
    pub(super) fn extended(
        &mut self,
        now: Time,
        session: SessionId,
        request: &Request,
        selected: Option<bool>,
        how: Result<&Result<Reply, RequestError>, &RequestError>,
    ) {
        let refused = RequestError::Line(LineError::IncompatibleExtension);
        let incompatible = how == Err(&refused) || matches!(how, Ok(Err(error)) if *error == refused);
        let text = match (request, how) {
            (Request::Operate(operation), _) => self.operated(session, operation, selected, how),
            (Request::SelectExtension { line, version }, Ok(Ok(_))) => self.selects(session, *line, *version),
            (Request::SelectExtension { line, version }, _) if incompatible => {
                let known = (SIP_EXTENSION.low..=SIP_EXTENSION.high).contains(version);
                let free = !self.selected.others(session, *line);
                let same = self.selected.version(*line) == Some(*version);
                (known && (free || same))
                    .then(|| format!("{session} may not select {version:?} of {line}, which nothing forbids"))
            }
            (Request::NegotiateExtension { line, offered }, Ok(Ok(Reply::ExtensionVersion(version)))) => {
                let in_force = self.selected.version(*line).unwrap_or(*version);
                let sensible = (offered.0..=offered.1).contains(version) && in_force == *version;
                (!sensible).then(|| format!("{version:?} was negotiated for {line} with {offered:?}"))
            }
            _ => None,
        };
        if let Some(text) = text {
            self.breach(now, text);
        }
        match (request, how) {
            (Request::CloseLine { line }, Ok(Ok(_))) => self.selected.leaves(session, *line),
            (Request::CloseOpen { line, .. }, Ok(Ok(_))) if !self.openings.has(session, *line) => {
                self.selected.leaves(session, *line);
            }
            (Request::Detach, Ok(Ok(_))) => self.selected.gone(session),
            _ => {}
        }
    }

    fn operated(
        &self,
        session: SessionId,
        operation: &Operation,
        selected: Option<bool>,
        how: Result<&Result<Reply, RequestError>, &RequestError>,
    ) -> Option<String> {
        let not_selected = |error: &RequestError| {
            matches!(error, RequestError::Operation(OperationError::ExtensionNotSelected(_)))
        };
        let name = operation.name();
        match (selected, how) {
            (Some(false), Ok(_)) => {
                Some(format!("{session}: {name} was accepted, and the extension is not selected"))
            }
            (Some(true) | None, Err(error)) if not_selected(error) => {
                Some(format!("{session}: {name} was refused as if the extension were not selected"))
            }
            _ => None,
        }
    }

    fn selects(&mut self, session: SessionId, line: LineId, version: ExtensionVersion) -> Option<String> {
        if version == ExtensionVersion::NONE {
            self.selected.leaves(session, line);
            return None;
        }
        let others = self.selected.others(session, line);
        let in_force = self.selected.version(line);
        let known = (SIP_EXTENSION.low..=SIP_EXTENSION.high).contains(&version);
        let (now, users) = self.selected.lines.entry(line).or_insert((version, BTreeSet::new()));
        *now = version;
        users.insert(session);
        let clash = others && in_force.is_some_and(|before| before != version);
        (clash || !known).then(|| format!("{session} has selected {version:?} of {line} beside {in_force:?}"))
    }

    /// News that only the extension tells.
    pub(super) fn told_by_extension(&mut self, now: Time, session: SessionId, event: &Event) {
        let Event::Extension { line, event } = event else { return };
        let since = match event {
            ExtensionEvent::Received { .. } => ExtensionVersion(2),
            ExtensionEvent::Stream { .. } => ExtensionVersion(1),
        };
        if !self.selected.has(session, *line, since) {
            self.breach(now, format!("{session} hears {event:?} of {line}, and has not selected that"));
        }
    }
}
