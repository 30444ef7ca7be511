//! Applications on top of a subject: the telephony crate driven over it, for the items of part G.

use super::bench::{Finding, Verdict, ensure};
use super::subject::{Act, Incoming, Party, Saw, Setup, Subject};
use hookswitch_machine::{Entropy, Time};
use hookswitch_spi::{CallId, InfoParts, LineId, MediaTypes, Operation, StateKind, VersionRange};
use hookswitch_telephony::{
    AppRequestId, Config, Event, HandOffTarget, Interest, Privilege, Reply, Request, RequestError, SPOKEN,
    SessionId, Telephony,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// A way in which the application side is broken, to show that an item bites. Each stands for the item of its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeskFault {
    /// 66: monitors do not hear of calls that others own.
    MonitorsHearNothing,
    /// 67: an order of priority is forgotten.
    PriorityForgotten,
    /// 68: an unknown call is told with all that it might be.
    UnknownStaysUnknown,
    /// 69: an application that dies keeps its offered calls.
    LossUnnoticed,
    /// 70: nobody can take a call that nobody owns.
    NobodyTakes,
    /// 71: handing a call to oneself succeeds.
    HandsToItself,
    /// 72: who changes its privilege is told of it as the others are.
    ChangerIsTold,
    /// 73: monitors control calls.
    MonitorsControl,
    /// 74: existing calls are given again and again.
    ExistingAgain,
    /// 75: releasing a handle drops the call.
    ReleaseDrops,
    /// 76: others do not hear that a line was closed.
    CloseUntold,
    /// 78: others do not hear of a new media type.
    MediaUntold,
    /// 79: old applications are told as new ones.
    NoDowngrade,
    /// 80: a waiting request is told twice.
    RequestTwice,
}

impl DeskFault {
    /// All of them, each with the number of the item that it breaks.
    pub const ALL: &'static [(Self, u8)] = &[
        (Self::MonitorsHearNothing, 66),
        (Self::PriorityForgotten, 67),
        (Self::UnknownStaysUnknown, 68),
        (Self::LossUnnoticed, 69),
        (Self::NobodyTakes, 70),
        (Self::HandsToItself, 71),
        (Self::ChangerIsTold, 72),
        (Self::MonitorsControl, 73),
        (Self::ExistingAgain, 74),
        (Self::ReleaseDrops, 75),
        (Self::CloseUntold, 76),
        (Self::MediaUntold, 78),
        (Self::NoDowngrade, 79),
        (Self::RequestTwice, 80),
    ];
}

/// Applications and a subject.
pub struct Desk {
    /// The subject.
    pub subject: Box<dyn Subject>,
    /// The application side.
    pub telephony: Telephony,
    /// Everything that sessions heard, in order.
    pub heard: Vec<(Time, SessionId, Event)>,
    fault: Option<DeskFault>,
    sessions: u64,
    requests: u64,
    owners: BTreeMap<SessionId, ()>,
    given: Vec<hookswitch_telephony::CallSnapshot>,
}

impl Desk {
    /// A desk without applications; the provider's session has begun.
    pub fn open(subject: Box<dyn Subject>, setup: &Setup, config: Config, fault: Option<DeskFault>) -> Self {
        let telephony = Telephony::new(config, &mut Entropy::from_number(7));
        let mut desk = Self {
            subject,
            telephony,
            heard: Vec::new(),
            fault,
            sessions: 0,
            requests: 0,
            owners: BTreeMap::new(),
            given: Vec::new(),
        };
        let now = desk.subject.now();
        let _ = desk.subject.provider().initialise(now, setup.version);
        desk.settle();
        desk
    }

    /// A new application.
    pub fn app(&mut self, name: &str) -> SessionId {
        self.app_with(name, Duration::ZERO, SPOKEN)
    }

    /// A new application that waits so long for itself, and speaks these versions.
    pub fn app_with(&mut self, name: &str, grace: Duration, versions: VersionRange) -> SessionId {
        self.sessions += 1;
        let session = SessionId(self.sessions);
        let versions = if self.fault == Some(DeskFault::NoDowngrade) { SPOKEN } else { versions };
        let _ = self.ask(session, Request::Attach { name: name.into(), grace, versions, resume: None });
        session
    }

    /// An application that has opened a line.
    ///
    /// # Errors
    /// That it could not.
    pub fn with_line(&mut self, name: &str, line: LineId, interest: Interest) -> Result<SessionId, Finding> {
        let app = self.app(name);
        let opened = self.ask(app, Request::OpenLine { line, interest });
        ensure!(opened.is_ok(), "{name} cannot open {line}: {opened:?}");
        self.run(Duration::from_millis(500));
        Ok(app)
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// The refusal or failure.
    pub fn ask(&mut self, session: SessionId, what: Request) -> Result<Reply, RequestError> {
        let request = self.begin(session, what);
        let limit = self.subject.now() + Duration::from_secs(60);
        loop {
            let answer = self.heard.iter().find_map(|(_, of, event)| match event {
                Event::Completed { request: done, result } if *of == session && *done == request => {
                    Some(result.clone())
                }
                Event::Refused { request: done, error } if *of == session && *done == request => {
                    Some(Err(error.clone()))
                }
                _ => None,
            });
            if let Some(answer) = answer {
                return answer;
            }
            if !self.step(limit) {
                return Err(RequestError::Operation(hookswitch_spi::OperationError::TimedOut(
                    Duration::from_secs(60),
                )));
            }
        }
    }

    /// Asks, and does not wait.
    pub fn begin(&mut self, session: SessionId, what: Request) -> AppRequestId {
        self.requests += 1;
        let request = AppRequestId(self.requests);
        let what = self.distorted(session, what);
        let now = self.subject.now();
        if let Some(what) = what {
            self.telephony.request(now, self.subject.provider(), session, request, what);
        }
        self.settle();
        request
    }

    /// What a broken application side makes of a request.
    fn distorted(&mut self, session: SessionId, what: Request) -> Option<Request> {
        match (self.fault, what) {
            (Some(DeskFault::PriorityForgotten), Request::SetPriority { media, .. }) => {
                Some(Request::SetPriority { media, order: Vec::new() })
            }
            (Some(DeskFault::LossUnnoticed), Request::Lost) => None,
            (Some(DeskFault::NobodyTakes), Request::TakeOwnership { .. }) => Some(Request::TakeRequest),
            (Some(DeskFault::ReleaseDrops), Request::Release { call }) => {
                let now = self.subject.now();
                let ask = AppRequestId(u64::MAX);
                let drop = Request::Operate(Operation::drop(call));
                let take = Request::TakeOwnership { call };
                self.telephony.request(now, self.subject.provider(), session, ask, take);
                self.telephony.request(now, self.subject.provider(), session, ask, drop);
                Some(Request::Release { call })
            }
            (Some(DeskFault::MonitorsControl), Request::Operate(operation)) => {
                if let Some(call) = operation.call() {
                    let now = self.subject.now();
                    let take = Request::TakeOwnership { call };
                    self.telephony.request(
                        now,
                        self.subject.provider(),
                        session,
                        AppRequestId(u64::MAX),
                        take,
                    );
                }
                Some(Request::Operate(operation))
            }
            (_, what) => Some(what),
        }
    }

    /// An application dies.
    pub fn lose(&mut self, session: SessionId) {
        self.begin(session, Request::Lost);
    }

    /// Somebody calls; when what follows at once has happened.
    pub fn call_in(&mut self, incoming: Incoming) -> Party {
        let party = self.subject.call_in(incoming);
        self.run(Duration::from_millis(200));
        party
    }

    /// A party does something.
    pub fn act(&mut self, party: Party, act: Act) {
        self.subject.act(party, act);
        self.run(Duration::from_millis(200));
    }

    /// What a party has noticed.
    pub fn saw(&self, party: Party) -> Vec<Saw> {
        self.subject.saw(party)
    }

    /// Lets time pass.
    pub fn run(&mut self, span: Duration) {
        let limit = self.subject.now() + span;
        while self.step(limit) {}
    }

    fn step(&mut self, limit: Time) -> bool {
        let due = self.telephony.next_timeout().filter(|due| *due <= limit);
        let happened = self.subject.step(due.unwrap_or(limit).min(limit));
        let now = self.subject.now();
        let late = self.telephony.next_timeout().is_some_and(|due| due <= now);
        if late {
            self.telephony.timeout(now, self.subject.provider());
        }
        self.settle();
        happened || late
    }

    fn settle(&mut self) {
        loop {
            let now = self.subject.now();
            self.subject.settle();
            self.telephony.pump(now, self.subject.provider());
            let mut quiet = true;
            while let Some((session, event)) = self.telephony.poll() {
                quiet = false;
                self.hear(now, session, event);
            }
            if quiet {
                return;
            }
        }
    }

    fn hear(&mut self, now: Time, session: SessionId, event: Event) {
        if matches!(&event, Event::Completed { request, .. } | Event::Refused { request, .. } if request.0 == u64::MAX)
        {
            return;
        }
        let event = match (self.fault, event) {
            (Some(DeskFault::MonitorsHearNothing), Event::NewCall { privilege: Privilege::Monitor, .. }) => {
                return;
            }
            (
                Some(DeskFault::UnknownStaysUnknown),
                Event::NewCall { line, address, call, privilege, mut info },
            ) => {
                info.media = MediaTypes::ALL;
                Event::NewCall { line, address, call, privilege, info }
            }
            (Some(DeskFault::HandsToItself), Event::Refused { request, error: RequestError::TargetSelf }) => {
                Event::Completed { request, result: Ok(Reply::Done) }
            }
            (Some(DeskFault::ChangerIsTold), Event::Owners { call, owners, monitors }) => {
                let all: Vec<SessionId> = (1..=self.sessions).map(SessionId).collect();
                for other in all.into_iter().filter(|other| *other != session) {
                    self.heard.push((now, other, Event::Owners { call, owners, monitors }));
                }
                Event::Owners { call, owners, monitors }
            }
            (
                Some(DeskFault::ExistingAgain),
                Event::Completed { request, result: Ok(Reply::Calls(calls)) },
            ) => {
                if !calls.is_empty() {
                    self.given.clone_from(&calls);
                }
                Event::Completed { request, result: Ok(Reply::Calls(self.given.clone())) }
            }
            (Some(DeskFault::CloseUntold), Event::LineOpens { opened: false, .. }) => return,
            (Some(DeskFault::MediaUntold), Event::CallInfo { changed, .. })
                if changed.contains(InfoParts::MEDIA) =>
            {
                return;
            }
            (Some(DeskFault::RequestTwice), Event::RequestWaiting) => {
                self.heard.push((now, session, Event::RequestWaiting));
                Event::RequestWaiting
            }
            (_, event) => event,
        };
        self.owners.insert(session, ());
        self.heard.push((now, session, event));
    }

    /// What a session heard.
    pub fn of(&self, session: SessionId) -> impl Iterator<Item = &Event> {
        self.heard.iter().filter(move |(_, of, _)| *of == session).map(|(_, _, event)| event)
    }

    /// The calls that a session was told of, with the privilege it was given at first.
    pub fn calls(&self, session: SessionId) -> Vec<(CallId, Privilege)> {
        let calls = self.of(session).filter_map(|event| match event {
            Event::NewCall { call, privilege, .. } => Some((*call, *privilege)),
            _ => None,
        });
        calls.collect()
    }

    /// The last call that a session was told of.
    ///
    /// # Errors
    /// That there is none.
    pub fn last_call(&self, session: SessionId) -> Result<CallId, Finding> {
        let last = self.calls(session).last().map(|(call, _)| *call);
        last.ok_or_else(|| Finding(format!("{session} was told of no call")))
    }

    /// The states of a call that a session was told.
    pub fn states(&self, session: SessionId, call: CallId) -> Vec<StateKind> {
        let states = self.of(session).filter_map(|event| match event {
            Event::CallState { call: about, state, .. } if *about == call => Some(state.kind()),
            _ => None,
        });
        states.collect()
    }

    /// How many events of a session fit.
    pub fn count(&self, session: SessionId, fits: impl Fn(&Event) -> bool) -> usize {
        self.of(session).filter(|event| fits(event)).count()
    }

    /// Hands a call over.
    ///
    /// # Errors
    /// The refusal or failure.
    pub fn hand_off(
        &mut self,
        session: SessionId,
        call: CallId,
        to: HandOffTarget,
    ) -> Result<Reply, RequestError> {
        self.ask(session, Request::HandOff { call, to })
    }

    /// Where a call is.
    pub fn kind(&mut self, call: CallId) -> Option<StateKind> {
        self.subject.provider().call_state(call).map(|state| state.kind())
    }

    /// Ends everything and looks for what is left.
    ///
    /// # Errors
    /// What is left.
    pub fn finish(mut self) -> Verdict {
        for session in (1..=self.sessions).map(SessionId) {
            let _ = self.begin(session, Request::Detach);
        }
        self.run(Duration::from_secs(400));
        let now = self.subject.now();
        self.subject.provider().shutdown(now);
        self.settle();
        self.run(Duration::from_secs(70));
        ensure!(self.telephony.outstanding() == 0, "{} requests are left", self.telephony.outstanding());
        ensure!(self.telephony.calls() == 0, "{} calls are left", self.telephony.calls());
        let leaks = self.subject.leaks();
        ensure!(leaks.is_empty(), "leaked: {leaks}");
        Ok(())
    }
}
