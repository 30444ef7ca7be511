//! The bench: drives a subject, plays the application side of the interface, records everything and keeps an eye on the contract.

use super::observed::Observed;
use super::subject::{Act, Behaviour, Incoming, Party, Saw, Setup, Subject};
use hookswitch_machine::Time;
use hookswitch_spi::{
    AddressId, CallId, CallInfo, CallOptions, CallState, Capabilities, InfoParts, InterfaceVersion, LineId,
    MediaTypes, Operation, OperationError, Outcome, Provider, ProviderEvent, RequestId, StateKind,
};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

/// What an item finds wrong, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding(pub String);

/// What an item comes to.
pub type Verdict = Result<(), Finding>;

/// Fails with a sentence unless a condition holds.
#[macro_export]
#[doc(hidden)]
macro_rules! ensure {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err($crate::conformance::Finding(format!($($text)+)));
        }
    };
}
pub(crate) use ensure;

/// Fails unless two things are equal.
#[macro_export]
#[doc(hidden)]
macro_rules! same {
    ($left:expr, $right:expr, $($text:tt)+) => {{
        let (left, right) = (&$left, &$right);
        if left != right {
            let what = format!($($text)+);
            return Err($crate::conformance::Finding(format!("{what}: {left:?} instead of {right:?}")));
        }
    }};
}
pub(crate) use same;

/// A subject at work.
pub struct Bench {
    /// The subject.
    pub subject: Box<dyn Subject>,
    /// Everything it told, with the time; the timeline left out.
    pub log: Vec<(Time, ProviderEvent)>,
    /// What was observed in the whole suite.
    pub observed: Rc<RefCell<Observed>>,
    setup: Setup,
    last: u64,
    /// Accepted, with what was asked.
    open: BTreeMap<RequestId, (Operation, Option<CallId>)>,
    results: BTreeMap<RequestId, Result<Outcome, OperationError>>,
    refused: BTreeSet<RequestId>,
    /// Calls being created.
    embryos: BTreeSet<CallId>,
    /// Calls announced and taken, or created.
    known: BTreeSet<CallId>,
    announced: BTreeSet<CallId>,
    closed: BTreeSet<CallId>,
    /// Breaches of the contract that hold everywhere, whatever an item looks at.
    breaches: Vec<String>,
    /// How many announcements are to be turned down.
    turn_down: u32,
}

impl Bench {
    /// A subject whose session has begun and whose lines are open.
    pub fn open(subject: Box<dyn Subject>, setup: &Setup, observed: Rc<RefCell<Observed>>) -> Self {
        let mut bench = Self::closed(subject, setup, observed);
        bench.initialise();
        for line in 0..setup.lines.len() as u32 {
            bench.open_line(LineId(line));
        }
        if setup.reachable {
            bench.run(Duration::from_secs(2));
        }
        bench
    }

    /// A subject whose session has not begun.
    pub fn closed(subject: Box<dyn Subject>, setup: &Setup, observed: Rc<RefCell<Observed>>) -> Self {
        Self {
            subject,
            log: Vec::new(),
            observed,
            setup: setup.clone(),
            last: 0,
            open: BTreeMap::new(),
            results: BTreeMap::new(),
            refused: BTreeSet::new(),
            embryos: BTreeSet::new(),
            known: BTreeSet::new(),
            announced: BTreeSet::new(),
            closed: BTreeSet::new(),
            breaches: Vec::new(),
            turn_down: 0,
        }
    }

    /// Begins a session.
    pub fn initialise(&mut self) {
        let (now, version) = (self.subject.now(), self.setup.version);
        if let Err(error) = self.subject.provider().initialise(now, version) {
            self.breaches.push(format!("the session does not begin: {error}"));
        }
        self.drain();
    }

    /// Ends the session and makes the provider as it is before the next: nothing of the last is known any more.
    pub fn restart(&mut self) {
        let now = self.subject.now();
        self.subject.provider().shutdown(now);
        self.drain();
        self.run(Duration::from_secs(40));
        self.subject.restart();
        self.drain();
        for known in [&mut self.embryos, &mut self.known, &mut self.announced, &mut self.closed] {
            known.clear();
        }
        self.log.clear();
    }

    /// Opens a line with the setup's version.
    pub fn open_line(&mut self, line: LineId) {
        let (now, version) = (self.subject.now(), self.setup.version);
        let opened = self.subject.provider().open_line(now, line, version);
        if let Err(error) = opened {
            self.breaches.push(format!("{line} does not open: {error}"));
        }
        if let Some(able) = self.subject.provider().capabilities(line).cloned() {
            let _ = self
                .subject
                .provider()
                .detect_media(line, able.media.with(hookswitch_spi::MediaType::Unknown));
            let _ = self.subject.provider().detect_status(line, hookswitch_spi::Set::ALL);
            self.observed.borrow_mut().line(&able);
        }
        self.drain();
    }

    /// The provider.
    pub fn provider(&mut self) -> &mut dyn Provider {
        self.subject.provider()
    }

    /// What time it is.
    pub fn now(&self) -> Time {
        self.subject.now()
    }

    /// What a line can do.
    pub fn able(&mut self, line: LineId) -> Capabilities {
        self.subject.provider().capabilities(line).cloned().unwrap_or_else(Capabilities::none)
    }

    /// The next so many announcements are turned down for want of room.
    pub fn turn_down(&mut self, times: u32) {
        self.turn_down = times;
    }

    /// Asks for something.
    ///
    /// # Errors
    /// The refusal.
    pub fn ask(&mut self, operation: Operation) -> Result<RequestId, OperationError> {
        self.ask_for(operation).map(|(request, _)| request)
    }

    /// Asks for something that creates a call; it may be used once the request has completed.
    ///
    /// # Errors
    /// The refusal.
    pub fn ask_for(&mut self, operation: Operation) -> Result<(RequestId, Option<CallId>), OperationError> {
        self.last += 1;
        let (request, now) = (RequestId(self.last), self.subject.now());
        let answer = self.subject.provider().submit(now, request, operation.clone());
        self.observed.borrow_mut().asked(&operation, answer.as_ref().err());
        let asked = match answer {
            Ok(created) => {
                if let Some(created) = created
                    && (!self.embryos.insert(created) || self.known.contains(&created))
                {
                    self.breaches.push(format!("{created} is created a second time"));
                }
                self.open.insert(request, (operation, created));
                Ok((request, created))
            }
            Err(error) => {
                self.refused.insert(request);
                Err(error)
            }
        };
        self.drain();
        asked
    }

    /// Asks, and waits for the result for as long as a person would.
    ///
    /// # Errors
    /// The refusal, or the error it completes with.
    pub fn perform(&mut self, operation: Operation) -> Result<Outcome, OperationError> {
        let request = self.ask(operation)?;
        self.wait(request, Duration::from_secs(60))
    }

    /// The result of a request, waited for.
    ///
    /// # Errors
    /// The error it completed with, or that it did not in time.
    pub fn wait(&mut self, request: RequestId, most: Duration) -> Result<Outcome, OperationError> {
        let limit = self.subject.now() + most;
        while !self.results.contains_key(&request) && self.step(limit) {}
        match self.results.get(&request) {
            Some(result) => result.clone(),
            None => {
                self.breaches.push(format!("{request} does not complete within {most:?}"));
                Err(OperationError::TimedOut(most))
            }
        }
    }

    /// The result of a request, if it has completed.
    pub fn result(&self, request: RequestId) -> Option<&Result<Outcome, OperationError>> {
        self.results.get(&request)
    }

    /// Requests accepted and not completed.
    pub fn outstanding(&self) -> usize {
        self.open.len()
    }

    /// Makes a call to an address outside.
    ///
    /// # Errors
    /// The refusal, or the error it completes with.
    pub fn make_call(&mut self, line: LineId, to: &str) -> Result<CallId, OperationError> {
        let options = CallOptions::default();
        let destination = to.to_owned();
        match self.perform(Operation::MakeCall { line, address: AddressId(0), destination, options })? {
            Outcome::Call(call) => Ok(call),
            other => Err(OperationError::Failed(format!("a made call brought {other:?}"))),
        }
    }

    /// Lets time pass.
    pub fn run(&mut self, span: Duration) {
        let limit = self.subject.now() + span;
        while self.step(limit) {}
    }

    /// Lets one thing happen.
    pub fn step(&mut self, limit: Time) -> bool {
        let happened = self.subject.step(limit);
        self.drain();
        happened
    }

    /// Lets time pass until something holds, at most so long. Whether it came to hold.
    pub fn until(&mut self, most: Duration, mut holds: impl FnMut(&mut Self) -> bool) -> bool {
        let limit = self.subject.now() + most;
        loop {
            if holds(self) {
                return true;
            }
            if !self.step(limit) {
                return holds(self);
            }
        }
    }

    /// Waits until a call is in a state.
    pub fn reaches(&mut self, call: CallId, kind: StateKind) -> bool {
        self.until(Duration::from_secs(40), |bench| bench.kind(call) == Some(kind))
    }

    /// Somebody calls; the call is announced and offered.
    ///
    /// # Errors
    /// That no call appears.
    pub fn offered(&mut self, incoming: Incoming) -> Result<(CallId, Party), Finding> {
        let before = self.announced.len();
        let party = self.subject.call_in(incoming);
        self.drain();
        self.until(Duration::from_secs(5), |bench| bench.announced.len() > before);
        let call = self.log.iter().rev().find_map(|(_, event)| match event {
            ProviderEvent::NewCall { call, .. } => Some(*call),
            _ => None,
        });
        let call = call.filter(|_| self.announced.len() > before);
        let call = call.ok_or_else(|| Finding("a call from outside is not announced".into()))?;
        let offered = self.until(Duration::from_secs(5), |bench| {
            bench.kind(call).is_some_and(|kind| kind != StateKind::Unknown)
        });
        ensure!(offered, "an announced call has no state");
        Ok((call, party))
    }

    /// A call from outside, answered.
    ///
    /// # Errors
    /// That it does not come up.
    pub fn answered(&mut self, line: LineId, from: &str) -> Result<(CallId, Party), Finding> {
        let (call, party) = self.offered(Incoming::new(line, from))?;
        let result = self.perform(Operation::answer(call));
        ensure!(result == Ok(Outcome::Done), "answering brings {result:?}");
        ensure!(self.reaches(call, StateKind::Connected), "an answered call is {:?}", self.kind(call));
        Ok((call, party))
    }

    /// A call of ours, answered outside.
    ///
    /// # Errors
    /// That it does not come up.
    pub fn talking(&mut self, line: LineId, to: &str) -> Result<(CallId, Party), Finding> {
        self.arrange(to, Behaviour::Answers(Duration::from_millis(200)));
        let call = self.make_call(line, to).map_err(|error| Finding(format!("no call to {to}: {error}")))?;
        ensure!(self.reaches(call, StateKind::Connected), "a call to {to} is {:?}", self.kind(call));
        let party = self.subject.party_at(to).ok_or_else(|| Finding(format!("nobody was called at {to}")))?;
        self.run(Duration::from_millis(100));
        Ok((call, party))
    }

    /// How an address outside behaves.
    pub fn arrange(&mut self, address: &str, behaviour: Behaviour) {
        self.subject.arrange(address, behaviour);
    }

    /// A party does something, and what follows at once happens.
    pub fn act(&mut self, party: Party, act: Act) {
        self.subject.act(party, act);
        self.drain();
        self.run(Duration::from_millis(50));
    }

    /// What a party has noticed.
    pub fn saw(&self, party: Party) -> Vec<Saw> {
        self.subject.saw(party)
    }

    /// Where a call is.
    pub fn state(&mut self, call: CallId) -> Option<CallState> {
        self.subject.provider().call_state(call)
    }

    /// Where a call is, without detail.
    pub fn kind(&mut self, call: CallId) -> Option<StateKind> {
        self.state(call).map(|state| state.kind())
    }

    /// What is known of a call.
    ///
    /// # Errors
    /// That nothing is.
    pub fn info(&mut self, call: CallId) -> Result<CallInfo, Finding> {
        let info = self.subject.provider().call_info(call);
        let info = info.ok_or_else(|| Finding(format!("nothing is known of {call}")))?;
        self.observed.borrow_mut().info(info.reason, info.origin);
        Ok(info)
    }

    /// Closes a call.
    pub fn close_call(&mut self, call: CallId) {
        let now = self.subject.now();
        self.subject.provider().close_call(now, call);
        // What was told before is heard before: the queue is drained by whoever closes.
        self.drain_until_closed(call);
    }

    /// Closes a line.
    pub fn close_line(&mut self, line: LineId) {
        let now = self.subject.now();
        let calls: Vec<CallId> = self.calls_on(line);
        self.subject.provider().close_line(now, line);
        self.drain();
        self.closed.extend(calls);
    }

    fn calls_on(&mut self, line: LineId) -> Vec<CallId> {
        let known: Vec<CallId> = self.known.iter().copied().collect();
        known
            .into_iter()
            .filter(|call| self.subject.provider().call_info(*call).is_some_and(|info| info.line == line))
            .collect()
    }

    fn drain_until_closed(&mut self, call: CallId) {
        self.drain();
        self.closed.insert(call);
    }

    /// The states a call went through, as told.
    pub fn states(&self, call: CallId) -> Vec<CallState> {
        let states = self.log.iter().filter_map(|(_, event)| match event {
            ProviderEvent::CallState { call: about, state, .. } if *about == call => Some(state.clone()),
            _ => None,
        });
        states.collect()
    }

    /// The same without detail, repetitions left out.
    pub fn kinds(&self, call: CallId) -> Vec<StateKind> {
        let mut kinds: Vec<StateKind> = self.states(call).iter().map(CallState::kind).collect();
        kinds.dedup();
        kinds
    }

    /// The changes of information told of a call.
    pub fn changes(&self, call: CallId) -> Vec<InfoParts> {
        let changes = self.log.iter().filter_map(|(_, event)| match event {
            ProviderEvent::CallInfo { call: about, changed } if *about == call => Some(*changed),
            _ => None,
        });
        changes.collect()
    }

    /// Where in the log the first event is that fits.
    pub fn position(&self, fits: impl Fn(&ProviderEvent) -> bool) -> Option<usize> {
        self.log.iter().position(|(_, event)| fits(event))
    }

    /// How many events fit.
    pub fn count(&self, fits: impl Fn(&ProviderEvent) -> bool) -> usize {
        self.log.iter().filter(|(_, event)| fits(event)).count()
    }

    /// Calls that were announced so far.
    pub fn announcements(&self) -> usize {
        self.announced.len()
    }

    /// The call that was announced last.
    pub fn last_announced(&self) -> Option<CallId> {
        self.log.iter().rev().find_map(|(_, event)| match event {
            ProviderEvent::NewCall { call, .. } => Some(*call),
            _ => None,
        })
    }

    /// The media types with which a call was first offered.
    pub fn first_media(&self, call: CallId) -> Option<MediaTypes> {
        self.log.iter().find_map(|(_, event)| match event {
            ProviderEvent::CallState { call: about, media, .. } if *about == call => Some(*media),
            _ => None,
        })
    }

    /// The interface version of the setup.
    pub const fn version(&self) -> InterfaceVersion {
        self.setup.version
    }

    /// Breaches of the contract so far.
    ///
    /// # Errors
    /// The first.
    pub fn contract(&self) -> Verdict {
        match self.breaches.first() {
            Some(breach) => Err(Finding(breach.clone())),
            None => Ok(()),
        }
    }

    /// Ends everything, and says what the contract and leaks come to.
    ///
    /// # Errors
    /// The first breach, or what leaked.
    pub fn finish(mut self) -> Verdict {
        let now = self.subject.now();
        self.subject.provider().shutdown(now);
        self.drain();
        if let Some((request, (operation, _))) = self.open.iter().next() {
            self.breaches
                .push(format!("{request} ({}) has not completed after the shutdown", operation.name()));
        }
        let told = self.log.len();
        self.run(Duration::from_secs(70));
        if let Some((_, event)) = self.log.get(told) {
            self.breaches.push(format!("after the shutdown it tells {event:?}"));
        }
        let leaks = self.subject.leaks();
        if !leaks.is_empty() {
            self.breaches.push(format!("leaked: {leaks}"));
        }
        self.contract()
    }

    /// Takes what the provider tells, and answers announcements.
    pub fn drain(&mut self) {
        loop {
            self.subject.settle();
            let Some(event) = self.subject.provider().poll_event() else { return };
            self.heard(event);
        }
    }

    fn heard(&mut self, event: ProviderEvent) {
        let now = self.subject.now();
        self.judge(&event);
        self.observed.borrow_mut().told(&event);
        match &event {
            ProviderEvent::Recorded(_) => return,
            ProviderEvent::NewCall { call, .. } => {
                let call = *call;
                self.log.push((now, event));
                if self.turn_down > 0 {
                    self.turn_down -= 1;
                    self.subject.provider().take_call(now, call, false);
                } else if self.setup.takes_calls {
                    self.announced.insert(call);
                    self.known.insert(call);
                    self.subject.provider().take_call(now, call, true);
                }
                return;
            }
            ProviderEvent::Completed { request, result } => self.completed(*request, result.clone()),
            _ => {}
        }
        self.log.push((now, event));
    }

    fn completed(&mut self, request: RequestId, result: Result<Outcome, OperationError>) {
        match self.open.remove(&request) {
            Some((_, created)) => {
                if let Some(created) = created {
                    self.embryos.remove(&created);
                    if result.is_ok() {
                        self.known.insert(created);
                    }
                }
                if let Ok(Outcome::Conference { consult: Some(consult), .. }) = &result {
                    self.known.insert(*consult);
                }
                if let Ok(Outcome::Call(call)) = &result {
                    self.known.insert(*call);
                }
            }
            None if self.refused.contains(&request) => {
                self.breaches.push(format!("{request} was refused and completes all the same"));
            }
            None => self.breaches.push(format!("{request} completes a second time, or was never asked")),
        }
        self.results.entry(request).or_insert(result);
    }

    /// What holds of every event, whatever the item is about.
    fn judge(&mut self, event: &ProviderEvent) {
        let about = match event {
            ProviderEvent::CallState { call, .. }
            | ProviderEvent::CallInfo { call, .. }
            | ProviderEvent::DigitBegun { call, .. }
            | ProviderEvent::Digit { call, .. }
            | ProviderEvent::Tone { call, .. }
            | ProviderEvent::Media { call, .. }
            | ProviderEvent::Played { call }
            | ProviderEvent::MediaFailed { call, .. } => *call,
            _ => return,
        };
        if self.embryos.contains(&about) {
            self.breaches.push(format!("{about} is heard of before its creation has completed: {event:?}"));
        } else if self.closed.contains(&about) {
            self.breaches.push(format!("{about} is heard of after it was closed: {event:?}"));
        } else if !self.known.contains(&about) {
            self.breaches.push(format!("{about} is heard of before it was announced and taken: {event:?}"));
        }
        let idle = self.states(about).last() == Some(&CallState::Idle);
        if idle && matches!(event, ProviderEvent::CallInfo { .. } | ProviderEvent::CallState { .. }) {
            self.breaches.push(format!("after *idle* {about} tells {event:?}"));
        }
    }
}
