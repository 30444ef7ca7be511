//! What applications may expect, checked event by event.
//!
//! An [`Observer`] sees everything that sessions ask and hear, and notes every breach of the contract between applications
//! and telephony: requests refused at once or completed exactly once, no event of a call before the session knows it, states
//! that follow the tables, ends that say how and by whom, operations possible exactly where they are advertised.

//!
//! `states` says which states follow which, `table` holds what lines advertise, `openings` which lines sessions have open,
//! `arranged` what was arranged with the switch, `extension` who has selected it, `service` which lines were taken out of service,
//! `kinds` names requests, `pictures` compares what is told in different ways.

mod arranged;
mod extension;
mod kinds;
mod openings;
mod pictures;
mod service;
mod states;
mod table;

pub use kinds::kinds;
pub use states::successors;

use arranged::Arrangements;
use extension::Selected;
use hookswitch_machine::Time;
use hookswitch_spi::{
    CallId, CallState, Capabilities, Feature, LineId, Operation, OperationError, StateKind,
};
use hookswitch_telephony::{
    AppRequestId, CallSnapshot, Event, HandOffTarget, Privilege, Reply, Request, RequestError, SessionId,
    Unowned,
};
use openings::Openings;
use service::Service;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use table::Table;

/// What became of a request.
#[derive(Debug)]
enum Asked {
    Open(Box<Pending>),
    Answered,
}

/// A request that is not answered yet, and how things were when it was asked.
#[derive(Debug)]
struct Pending {
    request: Request,
    state: Option<StateKind>,
    possible: Option<bool>,
    /// What it needs of the line's extension was selected.
    selected: Option<bool>,
    /// Its line was out of service by request.
    off: bool,
    since: Time,
}

/// A request that took longer than most may.
#[derive(Clone, Debug)]
pub struct Slow {
    /// The call it was about, if it was about one.
    pub call: Option<CallId>,
    /// How long it took.
    pub took: Duration,
    /// What to say of it.
    pub text: String,
}

/// A call as one session has heard of it.
#[derive(Debug)]
struct Seen {
    line: Option<LineId>,
    state: Option<CallState>,
    /// NewCall came; its state has to follow.
    fresh: bool,
    /// The handle was dropped without a word: it ends silently.
    dropped: bool,
}

/// Longer than this nothing takes that is bounded by transactions (64·T1 each), a second try with credentials, and the deadlines
/// that scenarios give.
const LONGEST: Duration = Duration::from_secs(100);

/// Watches one shard's sessions.
#[derive(Debug, Default)]
pub struct Observer {
    requests: BTreeMap<(SessionId, AppRequestId), Asked>,
    seen: BTreeMap<(SessionId, CallId), Seen>,
    owners: BTreeMap<CallId, BTreeSet<SessionId>>,
    /// Ownership was moved on purpose.
    moved: BTreeSet<CallId>,
    /// Somebody asked for the end, so that idle may come without disconnected.
    ended_on_purpose: BTreeSet<CallId>,
    /// The two calls of each transfer that was prepared.
    partners: BTreeMap<CallId, CallId>,
    /// The conferences that calls were members of last.
    members: BTreeMap<CallId, CallId>,
    /// Sessions that speak the version before the first: what they hear is not what is.
    old: BTreeSet<SessionId>,
    arrangements: Arrangements,
    selected: Selected,
    service: Service,
    /// Pictures that have begun and not ended.
    pictures: BTreeMap<SessionId, Vec<CallSnapshot>>,
    table: Table,
    openings: Openings,
    /// Calls without an owner may end by the operator's will.
    unowned_end: bool,
    slow: Vec<Slow>,
    accepted: BTreeMap<&'static str, usize>,
    calls: BTreeSet<CallId>,
    violations: Vec<String>,
}

impl Observer {
    /// An observer that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// What becomes of calls without an owner.
    pub fn policy(&mut self, unowned: Unowned) {
        self.unowned_end = unowned != Unowned::Leave;
    }

    /// There is a line that can do this.
    pub fn line(&mut self, line: LineId, able: Option<Capabilities>) {
        self.table.line(line, able);
    }

    /// Breaches seen so far.
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// Requests that took longer than transactions and deadlines explain.
    pub fn slow(&self) -> &[Slow] {
        &self.slow
    }

    /// How many calls any session has heard of.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// How often each operation was accepted.
    pub fn accepted(&self) -> impl Iterator<Item = (&'static str, usize)> {
        self.accepted.iter().map(|(name, times)| (*name, *times))
    }

    /// Their names.
    pub fn call_ids(&self) -> impl Iterator<Item = CallId> {
        self.calls.iter().copied()
    }

    fn breach(&mut self, now: Time, text: String) {
        self.violations.push(format!("at {now:?}: {text}"));
    }

    /// A session asks for something; call before the machine is given it. `possible`: what the provider says of it now, if it is about
    /// a call.
    pub fn asked(
        &mut self,
        now: Time,
        session: SessionId,
        id: AppRequestId,
        request: &Request,
        possible: Option<bool>,
    ) {
        self.openings.asked(session, request);
        let state = call_of(request)
            .and_then(|call| self.seen.get(&(session, call)))
            .and_then(|seen| Some(seen.state.as_ref()?.kind()));
        match request {
            Request::HandOff { call, to } => match to {
                HandOffTarget::Address(_) => {
                    self.ended_on_purpose.insert(*call);
                }
                HandOffTarget::Application(_) | HandOffTarget::Media(_) => {
                    self.moved.insert(*call);
                }
            },
            Request::TakeOwnership { call } => {
                self.moved.insert(*call);
            }
            Request::Operate(
                Operation::Drop { call, .. }
                | Operation::Redirect { call, .. }
                | Operation::BlindTransfer { call, .. }
                | Operation::Park { call, .. }
                | Operation::CompleteCall { call, .. },
            ) => {
                self.ended_on_purpose.insert(*call);
                self.disbands(*call);
            }
            Request::Operate(Operation::CompleteTransfer { call, consult, .. }) => {
                self.ended_on_purpose.extend([*call, *consult]);
            }
            Request::Operate(Operation::Retrieve { call }) => {
                self.ended_on_purpose.extend(self.partners.get(call).copied());
            }
            Request::Detach | Request::Lost | Request::CloseLine { .. } | Request::CloseOpen { .. } => {
                let calls: Vec<CallId> =
                    self.seen.keys().filter(|(of, _)| *of == session).map(|(_, call)| *call).collect();
                self.moved.extend(&calls);
                self.ended_on_purpose.extend(calls);
            }
            Request::Attach { .. }
            | Request::OpenLine { .. }
            | Request::Operate(_)
            | Request::Monitor { .. }
            | Request::Release { .. }
            | Request::LetGo { .. }
            | Request::ExistingCalls { .. }
            | Request::ConferenceCalls { .. }
            | Request::SetStatusMessages { .. }
            | Request::SetPriority { .. }
            | Request::SetRecipientPriority { .. }
            | Request::RegisterRecipient { .. }
            | Request::TakeRequest
            | Request::RequestCall { .. }
            | Request::Lines
            | Request::Capabilities { .. }
            | Request::Forwarding { .. }
            | Request::DeviceConfig { .. }
            | Request::SetDeviceConfig { .. }
            | Request::LineStatus { .. }
            | Request::AddressStatus { .. }
            | Request::AddressId { .. }
            | Request::CouldDetect { .. }
            | Request::NegotiateExtension { .. }
            | Request::SelectExtension { .. }
            | Request::CallInfo { .. }
            | Request::Timeline { .. }
            | Request::Snapshot => {}
        }
        if let Request::Release { call } | Request::LetGo { call } = request {
            self.moved.insert(*call);
            // Without an owner, a call that has no other side is dropped.
            self.ended_on_purpose.insert(*call);
            self.disbands(*call);
        }
        if matches!(request, Request::Lost) {
            // It has no answer; what was asked before is answered until the session is given up.
            return;
        }
        let before = self.requests.insert(
            (session, id),
            Asked::Open(Box::new(Pending {
                request: request.clone(),
                state,
                possible,
                selected: self.is_selected(session, request),
                off: self.is_off(session, request),
                since: now,
            })),
        );
        if before.is_some() {
            self.breach(now, format!("{session} used request number {} twice", id.0));
        }
    }

    /// The line that an operation is about.
    fn line_of(&self, session: SessionId, operation: &Operation) -> Option<LineId> {
        let of_call = |call| self.seen.get(&(session, call)).and_then(|seen| seen.line);
        operation.line().or_else(|| of_call(operation.call()?))
    }

    /// Somebody wants this call to end; if it is a conference, its members end with it.
    fn disbands(&mut self, conference: CallId) {
        let members = self.members.iter().filter(|(_, of)| **of == conference);
        self.ended_on_purpose.extend(members.map(|(member, _)| *member));
    }

    /// A session hears something.
    pub fn heard(&mut self, now: Time, session: SessionId, event: &Event) {
        if let Some(text) = self.openings.unheard(session, event) {
            self.breach(now, text);
        }
        self.told(now, session, event);
        self.told_of_arrangements(now, session, event);
        self.told_by_extension(now, session, event);
        self.told_of_service(now, session, event);
        match event {
            Event::Completed { request, result } => self.answered(now, session, *request, Ok(result)),
            Event::Refused { request, error } => self.answered(now, session, *request, Err(error)),
            Event::NewCall { line, call, privilege, info, .. } => {
                self.comes(now, *line, *call, info);
                self.completes(now, *line, *call, info);
                self.new_call(now, session, *line, *call, *privilege);
            }
            Event::CallState { call, state, privilege } => {
                self.entered(now, session, *call, state, *privilege);
            }
            Event::CallInfo { call, .. }
            | Event::DigitBegun { call, .. }
            | Event::Digit { call, .. }
            | Event::Tone { call, .. }
            | Event::Media { call, .. }
            | Event::Played { call }
            | Event::MediaFailed { call, .. } => self.about(now, session, *call, event),
            Event::Owners { call, .. } => {
                if !self.seen.contains_key(&(session, *call)) {
                    self.breach(now, format!("{session} hears who owns {call}, which it does not know"));
                }
            }
            Event::CallForgotten { call } => {
                self.seen.remove(&(session, *call));
            }
            Event::LineClosed { line } => {
                self.openings.closed(session, *line);
                self.selected.leaves(session, *line);
                self.seen.retain(|(of, _), seen| *of != session || seen.line != Some(*line));
            }
            Event::Snapshot(part) => self.pictured(now, session, part),
            Event::GivenUp => {
                self.openings.gone(session);
                self.selected.gone(session);
                self.seen.retain(|(of, _), _| *of != session);
                self.requests.retain(|(of, _), asked| *of != session || matches!(asked, Asked::Answered));
            }
            Event::RequestWaiting
            | Event::LineState { .. }
            | Event::LineOpens { .. }
            | Event::Ringing { .. }
            | Event::MessageWaiting { .. }
            | Event::CallCount { .. }
            | Event::CompletionEnded { .. }
            | Event::CapabilitiesChanged { .. }
            | Event::Extension { .. }
            | Event::Reinitialise { .. }
            | Event::Forwarding { .. }
            | Event::LineCreated { .. }
            | Event::LineRemoved { .. } => {}
        }
    }

    fn answered(
        &mut self,
        now: Time,
        session: SessionId,
        id: AppRequestId,
        how: Result<&Result<Reply, RequestError>, &RequestError>,
    ) {
        let Pending { request, state, possible, selected, off, .. } =
            match self.requests.insert((session, id), Asked::Answered) {
                Some(Asked::Open(pending)) => {
                    let Pending { request, since, .. } = &*pending;
                    let since = *since;
                    let lasts = matches!(
                        request,
                        Request::Operate(
                            Operation::GatherDigits { .. }
                                | Operation::SendDigits { .. }
                                | Operation::SendTone { .. }
                        )
                    );
                    let took = now.since(since);
                    if took > LONGEST && !lasts {
                        let text = format!("at {now:?}: {request:?} of {session} took {took:?}");
                        self.slow.push(Slow { call: call_of(request), took, text });
                    }
                    *pending
                }
                Some(Asked::Answered) => {
                    return self.breach(now, format!("request {} of {session} was answered twice", id.0));
                }
                None => return self.breach(now, format!("{session} never asked request {}", id.0)),
            };
        self.openings.answered(session, &request, how.is_ok_and(Result::is_ok));
        self.sensible(now, session, &request, state, how.is_ok());
        self.kept(now, session, &request, possible, how);
        self.granted(now, session, &request, how);
        self.arranged(now, session, &request, how);
        self.extended(now, session, &request, selected, how);
        self.served(now, session, &request, off, how);
        if how.is_ok_and(Result::is_ok) && !matches!(request, Request::Operate(_)) {
            *self.accepted.entry(kinds::kind(&request)).or_default() += 1;
        }
        match how {
            Ok(Ok(Reply::Created(call))) => {
                if self.seen.contains_key(&(session, *call)) {
                    self.breach(now, format!("{call} was heard of before its creation completed"));
                }
                self.calls.insert(*call);
                let line = match &request {
                    Request::Operate(Operation::MakeCall { line, .. }) => Some(*line),
                    Request::Operate(Operation::SetupTransfer { call: held, .. }) => {
                        self.partners.insert(*held, *call);
                        self.partners.insert(*call, *held);
                        self.seen.get(&(session, *held)).and_then(|seen| seen.line)
                    }
                    Request::Operate(Operation::PrepareAddToConference { conference, .. }) => {
                        self.partners.insert(*conference, *call);
                        self.seen.get(&(session, *conference)).and_then(|seen| seen.line)
                    }
                    Request::Operate(operation) => operation.line(),
                    _ => None,
                };
                self.seen.insert((session, *call), Seen { line, state: None, fresh: false, dropped: false });
            }
            Ok(Ok(Reply::Conference { conference, consult })) => {
                let line = match &request {
                    Request::Operate(Operation::SetupConference { line, .. }) => Some(*line),
                    Request::Operate(Operation::CompleteTransfer { call, .. }) => {
                        self.seen.get(&(session, *call)).and_then(|seen| seen.line)
                    }
                    _ => None,
                };
                // It ends by itself when one member is left.
                self.ended_on_purpose.insert(*conference);
                self.partners.extend(consult.map(|consult| (*conference, consult)));
                for call in [Some(*conference), *consult].into_iter().flatten() {
                    if self.seen.contains_key(&(session, call)) {
                        self.breach(now, format!("{call} was heard of before its creation completed"));
                    }
                    self.calls.insert(call);
                    self.seen
                        .insert((session, call), Seen { line, state: None, fresh: false, dropped: false });
                }
            }
            Ok(Ok(Reply::Calls(calls) | Reply::Attached { calls, .. })) => {
                if let Ok(Ok(Reply::Attached { version, lines, .. })) = how {
                    if *version < hookswitch_spi::InterfaceVersion::V1 {
                        self.old.insert(session);
                    }
                    self.openings.attached(session, lines);
                }
                if let Request::Attach { resume: Some(lost), .. } = &request {
                    self.came_back(now, *lost, session, calls);
                }
                for snapshot in calls {
                    let line = snapshot.info.as_ref().map(|info| info.line);
                    let seen =
                        Seen { line, state: Some(snapshot.state.clone()), fresh: false, dropped: false };
                    self.calls.insert(snapshot.call);
                    self.seen.insert((session, snapshot.call), seen);
                }
            }
            Ok(Ok(_)) => match request {
                Request::Release { call } => {
                    self.seen.remove(&(session, call));
                }
                Request::CloseLine { line } => {
                    // Its handles there are given back.
                    self.seen.retain(|(of, _), seen| *of != session || seen.line != Some(line));
                }
                Request::CloseOpen { line, .. } if !self.openings.has(session, line) => {
                    self.seen.retain(|(of, _), seen| *of != session || seen.line != Some(line));
                }
                Request::LetGo { call } => {
                    let over =
                        |state: &CallState| matches!(state.kind(), StateKind::Disconnected | StateKind::Idle);
                    match self.seen.get_mut(&(session, call)) {
                        Some(seen) if seen.state.as_ref().is_some_and(over) => {
                            self.seen.remove(&(session, call));
                        }
                        Some(seen) => seen.dropped = true,
                        None => {}
                    }
                }
                Request::Detach => self.seen.retain(|(of, _), _| *of != session),
                _ => {}
            },
            Ok(Err(_)) | Err(_) => {}
        }
    }

    /// What is accepted makes sense in the state that the session knows.
    fn sensible(
        &mut self,
        now: Time,
        session: SessionId,
        request: &Request,
        state: Option<StateKind>,
        accepted: bool,
    ) {
        let (Request::Operate(operation), Some(state)) = (request, state) else { return };
        let states = Feature::of(operation).states();
        // What ended as busy can still be completed later, until it is dropped.
        let late = matches!(operation, Operation::CompleteCall { .. }) && state == StateKind::Disconnected;
        if accepted && !late && !states.is_empty() && !states.contains(&state) {
            self.breach(now, format!("{session}: {} was accepted while {state}", operation.name()));
        }
    }

    /// What cannot fail has not failed: a drop ends the call, whatever the other side does.
    fn granted(
        &mut self,
        now: Time,
        session: SessionId,
        request: &Request,
        how: Result<&Result<Reply, RequestError>, &RequestError>,
    ) {
        let Request::Operate(operation @ Operation::Drop { .. }) = request else { return };
        match how {
            Ok(Ok(_)) | Err(_) | Ok(Err(RequestError::Operation(OperationError::Closed))) => {}
            Ok(Err(error)) => {
                self.breach(now, format!("{session}: {} failed: {error}", operation.name()));
            }
        }
    }

    fn new_call(&mut self, now: Time, session: SessionId, line: LineId, call: CallId, privilege: Privilege) {
        self.calls.insert(call);
        let before = self
            .seen
            .insert((session, call), Seen { line: Some(line), state: None, fresh: true, dropped: false });
        if before.is_some_and(|before| !before.dropped) {
            self.breach(now, format!("{session} was told of {call} twice"));
        }
        self.owned(now, session, call, Some(privilege));
    }

    fn owned(&mut self, now: Time, session: SessionId, call: CallId, privilege: Option<Privilege>) {
        if privilege != Some(Privilege::Owner) {
            return;
        }
        let owners = self.owners.entry(call).or_default();
        owners.insert(session);
        if owners.len() > 1 && !self.moved.contains(&call) {
            self.breach(now, format!("{call} was offered to more than one owner"));
        }
    }

    fn entered(
        &mut self,
        now: Time,
        session: SessionId,
        call: CallId,
        state: &CallState,
        privilege: Option<Privilege>,
    ) {
        self.owned(now, session, call, privilege);
        if let CallState::Conferenced(of) = state {
            self.members.insert(call, *of);
        }
        let Some(seen) = self.seen.get_mut(&(session, call)) else {
            return self.breach(now, format!("{session} hears that {call} is {state}, but does not know it"));
        };
        let fresh = std::mem::take(&mut seen.fresh);
        let before = seen.state.replace(state.clone());
        match before {
            None if fresh && privilege.is_none() => {
                self.breach(now, format!("the first state of {call} names no privilege"));
            }
            None => {
                // A call of the session's own begins off-hook or with proceeding, one that was handed over anywhere. Without a
                // dialtone it ends at once.
                let first = [
                    StateKind::Dialtone,
                    StateKind::Dialing,
                    StateKind::Proceeding,
                    StateKind::OnHoldPendingConference,
                    StateKind::Disconnected,
                ];
                if !fresh && !first.contains(&state.kind()) {
                    self.breach(now, format!("{call}, made by {session}, begins as {state}"));
                }
            }
            Some(before) if privilege.is_some() && before == *state => {}
            Some(before) => {
                let old = self.old.contains(&session) && state.kind() == StateKind::Connected;
                if before == *state && !old {
                    self.breach(now, format!("{call} is {state} again"));
                } else if !successors(before.kind()).contains(&state.kind())
                    && !self.calls_back(call, &before, state)
                {
                    self.breach(now, format!("{call} went from {before} to {state}"));
                }
                let said = matches!(before, CallState::Disconnected(_));
                if *state == CallState::Idle
                    && !said
                    && !self.unowned_end
                    && !self.ended_on_purpose.contains(&call)
                {
                    self.breach(now, format!("{call} is idle, and nobody said why"));
                }
            }
        }
    }

    /// Whether a call goes on because its party is free: an offered one as one that is dialled, one that was not answered as it was
    /// at first.
    fn calls_back(&self, call: CallId, before: &CallState, state: &CallState) -> bool {
        let offered = matches!(before.kind(), StateKind::Offering | StateKind::Accepted);
        let calls_back = offered && state.kind() == StateKind::Dialing && self.arrangements.is_offered(call);
        let unreached = matches!(before.kind(), StateKind::Busy | StateKind::Ringback);
        let waits = unreached && state.kind() == StateKind::Proceeding && self.arrangements.waits(call);
        calls_back || waits
    }

    fn about(&mut self, now: Time, session: SessionId, call: CallId, event: &Event) {
        match self.seen.get(&(session, call)) {
            None => self.breach(now, format!("{session} hears of {call}, which it does not know: {event:?}")),
            Some(Seen { fresh: true, .. }) => {
                self.breach(now, format!("{event:?} came between the arrival of {call} and its state"));
            }
            Some(Seen { state: Some(CallState::Idle), .. }) => {
                self.breach(now, format!("{call} is idle, and still {event:?}"));
            }
            Some(_) => {}
        }
    }

    /// Everything is over: nothing may be outstanding.
    pub fn finish(&mut self, now: Time) {
        let open: Vec<String> = self
            .requests
            .iter()
            .filter_map(|((session, id), asked)| match asked {
                Asked::Open(pending) => {
                    let request = &pending.request;
                    Some(format!("request {} of {session} never completed: {request:?}", id.0))
                }
                Asked::Answered => None,
            })
            .collect();
        for text in open {
            self.breach(now, text);
        }
        let fresh: Vec<CallId> =
            self.seen.iter().filter(|(_, seen)| seen.fresh).map(|((_, call), _)| *call).collect();
        for call in fresh {
            self.breach(now, format!("{call} arrived and has no state"));
        }
    }
}

fn call_of(request: &Request) -> Option<CallId> {
    match request {
        Request::Operate(operation) => operation.call(),
        _ => None,
    }
}
