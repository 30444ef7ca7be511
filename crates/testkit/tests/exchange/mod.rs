//! An exchange with three open lines, driven in virtual time, and what it has told.
#![allow(dead_code, missing_docs, unreachable_pub)]

use hookswitch_machine::Time;
use hookswitch_spi::{
    AddressId, CallId, CallState, ConsultOptions, DisconnectMode, InfoParts, InterfaceVersion, LineId,
    MediaTypes, Operation, OperationError, Outcome, Provider, ProviderEvent, RequestId, Set, StateKind,
};
use hookswitch_testkit::loopback::{Loopback, LoopbackLine, Outside};
use std::collections::BTreeMap;
use std::time::Duration;

pub const A: LineId = LineId(0);
pub const B: LineId = LineId(1);
pub const C: LineId = LineId(2);

/// An exchange with three open lines, and what it has told.
pub struct Wired {
    pub exchange: Loopback,
    pub now: Time,
    pub requests: u64,
    pub results: BTreeMap<RequestId, Result<Outcome, OperationError>>,
    pub states: BTreeMap<CallId, Vec<StateKind>>,
    pub new: Vec<(LineId, CallId)>,
    pub digits: String,
    /// Everything else, in order.
    pub told: Vec<ProviderEvent>,
}

impl Wired {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl Fn(&mut LoopbackLine)) -> Self {
        let mut exchange = Loopback::new();
        for name in ["a", "b", "c"] {
            let mut line = LoopbackLine::new(name, format!("sip:{name}@loop"));
            change(&mut line);
            let line = exchange.add_line(line);
            exchange.open_line(Time::ZERO, line, InterfaceVersion::V1).unwrap();
        }
        let (results, states) = Default::default();
        let (new, digits, told) = Default::default();
        Self { exchange, now: Time::ZERO, requests: 0, results, states, new, digits, told }
    }

    pub fn drain(&mut self) {
        while let Some(event) = self.exchange.poll_event() {
            if let ProviderEvent::NewCall { call, .. } = event {
                self.exchange.take_call(self.now, call, true);
            }
            match event {
                ProviderEvent::Completed { request, result } => {
                    assert!(self.results.insert(request, result).is_none(), "{request} completed twice");
                }
                ProviderEvent::NewCall { line, call, .. } => self.new.push((line, call)),
                ProviderEvent::CallState { call, state, .. } => {
                    self.states.entry(call).or_default().push(state.kind());
                }
                ProviderEvent::Digit { digit, .. } => self.digits.push(digit),
                other => self.told.push(other),
            }
        }
    }

    pub fn run(&mut self, time: Duration) {
        let until = self.now + time;
        self.drain();
        while let Some(next) = self.exchange.next_timeout().filter(|next| *next <= until) {
            self.now = next;
            self.exchange.timeout(next);
            self.drain();
        }
        self.now = until;
    }

    pub fn submit(&mut self, operation: Operation) -> Result<(RequestId, Option<CallId>), OperationError> {
        self.requests += 1;
        let request = RequestId(self.requests);
        self.exchange.submit(self.now, request, operation).map(|call| (request, call))
    }

    /// Asks, and waits a second for the result.
    pub fn ask(&mut self, operation: Operation) -> Result<Outcome, OperationError> {
        let (request, _) = self.submit(operation)?;
        self.run(Duration::from_secs(1));
        self.results.remove(&request).expect("completed within a second")
    }

    pub fn call(&mut self, from: LineId, to: &str) -> CallId {
        let options = Default::default();
        let made = Operation::MakeCall { line: from, address: AddressId(0), destination: to.into(), options };
        let Ok(Outcome::Call(call)) = self.ask(made) else { panic!("no call") };
        call
    }

    pub fn state(&self, call: CallId) -> CallState {
        self.exchange.call_state(call).expect("the call exists")
    }

    pub fn last_new(&self) -> CallId {
        self.new.last().expect("a new call").1
    }

    /// A call from a to b, answered.
    pub fn talk(&mut self) -> (CallId, CallId) {
        let caller = self.call(A, "sip:b@loop");
        let called = self.last_new();
        self.ask(Operation::answer(called)).unwrap();
        (caller, called)
    }

    /// Somebody outside calls the first address of a line, and the call is taken.
    pub fn call_in(&mut self, line: LineId, from: &str) -> CallId {
        let call = self.exchange.call_in(line, AddressId(0), from, MediaTypes::VOICE).expect("a call");
        self.drain();
        call
    }

    /// Somebody outside calls, and is answered.
    pub fn answered(&mut self, line: LineId, from: &str) -> CallId {
        let call = self.call_in(line, from);
        self.ask(Operation::answer(call)).unwrap();
        call
    }

    /// A consultation call to somebody outside who answers.
    pub fn consult(&mut self, call: CallId, to: &str) -> CallId {
        self.exchange.outside(to, Outside::Answers(Duration::from_millis(50)));
        let consult = ConsultOptions::to(to);
        let Ok(Outcome::Call(consult)) = self.ask(Operation::SetupTransfer { call, consult }) else {
            panic!("no consultation call")
        };
        consult
    }

    /// A conference of two parties outside: the conference call and its members.
    pub fn meet(&mut self, line: LineId) -> (CallId, CallId, CallId) {
        let one = self.answered(line, "sip:ann@outside");
        self.exchange.outside("sip:ben@outside", Outside::Answers(Duration::from_millis(50)));
        let consult = ConsultOptions::to("sip:ben@outside");
        let set_up = Operation::SetupConference { line, address: AddressId(0), call: Some(one), consult };
        let Ok(Outcome::Conference { conference, consult: Some(two) }) = self.ask(set_up) else {
            panic!("no conference")
        };
        self.ask(Operation::AddToConference { conference, member: two }).unwrap();
        (conference, one, two)
    }

    pub fn kind(&self, call: CallId) -> StateKind {
        self.state(call).kind()
    }

    /// Changes of information of a call, as told since the last time.
    pub fn changes(&mut self, call: CallId) -> Vec<InfoParts> {
        let told = std::mem::take(&mut self.told);
        let changes = told.into_iter().filter_map(|event| match event {
            ProviderEvent::CallInfo { call: about, changed } if about == call => Some(changed),
            _ => None,
        });
        changes.collect()
    }

    /// From now on everything about lines is told.
    pub fn hear_everything(&mut self) {
        for line in [A, B, C] {
            self.exchange.detect_status(line, Set::ALL).unwrap();
        }
    }
}

pub fn ended(state: &CallState) -> Option<DisconnectMode> {
    match state {
        CallState::Disconnected(end) => Some(end.mode),
        _ => None,
    }
}
