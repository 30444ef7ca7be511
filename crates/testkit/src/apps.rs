//! Scripted applications: what a session does with the calls that it is given or makes.

use hookswitch_spi::{
    AddressId, CallId, CallState, CallTreatment, CompletionId, CompletionMode, ConsultOptions, DigitOptions,
    GatherOptions, LineId, Operation, Reason, RejectReason, StateKind, ToneOptions, TransferMode,
};
use hookswitch_telephony::{Event, HandOffTarget, Privilege, Reply, Request, SessionId};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Something an application does with a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Claims it.
    Accept,
    /// Connects it.
    Answer,
    /// Sends it elsewhere unanswered.
    Redirect(String),
    /// Ends or refuses it.
    Drop(RejectReason),
    /// Gives it to somebody else.
    HandOff(HandOffTarget),
    /// Holds it.
    Hold,
    /// Takes it back.
    Retrieve,
    /// Transfers it, and waits so long for the outcome.
    Transfer(String, Duration),
    /// Holds it and calls somebody about it.
    Consult(String),
    /// Joins it with the one it was consulted about, and waits so long for the outcome.
    Complete(Duration),
    /// Exchanges it, which is held, with the other one.
    Exchange,
    /// Begins a conference with it, and calls this party for it.
    Confer(String),
    /// Makes the other one a member of the conference that it is in.
    Admit,
    /// Joins it with the one it was consulted about, as a conference.
    Merge,
    /// Takes it out of its conference.
    Leave,
    /// Holds or takes back (`false`) the conference that it is in.
    HoldConference(bool),
    /// Ends the conference that it is in.
    Disband,
    /// Chooses what it hears while it waits.
    Treat(CallTreatment),
    /// Collects so many digits from it, each within two seconds.
    Gather(u16),
    /// Sends a tone for so long.
    Tone(Duration),
    /// Sends digits.
    Digits(String),
    /// Reads its figures.
    Statistics,
    /// Has it completed later.
    CompleteLater(CompletionMode),
    /// Gives its handle back.
    Release,
}

/// What an act may concern beside its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Around {
    /// The call's line.
    pub line: LineId,
    /// The other call of a consultation; the call itself if there is none.
    pub partner: CallId,
    /// The conference that came out of it; the call itself if there is none.
    pub conference: CallId,
}

impl Act {
    /// The request that it is.
    pub fn request(&self, call: CallId, around: Around) -> Request {
        let Around { line, partner, conference } = around;
        let operation = match self.clone() {
            Self::Accept => Operation::accept(call),
            Self::Answer => Operation::answer(call),
            Self::Redirect(destination) => Operation::Redirect { call, destination },
            Self::Drop(reason) => Operation::Drop { call, reason, user_info: None },
            Self::HandOff(to) => return Request::HandOff { call, to },
            Self::Hold => Operation::Hold { call },
            Self::Retrieve => Operation::Retrieve { call },
            Self::Transfer(destination, deadline) => Operation::BlindTransfer { call, destination, deadline },
            Self::Consult(whom) => {
                let mut consult = ConsultOptions::to(whom);
                consult.call.no_answer_after = Some(Duration::from_secs(20));
                Operation::SetupTransfer { call, consult }
            }
            Self::Complete(deadline) => {
                let mode = TransferMode::Transfer;
                Operation::CompleteTransfer { call, consult: partner, mode, deadline }
            }
            Self::Exchange => Operation::SwapHold { active: partner, held: call },
            Self::Confer(whom) => {
                let mut consult = ConsultOptions::to(whom);
                consult.call.no_answer_after = Some(Duration::from_secs(20));
                let address = AddressId(0);
                Operation::SetupConference { line, address, call: Some(call), consult }
            }
            Self::Admit => Operation::AddToConference { conference, member: partner },
            Self::Merge => {
                let (mode, deadline) = (TransferMode::Conference, Duration::from_secs(20));
                Operation::CompleteTransfer { call, consult: partner, mode, deadline }
            }
            Self::Leave => Operation::RemoveFromConference { member: call },
            Self::HoldConference(true) => Operation::Hold { call: conference },
            Self::HoldConference(false) => Operation::Retrieve { call: conference },
            Self::Disband => Operation::drop(conference),
            Self::Treat(treatment) => Operation::SetTreatment { call, treatment },
            Self::Gather(count) => {
                let after = Some(Duration::from_secs(2));
                let terminators = "#".into();
                let gather = GatherOptions { count, terminators, first_after: after, next_after: after };
                Operation::GatherDigits { call, gather }
            }
            Self::Tone(total) => Operation::SendTone { call, tone: ToneOptions::Ringback(total) },
            Self::Digits(digits) => Operation::SendDigits { call, digits: DigitOptions::new(digits) },
            Self::Statistics => Operation::Statistics { call },
            Self::CompleteLater(mode) => Operation::CompleteCall { call, mode },
            Self::Release => return Request::Release { call },
        };
        Request::Operate(operation)
    }
}

/// What an application does with one call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// After it was offered, or after it was made.
    pub at_first: Vec<(Duration, Act)>,
    /// After it was connected for the first time.
    pub connected: Vec<(Duration, Act)>,
    /// After it was found busy, or alerted for the first time.
    pub unreached: Vec<(Duration, Act)>,
}

impl Plan {
    /// Answers after a time and stays in the call.
    pub fn answer(after: Duration) -> Self {
        Self { at_first: vec![(after, Act::Answer)], ..Self::default() }
    }

    /// Does one thing after a time.
    pub fn then(after: Duration, act: Act) -> Self {
        Self { at_first: vec![(after, act)], ..Self::default() }
    }

    /// Does this once connected.
    #[must_use]
    pub fn and(mut self, after: Duration, act: Act) -> Self {
        self.connected.push((after, act));
        self
    }
}

/// A scripted application.
#[derive(Debug)]
pub struct App {
    /// Its session.
    pub session: SessionId,
    /// Its name.
    pub name: String,
    /// What it does with the next calls that it is offered.
    pub plans: VecDeque<Plan>,
    /// What it does with the next completed calls that it is offered.
    pub completed: VecDeque<Plan>,
    /// What it does with calls that no plan is left for.
    pub otherwise: Plan,
    /// Drops calls that have disconnected, and releases idle ones.
    pub tidy: bool,
    /// It is lost: it hears what it is told only once it is back, and does nothing.
    pub lost: bool,
    calls: BTreeMap<CallId, Held>,
    /// Plans of the calls that it is making, in the order of its requests.
    making: BTreeMap<u64, Plan>,
    /// The other call of each that was consulted about.
    partners: BTreeMap<CallId, CallId>,
    /// Calls about which these requests consult somebody.
    consulting: BTreeMap<u64, CallId>,
    conferences: BTreeMap<CallId, CallId>,
    /// The lines on which it asks for calls to be completed, by its requests.
    completing: BTreeMap<u64, LineId>,
    /// What it has arranged.
    completions: Vec<(LineId, CompletionId)>,
}

#[derive(Debug)]
struct Held {
    plan: Plan,
    state: Option<StateKind>,
    connected: bool,
    unreached: bool,
    owner: bool,
}

impl App {
    /// An application that does nothing with its calls but let go of those that have ended.
    pub fn new(session: SessionId, name: impl Into<String>) -> Self {
        Self {
            session,
            name: name.into(),
            plans: VecDeque::new(),
            completed: VecDeque::new(),
            otherwise: Plan::default(),
            tidy: true,
            lost: false,
            calls: BTreeMap::new(),
            making: BTreeMap::new(),
            partners: BTreeMap::new(),
            consulting: BTreeMap::new(),
            conferences: BTreeMap::new(),
            completing: BTreeMap::new(),
            completions: Vec::new(),
        }
    }

    /// The calls that it knows, with their states.
    pub fn calls(&self) -> impl Iterator<Item = (CallId, Option<StateKind>)> {
        self.calls.iter().map(|(call, held)| (*call, held.state))
    }

    /// Whether it knows that a call has disconnected.
    pub fn has_ended(&self, call: CallId) -> bool {
        let state = self.calls.get(&call).and_then(|held| held.state);
        matches!(state, Some(StateKind::Disconnected | StateKind::Idle))
    }

    /// It makes a call with this request, and has this plan for it.
    pub fn makes(&mut self, request: u64, plan: Plan) {
        self.making.insert(request, plan);
    }

    /// It consults somebody about a call with this request.
    pub fn consults(&mut self, request: u64, call: CallId) {
        self.consulting.insert(request, call);
    }

    /// It asks with this request for a call of this line to be completed later.
    pub fn completes(&mut self, request: u64, line: LineId) {
        self.completing.insert(request, line);
    }

    /// The call completions that it has arranged, ended ones too.
    pub fn completions(&self) -> &[(LineId, CompletionId)] {
        &self.completions
    }

    /// The other call of one that was consulted about; itself if there is none.
    pub fn partner(&self, call: CallId) -> CallId {
        self.partners.get(&call).copied().unwrap_or(call)
    }

    /// The conference that came out of a call; the call itself if there is none.
    pub fn conference(&self, call: CallId) -> CallId {
        self.conferences.get(&call).copied().unwrap_or(call)
    }

    /// What it does about something that it hears: acts on a call, after a time.
    pub fn hears(&mut self, event: &Event) -> Vec<(Duration, CallId, Act)> {
        let acts = self.understands(event);
        if self.lost { Vec::new() } else { acts }
    }

    /// It is back after it was lost, as another session: what it does about calls that have ended meanwhile.
    pub fn is_back(&mut self, session: SessionId) -> Vec<(Duration, CallId, Act)> {
        self.lost = false;
        self.session = session;
        let ended = |state| matches!(state, Some(StateKind::Disconnected | StateKind::Idle));
        let calls = self.calls.iter().filter(|(_, held)| ended(held.state));
        let acts = calls.filter_map(|(call, held)| match held.state {
            Some(StateKind::Disconnected) if held.owner => Some((*call, Act::Drop(RejectReason::Default))),
            Some(StateKind::Idle) => Some((*call, Act::Release)),
            _ => None,
        });
        acts.map(|(call, act)| (Duration::from_millis(50), call, act)).collect()
    }

    fn understands(&mut self, event: &Event) -> Vec<(Duration, CallId, Act)> {
        match event {
            Event::Completed { request, result: Ok(Reply::Created(call)) } => {
                let plan = self.making.remove(&request.0).unwrap_or_default();
                if let Some(held) = self.consulting.remove(&request.0) {
                    self.partners.extend([(held, *call), (*call, held)]);
                }
                let acts = plan.at_first.iter().map(|(after, act)| (*after, *call, act.clone())).collect();
                self.calls.insert(
                    *call,
                    Held { plan, state: None, connected: false, unreached: false, owner: true },
                );
                acts
            }
            Event::Completed { request, result: Ok(Reply::Conference { conference, consult }) } => {
                if let Some(first) = self.consulting.remove(&request.0) {
                    self.partners.extend(consult.iter().flat_map(|other| [(first, *other), (*other, first)]));
                    let second = self.partner(first);
                    self.conferences.extend([(first, *conference), (second, *conference)]);
                } else if let Some(consult) = consult {
                    self.partners.extend([(*conference, *consult), (*consult, *conference)]);
                }
                for call in [Some(*conference), *consult].into_iter().flatten() {
                    let held = Held {
                        plan: Plan::default(),
                        state: None,
                        connected: false,
                        unreached: false,
                        owner: true,
                    };
                    self.calls.insert(call, held);
                }
                Vec::new()
            }
            Event::Completed { request, result: Ok(Reply::Completion(completion)) } => {
                let line = self.completing.remove(&request.0);
                self.completions.extend(line.map(|line| (line, *completion)));
                Vec::new()
            }
            Event::NewCall { call, privilege, info, .. } => {
                let owner = *privilege == Privilege::Owner;
                let plans = match info.reason {
                    Reason::CallCompletion => &mut self.completed,
                    _ => &mut self.plans,
                };
                let plan = if owner {
                    plans.pop_front().unwrap_or_else(|| self.otherwise.clone())
                } else {
                    Plan::default()
                };
                self.calls
                    .insert(*call, Held { plan, state: None, connected: false, unreached: false, owner });
                Vec::new()
            }
            Event::Completed { result: Ok(Reply::Calls(calls) | Reply::Attached { calls, .. }), .. } => {
                for found in calls {
                    let owner = found.privilege == Privilege::Owner;
                    let unknown = Held {
                        plan: Plan::default(),
                        state: None,
                        connected: false,
                        unreached: false,
                        owner,
                    };
                    let held = self.calls.entry(found.call).or_insert(unknown);
                    held.owner = owner;
                    held.state = Some(found.state.kind());
                }
                Vec::new()
            }
            Event::GivenUp => {
                self.calls.clear();
                Vec::new()
            }
            Event::LineClosed { .. } => Vec::new(),
            Event::CallState { call, state, privilege } => self.entered(*call, state, *privilege),
            Event::CallForgotten { call } => {
                self.calls.remove(call);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn entered(
        &mut self,
        call: CallId,
        state: &CallState,
        privilege: Option<Privilege>,
    ) -> Vec<(Duration, CallId, Act)> {
        let Some(held) = self.calls.get_mut(&call) else { return Vec::new() };
        let first = held.state.is_none();
        held.state = Some(state.kind());
        held.owner |= privilege == Some(Privilege::Owner);
        let mut acts = Vec::new();
        let mut plan = |list: &[(Duration, Act)]| {
            acts.extend(list.iter().map(|(after, act)| (*after, call, act.clone())));
        };
        if first && state.kind() == StateKind::Offering && held.owner {
            plan(&held.plan.at_first);
        }
        if state.kind() == StateKind::Connected && !held.connected && held.owner {
            held.connected = true;
            plan(&held.plan.connected);
        }
        let unreached = matches!(state.kind(), StateKind::Busy | StateKind::Ringback);
        if unreached && !held.unreached && held.owner {
            held.unreached = true;
            plan(&held.plan.unreached);
        }
        if self.tidy {
            match state {
                CallState::Disconnected(_) if held.owner => {
                    // What was found busy can still be completed later.
                    let after = if held.plan.unreached.is_empty() { 50 } else { 4_000 };
                    plan(&[(Duration::from_millis(after), Act::Drop(RejectReason::Default))]);
                }
                CallState::Idle => plan(&[(Duration::from_millis(10), Act::Release)]),
                _ => {}
            }
        }
        acts
    }

    /// It has let go of a call.
    pub fn released(&mut self, call: CallId) {
        self.calls.remove(&call);
    }
}
